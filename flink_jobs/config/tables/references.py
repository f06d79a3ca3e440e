"""The tables of a configuration that say what test windows are compared with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal
from zoneinfo import available_timezones

from msgspec import Meta

from flink_jobs.config.tables.base import NonNegativeInt, PositiveInt, Problem, Sha256, Table
from flink_jobs.config.tables.windows import check_whole_panes

MinEvents = Annotated[int, Meta(ge=2, le=1_000_000)]
_DAY_MS = 86_400_000
_PERIODS_MS = {"day": _DAY_MS, "week": 7 * _DAY_MS}
_MOST_CELLS = 10_000


OnConfigChange = Literal["new_reference", "refuse"]
"""What happens to state that another detector configuration wrote: ``new_reference``, said in the
log, or ``refuse``, which ends the job."""
Rebaseline = Literal["on_command", "on_recovery", "never"]
"""When a new reference is collected: on command, also on recovery of an incident, or never."""
# Each has ``overdue_after_ms``: a model that still lacks a reference that much event time after it
# could have had one raises an alert; 0 for never.


class FirstEvents(Table, frozen=True, kw_only=True, tag_field="kind", tag="first_events"):
    """The reference is the first ``n_events`` usable events of each model."""

    n_events: MinEvents
    on_config_change: OnConfigChange = "new_reference"
    rebaseline: Rebaseline = "on_command"
    overdue_after_ms: NonNegativeInt = _DAY_MS


class FirstTime(Table, frozen=True, kw_only=True, tag_field="kind", tag="first_time"):
    """The reference is the first ``duration_ms`` of each model.

    It goes on until ``min_events`` are there, and keeps at most ``max_events``, a sample.
    """

    duration_ms: PositiveInt
    min_events: MinEvents = 100
    max_events: MinEvents = 10_000
    on_config_change: OnConfigChange = "new_reference"
    rebaseline: Rebaseline = "on_command"
    overdue_after_ms: NonNegativeInt = _DAY_MS


class TrainingSet(Table, frozen=True, kw_only=True, tag_field="kind", tag="artefact"):
    """The reference is a training set in an npz file, checked against its SHA-256."""

    path: str
    sha256: Sha256
    on_config_change: OnConfigChange = "new_reference"


class Trailing(Table, frozen=True, kw_only=True, tag_field="kind", tag="trailing"):
    """The reference moves along: ``size_ms`` that end ``gap_ms`` before the test window starts.

    It moves in steps of ``step_ms`` and keeps at most ``max_events_per_step`` of each.
    """

    size_ms: PositiveInt
    gap_ms: NonNegativeInt = 0
    step_ms: PositiveInt
    min_events: MinEvents = 100
    max_events_per_step: MinEvents = 1_000
    on_config_change: OnConfigChange = "new_reference"
    overdue_after_ms: NonNegativeInt = _DAY_MS


class Seasonal(Table, frozen=True, kw_only=True, tag_field="kind", tag="seasonal"):
    """The reference is the same time of day or of week, in the ``n_periods`` before.

    By the clock of ``timezone`` a day, or a week from Thursday on like the epoch, is cut into slots
    of ``slot_ms``; a test window belongs to the slot in which it starts. Of each slot at most
    ``max_events_per_slot`` are kept one by one, a sample.
    """

    period: Literal["day", "week"]
    slot_ms: PositiveInt = 3_600_000
    n_periods: Annotated[int, Meta(ge=1, le=52)] = 1
    timezone: str = "UTC"
    min_events: MinEvents = 100
    max_events_per_slot: MinEvents = 500
    on_config_change: OnConfigChange = "new_reference"
    overdue_after_ms: NonNegativeInt = _DAY_MS

    @property
    def period_ms(self) -> int:
        """A day or a week."""
        return _PERIODS_MS[self.period]


ReferenceTable = FirstEvents | FirstTime | TrainingSet | Trailing | Seasonal
CollectedReference = FirstEvents | FirstTime
MovingReference = Trailing | Seasonal
UntrainedReference = CollectedReference | MovingReference


def covered_ms(reference: UntrainedReference) -> int:
    """Return the event time that a reference takes to be complete where events are enough.

    Examples
    --------
    >>> covered_ms(Trailing(size_ms=20, gap_ms=10, step_ms=10)), covered_ms(FirstEvents(n_events=9))
    (30, 0)
    """
    match reference:
        case FirstEvents():
            return 0
        case FirstTime():
            return reference.duration_ms
        case Trailing():
            return reference.size_ms + reference.gap_ms
        case Seasonal():
            return reference.n_periods * reference.period_ms


def check_reference(reference: ReferenceTable, width_ms: int) -> Iterator[Problem]:
    """List the problems of ``reference`` over panes of ``width_ms``."""
    match reference:
        case FirstTime():
            yield from check_whole_panes("reference.duration_ms", reference.duration_ms, width_ms)
            if reference.max_events < reference.min_events:
                wrong = f"{reference.max_events} is below min_events = {reference.min_events}"
                yield Problem("reference.max_events", wrong, f"{reference.min_events} or more")
        case Trailing():
            yield from _check_trailing(reference, width_ms)
        case Seasonal():
            yield from _check_seasonal(reference, width_ms)
        case _:
            pass


def _check_trailing(reference: Trailing, width_ms: int) -> Iterator[Problem]:
    step_ms = reference.step_ms
    yield from check_whole_panes("reference.step_ms", step_ms, width_ms)
    for name in ("size_ms", "gap_ms"):
        value_ms = getattr(reference, name)
        if value_ms % step_ms:
            wrong = f"{value_ms} is not a multiple of step_ms = {step_ms}"
            yield Problem(f"reference.{name}", wrong, f"{step_ms}, {2 * step_ms}, ...")
    n_steps = (reference.size_ms + reference.gap_ms) // step_ms
    yield from _check_cells("reference.step_ms", n_steps)
    most = reference.max_events_per_step * (reference.size_ms // step_ms)
    if most < reference.min_events:
        wrong = f"{most} events at most, and min_events = {reference.min_events}"
        yield Problem("reference.max_events_per_step", wrong, "more, or a lower min_events")


def _check_seasonal(reference: Seasonal, width_ms: int) -> Iterator[Problem]:
    if reference.timezone not in available_timezones():
        wrong = f"{reference.timezone!r} is not a time zone that this machine knows"
        yield Problem("reference.timezone", wrong, "a name such as 'Europe/Berlin', or 'UTC'")
    yield from check_whole_panes("reference.slot_ms", reference.slot_ms, width_ms)
    if reference.period_ms % reference.slot_ms:
        wrong = f"{reference.slot_ms} does not divide a {reference.period}"
        yield Problem("reference.slot_ms", wrong, f"a divisor of {reference.period_ms}")
    n_slots = reference.n_periods * reference.period_ms // reference.slot_ms
    yield from _check_cells("reference.slot_ms", n_slots)
    most = reference.max_events_per_slot * reference.n_periods
    if most < reference.min_events:
        wrong = f"{most} events at most, and min_events = {reference.min_events}"
        yield Problem("reference.max_events_per_slot", wrong, "more, or a lower min_events")


def _check_cells(key: str, n_cells: int) -> Iterator[Problem]:
    """Each is an entry of the state, however few events it holds."""
    if n_cells > _MOST_CELLS:
        yield Problem(key, f"makes {n_cells:,} pieces of history", f"at most {_MOST_CELLS:,}")
