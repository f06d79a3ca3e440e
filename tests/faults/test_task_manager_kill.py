"""A TaskManager dies in mid-stream: the alerts and scores must not show it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from flink_jobs.cluster.submission import DRIFT_JOB
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.core.many_models.stage import ManyModels
from flink_jobs.core.state.model_state import LiveEntries
from flink_jobs.embedded.flink_cluster import FlinkCluster
from flink_jobs.embedded.kafka_broker import KafkaBroker
from flink_jobs.records.alerts import Alert
from flink_jobs.records.status import encode_status
from tests.system.foreign_events import NESTED, nested
from tests.system.streams import (
    START_MS,
    WIDTH_MS,
    Record,
    by_id,
    encoded,
    make_topics,
    model_stream,
)
from tests.warm_client.client import WarmClient

pytestmark = pytest.mark.faults

N_PANES = 30
END_MS = START_MS + N_PANES * WIDTH_MS
# The drift begins in pane 15 of 30; the kill comes in pane 18, between two alerts.
N_BEFORE = 18 * 50 * 2


@pytest.fixture(scope="module")
def cluster(warm_client: WarmClient) -> Iterator[FlinkCluster]:
    """Not the session's: these tests kill its TaskManager, and leave another one."""
    with FlinkCluster(submit_by=warm_client.submit_job) as cluster:
        yield cluster


def own(record: Record, number: int) -> Record:
    return record


def decided(alerts: Sequence[Alert], config: DriftJobConfig) -> list[Alert]:
    """The alerts that go on where models that move together raise one."""
    stage = ManyModels(config, LiveEntries())
    for alert in alerts:
        stage.take(alert)
    return stage.advance(END_MS + 20 * WIDTH_MS - 1_001).alerts


# The moved models' starts wait for 60 s of event time and more: the kill comes meanwhile.
STORM = {"[job]\n": "[storm]\nmodels = 2\nwithin_ms = 60_000\nongoing_every_ms = 30_000\n[job]\n"}


@pytest.mark.parametrize(
    ("written_as", "replaced"), [(own, {}), (nested, NESTED.replaced), (own, STORM)]
)
def test_a_killed_task_manager_changes_no_alert_no_score_and_no_status(
    kafka_broker: KafkaBroker,
    cluster: FlinkCluster,
    tmp_path: Path,
    written_as: Callable[[Record, int], Record],
    replaced: dict[str, str],
) -> None:
    topics = make_topics(kafka_broker)
    models = ["moved", "moved too"] if replaced is STORM else ["steady", "moved"]
    own_events = model_stream(
        models, N_PANES, shifted_from_pane=15, shifted=[*models[-1:], "moved"]
    )
    stream = [written_as(record, number) for number, record in enumerate(own_events)]
    judged = STORM if replaced is STORM else {}
    _, config = topics.config(tmp_path, judged, writes_status=True)
    path, _ = topics.config(tmp_path, replaced, writes_status=True)
    job_id = cluster.submit(DRIFT_JOB, ["--config", str(path)])
    cluster.rest.wait_running(job_id)
    topics.write(stream[:N_BEFORE])
    topics.wait_for(topics.scores, lambda v: len(v) >= 6, timeout_s=120)
    cluster.rest.wait_for_checkpoint(job_id)
    # The rest takes at least 7 s, so that the kill comes in the middle of it.
    writer = threading.Thread(target=topics.write, args=(stream[N_BEFORE:], 0.006))
    writer.start()

    cluster.kill_task_manager()
    assert writer.is_alive(), "the stream was over before the kill"
    cluster.start_task_manager()
    writer.join()
    topics.heartbeat(END_MS + (20 if replaced is STORM else 1) * WIDTH_MS)
    places = zip(own_events, (offset for _, offset in topics.written), strict=False)
    as_own = replace(topics, written=list(places))
    # Event time goes on long enough for the last status records, which wait for their interval.
    until_ms = END_MS + 15 * WIDTH_MS if replaced is STORM else None
    expected = as_own.expected(config, until_ms=until_ms)
    if replaced is STORM:
        n_raised, expected.alerts = len(expected.alerts), decided(expected.alerts, config)
        assert 0 < len(expected.alerts) < n_raised
    undisturbed_alerts, undisturbed_scores = encoded(expected)
    topics.wait_for(
        topics.scores,
        lambda v: len(by_id(v, "score_id")) >= len(undisturbed_scores),
        timeout_s=120,
    )
    topics.wait_for(
        topics.alerts,
        lambda v: len(by_id(v, "alert_id")) >= len(undisturbed_alerts),
        timeout_s=30,
    )
    undisturbed_statuses = {s.status_id: encode_status(s)[1] for s in expected.statuses}
    topics.wait_for(
        topics.status,
        lambda v: len(by_id(v, "status_id")) >= len(undisturbed_statuses),
        timeout_s=30,
    )
    n_restarts = cluster.rest.checkpoints(job_id)["counts"]["restored"]
    cluster.rest.cancel(job_id)

    # Once more where the job is restarted before Flink has noticed that the TaskManager is gone.
    assert n_restarts >= 1
    assert by_id(topics.read(topics.scores), "score_id") == undisturbed_scores
    assert by_id(topics.read(topics.alerts), "alert_id") == undisturbed_alerts
    assert by_id(topics.read(topics.status), "status_id") == undisturbed_statuses
    assert undisturbed_alerts
    assert topics.read(topics.dead_letters) == []
