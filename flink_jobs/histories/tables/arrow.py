"""Arrow files, of users and of this project's own.

What an Arrow file says of itself is trusted by those who read it. Files of users are read and not
mapped into memory, so that one that is cut while it is read is an error and not the end of the
process, and every batch is checked in full before a value is looked at. The file that a table of a
notebook became a moment ago is mapped as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from flink_jobs.histories.errors import SourceError
from flink_jobs.histories.tables.shape import Piece, TableShape

_FILE_MAGIC = b"ARROW1"
_FEATHER_MAGIC = b"FEA1"


def mapped_schema(path: Path) -> pa.Schema:
    """Of a file that a table in memory was written to."""
    with pa.memory_map(str(path)) as file, pa.ipc.open_file(file) as reader:
        return reader.schema


def mapped_pieces(path: Path, shape: TableShape, n_rows: int) -> Iterator[Piece]:
    """Batches as they lie in the mapped file, which are as large as they should be; no copies."""
    size, first = path.stat().st_size, 0
    with pa.memory_map(str(path)) as file, pa.ipc.open_file(file) as reader:
        n_batches = reader.num_record_batches
        for number in range(n_batches):
            batch = reader.get_batch(number)
            yield _piece(batch, first, size * (number + 1) // n_batches)
            first += batch.num_rows


def arrow_schema(path: Path) -> pa.Schema | None:
    """Return the columns of a user's file; None where it is empty.

    Raises
    ------
    SourceError
        When it is not an Arrow file.
    """
    if path.stat().st_size == 0:
        return None
    try:
        with _opened(path) as (reader, _):
            return reader.schema
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"{path} is not a complete Arrow file: {error}") from error


def arrow_pieces(path: Path, shape: TableShape, n_rows: int) -> Iterator[Piece]:
    """The columns of the shape, checked, in batches."""
    first = 0
    with _opened(path) as (reader, _):
        there = reader.schema.names
    with _opened(path, [there.index(name) for name in shape.columns]) as (reader, raw):
        for batch, n_read in _batches(reader, raw):
            batch.validate(full=True)
            for start in range(0, batch.num_rows, n_rows):
                yield _piece(batch.slice(start, n_rows), first + start, n_read)
            first += batch.num_rows


def _batches(reader: Any, raw: Any) -> Iterator[tuple[pa.RecordBatch, int]]:
    """Batches, and how much of the file has been read with each."""
    if not isinstance(reader, pa.RecordBatchFileReader):
        yield from ((batch, raw.tell()) for batch in reader)
        return
    n_batches, size = reader.num_record_batches, raw.size()
    for number in range(n_batches):
        yield reader.get_batch(number), size * (number + 1) // n_batches


@contextmanager
def _opened(path: Path, fields: list[int] | None = None) -> Iterator[tuple[Any, Any]]:
    """Open a file, or what was written as a stream of batches to one; all fields by default."""
    with pa.OSFile(str(path)) as raw:
        magic = raw.read(len(_FILE_MAGIC))
        raw.seek(0)
        if magic.startswith(_FEATHER_MAGIC):
            raise SourceError(
                f"{path} is a Feather file of version 1, which cannot be read: write it again as "
                "version 2, or as Parquet"
            )
        open_reader = pa.ipc.open_file if magic == _FILE_MAGIC else pa.ipc.open_stream
        # Many threads would take the place of other processes of the backtest.
        options = pa.ipc.IpcReadOptions(use_threads=False, included_fields=fields)
        with open_reader(raw, options=options) as reader:
            yield reader, raw


def _piece(batch: pa.RecordBatch, first: int, n_read: int) -> Piece:
    offsets = np.arange(first, first + batch.num_rows, dtype=np.int64)
    return Piece(batch, offsets, n_read, [])
