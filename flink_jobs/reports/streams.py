"""The scores and alerts of a backtest by stream: one detector of one view of one model."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from flink_jobs.records.alerts import Alert, AlertKind, Cause, ReferenceSummary, Score, ScoreStatus
from flink_jobs.records.wording import stream_name

Floats = NDArray[np.float64]

STATUSES = tuple(ScoreStatus)
_SMALLEST_P = 1e-300
"""Smaller p-values are drawn there: their logarithm may be infinite."""


@dataclass(frozen=True, eq=False)
class Windows:
    """All closed windows of a stream as columns, in order of their end; NaN where not tested.

    Attributes
    ----------
    start_ms, end_ms, n_events, n_tested : ndarray of float64, shape (n,)
    status : ndarray of float64, shape (n,)
        Place in :data:`STATUSES`.
    statistic, p_value, threshold, level, effect_size, missing_p_value : ndarray of float64
        ``threshold`` is on the scale of the statistic, ``level`` on that of the p-value.
    is_drift, closed_early : ndarray of float64
        0 or 1.
    """

    start_ms: Floats
    end_ms: Floats
    n_events: Floats
    n_tested: Floats
    status: Floats
    statistic: Floats
    p_value: Floats
    threshold: Floats
    level: Floats
    effect_size: Floats
    missing_p_value: Floats
    is_drift: Floats
    closed_early: Floats

    def __len__(self) -> int:
        return len(self.end_ms)

    @property
    def is_tested(self) -> NDArray[np.bool_]:
        """The windows that were tested."""
        return self.has_status(ScoreStatus.TESTED)

    @property
    def log_p(self) -> Floats:
        """-log10 of the p-values."""
        return np.asarray(-np.log10(np.maximum(self.p_value, _SMALLEST_P)))

    def has_status(self, status: ScoreStatus) -> NDArray[np.bool_]:
        """The windows that ended so."""
        return np.asarray(self.status == STATUSES.index(status))

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Windows:
        """The chosen windows."""
        return Windows(**{name: getattr(self, name)[rows] for name in COLUMNS})

    @classmethod
    def of(cls, rows: Floats) -> Windows:
        """Put rows of :func:`numbers_of` in order, shape (n, 13)."""
        ordered = rows[np.argsort(rows[:, 1], kind="stable")]
        return cls(*(np.ascontiguousarray(column) for column in ordered.T))


COLUMNS = tuple(Windows.__dataclass_fields__)


@dataclass(eq=False)
class StreamView:
    """One detector of one view of one model.

    Attributes
    ----------
    model, view, detector, reducer, test : str
    windows : Windows
    references : dict of str to ReferenceSummary
        Those that windows were compared with, by fingerprint; the first few of them.
    alerts : list of Alert
        Ordered by the end of their window.
    """

    model: str
    view: str
    detector: str
    reducer: str = ""
    test: str = ""
    windows: Windows = field(default_factory=lambda: _as_windows(array("d")))
    references: dict[str, ReferenceSummary] = field(default_factory=dict)
    alerts: list[Alert] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The model, and what watches it unless that is the only one of a simple configuration."""
        return stream_name(self.model, self.view, self.detector)

    @property
    def started(self) -> list[Alert]:
        """The alerts that began an incident of drift."""
        return self._of_drift(AlertKind.STARTED)

    @property
    def recovered(self) -> list[Alert]:
        """The alerts that ended an incident of drift."""
        return self._of_drift(AlertKind.RECOVERED)

    def _of_drift(self, kind: AlertKind) -> list[Alert]:
        return [a for a in self.alerts if a.cause is Cause.DRIFT and a.kind is kind]


_MOST_REFERENCES = 20


def read_streams(scores: Iterable[Score], alerts: Iterable[Alert]) -> list[StreamView]:
    """Every stream with a score or an alert, by model, view and detector.

    An alert about a storm belongs to none. Of each score 13 numbers are kept: 26 MB for 250,000 of
    them.
    """
    views: dict[tuple[str, str, str], StreamView] = {}
    numbers: dict[tuple[str, str, str], array[float]] = defaultdict(lambda: array("d"))
    for score in scores:
        key = (score.model, score.view, score.detector)
        if key not in views:
            views[key] = StreamView(*key, score.reducer, score.test)
        numbers[key].extend(numbers_of(score))
        references = views[key].references
        if len(references) < _MOST_REFERENCES:
            references.setdefault(score.reference.fingerprint, score.reference)
    for alert in alerts:
        if alert.storm is not None:
            continue
        key = (alert.model, alert.view, alert.detector)
        if key not in views:
            views[key] = StreamView(*key, alert.reducer, alert.test)
        views[key].alerts.append(alert)
    for key, view in views.items():
        view.windows = _as_windows(numbers[key])
        view.alerts.sort(key=lambda alert: alert.window.closed_ms)
    return [views[key] for key in sorted(views)]


def numbers_of(score: Score) -> tuple[float, ...]:
    """Give the numbers of a score in the order of :class:`Windows`."""
    window, threshold = score.window, score.threshold
    return (
        window.start_ms,
        window.end_ms,
        window.n_events,
        window.n_tested,
        STATUSES.index(score.status),
        _number(score.statistic),
        _number(score.p_value),
        _number(None if threshold is None else threshold.statistic),
        _number(None if threshold is None else threshold.p_value),
        _number(score.effect_size),
        _number(score.missing_p_value),
        float(bool(score.is_drift)),
        float(window.closed_early),
    )


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _as_windows(numbers: array[float]) -> Windows:
    return Windows.of(np.array(numbers, dtype=np.float64).reshape(-1, len(COLUMNS)))
