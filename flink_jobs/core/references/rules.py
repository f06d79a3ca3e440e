"""References: what test windows are compared with, and how a view gets it.

Each kind of reference is a rule of its own. The kind is asked once, in :func:`make_rule`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from detectors import ColumnShifts, DriftDetector
from flink_jobs.config.digests import trained_key
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.tables.references import FirstEvents, FirstTime, Seasonal, Trailing
from flink_jobs.config.views import View
from flink_jobs.core.events import PaneEvents
from flink_jobs.core.references.fitted import FittedView, RawRows
from flink_jobs.core.windows.closed_window import ClosedWindow
from flink_jobs.records.alerts import ReferenceSummary

if TYPE_CHECKING:
    from flink_jobs.core.views.view_watch import ViewWatch


class Compared(NamedTuple):
    """The reference of one window.

    Attributes
    ----------
    summary : ReferenceSummary
    fitted : FittedView or None
        None where the reference holds too few events.
    moved : Moved or None
        What the window is compared with, where it is not what the detectors were fitted to.
    """

    summary: ReferenceSummary
    fitted: FittedView | None
    moved: Moved | None = None


class Wanted(NamedTuple):
    """The size that a collected reference still has to reach.

    Attributes
    ----------
    n_events : int
        Events of the smallest one.
    until_ms : int or None
        The event time that it has to cover; None where events alone complete it.
    """

    n_events: int
    until_ms: int | None = None


class Moved(Protocol):
    """A reference that has moved on from what the detectors were fitted to."""

    @property
    def sample(self) -> RawRows:
        """A sample of the reference, in the order of its hashes."""
        ...

    def counts(self, test: int, n_cells: int) -> tuple[NDArray[np.int64], int]:
        """Return the counts of the cells of a test, and the number of events."""
        ...

    def sums(self, test: int) -> tuple[NDArray[np.float64], int]:
        """Return the sums of the features of a test, and the number of events."""
        ...

    def detector(self, test: int) -> DriftDetector:
        """Return the detector of a test on rows, fitted to a sample of the reference."""
        ...

    def shifts(self) -> ColumnShifts:
        """Return what tells how columns have moved from a sample of the reference."""
        ...


class ReferenceRule(Protocol):
    """One kind of reference.

    It keeps nothing: what a view remembers lies in its status and in entries of the state.

    Attributes
    ----------
    moves : bool
        Whether the reference moves with the stream.
    refuses_change : bool
        Whether a changed configuration ends the job.
    is_new_on_recovery : bool
        Whether a new reference is collected when an incident recovers.
    """

    moves: bool
    refuses_change: bool
    is_new_on_recovery: bool

    def record(self, view: ViewWatch, pane: PaneEvents) -> None:
        """Look at the events of a pane before anything else does, also while tests are paused."""
        ...

    def collect(self, view: ViewWatch, pane: PaneEvents) -> PaneEvents | None:
        """Take events for the reference, and return those that it does not need."""
        ...

    def complete_by_time(self, view: ViewWatch, until_ms: int) -> None:
        """End a reference that event time completes."""
        ...

    def completes_ms(self, view: ViewWatch) -> int | None:
        """Return the event time that completes the reference; None where only events do."""
        ...

    def fitted(self, view: ViewWatch) -> FittedView:
        """Return the detectors of a view that is monitored.

        Raises
        ------
        DetectorFailedError
            When they cannot be restored.
        """
        ...

    def compared(self, view: ViewWatch, window: ClosedWindow) -> Compared:
        """Return what a window is compared with; raises as :meth:`fitted`.

        Raises
        ------
        UnusableReferenceError
            When the events of the reference make none.
        """
        ...

    def summary(self, view: ViewWatch, window: ClosedWindow | None) -> ReferenceSummary:
        """Return the reference of a window, or of no window, as records show it."""
        ...

    def overdue_ms(self, waiting_since_ms: int) -> int | None:
        """Return the event time from which a reference is overdue; None for never."""
        ...

    def missing_events(self, view: ViewWatch) -> int | None:
        """Return the number of events that the reference still needs; None where it moves."""
        ...

    def wanted(self, view: ViewWatch) -> Wanted:
        """Return what a reference that is collected has to reach."""
        ...

    def overdue_reason(self, view: ViewWatch) -> str:
        """Say why there is no reference yet."""
        ...

    def rebaseline(self, view: ViewWatch, at_ms: int) -> str:
        """Carry out the command ``rebaseline``, and say what was done.

        Raises
        ------
        RefusedCommandError
        """
        ...

    def check_approval(self) -> None:
        """Refuse the command ``approve_current`` where a window cannot be the reference.

        Raises
        ------
        RefusedCommandError
        """
        ...


def make_rule(
    config: DriftJobConfig, view: View, fingerprint: str, trained: Mapping[str, bytes]
) -> ReferenceRule:
    """Make the rule of a view's reference.

    Parameters
    ----------
    config : DriftJobConfig
    view : View
    fingerprint : str
        Of the view's configuration.
    trained : mapping of str to bytes
        Reference blocks of training sets by their key.
    """
    from flink_jobs.core.references.cells import SeasonalCells, TrailingCells
    from flink_jobs.core.references.collected import CollectedEvents, CollectedTime
    from flink_jobs.core.references.moving import MovingRule
    from flink_jobs.core.references.trained import TrainedRule

    table = view.reference
    match table:
        case FirstEvents():
            return CollectedEvents(table, config)
        case FirstTime():
            return CollectedTime(table, config)
        case Trailing():
            return MovingRule(table, TrailingCells(table), config, view)
        case Seasonal():
            return MovingRule(table, SeasonalCells(table), config, view)
        case _:
            return TrainedRule(table, trained[trained_key(view)])
