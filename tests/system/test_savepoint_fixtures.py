"""A job goes on from a savepoint, also at another parallelism and on RocksDB."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from flink_jobs.cluster.submission import DRIFT_JOB
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.embedded.flink_cluster import FlinkCluster
from flink_jobs.embedded.kafka_broker import KafkaBroker
from tests.state_fixtures import Record as Result
from tests.state_fixtures import Records as Results
from tests.state_fixtures import judged, records
from tests.system.logs import workers_log
from tests.system.savepoints import END_MS, FOLDER, results_on, savepoint_topics, stream
from tests.system.streams import START_MS, WIDTH_MS, Topics, by_id

pytestmark = pytest.mark.system

SAVEPOINT = str(FOLDER / "savepoint")


def test_a_job_goes_on_from_a_savepoint(
    kafka_broker: KafkaBroker, flink_cluster: FlinkCluster, tmp_path: Path
) -> None:
    topics = savepoint_topics(kafka_broker)
    before, after = stream()
    topics.write(before)

    path, config = topics.config(tmp_path)
    job_id = _submit(flink_cluster, path, SAVEPOINT)
    topics.write(after)
    topics.heartbeat(END_MS + WIDTH_MS)
    _wait_for_scores(topics, _n_after(topics, config))
    flink_cluster.rest.cancel(job_id)

    _check(results_on(topics), topics, config)


# Those of the middle of pane 9 on that are complete in the middle of pane 11: of panes 8-9, of all
# models but the one whose reference ends with them.
N_SCORES_AT_TWO = 5
AT_TWO_UNTIL_MS = START_MS + 11 * WIDTH_MS + WIDTH_MS // 2
ROCKSDB = 'state_backend = "rocksdb"\n'


def test_a_job_goes_on_at_two_and_then_four_slots_on_rocksdb(
    kafka_broker: KafkaBroker, flink_cluster: FlinkCluster, tmp_path: Path
) -> None:
    rest = flink_cluster.rest
    topics = savepoint_topics(kafka_broker)
    before, after = stream()
    topics.write(before)
    n_logged = len(workers_log(flink_cluster))

    # The savepoint was written at parallelism 1 from the heap.
    path, _ = topics.config(tmp_path, {"[job]\n": f"[job]\nparallelism = 2\n{ROCKSDB}"})
    job_id = _submit(flink_cluster, path, SAVEPOINT)
    topics.write(record for record in after if record.time_ms < AT_TWO_UNTIL_MS)
    _wait_for_scores(topics, N_SCORES_AT_TWO)
    rest.wait_for_checkpoint(job_id)
    rest.cancel(job_id)
    # Asked for now: until the job was cancelled each checkpoint removed the one before.
    checkpoint = rest.checkpoints(job_id)["latest"]["completed"]["external_path"]

    path, config = topics.config(tmp_path, {"[job]\n": f"[job]\nparallelism = 4\n{ROCKSDB}"})
    job_id = _submit(flink_cluster, path, checkpoint)
    topics.write(record for record in after if record.time_ms >= AT_TWO_UNTIL_MS)
    topics.heartbeat(END_MS + WIDTH_MS)
    _wait_for_scores(topics, _n_after(topics, config))
    n_subtasks = {vertex["parallelism"] for vertex in rest.job(job_id)["vertices"]}
    rest.cancel(job_id)

    _check(_without_repeated(topics), topics, config)
    assert max(n_subtasks) == 4
    assert "RocksDB" in workers_log(flink_cluster)[n_logged:]


def _submit(cluster: FlinkCluster, path: Path, savepoint: str) -> str:
    return cluster.submit(DRIFT_JOB, ["--config", str(path)], savepoint=savepoint)


def _results_before() -> Results:
    found = msgspec.json.decode((FOLDER / "results.json").read_bytes())
    return {"alerts": found["alerts"], "scores": found["scores"]}


def _n_after(topics: Topics, config: DriftJobConfig) -> int:
    """How many scores are to be written after the savepoint."""
    return len(topics.expected(config).scores) - len(_results_before()["scores"])


def _wait_for_scores(topics: Topics, n_scores: int) -> None:
    topics.wait_for(topics.scores, lambda v: len(by_id(v, "score_id")) >= n_scores, timeout_s=120)


def _without_repeated(topics: Topics) -> Results:
    """A job that goes on from a checkpoint repeats what it wrote after that, byte for byte."""
    alerts = by_id(topics.read(topics.alerts), "alert_id")
    scores = by_id(topics.read(topics.scores), "score_id")
    return {
        "alerts": [msgspec.json.decode(value) for value in alerts.values()],
        "scores": [msgspec.json.decode(value) for value in scores.values()],
    }


def _check(found: Results, topics: Topics, config: DriftJobConfig) -> None:
    """Both parts together are what the monitor alone makes of the stream; the incident goes on."""
    before, expected = _results_before(), records([topics.expected(config)])
    both = {kind: before[kind] + found[kind] for kind in expected}
    for kind in expected:
        assert found[kind]
        assert _in_order(both[kind]) == _in_order(expected[kind])
    ids = {score["score_id"] for score in found["scores"]}
    assert ids <= {score["score_id"] for score in expected["scores"]}
    assert {alert["model"] for alert in both["alerts"]} == {"moved"}
    assert [alert["kind"] for alert in found["alerts"]] == ["ongoing"] * len(found["alerts"])
    assert len({alert["incident_id"] for alert in both["alerts"]}) == 1
    assert topics.read(topics.dead_letters) == []


def _in_order(results: list[Result]) -> list[Result]:
    return sorted(map(judged, results), key=lambda r: (r["model"], r["window"]["start_ms"]))
