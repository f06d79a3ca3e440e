"""CSV files, read block by block."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from flink_jobs.histories.errors import SourceError
from flink_jobs.histories.tables.piece import Piece, bytes_at_a_time
from flink_jobs.histories.tables.shape import TableShape

_BLOCK_BYTES = 8 << 20
_block_bytes = partial(bytes_at_a_time, per_row=256, least=1 << 20, most=_BLOCK_BYTES)
_NULLS = ["", "NA", "N/A", "null", "NULL", "None"]


def csv_schema(path: Path) -> pa.Schema | None:
    """None where there is not even a header."""
    if path.stat().st_size == 0:
        return None
    try:
        with _unpacked(path) as stream:
            # Wide enough for the header; types are not looked at.
            options = pa_csv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES)
            skipping = pa_csv.ParseOptions(invalid_row_handler=lambda row: "skip")
            with pa_csv.open_csv(stream, options, skipping) as reader:
                return reader.schema
    except pa.ArrowException as error:
        if "Empty CSV" in str(error):
            return None
        raise SourceError(f"{path} cannot be read as CSV: {error}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} cannot be read as CSV: {error}") from error


def csv_pieces(path: Path, shape: TableShape, n_rows: int) -> Iterator[Piece]:
    """All columns are read as bytes, so that one bad cell costs its row and not the file."""
    ragged: list[int] = []
    fresh: list[tuple[int, str]] = []

    def skip(row: pa_csv.InvalidRow) -> str:
        # The number counts the header, which is row 1.
        ragged.append(row.number - 2)
        fresh.append(
            (row.number - 2, f"the row has {row.actual_columns} cells, not {row.expected_columns}")
        )
        return "skip"

    with pa.OSFile(str(path)) as raw:
        stream = pa.CompressedInputStream(raw, "gzip") if path.name.endswith(".gz") else raw
        reader = pa_csv.open_csv(
            stream,
            pa_csv.ReadOptions(use_threads=False, block_size=_block_bytes(n_rows)),
            pa_csv.ParseOptions(invalid_row_handler=skip),
            pa_csv.ConvertOptions(
                check_utf8=False,
                column_types=dict.fromkeys(shape.columns, pa.binary()),
                include_columns=shape.columns,
                null_values=_NULLS,
                strings_can_be_null=True,
            ),
        )
        n_good = 0
        for batch in reader:
            offsets = _offsets(n_good, batch.num_rows, ragged)
            n_good += batch.num_rows
            passed, fresh[:] = fresh[:], []
            yield Piece(batch, offsets, raw.tell(), passed)
        if fresh:
            nothing = pa.RecordBatch.from_pylist([], reader.schema)
            yield Piece(nothing, np.empty(0, dtype=np.int64), raw.tell(), fresh)


def _offsets(n_before: int, n_rows: int, ragged: list[int]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Rows of the file that the next good rows are, given those that were left out.

    Examples
    --------
    >>> _offsets(1, 3, [1, 3])
    array([2, 4, 5])
    """
    good = np.arange(n_before, n_before + n_rows, dtype=np.int64)
    # The k-th ragged row lies before the good rows from number ragged[k] - k on.
    starts = [row - k for k, row in enumerate(ragged)]
    if not starts:
        return good
    first = bisect_right(starts, n_before)
    if first == len(starts):
        return good + first
    return good + np.searchsorted(np.array(starts), good, side="right")


def _unpacked(path: Path) -> Any:
    return pa.input_stream(str(path), compression="gzip" if path.name.endswith(".gz") else None)
