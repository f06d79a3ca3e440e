"""Events whose model and time lie where their producers put them give what our own events give.

Each stream is written twice: as Loudly's own events, keyed by model and with event time as their
timestamp, and as people have it, at the same offsets of a topic of its own.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
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
from tests.system.foreign_events import CASES, END_MS, N_PANES, NESTED, Case, nested
from tests.system.streams import (
    WIDTH_MS,
    Record,
    Topics,
    by_id,
    make_topics,
    model_stream,
)

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("warmly_launched")]

N_PARTITIONS = 3


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
    expected = run_backtest(
        own.config(tmp_path)[1], source_of(own), folder=tmp_path / "own", processes=1
    )

    n_scores = expected.summary.n_scores
    topics.wait_for(topics.scores, lambda values: len(values) >= n_scores, timeout_s=120)
    # Only now has the watermark passed the pane of the one event that lacks its columns. Written
    # together with the heartbeats, it was refused as late in most runs, and as invalid in some.
    topics.write(NESTED.bad.values())
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
    assert reasons == Counter({*NESTED.bad, Reason.LATE} - {Reason.INVALID_EVENT})


def test_a_job_over_a_bounded_topic_finds_where_its_partitions_end(
    kafka_broker: KafkaBroker, flink_cluster: FlinkCluster, tmp_path: Path
) -> None:
    # The last partition is empty, and another one ends in the middle of the stream.
    stream = [
        replace(record, partition=number % 2 if number < 800 else 0)
        for number, record in enumerate(stream_of(NESTED))
    ]
    topics = make_topics(kafka_broker, N_PARTITIONS)
    topics.write(nested(record, number) for number, record in enumerate(stream))
    path, _ = topics.config(tmp_path, NESTED.replaced | {"bounded = false": "bounded = true"})
    own = own_backtest(kafka_broker, stream, tmp_path)

    job_id = flink_cluster.submit(DRIFT_JOB, ["--config", str(path)])
    flink_cluster.rest.wait_for(job_id, "FINISHED", timeout_s=240)

    said = (own.folder / SCORES_FILE).read_bytes().splitlines()
    assert by_id(topics.read(topics.scores), "score_id") == by_id(said, "score_id")
    assert topics.read(topics.dead_letters) == []
