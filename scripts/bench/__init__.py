"""Benchmarks of the job, the detectors and backtests against other libraries."""
