"""The two-sample Kolmogorov-Smirnov test."""
