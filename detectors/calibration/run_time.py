"""A level for each window from the time that a stream shall run without a false alarm."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from detectors.base import FloatArray, TwoSampleResult, TwoSampleTest
from detectors.calibration.level import Judgement, LevelPerWindow
from detectors.calibration.null_streams import MOST_DIMENSIONS, IncidentRule, NullStreams
from detectors.checks import check_level
from detectors.errors import InvalidParameterError

# Levels change by 3 % where shares change by 19 %: one simulation serves all between two steps.
_SHARE_STEPS = 4
_SMALLEST_SHARE = 2.0**-10
# Windows are simulated until the worst references had this many incidents each.
_INCIDENTS = 100
_FEWEST_INCIDENTS = 30
_MOST_WINDOWS = 250_000
_FEWEST_WINDOWS = 10_000
# Lengths of a window, where windows overlap.
_LENGTHS = 300
_LEAST_SLOPE = 0.5
# More overlap than this changes nothing but the cost: neighbours differ by 4 % of a deviation.
_MOST_OVERLAP = 512
HIGHEST_LEVEL = 0.5
"""A window that drifts as often as not tells nothing, whatever the time."""


class ExpectedRunTime:
    """Levels for an expected time until the first false alarm, whatever the reference.

    A level per window says nothing about a stream: windows overlap, a rule makes incidents of
    them, and a reference that is off by chance raises false alarms for as long as it is in use.
    Here the level is such that of all references of ``n_ref`` rows a share of ``confidence`` runs
    for ``n_windows`` windows or more, on average, until an incident starts without a drift.

    Parameters
    ----------
    n_windows : float
        The expected time in windows; at least 2.
    confidence : float
        In (0, 1), the share of references for which that holds.
    overlap : int
        Windows to which a row belongs: 1 where they do not overlap.
    rule : IncidentRule
        How windows make an incident.

    Raises
    ------
    InvalidParameterError
        If a parameter lies outside its range.

    Notes
    -----
    Rows must be independent of each other. The levels come from a simulation in the limit of many
    rows, seeded, so that they are the same everywhere; it takes up to some seconds and is kept. It
    is that of ``ks``, which differs most from reference to reference. docs/run-times.md compares
    promise and result for all tests. References of less than a few windows differ so much that the
    price is high: there most run far longer than promised.

    No test goes below its lowest p-value. Where the level does, ``judge`` takes that p-value for
    it: a move is found, and the promise is not kept.

    References
    ----------
    Gandy, Kvaløy: Guaranteed Conditional Performance of Control Charts via Bootstrap Methods,
    Scandinavian Journal of Statistics 2013, doi:10.1002/sjos.12006

    Examples
    --------
    >>> import numpy as np
    >>> from detectors import KSTest
    >>> rng = np.random.default_rng(0)
    >>> test = KSTest().fit(rng.normal(size=(2_000, 1)))
    >>> calibration = ExpectedRunTime(200, overlap=2)
    >>> judgement = calibration.judge(test, test.test(rng.normal(size=(100, 1)), rng=rng))
    >>> judgement.is_drift, round(judgement.threshold.p_value, 3)
    (False, 0.004)
    """

    def __init__(
        self,
        n_windows: float,
        confidence: float = 0.9,
        overlap: int = 1,
        rule: IncidentRule = IncidentRule(),  # noqa: B008 - it cannot be changed
    ) -> None:
        if not 2.0 <= n_windows < math.inf:
            raise InvalidParameterError(f"n_windows must be finite and at least 2, not {n_windows}")
        if overlap < 1 or not 1 <= rule.to_start <= rule.within or rule.to_recover < 1:
            raise InvalidParameterError(
                f"overlap and to_recover must be at least 1, and to_start at most within: {overlap}"
                f", {tuple(rule)}"
            )
        check_level(confidence, "confidence")
        # Time in units of a window's length stays the same.
        coarser = min(1.0, _MOST_OVERLAP / overlap)
        self._n_windows = max(2.0, n_windows * coarser)
        self._confidence, self._overlap = confidence, min(overlap, _MOST_OVERLAP)
        self._rule = rule

    def level_for(self, n_ref: int, n_test: int, n_dimensions: int) -> float:
        """Give the level for windows of ``n_test`` rows against a reference of ``n_ref``.

        Parameters
        ----------
        n_ref, n_test : int
        n_dimensions : int
            Statistics of which the test takes the largest; 1 for one that compares whole rows.
        """
        share = max(n_test / n_ref, _SMALLEST_SHARE)
        steps = math.ceil(_SHARE_STEPS * math.log2(share))
        return _level(
            2.0 ** (steps / _SHARE_STEPS), self._overlap, min(n_dimensions, MOST_DIMENSIONS),
            self._rule, self._n_windows, self._confidence,
        )  # fmt: skip

    def judge(self, test: TwoSampleTest, result: TwoSampleResult) -> Judgement:
        """Judge ``result`` by the level for its numbers of rows, or the lowest that there is."""
        n_ref, n_test, width = result.n_ref, result.n_test, result.dimension_statistics.size
        level = self.level_for(n_ref, n_test, width if test.is_univariate else 1)
        lowest = test.lowest_p_value(n_ref, n_test, width)
        return LevelPerWindow(min(max(level, lowest), HIGHEST_LEVEL)).judge(test, result)


@lru_cache(maxsize=1_024)
def _level(
    share: float,
    overlap: int,
    n_dimensions: int,
    rule: IncidentRule,
    run_time: float,
    confidence: float,
) -> float:
    streams = NullStreams(share, overlap, n_dimensions, rule)
    fewest = max(_FEWEST_WINDOWS, _LENGTHS * overlap)
    levels = np.geomspace(HIGHEST_LEVEL, 1e-3, 10)
    guess = _level_of(streams, fewest, levels, run_time, confidence)
    n = int(np.clip(_INCIDENTS * run_time, fewest, max(fewest, _MOST_WINDOWS)))
    near = np.unique(np.minimum(guess * np.geomspace(0.25, 4.0, 9), HIGHEST_LEVEL))
    return _level_of(streams, n, near[::-1], run_time, confidence)


def _level_of(
    streams: NullStreams, n_windows: int, levels: FloatArray, run_time: float, confidence: float
) -> float:
    """Give the level at which a share of ``confidence`` of the references runs so long.

    Between the levels that were simulated, and beyond them, the logarithm of the run time is a
    straight line in that of the level, or nearly: its slope changes by 0.1 where levels change by
    10. References that ran into few incidents say nothing about it.
    """
    lower = np.quantile(streams.run_times(n_windows, levels), 1.0 - confidence, axis=0)
    is_known = lower <= max(n_windows / _FEWEST_INCIDENTS, lower[0])
    x, y = np.log(levels[is_known]), np.maximum.accumulate(np.log(lower[is_known]))
    goal = math.log(run_time)
    if goal <= y[-1] or x.size == 1:
        return float(np.exp(np.interp(goal, y, x)))
    back = max(0, x.size - 4)
    slope = max((y[-1] - y[back]) / (x[back] - x[-1]), _LEAST_SLOPE)
    return float(np.exp(x[-1] - (goal - y[-1]) / slope))
