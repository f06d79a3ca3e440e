"""A level for each window from the time that a stream shall run without a false alarm."""

from __future__ import annotations

import math

from detectors.base import TwoSampleResult, TwoSampleTest
from detectors.calibration.dependence import INDEPENDENT, Dependence
from detectors.calibration.level import Judgement, LevelPerWindow
from detectors.calibration.null_streams import IncidentRule
from detectors.calibration.run_time_curves import (
    CONFIDENCES,
    HIGHEST_LEVEL,
    OVERLAPS,
    RULES,
    SHARES,
    Setting,
    curve_of,
    level_for,
)
from detectors.errors import InvalidParameterError

_MOST_TO_RECOVER = 3
_LOWEST_CONFIDENCE, _HIGHEST_CONFIDENCE = float(CONFIDENCES[0]), float(CONFIDENCES[-1])


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
        The share of references for which that holds, from 0.5 to 0.95.
    overlap : int
        Windows to which a row belongs: 1 where they do not overlap.
    rule : IncidentRule
        How windows make an incident.
    may_overlap_less : bool
        Whether windows sometimes overlap less than that, or not at all.

    Raises
    ------
    InvalidParameterError
        If a parameter lies outside its range.

    Notes
    -----
    Rows must be independent of each other, or ``dependence`` must say how much they are not. The
    levels come from a simulation in the limit of many rows. It is that of ``ks``, which differs
    most from reference to reference. For one or two drifting windows in a row, and three normal
    ones or more to recover, its results come with the package. Any other rule is simulated when it
    is first made, in half a minute, with the same results everywhere. References of less than a few
    windows differ so much that the price is high: there most run far longer than promised.

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
        *,
        may_overlap_less: bool = False,
    ) -> None:
        if not 2.0 <= n_windows < math.inf:
            raise InvalidParameterError(f"n_windows must be finite and at least 2, not {n_windows}")
        if overlap < 1 or not 1 <= rule.to_start <= rule.within or rule.to_recover < 1:
            raise InvalidParameterError(
                f"overlap and to_recover must be at least 1, and to_start at most within: {overlap}"
                f", {tuple(rule)}"
            )
        if not _LOWEST_CONFIDENCE <= confidence <= _HIGHEST_CONFIDENCE:
            raise InvalidParameterError(
                f"confidence must be from {_LOWEST_CONFIDENCE} to {_HIGHEST_CONFIDENCE}, not "
                f"{confidence}"
            )
        self._n_windows, self._confidence = float(n_windows), float(confidence)
        self._overlaps = {overlap, 1 if may_overlap_less else overlap}
        # More normal windows to recover make fewer incidents.
        self._rule = rule._replace(to_recover=min(rule.to_recover, _MOST_TO_RECOVER))
        if self._rule not in RULES:
            self._simulate()

    def level_for(
        self, n_ref: int, n_test: int, n_dimensions: int, dependence: Dependence = INDEPENDENT
    ) -> float:
        """Give the level for windows of ``n_test`` rows against a reference of ``n_ref``.

        Parameters
        ----------
        n_ref, n_test : int
        n_dimensions : int
            Statistics of which the test takes the largest; 1 for one that compares whole rows.
        dependence : Dependence
            The test takes rows for independent: its p-values are too small where they are not.
        """
        own_ref, own_test = n_ref / dependence.ref, n_test / dependence.test
        level = min(
            level_for(
                Setting(own_test / own_ref, overlap, n_dimensions, self._rule),
                self._n_windows, self._confidence,
            )
            for overlap in self._overlaps
        )  # fmt: skip
        if dependence == INDEPENDENT:
            return level
        # For large distances D the p-value of KS is 2 * exp(-2 * n * D**2), with n the rows below.
        inflation = _in_both(n_ref, n_test) / _in_both(own_ref, own_test)
        halves = 2.0 * n_dimensions
        return float(halves * (level / halves) ** inflation)

    def judge(
        self, test: TwoSampleTest, result: TwoSampleResult, dependence: Dependence = INDEPENDENT
    ) -> Judgement:
        """Judge ``result`` by the level for its numbers of rows, or the lowest that there is."""
        n_ref, n_test, width = result.n_ref, result.n_test, result.dimension_statistics.size
        level = self.level_for(n_ref, n_test, width if test.is_univariate else 1, dependence)
        lowest = test.lowest_p_value(n_ref, n_test, width)
        return LevelPerWindow(min(max(level, lowest), HIGHEST_LEVEL)).judge(test, result)

    def _simulate(self) -> None:
        """Make all curves now: later a stream would wait for them."""
        for share in SHARES:
            for overlap in self._overlaps:
                curve_of(Setting(share, min(overlap, OVERLAPS[-1]), 1, self._rule))


def _in_both(n_ref: float, n_test: float) -> float:
    return n_ref * n_test / (n_ref + n_test)
