"""alibi-detect's online detectors, with PyTorch on one thread."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import lru_cache
from typing import Any
from unittest.mock import patch

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
# LSDD takes its regularisation from them.
_BOOTSTRAPS_WITHOUT_THRESHOLDS = 100
_MODULES = tuple(importlib.import_module(f"alibi_detect.cd.{name}") for name in (
    "cvm_online", "pytorch.lsdd_online", "pytorch.mmd_online"
))  # fmt: skip
_TORCH = {"backend": "pytorch", "verbose": False}


def _detector(
    kind: str, x_ref: Rows, n_test: int, run_time: float, n_bootstraps: int, seed: int
) -> Any:
    torch.manual_seed(seed)
    np.random.seed(seed)
    if kind == "cvm":
        return CVMDriftOnline(x_ref, run_time, [n_test], n_bootstraps=n_bootstraps, verbose=False)
    cls = {"mmd": MMDDriftOnline, "lsdd": LSDDDriftOnline}[kind]
    return cls(x_ref, run_time, n_test, n_bootstraps=n_bootstraps, device="cpu", **_TORCH)


def alarms(
    kind: str, x_ref: Rows, n_test: int, run_time: float, seed: int
) -> Callable[[Any], bool]:
    """Use thresholds for the run time, and begin anew after an alarm."""
    n_bootstraps = round(_BOOTSTRAPS_OF_A_RUN_TIME * run_time)
    detector = _detector(kind, x_ref, n_test, run_time, n_bootstraps, seed)

    def is_alarm(row: Any) -> bool:
        found = bool(detector.predict(row)["data"]["is_drift"])
        if found:
            detector.reset_state()
        return found

    return is_alarm


@lru_cache(maxsize=1)
def _without_thresholds(kind: str, x_ref: bytes, n_columns: int, n_test: int, seed: int) -> Any:
    """Make a detector whose thresholds, which nobody reads, are infinite."""
    reference = np.frombuffer(x_ref).reshape(-1, n_columns)
    with ExitStack() as stack:
        for module in _MODULES:
            stack.enter_context(patch.object(module, "quantile", lambda *_: np.inf))
        return _detector(kind, reference, n_test, 2.0, _BOOTSTRAPS_WITHOUT_THRESHOLDS, seed)


def scores(
    kind: str, x_ref: Rows, rows: Rows, n_test: int, seed: int
) -> Iterator[tuple[int, float]]:
    """Read the statistic of each row, the largest of all columns."""
    detector = _without_thresholds(kind, x_ref.tobytes(), x_ref.shape[1], n_test, seed)
    detector.reset_state()
    for n_rows, row in enumerate(rows, 1):
        statistic = np.asarray(detector.predict(row)["data"]["test_stat"], dtype=np.float64)
        if not np.isnan(statistic).all():
            yield n_rows, float(np.nanmax(statistic))


if __name__ == "__main__":
    torch.set_num_threads(1)
    serve(alarms, scores)
