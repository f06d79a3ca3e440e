"""Broker and JobManager die in mid-stream, exactly-once: results must not show it."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import msgspec
import pytest

from flink_jobs.cluster.submission import DRIFT_JOB
from flink_jobs.embedded.flink_cluster import FlinkCluster
from flink_jobs.embedded.kafka_broker import KafkaBroker
from flink_jobs.records.alerts import Alert, AlertKind, Score
from flink_jobs.records.control import Audit, Command, Outcome, Pause, PlacedCommand, Snooze
from scripts.faults.scenarios.kills import has_slots, newest_checkpoint
from scripts.faults.stage import SETTINGS, wait_until
from tests.system.streams import (
    START_MS,
    WIDTH_MS,
    Topics,
    by_id,
    encoded,
    make_topics,
    model_stream,
)
from tests.warm_client.client import WarmClient

pytestmark = pytest.mark.faults

MODELS = ["steady", "paused", "moved"]
N_PANES = 30
PER_PANE = 50 * len(MODELS)
END_MS = START_MS + N_PANES * WIDTH_MS
# Both kills come before the drift and before the moments that the commands name.
PAUSE_MS = START_MS + 20 * WIDTH_MS
DRIFT_PANE = 22
SNOOZE_MS, AWAKE_MS = START_MS + 21 * WIDTH_MS, START_MS + 26 * WIDTH_MS


@dataclass
class Survived:
    """What lies on the topics, for readers of committed records, and what should."""

    alerts: list[bytes]
    scores: list[bytes]
    audits: list[bytes]
    dead_letters: list[bytes]
    expected_alerts: dict[str, bytes]
    expected_scores: dict[str, bytes]
    n_restarts: int


@pytest.fixture(scope="module")
def survived(warm_client: WarmClient, tmp_path_factory: pytest.TempPathFactory) -> Survived:
    """A job whose broker and whose JobManager were killed, each with events on their way."""
    # kafka-python warns about every connection that a killed broker takes with it.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    stream = model_stream(MODELS, N_PANES, shifted_from_pane=DRIFT_PANE)
    with (
        KafkaBroker() as broker,
        FlinkCluster(settings=SETTINGS, submit_by=warm_client.submit_job) as cluster,
    ):
        topics = make_topics(broker)
        path, config = topics.config(
            tmp_path_factory.mktemp("kills"),
            {'delivery = "at_least_once"': 'delivery = "exactly_once"'},
            takes_commands=True,
        )
        job_id = cluster.submit(DRIFT_JOB, ["--config", str(path)])
        topics.write(stream[: 8 * PER_PANE])
        commands = _send(topics)
        topics.wait_for(topics.audit, lambda values: len(values) >= 2, timeout_s=120)
        cluster.rest.wait_for_checkpoint(job_id)

        topics.write(stream[8 * PER_PANE : 13 * PER_PANE])
        broker.kill()
        broker.restart()

        cluster.rest.wait_for_checkpoint(job_id, timeout_s=120)
        topics.write(stream[13 * PER_PANE : 18 * PER_PANE])
        cluster.kill_job_manager()
        cluster.start_job_manager()
        wait_until(lambda: has_slots(cluster), "the TaskManager did not come back", 120)
        checkpoint = newest_checkpoint(cluster.directory / "checkpoints" / job_id)
        job_id = cluster.submit(DRIFT_JOB, ["--config", str(path)], savepoint=checkpoint)

        topics.write(stream[18 * PER_PANE :])
        topics.heartbeat(END_MS + WIDTH_MS)
        alerts, scores = encoded(topics.expected(config, commands, until_ms=END_MS))
        topics.wait_for(
            topics.scores, lambda v: len(by_id(v, "score_id")) >= len(scores), timeout_s=120
        )
        # A transaction is committed after its checkpoint: the next one shows that it was.
        cluster.rest.wait_for_checkpoint(job_id)
        cluster.rest.wait_for_checkpoint(job_id)
        n_restarts = int(cluster.rest.checkpoints(job_id)["counts"]["restored"])
        cluster.rest.cancel(job_id)
        return Survived(
            alerts=topics.read(topics.alerts, committed_only=True),
            scores=topics.read(topics.scores, committed_only=True),
            audits=topics.read(topics.audit, committed_only=True),
            dead_letters=topics.read(topics.dead_letters, committed_only=True),
            expected_alerts=alerts,
            expected_scores=scores,
            n_restarts=n_restarts,
        )


def _send(topics: Topics) -> list[PlacedCommand]:
    """One command to a model and one to a pattern of models; both name a time to come."""
    commands: list[Command] = [
        Pause(command_id="c-1", model="paused", effective_ms=PAUSE_MS),
        Snooze(command_id="c-2", model="mov*", effective_ms=SNOOZE_MS, until_ms=AWAKE_MS),
    ]
    return [PlacedCommand(each, 0, topics.command(each.model, each)) for each in commands]


def _end_ms(score: Score) -> int:
    return score.window.end_ms


def test_each_alert_and_each_score_is_there_exactly_once(survived: Survived) -> None:
    assert survived.n_restarts >= 1
    assert by_id(survived.scores, "score_id") == survived.expected_scores
    assert by_id(survived.alerts, "alert_id") == survived.expected_alerts
    assert len(survived.scores) == len(survived.expected_scores) > 0
    assert len(survived.alerts) == len(survived.expected_alerts) > 0
    assert survived.dead_letters == []


def test_commands_given_before_the_kills_take_effect_after_them(survived: Survived) -> None:
    alerts = [msgspec.json.decode(value, type=Alert) for value in survived.alerts]
    scores = [msgspec.json.decode(value, type=Score) for value in survived.scores]

    started = [a for a in alerts if a.model == "moved" and a.kind == AlertKind.STARTED]
    assert [alert.window.end_ms for alert in started] == [AWAKE_MS]
    last_ms = {score.model: score.window.end_ms for score in sorted(scores, key=_end_ms)}
    assert last_ms == {"steady": END_MS, "moved": END_MS, "paused": PAUSE_MS}


def test_each_command_is_answered_once_at_each_step(survived: Survived) -> None:
    audits = [msgspec.json.decode(value, type=Audit) for value in survived.audits]

    answers = sorted((a.offset, a.model, a.outcome) for a in audits)

    assert answers == [
        (0, "paused", Outcome.APPLIED),
        (0, "paused", Outcome.WAITING),
        (1, "mov*", Outcome.ACCEPTED),
        (1, "moved", Outcome.APPLIED),
        (1, "moved", Outcome.WAITING),
    ]
