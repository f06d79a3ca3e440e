"""Histories as people have them, made anew for tests."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.loading import decode_config
from flink_jobs.setup.fitting import fitted, proven
from flink_jobs.setup.job_toml import job_toml
from flink_jobs.setup.opening import take_sample
from flink_jobs.setup.proposal import propose

START_S = 1_772_400_000


def loans(n: int = 2_000, seed: int = 0) -> dict[str, list[Any]]:
    """A model of loans: from row ``n // 2`` on another plan is sold, and incomes are higher."""
    random = np.random.default_rng(seed)
    late = np.arange(n) >= n // 2
    probability = random.beta(2, 5, n)
    return {
        "scored_at": [_iso(START_S + 30 * row) for row in range(n)],
        "application_id": [f"A{row:07d}" for row in range(n)],
        "applicant": [f"P{number}" for number in random.integers(0, 10**6, n)],
        "income_eur": (random.normal(3_000, 400, n) + 600 * late).round(2).tolist(),
        "purpose": np.where(
            late & (random.random(n) < 0.5), "solar", random.choice(["car", "home"], n)
        ).tolist(),
        "is_employed": (random.random(n) < 0.8).tolist(),
        "comment": [f"please call me back after {row} o'clock, thank you" for row in range(n)],
        "default_probability": probability.round(4).tolist(),
        "defaulted": (random.random(n) < probability).astype(int).tolist(),
    }


def _iso(seconds: int) -> str:
    return str(np.datetime64(seconds, "s")) + "Z"


def write_csv(path: Path, columns: Mapping[str, Sequence[Any]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path


def write_parquet(path: Path, columns: Mapping[str, Sequence[Any]], **options: Any) -> Path:
    pq.write_table(
        pa.table({name: list(values) for name, values in columns.items()}), path, **options
    )
    return path


def write_lines(path: Path, events: Sequence[Any]) -> Path:
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return path


def written_for(path: Path, model_name: str = "") -> tuple[str, DriftJobConfig]:
    """What ``loudly init`` writes for a file or folder, as text and decoded."""
    text = job_toml(proven(fitted(propose(take_sample(str(path)), model_name))))
    return text, decode_config(text.encode())


def line_of(text: str, start: str) -> str:
    """The line of a file that begins so, with the comment lines above it."""
    lines = text.splitlines()
    (place,) = [n for n, line in enumerate(lines) if line.startswith(start)]
    first = place
    while first and lines[first - 1].startswith("# "):
        first -= 1
    return " ".join(line.removeprefix("# ") for line in lines[first : place + 1])
