"""A running sandbox: feeds it, and shows what comes of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import NoReturn

from rich.console import Console

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.kafka.event_sender import EventSender
from flink_jobs.kafka.job_output import JobOutput
from flink_jobs.records.dead_letters import DeadLetter
from flink_jobs.replay.on_flink.own_topics import max_record_bytes
from flink_jobs.sandbox.health import Health
from flink_jobs.sandbox.history import Feeder, History
from flink_jobs.sandbox.job import closing_time_ms
from flink_jobs.sandbox.screen import Screen

_POLL_S = 0.25
# Records come round within the time of a bundle and the linger of the sinks, 0.2 s at most each.
_LAST_RECORDS_S = 3.0


class Session:
    """A job that runs, and what shows it.

    Parameters
    ----------
    config : DriftJobConfig
        The job's own.
    health : Health
    job_output : JobOutput
    screen : Screen
    console : rich.console.Console
    """

    def __init__(
        self,
        config: DriftJobConfig,
        health: Health,
        job_output: JobOutput,
        screen: Screen,
        console: Console,
    ) -> None:
        self.config = config
        self._health = health
        self._output = job_output
        self._screen = screen
        self._console = console
        self._feeder: Feeder | None = None

    def look(self, timeout_s: float = 0.0) -> None:
        """Show what has come, waiting for at most about ``timeout_s`` seconds."""
        written = self._output.poll(timeout_s)
        self._screen.take(written)
        for where, letter in self._placed(written.dead_letters):
            self._screen.refuse(where, letter)
        if trouble := self._health.trouble():
            self._screen.say(trouble)

    def look_for_ever(self, status: str) -> NoReturn:
        """Show what comes until Ctrl-C."""
        with self._console.status(status):
            while True:
                self.look(_POLL_S)

    def feed(self, history: History, config: DriftJobConfig, speed: float, shift_ms: int) -> None:
        """Send a history, which ``config`` says how to read, until the job has seen all of it."""
        kafka = self.config.kafka
        with EventSender(
            kafka.bootstrap_servers,
            kafka.inference_topic,
            max_record_bytes=max_record_bytes(self.config),
        ) as sender:
            self._feeder = Feeder(history, config, sender, speed=speed, shift_ms=shift_ms)
            with self._screen.bar("Feeding") as tell:
                for n_sent in self._feeder.feed():
                    tell(n_sent, n_sent, history.counts.n_rows)
                    self.look()
            self._screen.refuse_all(self._feeder.misplaced())
            with self._console.status("Waiting until the job has seen all of it"):
                self._close_windows(self._feeder, history)

    def _close_windows(self, feeder: Feeder, history: History) -> None:
        last_ms = history.counts.last_ms
        for _ in feeder.move_time_to(closing_time_ms(self.config, last_ms)):
            self.look(_POLL_S)
        end_ms = feeder.reached_ms - self.config.input.max_out_of_orderness_ms - 1
        while (self._health.event_time_ms() or 0) < end_ms:
            self.look(_POLL_S)
        until_s = time.monotonic() + _LAST_RECORDS_S
        while time.monotonic() < until_s:
            self.look(_POLL_S)

    def _placed(self, letters: list[DeadLetter]) -> Iterator[tuple[str, DeadLetter]]:
        """Dead letters with their places: of a history its file and row."""
        for letter in letters:
            found = None if self._feeder is None else self._feeder.placed(letter)
            topic = self.config.kafka.inference_topic
            yield found or (f"{topic}[{letter.partition}]:{letter.offset}", letter)
