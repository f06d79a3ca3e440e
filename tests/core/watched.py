"""A model that panes, commands and timers reach in the order in which a test calls them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.core.actions import Actions
from flink_jobs.core.artefacts import Artefacts
from flink_jobs.core.monitor import DriftMonitor
from flink_jobs.core.state.entries import decode
from flink_jobs.core.state.model_state import InMemoryEntries
from flink_jobs.core.state.status import STATUS, Status
from flink_jobs.intake.panes import Pane
from flink_jobs.records.alerts import Alert, Score
from flink_jobs.records.control import KINDS, Audit, PlacedCommand, StandingCommand
from flink_jobs.records.status import ModelStatus
from tests.builders import WIDTH_MS, make_config, make_pane, restored

MODEL = "model"
SECOND = {"size_ms": 1_000, "slide_ms": 1_000}


def commanded(kafka: dict[str, Any] | None = None, **tables: Any) -> DriftJobConfig:
    """A job that takes commands; tumbling windows of one pane unless a test says otherwise."""
    tables = {"window": SECOND, "calibration": {"level": 1e-6}} | tables
    return make_config(kafka={"control_topic": "control"} | (kafka or {}), **tables)


def place(offset: int, kind: str, *, model: str = MODEL, **keys: Any) -> PlacedCommand:
    """A command as it lies on the control topic."""
    tree = {"command_id": f"c-{offset}", "model": model, "issued_by": "on-call"} | keys
    return PlacedCommand(msgspec.convert(tree, KINDS[kind]), partition=0, offset=offset)


def standing_of(*placed: PlacedCommand) -> list[StandingCommand]:
    """Commands to patterns, numbered in the order of the topic."""
    return [StandingCommand(number, each) for number, each in enumerate(placed)]


def rows(index: int, n: int = 40, loc: float = 0.0, n_columns: int = 3) -> NDArray[np.float64]:
    """Normal rows, other ones for each pane."""
    return np.random.default_rng([7, index]).normal(loc, size=(n, n_columns))


class Watched:
    """One model under watch; every action is kept.

    Parameters
    ----------
    config : DriftJobConfig
    artefacts : Artefacts, optional
    model : str
    """

    def __init__(
        self,
        config: DriftJobConfig | None = None,
        artefacts: Artefacts | None = None,
        model: str = MODEL,
    ) -> None:
        self.model = model
        self.state = InMemoryEntries()
        self.standing: Sequence[StandingCommand] = ()
        self.actions: list[Actions] = []
        self._config = config or commanded()
        self._artefacts = artefacts
        self._n_sent = 0
        self._monitor = DriftMonitor(self._config, artefacts)

    def panes(self, *indices: int, n: int = 40, loc: float = 0.0) -> Actions:
        """Panes of normal rows around ``loc``; the actions of the last."""
        for index in indices:
            x = rows(index, n, loc, self._config.input.n_features)
            actions = self.pane(make_pane(index, x, first_offset=1_000 * index, model=self.model))
        return actions

    def pane(self, pane: Pane) -> Actions:
        """One pane."""
        return self._keep(self._monitor.on_pane(pane, self.state, self.standing))

    def time(self, now_ms: int) -> Actions:
        """A timer."""
        return self._keep(self._monitor.on_time(self.model, now_ms, self.state, self.standing))

    def end(self) -> Actions:
        """The end of a bounded input."""
        return self._keep(self._monitor.on_end(self.model, self.state, self.standing))

    def take(self, placed: PlacedCommand) -> Actions:
        """A command from the topic."""
        return self._keep(self._monitor.on_command(self.model, placed, self.state, self.standing))

    def send(self, kind: str, **keys: Any) -> Audit:
        """A command at the next offset; the answer to it."""
        placed = place(self._n_sent, kind, model=self.model, **keys)
        self._n_sent += 1
        return self.take(placed).audits[-1]

    def restart(self, config: DriftJobConfig | None = None) -> None:
        """Another process goes on, to which the bytes of the state are all that is left."""
        self.state = restored(self.state)
        self._config = config or self._config
        self._monitor = DriftMonitor(self._config, self._artefacts)

    @property
    def status(self) -> Status:
        """What the state holds."""
        return decode(STATUS, self.state.entries[STATUS], Status)

    @property
    def reference_block(self) -> bytes | None:
        """The reference of the only view, as the state holds it."""
        data = self.state.entries.get("reference/main")
        return None if data is None else decode("reference/main", data, bytes)

    @property
    def alerts(self) -> list[Alert]:
        """All alerts so far."""
        return [alert for each in self.actions for alert in each.alerts]

    @property
    def scores(self) -> list[Score]:
        """All scores so far."""
        return [score for each in self.actions for score in each.scores]

    @property
    def audits(self) -> list[Audit]:
        """All answers so far."""
        return [audit for each in self.actions for audit in each.audits]

    @property
    def statuses(self) -> list[ModelStatus]:
        """All status records so far."""
        return [status for each in self.actions for status in each.statuses]

    def windows(self) -> list[int]:
        """The panes in which tested windows start."""
        return [score.window.start_ms // WIDTH_MS for score in self.scores]

    def _keep(self, actions: Actions) -> Actions:
        self.actions.append(actions)
        return actions
