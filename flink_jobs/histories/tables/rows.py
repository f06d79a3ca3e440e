"""Rows that are columns: what the reducer reads of them, checked as payloads are."""

from __future__ import annotations

import contextlib
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
from flink_jobs.histories.tables.shape import Field, TableShape
from flink_jobs.intake.formats.base import ReadEvents
from flink_jobs.intake.formats.json import EventId
from flink_jobs.intake.layouts import Layout
from flink_jobs.intake.texts import Texts
from flink_jobs.intake.unusable import UnusableEventError, wrong_length
from flink_jobs.records.dead_letters import Reason

Unusable = dict[int, UnusableEventError]
# In lower case.
_MISSING = ("", "na", "n/a", "#n/a", "nan", "null", "none", "<na>")


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
        """What the reducer reads of the chosen rows; ``names`` is asked where there are no ids."""
        fields = [self._shape.fields[column.name] for column in layout.read]
        needed = dict.fromkeys(name for field in fields for name in field.columns)
        if self._shape.event_id:
            needed[self._shape.event_id] = None
        chosen = self._batch.select(list(needed)).take(pa.array(rows))
        event_ids, unusable = self._event_ids(chosen, names)
        x, texts = _slots(layout, fields, _Chosen(chosen, event_ids, unusable))
        places = np.arange(len(event_ids), dtype=np.intp)
        return layout.check_numbers(ReadEvents(places, event_ids, x, unusable, texts))

    def labels(self, rows: NDArray[np.intp]) -> NDArray[np.object_] | None:
        """The true classes of the chosen rows."""
        if not self._shape.label:
            return None
        return class_names(self._batch.column(self._shape.label).take(pa.array(rows)).to_pylist())

    def _event_ids(
        self, chosen: pa.RecordBatch, names: Callable[[], list[str]]
    ) -> tuple[list[str], Unusable]:
        name = self._shape.event_id
        if not name:
            return names(), {}
        column, wrong = text_of(chosen.column(name))
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


def text_of(column: pa.Array) -> tuple[pa.Array, dict[int, str]]:
    """A column as text, null where it is none, and what is wrong with the rows that are not UTF-8.

    Examples
    --------
    >>> text_of(pa.array([b"caf", bytes([233])]))[1]
    {1: 'is not UTF-8'}
    """
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return column, {}
    try:
        return column.cast(pa.string()), {}
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        pass
    values, wrong = column.to_pylist(), {}
    for place, value in enumerate(values):
        try:
            values[place] = value.decode() if isinstance(value, bytes) else value and str(value)
        except UnicodeDecodeError:
            values[place], wrong[place] = None, "is not UTF-8"
    return pa.array(values, pa.string()), wrong


def numbers_of(column: pa.Array) -> tuple[NDArray[np.float64], dict[int, str]]:
    """Return a column as numbers, NaN where one is missing, and the rows that hold something else.

    In text a number is missing where the cell is empty or one of NA, N/A, #N/A, NaN, NULL, None and
    <NA>, in any case.

    Examples
    --------
    >>> numbers_of(pa.array(["1.5", None, "n/a", "many"]))
    (array([1.5, nan, nan, nan]), {3: "is 'many', which is not a number"})
    """
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    try:
        if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
            column = column.cast(pa.string())
        return _floats(column), {}
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        pass
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        with contextlib.suppress(pa.ArrowInvalid):
            return _floats(_without_missing(column)), {}
    values, wrong = np.full(len(column), np.nan), {}
    for place, value in enumerate(column.to_pylist()):
        try:
            values[place] = np.nan if _is_missing(value) else float(value)
        except (TypeError, ValueError):
            wrong[place] = f"is {_short(value)}, which is not a number"
    return values, wrong


def _without_missing(column: pa.Array) -> pa.Array:
    """Return text with null in the place of each word for a missing number."""
    words = pc.utf8_lower(pc.utf8_trim_whitespace(column))
    return pc.if_else(pc.is_in(words, pa.array(_MISSING)), None, column)


def _is_missing(value: object) -> bool:
    text = value.decode(errors="replace") if isinstance(value, bytes) else value
    return text is None or (isinstance(text, str) and text.strip().lower() in _MISSING)


class _Chosen(NamedTuple):
    """The chosen rows: their columns, what they are called, and what is wrong with some."""

    columns: pa.RecordBatch
    event_ids: Sequence[str]
    unusable: Unusable

    def refuse(self, row: int, detail: str) -> None:
        """Refuse a row that is not refused already."""
        error = UnusableEventError(Reason.INVALID_EVENT, detail, self.event_ids[row])
        self.unusable.setdefault(row, error)


def _slots(
    layout: Layout, fields: Sequence[Field], chosen: _Chosen
) -> tuple[NDArray[np.float64], Texts]:
    """Return the floats of all columns, and the texts of those that are codes."""
    if len(fields) == 1 and fields[0].is_list:
        return _from_lists(fields[0], layout.read[0], chosen), {}
    x = np.empty((len(chosen.event_ids), layout.n_slots))
    texts: dict[int, Sequence[str]] = {}
    first = 0
    for column, field in zip(layout.read, fields, strict=True):
        end = first + column.size
        if field.is_list:
            x[:, first:end] = _from_lists(field, column, chosen)
        elif column.is_category:
            coded = codes_of(column, chosen.columns.column(field.columns[0]))
            x[:, first], texts[first] = coded.codes, coded.texts
            for row, what in coded.wrong.items():
                chosen.refuse(row, f"{field.columns[0]} {what}")
        else:
            _fill_numbers(x[:, first:end], field, chosen)
        first = end
    return x, texts


def _fill_numbers(x: NDArray[np.float64], field: Field, chosen: _Chosen) -> None:
    for place, name in enumerate(field.columns):
        x[:, place], wrong = numbers_of(chosen.columns.column(name))
        for row, what in wrong.items():
            chosen.refuse(row, f"{name} {what}")


def _from_lists(field: Field, column: Column, chosen: _Chosen) -> NDArray[np.float64]:
    lists, size = chosen.columns.column(field.columns[0]), column.size
    lengths = pc.fill_null(pc.list_value_length(lists), -1).to_numpy(zero_copy_only=False)
    right = lengths == size
    for row in np.flatnonzero(~right).tolist():
        n = int(lengths[row])
        if n >= 0:
            error = wrong_length(field.name, n, size, chosen.event_ids[row])
            chosen.unusable.setdefault(row, error)
        elif not column.may_be_missing:
            error = UnusableEventError(Reason.INVALID_EVENT, f"{field.columns[0]} is missing")
            chosen.unusable.setdefault(row, error)
    numbers = lists if right.all() else lists.filter(pa.array(right))
    values, wrong = numbers_of(numbers.flatten())
    places = np.flatnonzero(right)
    for place, what in wrong.items():
        chosen.refuse(int(places[place // size]), f"{field.columns[0]}[{place % size}] {what}")
    if right.all():
        return values.reshape(len(lengths), size)
    x = np.full((len(lengths), size), np.nan)
    x[right] = values.reshape(-1, size)
    return x


def _floats(column: pa.Array) -> NDArray[np.float64]:
    numbers = column.cast(pa.float64(), safe=False)
    return np.asarray(numbers.to_numpy(zero_copy_only=False), dtype=np.float64)


def _id_error(event_id: Any) -> str:
    try:
        msgspec.convert(event_id, EventId)
    except msgspec.ValidationError as error:
        return str(error)
    return ""


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
