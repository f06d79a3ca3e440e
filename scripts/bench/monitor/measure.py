"""Runs the monitor of one checkout or another in child processes, and keeps what they found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from scripts.bench.harness import in_turn
from scripts.bench.monitor.of_checkout import PANE_MS, Cost, Size

_CHILD = Path(__file__).with_name("of_checkout.py")
_DAY_H = 24
# Windows of an hour more show that what is no longer needed goes.
_MORE_H = 2
# Three times the goal, after which a state that goes on growing need not be waited for.
_MOST_BYTES = 24_000_000

SHORT, LONG, DAILY = "6 panes by 1", "360 panes by 1", "1,440 panes by 60"
WINDOWS: Mapping[str, tuple[int, int, int]] = {
    SHORT: (6, 1, 600),
    LONG: (360, 1, 120),
    DAILY: (1_440, 60, 240),
}
"""Size and slide in panes, and how many panes are measured."""

SLOW, FAST = 100, 1_000
"""Rates in events per second."""

_ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}


@dataclass
class Measured:
    """The findings of all rounds.

    Attributes
    ----------
    costs : mapping
        By checkout, ``this`` or ``other``, and windows: one cost for each round.
    sizes : mapping
        Of this checkout, by events per second.
    objections : list of str
        Results that are wrong, or that differ between checkouts or rounds.
    """

    costs: Mapping[tuple[str, str], Sequence[Cost]]
    sizes: Mapping[int, Size] = field(default_factory=dict)
    objections: list[str] = field(default_factory=list)


def measure_costs(checkouts: Mapping[str, Path], n_rounds: int, share: float) -> Measured:
    """Measure all windows with all checkouts, in turn.

    Parameters
    ----------
    checkouts : mapping of str to Path
    n_rounds : int
    share : float
        Of the panes that are measured; the slides stay whole.
    """
    calls = {
        (checkout, windows): partial(_cost, path, windows, share)
        for windows in WINDOWS
        for checkout, path in checkouts.items()
    }
    named = {f"{checkout}: {windows}": call for (checkout, windows), call in calls.items()}
    found = dict(zip(calls, in_turn(named, n_rounds).values(), strict=True))
    return Measured(found, objections=objections(found))


def objections(costs: Mapping[tuple[str, str], Sequence[Cost]]) -> list[str]:
    """Say which results are wrong, and which differ where they should not."""
    wrong = [
        f"{checkout}, {windows}: {each.objection}"
        for (checkout, windows), rounds in costs.items()
        for each in rounds
        if each.objection
    ]
    for windows in dict.fromkeys(windows for _, windows in costs):
        digests = {
            (each.n_windows, each.digest)
            for (_, other), rounds in costs.items()
            if other == windows
            for each in rounds
        }
        if len(digests) > 1:
            wrong.append(f"{windows}: the scores differ: {sorted(digests)}")
    return wrong


def measure_sizes(checkout: Path, n_hours: int = _DAY_H + _MORE_H) -> dict[int, Size]:
    """Let the state of daily windows fill, at both rates."""
    return {
        rate: Size(**_child(checkout, "size", rate, n_hours, _MOST_BYTES)) for rate in (SLOW, FAST)
    }


def events_per_pane(events_per_s: int) -> int:
    """Events of a pane of a model with daily windows."""
    return events_per_s * PANE_MS // 1_000


def _cost(checkout: Path, windows: str, share: float) -> Cost:
    size, slide, n_panes = WINDOWS[windows]
    n_panes = max(1, round(share * n_panes / slide)) * slide
    return Cost(**_child(checkout, "cost", size, slide, n_panes))


def _child(checkout: Path, name: str, *arguments: int) -> dict[str, Any]:
    command = [sys.executable, str(_CHILD), name, *map(str, arguments)]
    environment = os.environ | _ONE_THREAD | {"PYTHONPATH": str(checkout)}
    done = subprocess.run(
        command, cwd=checkout, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} in {checkout.name}: {done.stderr[-2_000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
