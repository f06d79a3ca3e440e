"""What is at hand while one model is looked at."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from flink_jobs.core.actions import Actions
from flink_jobs.core.notices import Notice
from flink_jobs.core.plan import Plan
from flink_jobs.core.references.moving import History
from flink_jobs.core.state.segments import join_x
from flink_jobs.core.state.state import MonitorState, RecentBlock, Status
from flink_jobs.core.windows.closed_window import ClosedWindow
from flink_jobs.records.alerts import ReferenceSummary, WindowSummary


@dataclass
class Turn:
    """One model, its state and its plan, and what has been decided so far.

    ``wants_new_reference`` is set when an incident recovered, where the configuration asks for a
    new reference then. ``is_at_end`` says that the input is over. ``history`` is read when it is
    first needed.
    """

    model: str
    state: MonitorState
    plan: Plan
    block: RecentBlock
    actions: Actions = field(default_factory=Actions)
    wants_new_reference: bool = False
    is_at_end: bool = False
    _history: History | None = None

    @property
    def status(self) -> Status:
        """The small record of the model."""
        return self.block.status

    @property
    def is_new(self) -> bool:
        """Whether no pane of the model has come yet."""
        return self.status.last_pane_start_ms is None

    @property
    def is_testing(self) -> bool:
        """Whether windows close."""
        return self.status.phase == "monitoring" and not self.status.is_paused

    @property
    def history(self) -> History:
        """The pieces that a moving reference is made of."""
        if self._history is None:
            self._history = History.read(self.state, self.plan.fingerprint)
        return self._history

    def pane_end_ms(self, at_ms: int) -> int:
        """The first boundary between panes at or after a moment."""
        width_ms = self.plan.config.panes.width_ms
        return -(-at_ms // width_ms) * width_ms

    def follow(self, plan: Plan) -> None:
        """Go on with another plan, whose state has nothing in common with the old one's."""
        self.plan = plan
        self.status.detector_fingerprint = plan.fingerprint
        self.block.filling = None
        self._history = None

    def notice(self, text: str) -> None:
        """Say something about the model in the log."""
        self.actions.notices.append(Notice(model=self.model, text=text))

    def notice_window(self, detector: str, window: ClosedWindow, text: str) -> None:
        """Say something about a window of the model in the log."""
        notice = Notice(
            model=self.model,
            text=text,
            detector=detector,
            window_start_ms=window.start_ms,
            window_end_ms=window.end_ms,
        )
        self.actions.notices.append(notice)

    def reference(self) -> ReferenceSummary:
        """The reference that stays, as records show it."""
        status = self.status
        return ReferenceSummary(
            n_events=status.n_reference,
            fingerprint=status.reference_fingerprint,
            start_ms=status.reference_start_ms,
            end_ms=status.reference_end_ms,
        )

    def moment(self, at_ms: int) -> WindowSummary:
        """A window without events, for what is not about a window."""
        kind = self.plan.config.window.__struct_config__.tag
        return WindowSummary(
            kind=kind,  # type: ignore[arg-type]
            start_ms=at_ms,
            end_ms=at_ms,
            closed_ms=at_ms,
            first_event=self.status.n_monitored,
            n_events=0,
            n_tested=0,
        )

    def last_window(self) -> NDArray[np.float64] | None:
        """The rows that the main detector's last closed window tested; None when none is kept."""
        last = self.status.watches[0].last_window
        if last is None:
            return None
        positions = range(last.first_event, last.end_event)
        inside = [s for s in self.block.segments if s.first_event in positions]
        return join_x(inside)[slice(*last.rows)] if inside else None
