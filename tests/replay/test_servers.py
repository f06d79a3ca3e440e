"""A backtest of what servers log gives what one of Loudly's own events gives."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from flink_jobs.replay.engine import run_backtest
from flink_jobs.replay.result import SCORES_FILE, BacktestResult
from tests.histories.examples import Event, backtest_config, make_events, write_json_lines

N_ROWS = 3
Message = tuple[str, str, int, list[list[float]]]
"""Its name, its model, its time and its rows."""


def events_of_messages() -> list[Event]:
    """Events of which three at a time have one time, as the rows of a message."""
    events = []
    for place, event in enumerate(make_events(models=["a"], n=600)):
        message, row = divmod(place, N_ROWS)
        time_ms = event.time_ms - row * 40
        events.append(Event("a", time_ms, f"m{message}[{row}]", event.features))
    return events


def messages_of(events: Sequence[Event]) -> list[Message]:
    found = []
    for name, own in groupby(events, key=lambda event: event.event_id.partition("[")[0]):
        rows = list(own)
        found.append((name, rows[0].model, rows[0].time_ms, [row.features for row in rows]))
    return found


def open_inference(message: Message) -> Any:
    name, model, time_ms, rows = message
    data = [value for row in rows for value in row]
    tensor = {"name": "x", "shape": [len(rows), 3], "datatype": "FP64", "data": data}
    return {"id": name, "model_name": model, "time_ms": time_ms, "inputs": [tensor]}


def kserve_v1(message: Message) -> Any:
    name, model, time_ms, rows = message
    return {"id": name, "model": model, "time_ms": time_ms, "instances": rows}


def sagemaker(message: Message) -> Any:
    name, model, time_ms, rows = message
    data = "\n".join(",".join(map(repr, row)) for row in rows)
    captured = {"endpointInput": {"encoding": "CSV", "data": data}}
    return {
        "captureData": captured,
        "eventMetadata": {"eventId": name, "inferenceTime": time_ms, "customAttributes": [model]},
    }


def cloud_event(message: Message) -> Any:
    name, model, time_ms, _ = message
    data = base64.b64encode(json.dumps(kserve_v1(message)).encode()).decode()
    attributes = {"specversion": "1.0", "id": name, "subject": model, "timems": str(time_ms)}
    return attributes | {"data_base64": data}


FORMATS: dict[str, tuple[Callable[[Message], Any], dict[str, Any], dict[str, Any]]] = {
    "open_inference": (open_inference, {"format": "open_inference"}, {}),
    "kserve_v1": (kserve_v1, {"format": "kserve_v1"}, {"event_id": "id"}),
    "sagemaker": (sagemaker, {"format": "sagemaker"}, {"model_name": "a"}),
    "cloudevents": (
        cloud_event,
        {"format": "kserve_v1", "envelope": "cloudevents"},
        {"model": "@ce.subject"},
    ),
}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> BacktestResult:
    """What the same events give as Loudly's own."""
    folder = tmp_path_factory.mktemp("own")
    events = write_json_lines(folder / "own.jsonl", events_of_messages())
    return run_backtest(backtest_config(), events, folder=folder / "a", processes=1)


@pytest.mark.parametrize("name", FORMATS)
def test_lines_of_servers_give_the_scores_of_own_events_byte_for_byte(
    tmp_path: Path, own: BacktestResult, name: str
):
    make, given, columns = FORMATS[name]
    lines = [json.dumps(make(message)) for message in messages_of(events_of_messages())]
    path = tmp_path / "lines.jsonl"
    path.write_text("\n".join(lines))

    theirs = run_backtest(
        backtest_config(input=given, columns=columns), path, folder=tmp_path / "b", processes=2
    )

    assert theirs.summary.dead_letters == {}
    assert (own.folder / SCORES_FILE).read_bytes() == (theirs.folder / SCORES_FILE).read_bytes()
    assert [alert.alert_id for alert in own.alerts()] == [
        alert.alert_id for alert in theirs.alerts()
    ]
    assert own.alerts()
