"""Backtests: what the drift job would have said about a recorded history.

What a notebook needs is imported from here; the packages that it takes, when it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from flink_jobs.histories.packages import require_backtest_packages

if TYPE_CHECKING:
    from flink_jobs.histories.known_drifts.truth import DriftInterval, read_truth
    from flink_jobs.replay.engine import run_backtest
    from flink_jobs.replay.result import BacktestResult

__all__ = ["BacktestResult", "DriftInterval", "read_truth", "run_backtest"]

_HOMES = {
    "BacktestResult": "flink_jobs.replay.result",
    "DriftInterval": "flink_jobs.histories.known_drifts.truth",
    "read_truth": "flink_jobs.histories.known_drifts.truth",
    "run_backtest": "flink_jobs.replay.engine",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    require_backtest_packages()
    return getattr(import_module(_HOMES[name]), name)
