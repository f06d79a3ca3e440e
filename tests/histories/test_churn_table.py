"""A usual table, with text, booleans and a label, is one history however it was written."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.feather as pa_feather
import pyarrow.parquet as pq
import pytest

from flink_jobs.config.checks import cross_check
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.records.alerts import Alert
from flink_jobs.replay.engine import run_backtest
from tests.histories.examples import backtest_config

N, N_DRIFTED = 2_000, 800
START_MS = 1_772_409_600_000
FEATURES = {
    "tenure_months": "number",
    "monthly_charges": {"type": "number", "unit": "EUR"},
    "data_gb": {"type": "number", "may_be_missing": True},
    "plan": "category",
    "region": "category",
    "is_senior": "boolean",
}
OUTPUTS = {"churn_probability": "probability"}
FLAT = {"time": "predicted_at", "event_id": "id", "model": "model"}
NESTED = {
    "time": "meta.at",
    "event_id": "request.id",
    "model": "meta.model",
    "features_at": "request.features",
    "outputs_at": "response",
}


def churn_table() -> pa.Table:
    """Requests half a second apart; a plan that nobody had comes, and one region goes."""
    rng = np.random.default_rng(5)
    drifted = np.arange(N) >= N - N_DRIFTED
    plans = np.where(
        drifted & (rng.random(N) < 0.4), "family", rng.choice(["basic", "plus", "40K - 60K €"], N)
    )
    regions = np.where(drifted, "south", rng.choice(["south", "NA"], N))
    times_ms = START_MS + np.arange(N) * 500
    data_gb = pa.array(rng.exponential(5, N).round(2), mask=rng.random(N) < 0.2)
    return pa.table(
        {
            "model": ["churn"] * N,
            "predicted_at": pa.array(times_ms).cast(pa.timestamp("ms", "UTC")),
            "id": [f"r{place:05}" for place in range(N)],
            "tenure_months": rng.integers(0, 72, N),
            "monthly_charges": rng.normal(70, 25, N).round(2),
            "data_gb": data_gb,
            "plan": plans.tolist(),
            "region": regions.tolist(),
            "is_senior": rng.random(N) < 0.2,
            "churn_probability": rng.random(N).round(4),
        }
    )


def job(columns: dict[str, Any], **more: Any) -> DriftJobConfig:
    """Watch inputs and answers, wherever columns are found."""
    tables = {
        "columns": {"features": FEATURES, "outputs": OUTPUTS} | columns,
        "views": [
            {"name": "inputs", "columns": ["features"]},
            {"name": "answers", "columns": ["outputs"]},
        ],
        "reference": {"kind": "first_events", "n_events": 600},
        "window": {"kind": "count", "size": 200, "slide": 200},
        "detector": {},
        "input": {"max_out_of_orderness_ms": 1_000},
    }
    base = backtest_config()
    tree = msgspec.to_builtins(base) | {"detectors": []}
    converted = {**tree, **tables, **more}
    config = msgspec.convert(converted, DriftJobConfig)
    assert cross_check(config) == []
    return config


def nested_rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    texts = pc.strftime(table["predicted_at"], "%Y-%m-%dT%H:%M:%SZ").to_pylist()
    for row, at in zip(table.to_pylist(), texts, strict=True):
        yield {
            "request": {"id": row["id"], "features": {name: row[name] for name in FEATURES}},
            "response": {name: row[name] for name in OUTPUTS},
            "meta": {"model": row["model"], "at": at},
        }


def as_parquet(table: pa.Table, folder: Path) -> Path:
    pq.write_table(table, folder / "churn.parquet", row_group_size=300)
    return folder / "churn.parquet"


def as_csv(table: pa.Table, folder: Path) -> Path:
    pa_csv.write_csv(table, folder / "churn.csv")
    return folder / "churn.csv"


def as_other_types(table: pa.Table, folder: Path) -> Path:
    """What other tools write: dictionaries, decimals, half and unsigned numbers, 0 and 1."""
    others = {
        "plan": table["plan"].dictionary_encode(),
        "model": table["model"].dictionary_encode(),
        "monthly_charges": table["monthly_charges"].cast(pa.decimal128(8, 2)),
        "tenure_months": table["tenure_months"].cast(pa.uint8()),
        "is_senior": table["is_senior"].cast(pa.int8()),
        "predicted_at": table["predicted_at"].cast(pa.timestamp("ns", "Asia/Tokyo")),
        "id": table["id"].cast(pa.large_binary()),
    }
    for name, column in others.items():
        table = table.set_column(table.column_names.index(name), name, column)
    pa_feather.write_feather(table, str(folder / "churn.feather"), chunksize=700)
    return folder / "churn.feather"


def as_stream(table: pa.Table, folder: Path) -> Path:
    path = folder / "churn.arrow"
    with pa.ipc.new_stream(str(path), table.schema) as file:
        file.write_table(table, max_chunksize=500)
    return path


def as_nested_parquet(table: pa.Table, folder: Path) -> Path:
    pq.write_table(pa.Table.from_pylist([*nested_rows(table)]), folder / "nested.parquet")
    return folder / "nested.parquet"


def as_flattened_csv(table: pa.Table, folder: Path) -> Path:
    """As pandas writes nested objects: names of columns are paths."""
    flat = pa.Table.from_pylist([*nested_rows(table)])
    while any(pa.types.is_struct(field.type) for field in flat.schema):
        flat = flat.flatten()
    pa_csv.write_csv(flat, folder / "flat.csv")
    return folder / "flat.csv"


def as_nested_lines(table: pa.Table, folder: Path) -> Path:
    """As a service logs its requests."""
    lines = [json.dumps(row) for row in nested_rows(table)]
    (folder / "churn.jsonl").write_text("\n".join(lines))
    return folder / "churn.jsonl"


def as_own_lines(table: pa.Table, folder: Path) -> Path:
    """Loudly's own events with their model and their time."""
    lines = [
        json.dumps(
            {
                "schema_version": 1,
                "event_id": row["id"],
                "model": row["model"],
                "time_ms": int(row["predicted_at"].timestamp() * 1_000),
                "features": {name: row[name] for name in FEATURES},
                "outputs": {name: row[name] for name in OUTPUTS},
            }
        )
        for row in table.to_pylist()
    ]
    (folder / "own.jsonl").write_text("\n".join(lines))
    return folder / "own.jsonl"


def as_frame(table: pa.Table, folder: Path) -> Any:
    return table.to_pandas()


Write = Callable[[pa.Table, Path], Any]
FORMS: list[tuple[Write, dict[str, Any]]] = [
    (as_csv, FLAT),
    (as_other_types, FLAT),
    (as_stream, FLAT),
    (as_frame, FLAT),
    (as_nested_parquet, NESTED),
    (as_flattened_csv, NESTED),
    (as_nested_lines, NESTED),
    (as_own_lines, {}),
]
PLACED = [as_nested_parquet, as_flattened_csv, as_nested_lines]


def found(config: DriftJobConfig, history: Any) -> tuple[bytes, bytes, list[str]]:
    result = run_backtest(config, history, processes=1)
    assert result.summary.dead_letters == {}
    files = [result.folder / name for name in ("alerts.jsonl", "scores.jsonl")]
    return files[0].read_bytes(), files[1].read_bytes(), result.summary.warnings


@pytest.fixture(scope="module")
def wanted(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes, list[str]]:
    folder = tmp_path_factory.mktemp("wanted")
    return found(job(FLAT), as_parquet(churn_table(), folder))


@pytest.mark.parametrize(("write", "columns"), FORMS, ids=[form[0].__name__ for form in FORMS])
def test_every_form_gives_the_same_alerts_and_scores(
    tmp_path: Path,
    wanted: tuple[bytes, bytes, list[str]],
    write: Write,
    columns: dict[str, Any],
) -> None:
    kind = "json" if write in PLACED else "loudly"
    config = job(columns, input={"format": kind, "max_out_of_orderness_ms": 1_000})

    assert found(config, write(churn_table(), tmp_path)) == wanted


def test_the_alert_speaks_of_what_came(wanted: tuple[bytes, bytes, list[str]]) -> None:
    alerts = [msgspec.json.decode(line, type=Alert) for line in wanted[0].splitlines()]
    texts = [json.dumps(msgspec.to_builtins(alert)) for alert in alerts]

    assert {alert.view for alert in alerts} == {"inputs"}
    assert any("family" in text and "plan" in text for text in texts)
    assert wanted[2] == []
