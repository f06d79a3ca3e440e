"""The tables of a configuration that say which events form a test window."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from msgspec import Meta

from flink_jobs.config.tables.base import NonNegativeInt, PositiveInt, Problem, Table


class CountWindow(Table, frozen=True, kw_only=True, tag_field="kind", tag="count"):
    """Test windows of ``size`` events, one every ``slide`` events."""

    size: PositiveInt
    slide: PositiveInt


class TimeWindow(Table, frozen=True, kw_only=True, tag_field="kind", tag="time"):
    """Test windows of ``size_ms``, one every ``slide_ms``; tumbling when both are equal.

    Attributes
    ----------
    min_events : int
        With fewer a window is not tested.
    early_events : int
        As soon as a window holds this many it is tested, and once more at its end if more came; 0
        waits for the end.
    max_events : int
        Only this many events are tested, the newest; 0 for all.
    """

    size_ms: PositiveInt
    slide_ms: PositiveInt
    min_events: Annotated[int, Meta(ge=2)] = 20
    early_events: NonNegativeInt = 0
    max_events: NonNegativeInt = 0


class SessionWindow(Table, frozen=True, kw_only=True, tag_field="kind", tag="session"):
    """Test windows for models that work in bursts.

    A window ends when no event came for ``gap_ms``, or when it has lasted ``max_size_ms``. The
    other keys are those of :class:`TimeWindow`.
    """

    gap_ms: PositiveInt
    max_size_ms: PositiveInt
    min_events: Annotated[int, Meta(ge=2)] = 20
    early_events: NonNegativeInt = 0
    max_events: NonNegativeInt = 0


WindowTable = TimeWindow | CountWindow | SessionWindow


def check_window(key: str, window: WindowTable, width_ms: int) -> Iterator[Problem]:
    """List the problems of the window at ``key`` over panes of ``width_ms``."""
    if isinstance(window, CountWindow):
        yield from _check_count(key, window)
        return
    yield from _check_numbers(key, window)
    names = ("size_ms", "slide_ms") if isinstance(window, TimeWindow) else ("gap_ms", "max_size_ms")
    for name in names:
        yield from check_whole_panes(f"{key}.{name}", getattr(window, name), width_ms)
    if isinstance(window, TimeWindow) and window.slide_ms > window.size_ms:
        wrong = f"{window.slide_ms} leaves gaps"
        yield Problem(f"{key}.slide_ms", wrong, f"up to {window.size_ms}")


def check_whole_panes(key: str, value_ms: int, width_ms: int) -> Iterator[Problem]:
    """A duration that must consist of whole panes."""
    if value_ms % width_ms:
        yield Problem(
            key,
            f"{value_ms} is not a multiple of panes.width_ms = {width_ms}",
            f"{width_ms}, {2 * width_ms}, {3 * width_ms}, ...",
        )


def _check_count(key: str, window: CountWindow) -> Iterator[Problem]:
    if window.slide > window.size:
        yield Problem(f"{key}.slide", f"{window.slide} leaves gaps", f"1 to {window.size}")
    if window.size < 2:
        yield Problem(f"{key}.size", f"{window.size} event", "2 or more")


def _check_numbers(key: str, window: TimeWindow | SessionWindow) -> Iterator[Problem]:
    for name in ("early_events", "max_events"):
        value = getattr(window, name)
        if 0 < value < window.min_events:
            wrong = f"{value} is below min_events = {window.min_events}"
            yield Problem(f"{key}.{name}", wrong, f"{window.min_events} or more, or 0")
