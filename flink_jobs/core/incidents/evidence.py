"""The record of the events behind an alert of drift: a sample of what its test compared.

The events lie at hand when the alert is written, as samples of the window's slices and of the
reference. No event is read again, so that moving, seasonal and approved references are shown as
they were.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from flink_jobs.config.columns import Slot
from flink_jobs.config.views import View
from flink_jobs.core.context import Context
from flink_jobs.core.failures import detector_code
from flink_jobs.core.record_parts import type_of
from flink_jobs.core.references.fitted import RawRows
from flink_jobs.core.state.incident import Incident
from flink_jobs.intake.texts import in_order_of_appearance, joined
from flink_jobs.records.alerts import Alert, AlertKind, ColumnShift, Exemplar, SampleSummary
from flink_jobs.records.evidence import Evidence, EvidenceColumn, Place, strength_of

_MOST_MOVES, _MOST_CATEGORIES = 300, 30
# A float of each side as base64.
_BYTES_A_VALUE = 2 * 8 * 4 / 3


class Sides(NamedTuple):
    """Events of both sides of a test.

    Attributes
    ----------
    reference, window : RawRows
    event_ids : list of str
        Of the window's events; the last ``n_exemplars`` were not drawn by chance.
    n_exemplars : int
    """

    reference: RawRows
    window: RawRows
    event_ids: list[str]
    n_exemplars: int


class BothSides(Protocol):
    """A window and its reference, with what evidence shows of them."""

    def moves(self, most: int, most_categories: int) -> tuple[list[ColumnShift], SampleSummary]:
        """Say how columns moved, what moved most first, and in how many events."""
        ...

    def sides(self, most: int, exemplars: Sequence[Exemplar]) -> Sides:
        """Return a sample of each side, and the exemplars that it does not hold."""
        ...


def keep_evidence(
    context: Context, view: View, incident: Incident, alert: Alert, make: Callable[[], BothSides]
) -> None:
    """Keep the evidence of an alert that begins an incident, or is its strongest so far.

    Parameters
    ----------
    context : Context
    view : View
    incident : Incident
        Notes how strong the strongest alert was.
    alert : Alert
    make : callable
        Returns both sides of its test; called where they are needed.

    Raises
    ------
    DetectorFailedError
        When the detector does that says what moved.
    """
    table = context.config.evidence
    place = _place_of(incident, alert)
    if place is None or not table.rows:
        return
    compared = make()
    with detector_code():
        moves, sample = compared.moves(_MOST_MOVES, _MOST_CATEGORIES)
    moves = _as_told(alert, moves)
    n_rows, a_row = table.rows, _BYTES_A_VALUE * len(view.row_places)
    while True:
        record = _record(alert, place, moves, sample, view, compared.sides(n_rows, alert.exemplars))
        too_many = len(msgspec.json.encode(record)) - table.max_bytes
        if too_many <= 0:
            context.actions.evidence.append(record)
            return
        if n_rows > 1:
            n_rows = max(1, n_rows - 1 - int(too_many / a_row))
        elif len(moves) > 1:
            moves = moves[: len(moves) // 2]
        else:
            break
    context.notice(f"evidence.max_bytes has no room for an event of {alert.alert_id}", view.name)


def _as_told(alert: Alert, moves: list[ColumnShift]) -> list[ColumnShift]:
    """Put what the alert tells first, and as it tells it, but for the number of categories."""
    told = {each.column: (place, each) for place, each in enumerate(alert.top_columns)}
    last = len(told)
    return [
        msgspec.structs.replace(told[each.column][1], categories=each.categories)
        if each.column in told
        else each
        for each in sorted(moves, key=lambda each: told.get(each.column, (last, each))[0])
    ]


def _place_of(incident: Incident, alert: Alert) -> Place | None:
    """Say which evidence of its incident an alert gives, if any, and note its strength."""
    strength = strength_of(alert)
    if alert.kind is AlertKind.STARTED:
        incident.strongest = strength
        return "first"
    if alert.kind is AlertKind.RECOVERED:
        return None
    if incident.strongest is not None and strength <= incident.strongest:
        return None
    incident.strongest = strength
    return "strongest"


def _record(
    alert: Alert,
    place: Place,
    moves: list[ColumnShift],
    sample: SampleSummary,
    view: View,
    sides: Sides,
) -> Evidence:
    return Evidence(
        alert_id=alert.alert_id,
        incident_id=alert.incident_id,
        place=place,
        model=alert.model,
        view=alert.view,
        detector=alert.detector,
        window=alert.window,
        reference=alert.reference,
        sample=sample,
        moves=moves,
        columns=_columns(view, sides),
        event_ids=sides.event_ids,
        n_exemplars=sides.n_exemplars,
        job=alert.job,
        job_version=alert.job_version,
        config_version=alert.config_version,
    )


def _columns(view: View, sides: Sides) -> list[EvidenceColumn]:
    pair = sides.reference, sides.window
    x, texts = joined([each.x for each in pair], [each.texts for each in pair])
    x, texts = in_order_of_appearance(x, texts)
    n_ref = len(sides.reference.x)
    return [
        _column(slot, place < len(view.slots), texts.get(place, ()), x[:n_ref, place],
                x[n_ref:, place])
        for place, slot in enumerate(view.row_slots)
    ]  # fmt: skip


def _column(
    slot: Slot,
    is_watched: bool,
    categories: Sequence[str],
    reference: NDArray[np.float64],
    window: NDArray[np.float64],
) -> EvidenceColumn:
    return EvidenceColumn(
        name=slot.name,
        of=slot.column.name,
        type=type_of(slot),
        kind=slot.column.kind,
        unit="" if slot.is_category else slot.column.unit,
        is_watched=is_watched,
        categories=list(categories),
        reference=reference.astype("<f8").tobytes(),
        window=window.astype("<f8").tobytes(),
    )
