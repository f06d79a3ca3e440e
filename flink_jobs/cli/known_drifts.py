"""Which drifts of a history are known, by the options of a command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flink_jobs.backtest.shift_table import Shift
    from flink_jobs.backtest.truth import DriftInterval


def known_drifts(
    truth: Path | None, shifts: Path | None
) -> tuple[list[Shift], list[DriftInterval] | None]:
    """What is simulated, and all drifts that are known; None where neither option is given.

    Raises
    ------
    ConfigError
        When a file cannot be used.
    """
    from flink_jobs.backtest.shift_table import read_shifts
    from flink_jobs.backtest.simulator import truth_of
    from flink_jobs.backtest.truth import read_truth

    if truth is None and shifts is None:
        return [], None
    simulated = [] if shifts is None else read_shifts(shifts)
    labelled = [] if truth is None else read_truth(truth)
    return simulated, labelled + truth_of(simulated)
