"""Histories of JSON lines: an event in each, with its model and its time beside it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.histories.batches import Batch, EventTime, Misplaced, Names
from flink_jobs.histories.input_files import InputFiles
from flink_jobs.histories.lines.chunks import CHUNK_BYTES, LineChunks, too_long
from flink_jobs.histories.lines.exchange import Exchange
from flink_jobs.histories.lines.finder import LineFinder, translator
from flink_jobs.histories.lines.payload_rows import PayloadRows
from flink_jobs.histories.lines.shared_lines import SharedLines


class JsonLines:
    """Files of JSON lines.

    A line is what the inference topic holds as a value, with two more keys.

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
        """All lines; empty ones are no rows. Events are decoded when they are asked for."""
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
        self._finder = LineFinder(config)
        self._translate = translator(config.columns)
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
                    misplaced.append(self._misplaced(line, first + row))
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

    def _misplaced(self, line: bytes, offset: int) -> Misplaced:
        model, error = self._finder.unplaced(line)
        code = -1 if model is None else self._names[model]
        return Misplaced(code, offset, error.reason, error.detail, line, error.event_id)
