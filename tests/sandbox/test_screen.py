"""What the sandbox prints and counts."""

from __future__ import annotations

import io
from pathlib import Path

import msgspec
import pytest

from flink_jobs.cli.shared.console import PlainConsole
from flink_jobs.kafka.job_output import Written
from flink_jobs.records.alerts import Alert, ScoreStatus
from flink_jobs.records.dead_letters import DeadLetter, Reason
from flink_jobs.sandbox.history import Misplaced
from flink_jobs.sandbox.screen import Screen
from tests.records.examples import make_alert, make_score


class Printed:
    """A screen on a console of which the text is kept."""

    def __init__(self, folder: Path) -> None:
        self.alerts_file = folder / "alerts.jsonl"
        self._console = PlainConsole()
        self._console.file = io.StringIO()
        self.screen = Screen(self._console, self.alerts_file)

    @property
    def text(self) -> str:
        assert isinstance(self._console.file, io.StringIO)
        return self._console.file.getvalue()


@pytest.fixture
def printed(tmp_path: Path) -> Printed:
    return Printed(tmp_path)


def letter(detail: str = "age is missing", offset: int = 0) -> DeadLetter:
    return DeadLetter(
        reason=Reason.INVALID_EVENT,
        detail=detail,
        model="churn",
        partition=0,
        offset=offset,
        event_time_ms=0,
    )


def test_alerts_are_printed_and_kept(printed: Printed) -> None:
    alert = make_alert()

    with printed.screen as screen:
        screen.take(Written([alert], [], []))
        kept = printed.alerts_file.read_bytes()

    assert msgspec.json.decode(kept, type=Alert) == alert
    assert alert.model in printed.text


def test_windows_that_were_not_tested_are_told_apart(printed: Printed) -> None:
    tested = make_score()
    untested = msgspec.structs.replace(tested, status=ScoreStatus.TOO_FEW_EVENTS)

    with printed.screen as screen:
        screen.take(Written([], [tested, untested, untested], []))

    assert screen.summary() == "3 windows, 1 tested; 0 alerts; no dead letters"


def test_the_first_dead_letters_of_a_reason_are_shown_and_all_are_counted(
    printed: Printed,
) -> None:
    with printed.screen as screen:
        for row in range(1_000):
            screen.refuse(f"history.csv row {row}", letter())

    assert printed.text.count("history.csv row") == 3
    assert "invalid_event are counted, not shown" in printed.text
    assert screen.summary().endswith("1,000 dead letters: 1,000 invalid_event")


def test_where_no_window_was_tested_the_summary_says_so_first(printed: Printed) -> None:
    summary = printed.screen.summary()

    assert summary.startswith("Nothing was tested (0 windows, 0 tested); 0 alerts")


def test_rows_that_could_not_be_sent_are_counted_beside_those_of_the_job(printed: Printed) -> None:
    with printed.screen as screen:
        screen.refuse("history.csv row 7", letter())
        screen.refuse_all(Misplaced({"no_time": 5_000}, [("history.csv row 1", letter())]))

    assert screen.dead_letters == {"invalid_event": 1, "no_time": 5_000}


def test_nothing_from_an_event_drives_the_terminal(printed: Printed) -> None:
    with printed.screen as screen:
        screen.refuse("\x1b[31mfile", letter("plan is \x1b]0;title\x07\u202e"))

    assert "\x1b" not in printed.text
    assert "\\x1b[31mfile" in printed.text
