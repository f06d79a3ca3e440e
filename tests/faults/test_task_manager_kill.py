"""A TaskManager dies in mid-stream: the alerts and scores must not show it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from flink_jobs.embedded.flink_cluster import FlinkCluster
from flink_jobs.embedded.kafka_broker import KafkaBroker
from flink_jobs.embedded.submission import DRIFT_JOB
from tests.system.streams import START_MS, WIDTH_MS, Topics, by_id, make_topics, model_stream

pytestmark = pytest.mark.faults

N_PANES = 30
END_MS = START_MS + N_PANES * WIDTH_MS
# The drift begins in pane 15 of 30; the kill comes in pane 18, between two alerts.
N_BEFORE = 18 * 50 * 2


def test_a_killed_task_manager_changes_no_alert_and_no_score(
    kafka_broker: KafkaBroker, tmp_path: Path
) -> None:
    topics = make_topics(kafka_broker)
    stream = model_stream(["steady", "moved"], N_PANES, shifted_from_pane=15)
    with FlinkCluster() as cluster:
        path, _ = topics.config(tmp_path)
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
        undisturbed_alerts, undisturbed_scores = _undisturbed_run(topics, cluster, tmp_path)
        topics.wait_for(
            topics.scores,
            lambda v: len(by_id(v, "score_id")) >= len(undisturbed_scores),
            timeout_s=120,
        )
        n_restarts = cluster.rest.checkpoints(job_id)["counts"]["restored"]
        cluster.rest.cancel(job_id)

    assert n_restarts == 1
    assert by_id(topics.read(topics.scores), "score_id") == undisturbed_scores
    assert by_id(topics.read(topics.alerts), "alert_id") == undisturbed_alerts
    assert undisturbed_alerts
    assert topics.read(topics.dead_letters) == []


def _undisturbed_run(
    topics: Topics, cluster: FlinkCluster, folder: Path
) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """The same input topic, read to its end by a second job that nobody disturbs."""
    outputs = make_topics(topics.broker)
    outputs.inference = topics.inference
    path, _ = outputs.config(folder, {"bounded = false": "bounded = true"})
    job_id = cluster.submit(DRIFT_JOB, ["--config", str(path)])
    cluster.rest.wait_for(job_id, "FINISHED", timeout_s=120)
    return (
        by_id(outputs.read(outputs.alerts), "alert_id"),
        by_id(outputs.read(outputs.scores), "score_id"),
    )
