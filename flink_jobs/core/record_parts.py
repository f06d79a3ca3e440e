"""The parts of alerts and scores that windows, references and results turn into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors import ColumnMove, Judgement, TwoSampleResult, choose_exemplars, ranking
from flink_jobs.config.columns import Slot
from flink_jobs.config.views import View
from flink_jobs.core.views.encoding import Encoder
from flink_jobs.core.windows.closed_window import ClosedWindow
from flink_jobs.intake.event_columns import EventColumns
from flink_jobs.records.alerts import (
    CategoryShare,
    ColumnShift,
    Exemplar,
    ReferenceSummary,
    ThresholdSummary,
    WindowSummary,
    finite_or_none,
)

_MOST_CATEGORIES = 5


class Facts(NamedTuple):
    """What the score and the alert of one window have in common."""

    model: str
    view: str
    detector: str
    window: WindowSummary
    reference: ReferenceSummary

    def identity(self) -> tuple[str | int, ...]:
        """Return what tells this window from every other one of the job."""
        w = self.window
        early = ("early", w.n_events) if w.closed_early else ()
        return (
            self.model, self.view, self.detector, w.kind, w.start_ms, w.end_ms, w.first_event,
            self.reference.fingerprint, *early,
        )  # fmt: skip


def window_summary(window: ClosedWindow, n_tested: int) -> WindowSummary:
    """The window as records show it."""
    return WindowSummary(
        kind=window.kind,
        start_ms=window.start_ms,
        end_ms=window.end_ms,
        closed_ms=window.closed_ms,
        first_event=window.first_event,
        n_events=window.n_events,
        n_tested=n_tested,
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


def column_shifts(
    moves: Sequence[ColumnMove],
    view: View,
    encoder: Encoder,
    new: Mapping[int, Mapping[str, float]],
    most: int,
) -> list[ColumnShift]:
    """Name the columns that moved most, the one that moved most first.

    Parameters
    ----------
    moves : sequence of ColumnMove
        One for each float of the view.
    view : View
    encoder : Encoder
        Names the codes of categories.
    new : mapping of int to mapping of str to float
        By place of a category: the shares in the window of texts that the reference does not tell
        apart.
    most : int
        How many columns to name.
    """
    return [
        _column_shift(moves[place], view.slots[place], place, encoder, new.get(place, {}))
        for place in ranking(moves)[:most]
    ]


def _column_shift(
    move: ColumnMove, slot: Slot, place: int, encoder: Encoder, new: Mapping[str, float]
) -> ColumnShift:
    texts, rare = encoder.texts.get(place), encoder.rare.get(place, {})
    is_boolean = slot.column.type == "boolean"
    return ColumnShift(
        column=slot.name,
        type="number" if texts is None else "boolean" if is_boolean else "category",
        statistic=float(move.statistic),
        p_value=float(move.p_value),
        direction=move.direction,
        ref_quantiles=_quantiles(move.quantiles_ref),
        test_quantiles=_quantiles(move.quantiles_test),
        categories=[] if texts is None else _category_shares(move, texts, rare, new),
        ref_missing=float(move.missing_ref),
        test_missing=float(move.missing_test),
    )


def _category_shares(
    move: ColumnMove, texts: Sequence[str], rare: Mapping[str, float], new: Mapping[str, float]
) -> list[CategoryShare]:
    """List the categories whose share moved most; new and rare ones by their names, too."""
    assert move.codes is not None and move.shares_ref is not None  # noqa: S101, PT018 - a category
    assert move.shares_test is not None  # noqa: S101
    codes = move.codes.astype(int).tolist()
    before = dict(zip(codes, move.shares_ref.tolist(), strict=True))
    after = dict(zip(codes, move.shares_test.tolist(), strict=True))
    shares = [
        CategoryShare(
            category=text, ref_share=before.get(code, 0.0), test_share=after.get(code, 0.0)
        )
        for code, text in enumerate(texts)
    ]
    shares += [
        CategoryShare(category=text, ref_share=rare.get(text, 0.0), test_share=share)
        for text, share in new.items()
    ]
    moved = [each for each in shares if each.ref_share != each.test_share]
    moved.sort(key=lambda each: (-abs(each.test_share - each.ref_share), each.category))
    return moved[:_MOST_CATEGORIES]


def _quantiles(quantiles: NDArray[np.float64] | None) -> list[float] | None:
    if quantiles is None or np.isnan(quantiles).any():
        return None
    return quantiles.tolist()  # type: ignore[no-any-return]


def exemplars(events: EventColumns, scores: NDArray[np.float64], most: int) -> list[Exemplar]:
    """The events least like the reference; ``scores`` has one entry for each event."""
    return [
        Exemplar(
            event_id=events.event_ids[row],
            partition=int(events.partitions[row]),
            offset=int(events.offsets[row]),
            row=int(events.rows[row]),
            score=float(scores[row]),
        )
        for row in choose_exemplars(scores, most).most_different.tolist()
    ]


def kind_of(table: msgspec.Struct) -> str:
    """The tag of a table."""
    return str(table.__struct_config__.tag)
