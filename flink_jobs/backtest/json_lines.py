"""Histories of JSON lines: an event in each, with its model and its time beside it."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import msgspec
import numpy as np

from flink_jobs.backtest.batches import Batch, EventTime, Misplaced, Names
from flink_jobs.backtest.errors import SourceError
from flink_jobs.backtest.input_files import InputFiles
from flink_jobs.backtest.payload_rows import PayloadRows
from flink_jobs.backtest.times import parse_time_ms
from flink_jobs.config.columns_table import ColumnsTable
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.records.dead_letters import Reason
from flink_jobs.records.events import SCHEMA_VERSION, EventDecoder, UnusableEventError

_CHUNK_BYTES = 4 << 20
_LONGEST_LINE = 64 << 20
_BOM = b"\xef\xbb\xbf"
_DEFAULTS = ColumnsTable()


class _Placed(NamedTuple):
    model: str | None
    time_ms: int


class JsonLines:
    """Files of JSON lines.

    A line is what the inference topic holds as a value, with two more keys. Only these are looked
    at here; the rest is decoded where panes are packed, by the code that decodes payloads.

    Parameters
    ----------
    files : InputFiles
    config : DriftJobConfig
    """

    def __init__(self, files: InputFiles, config: DriftJobConfig) -> None:
        self._files = files
        self._config = config
        self.name = str(files.paths[0])
        self.sources = [str(path) for path in files.paths]
        self.warnings: list[str] = []
        self.total = files.n_bytes

    def place(self, partition: int, offset: int) -> str:
        """File and line."""
        return f"{self.sources[partition]}:{offset + 1}"

    def batches(self, names: Names, horizon_ms: int) -> Iterator[Batch]:
        """All lines; empty ones are no rows."""
        reader, done = _Reader(self._config, names, EventTime(horizon_ms)), 0
        for partition, path in enumerate(self._files.paths):
            first = 0
            for lines, n_read in _chunks(path):
                yield reader.batch(lines, first, partition, done + n_read)
                first += len(lines)
            done += path.stat().st_size


class _Reader:
    """Makes batches of lines."""

    def __init__(self, config: DriftJobConfig, names: Names, time: EventTime) -> None:
        self._finder = _Finder(config)
        self._translate = _translator(config.columns)
        self._label = config.columns.label
        self._names = names
        self._time = time

    def batch(self, lines: list[bytes], first: int, partition: int, done: int) -> Batch:
        """Consecutive lines of a file, of which ``first`` lie before."""
        places, models, times = self._finder.find(lines)
        codes = np.fromiter(map(self._names.__getitem__, models), np.int32, len(models))
        times_ms = np.array(times, dtype=np.int64)
        misplaced: list[Misplaced] = []
        if len(places) < len(lines):
            there = set(places)
            for row, line in enumerate(lines):
                if row not in there and line.strip():
                    misplaced.append(self._finder.misplaced(line, first + row, self._names))
        before = self._time.before(times_ms)
        rows = np.asarray(places, dtype=np.int64)
        return Batch(
            codes=codes,
            times_ms=times_ms,
            partitions=np.full(len(rows), partition, dtype=np.int32),
            offsets=rows + first,
            reached_ms=before,
            reached_after_ms=self._time.reached_ms,
            rows=PayloadRows([lines[i] for i in places], self._translate, self._label),
            done=done,
            misplaced=misplaced,
            partition=partition,
        )


class _Finder:
    """Finds model and time of lines without decoding the rest of them."""

    def __init__(self, config: DriftJobConfig) -> None:
        columns = config.columns
        self._columns = columns
        self._decoder = EventDecoder(config.input)
        fields: list[tuple[str, Any]] = [("time", int)]
        if not columns.model_name:
            fields.append(("model", str))
        line = msgspec.defstruct(
            "Line", fields, rename={"time": columns.time, "model": columns.model}, gc=False
        )
        # What a line holds follows from the configuration, so its type is made here.
        decoder: Any = msgspec.json.Decoder(line)
        self._decode, self._decode_lines = decoder.decode, decoder.decode_lines

    def find(self, lines: Sequence[bytes]) -> tuple[Sequence[int], list[str | None], list[int]]:
        """Places of the lines that have both, their models and their times."""
        constant = self._columns.model_name
        try:
            found = self._decode_lines(b"\n".join(lines))
        except (msgspec.DecodeError, UnicodeDecodeError):
            found = []
        if len(found) == len(lines):
            times = [each.time for each in found]
            models = [constant] * len(found) if constant else [each.model for each in found]
            return range(len(lines)), models, times
        return self._find_one_by_one(lines)

    def misplaced(self, line: bytes, offset: int, names: Names) -> Misplaced:
        """Why a line has no place."""
        try:
            self._place(line)
        except UnusableEventError as error:
            tree = _lenient(line)
            model = self._columns.model_name or tree.get(self._columns.model)
            code = names[model] if isinstance(model, str) else -1
            return Misplaced(code, offset, error.reason, error.detail, line, error.event_id)
        raise AssertionError("a line that has a place is none without")

    def _find_one_by_one(
        self, lines: Sequence[bytes]
    ) -> tuple[list[int], list[str | None], list[int]]:
        places: list[int] = []
        models: list[str | None] = []
        times: list[int] = []
        for row, line in enumerate(lines):
            try:
                model, time_ms = self._place_quickly(line)
            except UnusableEventError:
                continue
            places.append(row)
            models.append(model)
            times.append(time_ms)
        return places, models, times

    def _place_quickly(self, line: bytes) -> _Placed:
        try:
            found = self._decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return self._place(line)
        return _Placed(self._columns.model_name or found.model, found.time)

    def _place(self, line: bytes) -> _Placed:
        """Of a line that is not as it should be; raises UnusableEventError where there is none."""
        tree = _lenient(line)
        if not tree:
            self._decoder.decode(line)
            raise UnusableEventError(Reason.INVALID_EVENT, "the line is an empty object")
        columns = self._columns
        model = columns.model_name or tree.get(columns.model)
        if model is not None and not isinstance(model, str):
            detail = f"{columns.model} is {model!r}, which is no text"
            raise UnusableEventError(Reason.INVALID_EVENT, detail)
        if tree.get(columns.time) is None:
            raise UnusableEventError(Reason.INVALID_EVENT, f"{columns.time} is missing")
        try:
            return _Placed(model, parse_time_ms(tree[columns.time]))
        except ValueError as error:
            detail = f"{columns.time}: {error}"
            raise UnusableEventError(Reason.INVALID_EVENT, detail) from None


def _lenient(line: bytes) -> dict[str, Any]:
    """The object in a line, also where it holds NaN; empty where there is none."""
    try:
        tree = json.loads(line.decode())
    except (ValueError, RecursionError):
        return {}
    return tree if isinstance(tree, dict) else {}


def _translator(columns: ColumnsTable) -> Callable[[bytes, str], bytes] | None:
    """Gives lines the keys of events; None where they have them."""
    names = ("event_id", "features", "outputs")
    if all(getattr(columns, name) == getattr(_DEFAULTS, name) for name in names):
        return None

    def translate(line: bytes, place: str) -> bytes:
        tree = _lenient(line)
        if not tree:
            return line
        event = {"schema_version": tree.get("schema_version", SCHEMA_VERSION)}
        event["event_id"] = tree.get(columns.event_id) if columns.event_id else place
        for name in ("features", "outputs"):
            spec = getattr(columns, name)
            if isinstance(spec, list):
                event[name] = [tree.get(key) for key in spec]
            elif spec in tree:
                event[name] = tree[spec]
        # Not msgspec, which writes NaN as null: what is wrong must stay so.
        return json.dumps(event).encode()

    return translate


def _chunks(path: Path) -> Iterator[tuple[list[bytes], int]]:
    """Lines by the megabyte, and how many bytes of the file have been read."""
    try:
        with path.open("rb") as raw:
            if path.name.lower().endswith(".gz"):
                with gzip.GzipFile(fileobj=raw) as unpacked:
                    yield from _lines(path, raw, unpacked)
            else:
                yield from _lines(path, raw, raw)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise SourceError(f"{path} is damaged or not complete: {error}") from error
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or error}") from error


def _lines(
    path: Path, raw: BinaryIO, stream: BinaryIO | gzip.GzipFile
) -> Iterator[tuple[list[bytes], int]]:
    rest, n_lines, is_first = b"", 0, True
    while chunk := stream.read(_CHUNK_BYTES):
        if is_first:
            chunk, is_first = chunk.removeprefix(_BOM), False
        lines = (rest + chunk).split(b"\n")
        rest = lines.pop()
        if len(rest) > _LONGEST_LINE:
            raise SourceError(
                f"{path}:{n_lines + len(lines) + 1} is longer than {_LONGEST_LINE >> 20} MB: "
                "each event has to be one line"
            )
        if lines:
            yield lines, raw.tell()
        n_lines += len(lines)
    if rest:
        yield [rest], raw.tell()
