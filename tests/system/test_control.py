"""Commands to a real job on a real broker: each answered, each in force, none forgotten."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import msgspec
import pytest

from flink_jobs.cluster.submission import DRIFT_JOB
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.embedded.flink_cluster import FlinkCluster
from flink_jobs.embedded.kafka_broker import KafkaBroker
from flink_jobs.records.alerts import Alert, AlertKind, Cause, Score
from flink_jobs.records.control import (
    Acknowledge,
    ApproveCurrent,
    Audit,
    Command,
    Configure,
    Describe,
    Outcome,
    Pause,
    PlacedCommand,
    Rebaseline,
    Resume,
    Snooze,
)
from flink_jobs.records.dead_letters import DeadLetter, Reason
from tests.system.logs import workers_log
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

N_PANES = 8
CHANGE_MS = START_MS + N_PANES * WIDTH_MS
RESUME_MS = CHANGE_MS + 4 * WIDTH_MS
END_MS = CHANGE_MS + N_PANES * WIDTH_MS
SILENT_MS = 100_000
ROOM = 100
WINDOW_FIELDS = ("window_start_ms", "window_end_ms")
SHIFTED = ["known", "renewed", "approved", "loud", "strict"]
FIRST = ["paused", *SHIFTED]
LATER = ["new-1", "quiet-1"]
LATEST = ["new-2", "quiet-2"]
LAST_MS = END_MS + 3 * N_PANES * WIDTH_MS + 2 * SILENT_MS
BUSY = [Record("busy", b"", START_MS + index, 0) for index in range(ROOM + 30)]

REPLACED = {
    "[panes]\n": f"[panes]\nmax_raw_events = {ROOM}\n",
    "[job]\n": (
        f"[silence]\nafter_ms = {SILENT_MS}\n"
        '[[overrides]]\nmodels = "new-*"\nwindow = {size_ms = 10000, slide_ms = 10000}\n'
        "reference = {n_events = 50}\n"
        '[job]\nparallelism = 2\nstate_backend = "rocksdb"\n'
    ),
}


@dataclass
class Controlled:
    """A job that was commanded, stopped, restored, and then left without events."""

    topics: Topics
    config: DriftJobConfig
    commands: list[PlacedCommand] = field(default_factory=list)
    unreadable: list[int] = field(default_factory=list)
    log: str = ""

    def send(self, *commands: Command) -> None:
        """Send commands and remember where they lie."""
        for command in commands:
            offset = self.topics.command(command.model, command)
            self.commands.append(PlacedCommand(command, 0, offset))

    @cached_property
    def audits(self) -> list[Audit]:
        values = by_id(self.topics.read(self.topics.audit), "audit_id").values()
        return [msgspec.json.decode(value, type=Audit) for value in values]

    @cached_property
    def alerts(self) -> dict[str, bytes]:
        return by_id(self.topics.read(self.topics.alerts), "alert_id")

    @cached_property
    def scores(self) -> dict[str, bytes]:
        return by_id(self.topics.read(self.topics.scores), "score_id")

    @cached_property
    def dead_letters(self) -> list[DeadLetter]:
        values = self.topics.read(self.topics.dead_letters)
        return [msgspec.json.decode(value, type=DeadLetter) for value in values]

    def answers(self, kind: type[Command]) -> set[tuple[str | None, Outcome]]:
        """Who answered the commands of a kind, and how."""
        offsets = {c.offset for c in self.commands if isinstance(c.command, kind)}
        return {(a.model, a.outcome) for a in self.audits if a.offset in offsets}

    def expected(self) -> tuple[dict[str, bytes], dict[str, bytes]]:
        """Alerts and scores by the monitor alone, which was given the same commands."""
        full = {(letter.partition, letter.offset) for letter in self.dead_letters}
        expected = self.topics.expected(self.config, self.commands, full, until_ms=LAST_MS)
        return encoded(expected)


@pytest.fixture(scope="module")
def controlled(
    kafka_broker: KafkaBroker,
    flink_cluster: FlinkCluster,
    tmp_path_factory: pytest.TempPathFactory,
) -> Controlled:
    topics = make_topics(kafka_broker)
    path, config = topics.config(tmp_path_factory.mktemp("control"), REPLACED, takes_commands=True)
    job = Controlled(topics, config)
    n_logged = len(workers_log(flink_cluster))
    _write_events(topics, FIRST, 0)
    job_id = flink_cluster.submit(DRIFT_JOB, ["--config", str(path)])
    _wait_for_scores(job)
    _send_commands(job)
    topics.wait_for(topics.audit, lambda v: len(v) >= len(job.commands) + 2, timeout_s=60)
    _write_events(topics, [*FIRST, *LATER], N_PANES)
    _wait_for_scores(job)

    savepoint = flink_cluster.rest.stop_with_savepoint(job_id, path.parent)
    job_id = flink_cluster.submit(DRIFT_JOB, ["--config", str(path)], savepoint=savepoint)
    _write_events(topics, LATEST, 2 * N_PANES)
    _wait_for_scores(job)
    topics.heartbeat(LAST_MS + 1_000)
    n_silent = len(["busy", *FIRST, "new-1", "new-2"])
    topics.wait_for(topics.alerts, lambda v: _n_silent(v) >= n_silent, timeout_s=60)
    flink_cluster.rest.cancel(job_id)
    # Other jobs on the same cluster have logged before.
    job.log = workers_log(flink_cluster)[n_logged:]
    return job


def _write_events(topics: Topics, models: list[str], first_pane: int) -> None:
    """One partition after the other, so that one runs ahead of the other by all there is."""
    stream = model_stream(
        models, N_PANES, shifted_from_pane=4, shifted=SHIFTED, first_pane=first_pane
    )
    start_ms = START_MS + first_pane * WIDTH_MS
    if first_pane == 0:
        stream += [replace(record, value=stream[0].value) for record in BUSY]
    stream.sort(key=lambda record: (record.partition, record.time_ms))
    topics.write(stream)
    topics.heartbeat(start_ms + N_PANES * WIDTH_MS + 1_000)


def _wait_for_scores(job: Controlled) -> None:
    """Until the job has written what the monitor alone makes of the events so far."""
    _, scores = encoded(job.topics.expected(job.config, job.commands))
    job.topics.wait_for(job.topics.scores, lambda v: len(by_id(v, "score_id")) >= len(scores), 120)


def _send_commands(job: Controlled) -> None:
    alerts = [msgspec.json.decode(a, type=Alert) for a in job.topics.read(job.topics.alerts)]
    [incident] = {
        alert.incident_id
        for alert in alerts
        if alert.model == "known" and alert.kind == AlertKind.STARTED
    }
    at: dict[str, Any] = {"effective_ms": CHANGE_MS}
    job.send(
        Pause(command_id="c-1", model="paused", **at),
        Resume(command_id="c-2", model="paused", effective_ms=RESUME_MS),
        Acknowledge(command_id="c-3", model="known", incident_id=incident, **at),
        Rebaseline(command_id="c-4", model="renewed", **at),
        ApproveCurrent(command_id="c-5", model="approved", **at),
        Snooze(command_id="c-6", model="loud", until_ms=RESUME_MS, **at),
        Configure(
            command_id="c-7", model="strict", change={"policy": {"ongoing_every_ms": 50_000}}, **at
        ),
        Acknowledge(command_id="c-8", model="paused", incident_id="unknown", **at),
        Describe(command_id="c-9", model="known"),
        Describe(command_id="c-10", model="*d"),
        Pause(command_id="c-11", model="quiet-*"),
    )
    job.unreadable = [
        job.topics.command("known", b"{"),
        job.topics.command("*", b'{"kind": "stop", "command_id": "c-13", "model": "*"}'),
        job.topics.command(None, b'{"kind": "pause", "command_id": "c-14", "model": "known"}'),
    ]


def _n_silent(alerts: list[bytes]) -> int:
    return sum(msgspec.json.decode(a, type=Alert).cause == Cause.SILENCE for a in alerts)


def test_commands_hold_from_their_time_on_to_the_byte(controlled: Controlled) -> None:
    """Also: two partitions that are aligned give the results of two that come together."""
    alerts, scores = controlled.expected()

    assert controlled.scores == scores
    assert controlled.alerts == alerts
    uncommanded, _ = encoded(controlled.topics.expected(controlled.config))
    changed = {msgspec.json.decode(v)["model"] for k, v in uncommanded.items() if k not in alerts}
    assert changed == set(SHIFTED)


def test_every_command_to_one_model_is_answered_by_that_model(controlled: Controlled) -> None:
    applied, waiting, refused = Outcome.APPLIED, Outcome.WAITING, Outcome.REFUSED

    assert controlled.answers(Resume) == {("paused", waiting), ("paused", applied)}
    assert controlled.answers(Rebaseline) == {("renewed", applied)}
    assert controlled.answers(ApproveCurrent) == {("approved", applied)}
    assert controlled.answers(Snooze) == {("loud", applied)}
    assert controlled.answers(Configure) == {("strict", applied)}
    assert controlled.answers(Acknowledge) == {("known", applied), ("paused", refused)}


def test_a_description_shows_the_state_that_earlier_commands_left(controlled: Controlled) -> None:
    [place] = [c.offset for c in controlled.commands if c.command.command_id == "c-9"]

    [audit] = [a for a in controlled.audits if a.offset == place]

    assert audit.status is not None
    assert [incident.is_acknowledged for incident in audit.status.incidents] == [True]
    assert audit.status.views[0].n_monitored == N_PANES * 50 - 100


def test_a_pattern_is_accepted_once_and_answered_by_each_model_that_matches(
    controlled: Controlled,
) -> None:
    [place] = [c.offset for c in controlled.commands if c.command.command_id == "c-10"]

    audits = [a for a in controlled.audits if a.offset == place]

    assert sorted((a.outcome, a.model) for a in audits) == [
        (Outcome.ACCEPTED, "*d"),
        (Outcome.APPLIED, "approved"),
        (Outcome.APPLIED, "loud"),
        (Outcome.APPLIED, "paused"),
        (Outcome.APPLIED, "renewed"),
    ]


def test_a_pattern_holds_for_models_first_seen_later_even_after_a_restart(
    controlled: Controlled,
) -> None:
    places = {c.offset for c in controlled.commands if c.command.command_id in ("c-1", "c-11")}

    assert {a.model for a in controlled.audits if a.offset in places} == {
        "paused",
        "quiet-*",
        "quiet-1",
        "quiet-2",
    }
    scores = [msgspec.json.decode(s, type=Score) for s in controlled.scores.values()]
    assert not [s for s in scores if s.model.startswith("quiet")]


def test_what_is_no_command_is_refused_once(controlled: Controlled) -> None:
    audits = [a for a in controlled.audits if a.offset in controlled.unreadable]

    assert [(a.offset, a.outcome) for a in sorted(audits, key=lambda a: a.offset)] == [
        (offset, Outcome.REFUSED) for offset in controlled.unreadable
    ]


def test_a_new_model_is_watched_by_its_override_without_a_restart(controlled: Controlled) -> None:
    scores = [msgspec.json.decode(s, type=Score) for s in controlled.scores.values()]
    windows = [s.window for s in scores if s.model == "new-1"]

    assert len(windows) >= N_PANES - 1
    assert {w.end_ms - w.start_ms for w in windows} == {WIDTH_MS}


def test_models_that_fall_silent_raise_alerts_through_timers(controlled: Controlled) -> None:
    """The timers of all but the latest models were set before the savepoint."""
    alerts = [msgspec.json.decode(a, type=Alert) for a in controlled.alerts.values()]
    silent = [a for a in alerts if a.cause == Cause.SILENCE]

    last_ms = dict.fromkeys([*FIRST, "new-1"], END_MS)
    last_ms |= {"busy": START_MS + WIDTH_MS, "new-2": END_MS + N_PANES * WIDTH_MS}
    assert {a.model: a.window.end_ms for a in silent} == {
        model: ms + SILENT_MS for model, ms in last_ms.items()
    }


def test_a_full_pane_takes_as_many_events_as_it_has_room_for(controlled: Controlled) -> None:
    letters = controlled.dead_letters

    assert {(letter.model, letter.reason) for letter in letters} == {("busy", Reason.PANE_FULL)}
    offsets = {letter.offset for letter in letters}
    assert len(offsets) == len(letters) == len(BUSY) - ROOM


def notices(controlled: Controlled) -> list[dict[str, Any]]:
    """The lines of the TaskManager's log that are meant for programs."""
    lines = [line for line in controlled.log.splitlines() if "job_version" in line]
    return [msgspec.json.decode(line[line.index("{") :].strip()) for line in lines]


def test_notices_are_lines_of_json_that_say_which_job_and_which_model(
    controlled: Controlled,
) -> None:
    said = notices(controlled)

    assert {n["model"] for n in said} >= set(FIRST)
    assert all(n["job"] == "loudly" and n["text"] for n in said)


def test_the_log_names_model_detector_and_window_of_each_alert(controlled: Controlled) -> None:
    alerts = [msgspec.json.decode(value, type=Alert) for value in controlled.alerts.values()]
    windows = {(a.model, a.detector, a.window.start_ms, a.window.end_ms) for a in alerts}

    assert windows <= {
        tuple(notice.get(name) for name in ("model", "detector", *WINDOW_FIELDS))
        for notice in notices(controlled)
    }
