"""Reads a sample as the job would: through the same places, formats and layouts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.locations import record_parts
from flink_jobs.histories.batches import Batch, Names
from flink_jobs.histories.input_files import find_files
from flink_jobs.histories.sources import open_source
from flink_jobs.intake.formats.base import Messages, ReadEvents
from flink_jobs.intake.layouts import Layout, Layouts
from flink_jobs.intake.locating import Locator
from flink_jobs.intake.unusable import UnusableEventError
from flink_jobs.setup.sample import RawRecord, Sample
from flink_jobs.times import FOREVER_MS

MOST_ROWS = 2_000


@dataclass
class ReadSample:
    """Events read from a sample.

    Attributes
    ----------
    n_messages : int
    models : list of str
        Of each message that has one.
    times_ms : list of int
        Of the same messages, in their order.
    reads : list of (Layout, ReadEvents)
    problems : list of UnusableEventError
        Of the messages and rows that cannot be used.
    n_without_model : int
        Records without a key, where the key is the model.
    """

    n_messages: int = 0
    models: list[str] = field(default_factory=list)
    times_ms: list[int] = field(default_factory=list)
    reads: list[tuple[Layout, ReadEvents]] = field(default_factory=list)
    problems: list[UnusableEventError] = field(default_factory=list)
    n_without_model: int = 0

    @property
    def n_usable(self) -> int:
        """Events that can be used."""
        return sum(len(read.event_ids) for _, read in self.reads)


def read_sample(config: DriftJobConfig, sample: Sample) -> ReadSample:
    """Read a sample by a configuration.

    Raises
    ------
    SourceError
        When a file lacks columns that the configuration names.
    ConfigError
        When places do not suit what holds the events.
    """
    if sample.holder == "table":
        return _read_table(config, sample)
    return _read_records(config, sample)


def _read_records(config: DriftJobConfig, sample: Sample) -> ReadSample:
    records = _some(sample.records)
    found = ReadSample(n_messages=len(records))
    parts = record_parts(config) if sample.holder == "topic" else ()
    messages = _messages(records, list(range(len(records))), parts)
    is_topic = sample.holder == "topic"
    written = np.array([record.timestamp_ms or 0 for record in records], dtype=np.int64)
    keys = [record.key for record in records] if is_topic else None
    located = Locator(config, sample.holder).locate(messages, written if is_topic else None, keys)
    found.problems += located.problems.values()
    by_model: dict[str, list[int]] = {}
    for place, model in enumerate(located.models):
        if place in located.problems:
            continue
        if not model:
            found.n_without_model += 1
            continue
        found.models.append(model)
        found.times_ms.append(int(located.times_ms[place]))
        by_model.setdefault(model, []).append(place)
    layouts = Layouts(config)
    for layout, places in _by_layout(layouts, by_model):
        read = layout.decode(_messages(records, places, parts))
        found.reads.append((layout, read))
        found.problems += read.unusable.values()
    return found


def _some(records: Sequence[RawRecord]) -> Sequence[RawRecord]:
    """The first and the last of them, where they are many."""
    if len(records) <= MOST_ROWS:
        return records
    return [*records[: MOST_ROWS // 2], *records[-MOST_ROWS // 2 :]]


def _by_layout(
    layouts: Layouts, by_model: dict[str, list[int]]
) -> Iterator[tuple[Layout, list[int]]]:
    """Gather the places of models that share a layout: there may be as many models as events."""
    places: dict[int, tuple[Layout, list[int]]] = {}
    for model, own in by_model.items():
        layout = layouts.of(model)
        places.setdefault(id(layout), (layout, []))[1].extend(own)
    for layout, own in places.values():
        yield layout, sorted(own)


def _messages(
    records: Sequence[RawRecord], places: Sequence[int], parts: Sequence[str]
) -> Messages:
    chosen = [records[place] for place in places]
    return Messages(
        [record.payload for record in chosen],
        lambda: [str(place) for place in places],
        [_parts_of(record, parts) for record in chosen] if parts else None,
    )


def _parts_of(record: RawRecord, parts: Sequence[str]) -> list[str | None]:
    headers = dict(record.headers)
    return [
        record.key if part == "key" else headers.get(part.removeprefix("header:")) for part in parts
    ]


def _read_table(config: DriftJobConfig, sample: Sample) -> ReadSample:
    """Read the first rows of a table as a backtest does."""
    source = open_source(find_files(Path(sample.source)), config)
    names, found = Names(), ReadSample()
    layouts = Layouts(config)
    for batch in source.batches(names, FOREVER_MS):
        _take_rows(batch, names, layouts, found)
        if found.n_messages >= MOST_ROWS // 2:
            break
    return found


def _names_of(rows: NDArray[np.intp]) -> list[str]:
    return [str(row) for row in rows.tolist()]


def _take_rows(batch: Batch, names: Names, layouts: Layouts, found: ReadSample) -> None:
    rows = np.arange(len(batch.codes))
    if len(rows) > MOST_ROWS:
        rows = np.unique(np.linspace(0, len(rows) - 1, MOST_ROWS).astype(np.intp))
    misplaced = batch.misplaced[:MOST_ROWS]
    found.n_messages += len(rows) + len(misplaced)
    found.problems += [UnusableEventError(each.reason, each.detail) for each in misplaced]
    codes = batch.codes[rows]
    found.n_without_model += int((codes < 0).sum())
    # In the order of the rows: models by turns would look like events that come late.
    found.models += [names.all[code] for code in codes[codes >= 0].tolist()]
    found.times_ms += batch.times_ms[rows[codes >= 0]].tolist()
    for code in np.unique(codes[codes >= 0]).tolist():
        own = rows[codes == code]
        layout = layouts.of(names.all[code])
        read = batch.rows.read(layout, own, partial(_names_of, own))
        found.reads.append((layout, read))
        found.problems += read.unusable.values()
