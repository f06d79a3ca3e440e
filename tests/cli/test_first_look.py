"""What `loudly run` says of the events on a topic before it submits the job."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import pytest
from rich.console import Console

from flink_jobs.cli.shared.first_look import look_at_events
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.histories.errors import BacktestError, SourceError
from flink_jobs.setup import opening
from flink_jobs.setup.sample import RawRecord, Sample
from tests.builders import make_config

START_MS = 1_767_225_600_000
N = 300


def event(number: int, **more: object) -> bytes:
    features = [number / 7, number % 11, 1.0 / (number + 1)]
    own = {"schema_version": 1, "event_id": f"e-{number}", "features": features}
    return json.dumps(own | more).encode()


def records(key: Callable[[int], str], value: Callable[[int], bytes] = event) -> list[RawRecord]:
    return [RawRecord(value(n), key(n), START_MS + 1_000 * n) for n in range(N)]


def said(
    monkeypatch: pytest.MonkeyPatch,
    held: Sequence[RawRecord],
    config: DriftJobConfig | None = None,
    *,
    is_forced: bool = False,
) -> str:
    sample = Sample("kafka://inference", "inference", "topic", records=held, n_total=len(held))
    monkeypatch.setattr(opening, "take_sample", lambda *_: sample)
    console = Console(width=400, record=True, force_terminal=False)
    try:
        look_at_events(config or make_config(), console, is_forced=is_forced)
    finally:
        text = console.export_text()
    return text


def test_a_topic_that_is_as_it_should_be_is_not_spoken_of(monkeypatch: pytest.MonkeyPatch) -> None:
    assert said(monkeypatch, records(lambda n: "churn")) == ""


def test_a_topic_keyed_by_request_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    text = said(monkeypatch, records(lambda n: f"request-{n}"))

    assert "nearly every key is new: 300 models in 300 events" in text
    assert "columns.model" in text


def test_a_column_that_no_event_has_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = {"features": {"age": "number", "income": "number"}}
    config = make_config(input={"n_features": 0, "missing_features": "allow"}, columns=columns)

    text = said(
        monkeypatch, records(lambda n: "churn", lambda n: event(n, features={"age": n})), config
    )

    assert "income: no event of the sample has it" in text
    assert "age" not in text


def test_a_job_that_could_use_no_event_is_not_submitted_unless_forced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held = records(lambda n: "churn", lambda n: b"{\x1b[2J")

    with pytest.raises(BacktestError, match=r"not one of 300 events .* give --force"):
        said(monkeypatch, held)

    text = said(monkeypatch, held, is_forced=True)
    assert "300 events refused, undecodable" in text
    assert "\x1b" not in text


def test_an_empty_topic_does_not_keep_a_job_from_running(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*_: object) -> Sample:
        raise SourceError("the topic inference holds no event yet: send some")

    monkeypatch.setattr(opening, "take_sample", nothing)
    console = Console(width=400, record=True)

    look_at_events(make_config(), console)

    assert "holds no event yet" in console.export_text()
