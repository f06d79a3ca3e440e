"""Histories of columns: Parquet, CSV and tables in memory, read in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.histories.batches import Batch, Misplaced, Names
from flink_jobs.histories.errors import SourceError
from flink_jobs.histories.exchange import Exchange
from flink_jobs.histories.files import FilesInTurn
from flink_jobs.histories.input_files import Format, InputFiles, folder_keys
from flink_jobs.histories.shards import Found, Head
from flink_jobs.histories.tables.arrow import (
    arrow_pieces,
    arrow_schema,
    mapped_pieces,
    mapped_schema,
)
from flink_jobs.histories.tables.csv import csv_pieces, csv_schema
from flink_jobs.histories.tables.finding import shape_of
from flink_jobs.histories.tables.parquet import parquet_schema, parquet_stretches
from flink_jobs.histories.tables.places import values_at, with_constants
from flink_jobs.histories.tables.rows import TableRows
from flink_jobs.histories.tables.shape import Piece, Stretch, TableShape, rows_per_batch
from flink_jobs.histories.tables.texts import text_of
from flink_jobs.histories.tables.times import TimesReader
from flink_jobs.records.dead_letters import Reason

_Schema = Callable[[Path], pa.Schema | None]
_Stretches = Callable[[Path, TableShape, int], list[Stretch]]
# Tables are seldom compressed to less than a sixteenth.
_MOST_GROWTH = 16


class Tables(FilesInTurn):
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
        super().__init__(files)
        self._config = config
        self._schema, self._stretches = _READERS[files.format]
        self._read: tuple[int, list[Stretch]] | None = None
        self._is_mapped = files.format == "mapped"
        # All of them now: nobody wants to hear of the last file after an hour.
        self._shapes = [
            self._shape(path, name) for path, name in zip(files.paths, self.sources, strict=True)
        ]
        self._times = TimesReader(config.columns.time_unit, config.columns.time_zone)
        self._n_rows = rows_per_batch(config, files.n_beside)

    @property
    def shapes(self) -> dict[str, TableShape]:
        """The columns of each file that holds a row, by its name."""
        pairs = zip(self.sources, self._shapes, strict=True)
        return {name: shape for name, shape in pairs if shape is not None}

    @property
    def decoded_bytes(self) -> int:
        """About how much disk all rows take at most when they are decoded."""
        return 0 if self._is_mapped else _MOST_GROWTH * self.total

    def batches(
        self, names: Names, horizon_ms: int, exchange: Exchange | None = None
    ) -> Iterator[Batch]:
        """All rows. What is mapped into memory is decoded already."""
        return super().batches(names, horizon_ms, None if self._is_mapped else exchange)

    def _shape(self, path: Path, name: str) -> TableShape | None:
        """None where a file holds no row."""
        schema = self._schema(path)
        if schema is None:
            return None
        return shape_of(name, self._config, schema, folder_keys(path))

    def _rows(self, file: int, stretch: int, found: Found) -> TableRows:
        return TableRows(self._shape_of(file), found.table)

    def _shape_of(self, file: int) -> TableShape:
        shape = self._shapes[file]
        assert shape is not None  # noqa: S101 - a file without a row has no batch
        return shape

    def _found(self, file: int, stretch: int) -> Iterator[Found]:
        n_rows = 0
        try:
            stretches = self._stretches_of(file)
            for n_rows, pieces in stretches[stretch : stretch + 1]:
                for piece in pieces():
                    n_rows += piece.batch.num_rows
                    yield self._of_piece(piece, self._shape_of(file))
                # Only now it is known that nothing follows.
                yield Found(Head(ends_file=stretch == len(stretches) - 1))
        except (pa.ArrowException, OSError) as error:
            raise SourceError(
                f"{self.sources[file]} is damaged or not complete after row {n_rows:,}: {error}"
            ) from error

    def _stretches_of(self, file: int) -> list[Stretch]:
        if self._read is None or self._read[0] != file:
            path, shape = self._files.paths[file], self._shapes[file]
            found = _EMPTY if shape is None else self._stretches(path, shape, self._n_rows)
            self._read = file, found
        return self._read[1]

    def _of_piece(self, piece: Piece, shape: TableShape) -> Found:
        batch, offsets = with_constants(piece.batch, shape.keys), piece.offsets
        models, codes, odd = self._codes(batch, shape)
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
        head = Head(models=models, misplaced=misplaced, n_read=piece.n_read, ends_stretch=False)
        return Found(head, {"codes": codes, "times_ms": times_ms, "offsets": offsets}, batch)

    def _codes(
        self, batch: pa.RecordBatch, shape: TableShape
    ) -> tuple[list[str], NDArray[np.int32], dict[int, tuple[Reason, str]]]:
        """The models, the number of each row's one, and the rows of which it is missing or odd."""
        if shape.model is None:
            models = [self._config.columns.model_name] if batch.num_rows else []
            return models, np.zeros(batch.num_rows, dtype=np.int32), {}
        column, wrong = values_at(batch, shape.model), dict[int, str]()
        # A dictionary is that of the file so far, which may name many more models than the rows.
        if not _is_text_by_number(column.type) or len(column.dictionary) > len(column):
            column, wrong = text_of(column)
            column = column.dictionary_encode()
        names = Names()
        # One more, for rows without a model: index -1 below.
        table = np.array([*map(names.__getitem__, column.dictionary.to_pylist()), -1], np.int32)
        codes = table[column.indices.fill_null(-1).to_numpy(zero_copy_only=False)]
        name = shape.model.name
        missing = (Reason.NO_MODEL, f"{name} is missing or empty")
        odd = dict.fromkeys(np.flatnonzero(codes < 0).tolist(), missing)
        odd |= {row: (Reason.UNDECODABLE, f"{name} {what}") for row, what in wrong.items()}
        return names.all, codes, odd


def _as_one(
    read: Callable[[Path, TableShape, int], Iterator[Piece]],
    path: Path,
    shape: TableShape,
    n_rows: int,
) -> list[Stretch]:
    """A file that cannot be read from its middle."""
    return [Stretch(0, partial(read, path, shape, n_rows))]


def _is_text_by_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_dictionary(kind) and pa.types.is_string(kind.value_type))


_EMPTY = [Stretch(0, lambda: iter(()))]
_READERS: Mapping[Format, tuple[_Schema, _Stretches]] = {
    "parquet": (parquet_schema, parquet_stretches),
    "csv": (csv_schema, partial(_as_one, csv_pieces)),
    "arrow": (arrow_schema, partial(_as_one, arrow_pieces)),
    "mapped": (mapped_schema, partial(_as_one, mapped_pieces)),
}
