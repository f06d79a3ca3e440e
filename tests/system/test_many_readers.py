"""Several source subtasks: they read what one reads, and every record is accounted for."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from kafka import KafkaAdminClient
from kafka.admin import NewPartitions

from flink_jobs.cluster.submission import DRIFT_JOB
from flink_jobs.embedded.flink_cluster import FlinkCluster
from flink_jobs.embedded.kafka_broker import KafkaBroker
from flink_jobs.intake.formats.json import HEARTBEAT_KEY
from flink_jobs.records.alerts import Score
from flink_jobs.records.dead_letters import DeadLetter, Reason
from tests.system.streams import (
    START_MS,
    WIDTH_MS,
    Record,
    Topics,
    by_id,
    encoded,
    make_topics,
    model_stream,
)

pytestmark = pytest.mark.system

N_PANES = 12
END_MS = START_MS + N_PANES * WIDTH_MS
N_REFERENCE = 100
# Long enough that no test waits for it: what is idle must be known by other signs.
NEVER_IDLE = {"idle_timeout_ms = 60000\n": "idle_timeout_ms = 600000\n"}
SOON_IDLE = {"idle_timeout_ms = 60000\n": "idle_timeout_ms = 1000\n"}


DISCOVERED_S = 6.0


def parallelism(n: int) -> dict[str, str]:
    return {"[job]\n": f"[job]\nparallelism = {n}\n"}


@pytest.mark.parametrize(("n_subtasks", "n_shards"), [(1, 1), (4, 128)])
def test_any_number_of_readers_and_shards_gives_the_records_of_the_monitor_alone(
    kafka_broker: KafkaBroker,
    flink_cluster: FlinkCluster,
    tmp_path: Path,
    n_subtasks: int,
    n_shards: int,
) -> None:
    topics = make_topics(kafka_broker)
    shards = {"checkpoint_interval_ms": f"max_parallelism = {n_shards}\ncheckpoint_interval_ms"}
    path, config = topics.config(tmp_path, parallelism(n_subtasks) | shards | NEVER_IDLE)
    topics.write(model_stream([f"m-{i}" for i in range(5)], N_PANES, shifted_from_pane=7))
    topics.heartbeat(END_MS + WIDTH_MS)
    alerts, scores = encoded(topics.expected(config))

    job_id = flink_cluster.submit(DRIFT_JOB, ["--config", str(path)])
    found = topics.wait_for(topics.scores, lambda v: len(v) >= len(scores), timeout_s=120)
    flink_cluster.rest.stop_with_savepoint(job_id, tmp_path)

    assert by_id(found, "score_id") == scores
    assert by_id(topics.read(topics.alerts), "alert_id") == alerts
    assert topics.read(topics.dead_letters) == []


def test_old_rows_of_a_reader_that_was_idle_are_dead_letters(
    kafka_broker: KafkaBroker, flink_cluster: FlinkCluster, tmp_path: Path
) -> None:
    topics = make_topics(kafka_broker)
    path, _ = topics.config(tmp_path, parallelism(2) | SOON_IDLE)
    job_id = flink_cluster.submit(DRIFT_JOB, ["--config", str(path)])
    # The second partition is idle while the first one goes on for twelve panes.
    topics.write(on(0, model_stream(["ahead"], N_PANES, shifted_from_pane=99)))
    topics.wait_for(topics.scores, lambda v: len(v) >= 3, timeout_s=300)

    topics.write(on(1, model_stream(["behind"], N_PANES // 2, shifted_from_pane=99)))
    n_behind = N_PANES // 2 * 50
    topics.wait_for(topics.dead_letters, lambda v: len(v) >= n_behind, timeout_s=60)
    end(topics, flink_cluster, job_id, tmp_path)

    assert refused(topics) == {("behind", Reason.LATE): n_behind}
    assert events_in_windows(topics)["ahead"] == N_PANES * 50 - N_REFERENCE


def test_after_all_partitions_were_idle_every_record_is_used_or_late(
    kafka_broker: KafkaBroker, flink_cluster: FlinkCluster, tmp_path: Path
) -> None:
    topics = make_topics(kafka_broker)
    path, _ = topics.config(tmp_path, parallelism(2) | SOON_IDLE)
    job_id = flink_cluster.submit(DRIFT_JOB, ["--config", str(path)])
    stream = model_stream(["a", "b"], N_PANES, shifted_from_pane=99)
    half_ms = START_MS + N_PANES // 2 * WIDTH_MS
    topics.write(each for each in stream if each.time_ms < half_ms)
    topics.wait_for(topics.scores, lambda v: len(v) >= 2, timeout_s=120)
    time.sleep(3)

    # They come back one after the other, the second with rows from before the pause.
    topics.write(on(0, (each for each in stream if each.time_ms >= half_ms)))
    time.sleep(3)
    topics.write(on(1, model_stream(["old"], 4, shifted_from_pane=99)))
    topics.wait_for(topics.dead_letters, lambda v: len(v) >= 200, timeout_s=60)
    end(topics, flink_cluster, job_id, tmp_path)

    assert refused(topics) == {("old", Reason.LATE): 200}
    assert events_in_windows(topics) == {m: N_PANES * 50 - N_REFERENCE for m in ("a", "b")}


def test_a_partition_that_is_added_is_read_within_seconds_and_makes_no_record_late(
    kafka_broker: KafkaBroker, flink_cluster: FlinkCluster, tmp_path: Path
) -> None:
    topics = make_topics(kafka_broker)
    path, config = topics.config(tmp_path, parallelism(2) | NEVER_IDLE)
    stream = model_stream(["steady", "moved"], N_PANES, shifted_from_pane=7)
    half_ms = START_MS + N_PANES // 2 * WIDTH_MS
    job_id = flink_cluster.submit(DRIFT_JOB, ["--config", str(path)])
    topics.write(each for each in stream if each.time_ms < half_ms)
    topics.wait_for(topics.scores, lambda v: len(v) >= 2, timeout_s=120)

    with closing(KafkaAdminClient(bootstrap_servers=kafka_broker.bootstrap_servers)) as admin:
        admin.create_partitions({topics.inference: NewPartitions(3)})
    # Event time runs faster here than the clock: before it is found, it would be left behind.
    time.sleep(DISCOVERED_S)
    rest = [each for each in stream if each.time_ms >= half_ms]
    # By time, each on all three partitions, so that the new one is neither ahead nor behind.
    topics.write(Record(each.key, each.value, each.time_ms, i % 3) for i, each in enumerate(rest))
    topics.write(Record(HEARTBEAT_KEY, b"", END_MS + WIDTH_MS, p) for p in range(3))
    alerts, scores = encoded(topics.expected(config))
    found = topics.wait_for(topics.scores, lambda v: len(v) >= len(scores), timeout_s=60)
    flink_cluster.rest.stop_with_savepoint(job_id, tmp_path)

    assert by_id(found, "score_id") == scores
    assert by_id(topics.read(topics.alerts), "alert_id") == alerts
    assert topics.read(topics.dead_letters) == []


def on(partition: int, records: Iterable[Record]) -> list[Record]:
    return [Record(each.key, each.value, each.time_ms, partition) for each in records]


def end(topics: Topics, cluster: FlinkCluster, job_id: str, folder: Path) -> None:
    """Close all windows and wait for what they give."""
    topics.heartbeat(END_MS + 10 * WIDTH_MS)
    topics.wait_for(topics.scores, lambda _: _is_tested_to_the_end(topics), timeout_s=60)
    cluster.rest.stop_with_savepoint(job_id, folder)


def _is_tested_to_the_end(topics: Topics) -> bool:
    scores = [msgspec.json.decode(v, type=Score) for v in topics.read(topics.scores)]
    return max(score.window.end_ms for score in scores) >= END_MS


def events_in_windows(topics: Topics) -> Counter[str]:
    """Events in test windows, by model."""
    found: Counter[str] = Counter()
    for value in by_id(topics.read(topics.scores), "score_id").values():
        score = msgspec.json.decode(value, type=Score)
        found[score.model] += score.window.n_events
    return found


def refused(topics: Topics) -> dict[tuple[str, Reason], int]:
    """Dead letters by model and reason."""
    letters = [msgspec.json.decode(v, type=DeadLetter) for v in topics.read(topics.dead_letters)]
    return dict(Counter((str(each.model), each.reason) for each in letters))
