"""The broker hangs: SIGSTOP in mid-stream, SIGCONT a minute later."""

from __future__ import annotations

import time

from scripts.faults.outcome import Options, Outcome
from scripts.faults.promises import keep
from scripts.faults.scenarios.paced import let_go, make_run, make_stream
from scripts.faults.stage import Progressing, Teller, open_stage

NAME = "broker-pause"
PAUSE_S = 60.0
_NOTES = """\
The broker's process is stopped by SIGSTOP when a third of the scores is there, and goes on after
{pause_s:.0f} s: connections stay open and nothing is answered. Delivery is exactly-once. A
partition that is silent for longer than `input.idle_timeout_ms` no longer holds event time back,
so that events of a partition that comes back later than the others can be late, and become dead
letters. The suite sets it to 5 minutes, above the pause.
"""


def play(options: Options, teller: Teller) -> Outcome:
    """One run with one pause."""
    stream = make_stream(NAME, options.events)
    with open_stage(teller) as stage:
        stage.write(stream, 0.15)
        run = make_run(stage, stream, f"{NAME}-1", exactly_once=True, readers=options.readers)
        expected = stage.expected(run, 0.05)
        n_due = len(expected.scores)
        job_id = stage.start(run)
        with Progressing(stage, run) as scores:
            n_there = scores.wait_for(n_due // 3, job_id)
        keep(n_there < n_due, f"{NAME}: the stream was over before the pause")
        teller.advance(0.3)
        stage.broker.pause()
        time.sleep(PAUSE_S)
        stage.broker.resume()
        resumed = time.monotonic()
        let_go(stage, run)
        teller.advance(0.3)
        verdict = stage.finish(run, job_id, expected)
        seconds = time.monotonic() - resumed
        teller.advance(0.2)
    return Outcome(
        name=NAME,
        command=f"--only {NAME} --events {options.events} --readers {options.readers}",
        fault=f"the broker hangs for {PAUSE_S:.0f} s (SIGSTOP, SIGCONT)",
        events=stream.n_events,
        runs=1,
        result=f"paused with {n_there:,} scores there; {verdict}, {seconds:.0f} s after it went on",
        notes=_NOTES.format(pause_s=PAUSE_S),
    )
