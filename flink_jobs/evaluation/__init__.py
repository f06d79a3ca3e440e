"""Results of backtests held against known drifts."""
