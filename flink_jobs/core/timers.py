"""When a model has to be looked at though no event of it comes."""

from __future__ import annotations

from collections.abc import Iterator

from flink_jobs.config.tables.references import FirstEvents, FirstTime
from flink_jobs.core.conditions import missing_reference, silence
from flink_jobs.core.references import sources as baseline
from flink_jobs.core.turn import Turn

# A model that goes on needs no timer: its next pane closes its windows. A timer so many panes later
# costs it one call in five instead of one for each pane.
_PANES_OF_GRACE = 4


def ask(turn: Turn) -> None:
    """One timer is outstanding at a time, or one more where something is due earlier.

    None where the input is over: it would never fire.
    """
    if turn.is_at_end:
        return
    status = turn.status
    width_ms = turn.plan.config.panes.width_ms
    due = [silence.due_ms(turn), missing_reference.due_ms(turn), baseline.completes_ms(turn)]
    due += [placed.command.effective_ms for placed in status.pending[:1]]
    if (close_ms := _next_window_ms(turn)) is not None:
        due.append(close_ms + _PANES_OF_GRACE * width_ms)
    due_ms = min((each for each in due if each is not None), default=None)
    if due_ms is None:
        return
    # Not before the pane has come that holds the moment.
    wake_ms = turn.pane_end_ms(due_ms)
    if status.wake_ms is None or wake_ms < status.wake_ms:
        status.wake_ms = turn.actions.wake_ms = wake_ms


def steps(turn: Turn, until_ms: int) -> Iterator[int]:
    """The moments at which to look, up to ``until_ms``, so that timers in between change nothing.

    What a record of silence says depends on the windows closed before it; where a reference moves,
    a window says whether it is missing; and where a recovery asks for a new reference the windows
    that close after it must not be tested. Windows of several detectors are looked at one moment at
    a time, so that they are tested in the order of time.
    """
    while (step_ms := _next_step_ms(turn)) is not None and step_ms < until_ms:
        yield step_ms
    yield until_ms


def _next_step_ms(turn: Turn) -> int | None:
    steps = [silence.due_ms(turn), missing_reference.due_ms(turn)]
    reference = turn.plan.config.reference
    on_recovery = (
        isinstance(reference, FirstEvents | FirstTime) and reference.rebaseline == "on_recovery"
    )
    if on_recovery or turn.plan.moves or len(turn.plan.watchers) > 1:
        steps.append(_next_window_ms(turn))
    return min((each for each in steps if each is not None), default=None)


def next_close_ms(turn: Turn) -> int | None:
    """Return when the next window closes or a reference is complete if no event comes."""
    closes = (_next_window_ms(turn), baseline.completes_ms(turn))
    return min((each for each in closes if each is not None), default=None)


def _next_window_ms(turn: Turn) -> int | None:
    if not turn.is_testing:
        return None
    pairs = zip(turn.status.watches, turn.plan.watchers, strict=True)
    segments = turn.block.segments
    closes = [watcher.windows.next_close_ms(watch, segments) for watch, watcher in pairs]
    return min((each for each in closes if each is not None), default=None)
