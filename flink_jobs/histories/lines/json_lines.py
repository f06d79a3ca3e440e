"""Histories of JSON lines: an event in each, with its model and its time next to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
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
        self._again = [_LinesAgain(path, chunk_bytes) for path in files.paths]

    @property
    def batch_bytes(self) -> int:
        """About how much of memory a batch takes."""
        return _MOST_GROWTH * min(self._chunk_bytes, self.total)

    def _found(self, file: int, first: int, step: int) -> Iterator[Found]:
        with LineChunks(self._files.paths[file], self._chunk_bytes) as chunks:
            for number in count(first, step):
                chunk = chunks.read(number)
                if chunk is None and number:
                    break
                yield self._decoded(chunk or Chunk([], True, 0))
                if chunk is None or chunk.is_last:
                    break

    def _decoded(self, chunk: Chunk) -> Found:
        found = self._decoder.decode(chunk.lines)
        head = replace(
            found.head, is_cut=chunk.is_cut, ends_file=chunk.is_last, n_read=chunk.n_read
        )
        return Found(head, found.arrays, lines=found.lines)

    def _close(self, file: int) -> None:
        self._again[file].close()

    def _rows(self, file: int, stretch: int, found: Found) -> DecodedRows:
        def lines() -> Sequence[bytes]:
            if found.lines is not None:
                return found.lines
            return self._again[file].lines(stretch, found.head.n_lines)

        return DecodedRows(found, self._decoder, lines)


class _LinesAgain:
    """The lines of chunks that another process has decoded, most often in ascending order."""

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

    def lines(self, number: int, n_lines: int) -> Sequence[bytes]:
        """The lines of a chunk."""
        if number < self._next:
            self.close()
        if self._chunks is None:
            self._chunks = LineChunks(self._path, self._chunk_bytes)
        chunk, self._next = self._chunks.read(number), number + 1
        if chunk is None or len(chunk.lines) != n_lines:
            raise changed(self._path)
        return chunk.lines
