"""The things that the parts of a model share while it is looked at."""

from __future__ import annotations

from dataclasses import dataclass, field

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.core.actions import Actions
from flink_jobs.core.notices import Notice
from flink_jobs.core.state.entries import Entries
from flink_jobs.core.state.status import Status
from flink_jobs.core.windows.closed_window import ClosedWindow


@dataclass
class Context:
    """The model, what operators said about it, its state, and where effects go.

    Attributes
    ----------
    model : str
    config : DriftJobConfig
        Of the model.
    status : Status
        Parts change what is theirs alone.
    entries : Entries
    actions : Actions
    is_at_end : bool
        Whether the input is over.
    forgotten_ms : int or None
        When the model was given up, so that its state is to be removed.
    """

    model: str
    config: DriftJobConfig
    status: Status
    entries: Entries
    actions: Actions = field(default_factory=Actions)
    is_at_end: bool = False
    forgotten_ms: int | None = None

    @property
    def is_forgotten(self) -> bool:
        """Tell whether the model is gone."""
        return self.forgotten_ms is not None

    @property
    def now_ms(self) -> int:
        """How far event time has come for the model; 0 before its first pane."""
        return self.status.now_ms or 0

    def is_snoozed(self, at_ms: int) -> bool:
        """Tell whether no alert is written at a moment."""
        until_ms = self.status.snoozed_until_ms
        return until_ms is not None and at_ms < until_ms

    def pane_end_ms(self, at_ms: int) -> int:
        """Return the first boundary between panes at or after a moment."""
        width_ms = self.config.panes.width_ms
        return -(-at_ms // width_ms) * width_ms

    def notice(self, text: str, view: str | None = None) -> None:
        """Say something about the model in the log."""
        self.actions.notices.append(Notice(model=self.model, text=text, view=view))

    def notice_window(self, view: str, detector: str, window: ClosedWindow, text: str) -> None:
        """Say something about a window of the model in the log."""
        self.actions.notices.append(
            Notice(
                model=self.model,
                text=text,
                view=view,
                detector=detector,
                window_start_ms=window.start_ms,
                window_end_ms=window.end_ms,
            )
        )
