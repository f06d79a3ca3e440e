"""Names from outside are shown, and do nothing: in a terminal, a log, a page, a line of JSON."""

from __future__ import annotations

import io
import json
import logging
import unicodedata
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from flink_jobs.cli import app
from flink_jobs.cli.shared.console import PlainConsole
from flink_jobs.core.notices import Notice
from flink_jobs.flink.log import JobLog
from flink_jobs.records.alerts import Alert, Exemplar
from flink_jobs.records.shown import shown, shown_html, shown_json
from flink_jobs.reports.text.alerts import to_json_line, to_text
from flink_jobs.reports.text.audits import audit_line
from flink_jobs.reports.text.statuses import status_table, statuses_table
from tests.records.examples import make_alert, make_audit, make_status

HOSTILE = [
    "fr\x1b[31mred\x07\x1b]0;title\x07",
    "\x9b31mred\x90q\x9c",
    "a\u202egnp.\u2066b\u200b\ufeff\u3164",
    "[red]markup[/red][bold]:warning:",
    "two\nlines\r\nover\u2028and\x85out",
    "<script>alert(1)</script>$x^2$\\",
    "m" * 900,
]
JOB = """
version = 1
kafka = {bootstrap_servers = "127.0.0.1:9092"}
input = {n_features = 1}
panes = {width_ms = 1_000}
window = {kind = "time", size_ms = 20_000, slide_ms = 20_000}
reference = {kind = "first_events", n_events = 40}
detector = {reducer = {kind = "none"}}
"""
names = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=300))


def hidden(text: str) -> list[str]:
    """The characters that cannot be seen, by Unicode's own categories, but our line breaks."""
    unseen = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
    return [c for c in text if c != "\n" and unicodedata.category(c) in unseen]


def printed(*renderables: object) -> str:
    console = PlainConsole()
    console.file = io.StringIO()
    for each in renderables:
        console.print(each, soft_wrap=True)
    return console.file.getvalue()


@given(names)
def test_what_is_shown_is_one_printable_line_and_stays_as_it_is(name: str) -> None:
    text = shown(name)

    assert text.isprintable()
    assert len(text) <= 200
    assert shown(text) == text


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=0x24F), max_size=200))
def test_names_of_common_letters_are_shown_as_they_are(name: str) -> None:
    plain = "".join(c for c in name if c.isprintable())

    assert shown(plain) == plain or "\u034f" in plain


@given(st.text(max_size=300).filter(lambda text: text.encode("utf-8", "ignore").decode() == text))
def test_json_says_the_same_with_escapes(name: str) -> None:
    line = shown_json(msgspec.json.encode({"model": name}).decode())

    assert json.loads(line) == {"model": name}
    assert hidden(line) == []
    assert "\n" not in line


@given(names)
def test_an_alert_is_as_many_lines_whatever_its_names_are(name: str) -> None:
    alert = make_alert()
    hostile = msgspec.structs.replace(
        alert,
        model=name,
        detector=name,
        reducer=name,
        test=name,
        exemplars=[msgspec.structs.replace(each, event_id=name) for each in alert.exemplars],
    )

    output = printed(to_text(hostile))

    assert hidden(output) == []
    assert output.count("\n") == printed(to_text(alert)).count("\n")


@given(names)
def test_an_answer_is_one_line(name: str) -> None:
    audit = make_audit("describe")
    hostile = msgspec.structs.replace(audit, model=name, kind=name, reason=name)

    assert hidden(printed(audit_line(hostile))) == []
    assert printed(audit_line(hostile)).count("\n") == 1


@given(names)
def test_a_status_shows_names_and_does_nothing(name: str) -> None:
    status = make_status()
    (view,) = status.views
    detectors = [msgspec.structs.replace(each, detector=name, test=name) for each in view.detectors]
    view = msgspec.structs.replace(view, view=name, reducer=name, detectors=detectors)
    hostile = msgspec.structs.replace(
        status, model=name, change=name, config_version=name, job=name, views=[view]
    )

    tables = printed(statuses_table([hostile]), status_table(hostile))

    assert hidden(tables) == []
    assert tables.isascii() or "\u202e" not in tables


@pytest.mark.parametrize("name", HOSTILE)
def test_logs_and_pages_show_names_alike(name: str, caplog: pytest.LogCaptureFixture) -> None:
    JobLog(logging.getLogger("hostile"), "loudly").notice(Notice(model=name, text=name))

    (message,) = caplog.messages
    assert hidden(message) == hidden(shown_html(name)) == []
    assert json.loads(message)["model"] == name
    assert "<" not in shown_html(name)


def test_markup_and_emoji_codes_in_a_name_stay_text() -> None:
    assert printed("[red]a[/red] :warning: [link=http://x]y") == (
        "[red]a[/red] :warning: [link=http://x]y\n"
    )


def loudly(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "120"})


def test_a_backtest_and_its_report_print_no_name_raw(tmp_path: Path) -> None:
    history, job = tmp_path / "history.jsonl", tmp_path / "job.toml"
    job.write_text(JOB)
    events = [
        {
            "schema_version": 1,
            "event_id": f"{name}-{number}",
            "model": name,
            "time_ms": 1_767_225_600_000 + number * 500,
            "features": [float(number % 5) + 10 * (number > 100)],
        }
        for number in range(200)
        for name in HOSTILE
    ]
    refused = [{**events[0], "features": ["\x1b[31m"], "event_id": "x\x1b"}]
    history.write_text("".join(json.dumps(event) + "\n" for event in [*refused, *events]))

    result = loudly(
        *["backtest", "--config", str(job), "--input", str(history)],
        *["--output", str(tmp_path / "out")],
    )
    page = tmp_path / "report.html"
    reported = loudly("report", str(tmp_path / "out"), "--output", str(page))

    assert result.exit_code == 0, result.output
    assert reported.exit_code == 0, reported.output
    assert hidden(result.output) == []
    assert r"fr\x1b[31mred" in result.output
    assert "[red]markup" in result.output
    text = page.read_text(encoding="utf-8")
    assert r"fr\x1b[31mred" in text
    assert "<script>alert(1)" not in text
    # The code of the charts, which is not ours, ends where our data begin.
    body = text[text.index("<body") : text.index('<script type="text/plain"')]
    assert hidden(body) == []


@pytest.mark.parametrize("name", HOSTILE[:4])
def test_errors_show_names_and_paths_as_text(tmp_path: Path, name: str) -> None:
    job = tmp_path / "job.toml"
    job.write_text(JOB)
    missing = str(tmp_path / f"{name}.toml")

    outputs = [
        loudly("validate", missing).output,
        loudly("backtest", "--config", str(job), "--input", missing, "--output", missing).output,
        loudly("control", "configure", name, "--change", missing).output,
        loudly("control", "acknowledge", name + "*", "--incident", name).output,
        loudly("control", "snooze", name, "--until", name).output,
        loudly("run", "--config", str(job), "--jobmanager", name).output,
        loudly("alerts", "--bootstrap-servers", name, "--property", f"{name}=1").output,
    ]

    for output in outputs:
        assert output
        assert hidden(output) == []
        assert "Traceback" not in output


def test_a_table_of_problems_cuts_nothing_off_a_name_with_escapes(tmp_path: Path) -> None:
    job = tmp_path / "job.toml"
    job.write_text(JOB + '\n"a\\u001b[31mend" = 1\n')

    output = loudly("validate", str(job)).output

    assert r"a\x1b[31mend" in output


def test_an_alert_as_json_is_the_alert() -> None:
    exemplar = Exemplar(event_id="\u202e", score=1.0, partition=0, offset=0)
    alert = make_alert(model="".join(HOSTILE), exemplars=[exemplar])

    line = to_json_line(alert)

    assert hidden(line) == []
    assert msgspec.json.decode(line, type=Alert) == alert
