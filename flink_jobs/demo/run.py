"""The demonstration from beginning to end."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
from rich.console import Console

from flink_jobs.cluster.launch import require_cluster, submit_drift_job
from flink_jobs.demo.errors import DemoError
from flink_jobs.demo.job_file import Topics, write_job_file
from flink_jobs.demo.outcome import Reported, judge_models, unstable_note
from flink_jobs.demo.picture import title, write_html
from flink_jobs.demo.producer import produce
from flink_jobs.demo.screen import describe_streams, progress_bar, say_where, summary_table
from flink_jobs.demo.streams import ModelStream, make_streams
from flink_jobs.demo.topics import create_topics
from flink_jobs.demo.watch import Watch, wait_until_finished
from flink_jobs.kafka.reachable import require_reachable
from flink_jobs.records.alerts import Alert
from flink_jobs.reports.text.alerts import to_text
from flink_jobs.sandbox.parts import (
    flink_at,
    kafka_at,
    require_parts,
    running_job,
    several_parts,
)
from flink_jobs.sandbox.steps import step

_WAIT_S = 120.0


@dataclass(frozen=True)
class DemoOptions:
    """Choices of a user.

    Attributes
    ----------
    output : Path
        Folder for the page, records, configuration and logs; made when missing.
    seed : int
        Of the streams.
    seconds : float
        How long the stream takes; 0 is as fast as it goes.
    bootstrap_servers, jobmanager : str or None
        Existing parts to use; None starts own ones.
    topic_prefix : str
        How the topics' names begin.
    """

    output: Path
    seed: int = 0
    seconds: float = 45.0
    bootstrap_servers: str | None = None
    jobmanager: str | None = None
    topic_prefix: str = ""


def run_demo(options: DemoOptions, console: Console) -> bool:
    """Run everything; whether the job was right about every model.

    Raises
    ------
    DemoError, EmbeddedError, FollowError
        When a part fails; the message says what to do or where to look.
    """
    require_parts(options.bootstrap_servers)
    if options.jobmanager is not None:
        # A broker takes seconds to start, for nothing where there is no cluster.
        require_cluster(options.jobmanager)
    output = _fresh_folder(options.output)
    logs = output / "logs"
    streams = _announced_streams(options, console)
    topics = Topics().with_prefix(options.topic_prefix)
    with several_parts() as stack:
        with step(console, "Kafka broker"):
            kafka = stack.enter_context(kafka_at(options.bootstrap_servers, logs))
            require_reachable(kafka)
            create_topics(kafka, topics)
        with step(console, "Flink cluster"):
            jobmanager = stack.enter_context(flink_at(options.jobmanager, logs))
        with step(console, "drift job"):
            job_file = output / "job.toml"
            write_job_file(job_file, kafka, topics)
            submit = partial(submit_drift_job, job_file=job_file)
            job = stack.enter_context(running_job(jobmanager, submit))
        console.print(f"Flink's web page: http://{jobmanager}\n", highlight=False)
        timeline = stack.enter_context(_Timeline(console, output / "timeline.txt"))
        watch = stack.enter_context(Watch(kafka, topics, timeline.add))
        _stream(streams, kafka, topics.inference, options.seconds, watch, console)
        with console.status("Waiting for the last windows"):
            models = [stream.model for stream in streams]
            wait_until_finished(watch, models, job.rest, job.job_id, timeout_s=_WAIT_S)
        reported = watch.reported
    return _conclude(streams, reported, output, console)


def produce_only(options: DemoOptions, console: Console) -> None:
    """Create the topics on an existing broker and stream into them, for a job that runs elsewhere.

    Raises
    ------
    DemoError
        When no broker is named, or it does not take topics or events.
    """
    if options.bootstrap_servers is None:
        raise DemoError("--produce-only needs --bootstrap-servers: it starts no broker")
    topics = Topics().with_prefix(options.topic_prefix)
    require_reachable(options.bootstrap_servers)
    streams = _announced_streams(options, console)
    create_topics(options.bootstrap_servers, topics)
    _stream(streams, options.bootstrap_servers, topics.inference, options.seconds, None, console)
    console.print(f"All events are on the topic {topics.inference}.", highlight=False)


def _fresh_folder(output: Path) -> Path:
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DemoError(f"cannot write to {output}: {error.strerror}; choose --output") from error
    return output.resolve()


def _announced_streams(options: DemoOptions, console: Console) -> list[ModelStream]:
    with step(console, "streams"):
        streams = make_streams(options.seed)
    describe_streams(console, streams)
    return streams


def _stream(
    streams: list[ModelStream],
    kafka: str,
    topic: str,
    seconds: float,
    watch: Watch | None,
    console: Console,
) -> None:
    with progress_bar(console) as progress:
        task = progress.add_task("Streaming", total=sum(len(stream) for stream in streams))
        for n_sent in produce(streams, kafka, topic, seconds=seconds):
            progress.update(task, completed=n_sent)
            if watch is not None:
                watch.look()


class _Timeline:
    """Prints alerts as they come, and writes them to a file as plain text."""

    def __init__(self, console: Console, path: Path) -> None:
        self._console = console
        self._path = path
        self._file = contextlib.ExitStack()

    def __enter__(self) -> _Timeline:
        handle = self._file.enter_context(self._path.open("w", encoding="utf-8"))
        self._plain = Console(file=handle, soft_wrap=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, alert: Alert) -> None:
        text = to_text(alert)
        self._console.print(text, soft_wrap=True)
        self._plain.print(text)


def _conclude(
    streams: list[ModelStream], reported: Reported, output: Path, console: Console
) -> bool:
    outcomes = judge_models(streams, reported)
    _write_lines(output / "alerts.jsonl", reported.alerts)
    _write_lines(output / "scores.jsonl", reported.scores)
    with step(console, "page"):
        write_html(outcomes, reported, output / "drift.html")
    console.print()
    console.print(summary_table(outcomes))
    is_right = all(outcome.is_right for outcome in outcomes)
    style = "bold green" if is_right else "bold red"
    console.print(title(outcomes) + ".", style=style, highlight=False)
    if note := unstable_note(outcomes):
        console.print(note, style="yellow", highlight=False, soft_wrap=True)
    say_where(console, output)
    return is_right


def _write_lines(path: Path, records: Sequence[msgspec.Struct]) -> None:
    path.write_bytes(msgspec.json.Encoder().encode_lines(records))
