"""The parts of alerts and scores that windows, references and results turn into."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors import ColumnMove, Judgement, TwoSampleResult, choose_exemplars, ranking
from flink_jobs.config.columns import Slot
from flink_jobs.core.views.encoding import Encoder
from flink_jobs.core.windows.closed_window import ClosedWindow
from flink_jobs.intake.event_columns import EventColumns
from flink_jobs.records.alerts import (
    CategoryShare,
    ColumnShift,
    ColumnType,
    Exemplar,
    ReferenceSummary,
    ThresholdSummary,
    WindowSummary,
    finite_or_none,
)

MOST_CATEGORIES = 5
_BY_CHANCE = 0.001


class Facts(NamedTuple):
    """Parts that the score and the alert of one window share."""

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


class Named(NamedTuple):
    """Names for the texts of categories in a window.

    Attributes
    ----------
    encoder : Encoder
        Names the codes of categories.
    others : mapping of int to mapping of str to float
        By place of a category: the shares in the window of texts that the encoder does not tell
        apart.
    n_test : int
        Events of the window's sample.
    is_of_reference : bool
        Whether the encoder is of the very reference that is compared with, not of an earlier one
        from which it has moved on.
    """

    encoder: Encoder
    others: Mapping[int, Mapping[str, float]]
    n_test: int
    is_of_reference: bool = True


def column_shifts(
    moves: Sequence[ColumnMove],
    slots: Sequence[Slot],
    named: Named,
    most: int,
    most_categories: int = MOST_CATEGORIES,
) -> list[ColumnShift]:
    """Name the columns that moved most, the one that moved most first.

    Parameters
    ----------
    moves : sequence of ColumnMove
        One for each float of the view.
    slots : sequence of Slot
        Those of the view.
    named : Named
    most, most_categories : int
        How many columns to name, and of each how many categories.
    """
    return [
        _column_shift(moves[place], slots[place], named, most_categories)
        for place in ranking(moves)[:most]
    ]


def is_gone(ref_share: float, n_test: int) -> bool:
    """Tell whether a category that no event of a sample has is more than left out by chance.

    Examples
    --------
    >>> is_gone(0.1, 1_000), is_gone(0.005, 1_000)
    (True, False)
    """
    return (1.0 - ref_share) ** n_test <= _BY_CHANCE


def _column_shift(move: ColumnMove, slot: Slot, named: Named, most: int) -> ColumnShift:
    column = slot.column
    shares = _category_shares(move, named) if slot.is_category else []
    new = [each for each in shares if each.is_new]
    moved = [each for each in shares if each.ref_share != each.test_share]
    moved.sort(key=lambda each: (-abs(each.test_share - each.ref_share), each.category))
    return ColumnShift(
        column=slot.name,
        type=type_of(slot),
        kind=column.kind,
        unit="" if slot.is_category else column.unit,
        statistic=float(move.statistic),
        p_value=float(move.p_value),
        direction=move.direction,
        ref_quantiles=_quantiles(move.quantiles_ref),
        test_quantiles=_quantiles(move.quantiles_test),
        categories=moved[:most],
        n_new=len(new),
        n_gone=sum(each.is_gone for each in shares),
        new_share=math.fsum(each.test_share for each in new),
        ref_missing=float(move.missing_ref),
        test_missing=float(move.missing_test),
    )


def type_of(slot: Slot) -> ColumnType:
    """Return the type of a float of an event, as people are shown it."""
    if not slot.is_category:
        return "number"
    return "boolean" if slot.column.type == "boolean" else "category"


def _category_shares(move: ColumnMove, named: Named) -> list[CategoryShare]:
    """List the categories; new and rare ones by their names, too."""
    assert move.codes is not None and move.shares_ref is not None  # noqa: S101, PT018 - a category
    assert move.shares_test is not None  # noqa: S101
    encoder, others = named.encoder, named.others.get(move.column, {})
    texts, rare = encoder.texts[move.column], encoder.rare.get(move.column, {})
    codes = move.codes.astype(int).tolist()
    before = dict(zip(codes, move.shares_ref.tolist(), strict=True))
    after = dict(zip(codes, move.shares_test.tolist(), strict=True))
    shares = {
        text: (before.get(code, 0.0), after.get(code, 0.0)) for code, text in enumerate(texts)
    }
    shares |= {text: (share, others.get(text, 0.0)) for text, share in rare.items()}
    # Every other text has one code, which the reference has where some of them are unknown by name.
    knows = named.is_of_reference or not before.get(len(texts))
    is_new = knows and encoder.names_all(move.column)
    return [
        *(_share(text, ref, test, named.n_test) for text, (ref, test) in shares.items()),
        *(
            CategoryShare(category=text, ref_share=0.0, test_share=share, is_new=is_new)
            for text, share in others.items()
            if text not in rare
        ),
    ]


def _share(text: str, ref: float, test: float, n_test: int) -> CategoryShare:
    gone = test == 0.0 and is_gone(ref, n_test)
    return CategoryShare(category=text, ref_share=ref, test_share=test, is_gone=gone)


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
