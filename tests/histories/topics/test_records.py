"""Where records of a topic belong: as their headers, keys and values say, partitions merged."""

from __future__ import annotations

import json
from collections import namedtuple
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flink_jobs.config.columns import columns_of
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.own_events import as_own_events
from flink_jobs.histories.batches import Batch, Names
from flink_jobs.histories.exchange import Exchange
from flink_jobs.histories.topics.merge import merged_batches
from flink_jobs.histories.topics.records import RecordReader
from flink_jobs.intake.formats.json import EventDecoder
from flink_jobs.intake.layouts import Layouts
from flink_jobs.records.dead_letters import Reason
from flink_jobs.replay.on_flink.files_on_topic import FilesOnTopic
from flink_jobs.times import FOREVER_MS
from tests.intake.examples import named_config

Partition = namedtuple("Partition", "partition")
COLUMNS: dict[str, Any] = {"features": {"age": "number", "plan": "category"}}


class Record(NamedTuple):
    """As kafka-python hands it on."""

    key: bytes | None
    value: bytes | None
    timestamp: int
    offset: int
    partition: int = 0
    headers: tuple[tuple[str, bytes], ...] = ()


class Consumer:
    """Hands on some records of each partition at each poll."""

    def __init__(self, partitions: Mapping[int, list[Record]], at_a_time: int) -> None:
        self._partitions = partitions
        self._n = dict.fromkeys(partitions, 0)
        self._paused: set[int] = set()
        self._at_a_time = at_a_time

    def assignment(self) -> list[Partition]:
        return [Partition(number) for number in self._partitions]

    def pause(self, partition: Partition) -> None:
        self._paused.add(partition.partition)

    def resume(self, partition: Partition) -> None:
        self._paused.discard(partition.partition)

    def position(self, partition: Partition) -> int:
        return self._n[partition.partition]

    def close(self) -> None:
        pass

    def poll(self, timeout_ms: int) -> dict[Partition, list[Record]]:
        found = {}
        for number, records in self._partitions.items():
            if number not in self._paused:
                first = self._n[number]
                found[Partition(number)] = records[first : first + self._at_a_time]
                self._n[number] = min(len(records), first + self._at_a_time)
        return found


def batches(
    config: DriftJobConfig, partitions: Mapping[int, list[Record]], names: Names, at_a_time: int = 3
) -> Iterator[Batch]:
    ends = {number: len(records) for number, records in partitions.items()}
    starts = dict.fromkeys(ends, 0)
    consumer, reader = Consumer(partitions, at_a_time), RecordReader(config)
    return merged_batches(lambda _: consumer, starts, ends, names, FOREVER_MS, reader)


def in_payload(**columns: Any) -> DriftJobConfig:
    """Events as a service writes them: model and time are in the value."""
    own = {"model": "meta.model", "time": "meta.at", "features_at": "request"}
    return named_config(COLUMNS | own | columns, input={"format": "json"})


def value(model: Any, at: Any, age: float = 1.0) -> bytes:
    meta = {"model": model, "at": at}
    return json.dumps({"meta": meta, "request": {"age": age, "plan": "pro"}}).encode()


@given(
    st.lists(st.lists(st.integers(0, 50), min_size=1, max_size=12), min_size=1, max_size=3),
    st.integers(1, 7),
)
def test_partitions_are_merged_by_the_times_that_values_say(
    times: list[list[int]], at_a_time: int
) -> None:
    partitions = {
        number: [
            Record(b"request", value("m", at), 10**12, offset, number)
            for offset, at in enumerate(own)
        ]
        for number, own in enumerate(times)
    }
    # The oracle: each row has the highest time so far of its partition, and rows go by that.
    ranked = sorted(
        (max(own[: offset + 1]), number, offset)
        for number, own in enumerate(times)
        for offset in range(len(own))
    )

    found = list(batches(in_payload(), partitions, Names(), at_a_time))

    places = [
        (int(p), int(o))
        for batch in found
        for p, o in zip(batch.partitions, batch.offsets, strict=True)
    ]
    assert places == [(number, offset) for _, number, offset in ranked]
    assert [int(t) for batch in found for t in batch.times_ms] == [times[p][o] for p, o in places]


@pytest.mark.parametrize("n_parts", [2, 3])
def test_partitions_are_divided_between_processes_of_which_each_sees_all(
    tmp_path: Path, n_parts: int
) -> None:
    rng = np.random.default_rng(3)
    partitions = {
        number: [
            Record(b"r", value(f"m{offset % 5}" if offset % 7 else None, at), at, offset, number)
            for offset, at in enumerate(np.sort(rng.integers(0, 1_000, 90 + number)).tolist())
        ]
        for number in (0, 2, 5, 6)
    }
    alone = read_by(in_payload(), partitions, Exchange())

    with ThreadPoolExecutor(n_parts) as pool:
        exchanges = [Exchange(tmp_path, part, n_parts) for part in range(n_parts)]
        found = list(pool.map(lambda each: read_by(in_payload(), partitions, each), exchanges))

    assert all(each[0] == alone[0] for each in found)
    assert len(alone[0]) == sum(map(len, partitions.values()))
    assert sorted(number for _, own in found for number in own) == sorted(partitions)


def read_by(
    config: DriftJobConfig, partitions: Mapping[int, list[Record]], exchange: Exchange
) -> tuple[list[Any], list[int]]:
    """All rows and letters as one of several processes sees them, and the partitions it reads."""
    names, own, rows, letters = Names(), list[int](), list[Any](), list[Any]()

    def connect(numbers: Sequence[int]) -> Consumer:
        own.extend(numbers)
        return Consumer({number: partitions[number] for number in numbers}, 11)

    starts = dict.fromkeys(partitions, 0)
    ends = {number: len(records) for number, records in partitions.items()}
    reader = RecordReader(config)
    for batch in merged_batches(connect, starts, ends, names, FOREVER_MS, reader, exchange):
        letters += batch.misplaced
        columns = (batch.codes, batch.partitions, batch.offsets, batch.times_ms, batch.reached_ms)
        for row, values in enumerate(zip(*(each.tolist() for each in columns), strict=True)):
            rows.append((names.all[values[0]], *values[1:], batch.rows.payload(row)))
    # Letters come when they are read, and rows when it is their turn.
    return rows + sorted((each.partition, each.offset, each.payload) for each in letters), own


def test_what_has_no_model_or_no_time_is_said_with_its_place_and_moves_no_time() -> None:
    records = [
        Record(b"r0", value("a", "1970-01-01T00:00:05Z"), 7, 0),
        Record(b"r1", value(None, 6_000), 8, 1),
        Record(b"r2", value("a", "soon"), 9, 2),
        Record(b"r3", b"{", 10, 3),
        Record(b"__loudly_heartbeat__", b"", 11_000, 4),
    ]
    names = Names()

    found = list(batches(in_payload(), {3: records}, names, 10))

    letters = [each for batch in found for each in batch.misplaced]
    assert [(m.partition, m.offset, m.time_ms, m.reason) for m in letters] == [
        (3, 1, 8, Reason.NO_MODEL),
        (3, 2, 9, Reason.NO_TIME),
        (3, 3, 10, Reason.UNDECODABLE),
    ]
    assert letters[0].detail == "meta.model is missing"
    assert letters[1].detail == "meta.at is 'soon', which is not a time"
    assert [int(t) for batch in found for t in batch.times_ms] == [5_000, 11_000]
    assert names.all == ["a", "__loudly_heartbeat__"]
    assert max(batch.reached_after_ms for batch in found) == 11_000


def test_headers_say_model_time_and_name_of_an_event() -> None:
    config = in_payload(model="@header.model", time="@header.at", event_id="@header.id")
    headers = [
        (("model", b"old"), ("model", b"new"), ("at", b"4"), ("id", b"first")),
        (("model", b"new"), ("at", b"5"), ("id", "zw\xf6lf".encode())),
    ]
    records = [
        Record(None, value("other", 1), 0, offset, 0, own) for offset, own in enumerate(headers)
    ]
    names = Names()

    (batch,) = batches(config, {0: records}, names, 10)
    read = batch.rows.read(Layouts(config).of("new"), np.arange(2), lambda: ["0:0", "0:1"])

    assert names.all == ["new"]
    assert batch.times_ms.tolist() == [4, 5]
    assert read.event_ids == ["first", "zw\xf6lf"]


def test_labels_are_found_at_their_path() -> None:
    payloads = [b'{"response": {"churned": true}}', b"{}", b'{"response": {"churned": 3}}', b"{"]
    config = named_config(COLUMNS | {"label": "response.churned"}, input={"format": "json"})
    reader = RecordReader(config)
    records = [Record(b"m", payload, 5, offset) for offset, payload in enumerate(payloads)]

    labels = reader.rows(reader.found(0, records)).labels(np.arange(4))

    assert labels is not None
    assert labels.tolist() == ["true", None, "3", None]


@pytest.mark.parametrize("n", [0, 1])
def test_the_values_of_any_topic_are_read_as_they_are(n: int) -> None:
    records = [Record(b"k", b"not an event", 5, offset) for offset in range(n)]

    reader = RecordReader(None)
    found = reader.found(0, records)

    assert found.head.models == ["k"] * n
    assert not found.head.misplaced
    rows = reader.rows(found)
    assert [rows.payload(row) for row in range(n)] == [b"not an event"] * n


class Source:
    """A topic as a history, as far as what is written of it asks."""

    def place(self, partition: int, offset: int) -> str:
        return f"topic[{partition}]:{offset}"


def test_records_of_another_shape_go_onto_another_topic_as_own_events() -> None:
    names, config = Names(), in_payload(event_id="@key")
    records = [Record(b"r%d" % n, value("churn", n, age=float(n)), 10**12, n) for n in range(7)]
    files = FilesOnTopic(cast(Any, Source()), config, names)

    written = [
        record for batch in batches(config, {0: records}, names) for record in files.records(batch)
    ]

    assert [(key, time_ms) for key, _, time_ms in written] == [(b"churn", n) for n in range(7)]
    read = EventDecoder(columns_of(as_own_events(config))).decode
    assert [read(payload).event_id for _, payload, _ in written] == [f"r{n}" for n in range(7)]
    values = [json.loads(payload)["features"] for _, payload, _ in written]
    assert values == [{"age": float(n), "plan": "pro"} for n in range(7)]


def test_own_events_of_a_topic_go_on_as_they_are() -> None:
    names, config = Names(), named_config(COLUMNS)
    payloads = [
        b'{"schema_version": 1, "event_id": "a",   "features": {"age": 1.0, "plan": "pro"}}',
        b"no event",
    ]
    records = [Record(b"churn", payload, 10**12 + n, n) for n, payload in enumerate(payloads)]
    files = FilesOnTopic(cast(Any, Source()), config, names)

    (batch,) = batches(config, {0: records}, names)

    assert [payload for _, payload, _ in files.records(batch)] == payloads
