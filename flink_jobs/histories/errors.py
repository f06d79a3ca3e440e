"""Errors around a backtest."""

from __future__ import annotations


class BacktestError(Exception):
    """A backtest that cannot be run or read; the message says what to do."""


class SourceError(BacktestError):
    """A history that cannot be read; the message names the file, and the row where it has one."""
