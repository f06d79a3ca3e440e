"""A real broker and a real cluster, and the steps that all scenarios share."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from rich.console import Console
from rich.progress import Progress, TaskID

from flink_jobs.cluster.submission import DRIFT_JOB
from flink_jobs.embedded.flink_cluster import FlinkCluster
from flink_jobs.embedded.kafka_broker import KafkaBroker
from scripts.faults.promises import BrokenPromiseError, Verdict, judge, keep, record_id
from scripts.faults.stream import N_PARTITIONS, Stream, write, write_heartbeats
from scripts.faults.topics import Run, TopicReader
from scripts.faults.undisturbed import Expected, undisturbed

SETTINGS = {
    # The default, 10 s, is longer than some faults last.
    "metrics.fetcher.update-interval": "500",
    # Three, so that a newest one that is damaged has a predecessor.
    "state.checkpoints.num-retained": "3",
}
_POLL_S = 0.5
_TIMEOUT_S = 600.0
# Watermarks are not part of a checkpoint: a partition that was read to its end before a restore
# holds event time back until its next record.
_HEARTBEAT_S = 10.0


class Teller:
    """Says what happens, and moves the progress bar of a scenario.

    Parameters
    ----------
    console : Console
    progress : Progress
    task : TaskID
        Its total is 1.
    """

    def __init__(self, console: Console, progress: Progress, task: TaskID) -> None:
        self._console = console
        self._progress = progress
        self._task = task

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        self._console.print(text, markup=False, highlight=False)

    def advance(self, share: float) -> None:
        """Move on by a share of the scenario."""
        self._progress.advance(self._task, share)


@dataclass
class Stage:
    """Broker, cluster and topics of a scenario."""

    broker: KafkaBroker
    cluster: FlinkCluster
    folder: Path
    teller: Teller

    def write(self, stream: Stream, share: float) -> None:
        """Create and write the inference topic; that takes a share of the scenario's time."""
        self.broker.create_topic(stream.topic, N_PARTITIONS)
        self.teller.say(f"{stream.topic}: writing {stream.n_events:,} events")
        write(stream, self.broker.bootstrap_servers, lambda part: self.teller.advance(share * part))

    def expected(self, run: Run, share: float) -> Expected:
        """Return what the run has to write, from the records that lie on the topic."""
        with TopicReader(self.broker, run.stream.topic) as reader:
            expected = undisturbed(run.job_toml(self.broker.bootstrap_servers), reader.records())
        keep(
            bool(expected.alerts), f"{run.stream.topic}: undisturbed, there is no alert to compare"
        )
        self.teller.say(
            f"{run.stream.topic}: {expected.n_records:,} records, undisturbed "
            f"{len(expected.scores):,} scores and {len(expected.alerts):,} alerts"
        )
        self.teller.advance(share)
        return expected

    def submit(self, run: Run, savepoint: str | None = None) -> str:
        """Start the job and return its id."""
        path = run.write_job_file(self.folder, self.broker.bootstrap_servers)
        return self.cluster.submit(DRIFT_JOB, ["--config", str(path)], savepoint=savepoint)

    def start(self, run: Run) -> str:
        """Create the result topics, start the job and wait until it runs."""
        run.create_topics(self.broker)
        job_id = self.submit(run)
        self.cluster.rest.wait_running(job_id)
        return job_id

    def finish(self, run: Run, job_id: str, expected: Expected) -> Verdict:
        """Wait until everything is written and committed, cancel the job and judge the run."""
        with Progressing(self, run) as scores:
            scores.wait_for(len(expected.scores), job_id)
        self.cluster.rest.wait_for_checkpoint(job_id)
        # A transaction is committed after its checkpoint: the next one shows that it was.
        self.cluster.rest.wait_for_checkpoint(job_id)
        self.cluster.rest.cancel(job_id)
        return judge(self.broker, run, expected)


class Progressing:
    """How far a run has come: the different scores that lie on its topic.

    Parameters
    ----------
    stage : Stage
    run : Run
    """

    def __init__(self, stage: Stage, run: Run) -> None:
        self._stage = stage
        self._reader = TopicReader(stage.broker, run.scores, committed_only=run.exactly_once)
        self._run = run
        self._ids: set[str] = set()

    def count(self) -> int:
        """Different scores up to now."""
        self._ids.update(record_id(value) for value in self._reader.values())
        return len(self._ids)

    def wait_for(self, n_scores: int, job_id: str, timeout_s: float = _TIMEOUT_S) -> int:
        """Wait until there are as many scores and return how many there are.

        Writes heartbeats all the while, as producers should.

        Raises
        ------
        BrokenPromiseError
            When the job ends or the time is over first.
        """
        deadline = time.monotonic() + timeout_s
        next_heartbeat = time.monotonic() + _HEARTBEAT_S
        while (n_now := self.count()) < n_scores:
            state = self._stage.cluster.rest.status(job_id)
            if state in ("FAILED", "FINISHED", "CANCELED"):
                causes = self._stage.cluster.rest.exceptions(job_id)
                raise BrokenPromiseError(f"{self._run.name}: the job is {state}: {causes[:1]}")
            if time.monotonic() > next_heartbeat:
                write_heartbeats(self._run.stream, self._stage.broker.bootstrap_servers)
                next_heartbeat += _HEARTBEAT_S
            if time.monotonic() > deadline:
                raise BrokenPromiseError(
                    f"{self._run.name}: {n_now} of {n_scores} scores after {timeout_s:.0f} s"
                )
            time.sleep(_POLL_S)
        return n_now

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()


@contextlib.contextmanager
def open_stage(teller: Teller) -> Iterator[Stage]:
    """Start broker and cluster, and stop them at the end."""
    with (
        tempfile.TemporaryDirectory(prefix="loudly-faults-") as folder,
        KafkaBroker() as broker,
        FlinkCluster(settings=SETTINGS) as cluster,
    ):
        yield Stage(broker, cluster, Path(folder), teller)


def wait_until(holds: Callable[[], bool], what: str, timeout_s: float) -> None:
    """Ask twice a second until something holds.

    Raises
    ------
    BrokenPromiseError
        When the time is over first.
    """
    deadline = time.monotonic() + timeout_s
    while not holds():
        keep(time.monotonic() < deadline, f"{what} after {timeout_s:.0f} s")
        time.sleep(_POLL_S)
