"""A level for each window from the time that a stream shall run without a false alarm."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from detectors.base import FewerRowsTest, FloatArray, TwoSampleResult, TwoSampleTest
from detectors.calibration.closing_in import UNKNOWN_OFFSET, Offset, surprise_of
from detectors.calibration.dependence import ENOUGH_ROWS, INDEPENDENT, Dependence
from detectors.calibration.level import Judgement, LevelPerWindow, Sized
from detectors.calibration.null_streams import IncidentRule
from detectors.calibration.run_time_curves import (
    CONFIDENCES,
    HIGHEST_LEVEL,
    MORE_RULES,
    OVERLAPS,
    RULES,
    SHARES,
    Setting,
    curve_of,
    level_for,
)
from detectors.errors import InvalidParameterError

_MOST_TO_RECOVER = 3
# How far windows of a reference are from it, at least, where the promise cannot be kept.
_LEAST_FURTHEST = 0.1
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
    Rows must be independent of each other, or ``dependence`` must say how much they are not: a
    window is then judged as one of the fewer independent rows for which it stands, column by
    column where the test has a p-value for each. Where these are so few that even a window that
    lies halfway between the furthest window of the reference and the furthest possible would not
    drift, no threshold keeps the promise. Then a window drifts about where it is further from the
    reference than any window of it was.

    How far off a reference is becomes known from windows that are tested while no incident is open:
    each of them adds to the :class:`Offset`, and levels follow. They stay between those for half
    and for 95 % of all references, and windows are learnt from until they weigh four times what was
    known before: so a drift that is too slow for any window does not take its own alarm away.

    The levels come from a simulation in the limit of many rows. It is that of ``ks``, which differs
    most from reference to reference. For one drifting window, two of up to five, and three in a
    row, with three normal ones or more to recover, its results come with the package. Any other
    rule is simulated when it is first made, in half a minute, with the same results everywhere.
    References of less than a few windows differ so much that the price is high: there most run far
    longer than promised, until windows have told how far off they are.

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
        self._overlap = overlap
        self._overlaps = {overlap, 1 if may_overlap_less else overlap}
        # More normal windows to recover make fewer incidents. One window is one of however many.
        self._rule = rule._replace(
            within=rule.within if rule.to_start > 1 else 1,
            to_recover=min(rule.to_recover, _MOST_TO_RECOVER),
        )
        # Columns that depend alike, and windows of one size, ask the same again and again.
        self._sized = lru_cache(maxsize=1_024)(self._sized_now)
        if self._rule not in (*RULES, *MORE_RULES):
            self._simulate()

    def level_for(
        self, n_ref: float, n_test: float, n_dimensions: int, confidence: float | None = None
    ) -> float:
        """Give the level for windows of ``n_test`` independent rows against a reference.

        Parameters
        ----------
        n_ref, n_test : float
        n_dimensions : int
            Statistics of which the test takes the largest; 1 for one that compares whole rows.
        confidence : float, optional
            That of a reference of which something is known.
        """
        return min(
            level_for(
                Setting(n_test / n_ref, overlap, n_dimensions, self._rule),
                self._n_windows, self._confidence if confidence is None else confidence,
            )
            for overlap in self._overlaps
        )  # fmt: skip

    def sized(
        self, n_ref: int, n_test: int, n_dimensions: int, dependence: Dependence = INDEPENDENT,
        offset: Offset = UNKNOWN_OFFSET,
    ) -> Sized:  # fmt: skip
        """Say what is asked of windows of ``n_test`` rows against a reference of ``n_ref``.

        Parameters
        ----------
        n_ref, n_test : int
        n_dimensions : int
            As for :meth:`level_for`.
        dependence : Dependence
            Of the rows of one dimension.
        offset : Offset
            What is known of the reference.
        """
        confidence = offset.confidence(self._confidence, n_dimensions)
        return self._sized(n_ref, n_test, n_dimensions, dependence, confidence)

    def judge(
        self, test: TwoSampleTest, result: TwoSampleResult,
        dependence: Sequence[Dependence] = (), offset: Offset = UNKNOWN_OFFSET,
    ) -> Judgement:  # fmt: skip
        """Judge ``result`` by the level for its numbers of rows, or the lowest that there is."""
        width = result.dimension_statistics.size if test.is_univariate else 1
        confidence = offset.confidence(self._confidence, width)
        p_values = result.dimension_p_values if test.is_univariate else np.array([result.p_value])
        if not any(each != INDEPENDENT for each in dependence):
            level = self._sized(result.n_ref, result.n_test, width, INDEPENDENT, confidence).level
            return self._learning(self._at(level, test, result), p_values, offset)
        if isinstance(test, FewerRowsTest) and len(dependence) == result.dimension_statistics.size:
            return self._judge_columns(test, result, dependence, confidence, offset)
        worst = max(dependence, key=lambda each: each.test)
        own = self._sized(result.n_ref, result.n_test, width, worst, confidence)
        # The p-values take dependent rows for independent ones.
        inflation = _in_both(result.n_ref, result.n_test) / _in_both(own.n_ref, own.n_test)
        halves = 2.0 * width
        judgement = self._at(halves * (own.level / halves) ** inflation, test, result)
        # Such p-values are right in their tail alone, where no window is that tells of a reference.
        return replace(judgement, offset=offset)

    def _judge_columns(
        self, test: FewerRowsTest, result: TwoSampleResult, dependence: Sequence[Dependence],
        confidence: float, offset: Offset,
    ) -> Judgement:  # fmt: skip
        """Judge the column that is furthest beyond its level, as one of fewer rows."""
        width = len(dependence)
        sizes = [
            self._sized(result.n_ref, result.n_test, width, each, confidence)
            for each in dependence
        ]  # fmt: skip
        p_values = np.array(
            [
                test.p_value_of_fewer(result, j, own.n_ref, own.n_test)
                if dependence[j] != INDEPENDENT
                else result.dimension_p_values[j]
                for j, own in enumerate(sizes)
            ]
        )
        j = int(np.argmin(p_values / [own.level for own in sizes]))
        p_value = min(1.0, float(p_values[j]) * width)
        fewer = replace(
            result,
            p_value=p_value,
            statistic=test.statistic_of(result, j, p_value),
            n_ref=sizes[j].n_ref,
            n_test=sizes[j].n_test,
            dimension_p_values=p_values,
        )
        judgement = self._at(sizes[j].level, test, fewer)
        if not all(map(_tells, sizes, dependence)):
            return replace(judgement, offset=offset)
        return self._learning(judgement, p_values, offset)

    def _learning(self, judgement: Judgement, p_values: FloatArray, offset: Offset) -> Judgement:
        """Add what a window says about the reference."""
        share = judgement.result.n_test / judgement.result.n_ref
        known = offset.with_window(share, surprise_of(p_values), self._overlap, self._n_windows)
        return replace(judgement, offset=known)

    def _sized_now(
        self, n_ref: int, n_test: int, n_dimensions: int, dependence: Dependence, confidence: float
    ) -> Sized:
        if dependence == INDEPENDENT:
            level = self.level_for(n_ref, n_test, n_dimensions, confidence)
            return Sized(level, n_ref, n_test)
        own_ref, own_test = n_ref / dependence.ref, n_test / dependence.test
        level = min(self.level_for(own_ref, own_test, n_dimensions, confidence), HIGHEST_LEVEL)
        # For large distances D the p-value of KS is 2 * exp(-2 * n * D**2), with n the rows below.
        surprise = math.log(2.0 * n_dimensions / level) / 2.0
        in_both, furthest = _in_both(own_ref, own_test), dependence.furthest
        is_kept = in_both * ((1.0 + furthest) / 2.0) ** 2 >= surprise
        if not is_kept:
            scale = surprise / (max(furthest, _LEAST_FURTHEST) ** 2 * in_both)
            own_ref, own_test = (max(1.0, scale) * n for n in (own_ref, own_test))
        return Sized(level, _whole(own_ref, n_ref), _whole(own_test, n_test), is_kept)

    def _at(self, level: float, test: TwoSampleTest, result: TwoSampleResult) -> Judgement:
        width = result.dimension_statistics.size
        lowest = test.lowest_p_value(result.n_ref, result.n_test, width)
        return LevelPerWindow(min(max(level, lowest), HIGHEST_LEVEL)).judge(test, result)

    def _simulate(self) -> None:
        """Make all curves now: later a stream would wait for them."""
        for share in SHARES:
            for overlap in self._overlaps:
                curve_of(Setting(share, min(overlap, OVERLAPS[-1]), 1, self._rule))


def _tells(own: Sized, dependence: Dependence) -> bool:
    """Say whether windows tell how far off a reference is: not where its dependence is a guess.

    At a correlation of 0.9 and references of 20 windows of 100 rows 86 % of detectors that learnt
    kept their promise, and 92 % of those that did not.
    """
    return own.is_kept and (dependence == INDEPENDENT or own.n_ref >= ENOUGH_ROWS)


def _whole(own: float, n: int) -> int:
    return min(n, max(1, int(own)))


def _in_both(n_ref: float, n_test: float) -> float:
    return n_ref * n_test / (n_ref + n_test)
