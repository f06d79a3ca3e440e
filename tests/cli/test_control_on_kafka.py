"""`loudly control` on real topics, with a thread in the place of the job."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from typer.testing import CliRunner, Result

from flink_jobs.cli import app
from flink_jobs.embedded.kafka_broker import KafkaBroker
from flink_jobs.records.command_decoder import UnusableCommandError, decode_command, refusal
from flink_jobs.records.control import (
    Audit,
    Command,
    Configure,
    Outcome,
    PlacedCommand,
    Snooze,
    audit_id,
    encode_audit,
    is_pattern,
    kind_of,
)
from tests.records.examples import make_audit

pytestmark = pytest.mark.integration
_names = itertools.count()


class Topics(NamedTuple):
    """Where commands go and answers come from."""

    broker: KafkaBroker
    control: str
    audit: str


class AnsweringJob:
    """Reads commands as the job does and answers each as it is told."""

    def __init__(self, topics: Topics, answer: Callable[[PlacedCommand], list[Audit]]) -> None:
        self.commands: list[Command] = []
        self._topics = topics
        self._answer = answer
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> AnsweringJob:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        address = self._topics.broker.bootstrap_servers
        consumer = KafkaConsumer(bootstrap_servers=address, auto_offset_reset="earliest")
        consumer.assign([TopicPartition(self._topics.control, 0)])
        producer = KafkaProducer(bootstrap_servers=address)
        try:
            while not self._stopped.is_set():
                for records in consumer.poll(timeout_ms=100).values():
                    for record in records:
                        for audit in self._take(record):
                            key, value = encode_audit(audit)
                            producer.send(self._topics.audit, key=key, value=value).get(timeout=30)
        finally:
            producer.close()
            consumer.close()

    def _take(self, record: Any) -> list[Audit]:
        place = record.partition, record.offset
        try:
            placed = decode_command(record.key, record.value, *place)
        except UnusableCommandError as error:
            return [refusal(error, *place, job="loudly")]
        self.commands.append(placed.command)
        return self._answer(placed)


@pytest.fixture
def topics(kafka_broker: KafkaBroker) -> Topics:
    number = next(_names)
    topics = Topics(kafka_broker, f"cli-control-{number}", f"cli-audit-{number}")
    kafka_broker.create_topic(topics.control)
    kafka_broker.create_topic(topics.audit, n_partitions=3)
    return topics


@pytest.fixture
def obedient(topics: Topics) -> Iterator[AnsweringJob]:
    with AnsweringJob(topics, lambda placed: [answered(placed)]) as job:
        yield job


def answered(placed: PlacedCommand, outcome: Outcome = Outcome.APPLIED, **changes: Any) -> Audit:
    command = placed.command
    model = changes.pop("model", command.model)
    answer = make_audit(
        audit_id=audit_id(placed.partition, placed.offset, model, outcome),
        outcome=outcome,
        reason="as told",
        command_id=command.command_id,
        kind=kind_of(command),
        model=model,
        issued_by=command.issued_by,
        partition=placed.partition,
        offset=placed.offset,
    )
    return msgspec.structs.replace(answer, **changes)


def loudly(topics: Topics, *arguments: str, wait_s: float = 60) -> Result:
    where = ["--bootstrap-servers", topics.broker.bootstrap_servers]
    where += ["--topic", topics.control, "--audit-topic", topics.audit, "--wait-s", str(wait_s)]
    return CliRunner().invoke(app, ["control", *arguments, *where], env={"COLUMNS": "200"})


@pytest.mark.parametrize(
    "arguments",
    [
        ["rebaseline", "fraud"],
        ["approve-current", "fraud"],
        ["snooze", "fraud", "--until-ms", "1767229200000"],
        ["acknowledge", "fraud", "--incident", "0a1b"],
        ["pause", "fraud"],
        ["resume", "fraud"],
        ["configure", "fraud", "--change", "{}"],
    ],
)
def test_every_command_arrives_and_its_answer_is_shown(
    topics: Topics, obedient: AnsweringJob, arguments: list[str]
) -> None:
    result = loudly(topics, *arguments)

    assert result.exit_code == 0, result.output
    kind = arguments[0].replace("-", "_")
    assert [kind_of(command) for command in obedient.commands] == [kind]
    assert f"✔ APPLIED   fraud  {kind} from 2026-01-01 00:40 UTC on: as told" in result.stdout


def test_options_become_keys_of_the_command(topics: Topics, obedient: AnsweringJob) -> None:
    result = loudly(
        topics,
        *["snooze", "fraud", "--until", "2026-01-01T02:00:00+01:00", "--command-id", "c-1"],
        *["--effective-ms", "1767225600000", "--issued-by", "on-call"],
    )

    assert obedient.commands == [
        Snooze(
            command_id="c-1",
            model="fraud",
            effective_ms=1_767_225_600_000,
            issued_by="on-call",
            until_ms=1_767_229_200_000,
        )
    ]
    assert "sent as c-1" in result.stderr


def test_a_change_may_come_from_a_file(
    topics: Topics, obedient: AnsweringJob, tmp_path: Path
) -> None:
    (tmp_path / "change.toml").write_text("[calibration]\nlevel = 0.01\n")

    loudly(topics, "configure", "fraud", "--change", str(tmp_path / "change.toml"))

    (command,) = obedient.commands
    assert isinstance(command, Configure)
    assert command.change == {"calibration": {"level": 0.01}}


def test_two_commands_have_ids_of_their_own_and_the_senders_name(
    topics: Topics, obedient: AnsweringJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LOUDLY_ISSUED_BY", raising=False)
    monkeypatch.setenv("USER", "on-call")

    for _ in range(2):
        loudly(topics, "pause", "fraud")

    first, second = obedient.commands
    assert first.command_id != second.command_id
    assert first.issued_by == second.issued_by == "on-call"


def test_describe_shows_a_table(topics: Topics) -> None:
    status = make_audit("describe").status

    with AnsweringJob(topics, lambda placed: [answered(placed, status=status)]):
        result = loudly(topics, "describe", "fraud")

    assert result.exit_code == 0
    assert "2,000 events of 2026-01-01 00:00–00:10 UTC" in result.stdout


def test_with_json_nothing_but_answers_is_on_standard_output(topics: Topics) -> None:
    status = make_audit("describe").status

    with AnsweringJob(topics, lambda placed: [answered(placed, status=status)]):
        result = loudly(topics, "describe", "fraud", "--json", "--command-id", "c-1")

    (line,) = result.stdout.splitlines()
    audit = msgspec.json.decode(line, type=Audit)
    assert audit.command_id == "c-1"
    assert audit.status == status


def test_a_refusal_is_shown_and_is_exit_status_1(topics: Topics) -> None:
    with AnsweringJob(topics, lambda placed: [answered(placed, Outcome.REFUSED)]):
        result = loudly(topics, "resume", "fraud")

    assert result.exit_code == 1
    assert "✖ REFUSED   fraud  resume" in result.stdout


def test_a_command_that_waits_for_its_time_ends_well(topics: Topics) -> None:
    with AnsweringJob(topics, lambda placed: [answered(placed, Outcome.WAITING)]):
        result = loudly(topics, "pause", "fraud", "--effective-ms", "1767229200000")

    assert result.exit_code == 0
    assert "◷ WAITING   fraud  pause" in result.stdout


def test_a_pattern_shows_the_answers_of_all_models_that_come_in_time(topics: Topics) -> None:
    def answer(placed: PlacedCommand) -> list[Audit]:
        assert is_pattern(placed.command.model)
        models = [answered(placed, model=model) for model in ("fraud-eu", "fraud-us")]
        return [answered(placed, Outcome.ACCEPTED, effective_ms=None), *models]

    with AnsweringJob(topics, answer):
        result = loudly(topics, "pause", "fraud-*", wait_s=12)

    assert result.exit_code == 0
    assert "→ ACCEPTED  fraud-*" in result.stdout
    assert "✔ APPLIED   fraud-eu" in result.stdout
    assert "✔ APPLIED   fraud-us" in result.stdout


def test_answers_to_others_are_passed_over(topics: Topics) -> None:
    def answer(placed: PlacedCommand) -> list[Audit]:
        other = answered(placed, audit_id="other", command_id="other", outcome=Outcome.REFUSED)
        return [other, answered(placed)]

    with AnsweringJob(topics, answer):
        result = loudly(topics, "pause", "fraud")

    assert result.exit_code == 0
    assert "REFUSED" not in result.stdout


def test_answers_of_the_past_are_not_shown_again(topics: Topics, obedient: AnsweringJob) -> None:
    for _ in range(2):
        result = loudly(topics, "pause", "fraud", "--command-id", "the-same")

        assert result.stdout.count("APPLIED") == 1


def test_no_answer_is_exit_status_3_and_says_what_to_check(topics: Topics) -> None:
    result = loudly(topics, "pause", "fraud", wait_s=1)

    assert result.exit_code == 3
    assert f'kafka.control_topic = "{topics.control}"' in result.stderr
    assert "the model fraud sends events" in result.stderr


def test_without_waiting_the_command_is_only_sent(topics: Topics, obedient: AnsweringJob) -> None:
    missing = topics._replace(audit="no-such-topic")

    result = loudly(missing, "pause", "fraud", wait_s=0)

    assert result.exit_code == 0
    assert result.stdout == ""
    # The second answer shows that the first command had arrived.
    loudly(topics, "resume", "fraud")
    assert [kind_of(command) for command in obedient.commands] == ["pause", "resume"]


def test_a_control_topic_that_does_not_exist_is_said_plainly(topics: Topics) -> None:
    result = loudly(topics._replace(control="no-such-topic"), "pause", "fraud")

    assert result.exit_code == 1
    assert "there is no topic 'no-such-topic'" in result.stderr
    assert "Traceback" not in result.output


def test_an_audit_topic_that_does_not_exist_ends_before_anything_is_sent(topics: Topics) -> None:
    result = loudly(topics._replace(audit="no-such-topic"), "pause", "fraud")

    assert result.exit_code == 1
    assert "there is no topic 'no-such-topic'" in result.stderr
    assert "sent as" not in result.stderr


def test_what_others_write_to_the_control_topic_is_refused_with_its_place(topics: Topics) -> None:
    producer = KafkaProducer(bootstrap_servers=topics.broker.bootstrap_servers)
    for value in (b"garbage", None):
        producer.send(topics.control, key=b"fraud", value=value).get(timeout=30)
    producer.close()

    with AnsweringJob(topics, lambda placed: [answered(placed)]):
        assert loudly(topics, "pause", "fraud").exit_code == 0

    consumer = KafkaConsumer(
        topics.audit,
        bootstrap_servers=topics.broker.bootstrap_servers,
        auto_offset_reset="earliest",
        consumer_timeout_ms=3_000,
    )
    audits = [json.loads(record.value) for record in consumer]
    consumer.close()
    refused = [audit for audit in audits if audit["outcome"] == "refused"]
    assert sorted(audit["offset"] for audit in refused) == [0, 1]
    assert all(audit["command_id"] is None for audit in refused)
