from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flink_jobs.config.tables.base import ConfigError
from flink_jobs.histories.known_drifts.truth import (
    NO_END_MS,
    DriftInterval,
    intervals_of_labels,
    read_truth,
)

NOON_MS = 1_777_636_800_000  # 2026-05-01T12:00:00Z


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


TOML = """
[[drift]]
model = "fraud-*"
start = 2026-05-01T12:00:00Z
end = "2026-05-01T14:00:01.250+02:00"
name = "new scanner"

[[drift]]
model = "credit"
start_ms = 5_000
"""
JSON = """[
    {"model": "fraud-*", "start_ms": 1777636800000, "end": "2026-05-01T12:00:01.25Z",
     "name": "new scanner"},
    {"model": "credit", "start_ms": 5000}
]"""
CSV = """\
model,start,start_ms,end_ms,name
fraud-*,2026-05-01T12:00,,1777636801250,new scanner
credit,,5000,,
"""


@pytest.mark.parametrize(
    ("name", "text"),
    [("t.toml", TOML), ("t.json", JSON), ("t.JSON", f'{{"drift": {JSON}}}'), ("t.csv", CSV)],
)
def test_the_three_formats_say_the_same(tmp_path, name, text):
    assert read_truth(written(tmp_path, name, text)) == [
        DriftInterval("fraud-*", NOON_MS, NOON_MS + 1_250, "new scanner"),
        DriftInterval("credit", 5_000, NO_END_MS),
    ]


def test_a_spreadsheets_byte_order_mark_is_no_part_of_the_first_column(tmp_path):
    path = written(tmp_path, "t.csv", "\ufeffmodel,start_ms\na,1\n")

    assert read_truth(path) == [DriftInterval("a", 1, NO_END_MS)]


@pytest.mark.parametrize(("name", "text"), [("t.toml", ""), ("t.json", "[]"), ("t.csv", "model\n")])
def test_a_file_may_list_no_drift(tmp_path, name, text):
    assert read_truth(written(tmp_path, name, text)) == []


@pytest.mark.parametrize(
    ("row", "key", "wrong"),
    [
        ('model = "a"', "drift[0].start", "is missing"),
        ("start_ms = 1", "drift[0].model", "is None"),
        ('model = ""\nstart_ms = 1', "drift[0].model", "is ''"),
        ('model = "a"\nstart_ms = 1\nstart = "2026-01-01"', "drift[0].start", "stands next to"),
        ('model = "a"\nstart_ms = true', "drift[0].start_ms", "is True"),
        ('model = "a"\nstart_ms = -1', "drift[0].start_ms", "is -1"),
        ('model = "a"\nstart = "soon"', "drift[0].start", "is 'soon'"),
        ('model = "a"\nstart_ms = 5\nend_ms = 5', "drift[0].end", "not after the start"),
        ('model = "a"\nstart_ms = 1\nuntil = 2', "drift[0].until", "is unknown"),
    ],
)
def test_what_is_wrong_is_told_with_the_place(tmp_path, row, key, wrong):
    path = written(tmp_path, "t.toml", f"[[drift]]\n{row}\n")

    with pytest.raises(ConfigError) as caught:
        read_truth(path)

    assert caught.value.problems[0].key == f"{path}: {key}"
    assert wrong in caught.value.problems[0].wrong


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.yaml", "drift: []"),
        ("t.toml", "drift = "),
        ("t.toml", "[[drifts]]"),
        ("t.json", '{"drift": 3}'),
        ("t.json", "[3]"),
        ("t.csv", "name,start_ms\na,1\n"),
        ("t.csv", "model,start_ms\na,1,2\n"),
        ("t.csv", ""),
    ],
)
def test_a_file_that_holds_something_else_is_refused(tmp_path, name, text):
    with pytest.raises(ConfigError):
        read_truth(written(tmp_path, name, text))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        read_truth(tmp_path / "none.toml")


def test_a_run_of_labels_ends_with_the_first_event_without():
    models = ["a", "b", "a", "b", "a", "b"]
    times_ms = [10, 11, 20, 21, 30, 31]

    found = intervals_of_labels(models, times_ms, [True, False, True, True, False, True])

    assert found == [DriftInterval("a", 10, 30), DriftInterval("b", 21, 32)]


def test_text_labels_name_their_drifts():
    labels = ["", "noise", "noise", "scale", None, "scale"]

    found = intervals_of_labels(["a"] * 6, [1, 2, 3, 4, 5, 6], labels)

    assert found == [
        DriftInterval("a", 2, 4, "noise"),
        DriftInterval("a", 4, 5, "scale"),
        DriftInterval("a", 6, 7, "scale"),
    ]


def test_numbers_are_labels_where_they_are_neither_zero_nor_missing():
    found = intervals_of_labels(["a"] * 4, [1, 2, 3, 4], [0.0, 1.0, np.nan, -2.0])

    assert found == [DriftInterval("a", 2, 3), DriftInterval("a", 4, 5)]


def test_no_event_is_no_drift():
    assert intervals_of_labels([], [], []) == []


def test_columns_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="2 models, 1 times, 2 labels"):
        intervals_of_labels(["a", "b"], [1], [True, False])


EVENTS = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 20), st.booleans()), max_size=40)


@given(EVENTS, st.randoms(use_true_random=False))
def test_intervals_hold_exactly_the_labelled_moments_in_whatever_order_events_come(events, random):
    shuffled = list(events)
    random.shuffle(shuffled)

    found = intervals_of_labels(*zip(*events, strict=True)) if events else []

    if events:
        assert intervals_of_labels(*zip(*shuffled, strict=True)) == found
    labelled = {(model, time_ms) for model, time_ms, label in events if label}
    for model, time_ms, _ in events:
        is_inside = any(d.model == model and d.start_ms <= time_ms < d.end_ms for d in found)
        assert is_inside == ((model, time_ms) in labelled)
