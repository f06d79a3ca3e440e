"""Histories of JSON lines: an event in each, with its model and its time next to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import NamedTuple

import numpy as np

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.own_events import are_own_events
from flink_jobs.histories.batches import Batch, EventTime, Misplaced, Names
from flink_jobs.histories.errors import SourceError
from flink_jobs.histories.input_files import InputFiles
from flink_jobs.histories.lines.chunks import (
    CHUNK_BYTES,
    Chunk,
    FileVersion,
    LineChunks,
    file_version,
    too_long,
)
from flink_jobs.histories.lines.decoder import LineDecoder, line_locator
from flink_jobs.histories.lines.labels import labels_of
from flink_jobs.histories.lines.rows import DecodedRows, PayloadRows
from flink_jobs.histories.lines.shared_chunks import (
    Exchange,
    FoundChunk,
    FoundLines,
    Place,
    UnplacedLine,
    decode_chunk,
    encode_chunk,
    integers,
)
from flink_jobs.intake.formats.base import Messages
from flink_jobs.intake.unusable import UnusableEventError


class JsonLines:
    """Files of JSON lines.

    A line is a message: what the inference topic may hold as a value, with model and event time.

    Parameters
    ----------
    files : InputFiles
    config : DriftJobConfig
    chunk_bytes : int
        How much of a file makes a batch.
    """

    def __init__(
        self, files: InputFiles, config: DriftJobConfig, *, chunk_bytes: int = CHUNK_BYTES
    ) -> None:
        self._files = files
        self._config = config
        self._chunk_bytes = chunk_bytes
        self.name = str(files.paths[0])
        self.sources = [str(path) for path in files.paths]
        self.warnings: list[str] = []
        self.total = files.n_bytes

    def place(self, partition: int, offset: int) -> str:
        """File and line."""
        return f"{self.sources[partition]}:{offset + 1}"

    def batches(self, names: Names, horizon_ms: int) -> Iterator[Batch]:
        """Read all lines; empty ones are not rows. Events are decoded when they are asked for."""
        reader, done = _Reader(self._config, names, EventTime(horizon_ms)), 0
        for partition, path in enumerate(self._files.paths):
            first = 0
            with LineChunks(path, self._chunk_bytes) as chunks:
                for chunk in chunks.all():
                    if chunk.is_cut:
                        raise too_long(path, first + len(chunk.lines))
                    lines = [line.removesuffix(b"\n") for line in chunk.lines]
                    yield reader.batch(lines, first, partition, done + chunk.n_read)
                    first += len(lines)
            done += path.stat().st_size

    def shared_batches(self, names: Names, horizon_ms: int, exchange: Exchange) -> Iterator[Batch]:
        """As :meth:`batches`, but each line is decoded once, by one of several processes."""
        lines = SharedLines(self._files.paths, self._config, exchange, self._chunk_bytes)
        return lines.batches(names, EventTime(horizon_ms))


class _Reader:
    """Makes batches of lines."""

    def __init__(self, config: DriftJobConfig, names: Names, time: EventTime) -> None:
        self._locator = line_locator(config)
        self._label = labels_of(config)
        self._are_events = are_own_events(config, "lines")
        self._names = names
        self._time = time

    def batch(self, lines: list[bytes], first: int, partition: int, done: int) -> Batch:
        """Consecutive lines of a file, of which ``first`` lie before."""
        there = np.array([n for n, line in enumerate(lines) if line.strip()], dtype=np.int64)
        own = [lines[place] for place in there.tolist()]
        located = self._locator.locate(Messages(own, list))
        placed = [place for place in range(len(own)) if place not in located.problems]
        models = [located.models[place] for place in placed]
        times_ms = located.times_ms[placed]
        before = self._time.before(times_ms)
        return Batch(
            codes=np.fromiter(map(self._names.__getitem__, models), np.int32, len(models)),
            times_ms=times_ms,
            partitions=np.full(len(placed), partition, dtype=np.int32),
            offsets=there[placed] + first,
            reached_ms=before,
            reached_after_ms=self._time.reached_ms,
            rows=PayloadRows(
                [own[place] for place in placed], self._label, are_events=self._are_events
            ),
            done=done,
            misplaced=[
                self._misplaced(located.models[place], error, int(there[place]) + first, own[place])
                for place, error in sorted(located.problems.items())
            ],
            partition=partition,
        )

    def _misplaced(
        self, model: str | None, error: UnusableEventError, offset: int, line: bytes
    ) -> Misplaced:
        code = -1 if model is None else self._names[model]
        return Misplaced(code, offset, error.reason, error.detail, line, error.event_id)


class _Taken(NamedTuple):
    """A chunk whose turn it is, and what gives its lines."""

    chunk: FoundChunk
    lines: Callable[[], Sequence[bytes]]


class SharedLines:
    """The chunks of all files, each of which one process decodes for all.

    A process decodes its next chunk before it waits for those of the others, so that it is there
    when they come to it.

    Parameters
    ----------
    paths : sequence of Path
    config : DriftJobConfig
    exchange : Exchange
        With the other processes.
    chunk_bytes : int
    """

    def __init__(
        self, paths: Sequence[Path], config: DriftJobConfig, exchange: Exchange, chunk_bytes: int
    ) -> None:
        self._paths = paths
        self._label = labels_of(config)
        self._exchange = exchange
        self._chunk_bytes = chunk_bytes
        self._decoder = LineDecoder(config)
        self._are_events = are_own_events(config, "lines")
        self._own = self._own_chunks()
        self._next: tuple[Place, _Taken] | None = None

    def batches(self, names: Names, time: EventTime) -> Iterator[Batch]:
        """Read all lines, in the order of the files; empty ones are not rows.

        Raises
        ------
        SourceError
            When a file cannot be read, or is not the same for all processes.
        """
        self._next = next(self._own, None)
        done = 0
        for file, path in enumerate(self._paths):
            version, first = file_version(path), 0
            for chunk, rows in self._chunks(file, version):
                n_lines = chunk.found.n_lines
                if chunk.is_cut:
                    raise too_long(path, first + n_lines)
                yield _batch(chunk.found, rows, names, time, file, first, done + chunk.n_read)
                first += n_lines
            done += version.n_bytes

    def _chunks(self, file: int, version: FileVersion) -> Iterator[tuple[FoundChunk, DecodedRows]]:
        """The chunks of a file, each when it is its turn."""
        with closing(_LinesAgain(self._paths[file], self._chunk_bytes)) as again:
            for number in count():
                place = Place(file, number)
                is_own = self._exchange.is_own(place)
                taken = self._take_own(place) if is_own else self._take(place, version, again)
                if taken.chunk.problem:
                    raise SourceError(taken.chunk.problem)
                yield (
                    taken.chunk,
                    DecodedRows(
                        taken.chunk.found,
                        taken.lines,
                        label=self._label,
                        are_events=self._are_events,
                    ),
                )
                if taken.chunk.is_last:
                    break

    def _take(self, place: Place, version: FileVersion, again: _LinesAgain) -> _Taken:
        chunk = decode_chunk(self._exchange.take(place))
        if not chunk.problem and chunk.version != version:
            raise _changed(self._paths[place.file])
        return _Taken(chunk, lambda: again.lines(place.chunk, chunk.found.n_lines))

    def _take_own(self, place: Place) -> _Taken:
        if self._next is None or self._next[0] != place:
            # By another process there is a chunk here, and by this one there is none.
            raise _changed(self._paths[place.file])
        taken = self._next[1]
        self._exchange.take_own(place)
        self._next = next(self._own, None)
        return taken

    def _own_chunks(self) -> Iterator[tuple[Place, _Taken]]:
        """Those that this process decodes, as far as there are any; the others are told."""
        for file, path in enumerate(self._paths):
            for number, taken in self._decoded(path, self._exchange.first_chunk(file)):
                place = Place(file, number)
                if self._exchange.n_parts > 1:
                    self._exchange.publish(place, encode_chunk(taken.chunk))
                yield place, taken

    def _decoded(self, path: Path, first: int) -> Iterator[tuple[int, _Taken]]:
        """Own chunks of a file; what cannot be read is a problem of its chunk."""
        number = first
        try:
            with LineChunks(path, self._chunk_bytes) as chunks:
                for number in count(first, self._exchange.n_parts):
                    chunk = chunks.read(number)
                    if chunk is None and number:
                        break
                    chunk = chunk or Chunk([], True, 0)
                    yield number, self._found(chunk, chunks.version)
                    if chunk.is_last:
                        break
        except SourceError as error:
            yield number, _Taken(FoundChunk(problem=str(error)), list)

    def _found(self, chunk: Chunk, version: FileVersion) -> _Taken:
        found = FoundChunk(
            found=self._decoder.decode(chunk.lines),
            version=version,
            is_last=chunk.is_last,
            is_cut=chunk.is_cut,
            n_read=chunk.n_read,
        )
        return _Taken(found, lambda: chunk.lines)


class _LinesAgain:
    """The lines of chunks that another process has decoded, in ascending order."""

    def __init__(self, path: Path, chunk_bytes: int) -> None:
        self._path = path
        self._chunk_bytes = chunk_bytes
        self._chunks: LineChunks | None = None

    def close(self) -> None:
        """Close the file if it was read."""
        if self._chunks is not None:
            self._chunks.close()

    def lines(self, number: int, n_lines: int) -> Sequence[bytes]:
        """The lines of a chunk."""
        if self._chunks is None:
            self._chunks = LineChunks(self._path, self._chunk_bytes)
        chunk = self._chunks.read(number)
        if chunk is None or len(chunk.lines) != n_lines:
            raise _changed(self._path)
        return chunk.lines


def _batch(
    found: FoundLines,
    rows: DecodedRows,
    names: Names,
    time: EventTime,
    file: int,
    first: int,
    done: int,
) -> Batch:
    """The lines of a chunk, of which ``first`` lie before."""
    codes = np.array([names[name] for name in found.models], dtype=np.int32)
    times_ms = integers(found.times_ms, np.int64)
    offsets = integers(found.lines, np.int32).astype(np.int64) + first
    before = time.before(times_ms)
    return Batch(
        codes=codes[integers(found.model_of, np.int32)],
        times_ms=times_ms,
        partitions=np.full(len(offsets), file, dtype=np.int32),
        offsets=offsets,
        reached_ms=before,
        reached_after_ms=time.reached_ms,
        rows=rows,
        done=done,
        misplaced=[_misplaced(each, first, names) for each in found.unplaced],
        partition=file,
    )


def _misplaced(unplaced: UnplacedLine, first: int, names: Names) -> Misplaced:
    why = unplaced.why
    code = -1 if unplaced.model is None else names[unplaced.model]
    return Misplaced(code, first + why.place, why.reason, why.detail, unplaced.line, why.event_id)


def _changed(path: Path) -> SourceError:
    return SourceError(f"{path} changed while it was read")
