"""Shards of a history: decoded batches as Arrow files, which all processes of a backtest map."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from msgspec import Struct
from numpy.typing import NDArray

from flink_jobs.histories.batches import Misplaced, Names
from flink_jobs.histories.errors import BacktestError
from flink_jobs.intake.locating import Located

_HEAD = b"head"


class Head(Struct, array_like=True, frozen=True, kw_only=True):
    """The small things of a batch.

    Attributes
    ----------
    models : list of str
        The names that codes stand for; -1 stands for none.
    misplaced : list of Misplaced
    n_lines : int
        How many lines it holds, where offsets count from the first of them; otherwise 0.
    n_read : int
        How many bytes of the file have been read.
    more : bytes
        What else the source that wrote it has to say.
    is_cut : bool
        Whether the last line is too long to be one.
    ends_stretch, ends_file : bool
    version : tuple of int, optional
        Of the file.
    problem : str
        Why the file cannot be read on.
    has_table : bool
    """

    models: list[str] = []
    misplaced: list[Misplaced] = []
    n_lines: int = 0
    n_read: int = 0
    more: bytes = b""
    is_cut: bool = False
    ends_stretch: bool = True
    ends_file: bool = False
    version: tuple[int, int, int] | None = None
    problem: str = ""
    has_table: bool = False


@dataclass(frozen=True, eq=False)
class Found:
    """A batch as its reader found it.

    Attributes
    ----------
    head : Head
    arrays : mapping of str to array
        ``codes`` (int32), ``times_ms`` and ``offsets`` (int64) of the rows that have a place in
        event time, and what else the source needs; empty without a row.
    table : pyarrow.RecordBatch, optional
        The columns of the same rows.
    lines : sequence of bytes, optional
        The lines, in the process that decoded them.
    """

    head: Head
    arrays: Mapping[str, Any] = field(default_factory=dict)
    table: pa.RecordBatch | None = None
    lines: Sequence[bytes] | None = None


_heads = msgspec.msgpack.Decoder(Head)


def found_rows(
    located: Located,
    offsets: NDArray[np.int64],
    payload: Callable[[int], bytes | None],
    partition: int = -1,
    own_ms: Sequence[int] = (),
) -> tuple[NDArray[np.intp], Found]:
    """Make a batch of messages; those without a place in event time are not among its rows.

    Parameters
    ----------
    located : Located
    offsets : ndarray of int64, shape (n,)
    payload : callable
        Gives the payload of a message by its number.
    partition : int
    own_ms : sequence of int
        The times of records, for those without a place.

    Returns
    -------
    ndarray of intp
        The messages that are rows.
    Found
    """
    problems, numbers = located.problems, Names()
    rows = np.delete(np.arange(len(located.models)), list(problems)).astype(np.intp)
    models = [located.models[row] for row in rows.tolist()] if problems else located.models
    codes = np.fromiter(map(numbers.__getitem__, models), np.int32, len(models))
    misplaced = [
        Misplaced(
            numbers[located.models[row]],
            int(offsets[row]),
            error.reason,
            error.detail,
            payload(row),
            error.event_id,
            partition,
            own_ms[row] if own_ms else 0,
        )
        for row, error in sorted(problems.items())
    ]
    arrays = {"codes": codes, "times_ms": located.times_ms[rows], "offsets": offsets[rows]}
    return rows, Found(Head(models=numbers.all, misplaced=misplaced), arrays)


def write_shard(path: Path, found: Found) -> None:
    """Write a batch, which lies at ``path`` when it is whole.

    Raises
    ------
    OSError
        When the disk is full.
    """
    head = msgspec.structs.replace(found.head, has_table=found.table is not None)
    columns = {name: _in_one_row(values) for name, values in found.arrays.items()}
    arrays = pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
    scratch = path.with_suffix(".new")
    with pa.OSFile(str(scratch), "wb") as file:
        _write(file, arrays.replace_schema_metadata({_HEAD: msgspec.msgpack.encode(head)}))
        if found.table is not None:
            _write(file, _with_small_dictionaries(found.table))
    scratch.rename(path)


def read_shard(path: Path) -> Found:
    """Map a batch into memory.

    Raises
    ------
    BacktestError
        When it is cut off or damaged, or gone.
    """
    try:
        file = pa.memory_map(str(path))
        arrays = _only_batch(file)
        head = _heads.decode(arrays.schema.metadata[_HEAD])
        table = _only_batch(file) if head.has_table else None
        # Each array is the only value of its column.
        values = {name: arrays.column(name).values for name in arrays.schema.names}
    except (pa.ArrowException, OSError, StopIteration, msgspec.DecodeError, KeyError) as error:
        raise BacktestError(
            f"{path}, which a process of the backtest wrote for the others, is cut off or damaged "
            f"({error}): nothing else may write to its folder; run the backtest again"
        ) from error
    return Found(head, {name: _as_numpy(each) for name, each in values.items()}, table)


def require_room(folder: Path | None, n_bytes: int) -> None:
    """Refuse a folder for a result that has no room for the shards of its backtest.

    Parameters
    ----------
    folder : Path or None
        Need not be there yet; None for the system's one for temporary files.
    n_bytes : int
        The most that shards take at a time.

    Raises
    ------
    BacktestError
    """
    folder = Path(tempfile.gettempdir()) if folder is None else folder.absolute()
    there = next(path for path in (folder, *folder.parents) if path.exists())
    n_free = shutil.disk_usage(there).free
    if n_free < n_bytes:
        raise BacktestError(
            f"the processes of this backtest keep up to {n_bytes / 1e6:,.0f} MB of decoded rows in "
            f"{folder}, where {n_free / 1e6:,.0f} MB are free: make room, name another folder, or "
            "use fewer processes; one alone keeps none"
        )


def _in_one_row(values: NDArray[Any] | pa.Array) -> pa.Array:
    """Return a column of one row that holds all values: arrays of a batch differ in length."""
    return pa.LargeListArray.from_arrays(pa.array([0, len(values)], pa.int64()), pa.array(values))


def _as_numpy(values: pa.Array) -> NDArray[Any] | pa.Array:
    return values.to_numpy() if pa.types.is_primitive(values.type) else values


def _with_small_dictionaries(table: pa.RecordBatch) -> pa.RecordBatch:
    """Decode what has more texts than rows: a dictionary is that of the file so far."""
    columns = [
        column.dictionary_decode()
        if pa.types.is_dictionary(column.type) and len(column.dictionary) > len(column)
        else column
        for column in table.columns
    ]
    fields = zip(table.schema, columns, strict=True)
    schema = pa.schema([field.with_type(column.type) for field, column in fields])
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _write(file: Any, batch: pa.RecordBatch) -> None:
    with pa.ipc.new_stream(file, batch.schema) as stream:
        stream.write_batch(batch)


def _only_batch(file: Any) -> pa.RecordBatch:
    """Read a stream of one batch, and its end, where the next one begins."""
    reader = pa.ipc.open_stream(file)
    batch = reader.read_next_batch()
    for _ in reader:
        raise StopIteration("it holds more than one batch")
    return batch
