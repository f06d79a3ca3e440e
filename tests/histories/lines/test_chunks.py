"""Chunks of files: each line is in one of them, whoever reads which."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from flink_jobs.histories.errors import SourceError
from flink_jobs.histories.lines.chunks import LONGEST_LINE, LineChunks

# Empty lines, some that are longer than the chunks below, and no end of the last.
TEXT = b"one\n\n" + b"x" * 70 + b"\ntwo\r\n" + b"y" * 23 + b"\n\n\n" + b"z" * 200 + b"\nlast"


def write(folder: Path, text: bytes, *, packed: bool) -> Path:
    path = folder / f"a.jsonl{'.gz' if packed else ''}"
    path.write_bytes(gzip.compress(text) if packed else text)
    return path


def read_between(path: Path, n_readers: int, chunk_bytes: int) -> list[bytes]:
    """All lines, by readers of which each reads every ``n_readers``-th chunk."""
    readers = [LineChunks(path, chunk_bytes) for _ in range(n_readers)]
    lines: list[bytes] = []
    number = 0
    while (chunk := readers[number % n_readers].read(number)) is not None:
        lines += chunk.lines
        number += 1
        if chunk.is_last:
            break
    for reader in readers:
        reader.close()
    return lines


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("end", [b"", b"\n"])
@pytest.mark.parametrize("n_readers", [1, 2, 3])
def test_readers_of_some_chunks_find_each_line_once(
    tmp_path: Path, n_readers: int, end: bytes, packed: bool
) -> None:
    text = TEXT + end
    path = write(tmp_path, text, packed=packed)
    expected = text.splitlines(keepends=True)

    for chunk_bytes in (*range(1, 40), 69, 70, 71, len(text) - 1, len(text), len(text) + 1):
        assert read_between(path, n_readers, chunk_bytes) == expected, chunk_bytes


def test_no_line_begins_after_the_end_of_a_file(tmp_path: Path) -> None:
    path = write(tmp_path, b"one\ntwo\n", packed=False)

    with LineChunks(path, 4) as chunks:
        found = [chunks.read(number) for number in range(4)]

    assert [None if chunk is None else (chunk.lines, chunk.is_last) for chunk in found] == [
        ([b"one\n"], False),
        ([b"two\n"], True),
        None,
        None,
    ]


def test_an_empty_file_has_no_chunk(tmp_path: Path) -> None:
    with LineChunks(write(tmp_path, b"", packed=False)) as chunks:
        assert chunks.read(0) is None


def test_a_mark_of_utf_8_is_no_part_of_the_first_line(tmp_path: Path) -> None:
    path = write(tmp_path, b"\xef\xbb\xbfone\n\xef\xbb\xbftwo\n", packed=False)

    assert read_between(path, 2, 4) == [b"one\n", b"\xef\xbb\xbftwo\n"]


def test_a_line_beyond_all_measure_is_cut_off_and_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with path.open("wb") as file:
        file.write(b"one\n")
        file.truncate(2 * LONGEST_LINE)

    with LineChunks(path) as chunks:
        chunk = chunks.read(0)

    assert chunk is not None
    assert chunk.is_cut
    assert chunk.lines[0] == b"one\n"
    assert LONGEST_LINE < len(chunk.lines[1]) < 2 * LONGEST_LINE - 4


def test_a_packed_file_that_breaks_off_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(TEXT)[:-12])

    with LineChunks(path, 16) as chunks, pytest.raises(SourceError, match="damaged or not comp"):
        chunks.read(20)
