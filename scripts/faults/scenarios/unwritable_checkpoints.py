"""The folder of the checkpoints cannot be written for a while."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from flink_jobs.cluster.errors import FlinkRestError
from scripts.faults.outcome import Options, Outcome
from scripts.faults.promises import keep
from scripts.faults.scenarios.paced import let_go, make_run, make_stream
from scripts.faults.stage import Progressing, Stage, Teller, open_stage, wait_until

NAME = "unwritable-checkpoints"
_N_TOLERATED = 4
_NOTES = """\
The folder is moved away and a file put in its place, which stops root as well; Flink then fails
every checkpoint, as its REST interface confirms. It happens twice. The first time the folder comes
back after {n_tolerated} failed checkpoints, which the job tolerates. The second time it comes back
only after the job failed and began to restart: after more than 10 failures in a row, as the job's
settings say. Delivery is exactly-once.
"""


def play(options: Options, teller: Teller) -> Outcome:
    """One run with a short and a long outage."""
    stream = make_stream(NAME, options.events)
    with open_stage(teller) as stage:
        stage.write(stream, 0.2)
        run = make_run(stage, stream, f"{NAME}-1", exactly_once=True, readers=options.readers)
        expected = stage.expected(run, 0.05)
        n_due = len(expected.scores)
        job_id = stage.start(run)
        folder = stage.cluster.directory / "checkpoints"
        with Progressing(stage, run) as scores:
            scores.wait_for(n_due // 8, job_id)
            n_first = _fail(stage, job_id, folder, lambda n_failed: n_failed >= _N_TOLERATED)
            n_at_second = scores.wait_for(n_due // 4, job_id)
            keep(n_at_second < n_due, f"{NAME}: the stream was over before the second outage")
            teller.advance(0.3)
            # A slow machine may have let more checkpoints fail than the first time was meant to.
            n_before = _n_failures(stage, job_id)
            n_second = _fail(stage, job_id, folder, lambda _: _n_failures(stage, job_id) > n_before)
        teller.advance(0.25)
        let_go(stage, run)
        verdict = stage.finish(run, job_id, expected)
        n_restored = stage.cluster.rest.checkpoints(job_id)["counts"]["restored"]
        teller.advance(0.2)
    keep(n_restored > 0, f"{NAME}: the job did not go on from its last checkpoint")
    return Outcome(
        name=NAME,
        command=f"--only {NAME} --events {options.events} --readers {options.readers}",
        fault="the folder of the checkpoints cannot be written, twice",
        events=stream.n_events,
        runs=1,
        result=f"{n_first} and {n_second} checkpoints failed, {n_restored} restarts from the last "
        f"good one; {verdict}",
        notes=_NOTES.format(n_tolerated=_N_TOLERATED),
    )


def _fail(stage: Stage, job_id: str, folder: Path, enough: Callable[[int], bool]) -> int:
    """Let checkpoints fail until it is enough, then wait for one that succeeds; how many failed."""
    rest = stage.cluster.rest
    before = _n_failed(stage, job_id)
    with _replaced_by_a_file(folder):
        wait_until(
            lambda: enough(_n_failed(stage, job_id) - before), f"{NAME}: no failed checkpoints", 180
        )
        n_failed = _n_failed(stage, job_id) - before
    stage.teller.say(f"{NAME}: {n_failed} checkpoints failed")
    keep(n_failed > 0, f"{NAME}: no checkpoint failed")
    rest.wait_for_checkpoint(job_id, timeout_s=180)
    return n_failed


@contextlib.contextmanager
def _replaced_by_a_file(folder: Path) -> Iterator[None]:
    away = folder.with_name("checkpoints-away")
    folder.rename(away)
    folder.touch()
    try:
        yield
    finally:
        folder.unlink()
        away.rename(folder)


def _n_failed(stage: Stage, job_id: str) -> int:
    return int(stage.cluster.rest.checkpoints(job_id)["counts"]["failed"])


def _n_failures(stage: Stage, job_id: str) -> int:
    """How often the job failed, and went on from its last checkpoint."""
    with contextlib.suppress(FlinkRestError):
        return len(stage.cluster.rest.exceptions(job_id))
    return 0
