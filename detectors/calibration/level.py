"""From a result to a judgement: which threshold applies, and whether it is crossed.

Callers hold a :class:`Calibration` and never compare a p-value or a statistic themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, runtime_checkable

from detectors.base import TwoSampleResult, TwoSampleTest
from detectors.calibration.closing_in import UNKNOWN_OFFSET, Offset
from detectors.calibration.dependence import INDEPENDENT, Dependence
from detectors.checks import check_level


@dataclass(frozen=True)
class Threshold:
    """The bound that a result had to cross, in both of its units.

    Attributes
    ----------
    p_value : float
        In (0, 1): drift is a p-value at or below it.
    statistic : float
        Drift is a statistic at or above it. Infinite where the samples, or the permutations, are
        too few for any statistic to cross it.
    """

    p_value: float
    statistic: float


@dataclass(frozen=True)
class Judgement:
    """A verdict on a result, and the threshold that decided it.

    Attributes
    ----------
    is_drift : bool
    threshold : Threshold
    result : TwoSampleResult
        As it was judged: where rows depend on each other p-values, statistic and numbers of rows
        are those of the independent rows that they stand for, in the dimension that decided.
    offset : Offset
        What is known of the reference, with this window.
    """

    is_drift: bool
    threshold: Threshold
    result: TwoSampleResult = field(repr=False, compare=False)
    offset: Offset = field(default=UNKNOWN_OFFSET, repr=False, compare=False)


class Sized(NamedTuple):
    """The demands on a window.

    Attributes
    ----------
    level : float
        The p-value, of so many independent rows, at or below which a window drifts.
    n_ref, n_test : int
        Independent rows for which those of the reference and the window are taken.
    is_kept : bool
        False where windows have too few of them for what was promised.
    """

    level: float
    n_ref: int
    n_test: int
    is_kept: bool = True


@runtime_checkable
class Calibration(Protocol):
    """Decides about results, one test window after the other."""

    def judge(
        self, test: TwoSampleTest, result: TwoSampleResult,
        dependence: Sequence[Dependence] = (), offset: Offset = UNKNOWN_OFFSET,
    ) -> Judgement:  # fmt: skip
        """Judge ``result``, which ``test`` has returned.

        ``dependence`` says of each dimension how much its rows depend on each other; nothing where
        they do not. ``offset`` is what is known of the reference from windows before this one.
        """
        ...

    def sized(
        self, n_ref: int, n_test: int, n_dimensions: int, dependence: Dependence = INDEPENDENT,
        offset: Offset = UNKNOWN_OFFSET,
    ) -> Sized:  # fmt: skip
        """Say what is asked of windows of ``n_test`` rows against a reference of ``n_ref``.

        ``n_dimensions`` counts the statistics of which a test takes the largest.
        """
        ...


@dataclass(frozen=True)
class LevelPerWindow:
    """The same level for every test window: drift where ``p_value <= level``.

    The level is the false-alarm rate of one window alone. A stream without drift still alarms about
    once in ``1 / level`` independent windows.

    Parameters
    ----------
    level : float
        In (0, 1).

    Raises
    ------
    InvalidParameterError
        If ``level`` lies outside (0, 1).

    Examples
    --------
    >>> import numpy as np
    >>> from detectors import KSTest
    >>> rng = np.random.default_rng(0)
    >>> test = KSTest().fit(rng.normal(size=(100, 1)))
    >>> LevelPerWindow(0.01).judge(test, test.test(rng.normal(2, 1, (100, 1)), rng=rng))
    Judgement(is_drift=True, threshold=Threshold(p_value=0.01, statistic=0.23))
    """

    level: float

    def __post_init__(self) -> None:
        check_level(self.level)

    def judge(
        self, test: TwoSampleTest, result: TwoSampleResult,
        dependence: Sequence[Dependence] = (), offset: Offset = UNKNOWN_OFFSET,
    ) -> Judgement:  # fmt: skip
        """Judge ``result`` by its p-value alone; the statistic says what that level stands for."""
        threshold = Threshold(self.level, test.critical_statistic(self.level, result))
        return Judgement(result.p_value <= self.level, threshold, result)

    def sized(
        self, n_ref: int, n_test: int, n_dimensions: int, dependence: Dependence = INDEPENDENT,
        offset: Offset = UNKNOWN_OFFSET,
    ) -> Sized:  # fmt: skip
        """Give the same level for all rows as they are."""
        return Sized(self.level, n_ref, n_test)
