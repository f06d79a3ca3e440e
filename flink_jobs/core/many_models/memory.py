"""Memory of the stage that decides over many models; all of it is plain, for the state."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from flink_jobs.core.many_models.moves import Trait
from flink_jobs.records.alerts import Severity


class Waiting(Struct):
    """A ``started`` that waits until all that could be of one storm with it is known.

    Attributes
    ----------
    number : int
        Under which the alert is kept.
    at_ms : int
        When it was taken, in event time.
    model, view : str
    severity : Severity
    traits : frozenset of Trait
    n_alerts : int
        How many alerts it stands for: itself, and those that were held back before it.
    segments : frozenset of str
        Those to which its move is confined.
    followers : list of int
        Further alerts of its incident.
    """

    number: int
    at_ms: int
    model: str
    view: str
    severity: Severity
    traits: frozenset[Trait]
    n_alerts: int
    segments: frozenset[str] = frozenset()
    followers: list[int] = msgspec.field(default_factory=list)


class Member(Struct, array_like=True):
    """A model of a storm: what its incidents moved, and how many are open and held back."""

    n_open: int = 0
    columns: set[str] = msgspec.field(default_factory=set)
    segments: set[str] = msgspec.field(default_factory=set)
    views: set[str] = msgspec.field(default_factory=set)


class Storm(Struct):
    """A storm that is not over.

    Attributes
    ----------
    traits : frozenset of Trait
        What its moves may have; a move with any other is not one of them.
    first_ms, last_ms : int
        Event time of the first and the last start.
    takes_in : bool
        Whether another start could still join.
    members : dict of str to Member
        Its models, in the order in which they started.
    n_open : int
        Incidents that are held back and not over.
    severity : Severity
    told : Severity
        What its last alert said.
    told_models, told_ms, n_told : int
        The models that its last alert counted, when that was, and how many alerts there were.
    n_suppressed : int
        Alerts held back since then.
    news_ms : int or None
        The moment at which something came that may be worth an alert.
    """

    traits: frozenset[Trait]
    first_ms: int
    last_ms: int
    takes_in: bool = True
    members: dict[str, Member] = msgspec.field(default_factory=dict)
    n_open: int = 0
    severity: Severity = Severity.WARNING
    told: Severity = Severity.WARNING
    told_models: int = 0
    told_ms: int = 0
    n_told: int = 0
    n_suppressed: int = 0
    news_ms: int | None = None


class Held(Struct, array_like=True):
    """An incident whose alerts a storm holds back."""

    storm_id: str
    n_alerts: int


class StormMemory(Struct):
    """All that waits, moves together or is held back, by incident.

    Attributes
    ----------
    waiting : dict of str to Waiting
        In the order of event time.
    storms : dict of str to Storm
    held : dict of str to Held
    """

    waiting: dict[str, Waiting] = msgspec.field(default_factory=dict)
    storms: dict[str, Storm] = msgspec.field(default_factory=dict)
    held: dict[str, Held] = msgspec.field(default_factory=dict)
