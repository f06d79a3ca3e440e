"""The alarms of one stream held against its true drifts, and the arithmetic of spans of time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray

from flink_jobs.evaluation.metrics import Figures
from flink_jobs.histories.known_drifts.truth import NO_END_MS, DriftInterval
from flink_jobs.records.alerts import MAIN_DETECTOR, MAIN_VIEW


class Stream(NamedTuple):
    """One detector of one view of one model."""

    model: str
    view: str = MAIN_VIEW
    detector: str = MAIN_DETECTOR


class Alarm(NamedTuple):
    """In force from ``raised_ms`` until ``until_ms``."""

    raised_ms: int
    until_ms: int


class WindowEnds(NamedTuple):
    """The tested windows of a stream.

    Attributes
    ----------
    start_ms : int
        Of the first.
    ends_ms : ndarray of int64, shape (n_windows,)
        When they were tested, ascending; tests at one moment count once.
    """

    start_ms: int
    ends_ms: NDArray[np.int64]


class Detection(Struct, frozen=True, kw_only=True):
    """Result for one drift in one stream; the delays are None if it was missed.

    ``delay_windows`` counts tested windows that ended after the start, up to the one of the alarm.
    """

    model: str
    view: str = MAIN_VIEW
    detector: str = MAIN_DETECTOR
    drift: DriftInterval
    delay_ms: int | None = None
    delay_windows: int | None = None
    is_monitored: bool = True


class JudgedStream:
    """Judges alarms of one stream, real ones and those of dummies, by the same windows."""

    def __init__(
        self, windows: WindowEnds | None, drifts: list[DriftInterval], tolerance_ms: int
    ) -> None:
        self._drifts = sorted(drifts, key=lambda drift: (drift.start_ms, drift.end_ms))
        self._tolerance_ms = tolerance_ms
        self._ends_ms = np.empty(0, dtype=np.int64) if windows is None else windows.ends_ms
        spans = [(drift.start_ms, drift.end_ms + tolerance_ms) for drift in self._drifts]
        self._drifting = merged(spans)
        monitored = [] if windows is None else [(windows.start_ms, int(windows.ends_ms[-1]))]
        self._monitored = merged(monitored)

    @property
    def n_windows(self) -> int:
        """Tested ones."""
        return len(self._ends_ms)

    def dummy_alarms(self, n: int) -> list[Alarm]:
        """``n`` alarms at windows that lie evenly among all, at most one a window."""
        n = min(n, self.n_windows)
        places = [(2 * i + 1) * self.n_windows // (2 * n) for i in range(n)]
        ends_ms = [*self._ends_ms.tolist(), NO_END_MS]
        return [Alarm(ends_ms[place], ends_ms[place + 1]) for place in places]

    def figures(self, alarms: list[Alarm]) -> Figures:
        """How good these alarms are."""
        detected = self._detected_ms(alarms)
        pairs = [(d, at) for d, at in zip(self._drifts, detected, strict=True) if at is not None]
        in_force = intersection(merged(alarms), self._monitored)
        monitored_ms = total(self._monitored)
        return Figures(
            n_drifts=len(self._drifts),
            n_missed=len(self._drifts) - len(pairs),
            n_unmonitored=sum(not self._is_monitored(drift) for drift in self._drifts),
            n_alarms=len(alarms),
            n_false_alarms=int((self._pieces([alarm.raised_ms for alarm in alarms]) < 0).sum()),
            n_windows=self.n_windows,
            delays_ms=[at - drift.start_ms for drift, at in pairs],
            delays_windows=[self._n_windows_in(drift.start_ms, at) for drift, at in pairs],
            monitored_ms=monitored_ms,
            quiet_ms=monitored_ms - total(intersection(self._drifting, self._monitored)),
            false_alarm_ms=total(in_force) - total(intersection(in_force, self._drifting)),
        )

    def detections(self, stream: Stream, alarms: list[Alarm]) -> list[Detection]:
        """Match these alarms with each drift."""
        return [
            Detection(
                model=stream.model,
                view=stream.view,
                detector=stream.detector,
                drift=drift,
                delay_ms=None if at is None else at - drift.start_ms,
                delay_windows=None if at is None else self._n_windows_in(drift.start_ms, at),
                is_monitored=self._is_monitored(drift),
            )
            for drift, at in zip(self._drifts, self._detected_ms(alarms), strict=True)
        ]

    def _detected_ms(self, alarms: list[Alarm]) -> list[int | None]:
        """When each drift was detected; None where it was missed."""
        raised, until = np.array(sorted(alarms), dtype=np.int64).reshape(-1, 2).T
        pieces = self._pieces(raised)
        detected: list[int | None] = []
        for drift in self._drifts:
            last_ms = drift.end_ms + self._tolerance_ms
            n_before = int(np.searchsorted(raised, drift.start_ms, side="right"))
            moments = raised[n_before : n_before + 1].tolist()
            # Raised in a drift that runs into this one, and still in force when a window ends.
            place = int(np.searchsorted(self._ends_ms, drift.start_ms, side="right"))
            for first_ms in self._ends_ms[place : place + 1].tolist():
                goes_on = (until[:n_before] >= first_ms) & (
                    pieces[:n_before] == self._pieces([drift.start_ms + 1])
                )
                moments += [first_ms] * bool(goes_on.any())
            first = min(moments, default=None)
            detected.append(first if first is not None and first <= last_ms else None)
        return detected

    def _pieces(self, times_ms: ArrayLike) -> NDArray[np.intp]:
        """Return the joined drift ``(start, end + tolerance]`` of each time; -1 for none."""
        times = np.asarray(times_ms, dtype=np.int64)
        places = np.searchsorted(self._drifting[:, 0], times, side="left") - 1
        # Before the first drift any end will do: -1 stays -1.
        ends = np.append(self._drifting[:, 1], 0)[places]
        return np.where(times <= ends, places, -1)

    def _is_monitored(self, drift: DriftInterval) -> bool:
        return self._n_windows_in(drift.start_ms, drift.end_ms + self._tolerance_ms) > 0

    def _n_windows_in(self, after_ms: int, until_ms: int) -> int:
        first, last = np.searchsorted(self._ends_ms, [after_ms, until_ms], side="right").tolist()
        return int(last - first)


Spans = NDArray[np.int64]
"""Stretches of time that neither overlap nor touch, in order, shape (n, 2)."""


def merged(spans: Iterable[tuple[int, int]]) -> Spans:
    """The union of spans; those that touch are joined."""
    merged: list[list[int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        elif end > start:
            merged.append([start, end])
    return np.array(merged, dtype=np.int64).reshape(-1, 2)


def intersection(a: Spans, b: Spans) -> Spans:
    """Return the spans that lie in both."""
    parts = [
        (max(start, other_start), min(end, other_end))
        for start, end in a.tolist()
        for other_start, other_end in _near(b, start, end)
    ]
    return merged(parts)


def _near(spans: Spans, start: int, end: int) -> list[list[int]]:
    first = int(np.searchsorted(spans[:, 1], start, side="right"))
    last = int(np.searchsorted(spans[:, 0], end, side="left"))
    near: list[list[int]] = spans[first:last].tolist()
    return near


def total(spans: Spans) -> int:
    """How long they are together."""
    return int((spans[:, 1] - spans[:, 0]).sum())
