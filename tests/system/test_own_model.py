"""A model of the user's own in the job: the file goes along, and records are the monitor's."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from flink_jobs.cluster.submission import DRIFT_JOB
from flink_jobs.embedded.flink_cluster import FlinkCluster
from flink_jobs.embedded.kafka_broker import KafkaBroker
from tests.onnx_files import large_file
from tests.system.streams import START_MS, WIDTH_MS, by_id, encoded, make_topics, model_stream

pytestmark = pytest.mark.system

N_PANES = 12
END_MS = START_MS + N_PANES * WIDTH_MS
# More than Flink lets one message between its processes have (10 MB).
N_ROWS = 2_000_000


def test_a_model_travels_with_the_job_and_gives_the_records_of_the_monitor(
    kafka_broker: KafkaBroker, flink_cluster: FlinkCluster, tmp_path: Path
) -> None:
    file = tmp_path / "model.onnx"
    file.write_bytes(large_file(N_ROWS))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    topics = make_topics(kafka_broker)
    table = (
        "[detector.reducer]\n"
        'kind = "onnx_softmax"\n'
        f'path = "{file}"\n'
        f'sha256 = "{digest}"\n'
        "size = 3\n"
        "[job]\n"
    )
    path, config = topics.config(tmp_path, {"[job]\n": table})
    topics.write(model_stream(["steady", "moved"], N_PANES, shifted_from_pane=7))
    topics.heartbeat(END_MS + WIDTH_MS)
    expected_alerts, expected_scores = encoded(topics.expected(config, until_ms=END_MS + WIDTH_MS))

    job_id = flink_cluster.submit(DRIFT_JOB, ["--config", str(path)])
    topics.wait_for(topics.scores, lambda v: len(v) >= len(expected_scores), timeout_s=120)
    flink_cluster.rest.wait_for_checkpoint(job_id)
    state_bytes = flink_cluster.rest.checkpoints(job_id)["latest"]["completed"]["state_size"]
    flink_cluster.rest.cancel(job_id)

    assert state_bytes < 1_000_000 < file.stat().st_size
    assert by_id(topics.read(topics.scores), "score_id") == expected_scores
    alerts = by_id(topics.read(topics.alerts), "alert_id")
    assert alerts == expected_alerts
    assert len(alerts) > 0
