"""CSV files, read block by block."""

from __future__ import annotations

import codecs
import uuid
from bisect import bisect_right
from collections.abc import Iterator
from functools import partial
from io import RawIOBase
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from flink_jobs.histories.errors import SourceError
from flink_jobs.histories.tables.places import WRITTEN
from flink_jobs.histories.tables.shape import Piece, TableShape, bytes_at_a_time

_BLOCK_BYTES = 8 << 20
LONGEST_ROW = 64 << 20
_block_bytes = partial(bytes_at_a_time, per_row=256, least=1 << 20, most=_BLOCK_BYTES)
# pyarrow's words for a block without the end of a row, the first one and any other.
_NO_ROW, _NO_END = "Empty CSV file or block", "straddling object"
# Makes text of any bytes, and the same bytes of that text again.
_ANY_BYTES = "latin-1"


def csv_schema(path: Path) -> pa.Schema | None:
    """Return the columns of the header, all as text; None where there is not even a header."""
    if path.stat().st_size == 0:
        return None
    # Wide enough for the header; types are not looked at.
    block_bytes = _BLOCK_BYTES
    while True:
        try:
            with _unpacked(path) as stream:
                options = _options(block_bytes, _ANY_BYTES)
                parsing = _parsing(lambda row: "skip")
                with pa_csv.open_csv(_WithoutMark(stream), options, parsing) as reader:
                    names = [name.encode(_ANY_BYTES) for name in reader.schema.names]
                    return pa.schema(
                        [pa.field(name, pa.string(), metadata=WRITTEN) for name in names]
                    )
        except pa.ArrowException as error:
            if _NO_ROW in str(error) and block_bytes == LONGEST_ROW:
                return None
            if not _is_too_small(error):
                raise SourceError(f"{path} cannot be read as CSV: {error}") from error
            block_bytes = _larger(path, 0, block_bytes)
        except OSError as error:
            raise SourceError(f"{path} cannot be read as CSV: {error}") from error


def csv_pieces(path: Path, shape: TableShape, n_rows: int) -> Iterator[Piece]:
    """Read all columns as bytes, so that one bad cell costs its row and not the file.

    A quoted cell may hold line breaks. A row that is longer than a block is read again in blocks of
    64 MB, and rows that are not UTF-8 are read again as bytes of any kind.

    Raises
    ------
    SourceError
        When a row is longer than 64 MB, or the file ends inside a quoted cell: all rows after a
        quote that is never closed are part of its cell.
    """
    block_bytes, reading = _block_bytes(n_rows), _Reading(path)
    while True:
        try:
            yield from reading.pieces(shape, block_bytes)
        except _NotUtf8Error:
            reading.encoding = _ANY_BYTES
        except pa.ArrowInvalid as error:
            if not _is_too_small(error):
                raise
            block_bytes = _larger(path, reading.n_rows, block_bytes)
        else:
            return


class _NotUtf8Error(Exception):
    """The end of reading as UTF-8: pyarrow would tell of a ragged row only if it can decode it."""


class _Reading:
    """The rows of one file, of which those that were handed on are not handed on again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.encoding = "utf-8"
        self._n_good = 0
        self._ragged: list[int] = []

    @property
    def n_rows(self) -> int:
        """How many rows were handed on."""
        return self._n_good + len(self._ragged)

    def pieces(self, shape: TableShape, block_bytes: int) -> Iterator[Piece]:
        """All rows that are still to be handed on."""
        rows, n_seen = _RaggedRows(_end_row(self._path, shape)), 0
        with pa.OSFile(str(self._path)) as raw:
            unpacked = _unpacked_stream(self._path, raw)
            columns = [name.encode().decode(self.encoding) for name in shape.columns]
            reader = pa_csv.open_csv(
                _WithEnd(_WithoutMark(unpacked), rows.end, self.encoding),
                _options(block_bytes, self.encoding),
                _parsing(rows.skip),
                pa_csv.ConvertOptions(
                    check_utf8=False,
                    column_types=dict.fromkeys(columns, pa.binary()),
                    include_columns=columns,
                    # Other words for a missing number are told from text where a number is read.
                    null_values=[""],
                    strings_can_be_null=True,
                ),
            )
            for read in reader:
                batch = self._as_written(read, shape)
                n_seen += batch.num_rows
                n_fresh = min(batch.num_rows, n_seen - self._n_good)
                if n_fresh > 0 or len(rows.found) > len(self._ragged):
                    yield self._piece(batch.slice(batch.num_rows - max(0, n_fresh)), rows, raw)
            if len(rows.found) > len(self._ragged):
                yield self._piece(pa.RecordBatch.from_pylist([], reader.schema), rows, raw)
        if not rows.has_ended:
            raise SourceError(
                f"{self._path} ends inside a quoted cell: a quote after row {self.n_rows:,} or in "
                "it is never closed; close it, or double it where it is part of the text"
            )

    def _as_written(self, batch: pa.RecordBatch, shape: TableShape) -> pa.RecordBatch:
        """The cells, of which pyarrow made UTF-8, in the bytes of the file."""
        if self.encoding == "utf-8":
            return batch
        columns = [_as_bytes(column) for column in batch.columns]
        return pa.RecordBatch.from_arrays(columns, names=shape.columns)

    def _piece(self, batch: pa.RecordBatch, rows: _RaggedRows, raw: Any) -> Piece:
        fresh = rows.found[len(self._ragged) :]
        self._ragged += [row for row, _ in fresh]
        offsets = _offsets(self._n_good, batch.num_rows, self._ragged)
        self._n_good += batch.num_rows
        return Piece(batch, offsets, raw.tell(), fresh)


class _RaggedRows:
    """Rows with another number of cells than the header, and the row that marks the end.

    That row, ``end``, is added to what is read of the file. A quote that is never closed swallows
    it: then ``has_ended`` stays False.
    """

    def __init__(self, end: str) -> None:
        self.end = end
        self.found: list[tuple[int, str]] = []
        self.has_ended = False

    def skip(self, row: pa_csv.InvalidRow) -> str:
        """Note a row and pass it over."""
        if row.text == self.end:
            self.has_ended = True
        else:
            # The number counts the header, which is row 1.
            what = f"the row has {row.actual_columns} cells, not {row.expected_columns}"
            self.found.append((row.number - 2, what))
        return "skip"


class _WithEnd(RawIOBase):
    """A file with one more row at its end."""

    def __init__(self, stream: Any, end: str, encoding: str) -> None:
        self._stream = stream
        self._check = codecs.getincrementaldecoder(encoding)()
        # A row of its own also where the last one has no line break; empty ones count nowhere.
        self._end = f"\n{end}\n".encode()

    def readable(self) -> bool:
        """Return True, as files do that can be read."""
        return True

    def read(self, size: int = -1) -> Any:
        """Read the next bytes of the file, and behind the last the added row.

        Raises
        ------
        _NotUtf8Error
            When they should be UTF-8 and are not.
        """
        data = self._stream.read(size)
        # What is packed may come in less than was asked for.
        while len(data) < size and (more := self._stream.read(size - len(data))):
            data += more
        try:
            self._check.decode(data, final=len(data) < size)
        except UnicodeDecodeError as error:
            raise _NotUtf8Error from error
        if len(data) == size:
            return data
        if len(data) + len(self._end) <= size:
            data, self._end = data + self._end, b""
        return data


class _WithoutMark(RawIOBase):
    """A file without the mark that says it is UTF-8: read as other bytes, it would be a name's."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._first = stream.read(len(codecs.BOM_UTF8)).removeprefix(codecs.BOM_UTF8)

    def readable(self) -> bool:
        """Return True, as files do that can be read."""
        return True

    def read(self, size: int = -1) -> Any:
        """Read the next bytes of the file."""
        first, self._first = self._first, b""
        return first + self._stream.read(size - len(first))


def _end_row(path: Path, shape: TableShape) -> str:
    """Return a row that no file holds, with another number of cells than the header has."""
    is_narrow = len(shape.columns) == 1 and len(csv_schema(path) or ()) == 1
    return uuid.uuid4().hex + "," * is_narrow


def _options(block_bytes: int, encoding: str) -> pa_csv.ReadOptions:
    return pa_csv.ReadOptions(use_threads=False, block_size=block_bytes, encoding=encoding)


def _as_bytes(cells: pa.Array) -> pa.Array:
    texts = cells.cast(pa.string())
    if pc.all(pc.string_is_ascii(texts), min_count=0).as_py():
        return cells
    written = [None if text is None else text.encode(_ANY_BYTES) for text in texts.to_pylist()]
    return pa.array(written, pa.binary())


def _parsing(skip: Any) -> pa_csv.ParseOptions:
    return pa_csv.ParseOptions(invalid_row_handler=skip, newlines_in_values=True)


def _is_too_small(error: Exception) -> bool:
    """Return whether a row is longer than a block."""
    return _NO_ROW in str(error) or _NO_END in str(error)


def _larger(path: Path, n_rows: int, block_bytes: int) -> int:
    """Return the size of block to go on with where one of ``block_bytes`` is less than a row."""
    if block_bytes >= LONGEST_ROW:
        raise SourceError(
            f"{path} has a row after row {n_rows:,} that is longer than {LONGEST_ROW >> 20} MB: "
            "either a quote is never closed, or the file is not a CSV of events"
        )
    return LONGEST_ROW


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


def _unpacked_stream(path: Path, raw: pa.OSFile) -> Any:
    return pa.CompressedInputStream(raw, "gzip") if path.name.endswith(".gz") else raw
