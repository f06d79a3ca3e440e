"""Histories of columns: Parquet, CSV and tables in memory, read in batches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.histories.batches import Batch, EventTime, Misplaced, Names
from flink_jobs.histories.errors import SourceError
from flink_jobs.histories.input_files import InputFiles, folder_keys
from flink_jobs.histories.tables.arrow import (
    arrow_pieces,
    arrow_schema,
    mapped_pieces,
    mapped_schema,
)
from flink_jobs.histories.tables.csv import csv_pieces, csv_schema
from flink_jobs.histories.tables.finding import shape_of
from flink_jobs.histories.tables.parquet import parquet_pieces, parquet_schema
from flink_jobs.histories.tables.places import values_at, with_constants
from flink_jobs.histories.tables.rows import TableRows
from flink_jobs.histories.tables.shape import Piece, TableShape, rows_per_batch
from flink_jobs.histories.tables.texts import text_of
from flink_jobs.histories.tables.times import TimesReader
from flink_jobs.records.dead_letters import Reason


class Tables:
    """Files of Parquet, CSV or Arrow.

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
        self._times = TimesReader(config.columns.time_unit, config.columns.time_zone)
        self._n_rows = rows_per_batch(config, files.n_beside)
        self.warnings: list[str] = []
        self.total = files.n_bytes

    @property
    def shapes(self) -> dict[str, TableShape]:
        """The columns of each file that holds a row, by its name."""
        pairs = zip(self.sources, self._shapes, strict=True)
        return {name: shape for name, shape in pairs if shape is not None}

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
                for piece in self._pieces(path, shape, self._n_rows):
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
        if schema is None:
            return None
        return shape_of(name, self._config, schema, folder_keys(path))

    def _batch(
        self,
        piece: Piece,
        shape: TableShape,
        partition: int,
        names: Names,
        time: EventTime,
        done: int,
    ) -> Batch:
        batch, offsets = with_constants(piece.batch, shape.keys), piece.offsets
        codes, odd = self._codes(batch, shape, names)
        times_ms, wrong = self._times.read(values_at(batch, shape.time))
        misplaced = [
            Misplaced(-1, row, Reason.INVALID_EVENT, detail) for row, detail in piece.ragged
        ]
        # Whose time is wrong and whose model too is refused for its model.
        at = shape.time.name
        troubles = {row: (Reason.NO_TIME, f"{at} {what}") for row, what in wrong.items()} | odd
        if troubles:
            for row, (reason, detail) in troubles.items():
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
    ) -> tuple[np.ndarray[Any, np.dtype[np.int32]], dict[int, tuple[Reason, str]]]:
        if shape.model is None:
            code = names[self._config.columns.model_name] if batch.num_rows else 0
            return np.full(batch.num_rows, code, dtype=np.int32), {}
        column, wrong = values_at(batch, shape.model), dict[int, str]()
        # A dictionary is that of the file so far, which may name many more models than the rows.
        if not _is_text_by_number(column.type) or len(column.dictionary) > len(column):
            column, wrong = text_of(column)
            column = column.dictionary_encode()
        # One more, for rows without a model: index -1 below.
        table = np.array([*map(names.__getitem__, column.dictionary.to_pylist()), -1], np.int32)
        codes = table[column.indices.fill_null(-1).to_numpy(zero_copy_only=False)]
        name = shape.model.name
        missing = (Reason.NO_MODEL, f"{name} is missing or empty")
        odd = dict.fromkeys(np.flatnonzero(codes < 0).tolist(), missing)
        odd |= {row: (Reason.UNDECODABLE, f"{name} {what}") for row, what in wrong.items()}
        return codes, odd


def _is_text_by_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_dictionary(kind) and pa.types.is_string(kind.value_type))


_READERS = {
    "parquet": (parquet_schema, parquet_pieces),
    "csv": (csv_schema, csv_pieces),
    "arrow": (arrow_schema, arrow_pieces),
    "mapped": (mapped_schema, mapped_pieces),
}
