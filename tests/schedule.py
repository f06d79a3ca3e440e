"""The distribution of test files over several processes.

Tests with a broker or a cluster wait for processes to start much of the time, and each process that
runs some has parts of its own. So two processes run those files, one after the other, and all
others run the rest meanwhile; what is left of the rest in the end is for everybody.
"""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]
from xdist.workermanage import WorkerController  # type: ignore[import-untyped]

_ROOT = Path(__file__).parents[1]
_NEEDS_PARTS = re.compile(r"mark\.(integration|system|faults)\b")
_N_WITH_PARTS = 2


def n_processes() -> int:
    """One more than there are cores, of which those with parts leave one idle; 5 at most."""
    return min(len(os.sched_getaffinity(0)), 4) + 1


@cache
def needs_parts(file: str) -> bool:
    """Say whether tests of a file, named from the root on, start a broker or a cluster."""
    path = _ROOT / file
    return path.name.startswith("test_") and _NEEDS_PARTS.search(path.read_text()) is not None


class PartsBesideTheRest(LoadFileScheduling):  # type: ignore[misc]
    """Files as units, those with parts for the first two processes alone."""

    def _assign_work_unit(self, node: WorkerController) -> None:
        may_have_parts = int(node.gateway.id.removeprefix("gw")) < _N_WITH_PARTS
        fitting = [each for each in self.workqueue if may_have_parts or not needs_parts(each)]
        if not fitting:
            node.shutdown()
            return
        chosen = next(filter(needs_parts, fitting), fitting[0])
        self.workqueue.move_to_end(chosen, last=False)
        super()._assign_work_unit(node)


def make_scheduler(config: pytest.Config, log: Any) -> PartsBesideTheRest | None:
    """Give the scheduler for ``--dist loadfile``; None for xdist's own otherwise.

    ``log`` is that of xdist, which is silent unless asked; a scheduler's own prints each step.
    """
    return PartsBesideTheRest(config, log) if config.getvalue("dist") == "loadfile" else None
