"""The parts of alerts and scores that windows, references and results turn into."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors import Judgement, TwoSampleResult, choose_exemplars
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.tables.detectors import NoReductionConfig, SoftmaxOutputsConfig
from flink_jobs.config.views import views_of
from flink_jobs.core.windows.windows import ClosedWindow
from flink_jobs.intake.panes import EventColumns
from flink_jobs.records.alerts import (
    ColumnShift,
    Exemplar,
    ReferenceSummary,
    SampleSummary,
    ThresholdSummary,
    WindowSummary,
    finite_or_none,
)

_BY_KOLMOGOROV_SMIRNOV = ("ks", "mmd", "energy", "binomial")


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


def column_names(config: DriftJobConfig, n_dimensions: int) -> list[str]:
    """Names of what a test compared: columns, where the reducer leaves them as they are."""
    view = views_of(config)[0]
    if isinstance(view.reducer, NoReductionConfig | SoftmaxOutputsConfig):
        names = [slot.name for slot in view.slots]
        if len(names) == n_dimensions:
            return names
    return [f"component {dimension}" for dimension in range(n_dimensions)]


def sample(result: TwoSampleResult, test: str) -> SampleSummary | None:
    """The events that columns were described by; None where statistics are no distances."""
    if test not in _BY_KOLMOGOROV_SMIRNOV:
        return None
    return SampleSummary(n_ref=result.n_ref, n_test=result.n_test)


def top_columns(result: TwoSampleResult, names: Sequence[str], most: int) -> list[ColumnShift]:
    """The columns with the largest statistics, the first one first among equals."""
    order = np.argsort(-result.dimension_statistics, kind="stable")[:most]
    return [
        ColumnShift(
            column=names[place],
            type="number",
            statistic=float(result.dimension_statistics[place]),
            p_value=float(result.dimension_p_values[place]),
            direction=_direction(float(result.dimension_shifts[place])),
        )
        for place in order.tolist()
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
