"""Formats whose records are described by a schema: what Avro and Protobuf have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from flink_jobs.config.columns import Column, columns_of
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.parts import have_parts
from flink_jobs.config.paths import Path
from flink_jobs.intake.formats.base import Messages, ReadEvents, Unusable
from flink_jobs.intake.formats.cursors import PADDING, Cursors
from flink_jobs.intake.formats.framing import PLAIN, Frame, framed
from flink_jobs.intake.formats.leaves import Leaf, column_values, taken
from flink_jobs.intake.formats.names import EventNames
from flink_jobs.intake.formats.parts import as_optional, parts_found, refuse_incomplete
from flink_jobs.intake.formats.trees import ColumnValues
from flink_jobs.intake.schemas.errors import UnusableSchemaError
from flink_jobs.intake.slots import ColumnFiller
from flink_jobs.intake.unusable import UnusableEventError
from flink_jobs.records.dead_letters import Reason

# Records that are read together. Their bytes and numbers lie in the processor's cache.
_BLOCK = 4_096
_MOST_SCHEMAS = 256
_BAD_FRAME = "the value does not begin with a zero byte and a schema number"

Wanted = Mapping[Path, int]
"""The paths that are looked up, each with the numbers of its vector; 1 where it is none."""
Part = tuple[NDArray[np.intp], Mapping[Path, Leaf]]
"""Some rows, and what was read of them."""


class Schema(Protocol):
    """Reads the records of one schema."""

    n_padding: int
    """Bytes that have to lie behind the last of many records."""

    def leaves(self, cursors: Cursors) -> dict[Path, Leaf]:
        """Read many records at once; those that cannot be read so are marked as bad.

        A path that is missing in all of them is not among the leaves.
        """
        ...

    def record(self, payload: bytes) -> Any:
        """Read one record.

        Raises
        ------
        UnusableEventError
            When it is none.
        """
        ...

    def at(self, record: Any, path: Path) -> Any:
        """Look a value up in one record; None where there is none."""
        ...


MakeSchema = Callable[[Frame, Wanted], Schema]
"""Makes what reads the records of a frame; raises :class:`UnusableSchemaError`."""


class SchemaRecords:
    """Reads messages of which each is one record of a schema.

    It is the part of a :class:`~flink_jobs.intake.formats.base.PayloadFormat` that does not depend
    on the encoding.

    Parameters
    ----------
    config : DriftJobConfig
    read : sequence of Column
        Those that become floats.
    make : callable
        Of a frame and of the wanted paths what reads its records.
    have_indexes : bool
        Whether places of messages follow the numbers of schemas.
    """

    def __init__(
        self,
        config: DriftJobConfig,
        read: Sequence[Column],
        make: MakeSchema,
        *,
        have_indexes: bool = False,
    ) -> None:
        self._is_framed = config.input.envelope == "confluent"
        self._have_indexes = have_indexes
        self._make = make
        self._columns = columns_of(config)
        self._have_parts = have_parts(config)
        self._asked = as_optional(self._columns) if self._have_parts else self._columns
        chosen = {column.name for column in read}
        self._read_columns = [column for column in self._asked if column.name in chosen]
        self._names = EventNames(config)
        self._schemas = _Schemas(make, _wanted(self._columns, self._names.path))
        self._looking_up: dict[tuple[Path, ...], _Schemas] = {}

    def values(self, messages: Messages, paths: Sequence[Path]) -> list[Sequence[Any]]:
        """Look single values up."""
        schemas = self._looking_up.get(tuple(paths))
        if schemas is None:
            schemas = _Schemas(self._make, dict.fromkeys(paths, 1))
            self._looking_up[tuple(paths)] = schemas
        found: list[list[Any]] = [[] for _ in paths]
        for first in range(0, len(messages), _BLOCK):
            payloads = messages.payloads[first : first + _BLOCK]
            unusable: Unusable = {}
            parts = self._parts(payloads, schemas, unusable)
            for values, path in zip(found, paths, strict=True):
                own = _at(parts, path, len(payloads))
                for row, error in unusable.items():
                    own[row] = error
                values += own
        return list(found)

    def read(self, messages: Messages) -> ReadEvents:
        """Read the event of each message."""
        filler = ColumnFiller(self._read_columns)
        event_ids: list[str] = []
        unusable: Unusable = {}
        blocks = [np.empty((0, filler.n_slots))]
        parts = [np.empty(0, dtype=np.int8)]
        for first in range(0, len(messages), _BLOCK):
            block = messages.part(first, first + _BLOCK)
            values, names, wrong = self._read_block(block)
            if self._have_parts:
                parts.append(parts_found(self._asked, values, len(block)))
                refuse_incomplete(self._columns, values, parts[-1], names, wrong)
            event_ids += names
            unusable |= {first + row: error for row, error in wrong.items()}
            blocks.append(filler.rows(values, len(block)))
        places = np.arange(len(event_ids), dtype=np.intp)
        own_parts = np.concatenate(parts) if self._have_parts else None
        x = np.concatenate(blocks)
        return ReadEvents(places, event_ids, x, unusable, filler.texts, parts=own_parts)

    def _read_block(self, messages: Messages) -> tuple[ColumnValues, list[str], Unusable]:
        n = len(messages)
        unusable: Unusable = {}
        parts = list(self._parts(messages.payloads, self._schemas, unusable))
        path = self._names.path
        named = None if path is None else _at(parts, path, n)
        event_ids, nameless = self._names.of(named, messages)
        if len(parts) == 1 and len(parts[0][0]) == n:
            values, wrong = column_values(self._asked, parts[0][1], event_ids)
        else:
            values, wrong = self._joined(parts, event_ids)
        return values, event_ids, wrong | nameless | unusable

    def _joined(
        self, parts: Sequence[Part], event_ids: Sequence[str]
    ) -> tuple[ColumnValues, Unusable]:
        """Put the columns together of rows that were read in parts."""
        whole: dict[Column, Any] = {
            column: _nothing(column, len(event_ids)) for column in self._asked
        }
        unusable: Unusable = {}
        for rows, leaves in parts:
            own_ids = [event_ids[row] for row in rows.tolist()]
            values, wrong = column_values(self._asked, leaves, own_ids)
            unusable |= {int(rows[row]): error for row, error in wrong.items()}
            for column, found in values.items():
                _put(whole[column], rows, found)
        return whole, unusable

    def _parts(
        self, payloads: Sequence[bytes], schemas: _Schemas, unusable: Unusable
    ) -> list[Part]:
        """Read records, by schema and by how they could be read."""
        cursors = Cursors.of(payloads, schemas.n_padding)
        everything = np.arange(len(payloads), dtype=np.intp)
        frames: Sequence[tuple[Frame, NDArray[np.intp]]] = [(PLAIN, everything)]
        if self._is_framed:
            frames = list(framed(cursors, have_indexes=self._have_indexes))
            for row in np.flatnonzero(cursors.is_bad).tolist():
                unusable[row] = UnusableEventError(Reason.UNDECODABLE, _BAD_FRAME)
        parts: list[Part] = []
        for frame, rows in frames:
            try:
                schema = schemas.of(frame)
            except UnusableSchemaError as error:
                unusable |= dict.fromkeys(rows.tolist(), error.of_event())
                continue
            if schema.n_padding > schemas.n_padding:
                schemas.n_padding = schema.n_padding
                return self._parts(payloads, schemas, unusable)
            parts += _read_part(schema, cursors, payloads, rows, schemas.wanted, unusable)
        return parts


class _Schemas:
    """Readers of the wanted paths of records, by the frames of these."""

    def __init__(self, make: MakeSchema, wanted: Wanted) -> None:
        self._make = make
        self._made: dict[Frame, Schema] = {}
        self.wanted = wanted
        self.n_padding = PADDING

    def of(self, frame: Frame) -> Schema:
        """Return what reads the records of a frame."""
        schema = self._made.get(frame)
        if schema is None:
            schema = self._make(frame, self.wanted)
            if len(self._made) >= _MOST_SCHEMAS:
                # Numbers come from outside.
                self._made.clear()
            self._made[frame] = schema
        return schema


def _wanted(columns: Sequence[Column], named: Path | None) -> Wanted:
    wanted = {
        path: 1 if column.is_elementwise else column.size
        for column in columns
        for path in column.paths
    }
    return wanted if named is None else {named: 1} | wanted


def _read_part(
    schema: Schema,
    cursors: Cursors,
    payloads: Sequence[bytes],
    rows: NDArray[np.intp],
    wanted: Wanted,
    unusable: Unusable,
) -> list[Part]:
    """Read the records of one schema together, and one by one those that do not go together."""
    own = cursors.alone(rows)
    n_left = own.end - own.at
    leaves = schema.leaves(own)
    own.settle()
    own.finish()
    if not own.is_bad.any():
        return [(rows, leaves)]
    good = np.flatnonzero(~own.is_bad)
    parts: list[Part] = []
    if good.size:
        parts.append((rows[good], {path: taken(leaf, good) for path, leaf in leaves.items()}))
    usable, records = [], []
    for place in np.flatnonzero(own.is_bad).tolist():
        row = int(rows[place])
        try:
            records.append(schema.record(payloads[row][len(payloads[row]) - int(n_left[place]) :]))
            usable.append(row)
        except UnusableEventError as error:
            unusable[row] = error
    if records:
        found = {
            path: Leaf("any", [schema.at(record, path) for record in records]) for path in wanted
        }
        parts.append((np.array(usable, dtype=np.intp), found))
    return parts


def _at(parts: Sequence[Part], path: Path, n: int) -> list[Any]:
    """Return the values at a path of all rows; None where there is none."""
    if len(parts) == 1 and len(parts[0][0]) == n:
        leaf = parts[0][1].get(path)
        return [None] * n if leaf is None else leaf.as_objects()
    values: list[Any] = [None] * n
    for rows, leaves in parts:
        if leaf := leaves.get(path):
            _put(values, rows, leaf.as_objects())
    return values


def _nothing(column: Column, n: int) -> Any:
    if column.is_category:
        return [None] * n
    return np.full((n, column.size) if column.type == "vector" else n, np.nan)


def _put(whole: Any, rows: NDArray[np.intp], found: Any) -> None:
    if isinstance(whole, list):
        for row, value in zip(rows.tolist(), found, strict=True):
            whole[row] = value
    else:
        whole[rows] = found
