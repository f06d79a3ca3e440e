"""``loudly backtest`` as a person runs it."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flink_jobs.cli import app
from flink_jobs.histories import packages
from flink_jobs.histories.packages import how_to_install
from tests.histories.examples import START_MS, Event, make_events, write_json_lines

JOB = """
version = 1
kafka = {bootstrap_servers = "127.0.0.1:9092"}
input = {n_features = 3}
panes = {width_ms = 1000}
window = {kind = "time", size_ms = 3000, slide_ms = 1000, min_events = 2}
reference = {kind = "first_events", n_events = 30}
detector = {reducer = {kind = "none"}, test = {kind = "ks"}}
"""
SHIFTS = f"""
[[shifts]]
kind = "noise"
models = "a"
intensity = 5.0
start_ms = {START_MS + 8_000}
end_ms = {START_MS + 12_000}
name = "noisy sensor"
"""
DRIFTS = f'[[drift]]\nmodel = "c"\nstart_ms = {START_MS + 8_000}\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "job.toml").write_text(JOB)
    (tmp_path / "shifts.toml").write_text(SHIFTS)
    (tmp_path / "drifts.toml").write_text(DRIFTS)
    write_json_lines(tmp_path / "history.jsonl", make_events())
    return tmp_path


def options(folder: Path, history: str = "history.jsonl") -> list[str]:
    named = {"config": "job.toml", "input": history, "output": "out"}
    return [f"--{name}={folder / value}" for name, value in named.items()] + ["--processes=1"]


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
    return result.exit_code, result.output


def test_drifts_that_are_simulated_are_known(folder: Path) -> None:
    shifts, truth = (f"--{name}={folder / file}" for name, file in
                     (("shifts", "shifts.toml"), ("truth", "drifts.toml")))  # fmt: skip

    outputs = {n: run("backtest", *options(folder), *given) for n, given in
               enumerate([(), (shifts,), (shifts, truth)])}  # fmt: skip

    assert {status for status, _ in outputs.values()} == {0}
    assert "Against the labelled drifts" not in outputs[0][1]
    counted = [
        next(line for line in outputs[n][1].splitlines() if line.startswith("│ drifts "))
        for n in (1, 2)
    ]
    assert [line.split("│")[2].strip() for line in counted] == ["1", "2"]


def test_a_column_of_the_history_may_label_the_drifts(folder: Path) -> None:
    lines = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    labelled = [
        {**line, "drifted": line["model"] == "c" and line["time_ms"] >= START_MS + 8_000}
        for line in lines
    ]
    (folder / "history.jsonl").write_text("\n".join(map(json.dumps, labelled)))
    column = "--truth-column=drifted"
    # The last event's label lasts until just after it.
    last_ms = max(line["time_ms"] for line in lines)
    (folder / "drifts.toml").write_text(f"{DRIFTS}end_ms = {last_ms + 1}\n")

    by_column = run("backtest", *options(folder), column)
    by_file = run("backtest", *options(folder), f"--truth={folder / 'drifts.toml'}")
    pages = [
        run("report", str(folder / "out"), column, f"--output={folder / 'page.html'}", *more)
        for more in ((), (f"--input={folder / 'history.jsonl'}",))
    ]

    assert by_column[0] == by_file[0] == 0
    _, found = by_column[1].split("Against the labelled drifts")
    assert found == by_file[1].split("Against the labelled drifts")[1]
    assert [status for status, _ in pages] == [2, 0]
    assert "it needs --input" in pages[0][1]


def test_figures_without_a_false_alarm_have_a_limit_and_unmonitored_drifts_are_told(
    folder: Path,
) -> None:
    later = f'[[drift]]\nmodel = "c"\nstart_ms = {START_MS + 86_400_000}\n'
    (folder / "drifts.toml").write_text(DRIFTS + later)

    status, output = run("backtest", *options(folder), f"--truth={folder / 'drifts.toml'}")

    never = {
        cells[1].strip(): cells[3].strip()
        for line in output.splitlines()
        if len(cells := line.split("│")) == 7
    }
    assert status == 0
    assert never["missed"] == "2 (1 unmonitored)"
    assert never["mean time between false alarms"].startswith("> ")


def test_a_history_of_which_nothing_can_be_used_has_no_dates(folder: Path) -> None:
    (folder / "history.jsonl").write_text("[1]\n")

    status, output = run("backtest", *options(folder))

    assert status == 3
    assert "1 event of 0 models, no event time" in output
    assert "1 dead letter: 1 no_model" in output
    assert "Note: no event could be used, so nothing was tested." in output


def test_a_backtest_says_when_drift_began_and_what_moved_and_how_to_see_all(folder: Path) -> None:
    shifts = f"--shifts={folder / 'shifts.toml'}"
    quiet = [replace(e, model="a" if e.model == "a" else "b") for e in make_events()]
    write_json_lines(folder / "history.jsonl", quiet)

    status, output = run("backtest", *options(folder), shifts)

    began = output.split("How the first incidents began:\n")[1]
    first = json.loads((folder / "out" / "alerts.jsonl").read_text().splitlines()[0])
    assert status == 0
    assert f"STARTED    {first['model']}" in began
    assert f"`{first['top_columns'][0]['column']}`" in began
    command = began.splitlines()[-1].removeprefix("Next: loudly ")
    _, told = run(*shlex.split(command.replace("report.html", str(folder / "page.html"))))
    assert (folder / "page.html").exists(), told


def test_a_backtest_without_an_alert_names_none(folder: Path) -> None:
    write_json_lines(folder / "history.jsonl", [e for e in make_events() if e.model == "b"])

    _, output = run("backtest", *options(folder))

    assert "0 alerts" in output
    assert "How the first incidents began" not in output


UNUSABLE = {
    "all dead letters": lambda event: replace(event, features=[1.0]),
    "every window too small": lambda e: replace(e, time_ms=START_MS + 100 * (e.time_ms - START_MS)),
    "all late but the first": lambda e: replace(
        e, time_ms=e.time_ms + 10**8 * (e.event_id == "a-0")
    ),
    "a model for each event": lambda event: replace(event, model=event.event_id),
}


@pytest.mark.parametrize("change", UNUSABLE.values(), ids=UNUSABLE)
def test_a_run_in_which_nothing_was_tested_never_looks_like_one_in_which_all_was_well(
    folder: Path, change: Callable[[Event], Event]
) -> None:
    write_json_lines(folder / "history.jsonl", list(map(change, make_events())))
    page = folder / "page.html"

    status, output = run("backtest", *options(folder))
    reported, told = run("report", str(folder / "out"), f"--output={page}")

    assert status == reported == 3
    assert "0 tested" in output
    assert re.search(r"Note: no (window was tested|event could be used)", output)
    assert "No window was tested" in told
    assert "No window was tested" in page.read_text()
    assert "No drift was found" not in page.read_text()


def test_what_tells_nothing_of_drift_is_marked_model_by_model(folder: Path) -> None:
    events = [e for n, e in enumerate(make_events()) if e.model != "a" or n % 60 == 0]
    write_json_lines(folder / "history.jsonl", events)

    status, output = run("backtest", *options(folder))
    run("report", str(folder / "out"), f"--output={folder / 'page.html'}")

    drifting = dict(re.findall(r"^\W*([ab]) .*? of +\d+\W+?(–|\d+)", output, re.MULTILINE))
    assert status == 0
    assert drifting == {"a": "–", "b": "0"}
    assert "Note: no window was tested of 1 of 3 models: a (" in output
    page = (folder / "page.html").read_text()
    assert "not tested" in page


def test_many_events_that_one_reason_refuses_are_noted(folder: Path) -> None:
    events = make_events()
    events[::50] = [replace(event, features=[1.0]) for event in events[::50]]
    write_json_lines(folder / "history.jsonl", events)

    status, output = run("backtest", *options(folder))

    assert status == 0
    assert "Note: 24 of 1,200 events were refused as wrong_length" in output


@pytest.mark.parametrize("command", ["compare", "backtest"])
def test_help_shows_what_it_was_given(command: str) -> None:
    status, output = run(command, "--help")

    assert status == 0
    assert "[]" not in output


@pytest.mark.parametrize("command", ["backtest", "report", "compare"])
def test_a_missing_package_ends_with_one_message(
    folder: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr(packages, "_PACKAGES", {"no_such_module": "no-such-package"})
    arguments = {
        "backtest": options(folder),
        "report": [str(folder)],
        "compare": [*options(folder), f"--grid={folder / 'grid.toml'}"],
    }

    status, output = run(command, *arguments[command])

    assert status == 1
    assert f"backtests need no-such-package: {how_to_install('backtest')}" in output


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_backtest_that_is_ended_leaves_nothing_half_done(
    folder: Path, number: signal.Signals, status: int
) -> None:
    # Reading waits for as long as nobody writes.
    os.mkfifo(folder / "endless.jsonl")
    command = [sys.executable, "-m", "flink_jobs.cli", "backtest"]
    process = subprocess.Popen(
        [*command, *options(folder, "endless.jsonl")],
        # Whoever runs the tests in the background has them ignore it, and what they start, too.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 120
    while not list(folder.glob("out/.parts-*")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)

    process.send_signal(number)

    assert process.wait(timeout=60) == status
    assert list((folder / "out").iterdir()) == []
