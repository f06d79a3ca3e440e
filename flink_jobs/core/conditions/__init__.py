"""Conditions of a model that are told without a test behind them."""
