"""How the processes of a backtest start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.histories.examples import make_events, write_parquet


def loaded_with(module: str) -> set[str]:
    """All modules that are loaded when a process starts with one."""
    script = f"import sys, {module}; print(*sys.modules, sep='\\n')"
    return set(
        subprocess.run(
            [sys.executable, "-c", script], check=True, capture_output=True, text=True
        ).stdout.split()
    )


def test_a_process_starts_without_the_parts_of_scipy_that_take_a_second_to_load() -> None:
    loaded = loaded_with("flink_jobs.replay.worker")

    assert "scipy.special" in loaded
    slow = {"scipy.stats", "scipy.optimize", "scipy.spatial", "scipy.ndimage", "scipy.sparse"}
    assert not slow & loaded


def test_a_backtest_of_files_loads_no_kafka_client() -> None:
    loaded = loaded_with("flink_jobs.replay.engine")

    assert "flink_jobs.histories.sources" in loaded
    assert "kafka" not in loaded


def test_no_process_of_a_backtest_loads_pandas(tmp_path: Path) -> None:
    history = write_parquet(tmp_path / "history.parquet", make_events())
    script = (
        "from flink_jobs.replay import run_backtest\n"
        "from tests.histories.examples import backtest_config, columns\n"
        "if __name__ == '__main__':\n"
        "    config = backtest_config(columns=columns())\n"
        f"    result = run_backtest(config, {str(history)!r}, processes=2)\n"
        "    print(result.summary.n_events)\n"
    )
    (tmp_path / "run.py").write_text(script)

    # Processes that are started hand this option on.
    command = [sys.executable, "-X", "importtime", str(tmp_path / "run.py")]
    ran = subprocess.run(
        command, check=True, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": "."}
    )

    loaded = [line.rpartition("|")[2].strip() for line in ran.stderr.splitlines()]
    assert int(ran.stdout) == len(make_events())
    assert loaded.count("flink_jobs.replay.worker") == 3
    # Of what is refused the option tells, too.
    assert "pandas.core.api" not in loaded
