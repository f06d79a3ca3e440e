"""A sample of files: rows from all over them, in their order."""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import pyarrow as pa
import pyarrow.parquet as pq

from flink_jobs.histories.errors import SourceError
from flink_jobs.histories.input_files import InputFiles, find_files, folder_keys
from flink_jobs.histories.tables.finding import other_separator
from flink_jobs.records.shown import shown
from flink_jobs.setup.sample import FilePart, RawRecord, Sample

MOST_ROWS = 12_000
"""Of a sample. With 50 columns they take 1.5 s to look at."""
_MOST_CELLS = 600_000
_MOST_CELLS_READ = 4_000_000
_BATCH_ROWS = 8_192
_FEWEST_ROWS = 1_000
_MOST_FILES = 16
_PIECES = 12
_VALUE = re.compile(r"[+-]?\d*\.\d+([eE][+-]?\d+)?$|\d{4}-\d\d-\d\d[T ]\d\d:")
_SHOWN_CHARACTERS = 80
_ARROW_MAGIC = b"ARROW1"
_PIECE_BYTES = 1 << 18
_HEAD_BYTES = 1 << 22
_LONGEST_LINE = 16 << 20
# A file of this size is read whole, which is more certain than pieces of it.
_SMALL_BYTES = 8 << 20
_COUNTED_BYTES = 512 << 20


class _Piece(NamedTuple):
    """Rows of one file, how many it has, and the names of its columns."""

    rows: list[Any]
    n_rows: int
    is_exact: bool
    columns: tuple[str, ...] = ()
    bounds: dict[str, tuple[Any, Any]] = {}  # noqa: RUF012 - a named tuple's default


def sample_files(path: Path) -> Sample:
    """Take a sample of a file, or of the files of a folder.

    Raises
    ------
    SourceError
        When there is none, or it cannot be read.
    """
    files = find_files(path)
    chosen = _spread(files.paths, _MOST_FILES)
    rows: list[Any] = []
    parts: list[FilePart] = []
    is_exact, notes = len(chosen) == len(files.paths), list[str]()
    for each in chosen:
        piece = _with_keys(_read(files, each, _rows_wanted(len(chosen))), each)
        if not piece.rows:
            notes.append(f"{each.name} holds no row")
            continue
        name = str(each.relative_to(path)) if path.is_dir() else each.name
        span = (len(rows), len(rows) + len(piece.rows))
        parts.append(FilePart(name, piece.n_rows, piece.columns, span, piece.bounds))
        rows += piece.rows
        is_exact &= piece.is_exact
    if not rows:
        raise SourceError(f"{path} holds no event: there is nothing to make a configuration of")
    n_total = sum(part.n_rows for part in parts) * len(files.paths) // len(chosen)
    if len(chosen) < len(files.paths):
        notes.append(f"looked at {len(chosen)} of {len(files.paths):,} files")
    if files.passed_over:
        notes.append(f"ignored: {len(files.passed_over)} files that are not histories")
    is_lines = files.format == "json_lines"
    return Sample(
        source=str(path),
        name=_stem(path),
        holder="lines" if is_lines else "table",
        trees=() if is_lines else rows,
        records=rows if is_lines else (),
        n_total=n_total,
        is_exact=is_exact,
        are_texts=files.format == "csv",
        files=parts,
        notes=notes,
    )


def _with_keys(piece: _Piece, path: Path) -> _Piece:
    """Add the columns that the folders of a table are named after."""
    keys = folder_keys(path)
    if not keys or not piece.columns:
        return piece
    rows = [keys | row for row in piece.rows]
    return piece._replace(rows=rows, columns=(*keys, *piece.columns))


def _stem(path: Path) -> str:
    """Name a model after its file: ``churn`` for ``churn.csv.gz``."""
    name = path.resolve().name.split(".")[0]
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-") or "model"


def _spread(paths: Sequence[Path], most: int) -> list[Path]:
    if len(paths) <= most:
        return list(paths)
    return [paths[round(place * (len(paths) - 1) / (most - 1))] for place in range(most)]


def _rows_wanted(n_files: int) -> int:
    return max(50, MOST_ROWS // n_files)


def _read(files: InputFiles, path: Path, n_wanted: int) -> _Piece:
    if path.stat().st_size == 0:
        return _Piece([], 0, True)
    try:
        match files.format:
            case "parquet":
                return _parquet(path, n_wanted)
            case "arrow":
                return _arrow(path, n_wanted)
            case "csv":
                return _csv(path, n_wanted)
            case _:
                return _lines(path, n_wanted)
    except (pa.ArrowException, OSError, EOFError, csv.Error, UnicodeError) as error:
        raise SourceError(f"{path} cannot be read: {error}") from error


def _parquet(path: Path, n_wanted: int) -> _Piece:
    """Take rows from row groups that are spread over the file."""
    with pq.ParquetFile(path) as file:
        footer = file.metadata
        names = tuple(file.schema_arrow.names)
        n_wanted = _fitting(n_wanted, len(names))
        if footer.num_rows <= n_wanted:
            rows = _rows_of(file.read())
            return _Piece(rows, footer.num_rows, True, names)
        groups = [n for n in range(footer.num_row_groups) if footer.row_group(n).num_rows]
        chosen = _spread_numbers(groups, _PIECES)
        rows = [row for n in chosen for row in _of_group(file, n, n_wanted // len(chosen))]
        return _Piece(rows, footer.num_rows, True, names, _bounds(footer))


def _bounds(footer: pq.FileMetaData) -> dict[str, tuple[Any, Any]]:
    """The least and the largest value of each column, where all row groups say them."""
    found: dict[str, tuple[Any, Any]] = {}
    for number in range(footer.num_columns):
        known = [footer.row_group(n).column(number) for n in range(footer.num_row_groups)]
        bounds = [each.statistics for each in known if each.is_stats_set]
        kept = [each for each in bounds if each is not None and each.has_min_max]
        if kept and len(kept) == len(known):
            low, high = min(each.min for each in kept), max(each.max for each in kept)
            found[known[0].path_in_schema] = (low, high)
    return found


def _of_group(file: pq.ParquetFile, group: int, n_wanted: int) -> Iterator[Any]:
    """Take rows from several places of a row group, as far as reading it is cheap."""
    about = file.metadata.row_group(group)
    n_read = min(about.num_rows, max(n_wanted, _MOST_CELLS_READ // max(1, about.num_columns)))
    n_places = max(1, min(_PIECES, n_read // _BATCH_ROWS))
    each = max(1, n_wanted // n_places)
    first = 0
    for batch in file.iter_batches(_BATCH_ROWS, [group], use_threads=False):
        place = first * n_places // n_read
        is_first_of_place = first == 0 or (first - batch.num_rows) * n_places // n_read < place
        if is_first_of_place:
            yield from _rows_of(pa.Table.from_batches([batch.slice(0, each)]))
        first += batch.num_rows
        if first >= n_read:
            return


def _arrow(path: Path, n_wanted: int) -> _Piece:
    """Take the head of each batch; a stream of batches is read to its end."""
    with pa.OSFile(str(path)) as raw:
        magic = raw.read(len(_ARROW_MAGIC))
        raw.seek(0)
        if magic != _ARROW_MAGIC:
            with pa.ipc.open_stream(raw) as stream:
                return _of_batches(list(stream), stream.schema, n_wanted)
        with pa.ipc.open_file(raw) as file:
            batches = [file.get_batch(n) for n in range(file.num_record_batches)]
            return _of_batches(batches, file.schema, n_wanted)


def _of_batches(batches: list[pa.RecordBatch], schema: pa.Schema, n_wanted: int) -> _Piece:
    names = tuple(schema.names)
    full = [batch for batch in batches if batch.num_rows]
    chosen = _spread_numbers(range(len(full)), _PIECES)
    each = max(1, _fitting(n_wanted, len(names)) // max(1, len(chosen)))
    rows: list[Any] = []
    for number in chosen:
        # A file that lies about itself would end the process where it is read.
        full[number].validate(full=True)
        rows += _rows_of(full[number].slice(0, each))
    return _Piece(rows, sum(batch.num_rows for batch in full), True, names)


def _fitting(n_wanted: int, n_columns: int) -> int:
    return max(min(n_wanted, _FEWEST_ROWS), min(n_wanted, _MOST_CELLS // max(1, n_columns)))


def _rows_of(table: pa.Table | pa.RecordBatch) -> list[Any]:
    """The rows as dictionaries; moments finer than Python's are cut to microseconds."""
    names = table.schema.names
    columns = [_values(table.column(place)) for place in range(len(names))]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _values(column: Any) -> list[Any]:
    kind = column.type
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        column = column.cast(pa.timestamp("us", kind.tz), safe=False)
    if pa.types.is_duration(kind) or pa.types.is_time(kind):
        return [None if cell.as_py() is None else str(cell.as_py()) for cell in column]
    return cast(list[Any], column.to_pylist())


def _spread_numbers(numbers: Sequence[int], most: int) -> list[int]:
    if len(numbers) <= most:
        return list(numbers)
    return sorted({numbers[round(n * (len(numbers) - 1) / (most - 1))] for n in range(most)})


def _open(path: Path) -> BinaryIO:
    if path.name.lower().endswith(".gz"):
        return cast(BinaryIO, gzip.open(path, "rb"))
    return path.open("rb")


def _csv(path: Path, n_wanted: int) -> _Piece:
    """Take the head of a CSV file and pieces inside."""
    pieces, n_bytes, total = _pieces(path)
    reader = csv.reader(io.StringIO(_text(pieces[0]), newline=""))
    header = next(reader, [])
    _require_commas(path, pieces[0], header)
    n_wanted = _fitting(n_wanted, len(header))
    head = [row for row in reader if row]
    is_whole = n_bytes == total
    if not is_whole and head:
        # The last row of the head is cut.
        head.pop()
    found = [head]
    for piece in pieces[1:]:
        # It begins within a row, and perhaps within a quoted cell: only whole rows are taken.
        inside = piece[piece.find(b"\n") + 1 : piece.rfind(b"\n") + 1]
        found.append(list(csv.reader(io.StringIO(_text(inside), newline=""))))
    _require_header(path, header, head)
    rows = [dict(zip(header, r, strict=True)) for r in _thinned(found, len(header), n_wanted)]
    n_seen = sum(map(len, found))
    n_rows = n_seen if is_whole else _estimate(n_seen, n_bytes, total)
    return _Piece([_without_empty(row) for row in rows], n_rows, is_whole, tuple(header))


def _thinned(found: Sequence[list[list[str]]], width: int, n_wanted: int) -> Iterator[list[str]]:
    """Take as many rows of each piece, one after the other: neighbours show the order of time."""
    each = max(1, n_wanted // len(found))
    for rows in found:
        good = [row for row in rows if len(row) == width]
        if len(found) == 1 and len(good) > each:
            step = len(good) / _PIECES
            for place in range(_PIECES - 1):
                start = int(step * place)
                yield from good[start : start + each // _PIECES]
            yield from good[-(each // _PIECES) :]
        else:
            # The end of the last piece is the end of the file, and with it of event time.
            yield from good[-each:] if rows is found[-1] else good[:each]


def _without_empty(row: dict[str, str]) -> dict[str, Any]:
    return {name: value if value != "" else None for name, value in row.items()}


def _require_commas(path: Path, head: bytes, header: list[str]) -> None:
    first = head.split(b"\n", 1)[0].decode("utf-8", "replace")
    if len(header) == 1 and (wrong := other_separator(first)):
        raise SourceError(f"{path.name} {wrong}")


def _require_header(path: Path, header: list[str], rows: list[list[str]]) -> None:
    """Refuse a first row of values: it would be taken for names, and be lost as an event.

    Names may be numbers (years; 0, 1, 2 from pandas), so that only what is no name counts for
    values: numbers with a fraction, times, and what comes in the same column again.
    """
    if header == [str(place) for place in range(len(header))]:
        return
    others = [row for row in rows if len(row) == len(header) and row != header]
    columns = list(zip(*others, strict=True)) or [()] * len(header)
    pairs = zip(header, map(set, columns), strict=True)
    n_values = sum(bool(_VALUE.match(name)) or name in seen for name, seen in pairs if name)
    if 2 * n_values > len(header):
        first = shown(", ".join(header), _SHOWN_CHARACTERS)
        raise SourceError(
            f"{path.name} seems to have no names of columns: its first row is {first}. Write a "
            "first row with names, or the events as Parquet"
        )


def _text(data: bytes) -> str:
    return data.decode("utf-8-sig", errors="replace").replace("\0", "")


def _lines(path: Path, n_wanted: int) -> _Piece:
    """Take the head of a file of lines and pieces inside."""
    pieces, n_bytes, total = _pieces(path)
    is_whole = n_bytes == total
    found: list[list[bytes]] = []
    for place, piece in enumerate(pieces):
        inside = piece if not place else piece[piece.find(b"\n") + 1 :]
        whole = inside if is_whole else inside[: inside.rfind(b"\n") + 1]
        found.append([line for line in whole.splitlines() if line.strip()])
    n_seen = sum(map(len, found))
    n_rows = n_seen if is_whole else _estimate(n_seen, n_bytes, total)
    each = max(1, n_wanted // len(found))
    if len(found) == 1 and n_seen > n_wanted:
        step, part = n_seen / _PIECES, n_wanted // _PIECES
        starts = [*(int(step * place) for place in range(_PIECES - 1)), n_seen - part]
        chosen = [line for start in starts for line in found[0][start : start + part]]
    else:
        chosen = [line for lines in found[:-1] for line in lines[:each]]
        chosen += found[-1][-each:]
    return _Piece([RawRecord(line) for line in chosen], n_rows, is_whole)


def _pieces(path: Path) -> tuple[list[bytes], int, int]:
    """The head and pieces inside, the bytes read, and those of the file.

    A file that is small or compressed is one piece; of a compressed one the head alone.
    """
    size = path.stat().st_size
    if path.name.lower().endswith(".gz"):
        with _open(path) as file:
            head = file.read(_COUNTED_BYTES // 8)
            is_end = not file.read(1)
        return [head], len(head), len(head) if is_end else _unpacked_size(path, len(head))
    with _open(path) as file:
        if size <= _SMALL_BYTES:
            data = file.read()
            return [data], len(data), len(data)
        head = _until_line_end(file, _HEAD_BYTES // 4)
        pieces = [head]
        for place in range(1, _PIECES):
            file.seek(len(head) + (size - len(head) - _PIECE_BYTES) * place // (_PIECES - 1))
            pieces.append(_until_line_end(file, _PIECE_BYTES))
    return pieces, sum(map(len, pieces)), size


def _until_line_end(file: BinaryIO, n_bytes: int) -> bytes:
    """Read so much, and more where it holds no two ends of lines."""
    data = file.read(n_bytes)
    while data.count(b"\n") < 2 and len(data) < _LONGEST_LINE:
        more = file.read(n_bytes)
        if not more:
            break
        data += more
    return data


def _unpacked_size(path: Path, n_read: int) -> int:
    """Estimate the size of a compressed file: most texts shrink to a fifth or less."""
    return max(n_read + 1, 5 * path.stat().st_size)


def _estimate(n_seen: int, n_bytes: int, total: int) -> int:
    return round(n_seen * total / max(1, n_bytes))
