"""How the processes of a backtest start."""

from __future__ import annotations

import subprocess
import sys


def test_a_process_starts_without_the_parts_of_scipy_that_take_a_second_to_load() -> None:
    script = "import sys, flink_jobs.backtest.part; print(*sys.modules, sep='\\n')"

    loaded = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    ).stdout.split()

    assert "scipy.special" in loaded
    slow = {"scipy.stats", "scipy.optimize", "scipy.spatial", "scipy.ndimage", "scipy.sparse"}
    assert not slow & set(loaded)
