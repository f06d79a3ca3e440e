"""Events whose model and time lie where their producers put them give what our own events give.

Each stream is written twice: as Loudly's own events, keyed by model and with event time as their
timestamp, and as people have it, at the same offsets of a topic of its own.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import pytest

from flink_jobs.cluster.submission import DRIFT_JOB
from flink_jobs.embedded.flink_cluster import FlinkCluster
from flink_jobs.embedded.kafka_broker import KafkaBroker
from flink_jobs.records.dead_letters import DeadLetter, Reason
from flink_jobs.replay.engine import run_backtest
from flink_jobs.replay.on_flink.run import run_on_flink
from flink_jobs.replay.result import (
    ALERTS_FILE,
    DEAD_LETTERS_FILE,
    SCORES_FILE,
    BacktestResult,
)
from tests.system.streams import (
    START_MS,
    WIDTH_MS,
    Record,
    Topics,
    by_id,
    make_topics,
    model_stream,
)

pytestmark = pytest.mark.system

N_PARTITIONS = 3
N_PANES = 16
END_MS = START_MS + N_PANES * WIDTH_MS
# When records were written says nothing about when events happened.
WRITTEN_MS = START_MS + 90 * 86_400_000
FAR_FUTURE = "2999-01-01T00:00:00Z"


@dataclass(frozen=True)
class Case:
    """A way to write events.

    Attributes
    ----------
    models : tuple of str
        The last one shifts.
    replaced : dict of str to str
        Pieces of the job file's text.
    written : callable
        From an own event and its place in the stream.
    bad : dict of Reason to Record
        Records that no pane can take.
    """

    models: tuple[str, ...]
    replaced: dict[str, str]
    written: Callable[[Record, int], Record]
    bad: dict[Reason, Record]


def iso(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds")


def nested(record: Record, number: int) -> Record:
    event = json.loads(record.value or b"")
    tree = {
        "meta": {"model": record.key, "at": iso(record.time_ms), "id": event["event_id"]},
        "request": {"features": event["features"], "trace": [1, {"deep": None}]},
        "answer": {"outputs": event["outputs"]},
    }
    value = json.dumps(tree).encode()
    return replace(record, key=f"request-{number}", value=value, time_ms=WRITTEN_MS + number)


def bad(key: str | None, value: bytes | None, *headers: tuple[str, bytes]) -> Record:
    return Record(key, value, WRITTEN_MS, 1, headers)


def with_meta(more: bytes = b"", **meta: str) -> bytes:
    return json.dumps({"meta": meta}).encode() + more


NESTED = Case(
    ("steady", "moved"),
    {
        "[input]\n": '[input]\nformat = "json"\n',
        "[job]\n": (
            '[columns]\nmodel = "meta.model"\ntime = "meta.at"\nevent_id = "meta.id"\n'
            'features_at = "request"\noutputs_at = "answer"\n[job]\nparallelism = 2\n'
        ),
    },
    nested,
    {
        Reason.UNDECODABLE: bad("a", b"{"),
        Reason.NO_MODEL: bad("a", with_meta(at="2026-01-01T00:00:00Z")),
        Reason.NO_TIME: bad("a", with_meta(model="moved", at="soon")),
        Reason.FAR_FUTURE: bad(None, with_meta(model="moved", at=FAR_FUTURE)),
        Reason.MISSING_PAYLOAD: bad("a", None),
        Reason.OVERSIZED_PAYLOAD: bad("a", with_meta(b" " * 6_000, model="moved")),
        Reason.INVALID_EVENT: bad("a", with_meta(model="moved", at=iso(END_MS - 1))),
    },
)


def with_header(record: Record, number: int) -> Record:
    headers = (("team", b"x"), ("model's", str(record.key).encode()))
    return replace(record, key=f"request-{number}", headers=headers)


IN_A_HEADER = Case(
    ("steady", "moved"),
    {"[job]\n": '[columns]\nmodel = "@header.model\'s"\n[job]\n'},
    with_header,
    {Reason.NO_MODEL: Record("moved", b"{}", END_MS - 1, 1)},
)
TIME_IN_A_HEADER = Case(
    ("steady", "moved"),
    {"[job]\n": '[columns]\ntime = "@header.at"\ntime_unit = "s"\n[job]\n'},
    lambda record, number: replace(
        record,
        time_ms=WRITTEN_MS + number,
        headers=(("at", f"{record.time_ms / 1000:.3f}".encode()),),
    ),
    {
        Reason.NO_TIME: bad("moved", b"{}", ("at", b"soon")),
        Reason.MISSING_KEY: bad(None, b"{}", ("at", b"1767225600")),
    },
)
KEYED_BY_REQUEST = Case(
    ("moved",),
    {"[job]\n": '[columns]\nmodel_name = "moved"\n[job]\n'},
    lambda record, number: replace(record, key=None if number % 2 else f"request-{number}"),
    {Reason.UNDECODABLE: Record("moved", b"{", END_MS - 1, 1)},
)


def cloud_event(record: Record, number: int) -> Record:
    event = json.loads(record.value or b"")
    data = {"features": event["features"], "outputs": event["outputs"]}
    attributes = {
        "specversion": "1.0",
        "type": "prediction",
        "source": "/churn",
        "id": event["event_id"],
        "time": iso(record.time_ms),
        "modelname": str(record.key),
    }
    headers = [(f"ce_{name}", value.encode()) for name, value in attributes.items()]
    headers.append(("content-type", b"application/json"))
    return Record(
        f"request-{number}",
        json.dumps(data).encode(),
        WRITTEN_MS + number,
        record.partition,
        tuple(headers),
    )


CLOUD_EVENTS = Case(
    ("steady", "moved"),
    {
        "[input]\n": '[input]\nformat = "json"\nenvelope = "cloudevents"\n',
        "[job]\n": '[columns]\nmodel = "@ce.modelname"\ntime = "@ce.time"\n[job]\n',
    },
    cloud_event,
    {},
)
CASES = {
    "in payloads": NESTED,
    "in a header": IN_A_HEADER,
    "time in a header": TIME_IN_A_HEADER,
    "keyed by request": KEYED_BY_REQUEST,
    "cloud events": CLOUD_EVENTS,
}


def stream_of(case: Case) -> list[Record]:
    """Events on three partitions, none later than the bound of disorder."""
    stream = model_stream(case.models, N_PANES, shifted_from_pane=8)
    late_ms = np.random.default_rng(2).integers(0, 900, size=len(stream))
    arrival_ms = [record.time_ms + int(n) for record, n in zip(stream, late_ms, strict=True)]
    return [
        replace(stream[place], partition=number % N_PARTITIONS)
        for number, place in enumerate(np.argsort(arrival_ms, kind="stable"))
    ]


def own_backtest(broker: KafkaBroker, stream: list[Record], folder: Path) -> BacktestResult:
    topics = make_topics(broker, N_PARTITIONS)
    topics.write(stream)
    _, config = topics.config(folder)
    return run_backtest(config, source_of(topics), folder=folder / "own", processes=1)


def source_of(topics: Topics) -> str:
    return f"kafka://{topics.broker.bootstrap_servers}/{topics.inference}"


@pytest.mark.parametrize("name", CASES)
def test_a_bounded_job_says_what_backtests_of_the_topic_and_of_own_events_say(
    kafka_broker: KafkaBroker, flink_cluster: FlinkCluster, tmp_path: Path, name: str
) -> None:
    case = CASES[name]
    stream = stream_of(case)
    topics = make_topics(kafka_broker, N_PARTITIONS)
    topics.write(case.written(record, number) for number, record in enumerate(stream))
    topics.write(case.bad.values())
    _, config = topics.config(tmp_path, case.replaced)
    own = own_backtest(kafka_broker, stream, tmp_path)

    bounded = run_on_flink(
        config, source_of(topics), flink_cluster.jobmanager, folder=tmp_path / "bounded"
    )
    here = run_backtest(config, source_of(topics), folder=tmp_path / "here", processes=1)

    assert own.alerts()
    for file in (ALERTS_FILE, SCORES_FILE):
        said = (own.folder / file).read_bytes()
        assert said == (bounded.folder / file).read_bytes() == (here.folder / file).read_bytes()
    assert (bounded.folder / DEAD_LETTERS_FILE).read_bytes() == (
        here.folder / DEAD_LETTERS_FILE
    ).read_bytes()
    assert bounded.summary.dead_letters == dict.fromkeys(sorted(case.bad), 1)
    assert bounded.summary.n_events == len(stream) + len(case.bad) == here.summary.n_events


def test_a_job_that_goes_on_finds_times_in_payloads_and_closes_windows_by_heartbeats(
    kafka_broker: KafkaBroker, flink_cluster: FlinkCluster, tmp_path: Path
) -> None:
    stream = stream_of(NESTED)
    topics = make_topics(kafka_broker, N_PARTITIONS)
    own = make_topics(kafka_broker, N_PARTITIONS)
    path, _ = topics.config(tmp_path, NESTED.replaced)
    job_id = flink_cluster.submit(DRIFT_JOB, ["--config", str(path)])
    flink_cluster.rest.wait_running(job_id)
    for each, written in ((own, stream), (topics, [nested(r, n) for n, r in enumerate(stream)])):
        each.write(written)
        each.heartbeat(END_MS + 8 * WIDTH_MS, N_PARTITIONS)
    topics.write(NESTED.bad.values())
    expected = run_backtest(
        own.config(tmp_path)[1], source_of(own), folder=tmp_path / "own", processes=1
    )

    n_scores = expected.summary.n_scores
    topics.wait_for(topics.scores, lambda values: len(values) >= n_scores, timeout_s=120)
    n_bad = len(NESTED.bad)
    letters = topics.wait_for(topics.dead_letters, lambda v: len(v) >= n_bad, timeout_s=60)
    flink_cluster.rest.cancel(job_id)

    for topic, name, file in (
        (topics.scores, "score_id", SCORES_FILE),
        (topics.alerts, "alert_id", ALERTS_FILE),
    ):
        said = (expected.folder / file).read_bytes().splitlines()
        assert by_id(topics.read(topic), name) == by_id(said, name)
    reasons = Counter(msgspec.json.decode(each, type=DeadLetter).reason for each in letters)
    # Behind the heartbeats the pane of the one event that lacks its columns is closed.
    assert reasons == Counter({*NESTED.bad, Reason.LATE} - {Reason.INVALID_EVENT})
