"""Panes, windows and reference that suit how many events come, and how long for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from flink_jobs.records.wording import count
from flink_jobs.setup.facts import Facts

_S, _MIN, _H, _D = 1_000, 60_000, 3_600_000, 86_400_000
# A window, how often one starts, and the panes that it is made of.
_STEPS = (
    (10 * _S, 2 * _S, _S),
    (_MIN, 10 * _S, 5 * _S),
    (5 * _MIN, _MIN, 30 * _S),
    (10 * _MIN, 2 * _MIN, _MIN),
    (30 * _MIN, 5 * _MIN, _MIN),
    (_H, 10 * _MIN, 5 * _MIN),
    (2 * _H, 20 * _MIN, 10 * _MIN),
    (6 * _H, _H, 10 * _MIN),
    (12 * _H, 2 * _H, 30 * _MIN),
    (_D, 3 * _H, _H),
    (7 * _D, _D, 6 * _H),
    (28 * _D, 7 * _D, _D),
    (84 * _D, 28 * _D, 7 * _D),
    (364 * _D, 91 * _D, 7 * _D),
)
_NICE = (
    (_S, (1, 2, 5, 10, 20, 30)),
    (_MIN, (1, 2, 5, 10, 20, 30)),
    (_H, (1, 2, 6, 12)),
    (_D, (1, 2, 7, 28)),
)
_GOOD_WINDOW = 1_000
_FEWEST_WINDOW = 50
_WINDOWS_OF_HISTORY = 20
_FEWEST_WINDOWS = 6
# At a level of 0.001 one window in a thousand drifts by chance.
_MOST_WINDOWS = 300
_MOST_OF_PANE = 50_000
_REFERENCE_SHARE = 0.25
_GOOD_REFERENCE = 5_000
# A shorter one is off by chance: levels that suit nine of ten find less (docs/run-times.md).
_WINDOWS_OF_REFERENCE = 20
_MOST_REFERENCE = 10_000
_FEWEST_REFERENCE = 50
_DAILY_SHARE = 0.1
_WHOLE_DAY = 0.9
_FEWEST_HOURS = 18
_MANY_EVENTS = 5_000
# The default of the policy.
_ONGOING_MS = 4 * _H
# The default of the reference.
_OVERDUE_MS = 24 * _H
_UNKNOWN_RATE = 1 / _S


@dataclass(frozen=True)
class Traffic:
    """How many events come, of how many models, and in which time.

    Attributes
    ----------
    n_events, n_models : int
    span_ms : int
    is_order : bool
        Whether times only count events.
    daily : str
        The column that follows the hour of the day; empty where none does.
    n_trained : int
        Events of a file that is called a reference, where one comes first; 0 without one.
    """

    n_events: int
    n_models: int = 1
    span_ms: int = 0
    is_order: bool = False
    daily: str = ""
    n_trained: int = 0

    @property
    def per_model(self) -> float:
        """Events of a model."""
        return self.n_events / max(1, self.n_models)

    @property
    def rate(self) -> float:
        """Events of a model in a millisecond; one a second where that is not known."""
        return self.per_model / self.span_ms if self.span_ms else _UNKNOWN_RATE


@dataclass(frozen=True)
class Timing:
    """The tables of a configuration that speak of time, and why.

    Attributes
    ----------
    width_ms, size_ms, slide_ms : int
    max_raw_events : int
        0 for the default.
    n_window : int
        Events that a window holds on average.
    duration_ms, n_reference : int
        Of the reference: its length, or if that is 0 its events.
    max_events : int
        Of a reference with a length the events that are kept; 0 for the default.
    size_reason, reference_reason : str
    unsure : str
        What to think about in the reference.
    min_effect_size : float
        0 where windows are too small to find what does not matter.
    ongoing_every_ms, overdue_after_ms, min_events : int
        0 for the default.
    """

    width_ms: int
    size_ms: int
    slide_ms: int
    n_window: int
    size_reason: str
    reference_reason: str
    duration_ms: int = 0
    n_reference: int = 0
    max_events: int = 0
    max_raw_events: int = 0
    unsure: str = ""
    min_effect_size: float = 0.0
    ongoing_every_ms: int = 0
    overdue_after_ms: int = 0
    min_events: int = 0

    @property
    def most_reference(self) -> int:
        """Events of the reference at most."""
        return self.n_reference or self.max_events or _MOST_REFERENCE


def timing_of(traffic: Traffic) -> Timing:
    """Choose windows of about a thousand events, and a reference of the first quarter.

    Examples
    --------
    >>> timing = timing_of(Traffic(n_events=1_000_000, span_ms=30 * 86_400_000))
    >>> timing.size_ms // 3_600_000, timing.duration_ms // 86_400_000
    (6, 7)
    >>> timing_of(Traffic(n_events=2_000, span_ms=2_000_000)).n_reference
    500
    """
    size_ms, slide_ms, width_ms = _window(traffic)
    n_window = round(traffic.rate * size_ms)
    width_ms = _narrow_enough(width_ms, traffic.rate)
    n_pane = round(traffic.rate * width_ms)
    timing = Timing(
        width_ms,
        size_ms,
        slide_ms,
        n_window,
        _size_reason(traffic, size_ms, n_window),
        "",
        max_raw_events=4 * n_pane if n_pane > _MOST_OF_PANE else 0,
    )
    timing = _with_reference(timing, traffic)
    if timing.n_reference / traffic.rate > _OVERDUE_MS / 2:
        timing = replace(timing, overdue_after_ms=nice_ms(2 * timing.n_reference / traffic.rate))
    if traffic.daily and size_ms >= _D:
        # The windows that the end of a history cuts hold a part of a day, which is another one.
        timing = replace(timing, min_events=max(20, _round_down(int(_WHOLE_DAY * n_window))))
    if size_ms > _ONGOING_MS:
        timing = replace(timing, ongoing_every_ms=size_ms)
    if n_window >= _MANY_EVENTS:
        timing = replace(timing, min_effect_size=0.05)
    return timing


def daily_column(fields: Sequence[Facts], times_ms: NDArray[np.float64]) -> str:
    """Name the number that depends most on the hour of the day; empty where none does.

    A tenth of the variance between hours is asked for, over most hours of several days.

    Examples
    --------
    >>> daily_column([], np.array([0.0]))
    ''
    """
    known = np.isfinite(times_ms)
    if not known.any():
        return ""
    hours = np.where(known, times_ms // _H % 24, 0).astype(int)
    days = np.where(known, times_ms // _D, 0).astype(int)
    seen = {(hour, day) for hour, day in zip(hours[known], days[known], strict=True)}
    n_days = np.bincount([hour for hour, _ in seen], minlength=24)
    if (n_days >= 2).sum() < _FEWEST_HOURS:
        return ""
    best, name = _DAILY_SHARE, ""
    for each in fields:
        if each.kind != "number" or len(each.numbers) != len(times_ms):
            continue
        good = known & np.isfinite(each.numbers)
        share = _share_between(hours[good], each.numbers[good])
        if share > best:
            best, name = share, each.name
    return name


@np.errstate(over="ignore", invalid="ignore")
def _share_between(groups: NDArray[np.int_], values: NDArray[np.float64]) -> float:
    """The share of the variance that lies between groups, less what chance gives."""
    n, k = len(values), len(np.unique(groups))
    total = float(((values - values.mean()) ** 2).sum()) if n else 0.0
    if n <= 2 * k or not total > 0 or not np.isfinite(total):
        return 0.0
    counts = np.bincount(groups, minlength=24)
    sums = np.bincount(groups, weights=values, minlength=24)
    means = sums / np.maximum(counts, 1)
    within = total - float((counts * (means - values.mean()) ** 2).sum())
    return 1.0 - (within / (n - k)) / (total / (n - 1))


def _window(traffic: Traffic) -> tuple[int, int, int]:
    if traffic.is_order:
        return _of_order(traffic)
    wanted = min(_GOOD_WINDOW, max(_FEWEST_WINDOW, int(traffic.per_model / _WINDOWS_OF_HISTORY)))
    steps = list(_STEPS)
    if traffic.span_ms:
        # Of what history there is some windows should be left behind the reference.
        most_ms = traffic.span_ms * (1 - _REFERENCE_SHARE) / _FEWEST_WINDOWS
        steps = [step for step in steps if step[0] <= most_ms] or steps[:1]
        least_ms = traffic.span_ms / _MOST_WINDOWS
        steps = [step for step in steps if step[0] >= least_ms] or steps[-1:]
    if traffic.daily and any(step[0] == _D for step in steps):
        steps = [step for step in steps if step[0] >= _D]
    large = [step for step in steps if traffic.rate * step[0] >= wanted]
    return large[0] if large else steps[-1]


def _of_order(traffic: Traffic) -> tuple[int, int, int]:
    """Windows of times that count events: 1 ms is one event, or as many as come with each step."""
    size = max(_FEWEST_WINDOW, min(_GOOD_WINDOW, int(traffic.per_model / _WINDOWS_OF_HISTORY)))
    size_ms = max(10, round(size / traffic.rate / 10) * 10)
    return size_ms, size_ms // 5, size_ms // 5


def _narrow_enough(width_ms: int, rate: float) -> int:
    """A part of the pane that holds no more events than a pane should."""
    for part in (1, 2, 5, 10, 20, 50, 100):
        if width_ms % part == 0 and rate * width_ms / part <= _MOST_OF_PANE:
            return width_ms // part
    return width_ms if width_ms < 100 else width_ms // 100


def _size_reason(traffic: Traffic, size_ms: int, n_window: int) -> str:
    about = f"about {count(n_window, 'event')} of {_a_model(traffic)}"
    if traffic.is_order:
        return f"{about}; there is no time, and 1 ms is one row"
    if not traffic.span_ms:
        return "how many events come is not known yet: give a window some hundred"
    if traffic.daily and size_ms >= _D:
        return f"{about}; whole days, since {traffic.daily} follows the hour"
    return about


def _a_model(traffic: Traffic) -> str:
    return "a model" if traffic.n_models > 1 else "the model"


def _with_reference(timing: Timing, traffic: Traffic) -> Timing:
    if traffic.n_trained:
        n = min(traffic.n_trained, 2 * _MOST_REFERENCE)
        of = f", the first of its {traffic.n_trained:,} rows" if n < traffic.n_trained else ""
        reason = f"the file that is called a reference{of}"
        return replace(timing, n_reference=n, reference_reason=reason)
    # A history of four weeks lacks a moment of them.
    quarter_ms = traffic.span_ms * _REFERENCE_SHARE * 1.01
    if not traffic.is_order and quarter_ms >= _D:
        return _whole_periods(timing, traffic, quarter_ms)
    few = traffic.per_model * _REFERENCE_SHARE
    n = _round_down(int(min(_MOST_REFERENCE, max(_FEWEST_REFERENCE, few))))
    reason = f"a quarter of what {_a_model(traffic)} has here"
    unsure = ""
    if not traffic.span_ms:
        n, reason = 1_000, "the first events that come"
    elif not traffic.is_order:
        unsure = (
            "it covers less than a day: if nights differ from days, take a whole one with "
            'kind = "first_time", duration_ms = 86_400_000'
        )
    return replace(timing, n_reference=n, reference_reason=reason, unsure=unsure)


def _whole_periods(timing: Timing, traffic: Traffic, quarter_ms: float) -> Timing:
    """Take whole weeks, or days, with some thousand events and as many windows as can be."""
    period_ms, name = (7 * _D, "week") if quarter_ms >= 7 * _D else (_D, "day")
    wanted = max(_GOOD_REFERENCE, _WINDOWS_OF_REFERENCE * timing.n_window)
    needed = -(-wanted // max(1e-9, traffic.rate * period_ms))
    n = max(1, int(min(needed, quarter_ms // period_ms)))
    n_events = round(traffic.rate * n * period_ms)
    reason = f"{count(n, f'whole {name}')}, about {count(n_events, 'event')} of {_a_model(traffic)}"
    unsure = ""
    if name == "day":
        unsure = "days of the week may differ: 604_800_000 is a week"
    return replace(timing, duration_ms=n * period_ms, reference_reason=reason, unsure=unsure)


def _round_down(n: int) -> int:
    """Two digits are enough.

    Examples
    --------
    >>> _round_down(1_234), _round_down(87)
    (1200, 87)
    """
    unit = int(10 ** max(0, len(str(n)) - 2))
    return n // unit * unit


def nice_ms(time_ms: float) -> int:
    """Round a length of time up to one that people say.

    Examples
    --------
    >>> nice_ms(6_100), nice_ms(4_000_000)
    (10000, 7200000)
    """
    for unit_ms, numbers in _NICE:
        for n in numbers:
            if n * unit_ms >= time_ms:
                return n * unit_ms
    return -(-int(time_ms) // _D) * _D
