"""Parquet files, read a few rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from flink_jobs.histories.errors import SourceError
from flink_jobs.histories.tables.places import Place, type_at
from flink_jobs.histories.tables.shape import Piece, Stretch, TableShape, bytes_at_a_time

# A column chunk is read through a buffer: a file with a single row group would fill the memory.
# For each row four times what a column of numbers holds.
_buffer_bytes = partial(bytes_at_a_time, per_row=32, least=1 << 16, most=1 << 20)
_ROWS_PER_READER = 131_072


def parquet_schema(path: Path) -> pa.Schema | None:
    """None where there is no row."""
    if path.stat().st_size == 0:
        return None
    try:
        with pq.ParquetFile(path) as file:
            return file.schema_arrow if file.metadata.num_rows else None
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"{path} is not a complete Parquet file: {error}") from error


def parquet_stretches(path: Path, shape: TableShape, n_rows: int) -> list[Stretch]:
    """The columns of the shape, in batches; a stretch is some row groups."""
    # Once: that of 380 row groups with 45 columns takes 13 MB.
    footer = pq.read_metadata(path)
    kinds = footer.schema.to_arrow_schema()
    by_number = _read_by_number(kinds, shape)
    columns = [_leaf(kinds, place) for place in shape.places if place.column not in shape.keys]
    size = path.stat().st_size

    def pieces(row_groups: list[int], first: int) -> Iterator[Piece]:
        with pq.ParquetFile(
            path,
            metadata=footer,
            read_dictionary=by_number,
            buffer_size=_buffer_bytes(n_rows),
            pre_buffer=False,
            page_checksum_verification=True,
        ) as file:
            batches = file.iter_batches(n_rows, row_groups, columns, use_threads=False)
            for batch in batches:
                offsets = np.arange(first, first + batch.num_rows, dtype=np.int64)
                first += batch.num_rows
                yield Piece(batch, offsets, size * first // footer.num_rows, [])

    return [Stretch(first, partial(pieces, groups, first)) for first, groups in _runs(footer)]


def _runs(footer: pq.FileMetaData) -> Iterator[tuple[int, list[int]]]:
    """Row groups that one reader reads: small ones together, so that batches are not small too.

    A reader keeps some memory of every row group until it is closed, about 80 kB of 45 columns.
    Each run comes with the number of rows before it.
    """
    run, n_before, n_rows = list[int](), 0, 0
    for number in range(footer.num_row_groups):
        run.append(number)
        n_rows += footer.row_group(number).num_rows
        if n_rows >= _ROWS_PER_READER or number == footer.num_row_groups - 1:
            yield n_before, run
            run, n_before, n_rows = [], n_before + n_rows, 0


def _leaf(schema: pa.Schema, place: Place) -> str:
    """Say which columns of the file a place needs: of an object only what lies at its path.

    Examples
    --------
    >>> inner = pa.struct([("plan", pa.string()), ("scores", pa.list_(pa.float32()))])
    >>> [_leaf(pa.schema([("request", inner)]), Place("request", path))
    ...  for path in (("plan",), ("scores", 1))]
    ['request.plan', 'request.scores']
    """
    kind, names = schema.field(place.column).type, [place.column]
    for step in place.path:
        if not pa.types.is_struct(kind):
            break
        names.append(str(step))
        kind = kind.field(kind.get_field_index(step)).type
    return ".".join(names)


def _read_by_number(schema: pa.Schema, shape: TableShape) -> list[str]:
    """List models and categories that are text: of each row only the number of its text is read."""
    places = [place for place in shape.few_texts if place.column not in shape.keys]
    kinds = [type_at(schema.field(place.column).type, place.path) for place in places]
    pairs = zip(places, kinds, strict=True)
    leaves = [_leaf(schema, place) for place, kind in pairs if kind and pa.types.is_string(kind)]
    return list(dict.fromkeys(leaves))
