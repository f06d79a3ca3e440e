"""A backtest of many models with hourly windows, of which some drift, and some have no events."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.loading import decode_config
from flink_jobs.replay.engine import run_backtest
from flink_jobs.replay.result import BacktestResult
from scripts.shared.report_sample import START_MS

HOUR_MS = 3_600_000
N_REFERENCE_HOURS = 3
_CONFIG = """
version = 1
job = {{name = "fleet"}}
kafka = {{bootstrap_servers = "127.0.0.1:9092"}}
panes = {{width_ms = {hour}}}
window = {{kind = "time", size_ms = {hour}, slide_ms = {hour}, min_events = 10}}
reference = {{kind = "first_events", n_events = {n_reference}}}
calibration = {{kind = "level_per_window", level = 0.0001}}
policy = {{windows_to_start = 1, windows_to_recover = 2}}

[columns]
event_id = ""

[columns.features]
amount = {{type = "number", unit = "€"}}
plan = "category"
"""


def fleet_config(events_an_hour: int) -> DriftJobConfig:
    """Test a number and a category in windows of one hour."""
    n_reference = N_REFERENCE_HOURS * events_an_hour
    return decode_config(_CONFIG.format(hour=HOUR_MS, n_reference=n_reference).encode())


def run_fleet(
    folder: Path, *, n_models: int, n_hours: int = 22, events_an_hour: int = 20
) -> BacktestResult:
    """Replay models called ``store-0000`` and so on.

    In the second half of the history every 20th moves between 01:00 and 05:00, the one after it
    from then on, and the one after that has few events.

    Parameters
    ----------
    folder : Path
        Receives ``result`` and ``history.parquet``.
    n_models, n_hours, events_an_hour : int
        The first three hours are the reference.
    """
    rng = np.random.default_rng(11)
    parts = [_model(place, n_hours, events_an_hour, rng) for place in range(n_models)]
    history = folder / "history.parquet"
    pq.write_table(pa.concat_tables(parts).sort_by("time_ms"), history)
    config = fleet_config(events_an_hour)
    return run_backtest(config, history, folder=folder / "result", processes=1)


def _model(place: int, n_hours: int, events_an_hour: int, rng: np.random.Generator) -> pa.Table:
    times = np.sort(START_MS + rng.integers(0, n_hours * HOUR_MS, size=n_hours * events_an_hour))
    hours = (times - START_MS) // HOUR_MS
    is_late = hours >= n_hours // 2
    if place % 20 == 2:
        kept = ~is_late | (rng.random(len(times)) < 0.1)
        times, hours, is_late = times[kept], hours[kept], is_late[kept]
    moves = is_late & _moves(place, hours)
    n = len(times)
    amounts = np.round(rng.lognormal(3.0, 0.5, size=n) * np.where(moves, 2.5, 1.0), 2)
    plans = rng.choice(["basic", "plus", "family"], size=n, p=[0.6, 0.3, 0.1])
    plans[moves & (rng.random(n) < 0.5)] = "trial"
    return pa.table(
        {"model": [f"store-{place:04}"] * n, "time_ms": times, "amount": amounts, "plan": plans}
    )


def _moves(place: int, hours: NDArray[np.int64]) -> NDArray[np.bool_]:
    if place % 20 == 0:
        return (hours % 24 >= 1) & (hours % 24 < 5)
    return np.full(len(hours), place % 20 == 1)
