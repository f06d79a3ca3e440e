"""Histories of columns: Parquet, CSV and tables in memory, read in batches."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from flink_jobs.backtest.batches import Batch, EventTime, Misplaced, Names
from flink_jobs.backtest.errors import SourceError
from flink_jobs.backtest.freed_memory import give_back_freed_memory
from flink_jobs.backtest.input_files import InputFiles
from flink_jobs.backtest.table_rows import TableRows, text_of
from flink_jobs.backtest.table_shape import TableShape, shape_of
from flink_jobs.backtest.times import times_of
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.records.dead_letters import Reason

# A column chunk is read through a buffer: a file with a single row group would fill the memory.
_BUFFER_BYTES = 1 << 20
_ROWS_PER_READER = 131_072
_CSV_BLOCK_BYTES = 8 << 20
_NULLS = ["", "NA", "N/A", "null", "NULL", "None"]


class _Piece(NamedTuple):
    """Rows of a file: their offsets, and how many bytes of it have been read."""

    batch: pa.RecordBatch
    offsets: np.ndarray[Any, np.dtype[np.int64]]
    n_read: int
    ragged: list[tuple[int, str]]


class Tables:
    """Files of Parquet or CSV.

    Parameters
    ----------
    files : InputFiles
    config : DriftJobConfig

    Raises
    ------
    SourceError
        When a file cannot be read or lacks a column.
    """

    def __init__(self, files: InputFiles, config: DriftJobConfig) -> None:
        self._files = files
        self._config = config
        self._schema, self._pieces = _READERS[files.format]
        self.sources = files.names
        self.name = self.sources[0]
        # All of them now: nobody wants to hear of the last file after an hour.
        self._shapes = [
            self._shape(path, name) for path, name in zip(files.paths, self.sources, strict=True)
        ]
        # A footer of 381 row groups with 45 columns took 12 MB.
        give_back_freed_memory()
        self.warnings: list[str] = []
        self.total = files.n_bytes

    def place(self, partition: int, offset: int) -> str:
        """File and row, counted from 1 without a header."""
        return f"{self.sources[partition]}:{offset + 1}"

    def batches(self, names: Names, horizon_ms: int) -> Iterator[Batch]:
        """All rows."""
        time, done = EventTime(horizon_ms), 0
        for partition, path in enumerate(self._files.paths):
            shape, n_rows = self._shapes[partition], 0
            if shape is None:
                continue
            try:
                for piece in self._pieces(path, shape):
                    n_rows += piece.batch.num_rows
                    yield self._batch(piece, shape, partition, names, time, done + piece.n_read)
            except (pa.ArrowException, OSError) as error:
                raise SourceError(
                    f"{self.sources[partition]} is damaged or not complete after row "
                    f"{n_rows:,}: {error}"
                ) from error
            done += path.stat().st_size

    def _shape(self, path: Path, name: str) -> TableShape | None:
        """None where a file holds no row."""
        schema = self._schema(path)
        return None if schema is None else shape_of(name, self._config, schema)

    def _batch(
        self,
        piece: _Piece,
        shape: TableShape,
        partition: int,
        names: Names,
        time: EventTime,
        done: int,
    ) -> Batch:
        batch, offsets = piece.batch, piece.offsets
        codes, odd = self._codes(batch, shape, names)
        times_ms, wrong = times_of(batch.column(shape.time))
        misplaced = [
            Misplaced(-1, row, Reason.INVALID_EVENT, detail) for row, detail in piece.ragged
        ]
        troubles = {row: f"{shape.time} {what}" for row, what in wrong.items()} | odd
        if troubles:
            for row, detail in troubles.items():
                reason = Reason.UNDECODABLE if row in odd else Reason.INVALID_EVENT
                misplaced.append(Misplaced(int(codes[row]), int(offsets[row]), reason, detail))
            kept = np.delete(np.arange(batch.num_rows), sorted(troubles))
            batch = batch.take(pa.array(kept))
            codes, times_ms, offsets = codes[kept], times_ms[kept], offsets[kept]
        before = time.before(times_ms)
        return Batch(
            codes=codes,
            times_ms=times_ms,
            partitions=np.full(len(codes), partition, dtype=np.int32),
            offsets=offsets,
            reached_ms=before,
            reached_after_ms=time.reached_ms,
            rows=TableRows(shape, batch),
            done=done,
            misplaced=misplaced,
            partition=partition,
        )

    def _codes(
        self, batch: pa.RecordBatch, shape: TableShape, names: Names
    ) -> tuple[np.ndarray[Any, np.dtype[np.int32]], dict[int, str]]:
        if not shape.model:
            code = names[self._config.columns.model_name] if batch.num_rows else 0
            return np.full(batch.num_rows, code, dtype=np.int32), {}
        column, wrong = batch.column(shape.model), dict[int, str]()
        # A dictionary is that of the file so far, which may name many more models than the rows.
        if not _is_text_by_number(column.type) or len(column.dictionary) > len(column):
            column, wrong = text_of(column)
            column = column.dictionary_encode()
        # One more, for rows without a model: index -1 below.
        table = np.array([*map(names.__getitem__, column.dictionary.to_pylist()), -1], np.int32)
        indices = column.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        return table[indices], {row: f"{shape.model} {what}" for row, what in wrong.items()}


def _is_text_by_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_dictionary(kind) and pa.types.is_string(kind.value_type))


def _parquet_schema(path: Path) -> pa.Schema | None:
    if path.stat().st_size == 0:
        return None
    try:
        with pq.ParquetFile(path) as file:
            return file.schema_arrow if file.metadata.num_rows else None
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"{path} is no complete Parquet file: {error}") from error


def _parquet(path: Path, shape: TableShape) -> Iterator[_Piece]:
    size, first = path.stat().st_size, 0
    # Once: that of 380 row groups with 45 columns takes 13 MB.
    footer = pq.read_metadata(path)
    models = _models_by_number(footer, shape.model)
    for row_groups in _runs(footer):
        with pq.ParquetFile(
            path,
            metadata=footer,
            read_dictionary=models,
            buffer_size=_BUFFER_BYTES,
            pre_buffer=False,
            page_checksum_verification=True,
        ) as file:
            batches = file.iter_batches(shape.n_rows, row_groups, shape.columns, use_threads=False)
            for batch in batches:
                offsets = np.arange(first, first + batch.num_rows, dtype=np.int64)
                first += batch.num_rows
                yield _Piece(batch, offsets, size * first // footer.num_rows, [])


def _runs(footer: pq.FileMetaData) -> Iterator[list[int]]:
    """Row groups that one reader reads: small ones together, so that batches are not small too.

    A reader keeps some memory of every row group until it is closed, about 80 kB of 45 columns.
    """
    run, n_rows = list[int](), 0
    for number in range(footer.num_row_groups):
        run.append(number)
        n_rows += footer.row_group(number).num_rows
        if n_rows >= _ROWS_PER_READER:
            yield run
            run, n_rows = [], 0
    if run:
        yield run


def _models_by_number(footer: pq.FileMetaData, model: str) -> list[str] | None:
    """The column of models where it holds text: of each row only the number of its text is read."""
    if not model:
        return None
    is_text = pa.types.is_string(footer.schema.to_arrow_schema().field(model).type)
    return [model] if is_text else None


def _arrow_schema(path: Path) -> pa.Schema:
    with pa.memory_map(str(path)) as file, pa.ipc.open_file(file) as reader:
        return reader.schema


def _arrow(path: Path, shape: TableShape) -> Iterator[_Piece]:
    """Batches that lie in the mapped file; nothing is copied."""
    size, first = path.stat().st_size, 0
    with pa.memory_map(str(path)) as file, pa.ipc.open_file(file) as reader:
        n_batches = reader.num_record_batches
        for number in range(n_batches):
            batch = reader.get_batch(number)
            offsets = np.arange(first, first + batch.num_rows, dtype=np.int64)
            first += batch.num_rows
            yield _Piece(batch, offsets, size * (number + 1) // n_batches, [])


def _csv_schema(path: Path) -> pa.Schema | None:
    if path.stat().st_size == 0:
        return None
    try:
        with _unpacked(path) as stream:
            # Wide enough for the header; types are not looked at.
            options = pa_csv.ReadOptions(use_threads=False, block_size=_CSV_BLOCK_BYTES)
            skipping = pa_csv.ParseOptions(invalid_row_handler=lambda row: "skip")
            with pa_csv.open_csv(stream, options, skipping) as reader:
                return reader.schema
    except pa.ArrowException as error:
        if "Empty CSV" in str(error):
            return None
        raise SourceError(f"{path} cannot be read as CSV: {error}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} cannot be read as CSV: {error}") from error


def _csv(path: Path, shape: TableShape) -> Iterator[_Piece]:
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
            pa_csv.ReadOptions(use_threads=False, block_size=_CSV_BLOCK_BYTES),
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
            yield _Piece(batch, offsets, raw.tell(), passed)
        if fresh:
            nothing = pa.RecordBatch.from_pylist([], reader.schema)
            yield _Piece(nothing, np.empty(0, dtype=np.int64), raw.tell(), fresh)


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


_READERS = {
    "parquet": (_parquet_schema, _parquet),
    "csv": (_csv_schema, _csv),
    "arrow": (_arrow_schema, _arrow),
}
