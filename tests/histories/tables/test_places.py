"""Values at paths into nested columns are those that plain Python finds there."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flink_jobs.config.paths import Path
from flink_jobs.histories.tables.places import find_place, values_at
from flink_jobs.intake.formats.trees import at_path

INNER = pa.struct(
    [
        ("plan", pa.string()),
        ("scores", pa.list_(pa.int64())),
        ("more", pa.struct([("a.b", pa.bool_())])),
    ]
)
SCHEMA = pa.schema([("request", INNER), ("rows", pa.list_(INNER)), ("flat.x", pa.int64())])
small = st.integers(-9, 9)
objects = st.one_of(
    st.none(),
    st.fixed_dictionaries(
        {
            "plan": st.one_of(st.none(), st.text("ab", max_size=2)),
            "scores": st.one_of(st.none(), st.lists(st.one_of(st.none(), small), max_size=3)),
            "more": st.one_of(st.none(), st.fixed_dictionaries({"a.b": st.booleans()})),
        }
    ),
)
rows = st.lists(
    st.fixed_dictionaries({"request": objects, "rows": st.lists(objects, max_size=2)}), max_size=5
)
PATHS: list[Path] = [
    ("request", "plan"),
    ("request", "scores", 1),
    ("request", "more", "a.b"),
    ("rows", 0, "plan"),
    ("rows", 1, "scores", 0),
]


@given(rows, st.sampled_from(PATHS), st.integers(0, 3))
def test_a_path_leads_where_plain_python_goes(
    events: list[dict[str, Any]], path: Path, first: int
) -> None:
    batch = pa.RecordBatch.from_pylist([*[{}] * first, *events], SCHEMA).slice(first)
    place = find_place(SCHEMA, path)

    assert place is not None
    assert values_at(batch, place).to_pylist() == at_path(events, path)


@pytest.mark.parametrize(
    "path", [("request", "place"), ("request", 0), ("rows", "plan"), ("flat", "x", "y"), ("flat",)]
)
def test_what_the_table_does_not_have_has_no_place(path: Path) -> None:
    assert find_place(SCHEMA, path) is None


def test_a_column_with_the_name_of_the_path_comes_first() -> None:
    place = find_place(SCHEMA, ("flat", "x"))

    assert place is not None
    assert (place.column, place.path) == ("flat.x", ())


def test_maps_and_packed_and_viewed_columns_are_read_as_plain_ones() -> None:
    entries = [[("plan", "pro"), ("x", "y")], None, []]
    maps = pa.array(entries, pa.map_(pa.string(), pa.string()))
    fixed = pa.array([[1.0, 2.0], None], pa.list_(pa.float64(), 2))
    runs = pc.run_end_encode(pa.array([5, 5, 7]))
    columns: dict[str, tuple[pa.Array, Path, list[Any]]] = {
        "map": (maps, ("plan",), ["pro", None, None]),
        "view": (pa.array(["a", None], pa.string_view()), (), ["a", None]),
        "bytes": (pa.array([b"a", None], pa.binary_view()), (), [b"a", None]),
        "runs": (runs, (), [5, 5, 7]),
        "fixed": (fixed, (1,), [2.0, None]),
        "large": (pa.array([[1], [2, 3]], pa.large_list(pa.int8())), (1,), [None, 3]),
        "nothing": (pa.nulls(2), ("a", 0), [None, None]),
    }
    for name, (column, path, wanted) in columns.items():
        batch = pa.RecordBatch.from_arrays([column], names=[name])
        place = find_place(batch.schema, (name, *path))

        assert place is not None, name
        assert values_at(batch, place).to_pylist() == wanted, name
