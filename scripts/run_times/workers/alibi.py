"""alibi-detect's online detectors, with PyTorch on one thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from alibi_detect.cd import (  # type: ignore[import-not-found]
    CVMDriftOnline,
    LSDDDriftOnline,
    MMDDriftOnline,
)

from scripts.run_times.streams import Rows
from scripts.run_times.workers.protocol import serve

# alibi-detect asks for an order of magnitude more than the run time.
_BOOTSTRAPS_OF_A_RUN_TIME = 20
# Thresholds that nobody reads.
_CHEAP_RUN_TIME = 10.0
_TORCH = {"backend": "pytorch", "verbose": False}


def _detector(kind: str, x_ref: Rows, n_test: int, run_time: float, seed: int) -> Any:
    torch.manual_seed(seed)
    np.random.seed(seed)
    n_bootstraps = round(_BOOTSTRAPS_OF_A_RUN_TIME * run_time)
    if kind == "cvm":
        return CVMDriftOnline(x_ref, run_time, [n_test], n_bootstraps=n_bootstraps, verbose=False)
    cls = {"mmd": MMDDriftOnline, "lsdd": LSDDDriftOnline}[kind]
    return cls(x_ref, run_time, n_test, n_bootstraps=n_bootstraps, device="cpu", **_TORCH)


def alarms(
    kind: str, x_ref: Rows, n_test: int, run_time: float, seed: int
) -> Callable[[Any], bool]:
    """Use thresholds for the run time, and begin anew after an alarm."""
    detector = _detector(kind, x_ref, n_test, run_time, seed)

    def is_alarm(row: Any) -> bool:
        found = bool(detector.predict(row)["data"]["is_drift"])
        if found:
            detector.reset_state()
        return found

    return is_alarm


def scores(
    kind: str, x_ref: Rows, rows: Rows, n_test: int, seed: int
) -> Iterator[tuple[int, float]]:
    """Read the statistic of each row, the largest of all columns."""
    detector = _detector(kind, x_ref, n_test, _CHEAP_RUN_TIME, seed)
    for n_rows, row in enumerate(rows, 1):
        statistic = np.asarray(detector.predict(row)["data"]["test_stat"], dtype=np.float64)
        if not np.isnan(statistic).all():
            yield n_rows, float(np.nanmax(statistic))


if __name__ == "__main__":
    torch.set_num_threads(1)
    serve(alarms, scores)
