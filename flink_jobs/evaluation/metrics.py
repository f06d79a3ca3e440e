"""Figures for the alarms of one or several streams, and for trivial baselines.

:mod:`flink_jobs.evaluation.evaluate` says what is counted.
"""

from __future__ import annotations

import msgspec
import numpy as np
import scipy
from msgspec import Struct


class Figures(Struct, frozen=True, kw_only=True):
    """Counts and times of one stream or of several; the rates follow from them.

    Attributes
    ----------
    n_drifts, n_missed : int
    n_unmonitored : int
        Drifts in which (with the tolerance) no tested window ended: nobody looked.
    n_alarms, n_false_alarms : int
    n_windows : int
        Tested windows.
    delays_ms, delays_windows : list of int
        Of each detected drift.
    monitored_ms, quiet_ms : int
    false_alarm_ms : int
        Quiet time in which an alarm was in force, whatever raised it.

    Examples
    --------
    >>> figures = Figures(n_drifts=4, n_missed=1, n_alarms=5, n_false_alarms=2, quiet_ms=60_000)
    >>> figures.precision, figures.recall, figures.mean_time_between_false_alarms_ms
    (0.6, 0.75, 30000.0)
    """

    n_drifts: int = 0
    n_missed: int = 0
    n_unmonitored: int = 0
    n_alarms: int = 0
    n_false_alarms: int = 0
    n_windows: int = 0
    delays_ms: list[int] = msgspec.field(default_factory=list)
    delays_windows: list[int] = msgspec.field(default_factory=list)
    monitored_ms: int = 0
    quiet_ms: int = 0
    false_alarm_ms: int = 0

    def __add__(self, other: Figures) -> Figures:
        names = self.__struct_fields__
        return Figures(**{name: getattr(self, name) + getattr(other, name) for name in names})

    @property
    def precision(self) -> float | None:
        """Share of the alarms that are not false; None without an alarm."""
        return _ratio(self.n_alarms - self.n_false_alarms, self.n_alarms)

    @property
    def recall(self) -> float | None:
        """Share of the drifts that were detected; None without a drift."""
        return _ratio(self.n_drifts - self.n_missed, self.n_drifts)

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall; 0 for drifts without alarm, None without drift."""
        if not self.n_drifts:
            return None
        precision, recall = self.precision or 0.0, self.recall or 0.0
        return 2 * precision * recall / (precision + recall) if precision * recall else 0.0

    @property
    def mean_delay_ms(self) -> float | None:
        """Over the detected drifts; None without one."""
        return _mean(self.delays_ms)

    @property
    def median_delay_ms(self) -> float | None:
        """Over the detected drifts; None without one."""
        return float(np.median(self.delays_ms)) if self.delays_ms else None

    @property
    def mean_delay_windows(self) -> float | None:
        """Over the detected drifts; None without one."""
        return _mean(self.delays_windows)

    @property
    def false_alarm_share(self) -> float | None:
        """Share of the monitored time in which an alarm was in force without a drift."""
        return _ratio(self.false_alarm_ms, self.monitored_ms)

    @property
    def mean_time_between_false_alarms_ms(self) -> float | None:
        """Quiet time for each false alarm; None without a false alarm."""
        return _ratio(self.quiet_ms, self.n_false_alarms)

    def time_between_false_alarms_interval_ms(
        self, confidence: float = 0.95
    ) -> tuple[float, float | None]:
        """Exact interval of the mean time between false alarms, were they a Poisson process.

        From the chi-square limits of a Poisson mean (Garwood, Biometrika 1936,
        doi:10.1093/biomet/28.3-4.437). Without a false alarm it has no upper limit, None.

        Examples
        --------
        >>> low, high = Figures(quiet_ms=1_000).time_between_false_alarms_interval_ms()
        >>> round(low), high
        (271, None)
        """
        k, tail = self.n_false_alarms, (1.0 - confidence) / 2
        most = float(scipy.stats.chi2.ppf(1.0 - tail, 2 * k + 2)) / 2
        least = float(scipy.stats.chi2.ppf(tail, 2 * k)) / 2 if k else 0.0
        return self.quiet_ms / most, self.quiet_ms / least if least else None


class Beside(Struct, frozen=True, kw_only=True):
    """A detector's figures, and those of three trivial baselines, over the same windows.

    Attributes
    ----------
    detector : Figures
    never : Figures
        Never alarms.
    always : Figures
        Raises an alarm with every tested window.
    every_n_windows : Figures
        Raises as many alarms as the detector, one every n windows, n being the number of windows
        for each alarm; each is in force until the next window ends.
    """

    detector: Figures = Figures()
    never: Figures = Figures()
    always: Figures = Figures()
    every_n_windows: Figures = Figures()

    def __add__(self, other: Beside) -> Beside:
        names = self.__struct_fields__
        return Beside(**{name: getattr(self, name) + getattr(other, name) for name in names})


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _mean(values: list[int]) -> float | None:
    return float(np.mean(values)) if values else None
