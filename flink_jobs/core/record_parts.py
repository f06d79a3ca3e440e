"""The parts of alerts and scores that windows, references and results turn into."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors import Judgement, TwoSampleResult, choose_exemplars
from flink_jobs.core.windows.windows import ClosedWindow
from flink_jobs.intake.event_columns import EventColumns
from flink_jobs.records.alerts import (
    DimensionShift,
    Exemplar,
    ReferenceSummary,
    ThresholdSummary,
    WindowSummary,
    finite_or_none,
)


class Facts(NamedTuple):
    """What the score and the alert of one window have in common."""

    model: str
    detector: str
    window: WindowSummary
    reference: ReferenceSummary

    def identity(self) -> tuple[str | int, ...]:
        """Return what tells this window from every other one of the job."""
        w = self.window
        early = ("early", w.n_events) if w.closed_early else ()
        return (
            self.model, self.detector, w.kind, w.start_ms, w.end_ms, w.first_event,
            self.reference.fingerprint, *early,
        )  # fmt: skip


def window_summary(window: ClosedWindow) -> WindowSummary:
    """The window as records show it."""
    return WindowSummary(
        kind=window.kind,
        start_ms=window.start_ms,
        end_ms=window.end_ms,
        closed_ms=window.closed_ms,
        first_event=window.first_event,
        n_events=window.n_events,
        n_tested=window.n_tested,
        closed_early=window.closed_early,
    )


def result_fields(result: TwoSampleResult, judgement: Judgement) -> dict[str, Any]:
    """The numbers of a test, as scores and alerts have them."""
    return {
        "statistic": finite_or_none(result.statistic),
        "p_value": finite_or_none(result.p_value),
        "threshold": ThresholdSummary(
            p_value=judgement.threshold.p_value,
            statistic=finite_or_none(judgement.threshold.statistic),
        ),
        "effect_size": finite_or_none(result.effect_size),
        "missing_p_value": None if result.missing is None else result.missing.p_value,
    }


def top_dimensions(result: TwoSampleResult, most: int) -> list[DimensionShift]:
    """The dimensions with the largest statistics, the first one first among equals."""
    order = np.argsort(-result.dimension_statistics, kind="stable")[:most]
    return [
        DimensionShift(
            dimension=dimension,
            statistic=float(result.dimension_statistics[dimension]),
            p_value=float(result.dimension_p_values[dimension]),
            direction=_direction(float(result.dimension_shifts[dimension])),
            shift=finite_or_none(float(result.dimension_shifts[dimension])),
        )
        for dimension in order.tolist()
    ]


def exemplars(columns: EventColumns, scores: NDArray[np.float64], most: int) -> list[Exemplar]:
    """The events least like the reference; ``scores`` has one entry for each event."""
    return [
        Exemplar(
            event_id=columns.event_ids[row],
            partition=int(columns.partitions[row]),
            offset=int(columns.offsets[row]),
            score=float(scores[row]),
        )
        for row in choose_exemplars(scores, most).most_different.tolist()
    ]


def kind_of(table: msgspec.Struct) -> str:
    """The tag of a table."""
    return str(table.__struct_config__.tag)


def _direction(shift: float) -> Literal["up", "down", "none"]:
    if shift == 0.0:
        return "none"
    return "up" if shift > 0.0 else "down"
