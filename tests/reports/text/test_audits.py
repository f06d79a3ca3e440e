import pytest
from rich.console import Console

from flink_jobs.records.control import Outcome
from flink_jobs.reports.text.audits import audit_line
from tests.records.examples import make_audit


@pytest.mark.parametrize(
    ("variant", "sign"),
    [
        ("", "✔ APPLIED   fraud"),
        ("refused", "✖ REFUSED   fraud"),
        ("waiting", "◷ WAITING   fraud"),
        ("accepted", "→ ACCEPTED  fraud-*"),
    ],
)
def test_an_outcome_is_told_by_symbol_and_word_and_not_by_colour_alone(
    variant: str, sign: str
) -> None:
    assert audit_line(make_audit(variant)).plain.startswith(sign)


def test_each_outcome_has_a_colour_of_its_own() -> None:
    styles = {str(audit_line(make_audit(outcome=outcome)).style) for outcome in Outcome}

    assert len(styles) == len(Outcome)


def test_the_line_says_from_when_on_the_command_holds() -> None:
    line = audit_line(make_audit("waiting")).plain

    assert "configure from 2026-01-01 01:00 UTC on: takes effect at" in line


def test_what_a_model_is_told_before_its_first_event_holds_from_there_on() -> None:
    assert "rebaseline from its first event on: " in audit_line(make_audit(effective_ms=0)).plain


def test_a_record_that_could_not_be_read_is_answered_all_the_same() -> None:
    line = audit_line(make_audit("refused", model=None, kind=None, command_id=None)).plain

    assert line.startswith("✖ REFUSED   no model  no command: ")


def test_brackets_in_a_reason_are_no_markup() -> None:
    console = Console(width=200, color_system=None)

    with console.capture() as captured:
        console.print(audit_line(make_audit(reason="at [bold]x")))

    assert "at [bold]x" in captured.get()
