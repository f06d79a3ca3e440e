import msgspec
import pytest
from rich.console import Console
from rich.table import Table

from flink_jobs.records.alerts import ReferenceSummary
from flink_jobs.records.control import EvidenceSummary, ModelSummary, Outcome, ViewSummary
from flink_jobs.reports.text.audits import audit_line, summary_table
from tests.records.examples import make_audit


def printed(table: Table) -> str:
    console = Console(width=200, color_system=None)
    with console.capture() as captured:
        console.print(table)
    return captured.get()


def make_summary(**changes: object) -> ModelSummary:
    summary = make_audit("describe").summary
    assert summary is not None
    return msgspec.structs.replace(summary, **changes)


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


def test_the_table_has_what_describe_answers() -> None:
    text = printed(summary_table(make_summary()))

    assert "2,000 events of 2026-01-01 00:00–00:10 UTC (3f9d2c71a8e04b56)" in text
    assert "6,000 since the reference" in text
    assert "until 2026-01-01 01:00 UTC" in text
    assert "0a1b2c3d4e5f60718293a4b5c6d7e8f9  drift, warning, acknowledged" in text
    assert '{"calibration":{"level":0.01}}' in text
    assert "1 command" in text


def test_the_table_says_how_far_sequential_detectors_are_from_an_alarm() -> None:
    watched = ViewSummary(
        phase="monitoring",
        reference=ReferenceSummary(n_events=2_000, fingerprint="3f9d2c71a8e04b56"),
        n_collected=0,
        n_monitored=6_000,
        sequential=[
            EvidenceSummary(detector="whole", evidence=1_234.5, run_time=1e6, unit="events"),
            EvidenceSummary(detector="time", evidence=61_000.0, run_time=3.6e6, unit="ms"),
        ],
    )

    text = printed(summary_table(make_summary(views=[watched])))

    assert "1,234 of 1,000,000 events, whole" in text
    assert "of 1 h, time" in text


def test_a_model_of_which_nothing_is_known_yet_has_a_table_too() -> None:
    collecting = ViewSummary(
        phase="collecting",
        reference=ReferenceSummary(n_events=0, fingerprint=""),
        n_collected=12,
        n_monitored=0,
    )
    summary = make_summary(
        views=[collecting],
        now_ms=None,
        heard_ms=None,
        snoozed_until_ms=None,
        change="",
        incidents=[],
    )

    text = printed(summary_table(summary))

    assert "12 for the reference so far" in text
    assert "none yet" in text
    assert "none is open" in text
    assert "none, as in the job's file" in text


def test_several_views_of_a_model_are_named_each_with_its_reference() -> None:
    (main,) = make_summary().views
    views = [msgspec.structs.replace(main, view=name) for name in ("inputs", "outputs")]

    lines = [
        line.split() for line in printed(summary_table(make_summary(views=views))).splitlines()
    ]

    assert [words[1] for words in lines if words[:1] == ["view"]] == ["inputs", "outputs"]
    assert sum(words[:1] == ["reference"] for words in lines) == 2


def test_the_only_view_of_a_configuration_without_views_stays_unnamed() -> None:
    assert "view" not in printed(summary_table(make_summary()))
