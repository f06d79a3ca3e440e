"""Run times by level: simulated once for a setting, and shipped for those that are common."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple, TypeVar

import numpy as np
from scipy.special import ndtri

from detectors.base import FloatArray
from detectors.calibration.null_streams import IncidentRule, NullStreams

HIGHEST_LEVEL = 0.5
"""A window that drifts as often as not tells nothing, whatever the time."""
LEVELS: FloatArray = HIGHEST_LEVEL * 10.0 ** (-np.arange(17) / 4.0)
CONFIDENCES: FloatArray = np.array([0.5, 0.8, 0.9, 0.95])
"""Shares of references. Those of rarer ones are extrapolated from these."""
SHARES = tuple(2.0**n for n in (-8, -6, -5, -4, -3, -2, -1, 0, 1))
OVERLAPS = (1, 2, 4, 8, 16, 64)
"""Beyond the last nothing changes but the unit: a tenth of it is a tenth of a window's length."""
DIMENSIONS = (1, 4)
"""More dimensions average over more bridges of one reference: with 4 of them references differ more
than with 400. Levels for 4 hold for all that are more where references have 5 windows or more; with
2 windows 16 dimensions run up to a quarter shorter."""
RULES = (IncidentRule(1, 1, 3), IncidentRule(2, 2, 3))
MORE_RULES = tuple(IncidentRule(k, n, 3) for k, n in ((2, 3), (2, 4), (2, 5), (3, 3)))
"""Rules for which curves are shipped as well, of one dimension: one takes 2 s to simulate."""

# Windows are simulated until the worst references had this many incidents each.
_INCIDENTS = 200
_FEWEST_INCIDENTS = 30
_MOST_WINDOWS = 1_000_000  # over all dimensions
# For other rules, also while a job waits: a curve takes 2 s, up to run times of 3,000 windows.
_MOST_WINDOWS_NOW = 100_000
_FEWEST_WINDOWS = 10_000
# Lengths of a window, where windows overlap.
_LENGTHS = 300
_LEVELS_AT_ONCE = 2
# The quantile of 256 references has an error of 4 % of a run time, and their 200 incidents, which
# come from windows that all of them share, add 4 %. Six other seeds gave references of 20 and 100
# windows 0.96 and 0.985 of a run time of 100 windows. So levels are those for a longer one.
_MARGIN = 1.08
_LEAST_SLOPE = 0.5
TABLE = "run_times.npz"
"""In this folder: what ``scripts/run_times/curves.py`` wrote."""

_Number = TypeVar("_Number", int, float)


class Setting(NamedTuple):
    """All that a run time depends on, beside the level.

    Attributes
    ----------
    share : float
        Rows of a window over rows of the reference.
    overlap, n_dimensions : int
    rule : IncidentRule
    """

    share: float
    overlap: int
    n_dimensions: int
    rule: IncidentRule


class Curve:
    """The run time, in windows, that a share of all references reaches, level by level.

    Parameters
    ----------
    log_run_times : ndarray of float, shape (n_confidences, n_levels)
        Logarithms, for ``CONFIDENCES`` and ``LEVELS``; NaN from the first level on that was not
        simulated.
    """

    def __init__(self, log_run_times: FloatArray) -> None:
        self._log_run_times = log_run_times

    def level(self, run_time: float, confidence: float) -> float:
        """Give the highest level at which a share of ``confidence`` runs for ``run_time`` windows.

        Between two levels, and beyond the last, the logarithm of the run time is a straight line in
        that of the level, or nearly: its slope changes by 0.1 where levels change by 10.
        """
        lower = self._quantiles(confidence)
        x, y = np.log(LEVELS[: lower.size]), np.maximum.accumulate(lower)
        goal = math.log(run_time)
        if goal <= y[-1] or x.size == 1:
            return float(np.exp(np.interp(goal, y, x)))
        back = max(0, x.size - 4)
        slope = max((y[-1] - y[back]) / (x[back] - x[-1]), _LEAST_SLOPE)
        return float(np.exp(x[-1] - (goal - y[-1]) / slope))

    def _quantiles(self, confidence: float) -> FloatArray:
        """Logarithms of run times of one confidence, of the levels that were simulated.

        They are nearly normal over references, so a straight line in the normal's quantiles; beyond
        the last, which is that of the worst 13 of 256, the line through it and the median.
        """
        known = self._log_run_times[:, ~np.isnan(self._log_run_times[0])]
        at, grid = ndtri(confidence), ndtri(CONFIDENCES)
        if at > grid[-1]:
            return np.asarray(known[0] + (known[-1] - known[0]) * at / grid[-1])
        return np.array([np.interp(at, grid, column) for column in known.T])


def level_for(setting: Setting, run_time: float, confidence: float) -> float:
    """Give the level for a setting, between those for which there are curves.

    Shares beyond the last are taken for the last. It is that for a run time 8 % longer, by as much
    as curves may be wrong.
    """
    overlap = min(setting.overlap, OVERLAPS[-1])
    windows = max(2.0, _MARGIN * run_time * overlap / setting.overlap)
    dimensions = DIMENSIONS if setting.rule in RULES else (1,)
    n_dimensions = max(n for n in dimensions if n <= setting.n_dimensions)
    overlaps = OVERLAPS if setting.rule in (*RULES, *MORE_RULES) else (overlap,)
    log_level = math.fsum(
        weight_a * weight_b
        * _log_level(Setting(a, b, n_dimensions, setting.rule), windows, confidence)
        for weight_a, a in _neighbours(SHARES, setting.share)
        for weight_b, b in _neighbours(overlaps, overlap)
    )  # fmt: skip
    return min(HIGHEST_LEVEL, math.exp(log_level))


@lru_cache(maxsize=4_096)
def _log_level(setting: Setting, run_time: float, confidence: float) -> float:
    return math.log(curve_of(setting).level(run_time, confidence))


@lru_cache(maxsize=1_024)
def curve_of(setting: Setting) -> Curve:
    """Give the curve of a setting: the shipped one, or one simulated now, in some seconds."""
    shipped = _shipped().get(setting)
    return Curve(simulated(setting) if shipped is None else shipped)


def simulated(setting: Setting) -> FloatArray:
    """Simulate the logarithms of the run times of a setting, as :class:`Curve` takes them."""
    most_windows = _MOST_WINDOWS if setting.rule in RULES else _MOST_WINDOWS_NOW
    streams = NullStreams(*setting)
    found = np.full((CONFIDENCES.size, LEVELS.size), np.nan)
    fewest = max(_FEWEST_WINDOWS, _LENGTHS * setting.overlap)
    most, expected = most_windows // setting.n_dimensions, 1.0
    for first in range(0, LEVELS.size, _LEVELS_AT_ONCE):
        n = max(fewest, min(most, math.ceil(_INCIDENTS * expected)))
        group = slice(first, first + _LEVELS_AT_ONCE)
        run_times = streams.run_times(n, LEVELS[group])
        found[:, group] = np.log(np.quantile(run_times, 1.0 - CONFIDENCES, axis=0))
        lower = np.exp(found[-2, group])
        if (too_few := lower > n / _FEWEST_INCIDENTS).any():
            found[:, first + int(np.argmax(too_few)) if first else _LEVELS_AT_ONCE :] = np.nan
            break
        growth = lower[-1] / np.exp(found[-2, max(0, first - 1)])
        expected = lower[-1] * max(growth, 2.0)
    return found


def common_settings() -> Iterator[Setting]:
    """List the settings for which curves are shipped."""
    for rule in (*RULES, *MORE_RULES):
        for n_dimensions in DIMENSIONS if rule in RULES else (1,):
            for overlap in OVERLAPS:
                for share in SHARES:
                    yield Setting(share, overlap, n_dimensions, rule)


def _neighbours(grid: Sequence[_Number], value: float) -> list[tuple[float, _Number]]:
    """Weights and points of a grid around a value, in logarithms: one or two, or an end."""
    above = bisect_left(grid, value)
    if above == len(grid):
        return [(1.0, grid[-1])]
    if above == 0 or grid[above] == value:
        return [(1.0, grid[above])]
    low, high = grid[above - 1], grid[above]
    weight = math.log(value / low) / math.log(high / low)
    return [(1.0 - weight, low), (weight, high)]


@lru_cache(maxsize=1)
def _shipped() -> dict[Setting, FloatArray]:
    # A table that is missing is an error: simulated curves differ, and so would alerts.
    table = files("detectors.calibration").joinpath(TABLE)
    with table.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        curves = arrays["log_run_times"].astype(np.float64)
    return dict(zip(common_settings(), curves, strict=True))
