"""A TaskManager dies in mid-stream: the alerts and scores must not show it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from flink_jobs.cluster.submission import DRIFT_JOB
from flink_jobs.embedded.flink_cluster import FlinkCluster
from flink_jobs.embedded.kafka_broker import KafkaBroker
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


@pytest.mark.parametrize(("written_as", "replaced"), [(own, {}), (nested, NESTED.replaced)])
def test_a_killed_task_manager_changes_no_alert_and_no_score(
    kafka_broker: KafkaBroker,
    cluster: FlinkCluster,
    tmp_path: Path,
    written_as: Callable[[Record, int], Record],
    replaced: dict[str, str],
) -> None:
    topics = make_topics(kafka_broker)
    own_events = model_stream(["steady", "moved"], N_PANES, shifted_from_pane=15)
    stream = [written_as(record, number) for number, record in enumerate(own_events)]
    _, config = topics.config(tmp_path)
    path, _ = topics.config(tmp_path, replaced)
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
    topics.heartbeat(END_MS + WIDTH_MS)
    places = zip(own_events, (offset for _, offset in topics.written), strict=False)
    as_own = replace(topics, written=list(places))
    undisturbed_alerts, undisturbed_scores = encoded(as_own.expected(config))
    topics.wait_for(
        topics.scores,
        lambda v: len(by_id(v, "score_id")) >= len(undisturbed_scores),
        timeout_s=120,
    )
    n_restarts = cluster.rest.checkpoints(job_id)["counts"]["restored"]
    cluster.rest.cancel(job_id)

    # Once more where the job is restarted before Flink has noticed that the TaskManager is gone.
    assert n_restarts >= 1
    assert by_id(topics.read(topics.scores), "score_id") == undisturbed_scores
    assert by_id(topics.read(topics.alerts), "alert_id") == undisturbed_alerts
    assert undisturbed_alerts
    assert topics.read(topics.dead_letters) == []
