"""How the processes of a backtest start."""

from __future__ import annotations

import subprocess
import sys


def loaded_with(module: str) -> set[str]:
    """All modules that are loaded when a process starts with one."""
    script = f"import sys, {module}; print(*sys.modules, sep='\\n')"
    return set(
        subprocess.run(
            [sys.executable, "-c", script], check=True, capture_output=True, text=True
        ).stdout.split()
    )


def test_a_process_starts_without_the_parts_of_scipy_that_take_a_second_to_load() -> None:
    loaded = loaded_with("flink_jobs.backtest.part")

    assert "scipy.special" in loaded
    slow = {"scipy.stats", "scipy.optimize", "scipy.spatial", "scipy.ndimage", "scipy.sparse"}
    assert not slow & loaded


def test_a_backtest_of_files_loads_no_kafka_client() -> None:
    loaded = loaded_with("flink_jobs.backtest.engine")

    assert "flink_jobs.backtest.sources" in loaded
    assert "kafka" not in loaded
