"""Backtests as a bounded Flink job, for histories that outgrow one machine."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import msgspec
import numpy as np
from kafka import KafkaAdminClient
from kafka.admin import NewTopic
from kafka.errors import KafkaError

from flink_jobs.alerting.client_properties import client_settings
from flink_jobs.alerting.consumer import DEFAULT_CAPACITY, identity
from flink_jobs.alerting.recent_ids import RecentIds
from flink_jobs.alerts import Alert, Score
from flink_jobs.backtest.batches import NEVER_MS, Names
from flink_jobs.backtest.dead_letter_log import DeadLetterLog
from flink_jobs.backtest.engine import (
    Progress,
    fresh_folder,
    late_warning,
    write_dead_letters,
)
from flink_jobs.backtest.errors import BacktestError, SourceError
from flink_jobs.backtest.kafka_range import KafkaRange, is_topic
from flink_jobs.backtest.replay import Tally, is_silence_at_the_end
from flink_jobs.backtest.result import (
    ALERTS_FILE,
    SCORES_FILE,
    BacktestResult,
    BacktestSummary,
    ModelSummary,
    write_config,
    write_summary,
)
from flink_jobs.backtest.spool import Spool, merge
from flink_jobs.config import DriftJobConfig
from flink_jobs.dead_letters import DeadLetter, Reason
from flink_jobs.embedded.flink_rest import FlinkRest
from flink_jobs.events import HEARTBEAT_KEY
from flink_jobs.launch import require_cluster, submit_range_job
from flink_jobs.topic_range import RangeJob, TopicRange

_POLL_S = 0.5
_ALL_TIME_MS = 2**62
# Retention goes by the record's timestamp: with any limit, records of the past vanish at once.
_TOPIC_SETTINGS = {"retention.ms": "-1", "cleanup.policy": "delete"}

Record = TypeVar("Record", Alert, Score, DeadLetter)


def run_on_flink(
    config: DriftJobConfig,
    source: str,
    jobmanager: str,
    *,
    folder: Path | None = None,
    progress: Callable[[Progress], None] | None = None,
    ship_connector: bool = False,
) -> BacktestResult:
    """Replay a range of a topic by the drift job itself, bounded, on a cluster that runs already.

    Alerts, scores and dead letters go to topics of its own, which are removed afterwards. Commands
    are not replayed, and events that come twice are not counted.

    Parameters
    ----------
    config : DriftJobConfig
    source : str
        ``kafka://host:port/topic?from=...&to=...``
    jobmanager : str
        Host and port of the cluster's REST interface.
    folder, progress
        As :func:`~flink_jobs.backtest.engine.run_backtest` has them. Progress is that of the
        reader which counts the events beside the job.
    ship_connector : bool, default False
        Whether Flink's Kafka connector goes along, for a cluster that has none among its libraries.

    Raises
    ------
    SourceError
        When the history is no topic, or cannot be read.
    BacktestError
        When the job fails or topics cannot be made.
    EmbeddedError
        When something is not installed, or the cluster refuses.
    """
    begin_s = time.monotonic()
    if not is_topic(source):
        raise SourceError(
            f"--flink replays a topic, and {source} is none: write the events to a topic and name "
            "it as kafka://host:port/topic, or leave --flink out"
        )
    require_cluster(jobmanager)
    opened = KafkaRange(source, config)
    target = fresh_folder(folder)
    with _own_topics(_bounded(config, opened)) as job_config:
        part = TopicRange(opened.starts, opened.ends)
        rest = FlinkRest(f"http://{jobmanager}")
        job_id = submit_range_job(
            jobmanager, RangeJob(job_config, part), ship_connector=ship_connector
        )
        with _cancelled_on_error(rest, job_id):
            census = _Census.of(opened, config, progress)
            _wait_until_finished(rest, job_id)
        found = _Found.read(job_config, target, census.end_ms)
    write_dead_letters(target, opened, found.log.first())
    write_config(target, config)
    write_summary(target, _summary(config, opened, census, found, time.monotonic() - begin_s))
    return BacktestResult.open(target)


class _Census:
    """Counts the events of a topic: a job's result does not say how many there were."""

    def __init__(self) -> None:
        self.n_by_model: Counter[str] = Counter()
        self.n_events = 0
        self.first_ms, self.last_ms = _ALL_TIME_MS, NEVER_MS
        self.end_ms = NEVER_MS

    @classmethod
    def of(
        cls,
        source: KafkaRange,
        config: DriftJobConfig,
        progress: Callable[[Progress], None] | None,
    ) -> _Census:
        census, names, n_read = cls(), Names(), 0
        horizon_ms = int(time.time() * 1000) + config.input.max_future_ms
        for batch in source.batches(names, horizon_ms):
            n_read += len(batch)
            is_event = batch.codes != names.get(HEARTBEAT_KEY, -2)
            census.n_events += int(is_event.sum())
            for code, n in zip(*np.unique(batch.codes[is_event], return_counts=True), strict=True):
                if code >= 0:
                    census.n_by_model[names.all[code]] += int(n)
            times_ms = batch.times_ms[is_event & (batch.times_ms <= horizon_ms)]
            if len(times_ms):
                census.first_ms = min(census.first_ms, int(times_ms.min()))
                census.last_ms = max(census.last_ms, int(times_ms.max()))
            census.end_ms = batch.reached_after_ms
            if progress is not None:
                progress(Progress(n_read, batch.done, source.total))
        return census


class _Found:
    """What the job wrote."""

    def __init__(self) -> None:
        self.log = DeadLetterLog()
        self.tallies: dict[str, Tally] = {}
        self.n_alerts = self.n_scores = 0

    @classmethod
    def read(cls, config: DriftJobConfig, folder: Path, end_ms: int) -> _Found:
        found, kafka = cls(), config.kafka
        found.log.add(_records(config, kafka.dead_letters_topic, DeadLetter))
        with (
            TemporaryDirectory(prefix=".parts-", dir=folder) as scratch,
            contextlib.closing(Spool(Path(scratch, "alerts.spool"))) as alerts,
            contextlib.closing(Spool(Path(scratch, "scores.spool"))) as scores,
        ):
            for alert in _records(config, kafka.alerts_topic, Alert):
                if not is_silence_at_the_end(alert, end_ms):
                    alerts.write([alert])
                    found._tally(alert.model).add_alerts([alert])
            for score in _records(config, kafka.scores_topic, Score):
                scores.write([score])
                found._tally(score.model).add_scores([score])
            found.n_alerts, found.n_scores = len(alerts), len(scores)
            merge(alerts.sort(Path(scratch, "alerts.sorted")), folder / ALERTS_FILE)
            merge(scores.sort(Path(scratch, "scores.sorted")), folder / SCORES_FILE)
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


def _bounded(config: DriftJobConfig, source: KafkaRange) -> DriftJobConfig:
    """The job over the same events, with names of its own for all that it leaves behind."""
    name = f"loudly-backtest-{uuid.uuid4().hex[:8]}"
    kafka = msgspec.structs.replace(
        config.kafka,
        bootstrap_servers=source.servers,
        inference_topic=source.topic,
        alerts_topic=f"{name}-alerts",
        scores_topic=f"{name}-scores",
        dead_letters_topic=f"{name}-dead-letters",
        control_topic=None,
        group_id=name,
        bounded=True,
    )
    job = msgspec.structs.replace(config.job, delivery="at_least_once")
    return msgspec.structs.replace(config, kafka=kafka, job=job)


@contextlib.contextmanager
def _own_topics(config: DriftJobConfig) -> Iterator[DriftJobConfig]:
    """Make the topics that a job writes to, and remove them afterwards."""
    kafka = config.kafka
    names = [kafka.alerts_topic, kafka.scores_topic, kafka.dead_letters_topic]
    known = KafkaAdminClient.DEFAULT_CONFIG
    settings = {k: v for k, v in client_settings(kafka.properties).items() if k in known}
    with contextlib.closing(_admin(kafka.bootstrap_servers, settings)) as admin:
        try:
            topics = [NewTopic(n, 1, -1, topic_configs=_TOPIC_SETTINGS) for n in names]
            admin.create_topics(topics, wait_for_metadata=True)
        except KafkaError as error:
            raise BacktestError(f"the broker makes no topics for the job: {error}") from error
        try:
            yield config
        finally:
            with contextlib.suppress(KafkaError):
                admin.delete_topics(names)


def _admin(servers: str, settings: dict[str, object]) -> Any:
    own = {key: value for key, value in settings.items() if key != "allow_auto_create_topics"}
    return KafkaAdminClient(bootstrap_servers=servers.split(","), **own)


@contextlib.contextmanager
def _cancelled_on_error(rest: FlinkRest, job_id: str) -> Iterator[None]:
    try:
        yield
    except BaseException:
        with contextlib.suppress(Exception):
            rest.cancel(job_id)
        raise


def _wait_until_finished(rest: FlinkRest, job_id: str) -> None:
    while (status := rest.status(job_id)) != "FINISHED":
        if status in ("FAILED", "CANCELED"):
            exceptions = rest.exceptions(job_id)
            what = f":\n{exceptions[0][:2_000]}" if exceptions else ""
            raise BacktestError(f"the job {job_id} has ended as {status}{what}")
        time.sleep(_POLL_S)


def _summary(
    config: DriftJobConfig,
    source: KafkaRange,
    census: _Census,
    found: _Found,
    duration_s: float,
) -> BacktestSummary:
    log = found.log
    models: dict[str, ModelSummary] = {}
    for name in sorted(census.n_by_model | log.n_by_model):
        tally = found.tallies.get(name, Tally())
        tally.n_used = census.n_by_model[name] - log.n_by_model[name]
        models[name] = tally.summary(log.n_by_model[name])
    has_events = census.last_ms > NEVER_MS
    return BacktestSummary(
        source=source.name,
        start_ms=census.first_ms if has_events else 0,
        end_ms=census.last_ms if has_events else 0,
        n_events=census.n_events,
        n_used=census.n_events - log.n_by_reason.total(),
        dead_letters=dict(sorted(log.n_by_reason.items())),
        n_by_model={name: model.n_used for name, model in models.items()},
        duration_s=duration_s,
        n_alerts=found.n_alerts,
        n_scores=found.n_scores,
        models=models,
        sources=source.sources,
        warnings=[
            *source.warnings,
            *late_warning(config, log.n_by_reason[Reason.LATE], census.n_events, 0),
        ],
    )
