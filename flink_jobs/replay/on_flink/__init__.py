"""Backtests as a bounded Flink job."""
