"""A table of any types, read by any columns: each row is used or a dead letter, and that is all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import hypothesis.extra.numpy as npst
import numpy as np
import pyarrow as pa
import pyarrow.feather as pa_feather
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flink_jobs.histories.batches import Names
from flink_jobs.histories.errors import SourceError
from flink_jobs.histories.sources import open_source
from flink_jobs.replay.pane_builder import PaneBuilder
from flink_jobs.times import FOREVER_MS
from tests.intake.examples import named_config

COLUMNS = {
    "features": {
        "number": "number",
        "category": {"type": "category", "may_be_missing": True},
        "boolean": {"type": "boolean", "may_be_missing": True},
        "vector": {"type": "vector", "size": 2, "may_be_missing": True},
        "inside": {"type": "number", "path": "struct.inside[0]", "may_be_missing": True},
    },
    "outputs": {"p": "probability"},
    "model": "model",
    "time": "at",
    "event_id": "id",
}
VIEWS = [{"name": "inputs", "columns": ["features"]}, {"name": "answers", "columns": ["p"]}]
CONFIG = named_config(COLUMNS, input={"format": "json"}, views=VIEWS)
odd_numbers = st.sampled_from([0, 1, -1, 0.5, 1e300, float("nan"), float("inf"), 2**53 + 1, 2**62])
texts = st.one_of(
    st.sampled_from(
        ["", "NA", "true", "1", "0x1", "2026-01-01", "9999-12-31T23:59:60Z", "\x1b[31m"]
    ),
    st.text(max_size=5),
)
objects = st.fixed_dictionaries({"inside": st.lists(st.integers(-9, 9), max_size=2)})
KINDS: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (pa.float64(), odd_numbers.map(float)),
    (pa.float16(), npst.from_dtype(np.dtype(np.float16))),
    (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    (pa.uint64(), st.integers(0, 2**64 - 1)),
    (pa.bool_(), st.booleans()),
    (pa.string(), texts),
    (pa.binary(), st.binary(max_size=4)),
    (pa.binary(16), st.binary(min_size=16, max_size=16)),
    (pa.decimal128(30, 4), st.decimals(-(10**20), 10**20, places=4)),
    (pa.date32(), st.dates()),
    (pa.timestamp("ns"), st.integers(-(2**63) + 1, 2**63 - 1)),
    (pa.timestamp("s", "Europe/Berlin"), st.integers(-(2**61), 2**61)),
    (pa.time32("ms"), st.times()),
    (pa.duration("us"), st.integers(-(2**60), 2**60)),
    (pa.list_(pa.float64()), st.lists(odd_numbers.map(float), max_size=3)),
    (pa.list_(pa.string()), st.lists(texts, max_size=3)),
    (pa.map_(pa.string(), pa.int64()), st.lists(st.tuples(texts, st.integers(0, 9)), max_size=2)),
    (
        pa.struct([("inside", pa.list_(pa.int8()))]),
        st.fixed_dictionaries({"inside": st.lists(st.integers(-9, 9), max_size=2)}),
    ),
    (pa.null(), st.none()),
]
NAMES = ["number", "category", "boolean", "vector", "struct", "p", "model", "at", "id"]


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    n = draw(st.integers(1, 4))
    columns = {}
    for name in NAMES:
        kind, values = draw(st.sampled_from(KINDS))
        cells = draw(st.lists(st.one_of(st.none(), values), min_size=n, max_size=n))
        columns[name] = pa.array(cells, kind)
        if draw(st.booleans()) and pa.types.is_string(kind):
            columns[name] = columns[name].dictionary_encode()
    return pa.table(columns)


def write_parquet(table: pa.Table, folder: Path) -> Path:
    pq.write_table(table, folder / "a.parquet")
    return folder / "a.parquet"


def write_arrow(table: pa.Table, folder: Path) -> Path:
    pa_feather.write_feather(table, str(folder / "a.arrow"))
    return folder / "a.arrow"


def holds_nothing_or(table: pa.Table, name: str, is_kind: Callable[[pa.DataType], bool]) -> bool:
    kind = table[name].type
    return bool(pa.types.is_null(kind) or is_kind(kind))


@pytest.mark.parametrize("write", [write_parquet, write_arrow])
@given(table=tables())
def test_each_row_is_used_or_a_dead_letter(
    write: Callable[[pa.Table, Path], Path], table: pa.Table
) -> None:
    with TemporaryDirectory() as folder:
        try:
            path = write(table, Path(folder))
        except pa.ArrowException:
            # Parquet has no type for half floats, durations and some times.
            return
        try:
            source = open_source(str(path), CONFIG)
        except SourceError:
            # What is known of types alone is an error before a row is read.
            assert not (
                holds_nothing_or(table, "struct", pa.types.is_struct)
                and holds_nothing_or(table, "vector", pa.types.is_list)
            )
            return
        names, n_found = Names(), 0
        builder = PaneBuilder(CONFIG, names)
        for batch in source.batches(names, FOREVER_MS):
            n_found += len(batch.misplaced)
            rows = np.flatnonzero(np.abs(batch.times_ms) < 2**53)
            n_found += len(batch.codes) - len(rows)
            n_found += len(builder.add(batch, rows))
        for pane in builder.close(FOREVER_MS):
            n_found += len(pane.events) + len(pane.dead_letters) + pane.n_duplicates
        assert n_found == table.num_rows
