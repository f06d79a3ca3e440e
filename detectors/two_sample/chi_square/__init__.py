"""The two-sample chi-square test."""
