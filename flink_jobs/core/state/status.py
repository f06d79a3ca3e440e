"""The small record of a model that is written with every pane, timer and command."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Struct

from flink_jobs.core.state.watch import Watch
from flink_jobs.records.control import PlacedCommand

STATUS = "status"
"""The name of the entry."""


class ViewStatus(Struct):
    """The memory of one view of a model.

    Attributes
    ----------
    name : str
    fingerprint : str
        Digest of the configuration that this state depends on.
    phase : str
        ``collecting`` the reference, or ``monitoring``.
    reference_fingerprint, n_reference : str, int
        Digest and number of events of the reference; empty while collecting. Of a reference that
        moves: what its cells are counted by, and how many events that was made of.
    reference_start_ms, reference_end_ms : int or None
        The event time it comes from; None where that is not known.
    reference_bytes : int
        Size of its entry.
    n_monitored : int
        Events seen since the reference, the position of the next event.
    n_collected : int
        Usable events seen while collecting, before sampling.
    first_rows, end_rows : int
        The numbers of the entries that hold the rows collected so far.
    n_rows, rows_bytes : int
        How many rows these hold, and their size.
    last_rows_ms : int or None
        End of the last pane of them.
    watches : list of Watch
        One for each detector.
    cells : bytes
        Of a moving reference: its cells, as :class:`~flink_jobs.core.slices.slices.Slices`.
    n_cell_parts : int
        How many entries of cells have been written.
    begun_ms : int or None
        Start of the first pane of a reference that moves, from which its cells are complete.
    waiting_since_ms : int or None
        Since when the view lacks a reference that its windows could be tested against.
    unstable_id, no_reference_id : str
        The incident that is open because the reference drifted while it was collected, or because
        there is none; empty while there is none.
    is_approved : bool
        Whether an operator made a test window the reference, so that it lies in the state even
        where the configuration names a training set.
    wants_new_reference : bool
        Whether an incident recovered, where the configuration asks for a new reference then.
    """

    name: str
    fingerprint: str
    phase: Literal["collecting", "monitoring"] = "collecting"
    reference_fingerprint: str = ""
    n_reference: int = 0
    reference_start_ms: int | None = None
    reference_end_ms: int | None = None
    reference_bytes: int = 0
    n_monitored: int = 0
    n_collected: int = 0
    first_rows: int = 0
    end_rows: int = 0
    n_rows: int = 0
    rows_bytes: int = 0
    last_rows_ms: int | None = None
    watches: list[Watch] = msgspec.field(default_factory=list)
    cells: bytes = b""
    n_cell_parts: int = 0
    begun_ms: int | None = None
    waiting_since_ms: int | None = None
    unstable_id: str = ""
    no_reference_id: str = ""
    is_approved: bool = False
    wants_new_reference: bool = False


class Told(Struct, array_like=True):
    """The last status record of a model.

    Attributes
    ----------
    number : int
        Counts the model's records.
    at_ms : int
        Its moment.
    digest : bytes
        Of what is told as soon as it changes.
    progress : list of int
        What is told at intervals.
    config_version : str
    is_snoozed : bool
    """

    number: int
    at_ms: int
    digest: bytes
    progress: list[int]
    config_version: str
    is_snoozed: bool


class Status(Struct):
    """The memory of a model besides its views.

    Attributes
    ----------
    views : list of ViewStatus
    last_pane_start_ms : int or None
        Start of the last pane seen: nothing at or before it may come again.
    now_ms : int or None
        How far event time has come for this model.
    heard_ms : int or None
        End of the last pane with usable events.
    silence_id : str
        The incident that is open because the model is silent; empty while there is none.
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
    wake_ms : int or None
        The timer that is outstanding.
    told : Told or None
        The last status record; None before the first, and where none are written.
    """

    views: list[ViewStatus] = msgspec.field(default_factory=list)
    last_pane_start_ms: int | None = None
    now_ms: int | None = None
    heard_ms: int | None = None
    silence_id: str = ""
    is_paused: bool = False
    snoozed_until_ms: int | None = None
    change: str = ""
    pending: list[PlacedCommand] = msgspec.field(default_factory=list)
    n_standing: int = 0
    wake_ms: int | None = None
    told: Told | None = None
