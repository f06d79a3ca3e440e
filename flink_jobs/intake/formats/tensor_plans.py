"""How to read the columns of messages whose tensors are alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flink_jobs.config.columns import Column
from flink_jobs.config.paths import Path
from flink_jobs.intake.formats.base import HAS_FEATURES, HAS_OUTPUTS, PART_OF, WHOLE, Unusable
from flink_jobs.intake.formats.message_rows import RowBlock
from flink_jobs.intake.formats.tensors import (
    Signature,
    Source,
    Tensor,
    check_signature,
    flat_data,
    shown,
    sources_of,
    wrong,
)
from flink_jobs.intake.formats.trees import ColumnValues, at_path, checked
from flink_jobs.intake.unusable import UnusableEventError
from flink_jobs.records.dead_letters import Reason

Signatures = tuple[Signature, ...]
INPUTS, OUTPUTS = 0, 1
_NUMBERS = frozenset({float, int})


class Found(NamedTuple):
    """The rows of one message: by tensor that is used, its values in one list."""

    message: int
    n_rows: int
    data: Sequence[Sequence[Any]]
    parameters: Any = None


class Values(NamedTuple):
    """The values of the tensors of several messages.

    Attributes
    ----------
    flats : sequence of list
        Of each tensor that is used, in one list.
    arrays : sequence of (ndarray of float64 or None), shape (n_rows, width) each
        Those of tensors that hold numbers alone.
    are_checked : frozenset of int
        The tensors whose texts, whole numbers or booleans are as their columns want them.
    """

    flats: Sequence[list[Any]]
    arrays: Sequence[NDArray[np.float64] | None]
    are_checked: frozenset[int]


class Used(NamedTuple):
    """A tensor that holds columns.

    Attributes
    ----------
    side : int
        ``INPUTS`` or ``OUTPUTS``.
    place : int
        Among the tensors of its side.
    signature : Signature
    one_row_of : int
        Where its values are one row of a vector, their number; else 0.
    columns : tuple of Column
    """

    side: int
    place: int
    signature: Signature
    one_row_of: int
    columns: tuple[Column, ...]

    @property
    def width(self) -> int:
        """The values of a row."""
        return self.one_row_of or self.signature.width


class TensorPlan:
    """Reads messages whose tensors have the same signatures.

    Parameters
    ----------
    columns : sequence of Column
        All columns of the events.
    sides : (tuple of Signature or None, tuple of Signature or None)
        The tensors of the inputs and of the outputs; None where a message has none of them.
    are_parted : bool
        Whether a message may lack one of them.

    Raises
    ------
    UnusableEventError
        When the tensors cannot hold the columns.
    """

    def __init__(
        self,
        columns: Sequence[Column],
        sides: tuple[Signatures | None, Signatures | None],
        *,
        are_parted: bool,
    ) -> None:
        there = [HAS_FEATURES, HAS_OUTPUTS]
        has = sum(part for part, side in zip(there, sides, strict=True) if side is not None)
        self.parts = has if are_parted else WHOLE
        self.columns = [
            column for column in columns if PART_OF.get(column.role, WHOLE) & self.parts
        ]
        sources = dict(_sources(self.columns, sides))
        self.used = list(_used(sources, sides))
        of = {(used.side, used.place): k for k, used in enumerate(self.used)}
        self._reading = [
            (column, source, path, [of[side, place] for place in source.tensors])
            for column, (side, source, path) in sources.items()
        ]
        for used in self.used:
            check_signature(used.signature)

    def found(self, message: int, body: Any) -> Found:
        """Return the values of a message that has such tensors.

        Raises
        ------
        UnusableEventError
            When shape and data disagree, or one tensor has more rows than another.
        """
        sides = (body.inputs, body.outputs)
        tensors: list[Tensor] = [sides[used.side][used.place] for used in self.used]
        n_rows = [
            _n_rows(tensor, used.one_row_of)
            for tensor, used in zip(tensors, self.used, strict=True)
        ]
        for tensor, n in zip(tensors, n_rows, strict=True):
            if n != n_rows[0]:
                detail = f"has {n:,} rows, and tensor {shown(tensors[0].name)} {n_rows[0]:,}"
                raise wrong(tensor.name, detail, Reason.WRONG_LENGTH)
        data = [
            flat_data(tensor, n * used.width)
            for tensor, n, used in zip(tensors, n_rows, self.used, strict=True)
        ]
        n = n_rows[0] if n_rows else _n_rows_of_first(sides)
        return Found(message, n, data, body.parameters)

    def block(self, found: Sequence[Found]) -> RowBlock:
        """Read the rows of messages that have such tensors, and check each value."""
        flats = [
            list(chain.from_iterable(each.data[k] for each in found)) for k in range(len(self.used))
        ]
        arrays = [self._array(k, flat) for k, flat in enumerate(flats)]
        messages = [each.message for each in found]
        n_rows = [each.n_rows for each in found]
        parameters = [each.parameters for each in found]
        return self.rows(messages, n_rows, Values(flats, arrays, frozenset()), parameters)

    def rows(
        self,
        messages: Sequence[int],
        n_rows: Sequence[int],
        given: Values,
        parameters: Sequence[Any],
    ) -> RowBlock:
        """Put the values of tensors into columns.

        Parameters
        ----------
        messages : sequence of int
            Their numbers.
        n_rows : sequence of int
            Of each message.
        given : Values
        parameters : sequence of object
            Of each message.
        """
        unusable: Unusable = {}
        values: ColumnValues = {}
        for column, source, path, tensors in self._reading:
            array = self._numbers(column, source, [given.arrays[k] for k in tensors])
            if array is not None:
                values[column] = array
                continue
            if tensors:
                raw = self._raw(column, source, [(given.flats[k], k) for k in tensors])
            else:
                raw = _of_messages(path, n_rows, parameters)
            is_checked = bool(tensors) and tensors[0] in given.are_checked
            nameless = [None] * len(raw)
            values[column] = raw if is_checked else checked(column, raw, nameless, unusable)
        return RowBlock(list(messages), list(n_rows), values, unusable, self.parts)

    def _array(self, k: int, flat: list[Any]) -> NDArray[np.float64] | None:
        """Return the rows of a tensor of numbers; None where there is something else in it."""
        used = self.used[k]
        numbers = [column for column in used.columns if not column.is_category]
        kinds = set(map(type, flat))
        if kinds > _NUMBERS and all(column.may_be_missing for column in numbers):
            kinds -= {type(None)}
        if not numbers or not kinds <= _NUMBERS:
            return None
        try:
            return np.array(flat, dtype=np.float64).reshape(-1, used.width)
        except OverflowError:
            return None

    @staticmethod
    def _numbers(
        column: Column, source: Source, arrays: list[NDArray[np.float64] | None]
    ) -> NDArray[np.float64] | None:
        there = [array for array in arrays if array is not None]
        if column.is_category or not there or len(there) < len(arrays):
            return None
        if source.element is not None:
            return there[0][:, source.element]
        whole = there[0] if len(there) == 1 else np.concatenate(there, axis=1)
        return whole if column.type == "vector" else whole[:, 0]

    def _raw(self, column: Column, source: Source, flats: list[tuple[list[Any], int]]) -> list[Any]:
        """Return a column's values as they came."""
        if source.element is not None:
            flat, k = flats[0]
            return flat[source.element :: self.used[k].width]
        if column.type != "vector":
            return flats[0][0]
        rows = [_rows(flat, self.used[k].width) for flat, k in flats]
        return rows[0] if len(rows) == 1 else list(map(_joined, zip(*rows, strict=True)))


def _joined(lists: Sequence[list[Any]]) -> list[Any]:
    return list(chain.from_iterable(lists))


def _of_messages(path: Path, n_rows: Sequence[int], parameters: Sequence[Any]) -> list[Any]:
    """Return a parameter of messages for each of their rows; None where there is none."""
    is_parameter = path[:1] == ("parameters",)
    each = at_path(parameters, path[1:]) if is_parameter else [None] * len(n_rows)
    return [value for value, n in zip(each, n_rows, strict=True) for _ in range(n)]


def _rows(flat: list[Any], width: int) -> list[list[Any]]:
    return [flat[first : first + width] for first in range(0, len(flat), width)]


def _n_rows(tensor: Tensor, one_row_of: int) -> int:
    shape = tensor.shape
    if not one_row_of:
        return shape[0] if shape else 1
    if shape != [one_row_of]:
        detail = f"has the shape {shown(shape)}, expected {one_row_of} values in a row"
        raise wrong(tensor.name, detail, Reason.WRONG_LENGTH)
    return 1


def _n_rows_of_first(sides: tuple[list[Tensor] | None, list[Tensor] | None]) -> int:
    """Return the rows of a message of which no tensor is used."""
    first = next((tensor for side in sides for tensor in side or ()), None)
    return first.shape[0] if first is not None and first.shape else 1


def _sources(
    columns: Sequence[Column], sides: tuple[Signatures | None, Signatures | None]
) -> Iterator[tuple[Column, tuple[int, Source, Path]]]:
    features = [column for column in columns if column.role == "feature"]
    outputs = [column for column in columns if column.role == "output"]
    for column, source in sources_of(features, "feature", sides[INPUTS] or ()).items():
        yield column, (INPUTS, source, column.paths[0] if column.paths else ())
    for column, source in sources_of(outputs, "output", sides[OUTPUTS] or ()).items():
        yield column, (OUTPUTS, source, column.paths[0] if column.paths else ())
    for column in columns:
        if column.role in PART_OF:
            continue
        found = [sources_of([column], "feature", side or ())[column] for side in sides]
        side = next((side for side in (INPUTS, OUTPUTS) if found[side].tensors), INPUTS)
        yield column, (side, found[side], column.paths[0])


def _used(
    sources: dict[Column, tuple[int, Source, Path]],
    sides: tuple[Signatures | None, Signatures | None],
) -> Iterator[Used]:
    of: dict[tuple[int, int], list[Column]] = {}
    one_row: dict[tuple[int, int], int] = {}
    for column, (side, source, _) in sources.items():
        for place in source.tensors:
            of.setdefault((side, place), []).append(column)
            if source.is_one_row:
                one_row[side, place] = column.size
    for (side, place), columns in of.items():
        signatures = sides[side] or ()
        yield Used(side, place, signatures[place], one_row.get((side, place), 0), tuple(columns))


def not_a_message() -> UnusableEventError:
    """Describe a message that is neither a request nor a response."""
    return UnusableEventError(Reason.INVALID_EVENT, "the message has neither inputs nor outputs")
