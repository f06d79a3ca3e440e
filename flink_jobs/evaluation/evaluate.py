"""How well a detector found the labelled drifts, next to trivial baselines.

One *stream* is one detector of one view of one model. All its figures rest on the times of its
tests, the ``closed_ms`` of its windows, since only then can an alarm be raised:

* An **alarm** is an incident of cause drift. It is raised by the test of its first alert, and stays
  in force until the test with which it recovered.
* A drift ``[start, end)`` is **detected** by the first alarm that is raised after its start and not
  later than ``tolerance_ms`` after its end. An alarm that is in force at its start counts where it
  was raised in a drift that overlaps this one or ends within the tolerance before it, then from the
  first test after the start; an alarm that was false when it was raised never counts.
  So no detector is quicker than one that alarms with every window.
* An alarm is **false** when it was raised in no drift, the tolerance included.
* **Monitored time** runs from the start of the first tested window to the last test; **quiet
  time** is what of it lies in no drift, the tolerance included.

Over several streams counts and times are summed: a drift counts once for each stream it concerns.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from msgspec import Struct

from flink_jobs.config.overrides import config_of_model
from flink_jobs.config.views import views_of
from flink_jobs.evaluation.detections import (
    Alarm,
    Detection,
    JudgedStream,
    Stream,
    WindowEnds,
)
from flink_jobs.evaluation.metrics import Beside, Figures
from flink_jobs.histories.known_drifts.truth import NO_END_MS, DriftInterval
from flink_jobs.records.alerts import Alert, AlertKind, Cause, Score, ScoreStatus
from flink_jobs.replay.result import BacktestResult

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


_Name = TypeVar("_Name", str, tuple[str, str])

FIGURES_SCHEMA = pa.schema(
    [
        ("detector", pa.string()),
        ("n_drifts", pa.int64()),
        ("n_missed", pa.int64()),
        ("n_alarms", pa.int64()),
        ("n_false_alarms", pa.int64()),
        ("precision", pa.float64()),
        ("recall", pa.float64()),
        ("f1", pa.float64()),
        ("mean_delay_ms", pa.float64()),
        ("mean_time_between_false_alarms_ms", pa.float64()),
    ]
)
"""The columns after the first are called as the attributes of
:class:`~flink_jobs.evaluation.metrics.Figures` are."""


class Evaluation(Struct, frozen=True, kw_only=True):
    """The figures of a backtest against ground truth.

    Attributes
    ----------
    total : Beside
    by_model : dict of str to Beside
    by_watcher : dict of (view, detector) to Beside
    by_stream : dict of Stream to Beside
        By model, view and detector.
    detections : list of Detection
        Each drift in each stream it concerns, by model, view, detector and start.
    unmatched : list of DriftInterval
        Drifts that concern no model of the history.
    tolerance_ms : int
    """

    total: Beside
    by_model: dict[str, Beside]
    by_watcher: dict[tuple[str, str], Beside]
    by_stream: dict[Stream, Beside]
    detections: list[Detection]
    unmatched: list[DriftInterval]
    tolerance_ms: int

    def to_table(self) -> pa.Table:
        """A row of :data:`FIGURES_SCHEMA` for each detector.

        The first is the configuration's, over all its streams; the others are trivial baselines.
        """
        return _figures_table(
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
        An alarm within this time after the end of a drift is still one of it. About a window's
        length is fair, since windows that end later still hold drifted events.

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
    by_stream: dict[Stream, Beside] = {}
    detections: list[Detection] = []
    for stream in sorted({*windows, *alarms, *streams}):
        drifts = [each for each in intervals if each.concerns(stream.model)]
        judge = JudgedStream(windows.get(stream), drifts, tolerance_ms)
        by_stream[stream] = _beside(judge, alarms.get(stream, []))
        detections += judge.detections(stream, alarms.get(stream, []))
    models = {stream.model for stream in by_stream}
    return Evaluation(
        total=sum(by_stream.values(), Beside()),
        by_model=_summed((stream.model, each) for stream, each in by_stream.items()),
        by_watcher=_summed(
            ((stream.view, stream.detector), each) for stream, each in by_stream.items()
        ),
        by_stream=by_stream,
        detections=detections,
        unmatched=[each for each in intervals if not any(map(each.concerns, models))],
        tolerance_ms=tolerance_ms,
    )


def evaluate_result(
    result: BacktestResult, intervals: Sequence[DriftInterval], *, tolerance_ms: int = 0
) -> Evaluation:
    """:func:`evaluate` for a backtest: every model of its history, and all its detectors."""
    streams = [
        Stream(model, view.name, name)
        for model in result.summary.n_by_model
        for view in views_of(config_of_model(result.config, model))
        for name in view.detector_names
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
        key = Stream(alert.model, alert.view, alert.detector), alert.incident_id
        closed_ms = alert.window.closed_ms
        alarm = raised.setdefault(key, Alarm(closed_ms, NO_END_MS))
        if alert.kind is AlertKind.RECOVERED:
            raised[key] = alarm._replace(until_ms=max(closed_ms, alarm.raised_ms))
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
            stream = Stream(score.model, score.view, score.detector)
            window = score.window
            starts[stream] = min(starts.get(stream, window.start_ms), window.start_ms)
            ends[stream].append(window.closed_ms)
    return {stream: WindowEnds(starts[stream], np.unique(ends[stream])) for stream in ends}


def _beside(judge: JudgedStream, alarms: list[Alarm]) -> Beside:
    return Beside(
        detector=judge.figures(alarms),
        never=judge.figures([]),
        always=judge.figures(judge.dummy_alarms(judge.n_windows)),
        every_n_windows=judge.figures(judge.dummy_alarms(len(alarms))),
    )


def _summed(parts: Iterable[tuple[_Name, Beside]]) -> dict[_Name, Beside]:
    sums: dict[_Name, Beside] = {}
    for name, beside in parts:
        sums[name] = sums.get(name, Beside()) + beside
    return sums


def _figures_table(of_detectors: Mapping[str, Figures]) -> pa.Table:
    """A row of :data:`FIGURES_SCHEMA` for each detector."""
    names = FIGURES_SCHEMA.names[1:]
    rows = [
        {"detector": detector, **{name: getattr(figures, name) for name in names}}
        for detector, figures in of_detectors.items()
    ]
    return pa.Table.from_pylist(rows, schema=FIGURES_SCHEMA)
