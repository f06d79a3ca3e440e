"""Rows that are columns: what the reducer reads of them, checked as payloads are."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from flink_jobs.histories.batches import class_names
from flink_jobs.histories.tables.shape import Field, TableShape
from flink_jobs.intake.formats.json import ROLE_KEYS, EventId
from flink_jobs.intake.layouts import Layout, ReadEvents
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
        field = self._shape.fields[ROLE_KEYS[layout.read[0].role]]
        needed = dict.fromkeys([*filter(None, [self._shape.event_id]), *field.columns])
        chosen = self._batch.select(list(needed)).take(pa.array(rows))
        event_ids, unusable = self._event_ids(chosen, names)
        columns = [chosen.column(name) for name in field.columns]
        if field.is_list:
            x = _from_lists(field, columns[0], layout.n_slots, event_ids, unusable)
        else:
            x = _from_columns(columns, field, event_ids, unusable)
        places = np.arange(len(event_ids), dtype=np.intp)
        return layout.check_numbers(ReadEvents(places, event_ids, x, unusable))

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


def _from_columns(
    columns: Sequence[pa.Array], field: Field, event_ids: Sequence[str], unusable: Unusable
) -> NDArray[np.float64]:
    x = np.empty((len(event_ids), len(columns)), dtype=np.float64)
    for place, column in enumerate(columns):
        x[:, place], wrong = numbers_of(column)
        for row, what in wrong.items():
            detail = f"{field.columns[place]} {what}"
            error = UnusableEventError(Reason.INVALID_EVENT, detail, event_ids[row])
            unusable.setdefault(row, error)
    return x


def _from_lists(
    field: Field,
    column: pa.Array,
    n_columns: int,
    event_ids: Sequence[str],
    unusable: Unusable,
) -> NDArray[np.float64]:
    lengths = pc.fill_null(pc.list_value_length(column), -1).to_numpy(zero_copy_only=False)
    right = lengths == n_columns
    for row in np.flatnonzero(~right).tolist():
        n = int(lengths[row])
        error = (
            UnusableEventError(Reason.INVALID_EVENT, f"{field.columns[0]} is missing")
            if n < 0
            else wrong_length(field.name, n, n_columns, event_ids[row])
        )
        unusable.setdefault(row, error)
    chosen = column if right.all() else column.filter(pa.array(right))
    values, wrong = numbers_of(chosen.flatten())
    places = np.flatnonzero(right)
    for place, what in wrong.items():
        row = int(places[place // n_columns])
        detail = f"{field.columns[0]}[{place % n_columns}] {what}"
        error = UnusableEventError(Reason.INVALID_EVENT, detail, event_ids[row])
        unusable.setdefault(row, error)
    if right.all():
        return values.reshape(len(lengths), n_columns)
    x = np.zeros((len(lengths), n_columns), dtype=np.float64)
    x[right] = values.reshape(-1, n_columns)
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
