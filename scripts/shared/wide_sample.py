"""A backtest of one model with a table of 200 columns, of which three move."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.loading import decode_config
from flink_jobs.replay.engine import run_backtest
from scripts.shared.report_sample import MINUTE_MS, START_MS, Sample

_N_EVENTS = 4_000
_N_MEASURES = 197
_CONFIG = """
version = 1
job = {name = "churn"}
kafka = {bootstrap_servers = "127.0.0.1:9092"}
panes = {width_ms = 60_000}
window = {kind = "time", size_ms = 600_000, slide_ms = 600_000}
reference = {kind = "first_events", n_events = 1_000}
policy = {windows_to_start = 1}

[columns]
event_id = ""

[columns.features]
tenure_of_the_contract_in_whole_months_as_the_billing_system_has_it = {type = "number", \
unit = "months", may_be_missing = true}
plan = "category"
is_business = "boolean"
"""


def wide_config() -> DriftJobConfig:
    """Name 200 columns: a number with a long name, a category, a boolean, and 197 measures."""
    measures = [f'measure_{place:03d} = "number"' for place in range(_N_MEASURES)]
    text = _CONFIG.replace("\\\n", "")
    return decode_config((text + "\n".join(measures)).encode())


def run_wide(folder: Path, *, category: str = "family") -> Sample:
    """Replay 80 minutes of events; in the last 40 the first three columns move.

    Parameters
    ----------
    folder : Path
        Receives ``result`` and ``history.parquet``.
    category : str
        The plan that is new then.
    """
    rng = np.random.default_rng(3)
    times = np.sort(START_MS + rng.integers(0, 80 * MINUTE_MS, size=_N_EVENTS))
    history = folder / "history.parquet"
    pq.write_table(_table(times, rng, category), history)
    result = run_backtest(wide_config(), history, folder=folder / "result", processes=1)
    return Sample(result, history, [])


def _table(times: NDArray[np.int64], rng: np.random.Generator, category: str) -> pa.Table:
    n, is_late = len(times), times >= START_MS + 40 * MINUTE_MS
    tenure = rng.gamma(4.0, 5.0, size=n) + 30.0 * is_late
    tenure[rng.random(n) < np.where(is_late, 0.2, 0.01)] = np.nan
    plan = np.where(is_late & (rng.random(n) < 0.3), category, rng.choice(["basic", "plus"], n))
    named = {
        "model": ["churn"] * n,
        "time_ms": times,
        "tenure_of_the_contract_in_whole_months_as_the_billing_system_has_it": tenure,
        "plan": plan,
        "is_business": rng.random(n) < np.where(is_late, 0.7, 0.3),
    }
    measures = {f"measure_{place:03d}": rng.normal(size=n) for place in range(_N_MEASURES)}
    return pa.table(named | measures)
