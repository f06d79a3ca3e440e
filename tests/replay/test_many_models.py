"""Backtests decide over many models as the job does, whatever the number of processes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from detectors import SEQUENTIAL_DETECTORS
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.loading import decode_config
from flink_jobs.records.alerts import AlertKind, Cause
from flink_jobs.replay.engine import run_backtest
from flink_jobs.replay.result import ALERTS_FILE, SCORES_FILE, BacktestResult

JOB = """
version = 1
kafka = {bootstrap_servers = "127.0.0.1:9092"}
panes = {width_ms = 10_000}
window = {kind = "time", size_ms = 100_000, slide_ms = 50_000, min_events = 20}
reference = {kind = "first_events", n_events = 200}
detector = {reducer = {kind = "none"}, test = {kind = "ks"}}
columns = {model = "model", time = "at", event_id = "", features = {x = "number", y = "number"}}
"""
MANY = """
[storm]
models = 4
within_ms = 60_000
[false_discoveries]
per_ms = 1_000_000
"""
N_MODELS, N_ROWS = 8, 700
TELLING = "model-7"


def config_of(text: str) -> DriftJobConfig:
    return decode_config(text.encode())


def history(steps: float | None = None) -> pa.Table:
    """Six models break in ``x``, and the last one in ``y`` as well; one goes on as ever.

    With ``steps`` the mean moves by so many deviations; else all values are 0.
    """
    rng = np.random.default_rng(0)
    rows = np.repeat(np.arange(N_ROWS), N_MODELS)
    models = np.tile(np.arange(N_MODELS), N_ROWS)
    x, y = rng.normal(size=rows.size), rng.normal(size=rows.size)
    breaks = (rows >= 400) & (models > 0)
    x[breaks] = 0.0 if steps is None else x[breaks] + steps
    y[breaks & (models == 7)] += 4.0
    return pa.table(
        {"model": [f"model-{m}" for m in models], "at": rows * 1_000 + models, "x": x, "y": y}
    )


def test_one_alert_stands_for_models_that_break_together_and_none_is_lost(tmp_path: Path) -> None:
    table = history()
    alone = run_backtest(config_of(JOB), table, folder=tmp_path / "alone", processes=1)
    one = run_backtest(config_of(JOB + MANY), table, folder=tmp_path / "one", processes=1)
    two = run_backtest(config_of(JOB + MANY), table, folder=tmp_path / "two", processes=2)

    for name in (ALERTS_FILE, SCORES_FILE):
        assert (one.folder / name).read_bytes() == (two.folder / name).read_bytes()
    assert started(alone) == Counter({f"model-{m}": 1 for m in range(1, 8)})
    assert started(one) == Counter({"*": 1, TELLING: 1})
    (storm,) = {a.incident_id: a.storm for a in one.alerts() if a.storm}.values()
    assert storm is not None
    assert (storm.n_models, [c.name for c in storm.columns]) == (6, ["x"])
    told = next(a for a in one.alerts() if a.model == TELLING)
    assert told.error_budget is not None
    n_about_storms = sum(a.cause is Cause.STORM for a in one.alerts())
    assert one.summary.n_held_back is not None
    n_passed = one.summary.n_alerts - n_about_storms
    assert n_passed + one.summary.n_held_back == alone.summary.n_alerts
    assert one.summary.models["model-1"].n_alerts == 0
    assert any("moved in one storm" in warning for warning in one.summary.warnings)
    assert one.summary.models == two.summary.models


SEQUENTIAL = """
[[detectors]]
name = "whole"
sequential = {kind = "KIND", run_time_events = 20_000}
"""
BLIND = """
calibration = {kind = "level_per_window", level = 1e-9}
[policy]
top_columns = 2
"""


@pytest.mark.parametrize("kind", SEQUENTIAL_DETECTORS)
def test_a_storm_of_sequential_alarms_says_which_column_the_models_share(
    tmp_path: Path, kind: str
) -> None:
    stormy = "[storm]\nmodels = 4\nwithin_ms = 200_000\n"
    text = JOB + BLIND + SEQUENTIAL.replace("KIND", kind) + stormy
    table = history(steps=1.5)

    result = run_backtest(config_of(text), table, folder=tmp_path / "one", processes=1)
    two = run_backtest(config_of(text), table, folder=tmp_path / "two", processes=2)

    for name in (ALERTS_FILE, SCORES_FILE):
        assert (result.folder / name).read_bytes() == (two.folder / name).read_bytes()
    storm = [alert.storm for alert in result.alerts() if alert.storm][-1]
    # The last model moves in y as well, which says something else.
    assert sorted(storm.models) == [f"model-{n}" for n in range(1, 7)]
    assert [(each.name, each.n_models) for each in storm.columns] == [("x", 6)]


def started(result: BacktestResult) -> Counter[str]:
    return Counter(a.model for a in result.alerts() if a.kind is AlertKind.STARTED)
