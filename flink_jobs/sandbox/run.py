"""The sandbox from beginning to end."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from flink_jobs.cluster.launch import settings_of_topics, submit_range_job, topics_of
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.dashboard.errors import DashboardError
from flink_jobs.dashboard.feed import Topics
from flink_jobs.dashboard.serve import Address, Dashboard, require_free
from flink_jobs.histories.errors import BacktestError
from flink_jobs.kafka.job_output import JobOutput
from flink_jobs.kafka.ranges import RangeJob
from flink_jobs.kafka.topics import admin_client, create_topics
from flink_jobs.records.wording import count
from flink_jobs.replay.on_flink.own_topics import topic_settings
from flink_jobs.sandbox.example_event import example_of, sending_command
from flink_jobs.sandbox.health import Health
from flink_jobs.sandbox.history import History, read_history
from flink_jobs.sandbox.job import sandbox_config
from flink_jobs.sandbox.parts import flink_at, kafka_at, require_parts, running_job, several_parts
from flink_jobs.sandbox.screen import Screen
from flink_jobs.sandbox.session import Session
from flink_jobs.sandbox.steps import step
from flink_jobs.times import between, duration

PAGE_PORT = 8765
_EVENT_FILE = "event.json"


@dataclass(frozen=True, kw_only=True)
class SandboxOptions:
    """Choices of a user.

    Attributes
    ----------
    config : DriftJobConfig
    history : str or None
        A file or folder to feed; None waits for events of the user's own.
    speed : float or None
        Seconds of event time in a second; 0 is as fast as it goes, None takes two minutes.
    until_now : bool
        Whether event times are moved so that the last one is now.
    exit_at_end : bool
        Whether to end once the job has seen all of the history.
    page_port : int or None
        None for :data:`PAGE_PORT`, or for any other where that is taken.
    output : Path
        Folder for alerts and logs; made when missing.
    """

    config: DriftJobConfig
    history: str | None = None
    speed: float | None = None
    until_now: bool = False
    exit_at_end: bool = False
    page_port: int | None = None
    output: Path = Path("sandbox-output")


def run_sandbox(options: SandboxOptions, console: Console) -> Screen:
    """Run the job until Ctrl-C, or until the history is over; returns what was counted.

    Raises
    ------
    BacktestError, EmbeddedError, FollowError
        When the history cannot be read or a part fails; the message says what to do.
    KeyboardInterrupt
        When Ctrl-C comes before the job runs.
    """
    require_parts()
    address = _page_address(options.page_port)
    options = replace(options, output=_fresh_folder(options.output))
    with Screen(console, options.output / "alerts.jsonl") as screen:
        history = _read(options.history, options.config, screen) if options.history else None
        try:
            with several_parts() as stack:
                session = _start(stack, options, address, screen)
                with contextlib.suppress(KeyboardInterrupt):
                    _run(session, options, history, screen)
                screen.say("Stopping; this takes some seconds.")
        finally:
            screen.say(f"{screen.summary()}. Alerts and logs are in {options.output}.")
    return screen


def _page_address(port: int | None) -> Address:
    """Refuse a port that is taken, before anything is started."""
    address = Address(port=PAGE_PORT if port is None else port)
    try:
        require_free(address)
    except DashboardError:
        if port is not None:
            raise
        return Address(port=0)
    return address


def _fresh_folder(output: Path) -> Path:
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BacktestError(
            f"cannot write to {output}: {error.strerror}; choose --output"
        ) from error
    return output.resolve()


def _read(name: str, config: DriftJobConfig, screen: Screen) -> History:
    with screen.bar("Reading the history") as tell:
        history = read_history(name, config, tell)
    counts = history.counts
    screen.say(
        f"{count(counts.n_events, 'event')} of {count(len(counts.n_by_model), 'model')}, "
        f"{between(counts.first_ms, counts.last_ms)}"
    )
    for warning in history.source.warnings:
        screen.say(f"Note: {warning}.")
    return history


def _start(
    stack: contextlib.ExitStack, options: SandboxOptions, address: Address, screen: Screen
) -> Session:
    logs, feeds_history = options.output / "logs", options.history is not None
    with step(screen.console, "Kafka broker"):
        servers = stack.enter_context(kafka_at(None, logs))
        config = sandbox_config(options.config, servers, feeds_history=feeds_history)
        _make_topics(config)
    with step(screen.console, "Flink cluster"):
        jobmanager = stack.enter_context(flink_at(None, logs))
    with step(screen.console, "drift job"):
        job = stack.enter_context(
            running_job(jobmanager, lambda where: submit_range_job(where, RangeJob(config)))
        )
    page = stack.enter_context(_page(config, address))
    stack.enter_context(page.serving_beside())
    job_output = stack.enter_context(_output_of(config))
    screen.say(f"  The live page     {page.url}")
    screen.say(f"  Flink's own page  http://{jobmanager}/")
    screen.say(f"  The broker        {servers}, topic {config.kafka.inference_topic}")
    if not feeds_history:
        for line in _how_to_send(config, options.output / _EVENT_FILE):
            screen.say(line)
    return Session(config, Health(job), job_output, screen)


def _output_of(config: DriftJobConfig) -> JobOutput:
    kafka = config.kafka
    return JobOutput(
        kafka.bootstrap_servers,
        alerts=kafka.alerts_topic,
        scores=kafka.scores_topic,
        dead_letters=kafka.dead_letters_topic,
    )


def _make_topics(config: DriftJobConfig) -> None:
    reads, writes = topics_of(config)
    kafka = config.kafka
    settings = {kafka.inference_topic: topic_settings(config)} | settings_of_topics(config)
    with admin_client(kafka.bootstrap_servers, kafka.properties) as admin:
        # One partition: a history then arrives in the order in which a backtest reads it.
        create_topics(admin, sorted({*reads, *writes}), settings, n_partitions=1)


def _page(config: DriftJobConfig, address: Address) -> Dashboard:
    kafka = config.kafka
    topics = Topics(
        bootstrap_servers=kafka.bootstrap_servers,
        alerts=kafka.alerts_topic,
        scores=kafka.scores_topic,
        audit=kafka.audit_topic,
        status=kafka.status_topic,
        evidence=kafka.evidence_topic,
    )
    return Dashboard(topics, address, control_topic=kafka.control_topic, issued_by="sandbox")


def _how_to_send(config: DriftJobConfig, file: Path) -> Iterator[str]:
    kafka = config.kafka
    example = example_of(config)
    if example is None:
        yield f"Let your service write to that topic what it writes ({config.input.format})."
        return
    file.write_text(example.value, encoding="utf-8")
    yield f"{file} holds an event as the configuration describes it. This sends it:"
    yield f"  {sending_command(example, file, kafka.bootstrap_servers, kafka.inference_topic)}"


def _run(
    session: Session, options: SandboxOptions, history: History | None, screen: Screen
) -> None:
    if history is None:
        session.look_for_ever("Waiting for events; Ctrl-C ends it")
    speed = history.default_speed() if options.speed is None else options.speed
    shift_ms = history.shift_ms(speed, int(time.time() * 1000)) if options.until_now else 0
    times = f"{speed:,.0f}" if speed >= 100 else f"{speed:.3g}"
    takes = f"{times} times real time: {duration(history.span_ms / speed)}" if speed else ""
    screen.say(f"Feeding the history at {takes or 'the speed of the broker'}.")
    session.feed(
        history,
        options.config,
        speed=speed,
        shift_ms=shift_ms,
        exit_at_end=options.exit_at_end,
    )
