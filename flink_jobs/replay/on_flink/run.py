"""Backtests as a bounded Flink job, for histories that outgrow one machine."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import msgspec

from flink_jobs.cluster.errors import FlinkRestError
from flink_jobs.cluster.launch import require_cluster, submit_range_job
from flink_jobs.cluster.rest import ENDED, FlinkRest
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.own_events import as_own_events
from flink_jobs.histories.batches import Batch, Source
from flink_jobs.histories.errors import BacktestError, SourceError
from flink_jobs.histories.sources import open_source
from flink_jobs.histories.topics.ranges import KafkaRange
from flink_jobs.kafka.event_sender import EventSender
from flink_jobs.kafka.following import DEFAULT_CAPACITY, identity
from flink_jobs.kafka.ranges import RangeJob, TopicRange
from flink_jobs.kafka.recent_ids import RecentIds
from flink_jobs.records.alerts import Alert, Score, StormSummary
from flink_jobs.records.dead_letters import DeadLetter
from flink_jobs.records.evidence import Evidence
from flink_jobs.records.status import ModelStatus
from flink_jobs.replay.accuracy import write_counts
from flink_jobs.replay.driver import DeadLetterLog, Tally
from flink_jobs.replay.engine import Progress, write_dead_letters
from flink_jobs.replay.on_flink.counts import AnswerCounts, HistoryCounts
from flink_jobs.replay.on_flink.files_on_topic import FilesOnTopic
from flink_jobs.replay.on_flink.own_topics import max_record_bytes, own_topics, topic_settings
from flink_jobs.replay.result import (
    ACCURACY_FILE,
    ALERTS_FILE,
    EVIDENCE_FILE,
    SCORES_FILE,
    BacktestResult,
    BacktestSummary,
    ModelSummary,
    write_config,
    write_statuses,
    write_summary,
)
from flink_jobs.replay.result_folder import PARTS, fresh_folder
from flink_jobs.replay.result_warnings import event_warnings, storm_warnings
from flink_jobs.replay.sorted_records import Spool, evidence_spool, merge
from flink_jobs.times import NEVER_MS

_POLL_S = 0.5

Record = TypeVar("Record", Alert, Score, DeadLetter, Evidence, ModelStatus)


def run_on_flink(
    config: DriftJobConfig,
    source: str,
    jobmanager: str,
    *,
    folder: Path | None = None,
    progress: Callable[[Progress], None] | None = None,
    ship_connector: bool = False,
) -> BacktestResult:
    """Replay a history by the drift job itself, bounded, on a cluster that runs already.

    Files are written to a topic of their own on the broker of ``kafka.bootstrap_servers``, see
    :class:`~flink_jobs.replay.on_flink.files_on_topic.FilesOnTopic`. That topic, and those for
    alerts, scores and dead letters, are removed afterwards. Commands are not replayed, and events
    that come twice are not counted.

    Parameters
    ----------
    config : DriftJobConfig
    source : str
        A file or folder, or ``kafka://host:port/topic?from=...&to=...``
    jobmanager : str
        Host and port of the cluster's REST interface.
    folder, progress
        As :func:`~flink_jobs.replay.engine.run_backtest` has them. Of a topic, progress is that
        of the reader which counts the events beside the job; of files, first that of writing them,
        then that of the job.
    ship_connector : bool, default False
        Whether Flink's Kafka connector goes along, for a cluster that has none among its libraries.

    Raises
    ------
    SourceError
        When the history cannot be read.
    BacktestError
        When the job fails or topics cannot be made.
    EmbeddedError
        When something is not installed, or the cluster refuses.
    """
    begin_s = time.monotonic()
    require_cluster(jobmanager)
    opened = open_source(source, config)
    horizon_ms = int(time.time() * 1000) + config.input.max_future_ms
    counts = HistoryCounts(horizon_ms, config if isinstance(opened, KafkaRange) else None)
    answers = AnswerCounts(config, horizon_ms, counts.names)
    tell = _Teller(progress, opened, counts, answers)
    job_config = _bounded(config, opened)
    topics = _topics(job_config, opened)
    with fresh_folder(folder) as target, own_topics(job_config.kafka, topics):
        files = (
            None if isinstance(opened, KafkaRange) else FilesOnTopic(opened, config, counts.names)
        )
        part = _written(files, opened, job_config, tell) if files else _range_of(opened)
        rest = FlinkRest(f"http://{jobmanager}")
        with _cancelled_on_error(rest, job_config.kafka.group_id):
            job_id = submit_range_job(
                jobmanager, RangeJob(job_config, part), ship_connector=ship_connector
            )
            if files is None:
                tell.count()
            _wait_until_finished(rest, job_id, tell)
        # First of all: by it a folder is known as one of results, should this be killed.
        write_config(target, config)
        found = _Found.read(job_config, target, files)
        letters = found.log.first()
        write_dead_letters(target, opened, files.with_payloads(letters) if files else letters)
        if not answers.problem:
            write_counts(target / ACCURACY_FILE, [answers.table()])
        summary = _summary(config, opened, counts, found, time.monotonic() - begin_s)
        write_summary(target, msgspec.structs.replace(summary, no_accuracy=answers.problem))
    return BacktestResult.open(target)


class _Teller:
    """Counts a history, and tells how far it and the job have come."""

    def __init__(
        self,
        progress: Callable[[Progress], None] | None,
        source: Source,
        counts: HistoryCounts,
        answers: AnswerCounts,
    ) -> None:
        self._progress = progress
        self._answers = answers
        self._source = source
        self._counts = counts
        # Files are read and written, and then the job reads them.
        self._is_twice = not isinstance(source, KafkaRange)

    def batches(self) -> Iterator[Batch]:
        """The batches of the history."""
        for batch in self._source.batches(self._counts.names, self._counts.horizon_ms):
            self._counts.add(batch)
            self._answers.add(batch)
            yield batch
            self._tell(batch.done)

    def add_more(self, n_more: Mapping[str, int]) -> None:
        """Count events that share a row with another."""
        self._counts.add_more(n_more)

    def count(self) -> None:
        """Count all of the history."""
        for _ in self.batches():
            pass

    def job(self, n_read: int) -> None:
        """Say how many records the job has read."""
        share = min(1.0, n_read / max(1, self._counts.n_rows))
        if self._is_twice:
            self._tell(self._source.total + round(share * self._source.total))

    def _tell(self, done: int) -> None:
        if self._progress is not None:
            total = self._source.total * (1 + self._is_twice)
            self._progress(Progress(self._counts.n_rows, done, total))


def _range_of(source: Source) -> TopicRange:
    assert isinstance(source, KafkaRange)  # noqa: S101 - files are written to one first
    return TopicRange(source.starts, source.ends)


def _written(
    files: FilesOnTopic, source: Source, config: DriftJobConfig, tell: _Teller
) -> TopicRange:
    """Write the files to their topic."""
    kafka = config.kafka
    with EventSender(
        kafka.bootstrap_servers,
        kafka.inference_topic,
        properties=kafka.properties,
        max_record_bytes=max_record_bytes(config),
    ) as sender:
        for batch in tell.batches():
            for key, value, time_ms in files.records(batch):
                sender.send(key, value, time_ms)
        sender.flush()
    tell.add_more(files.n_more)
    n = files.n_records
    if not n:
        raise SourceError(f"{source.name} holds no event that has a model and a time")
    there = KafkaRange(f"kafka://{kafka.inference_topic}", config).ends[0]
    if there != n:
        raise BacktestError(f"the broker holds {there:,} records of {n:,} that it took")
    return TopicRange({0: 0}, {0: n})


class _Found:
    """The records that the job wrote."""

    def __init__(self) -> None:
        self.log = DeadLetterLog()
        self.tallies: dict[str, Tally] = {}
        self.storms: dict[str, StormSummary] = {}
        self.n_alerts = self.n_scores = 0

    @classmethod
    def read(cls, config: DriftJobConfig, folder: Path, files: FilesOnTopic | None) -> _Found:
        found, kafka = cls(), config.kafka
        letters = _records(config, kafka.dead_letters_topic, DeadLetter)
        if files is not None:
            found.log = files.misplaced
            letters = files.letters(letters)
        found.log.add(letters)
        with (
            TemporaryDirectory(prefix=PARTS, dir=folder) as scratch,
            contextlib.closing(Spool[Alert](Path(scratch, "alerts.spool"))) as alerts,
            contextlib.closing(Spool[Score](Path(scratch, "scores.spool"))) as scores,
            contextlib.closing(evidence_spool(Path(scratch, "evidence.spool"))) as evidence,
        ):
            for alert in _records(config, kafka.alerts_topic, Alert):
                alerts.write([alert if files is None else files.alert(alert)])
                found._tally(alert.model).add_alerts([alert])
                if alert.storm is not None:
                    found.storms[alert.incident_id] = alert.storm
            for score in _records(config, kafka.scores_topic, Score):
                scores.write([score])
                found._tally(score.model).add_scores([score])
            assert kafka.evidence_topic is not None  # noqa: S101 - the backtest has one of its own
            for record in _records(config, kafka.evidence_topic, Evidence):
                evidence.write([record])
            assert kafka.status_topic is not None  # noqa: S101 - of the bounded job
            statuses = _records(config, kafka.status_topic, ModelStatus)
            write_statuses(folder, {status.model: status for status in statuses}.values())
            found.n_alerts, found.n_scores = len(alerts), len(scores)
            merge(alerts.sort(Path(scratch, "alerts.sorted")), folder / ALERTS_FILE)
            merge(scores.sort(Path(scratch, "scores.sorted")), folder / SCORES_FILE)
            merge(evidence.sort(Path(scratch, "evidence.sorted")), folder / EVIDENCE_FILE)
        return found

    def _tally(self, model: str) -> Tally:
        return self.tallies.setdefault(model, Tally())


def _records(config: DriftJobConfig, topic: str, kind: type[Record]) -> Iterator[Record]:
    """The records of a topic of ours, each once, in the order in which they were written."""
    name = f"kafka://{config.kafka.bootstrap_servers}/{topic}"
    decode = msgspec.json.Decoder(kind).decode
    seen = RecentIds(DEFAULT_CAPACITY)
    for value in KafkaRange(name, config, may_be_empty=True).values():
        record = decode(value)
        if seen.add(identity(record)):
            yield record


def _bounded(config: DriftJobConfig, source: Source) -> DriftJobConfig:
    """The job over the same events, with names of its own for all that it leaves behind."""
    name = f"loudly-backtest-{uuid.uuid4().hex[:8]}"
    servers, topic = config.kafka.bootstrap_servers, f"{name}-events"
    if isinstance(source, KafkaRange):
        servers, topic = source.servers, source.topic
    else:
        # Files become Loudly's own events, whatever they are and wherever their columns are.
        config = as_own_events(config)
    kafka = msgspec.structs.replace(
        config.kafka,
        bootstrap_servers=servers,
        inference_topic=topic,
        alerts_topic=f"{name}-alerts",
        scores_topic=f"{name}-scores",
        dead_letters_topic=f"{name}-dead-letters",
        evidence_topic=f"{name}-evidence",
        control_topic=None,
        status_topic=f"{name}-status",
        group_id=name,
        bounded=True,
    )
    job = msgspec.structs.replace(config.job, delivery="at_least_once")
    return msgspec.structs.replace(config, kafka=kafka, job=job)


def _topics(config: DriftJobConfig, source: Source) -> dict[str, dict[str, str]]:
    """The topics that are the backtest's own, and their settings."""
    kafka = config.kafka
    names = kafka.alerts_topic, kafka.scores_topic, kafka.dead_letters_topic
    assert kafka.evidence_topic is not None  # noqa: S101 - one of its own
    assert kafka.status_topic is not None  # noqa: S101 - of the bounded job
    own = *names, kafka.evidence_topic, kafka.status_topic
    topics: dict[str, dict[str, str]] = {name: {} for name in own}
    if not isinstance(source, KafkaRange):
        topics[kafka.inference_topic] = topic_settings(config)
    return topics


@contextlib.contextmanager
def _cancelled_on_error(rest: FlinkRest, name: str) -> Iterator[None]:
    """By its name: the client may have been stopped before it said which job it had submitted."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(FlinkRestError):
            # What the client has sent may still be on its way.
            time.sleep(_POLL_S)
            for job in rest.jobs():
                if job["name"] == name and job["state"] not in ENDED:
                    rest.cancel(job["jid"])
        raise


def _wait_until_finished(rest: FlinkRest, job_id: str, tell: _Teller) -> None:
    while (status := (job := rest.job(job_id))["state"]) != "FINISHED":
        if status in ("FAILED", "CANCELED"):
            exceptions = rest.exceptions(job_id)
            what = f":\n{exceptions[0][:2_000]}" if exceptions else ""
            raise BacktestError(f"the job {job_id} has ended as {status}{what}")
        # The first vertex is the source with the triage; its count lags by some seconds.
        tell.job(int(job["vertices"][0]["metrics"]["write-records"]))
        time.sleep(_POLL_S)


def _summary(
    config: DriftJobConfig,
    source: Source,
    counts: HistoryCounts,
    found: _Found,
    duration_s: float,
) -> BacktestSummary:
    log = found.log
    models: dict[str, ModelSummary] = {}
    for name in sorted(counts.n_by_model | log.n_by_model):
        tally = found.tallies.get(name, Tally())
        tally.n_used = counts.n_by_model[name] - log.n_by_model[name]
        models[name] = tally.summary(log.n_by_model[name])
    has_events = counts.last_ms > NEVER_MS
    n_events = counts.n_events
    n_used = n_events - log.n_by_reason.total()
    return BacktestSummary(
        source=source.name,
        start_ms=counts.first_ms if has_events else 0,
        end_ms=counts.last_ms if has_events else 0,
        n_events=n_events,
        n_used=n_used,
        dead_letters=dict(sorted(log.n_by_reason.items())),
        n_by_model={name: model.n_used for name, model in models.items()},
        duration_s=duration_s,
        n_alerts=found.n_alerts,
        n_scores=found.n_scores,
        models=models,
        sources=source.sources,
        warnings=[
            *source.warnings,
            *event_warnings(
                config,
                source,
                log.n_by_reason,
                n_events=n_events,
                n_used=n_used,
                start_ms=counts.first_ms if has_events else None,
                models=models,
                letters=log.first(),
            ),
            *storm_warnings(found.storms),
        ],
    )
