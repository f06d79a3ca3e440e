"""Records on disk, sorted at the end, so that memory does not grow with a history."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import msgspec
import numpy as np

from flink_jobs.records.alerts import Alert, Score
from flink_jobs.records.evidence import Evidence

_COPY_BYTES = 1 << 20


class Segment(NamedTuple):
    """The lines of one model in a sorted file: ``[start, end)`` in bytes."""

    model: str
    path: Path
    start: int
    end: int


_Record = TypeVar("_Record", bound=Alert | Score | Evidence)


class Spool(Generic[_Record]):
    """Takes records of one kind of some models, each model's in the order of event time.

    Parameters
    ----------
    path : Path
        Of the file with all lines as they come.
    key : callable, optional
        Gives the key of a record, of which later ones take the place, as on a compacted topic.
    """

    def __init__(self, path: Path, key: Callable[[_Record], str] | None = None) -> None:
        self._path = path
        self._latest_of = key
        self._last: dict[str, int] = {}
        self._file = path.open("wb")
        self._encoder = msgspec.json.Encoder()
        self._keys: dict[tuple[str, str, str], int] = {}
        # One entry a record, 16 bytes: 4 MB for the scores of 50 million events by windows of 200.
        self._key_of, self._closed_ms, self._lengths = array("i"), array("q"), array("i")

    def __len__(self) -> int:
        return len(self._lengths)

    def write(self, records: Sequence[_Record]) -> None:
        """Append records."""
        for record in records:
            if self._latest_of is not None:
                self._last[self._latest_of(record)] = len(self._lengths)
            key = (record.model, record.view, record.detector)
            line = self._encoder.encode(record) + b"\n"
            self._key_of.append(self._keys.setdefault(key, len(self._keys)))
            self._closed_ms.append(record.window.closed_ms)
            self._lengths.append(len(line))
            self._file.write(line)

    def close(self) -> None:
        """Close the file; what lies there stays."""
        self._file.close()

    def sort(self, path: Path) -> list[Segment]:
        """Write the records by model, view, detector and time of the test to ``path``.

        The spool is gone then. Records with equal keys stay in the order in which they came.
        """
        self.close()
        keys = sorted(self._keys)
        ranks = {self._keys[key]: rank for rank, key in enumerate(keys)}
        table = np.array([ranks[number] for number in range(len(keys))], dtype=np.int32)
        rank_of = table[np.asarray(self._key_of)]
        order = np.lexsort((np.asarray(self._closed_ms), rank_of))
        if self._latest_of is not None:
            order = order[np.isin(order, list(self._last.values()))]
        starts = np.cumsum(self._lengths, dtype=np.int64) - self._lengths
        segments: list[Segment] = []
        with self._path.open("rb") as lines, path.open("wb") as target:
            for row in map(int, order):
                model = keys[int(rank_of[row])][0]
                lines.seek(int(starts[row]))
                start = target.tell()
                target.write(lines.read(self._lengths[row]))
                if segments and segments[-1].model == model:
                    start = segments.pop().start
                segments.append(Segment(model, path, start, target.tell()))
        self._path.unlink()
        return segments


def evidence_spool(path: Path) -> Spool[Evidence]:
    """Make a spool of evidence, of which each incident has no more than its records."""
    return Spool[Evidence](path, lambda record: record.key)


def merge(segments: Sequence[Segment], path: Path) -> None:
    """Write the lines of all models to one file, in order of the models' names."""
    with path.open("wb") as target:
        for segment in sorted(segments):
            with segment.path.open("rb") as lines:
                lines.seek(segment.start)
                left = segment.end - segment.start
                while left:
                    data = lines.read(min(left, _COPY_BYTES))
                    target.write(data)
                    left -= len(data)
