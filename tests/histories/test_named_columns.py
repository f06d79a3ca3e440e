"""Named and typed columns of recorded histories: every format gives the same panes."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flink_jobs.config.columns import Column
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.histories.batches import Names
from flink_jobs.histories.errors import BacktestError, SourceError
from flink_jobs.histories.in_memory import at_hand
from flink_jobs.histories.known_drifts.shift_table import RenamedShift, UnitShift
from flink_jobs.histories.sources import open_source
from flink_jobs.histories.tables.categories import codes_of
from flink_jobs.intake.formats.json import encode_event
from flink_jobs.intake.layouts import Layout
from flink_jobs.intake.panes import Pane, PanePacker, unpack_pane
from flink_jobs.intake.writing import EventWriter
from flink_jobs.replay.pane_builder import PaneBuilder
from flink_jobs.times import FOREVER_MS
from tests.histories.examples import shared_batches
from tests.intake.examples import named_config
from tests.intake.test_columns import decoded

COLUMNS = {
    "features": {
        "tenure": "number",
        "calls": {"type": "number", "may_be_missing": True},
        "plan": "category",
        "channel": {"type": "category", "may_be_missing": True},
        "floor": {"type": "category", "may_be_missing": True},
        "active": "boolean",
    },
    "outputs": {
        "p_churn": "probability",
        "probs": {"kind": "class_probabilities", "class_names": ["cat", "dog"]},
    },
    "segments": ["region"],
    "model_name": "churn",
    "time": "at",
}
VIEWS = [
    {"name": "inputs", "columns": ["features"]},
    {"name": "answers", "columns": ["p_churn"]},
    {"name": "probs", "columns": ["probs"]},
]
CONFIG = named_config(COLUMNS, views=VIEWS)
# Lines that are not Loudly's own events.
FLAT = named_config(COLUMNS | {"event_id": "event_id"}, views=VIEWS, input={"format": "json"})
N = 200


def frame() -> pd.DataFrame:
    """Rows a tenth of a second apart, in panes of a second, of which some lack values."""
    rng = np.random.default_rng(0)
    cat = rng.random(N).round(4)
    return pd.DataFrame(
        {
            "at": 1_767_225_600_000 + np.arange(N) * 100,
            "event_id": [f"e{i:03}" for i in range(N)],
            "tenure": rng.integers(0, 72, N),
            "calls": pd.Series(rng.integers(0, 5, N)).where(rng.random(N) < 0.8),
            "plan": rng.choice(["basic", "plus", "pro"], N),
            "channel": pd.Series(rng.choice(["web", "shop"], N)).where(rng.random(N) < 0.7),
            "floor": pd.Series(rng.integers(-1, 4, N)).astype("Int64"),
            "active": rng.random(N) < 0.3,
            "p_churn": rng.random(N).round(3),
            "cat": cat,
            "dog": 1.0 - cat,
            "region": rng.choice(["north", "south"], N),
        }
    )


def by_hand(table: pd.DataFrame) -> list[list[Any]]:
    """The rows as plain Python has them, in the order of the slots."""

    def plain(name: str, value: Any) -> Any:
        if pd.isna(value):
            return None
        if name == "floor":
            return str(int(value))
        if name == "active":
            return "true" if value else "false"
        return value if isinstance(value, str) else float(value)

    names = [*COLUMNS["features"], "p_churn", "cat", "dog", "region"]
    return [[plain(name, row[name]) for name in names] for row in table.to_dict("records")]


def nested(row: dict[str, Any]) -> dict[str, Any]:
    """A line as the topic has it."""
    return {
        "schema_version": 1,
        "at": row["at"],
        "event_id": row["event_id"],
        "features": {name: row[name] for name in COLUMNS["features"]},
        "outputs": {"p_churn": row["p_churn"], "probs": [row["cat"], row["dog"]]},
        "segments": {"region": row["region"]},
    }


def flat(row: dict[str, Any]) -> dict[str, Any]:
    """A line with all columns side by side."""
    return row | {"probs": [row["cat"], row["dog"]]}


def lines(shape: Callable[[dict[str, Any]], dict[str, Any]], table: pd.DataFrame) -> str:
    rows = [
        {name: None if pd.isna(value) else value for name, value in row.items()}
        for row in table.to_dict("records")
    ]
    return "".join(json.dumps(shape(row), default=lambda v: v.item()) + "\n" for row in rows)


def as_parquet(table: pd.DataFrame, path: Path) -> Any:
    table.to_parquet(path / "a.parquet", index=False)
    return path / "a.parquet"


def as_csv(table: pd.DataFrame, path: Path) -> Any:
    table.to_csv(path / "a.csv", index=False)
    return path / "a.csv"


def as_frame(table: pd.DataFrame, path: Path) -> Any:
    return table.astype({"plan": "category"})


def as_arrow(table: pd.DataFrame, path: Path) -> Any:
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    lists = pa.array(table[["cat", "dog"]].to_numpy().tolist())
    return arrow.drop_columns(["cat", "dog"]).append_column("probs", lists)


def as_nested_lines(table: pd.DataFrame, path: Path) -> Any:
    (path / "a.jsonl").write_text(lines(nested, table))
    return path / "a.jsonl"


def as_flat_lines(table: pd.DataFrame, path: Path) -> Any:
    (path / "a.jsonl").write_text(lines(flat, table))
    return path / "a.jsonl"


def panes_of(
    config: DriftJobConfig, history: Any, shifts: Any = (), scratch: Path | None = None
) -> list[Pane]:
    """The panes of all models, oldest first."""
    with at_hand(history, [config]) as there:
        source, names = open_source(there, config), Names()
        builder = PaneBuilder(config, names, shifts)
        batches = source.batches(names, FOREVER_MS)
        if scratch is not None:
            batches = shared_batches(source, names, scratch)
        for batch in batches:
            assert not batch.misplaced
            assert not builder.add(batch, np.arange(len(batch.codes)))
        return list(builder.close(FOREVER_MS))


def values(panes: list[Pane]) -> list[list[Any]]:
    return [row for pane in panes for row in decoded(pane.events)]


@pytest.mark.parametrize(
    "write", [as_parquet, as_csv, as_frame, as_arrow, as_nested_lines, as_flat_lines]
)
@pytest.mark.parametrize("is_shared", [False, True])
def test_every_format_gives_the_values_that_plain_python_reads(
    tmp_path: Path, write: Callable[[pd.DataFrame, Path], Any], is_shared: bool
) -> None:
    table = frame()

    config = FLAT if write is as_flat_lines else CONFIG
    panes = panes_of(config, write(table, tmp_path), scratch=tmp_path if is_shared else None)

    assert not [letter.detail for pane in panes for letter in pane.dead_letters]
    assert values(panes) == by_hand(table)
    assert [event_id for pane in panes for event_id in pane.events.event_ids] == list(
        table["event_id"]
    )


def test_panes_of_a_history_are_those_of_the_packer(tmp_path: Path) -> None:
    table = frame()

    panes = panes_of(CONFIG, as_parquet(table, tmp_path))

    packer = PanePacker(CONFIG)
    payloads = [line.encode() for line in lines(nested, table).splitlines()]
    for index, pane in enumerate(panes):
        rows = np.arange(10 * index, 10 * index + 10)
        packed = packer.pack(
            "churn",
            [payloads[row] for row in rows],
            np.zeros(10, dtype=np.int32),
            rows,
            table["at"].to_numpy()[rows],
        )
        job = unpack_pane("churn", 1_000, packed)
        np.testing.assert_array_equal(pane.events.x, job.events.x)
        assert pane.events.texts == job.events.texts


def test_rows_that_go_onto_a_topic_are_read_there_as_in_the_file(tmp_path: Path) -> None:
    panes = panes_of(CONFIG, as_csv(frame(), tmp_path))

    write = EventWriter(Layout(CONFIG))
    packer = PanePacker(CONFIG)
    for pane in panes:
        events = pane.events
        payloads = [
            encode_event(write.event(event_id, x, events.texts))
            for event_id, x in zip(events.event_ids, events.x.tolist(), strict=True)
        ]
        packed = packer.pack("churn", payloads, events.partitions, events.offsets, events.times_ms)
        job = unpack_pane("churn", 1_000, packed)
        assert not job.dead_letters
        assert decoded(job.events) == decoded(events)


@pytest.mark.parametrize("write", [as_csv, as_frame])
def test_a_value_that_a_column_does_not_take_costs_its_row(
    tmp_path: Path, write: Callable[[pd.DataFrame, Path], Any]
) -> None:
    table = frame().astype({"active": "str", "tenure": "object", "p_churn": "float"})
    table.loc[3, "active"] = "maybe"
    table.loc[4, "tenure"] = "many"
    table.loc[5, "p_churn"] = 1.5
    table.loc[6, "plan"] = None

    panes = panes_of(CONFIG, write(table, tmp_path))

    letters = {letter.offset: letter.detail for pane in panes for letter in pane.dead_letters}
    assert letters == {
        3: "active is 'maybe', which is not a boolean",
        4: "tenure is 'many', which is not a number",
        5: "p_churn is 1.5, expected a probability in [0, 1]",
        6: "plan is missing",
    }
    assert values(panes) == by_hand(frame().drop([3, 4, 5, 6]))


def test_a_line_that_is_wrong_is_said_as_on_a_topic(tmp_path: Path) -> None:
    rows = lines(nested, frame()).splitlines()
    rows[2] = rows[2].replace('"active": ', '"active": "maybe", "other": ')
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(rows))

    panes = panes_of(CONFIG, path)

    (letter,) = [letter for pane in panes for letter in pane.dead_letters]
    assert (letter.offset, letter.detail) == (2, "active is 'maybe', expected true, false, 1 or 0")


def test_events_that_come_again_are_counted_once(tmp_path: Path) -> None:
    table = frame()
    twice = pd.concat([table, table.iloc[:30]]).sort_values("at", kind="stable")

    panes = panes_of(CONFIG, as_parquet(twice, tmp_path))

    assert sum(pane.n_duplicates for pane in panes) == 30
    assert values(panes) == by_hand(table)


def test_a_file_without_a_named_column_is_refused(tmp_path: Path) -> None:
    for name in ("plan", "region"):
        with pytest.raises(SourceError, match=f"lacks the columns {name}; it has"):
            panes_of(CONFIG, as_parquet(frame().drop(columns=[name]), tmp_path))


def test_a_shift_acts_on_the_numbers_of_the_first_view(tmp_path: Path) -> None:
    table = frame()
    start_ms = int(table["at"][0])
    shift = UnitShift(
        start_ms=start_ms, end_ms=start_ms + 10**6, columns=[1], offset=10.0, factor=1
    )

    panes = panes_of(CONFIG, as_parquet(table, tmp_path), [shift])

    moved = table.assign(calls=table["calls"] + 10)
    assert values(panes) == by_hand(moved)


def test_a_shift_of_a_view_without_numbers_is_refused(tmp_path: Path) -> None:
    config = named_config(COLUMNS, views=[{"name": "plans", "columns": ["plan"]}])
    shift = RenamedShift(start_ms=0, end_ms=10**15, codes=[(0.0, 1.0)])

    with pytest.raises(BacktestError, match="act on the numbers of the first view"):
        panes_of(config, as_parquet(frame(), tmp_path), [shift])


CATEGORY = Column("plan", "category", "feature", may_be_missing=True)
plain_texts = st.one_of(st.none(), st.sampled_from(["a", "b", ""]), st.text(max_size=4))


@given(st.lists(plain_texts, max_size=20), st.booleans(), st.integers(0, 3))
def test_codes_stand_for_the_texts_of_an_array(
    texts: list[str | None], is_dictionary: bool, first: int
) -> None:
    array = pa.array(texts, pa.string())
    array = (array.dictionary_encode() if is_dictionary else array).slice(min(first, len(texts)))

    coded = codes_of(CATEGORY, array)

    found = [None if math.isnan(code) else coded.texts[int(code)] for code in coded.codes]
    assert found == texts[first:]
    assert not coded.wrong


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        (pa.array([3, None, -1]), ["3", None, "-1"]),
        (pa.array([3.0, None, math.nan]), ["3", None, None]),
        (pa.array([True, None, False]), ["true", None, "false"]),
        (pa.array([b"caf\xc3\xa9", None]), ["café", None]),
        (pa.array([7, 8]).dictionary_encode(), ["7", "8"]),
        (pa.DictionaryArray.from_arrays(pa.array([0, 1]), pa.array(["a", "a"])), ["a", "a"]),
        (pa.array([pd.Timestamp("2026-03-01")], pa.date32()), ["2026-03-01"]),
    ],
)
def test_what_is_not_text_becomes_text(values: pa.Array, texts: list[str | None]) -> None:
    coded = codes_of(CATEGORY, values)

    found = [None if math.isnan(code) else coded.texts[int(code)] for code in coded.codes]
    assert found == texts


def test_what_is_nested_is_not_a_category() -> None:
    coded = codes_of(CATEGORY, pa.array([[1], [2]]))

    assert set(coded.wrong) == {0, 1}
    assert "which is not a category" in coded.wrong[0]


@pytest.mark.parametrize(
    ("values", "truths"),
    [
        (pa.array([True, False, None]), ["true", "false", None]),
        (pa.array([1, 0]), ["true", "false"]),
        (pa.array([1.0, math.nan]), ["true", None]),
        (pa.array(["True", "FALSE", "1", None]), ["true", "false", "true", None]),
        (pa.array([b"true", b"0"]), ["true", "false"]),
    ],
)
def test_booleans_are_read_from_what_people_write(
    values: pa.Array, truths: list[str | None]
) -> None:
    coded = codes_of(replace(CATEGORY, type="boolean"), values)

    found = [None if math.isnan(code) else coded.texts[int(code)] for code in coded.codes]
    assert found == truths


@pytest.mark.parametrize("value", [2, 0.5, "yes", b"\xff"])
def test_what_is_not_a_boolean_is_said(value: Any) -> None:
    coded = codes_of(replace(CATEGORY, type="boolean"), pa.array([value]))

    assert "is not a boolean" in coded.wrong[0]


def test_a_dictionary_that_is_larger_than_its_rows_is_not_carried_along() -> None:
    large = pa.array([str(i) for i in range(1_000)]).dictionary_encode()

    coded = codes_of(CATEGORY, large.slice(500, 3))

    assert coded.texts == ["500", "501", "502"]
