"""The tables of the best-known peer's tutorials go through all commands as they are."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from flink_jobs.config.loading import load_config
from flink_jobs.records.alerts import Alert
from flink_jobs.replay.result import BacktestResult
from flink_jobs.times import iso_ms
from tests.setup.nannyml_data import nannyml_tables

pytestmark = pytest.mark.integration


class Known(NamedTuple):
    """A table in two files, and the drift in it.

    Its authors made each drift begin in the middle of the analysis period, but for that of
    California, whose two files hold other districts.
    """

    files: str
    drifts_from: str
    moved: str
    label: str
    n_features: int
    found_within_weeks: int = 1


CAR_LOAN = Known("synthetic_car_loan_{}.csv", "2019-03-31", "car_value", "repaid", 7)
CREDIT_CARDS = Known("mc_{}.csv", "2020-11-01", "acq_channel", "y_true", 7)
# District after district: windows of the reference are as far from it as the first ones behind it.
# So no promise can be kept, and only windows that are further than all of the reference's drift.
CALIFORNIA = Known("california_housing_{}.csv", "2021-06-10", "Longitude", "clf_target", 8, 6)
WEEK_MS = 7 * 86_400_000


@pytest.fixture(scope="module")
def tables() -> Path:
    """The unpacked tables."""
    try:
        return nannyml_tables()
    except OSError as error:
        pytest.skip(f"the wheel of nannyml cannot be had: {error}")


def through_all_commands(known: Known, tables: Path, folder: Path) -> BacktestResult:
    """Copy the two files as they are, and run what a newcomer runs."""
    history = folder / "history"
    history.mkdir()
    for part in ("reference", "analysis"):
        shutil.copy(tables / known.files.format(part), history)
    job, result = str(folder / "job.toml"), str(folder / "replayed")
    for arguments in (
        ["init", "--input", str(history), "--output", job],
        ["validate", job, "--sample", str(history)],
        ["backtest", "--config", job, "--input", str(history), "--output", result],
        ["report", result, "--input", str(history), "--output", str(folder / "report.html")],
    ):
        command = [sys.executable, "-m", "flink_jobs.cli", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    return BacktestResult.open(result)


def first_drifts(result: BacktestResult) -> dict[str, Alert]:
    first: dict[str, Alert] = {}
    for alert in result.alerts():
        if alert.cause == "drift":
            first.setdefault(alert.view, alert)
    return first


@pytest.mark.parametrize("known", [CAR_LOAN, CREDIT_CARDS, CALIFORNIA], ids=lambda known: known[0])
def test_a_table_as_it_is_becomes_a_job_that_finds_the_drift_that_is_known(known, tables, tmp_path):
    result = through_all_commands(known, tables, tmp_path)

    config = load_config(tmp_path / "job.toml", {})
    drifts = first_drifts(result)
    assert len(config.columns.features) == known.n_features
    assert config.columns.label == known.label
    assert result.summary.dead_letters == {}
    assert set(drifts) == {"inputs", "outputs"}
    begins_ms = iso_ms(known.drifts_from)
    for alert in drifts.values():
        # The first window that drifts is the first that holds some of it, or one of the next ones.
        assert alert.window.start_ms < begins_ms + known.found_within_weeks * WEEK_MS
        assert alert.window.end_ms > begins_ms
    assert known.moved in {column.column for column in drifts["inputs"].top_columns}
    assert known.moved in (tmp_path / "report.html").read_text()
