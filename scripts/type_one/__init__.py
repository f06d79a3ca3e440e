"""Rates of false alarms of each reducer with each two-sample test."""
