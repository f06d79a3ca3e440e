"""From the values of decoded events to the floats of a pane."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from itertools import chain
from operator import attrgetter
from typing import Any

import numpy as np
from msgspec.structs import astuple
from numpy.typing import NDArray

from flink_jobs.config.columns import Column, Role
from flink_jobs.intake.formats.json import ROLE_KEYS, is_one_vector
from flink_jobs.intake.formats.trees import ColumnValues
from flink_jobs.intake.texts import TextCodes, Texts


class SlotFiller:
    """Turns decoded events into rows of floats, block by block, and keeps the texts of categories.

    Parameters
    ----------
    columns : sequence of Column
        All columns of the events.
    read : sequence of Column
        Those that become floats, in this order.
    """

    def __init__(self, columns: Sequence[Column], read: Sequence[Column]) -> None:
        self.n_slots = sum(column.size for column in read)
        self._codes: dict[int, TextCodes] = {}
        firsts = _first_slots(read)
        self._roles = [
            _RoleReader(role, _of_role(columns, role), firsts)
            for role in dict.fromkeys(column.role for column in read)
        ]
        for column, first in firsts.items():
            if column.is_category:
                self._codes[first] = TextCodes(are_booleans=column.type == "boolean")

    @property
    def texts(self) -> Texts:
        """The texts of all events so far, by slot."""
        return {slot: codes.texts for slot, codes in self._codes.items()}

    def rows(self, events: Sequence[Any]) -> NDArray[np.float64]:
        """The floats of some events, shape (n, n_slots); codes go on from block to block."""
        if len(self._roles) == 1 and self._roles[0].is_whole(self.n_slots):
            return self._roles[0].matrix(events)
        x = np.empty((len(events), self.n_slots))
        for role in self._roles:
            role.fill(x, events, self._codes)
        return x


class ColumnFiller:
    """Turns values that were read column by column into rows of floats, block by block.

    Parameters
    ----------
    read : sequence of Column
        The columns that become floats, in this order.
    """

    def __init__(self, read: Sequence[Column]) -> None:
        self.n_slots = sum(column.size for column in read)
        self._firsts = _first_slots(read)
        self._codes = {
            first: TextCodes(are_booleans=column.type == "boolean")
            for column, first in self._firsts.items()
            if column.is_category
        }

    @property
    def texts(self) -> Texts:
        """The texts of all rows so far, by slot."""
        return {slot: codes.texts for slot, codes in self._codes.items()}

    def rows(self, values: ColumnValues, n: int) -> NDArray[np.float64]:
        """The floats of ``n`` rows, shape (n, n_slots); codes go on from block to block."""
        x = np.empty((n, self.n_slots))
        numbers: list[Sequence[Any]] = []
        slots: list[int] = []
        for column, first in self._firsts.items():
            own = values[column]
            if column.is_category:
                x[:, first] = self._codes[first].of(own)  # type: ignore[arg-type]
            elif column.type == "vector":
                x[:, first : first + column.size] = _matrix(column, own)
            elif isinstance(own, np.ndarray):
                x[:, first] = own
            else:
                numbers.append(own)
                slots.append(first)
        if numbers:
            x[:, _run(slots)] = _packed(numbers, n).T
        return x


def _run(slots: list[int]) -> slice | list[int]:
    """Return slots as a slice where they are consecutive."""
    first, end = slots[0], slots[-1] + 1
    return slice(first, end) if end - first == len(slots) else slots


def _packed(columns: Sequence[Sequence[Any]], n: int) -> NDArray[np.float64]:
    """Return columns of numbers as rows; None becomes NaN.

    All of them at once: one by one 42 columns of 128 values took twice as long.
    """
    try:
        packed = struct.pack(f"{len(columns) * n}d", *chain.from_iterable(columns))
    except struct.error:
        return np.array(columns, dtype=np.float64).reshape(len(columns), n)
    return np.frombuffer(packed).reshape(len(columns), n)


class _RoleReader:
    """Reads the columns of one role."""

    def __init__(self, role: Role, own: Sequence[Column], firsts: dict[Column, int]) -> None:
        self._of: Callable[[Any], Any] = attrgetter(ROLE_KEYS.get(role, role))
        self._is_label = role == "label"
        self._n_columns = len(own)
        self._vector = own[0] if is_one_vector(own) else None
        self._read = [
            (place, column, firsts[column]) for place, column in enumerate(own) if column in firsts
        ]

    def is_whole(self, n_slots: int) -> bool:
        """Tell whether the role is one vector that fills all slots."""
        return self._vector is not None and self._vector.size == n_slots

    def matrix(self, events: Sequence[Any]) -> NDArray[np.float64]:
        """The numbers of the only vector."""
        assert self._vector is not None  # noqa: S101 - asked of a vector alone
        vectors = list(map(self._of, events))
        if not set(map(type, vectors)) <= {tuple}:
            vectors = [self._vector_of(vector) for vector in vectors]
        return _matrix(self._vector, vectors)

    def fill(
        self, x: NDArray[np.float64], events: Sequence[Any], codes: dict[int, TextCodes]
    ) -> None:
        """Put the columns into their places."""
        if self._vector is not None:
            first = self._read[0][2]
            x[:, first : first + self._vector.size] = self.matrix(events)
            return
        columns = self._columns(events)
        for place, column, first in self._read:
            values = columns[place]
            if column.type == "vector":
                x[:, first : first + column.size] = _matrix(column, values)
            elif column.is_category:
                x[:, first] = codes[first].of(values)
            else:
                x[:, first] = _numbers(column, values)

    def _columns(self, events: Sequence[Any]) -> Sequence[Sequence[Any]]:
        """The values of each column of the role."""
        values = list(map(self._of, events))
        if self._is_label:
            # Under the key that the configuration names, or under that of every event.
            return [
                [
                    getattr(event, "own_label", None) if value is None else value
                    for event, value in zip(events, values, strict=True)
                ]
            ]
        if not values:
            return [()] * self._n_columns
        missing = (None,) * self._n_columns
        rows = [
            each if type(each) is tuple else missing if each is None else astuple(each)
            for each in values
        ]
        return list(zip(*rows, strict=True))

    @staticmethod
    def _vector_of(value: Any) -> Any:
        return value if type(value) is tuple or value is None else astuple(value)[0]


def _of_role(columns: Sequence[Column], role: Role) -> list[Column]:
    return [column for column in columns if column.role == role]


def _first_slots(read: Sequence[Column]) -> dict[Column, int]:
    firsts, n_slots = {}, 0
    for column in read:
        firsts[column] = n_slots
        n_slots += column.size
    return firsts


def _numbers(column: Column, values: Sequence[Any]) -> NDArray[np.float64]:
    if column.may_be_missing:
        return np.array(values, dtype=np.float64)
    # A quarter of the time of making an array of them.
    return np.frombuffer(struct.pack(f"{len(values)}d", *values))


def _matrix(column: Column, vectors: Sequence[Any] | NDArray[np.float64]) -> NDArray[np.float64]:
    if isinstance(vectors, np.ndarray):
        return vectors
    shape = (len(vectors), column.size)
    if not column.may_be_missing:
        # A third of the time of making an array of lists.
        packed = struct.pack(f"{shape[0] * shape[1]}d", *chain.from_iterable(vectors))
        return np.frombuffer(packed).reshape(shape)
    missing = (None,) * column.size
    filled = [missing if vector is None else vector for vector in vectors]
    return np.array(filled, dtype=np.float64).reshape(shape)
