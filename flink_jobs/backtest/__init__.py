"""Backtests: what the drift job would have said about a recorded history."""
