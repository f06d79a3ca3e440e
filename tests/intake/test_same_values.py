"""The same values in other shapes, on a topic and in files, give the same panes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.own_events import as_own_events
from flink_jobs.histories.batches import Names
from flink_jobs.histories.sources import open_source
from flink_jobs.intake.formats.base import WHOLE, Messages
from flink_jobs.intake.formats.json import encode_event
from flink_jobs.intake.layouts import Layout
from flink_jobs.intake.panes import Pane, PanePacker, unpack_pane
from flink_jobs.intake.writing import EventWriter
from flink_jobs.replay.pane_builder import PaneBuilder
from flink_jobs.times import FOREVER_MS
from tests.intake.examples import named_config

TYPES: dict[str, Any] = {
    "tenure": "number",
    "calls": {"type": "number", "may_be_missing": True},
    "plan": "category",
    "channel": {"type": "category", "may_be_missing": True},
    "active": "boolean",
}
OUTPUTS = {"p": "probability"}
VIEWS = [{"name": "inputs", "columns": ["features"]}, {"name": "answers", "columns": ["outputs"]}]
WHERE = {"model": "model", "time": "time_ms", "event_id": "event_id"}


def with_paths(paths: dict[str, str]) -> dict[str, Any]:
    tables = {name: {"type": t} if isinstance(t, str) else t for name, t in TYPES.items()}
    return {name: {**table, "path": paths.get(name, name)} for name, table in tables.items()}


def config_of(features: dict[str, Any] = TYPES, format_: str = "json", **columns: Any) -> Any:
    tree = {"features": features, "outputs": OUTPUTS, **columns}
    return named_config(tree, views=VIEWS, input={"format": format_})


DEEP = {"tenure": "a.b.tenure", "plan": 'a["p.q"]', "channel": "a.b.c.channel"}
LISTED = {"tenure": "list[1]", "active": "list[0]"}
EVENTS = st.lists(
    st.fixed_dictionaries(
        {
            "tenure": st.one_of(st.integers(-9, 9), st.floats(-1e6, 1e6)),
            "calls": st.one_of(st.none(), st.floats(-9, 9)),
            "plan": st.sampled_from(["free", "pro", "NA"]),
            "channel": st.sampled_from([None, "web", "é"]),
            "active": st.booleans(),
            "p": st.floats(0, 1),
        }
    ),
    min_size=1,
    max_size=12,
)


def flat(place: int, event: dict[str, Any]) -> dict[str, Any]:
    return {**event, "model": "m", "time_ms": 100 + place // 3, "event_id": f"e{place % 5}"}


def deep(event: dict[str, Any]) -> dict[str, Any]:
    inner = {"tenure": event["tenure"], "c": {"channel": event["channel"]}}
    return {**event, "tenure": None, "plan": [], "a": {"p.q": event["plan"], "b": inner}}


def listed(event: dict[str, Any]) -> dict[str, Any]:
    return {**event, "active": None, "list": [event["active"], event["tenure"], {}]}


def own(event: dict[str, Any]) -> dict[str, Any]:
    features = {name: event[name] for name in TYPES}
    return {**event, "schema_version": 1, "features": features, "outputs": {"p": event["p"]}}


def packed(config: DriftJobConfig, events: list[dict[str, Any]]) -> Pane:
    n = len(events)
    data = PanePacker(config).pack(
        "m",
        [json.dumps(event).encode() for event in events],
        np.zeros(n, dtype=np.int32),
        np.arange(n, dtype=np.int64),
        np.array([event["time_ms"] for event in events], dtype=np.int64),
    )
    return unpack_pane("m", config.panes.width_ms, data)


def built(config: DriftJobConfig, path: Path) -> Pane:
    names, source = Names(), open_source(str(path), config)
    builder = PaneBuilder(config, names)
    for batch in source.batches(names, FOREVER_MS):
        assert builder.add(batch, np.arange(len(batch.codes))) == []
    (pane,) = builder.close(FOREVER_MS)
    return pane


def contents(pane: Pane) -> tuple[Any, ...]:
    events = pane.events
    assert pane.dead_letters == []
    return (
        pane.model, events.event_ids, events.offsets.tolist(), events.times_ms.tolist(),
        events.x.tobytes(), {slot: list(own) for slot, own in events.texts.items()},
        pane.n_duplicates,
    )  # fmt: skip


@given(EVENTS)
def test_a_pane_is_the_same_from_every_shape_and_every_holder(
    tmp_path_factory: Any, events: list[dict[str, Any]]
) -> None:
    folder: Path = tmp_path_factory.mktemp("same")
    rows = [flat(place, event) for place, event in enumerate(events)]
    wanted = contents(packed(config_of(format_="loudly"), [own(row) for row in rows]))

    def lines(name: str, shaped: list[dict[str, Any]]) -> Path:
        path = folder / f"{name}.jsonl"
        path.write_text("".join(f"{json.dumps(row)}\n" for row in shaped))
        return path

    flat_config = config_of(**WHERE)
    deep_config = config_of(with_paths(DEEP), **WHERE)
    listed_config = config_of(with_paths(LISTED), **WHERE)
    table = folder / "table.parquet"
    pq.write_table(pa.Table.from_pylist(rows), table)
    found = {
        "flat records": packed(flat_config, rows),
        "deep records": packed(deep_config, [deep(row) for row in rows]),
        "listed records": packed(listed_config, [listed(row) for row in rows]),
        "own lines": built(config_of(format_="loudly"), lines("own", [own(row) for row in rows])),
        "flat lines": built(flat_config, lines("flat", rows)),
        "deep lines": built(deep_config, lines("deep", [deep(row) for row in rows])),
        "listed lines": built(listed_config, lines("listed", [listed(row) for row in rows])),
        "table": built(flat_config, table),
    }

    assert {name: contents(pane) for name, pane in found.items()} == dict.fromkeys(found, wanted)


@given(EVENTS, st.data())
def test_events_that_are_written_again_as_own_ones_are_the_same(
    events: list[dict[str, Any]], data: st.DataObject
) -> None:
    tree = {"features": with_paths(DEEP), "outputs": OUTPUTS, "event_id": "event_id"}
    config = named_config(
        tree, views=VIEWS, input={"format": "json", "messages": "requests_and_responses"}
    )
    rows = [deep(flat(place, event)) for place, event in enumerate(events)]
    kept = data.draw(st.lists(st.sampled_from("bfo"), min_size=len(rows), max_size=len(rows)))
    for row, part in zip(rows, kept, strict=True):
        gone = {"b": [], "f": ["p"], "o": [*TYPES, "a"]}[part]
        for name in gone:
            row.pop(name, None)
    layout = Layout(config)
    read = layout.decode(
        Messages([json.dumps(row).encode() for row in rows], lambda: [""] * len(rows))
    )
    assert read.unusable == {}
    parts = [WHOLE] * len(rows) if read.parts is None else read.parts.tolist()
    write = EventWriter(layout)

    again = Layout(as_own_events(config)).decode(
        Messages(
            [
                encode_event(write.event(event_id, x, read.texts, part))
                for event_id, x, part in zip(read.event_ids, read.x.tolist(), parts, strict=True)
            ],
            list,
        )
    )

    assert again.unusable == {}
    assert again.event_ids == read.event_ids
    assert again.parts is not None
    assert again.parts.tolist() == parts
    assert again.x.tobytes() == read.x.tobytes()
    assert again.texts == read.texts
