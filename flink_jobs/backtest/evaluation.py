"""How well a detector found the labelled drifts, beside detectors that look at nothing.

One *stream* is one detector of one model. All its figures rest on the ends of its tested windows,
since only then can an alarm be raised:

* An **alarm** is an incident of cause drift. It is raised at the end of the window of its first
  alert, and stays in force until the end of the window with which it recovered.
* A drift ``[start, end)`` is **detected** by the first alarm that is raised after its start and not
  later than ``tolerance_ms`` after its end. An alarm that is in force at its start counts where it
  was raised in a drift that overlaps this one or ends within the tolerance before it, then from the
  first window that ends after the start; an alarm that was false when it was raised never counts.
  So no detector is quicker than one that alarms with every window.
* An alarm is **false** when it was raised in no drift, the tolerance included.
* **Monitored time** runs from the start of the first tested window to the end of the last; **quiet
  time** is what of it lies in no drift, the tolerance included.

Over several streams counts and times are summed: a drift counts once for each stream it concerns.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray

from flink_jobs.backtest.figures import Beside, Figures
from flink_jobs.backtest.result import BacktestResult
from flink_jobs.backtest.result_tables import figures_table
from flink_jobs.backtest.truth import NO_END_MS, DriftInterval
from flink_jobs.config.job import detectors_of
from flink_jobs.config.overrides import config_of_model
from flink_jobs.records.alerts import Alert, AlertKind, Cause, Score, ScoreStatus

__all__ = [
    "Alarm",
    "Beside",
    "Detection",
    "Evaluation",
    "Figures",
    "Stream",
    "WindowEnds",
    "alarms_of",
    "evaluate",
    "evaluate_result",
    "window_ends",
]

Spans = NDArray[np.int64]
"""Stretches of time that neither overlap nor touch, in order, shape (n, 2)."""


class Stream(NamedTuple):
    """One detector of one model."""

    model: str
    detector: str


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
        Ascending; a window that was tested twice counts once.
    """

    start_ms: int
    ends_ms: NDArray[np.int64]


class Detection(Struct, frozen=True, kw_only=True):
    """What became of one drift in one stream; the delays are None where it was missed.

    ``delay_windows`` counts tested windows that ended after the start, up to the one of the alarm.
    """

    model: str
    detector: str
    drift: DriftInterval
    delay_ms: int | None = None
    delay_windows: int | None = None
    is_monitored: bool = True


class Evaluation(Struct, frozen=True, kw_only=True):
    """The figures of a backtest against ground truth.

    Attributes
    ----------
    total : Beside
    by_model, by_detector : dict of str to Beside
    by_stream : list of tuple (model, detector, Beside)
    detections : list of Detection
        Each drift in each stream it concerns, by model, detector and start.
    unmatched : list of DriftInterval
        Drifts that concern no model of the history.
    tolerance_ms : int
    """

    total: Beside
    by_model: dict[str, Beside]
    by_detector: dict[str, Beside]
    by_stream: list[tuple[str, str, Beside]]
    detections: list[Detection]
    unmatched: list[DriftInterval]
    tolerance_ms: int

    def to_table(self) -> pa.Table:
        """A row of :data:`~flink_jobs.backtest.result_tables.FIGURES_SCHEMA` for each detector.

        The first is the configuration's, over all its streams; the others look at nothing.
        """
        return figures_table(
            {
                "this configuration": self.total.detector,
                "never": self.total.never,
                "always": self.total.always,
                "every n windows": self.total.every_n_windows,
            }
        )

    def to_frame(self) -> Any:
        """:meth:`to_table` as a pandas data frame, each row under the name of its detector."""
        return self.to_table().to_pandas().set_index("detector")


def evaluate(
    alerts: Iterable[Alert],
    windows: Mapping[Stream, WindowEnds],
    intervals: Sequence[DriftInterval],
    *,
    streams: Iterable[Stream] = (),
    tolerance_ms: int = 0,
) -> Evaluation:
    """Hold alerts against labelled drifts; the module says what each figure means.

    Parameters
    ----------
    alerts : iterable of Alert
        In the order in which they were written. Those of a cause other than drift are passed over.
    windows : mapping of Stream to WindowEnds
        See :func:`window_ends`.
    intervals : sequence of DriftInterval
    streams : iterable of Stream
        Further streams that were there but tested nothing: their drifts are missed.
    tolerance_ms : int
        For so long after the end of a drift an alarm is still one of it. About a window's length is
        fair, since windows that end later still hold drifted events.

    Returns
    -------
    Evaluation

    Raises
    ------
    ValueError
        If ``tolerance_ms`` is negative.
    """
    if tolerance_ms < 0:
        raise ValueError(f"tolerance_ms must be 0 or more, not {tolerance_ms}")
    alarms = alarms_of(alerts)
    by_stream, detections = [], []
    for stream in sorted({*windows, *alarms, *streams}):
        drifts = [each for each in intervals if each.concerns(stream.model)]
        judge = _Judge(windows.get(stream), drifts, tolerance_ms)
        beside = _beside(judge, alarms.get(stream, []))
        by_stream.append((stream.model, stream.detector, beside))
        detections += judge.detections(stream, alarms.get(stream, []))
    models = {model for model, _, _ in by_stream}
    return Evaluation(
        total=sum((beside for _, _, beside in by_stream), Beside()),
        by_model=_summed((model, beside) for model, _, beside in by_stream),
        by_detector=_summed((detector, beside) for _, detector, beside in by_stream),
        by_stream=by_stream,
        detections=detections,
        unmatched=[each for each in intervals if not any(map(each.concerns, models))],
        tolerance_ms=tolerance_ms,
    )


def evaluate_result(
    result: BacktestResult, intervals: Sequence[DriftInterval], *, tolerance_ms: int = 0
) -> Evaluation:
    """:func:`evaluate` for a backtest: every model of its history, with every detector it has."""
    streams = [
        Stream(model, each.name)
        for model in result.summary.n_by_model
        for each in detectors_of(config_of_model(result.config, model))
    ]
    windows = window_ends(result.scores())
    return evaluate(result.alerts(), windows, intervals, streams=streams, tolerance_ms=tolerance_ms)


def alarms_of(alerts: Iterable[Alert]) -> dict[Stream, list[Alarm]]:
    """The incidents of cause drift, by stream, in the order in which they were raised.

    An incident that did not recover is in force until :data:`NO_END_MS`.
    """
    raised: dict[tuple[Stream, str], Alarm] = {}
    for alert in alerts:
        if alert.cause is not Cause.DRIFT:
            continue
        key = Stream(alert.model, alert.detector), alert.incident_id
        end_ms = alert.window.end_ms
        alarm = raised.setdefault(key, Alarm(end_ms, NO_END_MS))
        if alert.kind is AlertKind.RECOVERED:
            raised[key] = alarm._replace(until_ms=max(end_ms, alarm.raised_ms))
    alarms: dict[Stream, list[Alarm]] = defaultdict(list)
    for (stream, _), alarm in raised.items():
        alarms[stream].append(alarm)
    return {stream: sorted(of_stream) for stream, of_stream in alarms.items()}


def window_ends(scores: Iterable[Score]) -> dict[Stream, WindowEnds]:
    """The tested windows among scores, by stream.

    Parameters
    ----------
    scores : iterable of Score
        Read once; two numbers are kept of each.
    """
    starts: dict[Stream, int] = {}
    ends: dict[Stream, list[int]] = defaultdict(list)
    for score in scores:
        if score.status is ScoreStatus.TESTED:
            stream, window = Stream(score.model, score.detector), score.window
            starts[stream] = min(starts.get(stream, window.start_ms), window.start_ms)
            ends[stream].append(window.end_ms)
    return {stream: WindowEnds(starts[stream], np.unique(ends[stream])) for stream in ends}


def _beside(judge: _Judge, alarms: list[Alarm]) -> Beside:
    return Beside(
        detector=judge.figures(alarms),
        never=judge.figures([]),
        always=judge.figures(judge.dummy_alarms(judge.n_windows)),
        every_n_windows=judge.figures(judge.dummy_alarms(len(alarms))),
    )


class _Judge:
    """Judges alarms of one stream, real ones and those of dummies, by the same windows."""

    def __init__(
        self, windows: WindowEnds | None, drifts: list[DriftInterval], tolerance_ms: int
    ) -> None:
        self._drifts = sorted(drifts, key=lambda drift: (drift.start_ms, drift.end_ms))
        self._tolerance_ms = tolerance_ms
        self._ends_ms = np.empty(0, dtype=np.int64) if windows is None else windows.ends_ms
        spans = [(drift.start_ms, drift.end_ms + tolerance_ms) for drift in self._drifts]
        self._drifting = _merged(spans)
        monitored = [] if windows is None else [(windows.start_ms, int(windows.ends_ms[-1]))]
        self._monitored = _merged(monitored)

    @property
    def n_windows(self) -> int:
        return len(self._ends_ms)

    def dummy_alarms(self, n: int) -> list[Alarm]:
        """``n`` alarms at windows that lie evenly among all, at most one a window."""
        n = min(n, self.n_windows)
        places = [(2 * i + 1) * self.n_windows // (2 * n) for i in range(n)]
        ends_ms = [*self._ends_ms.tolist(), NO_END_MS]
        return [Alarm(ends_ms[place], ends_ms[place + 1]) for place in places]

    def figures(self, alarms: list[Alarm]) -> Figures:
        detected = self._detected_ms(alarms)
        pairs = [(d, at) for d, at in zip(self._drifts, detected, strict=True) if at is not None]
        in_force = _intersection(_merged(alarms), self._monitored)
        monitored_ms = _total(self._monitored)
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
            quiet_ms=monitored_ms - _total(_intersection(self._drifting, self._monitored)),
            false_alarm_ms=_total(in_force) - _total(_intersection(in_force, self._drifting)),
        )

    def detections(self, stream: Stream, alarms: list[Alarm]) -> list[Detection]:
        return [
            Detection(
                model=stream.model,
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
        """Which of the joined drifts ``(start, end + tolerance]`` holds each time; -1 for none."""
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


def _summed(parts: Iterable[tuple[str, Beside]]) -> dict[str, Beside]:
    sums: dict[str, Beside] = {}
    for name, beside in parts:
        sums[name] = sums.get(name, Beside()) + beside
    return sums


def _merged(spans: Iterable[tuple[int, int]]) -> Spans:
    """The union of spans; those that touch are joined."""
    merged: list[list[int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        elif end > start:
            merged.append([start, end])
    return np.array(merged, dtype=np.int64).reshape(-1, 2)


def _intersection(a: Spans, b: Spans) -> Spans:
    """What lies in both."""
    parts = [
        (max(start, other_start), min(end, other_end))
        for start, end in a.tolist()
        for other_start, other_end in _near(b, start, end)
    ]
    return _merged(parts)


def _near(spans: Spans, start: int, end: int) -> list[list[int]]:
    first = int(np.searchsorted(spans[:, 1], start, side="right"))
    last = int(np.searchsorted(spans[:, 0], end, side="left"))
    near: list[list[int]] = spans[first:last].tolist()
    return near


def _total(spans: Spans) -> int:
    return int((spans[:, 1] - spans[:, 0]).sum())
