"""`loudly sandbox` as a user runs it: own processes, and what they leave behind."""

from __future__ import annotations

import re
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from flink_jobs.config.loading import load_config
from flink_jobs.records.alerts import Alert
from flink_jobs.replay.engine import run_backtest
from tests.marked_command import MarkedCommand

pytestmark = pytest.mark.system

START_MS = 1_767_225_600_000
JOB = """
version = 1

[kafka]
# Nobody listens there: the sandbox must not ask.
bootstrap_servers = "127.0.0.1:1"
properties = {"security.protocol" = "SSL"}

[job]
parallelism = 4

[input]
format = "json"

[columns]
model_name = "churn"
time = "meta.at"
features_at = "request"
features = {tenure = "number", plan = "category"}
outputs = {p_churn = {kind = "probability", path = "response.p"}}

[[views]]
name = "inputs"
columns = ["features"]

[panes]
width_ms = 10_000

[window]
kind = "time"
size_ms = 60_000
slide_ms = 20_000

[reference]
kind = "first_events"
n_events = 300

[policy]
windows_to_start = 1
"""


@pytest.fixture
def command(tmp_path: Path) -> Iterator[MarkedCommand]:
    run = MarkedCommand("sandbox", tmp_path)
    yield run
    run.end()


@pytest.fixture
def job(tmp_path: Path) -> Path:
    path = tmp_path / "job.toml"
    path.write_text(JOB)
    return path


def write_history(path: Path) -> None:
    """Nested events of ten minutes, two a second, one of which cannot be used; then plans drift."""
    rng = np.random.default_rng(0)
    lines = []
    for i in range(1_200):
        plan = "family" if i >= 800 and rng.random() < 0.6 else str(rng.choice(["basic", "pro"]))
        request = {"tenure": int(rng.integers(0, 72)), "plan": plan}
        if i == 900:
            del request["plan"]
        event = {
            "meta": {"at": START_MS + i * 500},
            "request": request,
            "response": {"p": rng.random()},
        }
        lines.append(msgspec.json.encode(event))
    path.write_bytes(b"\n".join(lines))


def test_a_history_gives_the_alerts_of_its_backtest(
    command: MarkedCommand, job: Path, tmp_path: Path
) -> None:
    history = tmp_path / "history.jsonl"
    write_history(history)
    backtest = run_backtest(load_config(job), str(history), processes=1, folder=tmp_path / "result")

    status, text = command.run(
        *["--config", str(job), "--input", str(history)],
        *["--speed", "0", "--exit-at-end", "--port", "0"],
    )

    assert status == 0, text
    assert "▲ STARTED    churn  view inputs" in text
    found = msgspec.json.Decoder(Alert).decode_lines((command.output / "alerts.jsonl").read_bytes())
    assert found
    assert {each.alert_id for each in found} == {each.alert_id for each in backtest.alerts()}
    assert f"{backtest.summary.n_scores} windows, {backtest.summary.n_tested} tested" in text
    assert re.search(r"✘ not used: \S*history\.jsonl:901 \w+: .*plan", text)
    assert (command.output / "logs" / "kafka.log").stat().st_size > 0
    assert command.processes_left() == []
    assert command.files_left() == []


def test_without_a_history_it_says_how_to_send_an_event_and_runs_until_ctrl_c(
    command: MarkedCommand, job: Path
) -> None:
    process = command.start("--config", str(job))
    page = line_with(process, "The live page").split()[-1]
    sending = line_with(process, " -c ")

    with urllib.request.urlopen(page, timeout=30) as answer:
        assert answer.status == 200
    sent = subprocess.run(sending, shell=True, capture_output=True, text=True, timeout=60)
    assert sent.returncode == 0, sent.stderr
    (command.output / "event.json").write_text("no event")
    subprocess.run(sending, shell=True, check=True, timeout=60)
    # The first one can be used; of the second one the model's name is all that is known.
    refused = line_with(process, "✘ not used")
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=120)

    assert refused.startswith("✘ not used: inference[0]:1 ")
    assert process.returncode == 0, rest
    assert "1 dead letter" in rest
    assert "Traceback" not in rest
    assert command.processes_left() == []
    assert command.files_left() == []


def test_a_start_that_is_ended_stops_everything_it_started(
    command: MarkedCommand, job: Path
) -> None:
    """Ctrl-C during a start is for every command the same, see tests/demo."""
    process = command.start("--config", str(job))
    line_with(process, "✔ Kafka broker")
    assert len(command.processes_left()) > 1

    process.send_signal(signal.SIGTERM)
    text, _ = process.communicate(timeout=120)

    assert process.returncode == 143, text
    assert "Traceback" not in text
    assert command.processes_left() == []
    assert command.files_left() == []


def line_with(process: subprocess.Popen[str], text: str) -> str:
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if text in line:
            return line.strip()
    raise AssertionError("".join(seen))
