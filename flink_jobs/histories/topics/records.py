"""Records of a topic: where they belong, and what they hold apart from their values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.locations import record_parts
from flink_jobs.config.own_events import are_own_events
from flink_jobs.histories.lines.labels import labels_of
from flink_jobs.histories.lines.rows import PayloadRows
from flink_jobs.histories.shards import Found, found_rows
from flink_jobs.intake.formats.base import Messages
from flink_jobs.intake.formats.json import HEARTBEAT_KEY
from flink_jobs.intake.locating import Located, Locator

Parts = tuple[str | None, ...]
"""What :func:`flink_jobs.config.locations.record_parts` lists, of one record."""
_HEADER = "header:"


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

    def found(self, number: int, records: Sequence[Any]) -> Found:
        """Make a batch of records of a partition as ``kafka-python`` hands them on."""
        own_ms = [record.timestamp for record in records]
        parts = [self._parts(record) for record in records]
        offsets = np.array([record.offset for record in records], dtype=np.int64)
        located = self._located(records, np.array(own_ms, dtype=np.int64), parts)
        rows, found = found_rows(located, offsets, lambda row: records[row].value, number, own_ms)
        chosen = rows.tolist()
        values = {"payloads": pa.array([records[row].value for row in chosen], pa.binary())}
        for place in range(len(self._names)):
            values[f"part {place}"] = pa.array([parts[row][place] for row in chosen], pa.string())
        return Found(found.head, {**found.arrays, **values})

    def _located(
        self, records: Sequence[Any], own_ms: NDArray[np.int64], parts: list[Parts]
    ) -> Located:
        keys = [_text(record.key) for record in records]
        if self._locator is None:
            return Located([*keys], own_ms, {})
        messages = Messages(
            [record.value for record in records],
            lambda: [f"{record.partition}:{record.offset}" for record in records],
            parts if self._names else None,
        )
        located = self._locator.locate(messages, own_ms, keys)
        # A heartbeat says by its timestamp how far event time has come.
        is_heartbeat = np.array([key == HEARTBEAT_KEY for key in keys], dtype=np.bool_)
        return located._replace(times_ms=np.where(is_heartbeat, own_ms, located.times_ms))

    def rows(self, found: Found) -> PayloadRows:
        """Return the contents of a batch that was found."""
        texts = [
            found.arrays[f"part {place}"].to_numpy(zero_copy_only=False)
            for place in range(len(self._names))
        ]
        return PayloadRows(
            found.arrays["payloads"].to_numpy(zero_copy_only=False),
            self._labels,
            list(zip(*texts, strict=True)) if texts else None,
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
