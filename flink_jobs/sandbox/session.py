"""A running sandbox: feeds it, and shows what comes of it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import NoReturn

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
    """

    def __init__(
        self, config: DriftJobConfig, health: Health, job_output: JobOutput, screen: Screen
    ) -> None:
        self.config = config
        self._health = health
        self._output = job_output
        self._screen = screen
        self._feeder: Feeder | None = None

    def look(self, timeout_s: float = 0.0) -> None:
        """Show what has come, waiting for at most about ``timeout_s`` seconds."""
        written = self._output.poll(timeout_s)
        self._screen.take(written)
        for where, letter in self._placed(written.dead_letters):
            self._screen.refuse(where, letter)
        if trouble := self._health.trouble():
            self._screen.say(trouble)

    def look_for_ever(self, status: str, beats: Iterable[int] = ()) -> NoReturn:
        """Show what comes until Ctrl-C; asks for the next of ``beats`` at each look."""
        beating = iter(beats)
        with self._screen.console.status(status):
            while True:
                next(beating, None)
                self.look(_POLL_S)

    def feed(
        self,
        history: History,
        config: DriftJobConfig,
        *,
        speed: float,
        shift_ms: int = 0,
        exit_at_end: bool = False,
    ) -> None:
        """Send a history, which ``config`` says how to read, and go on until Ctrl-C.

        With ``exit_at_end`` only until the job has seen all of it.
        """
        kafka = self.config.kafka
        with EventSender(
            kafka.bootstrap_servers,
            kafka.inference_topic,
            max_record_bytes=max_record_bytes(self.config),
        ) as sender:
            feeder = Feeder(history, config, sender, speed=speed, shift_ms=shift_ms)
            self._send(feeder, history)
            end_ms = closing_time_ms(self.config, history.counts.last_ms + shift_ms)
            is_past = end_ms <= time.time() * 1000
            with self._screen.console.status("Waiting until the job has seen all of it"):
                self._wait(feeder, end_ms if is_past else self._end_of_panes_ms(history, shift_ms))
            self._screen.say(
                f"The history is over, and the job has seen all of it: {self._screen.summary()}."
            )
            if not is_past:
                self._screen.say("The last windows close as time goes on.")
            if not exit_at_end:
                beats = feeder.move_time_to(end_ms)
                self.look_for_ever("The page stays; Ctrl-C ends it", beats)

    def _send(self, feeder: Feeder, history: History) -> None:
        self._feeder = feeder
        with self._screen.bar("Feeding") as tell:
            for n_sent in feeder.feed():
                # A row may hold several events.
                n_rows = history.counts.n_rows
                tell(n_sent, min(n_sent, n_rows), n_rows)
                self.look()
        self._screen.refuse_all(feeder.misplaced())

    def _wait(self, feeder: Feeder, until_ms: int) -> None:
        """Wait until event time is there, and what comes of it has come round."""
        for _ in feeder.move_time_to(until_ms):
            self.look(_POLL_S)
        end_ms = until_ms - self.config.input.max_out_of_orderness_ms - 1
        while (self._health.event_time_ms() or 0) < end_ms:
            self.look(_POLL_S)
        last_s = time.monotonic() + _LAST_RECORDS_S
        while time.monotonic() < last_s:
            self.look(_POLL_S)

    def _end_of_panes_ms(self, history: History, shift_ms: int) -> int:
        """Give the time of a heartbeat that closes the last pane, which is some seconds ahead."""
        later_ms = self.config.panes.width_ms + self.config.input.max_out_of_orderness_ms + 1
        return history.counts.last_ms + shift_ms + later_ms

    def _placed(self, letters: list[DeadLetter]) -> Iterator[tuple[str, DeadLetter]]:
        """Dead letters with their places: of a history its file and row."""
        for letter in letters:
            found = None if self._feeder is None else self._feeder.placed(letter)
            topic = self.config.kafka.inference_topic
            yield found or (f"{topic}[{letter.partition}]:{letter.offset}", letter)
