"""The whole job on a real broker and a real cluster."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from pathlib import Path

import msgspec
import numpy as np
import pytest

from flink_jobs.embedded.flink_cluster import FlinkCluster
from flink_jobs.embedded.kafka_broker import KafkaBroker
from flink_jobs.embedded.submission import DRIFT_JOB
from flink_jobs.records.dead_letters import DeadLetter, Reason
from tests.system.streams import (
    START_MS,
    WIDTH_MS,
    Record,
    by_id,
    encoded,
    make_topics,
    model_stream,
)

pytestmark = pytest.mark.system

N_PANES = 12
END_MS = START_MS + N_PANES * WIDTH_MS
_GOOD = b'{"schema_version":1,"event_id":"x","features":[0,0],"outputs":[0.2,0.3,0.5]}'
BAD = {
    Reason.MISSING_KEY: Record(None, _GOOD, END_MS - 1, 0),
    Reason.MISSING_PAYLOAD: Record("steady", None, END_MS - 1, 0),
    Reason.OVERSIZED_PAYLOAD: Record("steady", b" " * 5_001, END_MS - 1, 1),
    Reason.UNDECODABLE: Record("steady", b"{", END_MS - 1, 0),
    Reason.UNKNOWN_SCHEMA_VERSION: Record("steady", b'{"schema_version":7}', END_MS - 1, 1),
    Reason.INVALID_EVENT: Record("steady", b'{"schema_version":1}', END_MS - 1, 0),
    Reason.WRONG_LENGTH: Record("steady", _GOOD.replace(b"[0,0]", b"[0]"), END_MS - 1, 1),
    Reason.NOT_FINITE: Record("steady", _GOOD.replace(b"[0,0]", b"[0,NaN]"), END_MS - 1, 0),
    Reason.NOT_A_DISTRIBUTION: Record("steady", _GOOD.replace(b"0.5", b"0.9"), END_MS - 1, 1),
}


def test_a_mixture_of_good_and_bad_events_is_accounted_for_to_the_last_one(
    kafka_broker: KafkaBroker, flink_cluster: FlinkCluster, tmp_path: Path
) -> None:
    topics = make_topics(kafka_broker)
    path, config = topics.config(tmp_path)
    topics.write(model_stream(["steady", "moved"], N_PANES, shifted_from_pane=7))
    topics.write(BAD.values())
    topics.heartbeat(END_MS + WIDTH_MS)
    expected_alerts, expected_scores = encoded(topics.expected(config))
    n_before = len(topics.written)

    job_id = flink_cluster.submit(DRIFT_JOB, ["--config", str(path)])
    topics.wait_for(topics.scores, lambda v: len(v) >= len(expected_scores), timeout_s=120)
    # Event time has moved on: now one event is late, and one is far ahead of the clock.
    far_ms = int(time.time() * 1000) + 10 * 3_600_000
    topics.write([Record("steady", _GOOD, START_MS, 0), Record("steady", _GOOD, far_ms, 1)])
    n_dead = len(BAD) + 2
    topics.wait_for(topics.dead_letters, lambda v: len(v) >= n_dead, timeout_s=60)
    flink_cluster.rest.cancel(job_id)

    scores = by_id(topics.read(topics.scores), "score_id")
    assert scores == expected_scores
    assert by_id(topics.read(topics.alerts), "alert_id") == expected_alerts
    assert {msgspec.json.decode(a)["model"] for a in expected_alerts.values()} == {"moved"}
    dead = [msgspec.json.decode(v, type=DeadLetter) for v in topics.read(topics.dead_letters)]
    wanted = Counter({reason: 1 for reason in [*BAD, Reason.LATE, Reason.FAR_FUTURE]})
    assert Counter(d.reason for d in dead) == wanted
    places = {(r.partition, offset): r for r, offset in topics.written}
    for each in dead:
        record = places[each.partition, each.offset]
        assert each.payload == (None if record.value is None else record.value[:50])
        assert each.event_time_ms == record.time_ms
    tested = sum(msgspec.json.decode(s)["window"]["n_events"] for s in scores.values())
    n_references = 2 * 100
    n_heartbeats = 2
    assert tested + n_references + len(BAD) + n_heartbeats == n_before


def test_exactly_once_on_two_slots_leaves_no_duplicate_for_readers_of_committed_records(
    kafka_broker: KafkaBroker, flink_cluster: FlinkCluster, tmp_path: Path
) -> None:
    topics = make_topics(kafka_broker)
    path, config = topics.config(tmp_path, {**_other_detector(tmp_path), **EXACTLY_ONCE})
    topics.write(model_stream(["steady", "moved"], N_PANES, shifted_from_pane=7))
    topics.heartbeat(END_MS + WIDTH_MS)
    expected_alerts, expected_scores = encoded(topics.expected(config))

    job_id = flink_cluster.submit(DRIFT_JOB, ["--config", str(path)])
    topics.wait_for(topics.scores, lambda v: len(v) >= len(expected_scores), timeout_s=120)
    flink_cluster.rest.wait_for_checkpoint(job_id)
    flink_cluster.rest.wait_for_checkpoint(job_id)
    flink_cluster.rest.cancel(job_id)

    scores = topics.read(topics.scores, committed_only=True)
    alerts = topics.read(topics.alerts, committed_only=True)
    assert len(scores) == len(expected_scores) == 2 * ((N_PANES * 50 - 100) // 50 + 1)
    assert by_id(scores, "score_id") == expected_scores
    assert len(alerts) == len(expected_alerts) > 0
    assert by_id(alerts, "alert_id") == expected_alerts


EXACTLY_ONCE = {'delivery = "at_least_once"': 'delivery = "exactly_once"\nparallelism = 2'}


def _other_detector(folder: Path) -> dict[str, str]:
    """PCA and MMD on count windows against a training set; the other test has BBSDs and KS."""
    training_set = folder / "training.npz"
    np.savez(training_set, features=np.random.default_rng(7).normal(size=(150, 2)))
    digest = hashlib.sha256(training_set.read_bytes()).hexdigest()
    return {
        'kind = "time"\nsize_ms = 20000\nslide_ms = 20000\nmin_events = 2\n': (
            'kind = "count"\nsize = 100\nslide = 50\n'
        ),
        'kind = "first_events"\nn_events = 100\n': (
            f'kind = "artefact"\npath = "{training_set}"\nsha256 = "{digest}"\n'
        ),
        "[job]\n": (
            '[detector]\nreducer = {kind = "pca", n_components = 2}\n'
            'test = {kind = "mmd", n_permutations = 199}\n'
            '[calibration]\nkind = "level_per_window"\nlevel = 0.005\n[job]\n'
        ),
    }
