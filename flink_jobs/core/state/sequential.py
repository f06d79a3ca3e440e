"""The memory of a sequential detector of a model."""

from __future__ import annotations

from msgspec import Struct


class Stretch(Struct, array_like=True):
    """The panes since the last score.

    Attributes
    ----------
    start_ms, end_ms : int
        Event time from which it runs, and at which its score is due.
    first_event, n_events : int
        Position of its first event, and their number.
    failure : str
        Why a pane of it could not be taken in; empty where all were.
    """

    start_ms: int
    end_ms: int
    first_event: int
    n_events: int = 0
    failure: str = ""


class SequentialMemory(Struct):
    """All that a sequential detector remembers; its size is constant.

    Attributes
    ----------
    from_ms : int
        Event time from which it watches.
    detector : bytes
        float64: what updates change, of ``SequentialDetector.memory``; empty before the first.
    evidence : float
        The statistic after the last update.
    top : int
        The dimension with the most evidence; -1 where none has any.
    quiet : float
        How much of the run time passed since the last alarm, or since the detector began.
    stretch : Stretch or None
        None while no event came since the last score.
    """

    from_ms: int = 0
    detector: bytes = b""
    evidence: float = 0.0
    top: int = -1
    quiet: float = 0.0
    stretch: Stretch | None = None
