"""Drifts that a column of the history labels are those of all its labels at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.histories.errors import SourceError
from flink_jobs.histories.known_drifts.labelled_events import drifts_of_column
from flink_jobs.histories.known_drifts.truth import DriftInterval, intervals_of_labels
from tests.histories.examples import START_MS, backtest_config, columns

# Several batches of a file.
N = 200_000


def history(labels: Any) -> pa.Table:
    """Events of two models in turn, two at each moment, in order of time."""
    n = len(labels)
    data = {"model": ["a", "b"] * (n // 2), "time_ms": START_MS + np.arange(n) // 4 * 10}
    numbers = {f"f{place}": np.zeros(n) for place in range(3)}
    return pa.table({**data, "event_id": [str(i) for i in range(n)], **numbers, "drifted": labels})


def wanted(table: pa.Table) -> list[DriftInterval]:
    labels = table["drifted"].to_pylist()
    return intervals_of_labels(
        table["model"].to_pylist(), table["time_ms"].to_numpy(), np.array(labels, dtype=object)
    )


def config(**keys: Any) -> DriftJobConfig:
    return backtest_config(columns=columns(**keys))


def runs_of(values: list[Any], n: int = N) -> list[Any]:
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, n // 30, 100)
    chosen = np.repeat(rng.integers(0, len(values), 100), lengths)[:n]
    return [values[place] for place in chosen.tolist()]


@pytest.mark.parametrize(
    "values", [[False, True], [None, True], [0, 1, 2], [0.0, 1.0, None], ["", "scanner", None, "x"]]
)
def test_runs_across_batches_are_those_of_the_whole_history(
    tmp_path: Path, values: list[Any]
) -> None:
    table = history(runs_of(values))
    pq.write_table(table, tmp_path / "a.parquet")
    pa_csv.write_csv(table, tmp_path / "a.csv")
    numbers = [None if each is None else bool(each) for each in table["drifted"].to_pylist()]
    expected = wanted(table if "x" in values else history(numbers))

    of_parquet = drifts_of_column(str(tmp_path / "a.parquet"), config(), "drifted")
    of_csv = drifts_of_column(str(tmp_path / "a.csv"), config(), "drifted")

    assert len(expected) > 5
    assert of_parquet == of_csv == expected


def test_a_key_of_json_lines_labels_events_too(tmp_path: Path) -> None:
    table = history(runs_of([False, True], 4_000))
    rows = table.select(["model", "time_ms", "event_id", "drifted"]).to_pylist()
    lines = [json.dumps({"schema_version": 1, "features": [0, 0, 0], **row}) for row in rows]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))

    found = drifts_of_column(str(tmp_path / "a.jsonl"), backtest_config(), "drifted")

    assert found == wanted(table)
    assert found


def test_a_label_ahead_of_the_clock_makes_no_drift(tmp_path: Path) -> None:
    table = history([False, False, True, True])
    far = table.set_column(1, "time_ms", pa.array([START_MS, START_MS, 2 * START_MS, START_MS + 1]))
    pq.write_table(far, tmp_path / "a.parquet")

    found = drifts_of_column(str(tmp_path / "a.parquet"), config(), "drifted")

    assert found == [DriftInterval("b", START_MS + 1, START_MS + 2)]


def test_a_history_without_a_label_is_refused(tmp_path: Path) -> None:
    pq.write_table(history(pa.nulls(4)), tmp_path / "a.parquet")

    with pytest.raises(SourceError, match=r"no event of .* has a value of 'drifted'"):
        drifts_of_column(str(tmp_path / "a.parquet"), config(), "drifted")
    with pytest.raises(SourceError, match="lacks the columns moved"):
        drifts_of_column(str(tmp_path / "a.parquet"), config(), "moved")
