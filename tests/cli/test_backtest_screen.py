"""The table of a backtest's models on a narrow terminal."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

from rich.console import Console

from flink_jobs.cli.backtest_screen import _models_table


def test_names_and_numbers_stay_whole_on_80_columns() -> None:
    counts = {"n_used": 1_234_567, "n_dead_letters": 12, "n_scores": 1_234, "n_tested": 21}
    alerts = {"n_drifting": 30, "n_started": 3, "n_alerts": 17}
    summary: Any = SimpleNamespace(models={"shifted-image": SimpleNamespace(**counts, **alerts)})
    output = io.StringIO()

    Console(file=output, width=80).print(_models_table(summary))

    row = output.getvalue().splitlines()[-1].split()
    assert row == ["shifted-image", "1,234,567", "12", "21", "of", "1,234", "30", "3", "17"]
