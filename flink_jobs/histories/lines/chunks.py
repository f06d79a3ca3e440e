"""Files of lines in chunks, each of which can be read without those before it."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self

from flink_jobs.histories.errors import SourceError

CHUNK_BYTES = 4 << 20
LONGEST_LINE = 64 << 20
# Pieces that a processor's cache holds: with lines made of whole chunks, reading took four times
# as long.
_PIECE_BYTES = 256 << 10
_BOM = b"\xef\xbb\xbf"


class Chunk(NamedTuple):
    """The lines that begin in one stretch of a file, with their ends.

    ``is_last`` when no line of the file begins after them; ``n_read`` bytes of the file have been
    read. ``is_cut`` when the last line is the beginning of one that is too long to be an event.
    """

    lines: list[bytes]
    is_last: bool
    n_read: int
    is_cut: bool = False


class LineChunks:
    """Reads chunks of a file in ascending order.

    Parameters
    ----------
    path : Path
        What ends in ``.gz`` is unpacked; chunks are those of what was packed.
    chunk_bytes : int

    Raises
    ------
    SourceError
        By all methods, when the file cannot be read or unpacked.
    """

    def __init__(self, path: Path, chunk_bytes: int = CHUNK_BYTES) -> None:
        self._path = path
        self._chunk_bytes = chunk_bytes
        with _told(path):
            self._raw = io.BufferedReader(io.FileIO(path), _PIECE_BYTES)
        self._stream: io.BufferedReader[Any] = self._raw
        if path.name.lower().endswith(".gz"):
            unpacked = gzip.GzipFile(fileobj=self._raw)
            self._stream = io.BufferedReader(unpacked, _PIECE_BYTES)
        self._at = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._stream.close()
        self._raw.close()

    def read(self, number: int) -> Chunk | None:
        """The lines that begin in a chunk; None when no line begins there or later."""
        with _told(self._path):
            start = number * self._chunk_bytes
            end = start + self._chunk_bytes
            if self._at < start and not self._find_line(start):
                return None if self._is_at_end() else self._chunk([])
            if self._is_at_end():
                return None
            lines, is_cut = self._lines(end)
            if not number and lines:
                lines[0] = lines[0].removeprefix(_BOM)
            return self._chunk(lines, is_cut=is_cut)

    def _chunk(self, lines: list[bytes], *, is_cut: bool = False) -> Chunk:
        return Chunk(lines, self._is_at_end(), self._raw.tell(), is_cut)

    def _is_at_end(self) -> bool:
        return not self._stream.peek(1)

    def _find_line(self, start: int) -> bool:
        """Go where the first line begins at ``start`` or after it; False if none is in reach."""
        self._at = self._stream.seek(start - 1)
        before = self._stream.readline(self._chunk_bytes + 1)
        self._at += len(before)
        return before.endswith(b"\n")

    def _lines(self, end: int) -> tuple[list[bytes], bool]:
        """The lines from here that begin before ``end``, and whether the last is cut off."""
        lines: list[bytes] = []
        rest = b""
        while self._at < end and (piece := self._stream.read(min(_PIECE_BYTES, end - self._at))):
            self._at += len(piece)
            # A third of the time of splitting the bytes.
            found = io.BytesIO(piece).readlines()
            found[0] = rest + found[0]
            rest = b"" if found[-1].endswith(b"\n") else found.pop()
            lines += found
        if rest:
            more = self._stream.readline(LONGEST_LINE)
            self._at += len(more)
            lines.append(rest + more)
        return lines, bool(rest) and len(lines[-1]) > LONGEST_LINE


def too_long(path: Path, line: int) -> SourceError:
    """A line, counted from 1, is too long for a file of lines."""
    return SourceError(
        f"{path}:{line} is longer than {LONGEST_LINE >> 20} MB: each event has to be one line"
    )


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Raise in words what goes wrong with a file."""
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise SourceError(f"{path} is damaged or not complete: {error}") from error
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or error}") from error
