"""Comparisons of configurations over one history."""
