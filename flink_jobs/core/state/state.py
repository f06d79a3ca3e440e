"""What the monitor remembers of one model, as own versioned bytes.

Three values per model. The *recent block* is written with every pane: the status, and the panes
that open test windows still need. They lie together because they change together: in PyFlink each
value that changed costs one blocking round trip of about 0.6 ms per key and bundle. The *reference
block* is written once per reference. The *history block* holds what references that move with the
stream are made of, and is written when a piece of it is complete.
"""

from __future__ import annotations

from typing import Literal, Protocol

import msgspec
from msgspec import Struct

from flink_jobs.core.state.incident import Incident
from flink_jobs.core.state.segments import Segment
from flink_jobs.records.control import PlacedCommand

STATE_VERSION = 1


class StateVersionError(ValueError):
    """State bytes of a version that this code does not read."""


def check_version(version: int) -> None:
    """Refuse state of any version but this code's.

    Raises
    ------
    StateVersionError
    """
    if version != STATE_VERSION:
        raise StateVersionError(
            f"the state has version {version}, and this code reads version {STATE_VERSION}: go on "
            "with the code that wrote it, or start the job without its checkpoint or savepoint"
        )


class MonitorState(Protocol):
    """The stored values of one model; ``None`` means not there yet."""

    def read_reference(self) -> bytes | None:
        """The reference block."""
        ...

    def write_reference(self, block: bytes) -> None:
        """Replace the reference block."""
        ...

    def read_recent(self) -> bytes | None:
        """The recent block."""
        ...

    def write_recent(self, block: bytes) -> None:
        """Replace the recent block."""
        ...

    def read_history(self) -> bytes | None:
        """The history block."""
        ...

    def write_history(self, block: bytes) -> None:
        """Replace the history block."""
        ...


class InMemoryState:
    """State for backtests and tests.

    Examples
    --------
    >>> state = InMemoryState()
    >>> state.write_recent(b"block")
    >>> state.read_recent(), state.read_reference()
    (b'block', None)
    """

    def __init__(self) -> None:
        self._reference: bytes | None = None
        self._recent: bytes | None = None
        self._history: bytes | None = None

    def read_reference(self) -> bytes | None:
        """The reference block."""
        return self._reference

    def write_reference(self, block: bytes) -> None:
        """Replace the reference block."""
        self._reference = block

    def read_recent(self) -> bytes | None:
        """The recent block."""
        return self._recent

    def write_recent(self, block: bytes) -> None:
        """Replace the recent block."""
        self._recent = block

    def read_history(self) -> bytes | None:
        """The history block."""
        return self._history

    def write_history(self, block: bytes) -> None:
        """Replace the history block."""
        self._history = block


class LastWindow(Struct, array_like=True):
    """The tested events of a window: ``rows`` of the joined panes at these event positions."""

    first_event: int
    end_event: int
    rows: tuple[int, int]


class Untested(Struct):
    """The windows in a row that held too few events to be tested.

    Attributes
    ----------
    n : int
        Their number; those that overlap one that was counted are not.
    from_ms, until_ms : int
        The start of the first and the end of the last that was counted.
    incident_id : str
        The incident that is open because of them; empty while there is none.
    """

    n: int = 0
    from_ms: int = 0
    until_ms: int = 0
    incident_id: str = ""


class Watch(Struct):
    """What one detector of a model remembers.

    Attributes
    ----------
    name : str
        The detector's name.
    closed_until : int
        Windows that end at or before it are closed: milliseconds for windows of time and sessions,
        an event position for count windows.
    early_until : int or None
        Windows that start at or before it have had their early test, if not closed before; None
        before the first.
    last_window : LastWindow or None
        The last window that closed, where commands may make it the reference.
    incident : Incident
    failing_id : str
        The incident that is open because tests fail; empty while there is none.
    untested : Untested
    """

    name: str
    closed_until: int = 0
    early_until: int | None = None
    last_window: LastWindow | None = None
    incident: Incident = msgspec.field(default_factory=Incident)
    failing_id: str = ""
    untested: Untested = msgspec.field(default_factory=Untested)


class Status(Struct):
    """The small record that goes with the recent panes.

    Attributes
    ----------
    detector_fingerprint : str
        Digest of the configuration that this state depends on.
    phase : str
        ``collecting`` the reference, or ``monitoring``.
    reference_fingerprint, n_reference : str, int
        Digest and number of events of the reference; empty while collecting, and where the
        reference moves.
    reference_start_ms, reference_end_ms : int or None
        The event time it comes from; None where that is not known.
    last_pane_start_ms : int or None
        Start of the last pane seen: nothing at or before it may come again.
    now_ms : int or None
        How far event time has come for this model.
    heard_ms : int or None
        End of the last pane with usable events.
    n_monitored : int
        Events seen since the reference, the position of the next event.
    n_collected : int
        Usable events seen while collecting, before sampling.
    watches : list of Watch
        One for each detector.
    waiting_since_ms : int or None
        Since when the model lacks a reference that its windows could be tested against.
    silence_id, unstable_id, no_reference_id : str
        The incident that is open because the model is silent, because its reference drifted while
        it was collected, or because it has none; empty while there is none.
    is_paused : bool
        Whether a command stopped the tests.
    snoozed_until_ms : int or None
        No alert is written before.
    change : str
        JSON of the change that a command made to the configuration; empty without one.
    pending : list of PlacedCommand
        Commands that wait for their time.
    n_standing : int
        Commands to many models that this one has taken.
    is_approved : bool
        Whether an operator made a test window the reference, so that it lies in the reference block
        even where the configuration names a training set.
    wake_ms : int or None
        The timer that is outstanding.
    """

    detector_fingerprint: str
    phase: Literal["collecting", "monitoring"] = "collecting"
    reference_fingerprint: str = ""
    n_reference: int = 0
    reference_start_ms: int | None = None
    reference_end_ms: int | None = None
    last_pane_start_ms: int | None = None
    now_ms: int | None = None
    heard_ms: int | None = None
    n_monitored: int = 0
    n_collected: int = 0
    watches: list[Watch] = msgspec.field(default_factory=list)
    waiting_since_ms: int | None = None
    silence_id: str = ""
    unstable_id: str = ""
    no_reference_id: str = ""
    is_paused: bool = False
    snoozed_until_ms: int | None = None
    change: str = ""
    pending: list[PlacedCommand] = msgspec.field(default_factory=list)
    n_standing: int = 0
    is_approved: bool = False
    wake_ms: int | None = None


class RecentBlock(Struct):
    """Status and recent panes of one model.

    ``filling`` holds the raw events of the piece of history that is not complete.
    """

    status: Status
    segments: list[Segment]
    filling: Segment | None = None
    version: int = STATE_VERSION


class LiveState(InMemoryState):
    """State of a replay, which nothing interrupts: it keeps the recent block itself.

    Writing it as bytes and reading them again took 0.2 µs an event. The blocks that change seldom
    stay bytes.

    Attributes
    ----------
    block : RecentBlock or None
        The monitor changes it in place.
    """

    def __init__(self) -> None:
        super().__init__()
        self.block: RecentBlock | None = None
