"""The embedded cluster runs shipped Python code against real Kafka and cleans up after itself."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from kafka import KafkaConsumer, KafkaProducer

from flink_jobs.cluster.artefact import build_artefact
from flink_jobs.cluster.errors import FlinkRestError, SubmissionError
from flink_jobs.cluster.submission import submit_job
from flink_jobs.embedded.flink_cluster import FlinkCluster
from flink_jobs.embedded.kafka_broker import KafkaBroker
from scripts.shared.processes import listening_addresses, process_group_members

pytestmark = pytest.mark.integration

_COPY_JOB = Path(__file__).with_name("copy_job.py")
_LINES = [f"line {number}" for number in range(100)]


def _topics(broker: KafkaBroker, name: str) -> tuple[str, str]:
    source, sink = f"{name}-in", f"{name}-out"
    broker.create_topic(source, 2)
    broker.create_topic(sink)
    with closing(KafkaProducer(bootstrap_servers=broker.bootstrap_servers)) as producer:
        for line in _LINES:
            producer.send(source, line.encode())
        producer.flush()
    return source, sink


def _read(broker: KafkaBroker, topic: str, n_records: int) -> list[str]:
    consumer = KafkaConsumer(
        topic, bootstrap_servers=broker.bootstrap_servers, auto_offset_reset="earliest"
    )
    with closing(consumer):
        return sorted(next(consumer).value.decode() for _ in range(n_records))


def test_a_job_reads_and_writes_kafka_through_python(
    flink_cluster: FlinkCluster, kafka_broker: KafkaBroker
) -> None:
    source, sink = _topics(kafka_broker, "copied")
    args = [kafka_broker.bootstrap_servers, source, sink]
    job_id = flink_cluster.submit("copy_job", args, python_files=[_COPY_JOB])
    flink_cluster.rest.wait_for(job_id, "FINISHED")
    assert _read(kafka_broker, sink, len(_LINES)) == sorted(line.upper() for line in _LINES)


def test_a_failing_submission_shows_the_python_error(
    flink_cluster: FlinkCluster, tmp_path: Path
) -> None:
    with pytest.raises(SubmissionError, match=r"TypeError: main\(\) missing 3 required"):
        submit_job(
            flink_cluster.jobmanager,
            "copy_job",
            build_artefact(tmp_path),
            python_files=[_COPY_JOB],
        )


def test_every_process_listens_on_the_loopback_interface_only(flink_cluster: FlinkCluster) -> None:
    for pid in flink_cluster.pids:
        assert listening_addresses(pid) == {"127.0.0.1"}


def test_an_unknown_job_is_a_clear_error(flink_cluster: FlinkCluster) -> None:
    with pytest.raises(FlinkRestError, match=r"404 \S+NotFoundException: Job 0{32} not found$"):
        flink_cluster.rest.status("0" * 32)


def test_a_killed_task_manager_can_be_replaced_and_nothing_is_left_after_an_error() -> None:
    pids: list[int] = []
    folders: list[Path] = []

    def replace_and_fail() -> None:
        with FlinkCluster(n_slots=1) as cluster:
            pids.extend(cluster.pids)
            folders.append(cluster.directory)
            killed = cluster.kill_task_manager()
            assert not process_group_members(killed)
            pids.append(cluster.start_task_manager())
            raise KeyError

    with pytest.raises(KeyError):
        replace_and_fail()
    assert len(pids) == 3
    assert [pid for pid in pids if process_group_members(pid)] == []
    assert [folder for folder in folders if folder.exists()] == []
