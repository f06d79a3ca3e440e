"""The whole job on a real broker and a real cluster, with the settings that others leave out."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from flink_jobs.cluster.submission import DRIFT_JOB
from flink_jobs.embedded.flink_cluster import FlinkCluster
from flink_jobs.embedded.kafka_broker import KafkaBroker
from tests.system.streams import START_MS, WIDTH_MS, by_id, encoded, make_topics, model_stream

pytestmark = pytest.mark.system

N_PANES = 12
END_MS = START_MS + N_PANES * WIDTH_MS


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
    """PCA and MMD on count windows against a training set; other tests have BBSDs and KS."""
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
        'kind = "level_per_window"\n': 'kind = "level_per_window"\nlevel = 0.005\n',
        "[job]\n": (
            '[detector]\nreducer = {kind = "pca", n_components = 2}\n'
            'test = {kind = "mmd", n_permutations = 199}\n'
            "[job]\n"
        ),
    }
