"""Histories of JSON lines: an event in each, with its model and its time next to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec.structs import replace

from flink_jobs.histories.exchange import changed
from flink_jobs.histories.files import FilesInTurn
from flink_jobs.histories.input_files import InputFiles
from flink_jobs.histories.lines.chunks import CHUNK_BYTES, Chunk, LineChunks
from flink_jobs.histories.lines.decoder import LineDecoder
from flink_jobs.histories.lines.rows import DecodedRows
from flink_jobs.histories.shards import Found

# A number and its comma are two bytes at least, and eight as a float.
_MOST_GROWTH = 4


class JsonLines(FilesInTurn):
    """Files of JSON lines.

    A line is a message: what the inference topic may hold as a value, with model and event time.
    A stretch of a file is a chunk of it.

    Parameters
    ----------
    files : InputFiles
    decoder : LineDecoder
        May be that of other files too.
    chunk_bytes : int
        How much of a file makes a batch.
    """

    def __init__(
        self, files: InputFiles, decoder: LineDecoder, *, chunk_bytes: int = CHUNK_BYTES
    ) -> None:
        super().__init__(files)
        self._decoder = decoder
        self._chunk_bytes = chunk_bytes
        # Those to decode, and those of which the lines are asked for later, for dead letters.
        self._chunks = [_Chunks(path, chunk_bytes) for path in files.paths]
        self._again = [_Chunks(path, chunk_bytes) for path in files.paths]

    @property
    def decoded_bytes(self) -> int:
        """About how much disk all rows take at most when they are decoded."""
        return _MOST_GROWTH * self.total

    def _found(self, file: int, stretch: int) -> Iterator[Found]:
        chunk = self._chunks[file].read(stretch)
        if chunk is None and stretch:
            return
        chunk = chunk or Chunk([], True, 0)
        found = self._decoder.decode(chunk.lines)
        head = replace(
            found.head, is_cut=chunk.is_cut, ends_file=chunk.is_last, n_read=chunk.n_read
        )
        yield Found(head, found.arrays, lines=found.lines)

    def _close(self, file: int) -> None:
        self._chunks[file].close()
        self._again[file].close()

    def _rows(self, file: int, stretch: int, found: Found) -> DecodedRows:
        def lines() -> Sequence[bytes]:
            if found.lines is not None:
                return found.lines
            chunk = self._again[file].read(stretch)
            if chunk is None or len(chunk.lines) != found.head.n_lines:
                raise changed(self._files.paths[file])
            return chunk.lines

        return DecodedRows(found, self._decoder, lines)


class _Chunks:
    """The chunks of a file, read most often in ascending order."""

    def __init__(self, path: Path, chunk_bytes: int) -> None:
        self._path = path
        self._chunk_bytes = chunk_bytes
        self._chunks: LineChunks | None = None
        self._next = 0

    def close(self) -> None:
        """Close the file if it was read."""
        if self._chunks is not None:
            self._chunks.close()
            self._chunks = None

    def read(self, number: int) -> Chunk | None:
        """Read a chunk; None when no line begins there or later."""
        if number < self._next:
            self.close()
        if self._chunks is None:
            self._chunks = LineChunks(self._path, self._chunk_bytes)
        self._next = number + 1
        return self._chunks.read(number)
