"""Records of a topic: where they belong, and what they hold apart from their values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.locations import record_parts
from flink_jobs.config.own_events import are_own_events
from flink_jobs.histories.lines.labels import labels_of
from flink_jobs.histories.lines.rows import PayloadRows
from flink_jobs.histories.shards import Found
from flink_jobs.intake.formats.base import Messages, Unusable
from flink_jobs.intake.formats.json import HEARTBEAT_KEY
from flink_jobs.intake.locating import Locator

Parts = tuple[str | None, ...]
"""What :func:`flink_jobs.config.locations.record_parts` lists, of one record."""
_HEADER = "header:"


class PlacedRecords(NamedTuple):
    """Records, and where they belong.

    Attributes
    ----------
    models : list of str or None
    times_ms : ndarray of int64, shape (n,)
        Event times; those of the records where there is a problem.
    parts : list of Parts
    problems : dict of int to UnusableEventError
        By place: why a record has no model or no time.
    """

    models: list[str | None]
    times_ms: NDArray[np.int64]
    parts: list[Parts]
    problems: Unusable


class RecordReader:
    """Finds model and event time of records, as the job does, and makes rows of them.

    Parameters
    ----------
    config : DriftJobConfig or None
        None for records of which only the values are looked at: keys and timestamps say it all.
    """

    def __init__(self, config: DriftJobConfig | None) -> None:
        self._labels = None if config is None else labels_of(config)
        self._names = () if config is None else record_parts(config)
        self._are_events = config is None or are_own_events(config, "topic")
        self._locator = None if config is None else Locator(config, "topic")

    def placed(self, records: Sequence[Any]) -> PlacedRecords:
        """Find model and time of records as ``kafka-python`` hands them on."""
        own_ms = np.array([record.timestamp for record in records], dtype=np.int64)
        keys = [_text(record.key) for record in records]
        parts: list[Parts] = [self._parts(record) for record in records]
        if self._locator is None:
            return PlacedRecords([*keys], own_ms, parts, {})
        messages = Messages(
            [record.value for record in records],
            lambda: [f"{record.partition}:{record.offset}" for record in records],
            parts if self._names else None,
        )
        located = self._locator.locate(messages, own_ms, keys)
        # A heartbeat says by its timestamp how far event time has come.
        is_heartbeat = np.array([key == HEARTBEAT_KEY for key in keys], dtype=np.bool_)
        times_ms = np.where(is_heartbeat, own_ms, located.times_ms)
        return PlacedRecords(located.models, times_ms, parts, located.problems)

    @property
    def n_parts(self) -> int:
        """How many texts of each record are kept, besides its value."""
        return len(self._names)

    def rows_of(self, found: Found) -> PayloadRows:
        """Make the rows of a batch that was found."""
        payloads = found.arrays["payloads"].to_numpy(zero_copy_only=False)
        texts = [
            found.arrays[f"part {place}"].to_numpy(zero_copy_only=False)
            for place in range(self.n_parts)
        ]
        return self.rows(payloads, list(zip(*texts, strict=True)))

    def rows(self, payloads: Sequence[bytes | None], parts: Sequence[Parts]) -> PayloadRows:
        """Make the rows of a batch of values."""
        return PayloadRows(
            payloads,
            self._labels,
            parts if self._names else None,
            are_events=self._are_events,
        )

    def _parts(self, record: Any) -> Parts:
        if not self._names:
            return ()
        # Of several headers of one name the last one counts, as in Flink's map of them.
        headers = dict(record.headers)
        return tuple(
            _text(headers.get(name.removeprefix(_HEADER)))
            if name.startswith(_HEADER)
            else _text(record.key)
            for name in self._names
        )


def _text(value: bytes | None) -> str | None:
    """As Flink reads text: what is not UTF-8 becomes U+FFFD."""
    return None if value is None else value.decode(errors="replace")
