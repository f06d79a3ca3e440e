"""Messages of many events: each row is accounted for, on every way into a pane."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flink_jobs.config.columns import Column
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.paths import Path as PlacePath
from flink_jobs.histories.batches import Names
from flink_jobs.histories.merging.rows import MergedRows
from flink_jobs.histories.sources import open_source
from flink_jobs.intake.formats.base import Messages, ReadEvents
from flink_jobs.intake.formats.json_values import JsonValues
from flink_jobs.intake.formats.names import of_row
from flink_jobs.intake.panes import Pane, PanePacker, unpack_pane
from flink_jobs.intake.unusable import UnusableEventError
from flink_jobs.records.dead_letters import Reason
from flink_jobs.replay.pane_builder import PaneBuilder
from flink_jobs.times import FOREVER_MS
from tests.histories.examples import shared_batches
from tests.intake.examples import named_config


class ManyNumbers:
    """A format of messages ``{"rows": [...]}``: each number is an event, a text is unusable."""

    def __init__(self, config: DriftJobConfig, read: Sequence[Column]) -> None:
        pass

    def values(self, messages: Messages, paths: Sequence[PlacePath]) -> list[Sequence[Any]]:
        return JsonValues(paths).of(messages.payloads)

    def read(self, messages: Messages) -> ReadEvents:
        of: list[int] = []
        rows: list[int] = []
        places: list[int] = []
        ids: list[str] = []
        x: list[list[float]] = []
        unusable: dict[int, UnusableEventError] = {}
        names = messages.names()
        for message, payload in enumerate(messages.payloads):
            numbers = json.loads(payload)["rows"]
            for row, number in enumerate(numbers):
                name = of_row(names[message], row, len(numbers))
                if isinstance(number, str):
                    error = UnusableEventError(Reason.INVALID_EVENT, f"row {row}", name)
                    unusable[len(of)] = error
                else:
                    places.append(len(of))
                    ids.append(name)
                    x.append([float(number)])
                of.append(message)
                rows.append(row)
        return ReadEvents(
            np.array(places, dtype=np.intp),
            ids,
            np.array(x).reshape(-1, 1),
            unusable,
            messages=np.array(of, dtype=np.intp),
            rows=np.array(rows, dtype=np.int32),
        )


@pytest.fixture(autouse=True)
def _many_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("layouts", "locating"):
        monkeypatch.setattr(
            f"flink_jobs.intake.{module}.format_of",
            lambda config, read=(): ManyNumbers(config, read),
        )


CONFIG = named_config({"features": {"x": "number"}}, input={"format": "json"})
ROWS: list[list[Any]] = [[1, 2, "bad"], [3], ["bad"], [4, 5, 6, 7]]


def lines_of(rows: list[list[Any]]) -> list[bytes]:
    return [
        json.dumps({"model": "m", "time_ms": 10 + place, "rows": own}).encode()
        for place, own in enumerate(rows)
    ]


def packed(config: DriftJobConfig, rows: list[list[Any]]) -> Pane:
    n = len(rows)
    data = PanePacker(config).pack(
        "m",
        lines_of(rows),
        np.zeros(n, dtype=np.int32),
        np.arange(n, dtype=np.int64),
        np.arange(10, 10 + n, dtype=np.int64),
    )
    return unpack_pane("m", config.panes.width_ms, data)


def built(config: DriftJobConfig, path: Path, *, shared: bool = False) -> Pane:
    names, source = Names(), open_source(str(path), config)
    batches = source.batches(names, FOREVER_MS)
    if shared:
        batches = shared_batches(source, names, path.parent)
    builder, letters = PaneBuilder(config, names), []
    for batch in batches:
        letters += builder.add(batch, np.arange(len(batch.codes)))
    (pane,) = builder.close(FOREVER_MS)
    pane.dead_letters.extend(letters)
    return pane


def contents(pane: Pane) -> tuple[Any, ...]:
    events = pane.events
    letters = [
        (each.reason.value, each.offset, each.row, each.event_id) for each in pane.dead_letters
    ]
    where = zip(events.offsets.tolist(), events.rows.tolist(), strict=True)
    return events.event_ids, events.x[:, 0].tolist(), list(where), sorted(letters)


def test_each_row_has_a_name_a_place_and_a_number() -> None:
    ids, x, where, letters = contents(packed(CONFIG, ROWS))

    assert ids == ["0:0[0]", "0:0[1]", "0:1", "0:3[0]", "0:3[1]", "0:3[2]", "0:3[3]"]
    assert x == [1, 2, 3, 4, 5, 6, 7]
    assert where == [(0, 0), (0, 1), (1, 0), (3, 0), (3, 1), (3, 2), (3, 3)]
    assert letters == [("invalid_event", 0, 2, "0:0[2]"), ("invalid_event", 2, 0, "0:2")]


@pytest.mark.parametrize("most", [100_000, 8, 5, 4])
@pytest.mark.parametrize("shared", [False, True])
def test_lines_fill_the_panes_that_records_fill(tmp_path: Path, most: int, shared: bool) -> None:
    config = named_config(
        {"features": {"x": "number"}},
        input={"format": "json"},
        panes={"width_ms": CONFIG.panes.width_ms, "max_raw_events": most},
    )
    path = tmp_path / "history.jsonl"
    path.write_bytes(b"\n".join(lines_of(ROWS)) + b"\n")

    pane = built(config, path, shared=shared)

    assert contents(pane) == contents(packed(config, ROWS))
    n_rows = sum(map(len, ROWS))
    assert len(pane.events) + len(pane.dead_letters) == n_rows
    n_full = sum(letter.reason is Reason.PANE_FULL for letter in pane.dead_letters)
    assert n_full == sum(
        isinstance(number, int) and place >= most
        for place, number in enumerate(each for own in ROWS for each in own)
    )


def test_merged_rows_are_those_of_their_parts(tmp_path: Path) -> None:
    from flink_jobs.histories.lines.rows import PayloadRows
    from flink_jobs.intake.layouts import Layout

    layout, lines = Layout(CONFIG), lines_of(ROWS)
    names = [f"0:{place}" for place in range(4)]
    order = np.arange(4, dtype=np.intp)
    parts = [PayloadRows(lines[:1] + lines[2:3]), PayloadRows(lines[1:2] + lines[3:])]
    which, inner = np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1])

    merged = MergedRows(parts, which, inner).read(layout, order, lambda: names)

    whole = PayloadRows(lines).read(layout, order, lambda: names)
    assert merged.event_ids == whole.event_ids
    assert merged.x.tolist() == whole.x.tolist()
    assert merged.places.tolist() == whole.places.tolist()
    assert merged.message_of.tolist() == whole.message_of.tolist()
    assert merged.row_of.tolist() == whole.row_of.tolist()
    assert {row: str(error) for row, error in merged.unusable.items()} == {
        row: str(error) for row, error in whole.unusable.items()
    }
