"""Hostile payloads: every one is accounted for, and none stops the monitor or the job."""

from __future__ import annotations

import contextlib
import gc
import math
import tracemalloc
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka import KafkaProducer

from flink_jobs.cluster.submission import DRIFT_JOB
from flink_jobs.config.columns import Column
from flink_jobs.embedded.flink_cluster import FlinkCluster
from flink_jobs.embedded.kafka_broker import KafkaBroker
from flink_jobs.intake.formats.json import EventDecoder
from flink_jobs.intake.unusable import UnusableEventError
from flink_jobs.records.dead_letters import DeadLetter, Reason
from scripts.fuzz.fuzzer import PROFILES, Fuzzer
from scripts.fuzz.hostile import ENORMOUS, N_FEATURES, N_OUTPUTS, HostileStream
from tests.system.streams import N_PARTITIONS, START_MS, WIDTH_MS, Topics, make_topics

SEED = 0
# The first of the 100,000 that `make fuzz` feeds.
N_PAYLOADS = 10_000
N_PANES = 6
N_REFERENCE = 20
# With a share of 0.3 of good ones.
N_RECORDS = 7_200
LARGEST = ["enormous event id", "enormous array of arrays", "enormous integer"]
LARGEST_PAYLOAD = 1_000_500
MODELS = ["steady", "модель \u202e\U0001f600 '\"\\", "m" * 5_000]
HEADERS = [("", b""), ("é" * 100, b"\xff\x00" * 500), ("traceparent", b"00-" * 100)]


@pytest.mark.parametrize("profile", PROFILES)
def test_every_hostile_payload_is_used_as_it_says_or_becomes_a_dead_letter(profile: str) -> None:
    fuzzer = Fuzzer(profile, SEED)

    fuzzer.run(N_PAYLOADS // len(PROFILES))

    totals = fuzzer.totals
    assert totals.payloads == totals.used + totals.reasons.total() == N_PAYLOADS // len(PROFILES)
    assert totals.used > totals.good > totals.payloads / 4
    assert {Reason.UNDECODABLE, Reason.INVALID_EVENT, Reason.NOT_FINITE} < totals.reasons.keys()
    assert totals.records > 0


@pytest.mark.parametrize("profile", ["components", "classes"])
def test_memory_does_not_grow_with_the_number_of_panes(profile: str) -> None:
    # Not with KS, which keeps up to 16,384 p-values: they would hide what is looked for.
    fuzzer = Fuzzer(profile, SEED, enormous_bytes=100_000)
    held = []
    tracemalloc.start()
    try:
        # The reference is made, and every module imported, before the first look.
        for n_payloads in (3_000, 2_500):
            fuzzer.run(n_payloads)
            gc.collect()
            held.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()

    # Not even one number of each payload is kept: it takes 28 bytes.
    assert held[1] - held[0] < 28 * 2_500, held


decoders = st.builds(
    EventDecoder,
    st.booleans().map(
        lambda may_be_missing: [
            Column("features", "vector", "feature", N_FEATURES, may_be_missing),
            Column("outputs", "vector", "output", N_OUTPUTS, kind="class_probabilities"),
        ]
    ),
)
hostile = st.builds(
    lambda seed, index: HostileStream(seed, enormous_bytes=1_000).payload(index).value,
    st.integers(0, 1_000),
    st.integers(0, 10_000),
)


# A deadline per example would measure the machine.
@given(decoders, st.binary() | hostile | st.text().map(str.encode))
def test_any_bytes_are_an_event_that_keeps_the_rules_or_unusable(
    decoder: EventDecoder, payload: bytes
) -> None:
    try:
        event = decoder.decode(payload)
    except UnusableEventError as error:
        # What a dead letter takes over must fit into JSON.
        msgspec.json.encode([error.reason, error.detail, error.event_id])
        return
    assert event.schema_version == 1
    assert 1 <= len(event.event_id) <= 256
    assert (len(event.features), len(event.outputs)) == (N_FEATURES, N_OUTPUTS)
    numbers = [*event.features, *event.outputs]
    assert all(number is None or math.isfinite(number) for number in numbers)


@dataclass(frozen=True)
class HostileRecord:
    """One Kafka record; ``is_good`` when it must be used."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()
    is_good: bool = False
    time_ms: int | None = None


def hostile_records() -> list[HostileRecord]:
    """Records of all kinds, more than 5,000 of them hostile, and at the end good ones alone."""
    stream = HostileStream(seed=SEED, enormous_bytes=100_000)
    largest = [ENORMOUS[kind]({"schema_version": 1}, 1_000_000) for kind in LARGEST]
    models = [model.encode() for model in MODELS]
    payload = stream.payload(0).value
    records = [
        *(HostileRecord(models[0], value, HEADERS) for value in largest),
        HostileRecord(models[0], b" " * (LARGEST_PAYLOAD + 1)),
        *(HostileRecord(model, None) for model in models),
        HostileRecord(None, payload),
        HostileRecord(b"", payload, HEADERS),
        HostileRecord(b"", None),
        HostileRecord(b"\xff\xc0", b"{"),
        *(HostileRecord(models[0], payload, time_ms=each) for each in (2**63 - 1, 2**53)),
    ]
    for index in range(N_RECORDS):
        made = stream.payload(index)
        headers = HEADERS if index % 7 == 0 else ()
        key = models[index % len(models)]
        records.append(HostileRecord(key, made.value, headers, made.event is not None))
    good = HostileStream(seed=SEED + 1, good_share=1.0)
    for index in range(10 * len(models)):
        key = models[index % len(models)]
        records.append(HostileRecord(key, good.payload(index).value, is_good=True))
    return records


def write(topics: Topics, records: Sequence[HostileRecord]) -> dict[tuple[int, int], HostileRecord]:
    """Send the records evenly over the panes; where each one lies."""
    servers = topics.broker.bootstrap_servers
    with contextlib.closing(KafkaProducer(bootstrap_servers=servers, linger_ms=5)) as producer:
        sent = [
            producer.send(
                topics.inference,
                key=record.key,
                value=record.value,
                headers=list(record.headers),
                timestamp_ms=(
                    START_MS + index * N_PANES * WIDTH_MS // len(records)
                    if record.time_ms is None
                    else record.time_ms
                ),
                partition=index % N_PARTITIONS,
            )
            for index, record in enumerate(records)
        ]
        places = [each.get(timeout=30) for each in sent]
    return {(each.partition, each.offset): r for each, r in zip(places, records, strict=True)}


@pytest.mark.integration
@pytest.mark.faults
def test_a_job_outlives_hostile_records_and_accounts_for_every_one(
    kafka_broker: KafkaBroker, flink_cluster: FlinkCluster, tmp_path: Path
) -> None:
    topics = make_topics(kafka_broker)
    path, config = topics.config(
        tmp_path,
        {
            "n_features = 2": "n_features = 3",
            "n_events = 100": f"n_events = {N_REFERENCE}",
            "max_payload_bytes = 5000": f"max_payload_bytes = {LARGEST_PAYLOAD}",
        },
    )
    places = write(topics, hostile_records())
    topics.heartbeat(START_MS + (N_PANES + 1) * WIDTH_MS)
    n_windows = N_PANES // 2

    job_id = flink_cluster.submit(DRIFT_JOB, ["--config", str(path)])
    scores = topics.wait_for(
        topics.scores, lambda v: len(v) >= n_windows * len(MODELS), timeout_s=120
    )
    flink_cluster.rest.wait_for_checkpoint(job_id)
    exceptions = flink_cluster.rest.exceptions(job_id)
    n_restored = flink_cluster.rest.checkpoints(job_id)["counts"]["restored"]
    flink_cluster.rest.cancel(job_id)

    assert exceptions == []
    assert n_restored == 0
    values = topics.read(topics.dead_letters)
    dead = [msgspec.json.decode(value, type=DeadLetter) for value in values]
    dead_places = {(each.partition, each.offset) for each in dead}
    assert len(dead_places) == len(dead)
    assert dead_places <= places.keys()
    refused_good = [each for each in dead if places[each.partition, each.offset].is_good]
    assert refused_good == []
    n_scored = sum(msgspec.json.decode(score)["window"]["n_events"] for score in scores)
    assert n_scored + N_REFERENCE * len(MODELS) + len(dead) == len(places)
    kept = config.input.dead_letter_payload_bytes
    for each in dead:
        value = places[each.partition, each.offset].value
        assert each.payload == (None if value is None else value[:kept])
    reasons = {each.reason for each in dead}
    # Nothing comes late here, panes take all that comes, and own events need neither a place for
    # model and time nor a schema.
    elsewhere = {Reason.LATE, Reason.LATE_AFTER_RESTORE, Reason.PANE_FULL}
    elsewhere |= {Reason.NO_MODEL, Reason.NO_TIME}
    elsewhere |= {Reason.UNKNOWN_SCHEMA, Reason.UNUSABLE_SCHEMA}
    assert reasons == set(Reason) - elsewhere
