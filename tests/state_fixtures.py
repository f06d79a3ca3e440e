"""Committed state of one model in several phases, and the stream that goes on where it was cut.

The bytes lie in ``tests/fixtures/state``; ``tests/write_state_fixtures.py`` writes them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from flink_jobs.core.actions import Actions
from flink_jobs.core.state.model_state import InMemoryEntries
from flink_jobs.intake.panes import Pane
from tests.builders import make_config, make_panes, run_monitor

Record = dict[str, Any]
Records = dict[str, list[Record]]
FOLDER = Path(__file__).resolve().parents[0] / "fixtures" / "state"
_N_PANES = 20
_PER_PANE = 12


@dataclass(frozen=True)
class Phase:
    """Where in the life of a model its state is cut: after ``n_before`` of its panes.

    The panes from ``shifted_from`` up to ``shifted_until`` are drawn from another distribution.
    """

    n_before: int
    shifted_from: int
    shifted_until: int = _N_PANES
    tables: dict[str, object] = field(default_factory=dict)

    def before(self) -> list[Pane]:
        """The panes up to the cut."""
        return self._panes()[: self.n_before]

    def after(self) -> list[Pane]:
        """The panes after it."""
        return self._panes()[self.n_before :]

    def go_on(self, panes: list[Pane], state: InMemoryEntries) -> list[Actions]:
        """Hand panes to the monitor of this code."""
        tables = {"calibration": {"level": 1e-4}} | self.tables
        return run_monitor(make_config(**tables), panes, state)

    def _panes(self) -> list[Pane]:
        sizes = [_PER_PANE] * _N_PANES
        # Both streams draw the same numbers, one of them moved.
        moved, steady = make_panes(sizes, shift_from=self.shifted_from), make_panes(sizes)
        return moved[: self.shifted_until] + steady[self.shifted_until :]


_PCA = {"reducer": {"kind": "pca", "n_components": 2}, "test": {"kind": "ks"}}
_TRAILING = {"kind": "trailing", "size_ms": 4_000, "step_ms": 2_000, "min_events": 20}
_SEQUENTIAL = {
    "kind": "counts_e_detector",
    "run_time_events": 100,
    "n_cells": 3,
    "score_every_ms": 2_000,
}
_COUNT = {"kind": "count", "size": 24, "slide": 18}

# The reference holds 30 events, panes 0 to 2. That of the phase that collects has no PCA: machines
# differ in the last digit of what it learns, and here the reference is learned after the restore.
PHASES = {
    "collecting": Phase(n_before=2, shifted_from=10),
    "monitoring": Phase(n_before=7, shifted_from=12, tables={"detector": _PCA, "window": _COUNT}),
    "moving": Phase(n_before=9, shifted_from=12, tables={"reference": _TRAILING}),
    "sequential": Phase(
        n_before=9,
        shifted_from=7,
        tables={"detectors": [{"name": "whole", "sequential": _SEQUENTIAL}]},
    ),
    "incident": Phase(n_before=9, shifted_from=6, shifted_until=13, tables={"detector": _PCA}),
}


def read_state(phase: str) -> InMemoryEntries:
    """The committed state of a model at the cut."""
    state = InMemoryEntries()
    state.entries = msgspec.msgpack.decode(_path(phase).read_bytes(), type=dict[str, bytes])
    return state


def write_state(phase: str, state: InMemoryEntries) -> None:
    """The counterpart of :func:`read_state`."""
    _path(phase).write_bytes(msgspec.msgpack.encode(dict(sorted(state.entries.items()))))


def _path(phase: str) -> Path:
    return FOLDER / f"{phase}.entries"


def records(actions: list[Actions]) -> Records:
    """The alerts and scores of many panes, as JSON has them."""
    found = {
        "alerts": [alert for each in actions for alert in each.alerts],
        "scores": [score for each in actions for score in each.scores],
    }
    return dict(msgspec.to_builtins(found))


def judged(record: Record) -> Record:
    """The part of an alert or score that is the same on every machine."""
    window = {key: record["window"][key] for key in ("kind", "start_ms", "end_ms", "n_events")}
    return {
        "model": record["model"],
        "window": window,
        "n_reference": record["reference"]["n_events"],
        # The evidence of a sequential detector is an exponential, which differs in the last digit.
        "statistic": None if record["p_value"] is None else record["statistic"],
        "is_drift": record.get("is_drift"),
    }
