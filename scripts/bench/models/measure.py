"""One run of the drift job over one stream, timed by its scores as they come."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from kafka import KafkaConsumer, TopicPartition

from flink_jobs.cluster.submission import DRIFT_JOB
from flink_jobs.embedded.flink_cluster import FlinkCluster
from flink_jobs.embedded.kafka_broker import KafkaBroker
from scripts.bench.job.results import Results, create_topics, read_results
from scripts.bench.models.stream import n_windows
from scripts.faults import topics
from scripts.faults.promises import count_events
from scripts.faults.stream import Stream
from scripts.shared.processes import processor_seconds

_POLL_S = 0.2
_PATIENCE_S = 180.0
# No score comes before the references of all models are there: 200 s for 20,000 on a busy machine.
_PATIENCE_FOR_A_REFERENCE_S = 0.02
_CHECKPOINT_MS = 5_000
# The first tenth warms the workers up; what comes last comes without anything behind it.
_FROM, _UNTIL = 0.1, 0.9


class Reading(NamedTuple):
    """Scores on the topic at a moment, and what the TaskManager had used of processors."""

    at_s: float
    n_scores: int
    java_s: float
    python_s: float


@dataclass(frozen=True)
class Run:
    """Rate and cost of one run; a pane has one score.

    Attributes
    ----------
    n_models, n_panes : int
        ``n_panes`` is the number of panes that were measured.
    panes_per_s : float
    java_us, python_us : float
        Processor time of a pane in the JVM and in the Python workers.
    objections : list of str
        Events that are not accounted for.
    records : mapping of str to bytes
        Alerts and scores by id.
    """

    n_models: int
    n_panes: int
    panes_per_s: float
    java_us: float
    python_us: float
    objections: Sequence[str]
    records: Mapping[str, bytes] = field(repr=False)

    @property
    def cost_us(self) -> float:
        """Processor time of a pane."""
        return self.java_us + self.python_us


@dataclass(frozen=True)
class Bench:
    """Broker and cluster with the streams written, and a folder for job files and savepoints."""

    broker: KafkaBroker
    cluster: FlinkCluster
    folder: Path
    numbers: Iterator[int]

    def run(self, stream: Stream) -> Run:
        """Let the job read the whole stream.

        Raises
        ------
        RuntimeError
            When the job fails or stands still.
        """
        run = topics.Run(
            name=f"{stream.topic}-{next(self.numbers)}",
            stream=stream,
            checkpoint_interval_ms=_CHECKPOINT_MS,
        )
        create_topics(self.broker, run.name)
        path = run.write_job_file(self.folder, self.broker.bootstrap_servers)
        job_id = self.cluster.submit(DRIFT_JOB, ["--config", str(path)])
        self.cluster.rest.wait_running(job_id)
        readings = self._watch(job_id, run.scores, stream)
        self.cluster.rest.stop_with_savepoint(job_id, self.folder)
        results = read_results(self.broker, run.name)
        return summarise(stream, readings, results)

    def _watch(self, job_id: str, scores: str, stream: Stream) -> list[Reading]:
        partition, n_due = TopicPartition(scores, 0), n_windows(stream)
        patience_s = _PATIENCE_S + _PATIENCE_FOR_A_REFERENCE_S * stream.n_models
        consumer = KafkaConsumer(bootstrap_servers=self.broker.bootstrap_servers)
        readings, changed = [self._reading(0)], time.monotonic()
        try:
            while readings[-1].n_scores < n_due:
                time.sleep(_POLL_S)
                readings.append(self._reading(int(consumer.end_offsets([partition])[partition])))
                if readings[-1].n_scores > readings[-2].n_scores:
                    changed = time.monotonic()
                if time.monotonic() - changed > patience_s:
                    causes = self.cluster.rest.exceptions(job_id)
                    raise RuntimeError(
                        f"{scores}: {readings[-1].n_scores:,} of {n_due:,} scores: {causes[:1]}"
                    )
        finally:
            consumer.close()
        return readings

    def _reading(self, n_scores: int) -> Reading:
        seconds = processor_seconds(self.cluster.pids[-1])
        java_s = seconds.pop("java", 0.0)
        return Reading(time.monotonic(), n_scores, java_s, sum(seconds.values()))


def summarise(stream: Stream, readings: Sequence[Reading], results: Results) -> Run:
    """Rate and cost between the tenth and the nine tenths of the scores.

    Raises
    ------
    RuntimeError
        When the stream is too short for that.
    """
    n_due = n_windows(stream)
    inside = [each for each in readings if _FROM * n_due <= each.n_scores <= _UNTIL * n_due]
    if len(inside) < 2 or inside[-1].n_scores == inside[0].n_scores:
        raise RuntimeError(f"{stream.topic}: too few readings: take more panes")
    first, last = inside[0], inside[-1]
    n_panes = last.n_scores - first.n_scores
    return Run(
        n_models=stream.n_models,
        n_panes=n_panes,
        panes_per_s=n_panes / (last.at_s - first.at_s),
        java_us=1e6 * (last.java_s - first.java_s) / n_panes,
        python_us=1e6 * (last.python_s - first.python_s) / n_panes,
        objections=objections(stream, results),
        records=results.records,
    )


def objections(stream: Stream, results: Results) -> list[str]:
    """Say which events the scores do not account for."""
    scores = [value for value in results.records.values() if b'"score_id"' in value]
    counted = count_events(value for value in scores if b'"alert_id"' not in value)
    total = counted.total() + results.n_dead_letters
    wrong = []
    if total != stream.n_events or results.n_dead_letters:
        wrong.append(
            f"{stream.topic}: {stream.n_events:,} events, {dict(counted)} and "
            f"{results.n_dead_letters} dead letters"
        )
    return wrong
