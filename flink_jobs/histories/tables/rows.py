"""Rows that are columns: what the reducer reads of them, checked as payloads are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from flink_jobs.config.columns import Column
from flink_jobs.histories.batches import class_names
from flink_jobs.histories.tables.categories import codes_of
from flink_jobs.histories.tables.numbers import numbers_of
from flink_jobs.histories.tables.places import Place, values_at
from flink_jobs.histories.tables.shape import Field, TableShape
from flink_jobs.histories.tables.texts import text_of
from flink_jobs.intake.formats.base import ReadEvents
from flink_jobs.intake.formats.json import EventId
from flink_jobs.intake.layouts import Layout
from flink_jobs.intake.texts import Texts
from flink_jobs.intake.unusable import UnusableEventError, wrong_length
from flink_jobs.records.dead_letters import Reason

Unusable = dict[int, UnusableEventError]


class TableRows:
    """Rows of a record batch.

    Parameters
    ----------
    shape : TableShape
    batch : pyarrow.RecordBatch
    """

    has_payloads = False
    are_events = False

    def __init__(self, shape: TableShape, batch: pa.RecordBatch) -> None:
        self._shape = shape
        self._batch = batch

    def payload(self, row: int) -> bytes | None:
        """Columns have none."""
        return None

    def sizes(self, rows: NDArray[np.intp]) -> NDArray[np.int64]:
        """Columns have none."""
        return np.zeros(len(rows), dtype=np.int64)

    def read(
        self, layout: Layout, rows: NDArray[np.intp], names: Callable[[], list[str]]
    ) -> ReadEvents:
        """Read the reducer's columns of the chosen rows; ``names`` is asked if there are no ids."""
        fields = [self._shape.fields[column] for column in layout.read]
        chosen = _Chosen(self._batch, pa.array(rows))
        event_ids, unusable = self._event_ids(chosen, names)
        x, texts = _slots(layout, fields, _Refusing(chosen, event_ids, unusable))
        places = np.arange(len(event_ids), dtype=np.intp)
        return layout.check_numbers(ReadEvents(places, event_ids, x, unusable, texts))

    def labels(self, rows: NDArray[np.intp]) -> NDArray[np.object_] | None:
        """The true classes of the chosen rows."""
        if not self._shape.label:
            return None
        return class_names(_Chosen(self._batch, pa.array(rows)).at(self._shape.label).to_pylist())

    def _event_ids(
        self, chosen: _Chosen, names: Callable[[], list[str]]
    ) -> tuple[list[str], Unusable]:
        place = self._shape.event_id
        if place is None:
            return names(), {}
        name = place.name
        column, wrong = text_of(chosen.at(place))
        event_ids: list[str] = column.to_numpy(zero_copy_only=False).tolist()
        unusable: Unusable = {
            row: UnusableEventError(Reason.UNDECODABLE, f"{name} {what}")
            for row, what in wrong.items()
        }
        lengths = pc.min_max(pc.utf8_length(column)).as_py()
        if column.null_count or (len(column) and not 0 < lengths["min"] <= lengths["max"] <= 256):
            for row, event_id in enumerate(event_ids):
                if row not in unusable and (what := _id_error(event_id)):
                    unusable[row] = UnusableEventError(Reason.INVALID_EVENT, f"{name}: {what}")
        return event_ids, unusable


class _Chosen:
    """Some rows of a batch, of which a column is taken out when it is asked for."""

    def __init__(self, batch: pa.RecordBatch, rows: pa.Array) -> None:
        self._batch = batch
        self._rows = rows

    def at(self, place: Place) -> pa.Array:
        """The values at a place."""
        return values_at(self._batch, place).take(self._rows)


class _Refusing(NamedTuple):
    """The chosen rows, what they are called, and what is wrong with some."""

    rows: _Chosen
    event_ids: Sequence[str]
    unusable: Unusable

    def refuse(self, row: int, detail: str) -> None:
        """Refuse a row that is not refused already."""
        error = UnusableEventError(Reason.INVALID_EVENT, detail, self.event_ids[row])
        self.unusable.setdefault(row, error)


def _slots(
    layout: Layout, fields: Sequence[Field], chosen: _Refusing
) -> tuple[NDArray[np.float64], Texts]:
    """Return the floats of all columns, and the texts of those that are codes."""
    if len(fields) == 1 and fields[0].is_list:
        return _from_lists(fields[0], layout.read[0], chosen), {}
    x = np.empty((len(chosen.event_ids), layout.n_slots))
    texts: dict[int, Sequence[str]] = {}
    first = 0
    for column, field in zip(layout.read, fields, strict=True):
        end = first + column.size
        if not field.places:
            x[:, first:end] = np.nan
            if column.is_category:
                texts[first] = []
        elif field.is_list:
            x[:, first:end] = _from_lists(field, column, chosen)
        elif column.is_category:
            x[:, first], texts[first] = _codes(column, field.places[0], chosen)
        else:
            _fill_numbers(x[:, first:end], field, chosen)
        first = end
    return x, texts


def _codes(
    column: Column, place: Place, chosen: _Refusing
) -> tuple[NDArray[np.float64], Sequence[str]]:
    coded = codes_of(column, chosen.rows.at(place))
    for row, what in coded.wrong.items():
        chosen.refuse(row, f"{place.name} {what}")
    return coded.codes, coded.texts


def _fill_numbers(x: NDArray[np.float64], field: Field, chosen: _Refusing) -> None:
    for number, place in enumerate(field.places):
        x[:, number], wrong = numbers_of(chosen.rows.at(place), is_written=place.is_written)
        for row, what in wrong.items():
            chosen.refuse(row, f"{place.name} {what}")


def _from_lists(field: Field, column: Column, chosen: _Refusing) -> NDArray[np.float64]:
    name, size = field.places[0].name, column.size
    lists = chosen.rows.at(field.places[0])
    if pa.types.is_null(lists.type):
        lists = lists.cast(pa.list_(pa.float64()))
    lengths = pc.fill_null(pc.list_value_length(lists), -1).to_numpy(zero_copy_only=False)
    right = lengths == size
    for row in np.flatnonzero(~right).tolist():
        n = int(lengths[row])
        if n >= 0:
            error = wrong_length(field.name, n, size, chosen.event_ids[row])
            chosen.unusable.setdefault(row, error)
        elif not column.may_be_missing:
            error = UnusableEventError(Reason.INVALID_EVENT, f"{name} is missing")
            chosen.unusable.setdefault(row, error)
    numbers = lists if right.all() else lists.filter(pa.array(right))
    values, wrong = numbers_of(numbers.flatten())
    places = np.flatnonzero(right)
    for place, what in wrong.items():
        chosen.refuse(int(places[place // size]), f"{name}[{place % size}] {what}")
    if right.all():
        return values.reshape(len(lists), size)
    x = np.full((len(lists), size), np.nan)
    x[right] = values.reshape(-1, size)
    return x


def _id_error(event_id: Any) -> str:
    try:
        msgspec.convert(event_id, EventId)
    except msgspec.ValidationError as error:
        return str(error)
    return ""
