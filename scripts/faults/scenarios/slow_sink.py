"""The broker takes what the job writes far slower than the job could write it."""

from __future__ import annotations

import threading
import time
from typing import Self

from flink_jobs.cluster.errors import FlinkRestError
from scripts.faults.outcome import Options, Outcome
from scripts.faults.promises import keep
from scripts.faults.scenarios.paced import make_stream
from scripts.faults.stage import Stage, Teller, open_stage
from scripts.faults.topics import Run

NAME = "slow-sink"
SLOW_S = 60.0
_CLIENT_ID = f"{NAME}-producer"
# Kafka's producers may hold 32 MB, more than the whole result: the job would feel nothing.
_SMALL_BUFFERS = {"client.id": _CLIENT_ID, "buffer.memory": "65536", "batch.size": "4096"}
_NOTES = """\
A quota of the broker lets the job's producers write {rate:,} bytes/s, so that the results take at
least {slow_s:.0f} s; the inference topic is read at full speed. The producers' buffers are cut to
64 KiB, since the default of 32 MB would swallow the whole result. Backpressure is Flink's own
metric `backPressuredTimeMsPerSecond`, the highest of any task. Delivery is at-least-once.
"""


def play(options: Options, teller: Teller) -> Outcome:
    """One run against a slow broker."""
    stream = make_stream(NAME, options.events)
    with open_stage(teller) as stage:
        stage.write(stream, 0.2)
        run = Run(
            name=f"{NAME}-1", stream=stream, properties=_SMALL_BUFFERS, readers=options.readers
        )
        expected = stage.expected(run, 0.05)
        n_bytes = sum(map(len, [*expected.scores, *expected.alerts]))
        rate = round(n_bytes / SLOW_S)
        stage.broker.limit_client(_CLIENT_ID, write_bytes_per_s=rate)
        started = time.monotonic()
        job_id = stage.start(run)
        with Backpressure(stage, job_id) as backpressure:
            verdict = stage.finish(run, job_id, expected)
        seconds = time.monotonic() - started
        teller.advance(0.75)
    keep(backpressure.highest_ms > 0, f"{NAME}: the sink was never slow enough to be felt")
    return Outcome(
        name=NAME,
        command=f"--only {NAME} --events {options.events} --readers {options.readers}",
        fault=f"the broker takes {rate:,} bytes/s of results",
        events=stream.n_events,
        runs=1,
        result=f"tasks were held back up to {backpressure.highest_ms / 10:.0f} % of a second; "
        f"{verdict}, after {seconds:.0f} s",
        notes=_NOTES.format(rate=rate, slow_s=SLOW_S),
    )


class Backpressure:
    """Watches, in a thread, how long the tasks of a job wait for the tasks behind them.

    Attributes
    ----------
    highest_ms : float
        Of a second, over all tasks and moments.
    """

    def __init__(self, stage: Stage, job_id: str) -> None:
        self._rest = stage.cluster.rest
        self._job_id = job_id
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.highest_ms = 0.0

    def _watch(self) -> None:
        while not self._is_over.wait(1.0):
            try:
                self.highest_ms = max(self.highest_ms, self._now_ms())
            except FlinkRestError:
                continue

    def _now_ms(self) -> float:
        values = [
            value
            for vertex in self._rest.job(self._job_id)["vertices"]
            for value in self._rest.vertex_metrics(
                self._job_id,
                vertex["id"],
                [f"{n}.backPressuredTimeMsPerSecond" for n in range(vertex["parallelism"])],
            ).values()
        ]
        return max((float(value) for value in values if value), default=0.0)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()
