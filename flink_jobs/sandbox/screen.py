"""Texts of the sandbox on the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from flink_jobs.kafka.job_output import Written
from flink_jobs.records.alerts import ScoreStatus
from flink_jobs.records.dead_letters import DeadLetter
from flink_jobs.records.shown import shown
from flink_jobs.records.wording import count
from flink_jobs.reports.text.alerts import to_json_line, to_text
from flink_jobs.sandbox.history import Misplaced

Tell = Callable[[int, int, int], None]
"""Told the number of events so far, and how much of how much is done."""
_MOST_EXAMPLES = 3


class Screen:
    """Shows what the job writes, and counts it; alerts go to a file, too.

    Parameters
    ----------
    console : rich.console.Console
        On which text from outside is never more than text.
    alerts_file : Path
        Replaced by the alerts as JSON lines.

    Attributes
    ----------
    console : rich.console.Console
    n_alerts, n_tested, n_untested : int
    dead_letters : Counter of str
        By reason.
    """

    def __init__(self, console: Console, alerts_file: Path) -> None:
        self.n_alerts = self.n_tested = self.n_untested = 0
        self.dead_letters = Counter[str]()
        self.console = console
        self._path = alerts_file
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._file = self._stack.enter_context(self._path.open("w", encoding="utf-8"))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def take(self, written: Written) -> None:
        """Show alerts, and the first alerts and dead letters of each reason; count the rest."""
        for alert in written.alerts:
            self.n_alerts += 1
            self.say(to_text(alert))
            self._file.write(to_json_line(alert) + "\n")
        self._file.flush()
        n_tested = sum(score.status is ScoreStatus.TESTED for score in written.scores)
        self.n_tested += n_tested
        self.n_untested += len(written.scores) - n_tested

    def refuse(self, where: str, letter: DeadLetter) -> None:
        """Count an event that could not be used, and show the first ones of each reason."""
        reason = letter.reason.value
        self.dead_letters[reason] += 1
        if (n := self.dead_letters[reason]) <= _MOST_EXAMPLES:
            line = f" not used: {shown(where)} {reason}: {shown(letter.detail)}"
            self.say(Text.assemble(("✘", "red"), line))
        if n == _MOST_EXAMPLES:
            self.say(f"  Further events that are {reason} are counted, not shown.")

    def refuse_all(self, misplaced: Misplaced) -> None:
        """Do so for the rows of a history that could not be sent."""
        before = self.dead_letters.copy()
        for where, letter in misplaced.first:
            self.refuse(where, letter)
        self.dead_letters = before + Counter(misplaced.n_by_reason)

    def say(self, text: Text | str) -> None:
        """Print lines above what moves."""
        self.console.print(text, soft_wrap=True, highlight=False)

    def summary(self) -> str:
        """Say in a line what the job has made of the events so far."""
        n_windows = self.n_tested + self.n_untested
        # A run that tested nothing never looks like one in which nothing drifted.
        windows = f"{count(n_windows, 'window')}, {self.n_tested:,} tested"
        return (
            f"{windows if self.n_tested else f'Nothing was tested ({windows})'}; "
            f"{count(self.n_alerts, 'alert')}; {_refused(self.dead_letters)}"
        )

    @contextmanager
    def bar(self, what: str) -> Iterator[Tell]:
        """Show a bar with the events so far and the time that is left."""
        columns = (
            TextColumn(what),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[n_events]:,} events"),
            TimeRemainingColumn(),
        )
        is_hidden = not self.console.is_terminal
        with Progress(*columns, console=self.console, transient=True, disable=is_hidden) as bar:
            task = bar.add_task("", total=None, n_events=0)

            def tell(n_events: int, done: int, total: int) -> None:
                bar.update(task, completed=done, total=total, n_events=n_events)

            yield tell


def _refused(dead_letters: Counter[str]) -> str:
    if not dead_letters:
        return "no dead letters"
    by_reason = ", ".join(f"{n:,} {reason}" for reason, n in sorted(dead_letters.items()))
    return f"{count(dead_letters.total(), 'dead letter')}: {by_reason}"
