"""SIGKILL of TaskManager, JobManager and broker at random moments of a stream."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from flink_jobs.cluster.errors import FlinkRestError
from flink_jobs.embedded.flink_cluster import FlinkCluster
from scripts.faults.outcome import Options, Outcome
from scripts.faults.promises import Verdict, keep
from scripts.faults.scenarios.paced import STREAM_S, let_go, make_run, make_stream
from scripts.faults.stage import Progressing, Stage, Teller, open_stage, wait_until
from scripts.faults.topics import Run
from scripts.faults.undisturbed import Expected

NAME = "kills"
VICTIMS = ("TaskManager", "JobManager", "broker")
_FAULT = "SIGKILL of the TaskManager, the JobManager or the broker, each started again"
_NOTES = """\
One topic is written once; each run reads it from its beginning. A quota of the broker lets the job
read as if the stream were to last {stream_s:.0f} s, and is lifted after the last kill. Victims and
moments are drawn with the seed {seed}: a kill comes when that share of the run's scores lies on the
topic. No ZooKeeper or Kubernetes keeps the JobManager's memory here. After its kill the job is
submitted again from the newest retained checkpoint, as an operator would do. Runs alternate between
at-least-once, where identical duplicates are allowed and counted, and exactly-once, where readers
of committed records may see none. Producers write heartbeats all the time, as they should:
watermarks are not part of a checkpoint, so a partition that was read to its end before a restore
holds event time back until its next record.
"""
_HEADER = [
    "run", "delivery", "kills (scores there at that moment)", "restarts", "scores", "alerts",
    "duplicates", "seconds",
]  # fmt: skip


@dataclass
class _Kill:
    victim: str
    n_scores: int

    def __str__(self) -> str:
        return f"{self.victim} ({self.n_scores:,})"


@dataclass
class KilledRun:
    """A run of the job in the hands of a killer."""

    stage: Stage
    run: Run
    expected: Expected
    job_id: str = ""
    kills: list[_Kill] = field(default_factory=list)
    n_restarts: int = 0

    def play(self, shares: Sequence[float], victims: Sequence[str], down_s: float) -> Verdict:
        """Start the job, kill one victim at each share of the scores, and judge the run."""
        n_due = len(self.expected.scores)
        self.job_id = self.stage.start(self.run)
        with Progressing(self.stage, self.run) as scores:
            for share, victim in zip(shares, victims, strict=True):
                scores.wait_for(round(share * n_due), self.job_id)
                wait_until(self._has_checkpoint, f"{self.run.name}: no checkpoint", 60)
                n_there = scores.count()
                keep(0 < n_there < n_due, f"{self.run.name}: the stream was over before the kill")
                self.kills.append(_Kill(victim, n_there))
                self._kill(victim, down_s)
        let_go(self.stage, self.run)
        verdict = self.stage.finish(self.run, self.job_id, self.expected)
        self.n_restarts += self._restored()
        if any(victim != "broker" for victim in victims):
            keep(self.n_restarts > 0, f"{self.run.name}: the kill did not reach the job")
        return verdict

    def _kill(self, victim: str, down_s: float) -> None:
        cluster, broker = self.stage.cluster, self.stage.broker
        if victim == "broker":
            broker.kill()
            time.sleep(down_s)
            broker.restart()
        elif victim == "TaskManager":
            cluster.kill_task_manager()
            time.sleep(down_s)
            cluster.start_task_manager()
        else:
            self.n_restarts += self._restored()
            cluster.kill_job_manager()
            time.sleep(down_s)
            cluster.start_job_manager()
            wait_until(lambda: has_slots(cluster), "the TaskManager did not come back", 120)
            self.job_id = self.stage.submit(self.run, newest_checkpoint(self._checkpoints()))

    def _checkpoints(self) -> Path:
        return self.stage.cluster.directory / "checkpoints" / self.job_id

    def _has_checkpoint(self) -> bool:
        return bool(self.stage.cluster.rest.checkpoints(self.job_id)["counts"]["completed"])

    def _restored(self) -> int:
        return int(self.stage.cluster.rest.checkpoints(self.job_id)["counts"]["restored"])


def has_slots(cluster: FlinkCluster) -> bool:
    """Tell whether a TaskManager is registered and free; the job waits for more slots."""
    try:
        return any(each["freeSlots"] for each in cluster.rest.task_managers())
    except FlinkRestError:
        return False


def newest_checkpoint(folder: Path) -> str:
    """The retained checkpoint with the highest number; its ``_metadata`` is written last."""
    complete = folder.glob("chk-*/_metadata")
    newest = max(complete, key=lambda file: int(file.parent.name.removeprefix("chk-")))
    return newest.parent.as_uri()


def play(options: Options, teller: Teller) -> Outcome:
    """All runs on one topic, one broker and one cluster."""
    rng = random.Random(options.seed)
    stream = make_stream(NAME, options.events)
    rows = []
    n_kills = 0
    with open_stage(teller) as stage:
        stage.write(stream, 0.1)
        expected = stage.expected(Run(name="undisturbed", stream=stream), 0.02)
        for number in range(options.runs):
            exactly_once = number % 2 == 1
            run = make_run(
                stage,
                stream,
                f"kills-{number:02d}",
                exactly_once=exactly_once,
                readers=options.readers,
            )
            shares = sorted(rng.uniform(0.1, 0.85) for _ in range(rng.choice((1, 2))))
            victims = [rng.choice(VICTIMS) for _ in shares]
            started = time.monotonic()
            killed = KilledRun(stage, run, expected)
            verdict = killed.play(shares, victims, down_s=rng.uniform(0.0, 5.0))
            rows.append(_row(number, killed, verdict, time.monotonic() - started))
            n_kills += len(killed.kills)
            teller.say("  ".join(rows[-1]))
            teller.advance(0.88 / options.runs)
    n_duplicates = sum(int(row[6].replace(",", "")) for row in rows)
    return Outcome(
        name=NAME,
        command=f"--only kills --runs {options.runs} --events {options.events} "
        f"--seed {options.seed} --readers {options.readers}",
        fault=_FAULT,
        events=stream.n_events,
        runs=options.runs,
        result=f"{n_kills} kills: every alert and score as undisturbed, {n_duplicates} identical "
        "duplicates at-least-once, none exactly-once",
        notes=_NOTES.format(stream_s=STREAM_S, seed=options.seed),
        header=_HEADER,
        rows=rows,
    )


def _row(number: int, killed: KilledRun, verdict: Verdict, seconds: float) -> list[str]:
    return [
        str(number + 1),
        "exactly-once" if killed.run.exactly_once else "at-least-once",
        ", ".join(map(str, killed.kills)),
        str(killed.n_restarts),
        f"{verdict.n_scores:,}",
        f"{verdict.n_alerts:,}",
        f"{verdict.n_duplicates:,}",
        f"{seconds:.0f}",
    ]
