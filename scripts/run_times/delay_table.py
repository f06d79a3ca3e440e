"""The table of delays, and in which rows our detectors are first."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from detectors.base import FloatArray
from scripts.run_times.delays import N_AFTER, OURS
from scripts.run_times.streams import SHIFTS
from scripts.shared.markdown import table

_RESAMPLES = 1_000
_SURE = 0.95

Delays = Mapping[str, Mapping[str, FloatArray]]
"""Rows until the alarm of each stream, by shift and detector."""


def delay_table(found: Delays, run_times: Mapping[str, float]) -> str:
    """Write a row for each shift: medians with 90 % intervals, and whether ours are first."""
    names = list(run_times)
    header = ["shift", "first", *(f"`{name}`" for name in names)]
    rows = [
        [SHIFTS[shift][0], verdict(each), *(_cell(each[name]) for name in names)]
        for shift, each in found.items()
    ]
    measured = ["none: mean rows until an alarm", "", *(f"{run_times[n]:,.0f}" for n in names)]
    return table(header, [*rows, measured], n_left=2)


def verdict(of_row: Mapping[str, FloatArray]) -> str:
    """Say whether the best of ours finds a shift before the best of theirs, as far as is known.

    Streams are drawn anew, and the best chosen anew, a thousand times.

    Examples
    --------
    >>> early, late = np.arange(40.0), np.arange(40.0) + 100
    >>> verdict({"mixed": early, "ADWIN": late}), verdict({"mixed": late, "ADWIN": late + 1})
    ('ours', 'tied')
    """
    rng = np.random.default_rng(0)
    sides = [
        [_medians(each, rng) for name, each in of_row.items() if (name in OURS) is own]
        for own in (True, False)
    ]
    if not all(sides):
        return "alone"
    ours, theirs = (np.min(side, axis=0) for side in sides)
    earlier, later = float(np.mean(ours < theirs)), float(np.mean(ours > theirs))
    return "ours" if earlier >= _SURE else "theirs" if later >= _SURE else "tied"


def _medians(delays: FloatArray, rng: np.random.Generator) -> FloatArray:
    draws = rng.integers(delays.size, size=(_RESAMPLES, delays.size))
    # Not the mean of two in the middle: one of them may be infinite.
    return np.asarray(np.quantile(delays[draws], 0.5, axis=1, method="higher"))


def _cell(delays: FloatArray) -> str:
    medians = _medians(delays, np.random.default_rng(0))
    low, high = np.quantile(medians, [0.05, 0.95], method="nearest")
    median = float(np.quantile(delays, 0.5, method="higher"))
    return f"{_rows(median)} ({_rows(low)} to {_rows(high)})"


def _rows(value: float) -> str:
    return f"{value:,.0f}" if np.isfinite(value) else f"over {N_AFTER:,}"
