"""Folders of tables: divided by keys, with columns that begin later or change their type."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.histories.batches import Names
from flink_jobs.histories.errors import SourceError
from flink_jobs.histories.sources import open_source
from flink_jobs.intake.panes import Pane
from flink_jobs.replay.pane_builder import PaneBuilder
from flink_jobs.times import FOREVER_MS
from tests.histories.examples import START_MS
from tests.intake.examples import named_config
from tests.intake.test_columns import decoded

N = 4
AGE = {"age": "number"}


def config(features: dict[str, Any] = AGE, **columns: Any) -> DriftJobConfig:
    own = {"features": features, "model_name": "m", "time": "at"}
    return named_config(own | columns)


def table(first: int = 0, **columns: Any) -> pa.Table:
    own = {"at": START_MS + np.arange(first, first + N), "age": np.arange(N, dtype=np.float64)}
    return pa.table(own | columns)


def write(path: Path, rows: pa.Table) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pa_csv.write_csv(rows, path) if path.suffix == ".csv" else pq.write_table(rows, path)


def panes_of(job: DriftJobConfig, history: Path) -> tuple[list[Pane], list[str], Any]:
    source, names = open_source(str(history), job), Names()
    builder = PaneBuilder(job, names)
    for batch in source.batches(names, FOREVER_MS):
        assert not batch.misplaced
        assert not builder.add(batch, np.arange(len(batch.codes)))
    return list(builder.close(FOREVER_MS)), source.warnings, source


def values(panes: list[Pane]) -> list[list[Any]]:
    return [row for pane in panes for row in decoded(pane.events)]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_names_of_folders_are_columns(tmp_path: Path, suffix: str) -> None:
    days = ["2026-01-01", "2026-01-02"]
    folders = ["region=S%C3%A3o%20Paulo", "region=__HIVE_DEFAULT_PARTITION__"]
    for day, folder in product(days, folders):
        path = tmp_path / f"date={day}" / folder / f"part-0.{suffix}"
        write(path, table().drop_columns(["at"]))
    features = AGE | {"region": {"type": "category", "may_be_missing": True}}

    panes, _, _ = panes_of(config(features, time="date"), tmp_path)
    alone, _, _ = panes_of(config(features, time="date"), path)

    # Folders are read in the order of their names, and S comes before _.
    own = [[float(age), region] for region in ("São Paulo", None) for age in range(N)]
    assert [pane.start_ms % 86_400_000 for pane in panes] == [0, 0]
    assert panes[1].start_ms - panes[0].start_ms == 86_400_000
    assert values(panes) == own * 2
    assert values(alone) == own[N:]


def test_a_key_can_be_a_number_and_a_column_of_the_file_comes_first(tmp_path: Path) -> None:
    write(tmp_path / "age=70" / "floor=3" / "a.parquet", table())

    panes, _, _ = panes_of(config(AGE | {"floor": "number"}), tmp_path)

    assert values(panes) == [[float(age), 3.0] for age in range(N)]


def test_a_column_that_begins_later_is_missing_before_and_said(tmp_path: Path) -> None:
    features = AGE | {"plan": {"type": "category", "may_be_missing": True}}
    write(tmp_path / "a.parquet", table())
    late = {"plan": ["pro", "plus", "pro", None], "late": [1, 0, None, 1]}
    write(tmp_path / "b.parquet", table(N, **late))

    panes, warnings, _ = panes_of(config(features, label="late"), tmp_path)

    assert [row[1:] for row in values(panes)] == [[None, None]] * N + [
        ["pro", "1"], ["plus", "0"], ["pro", None], [None, "1"],
    ]  # fmt: skip
    lacking = "which is missing in all rows there"
    assert warnings == [
        f"1 file of 2 without {name}, {lacking}: {tmp_path / 'a.parquet'}"
        for name in ("late", "plan")
    ]


@pytest.mark.parametrize("may_be_missing", [True, False])
def test_a_column_that_no_file_has_or_that_one_must_have_is_an_error_that_names_both(
    tmp_path: Path, may_be_missing: bool
) -> None:
    features = AGE | {"plan": {"type": "category", "may_be_missing": may_be_missing}}
    write(tmp_path / "a.parquet", table())
    if not may_be_missing:
        write(tmp_path / "b.parquet", table(N, plan=["pro"] * N))

    with pytest.raises(SourceError, match=r"a\.parquet lacks the columns plan; it has at, age"):
        open_source(str(tmp_path), config(features))


def test_a_column_of_numbers_that_becomes_text_costs_its_rows_with_their_places(
    tmp_path: Path,
) -> None:
    write(tmp_path / "a.parquet", table())
    texts = pa.array(["1.5", "NA", "", "many"])
    write(tmp_path / "b.parquet", table(N).set_column(1, "age", texts))
    features = {"age": {"type": "number", "may_be_missing": True}}

    panes, _, source = panes_of(config(features), tmp_path)

    letters = [letter for pane in panes for letter in pane.dead_letters]
    places = [source.place(each.partition, each.offset).rpartition("/")[2] for each in letters]
    assert dict(zip(places, [each.detail for each in letters], strict=True)) == {
        "b.parquet:1": "age is the text '1.5', which is not a number",
        "b.parquet:4": "age is the text 'many', which is not a number",
    }
    assert values(panes) == [[0.0], [1.0], [2.0], [3.0], [None], [None]]


def test_a_place_of_records_is_not_one_of_tables(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", table())

    with pytest.raises(SourceError, match=r"columns\.time is '@timestamp', which records of"):
        open_source(str(tmp_path), config(time="@timestamp"))


def test_side_by_side_files_are_asked_together_for_a_column(tmp_path: Path) -> None:
    features = AGE | {"plan": {"type": "category", "may_be_missing": True}}
    write(tmp_path / "a.parquet", table())
    write(tmp_path / "b.parquet", table(plan=["pro"] * N))

    panes, warnings, _ = panes_of(config(features, files="side_by_side"), tmp_path)

    assert sorted(str(row[1]) for row in values(panes)) == ["None"] * N + ["pro"] * N
    assert len(warnings) == 1
