"""How large a shift the detectors of a view find in how many events, as numbers and in words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Literal

from detectors import StreamDependence, smallest_shift
from flink_jobs.config.calibration import sized_at
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.sequential_detectors import make_sequential
from flink_jobs.config.tables.detectors import (
    OwnModelConfig,
    PCAConfig,
    SparseRandomProjectionConfig,
)
from flink_jobs.config.two_sample_tests import (
    fewest_events,
    fewest_reference_events,
    lowest_p_value,
    make_test,
    n_dimensions,
)
from flink_jobs.config.views import Detector, Sequential, View, views_of
from flink_jobs.records.status import FoundShift

# Probabilities with which a window finds a shift.
_OFTEN, _AS_OFTEN_AS_NOT = 0.9, 0.5
# Shifts that a sequential detector is asked for, in standard deviations.
_LARGE, _SMALL = 0.5, 0.25
_NONE_DEPENDS: Mapping[str, StreamDependence] = MappingProxyType({})
# What takes longer lies so near to what a reference leaves open that its own luck decides.
_MOST_EVENTS = 10_000


def found_by_views(config: DriftJobConfig) -> dict[tuple[str, str], str]:
    """Say by the names of view and detector what is found, with references of the fewest events.

    Detectors of which it is not known are left out. ``config`` is that of the model.
    """
    found = {}
    for view in views_of(config):
        for name, text in found_by_view(config, view, fewest_reference_events(view)):
            found[view.name, name] = text
    return found


def found_by_view(config: DriftJobConfig, view: View, n_ref: int) -> Iterator[tuple[str, str]]:
    """Say by detector what is found with a reference of so many events; those that are known.

    In the smallest windows, of events that do not depend on each other: no event has come yet.
    """
    for name, found in shifts_found(config, view, n_ref).items():
        if found:
            yield name, in_words(found)


def shifts_found(
    config: DriftJobConfig,
    view: View,
    n_ref: int,
    dependence: Mapping[str, StreamDependence] = _NONE_DEPENDS,
    n_test: Mapping[str, int] | None = None,
) -> dict[str, list[FoundShift]]:
    """Give by detector the shifts that are found with a reference of so many events.

    Of events two digits count, rounded down: references and windows that last for a time all have
    other numbers, and each pair of numbers takes 25 ms.

    Parameters
    ----------
    config : DriftJobConfig
        Of the model.
    view : View
    n_ref : int
    dependence : mapping of str to StreamDependence
        By name of a detector: how much the events that it sees depend on those before them.
    n_test : mapping of str to int
        The events of a window by detector; those of the smallest window where there are none.

    Returns
    -------
    dict of str to list of FoundShift
        Nothing of a detector where it is not known.
    """
    n_ref = rounded_down(n_ref)
    sizes = {each.name: fewest_events(each) for each in view.detectors} | dict(n_test or {})
    windowed = {
        each.name: _found_by_window(
            config, view, each, (n_ref, rounded_down(sizes[each.name])), dependence.get(each.name)
        )
        for each in view.detectors
    }
    width_ms = config.panes.width_ms
    sequential = {
        each.name: _found_by_stream(view, each, n_ref, width_ms) for each in view.sequential
    }
    return windowed | sequential


def in_words(found: Sequence[FoundShift]) -> str:
    """Say what a detector finds.

    Examples
    --------
    >>> large = FoundShift(size=0.5, unit="deviations", of="column", n_events=220)
    >>> in_words([large])
    'a shift of the mean of one column by 0.5 standard deviations is found in about 220 events'
    """
    first, *rest = found
    if first.probability is not None:
        return _window_in_words(first, found[-1])
    shift = f"a shift of the mean of one {first.of} by {first.size:g} standard deviations"
    said = f"{shift} {_events_in_words(first)}"
    for other in rest:
        if other.n_events is None:
            return f"{said}; one by {other.size:g} {_events_in_words(other)}"
        said += f", one by {other.size:g} in about {other.n_events:,}"
    return said


def _found_by_window(
    config: DriftJobConfig,
    view: View,
    detector: Detector,
    sizes: tuple[int, int],
    dependence: StreamDependence | None,
) -> list[FoundShift]:
    n_ref, n_test = sizes
    sized = sized_at(config, view, detector, n_ref, n_test, dependence)
    level = max(sized.level, lowest_p_value(view, detector.test, sized.n_ref, sized.n_test))
    if level >= 1.0:
        return []
    test, n = make_test(detector.test, view), n_dimensions(view, detector.test)
    shifts = [
        (power, smallest_shift(test, level, sized.n_ref, sized.n_test, n, power))
        for power in (_OFTEN, _AS_OFTEN_AS_NOT)
    ]
    return [
        FoundShift(
            size=shift.size if math.isfinite(shift.size) else None,
            unit=shift.unit, of=_part(view), n_events=n_test, probability=power,
        )
        for power, shift in shifts
        if shift is not None
    ]  # fmt: skip


def _found_by_stream(view: View, own: Sequential, n_ref: int, width_ms: int) -> list[FoundShift]:
    made, n = make_sequential(own.table, view), n_dimensions(view, own.table)
    if n_ref < made.min_rows:
        return []
    # Of time, as much passes with a pane of one event as with one of many.
    weight = own.table.weight(1, width_ms)
    found = []
    for size in (_LARGE, _SMALL):
        n_events = made.rows_to_find(size, n_ref, n, weight)
        if n_events is None:
            return []
        in_time = _rounded(n_events) if n_events <= _MOST_EVENTS else None
        found.append(FoundShift(size=size, unit="deviations", of=_part(view), n_events=in_time))
        if in_time is None:
            # A smaller shift takes a larger reference still.
            break
    return found


def _window_in_words(often: FoundShift, half: FoundShift) -> str:
    window = f"a window of {often.n_events:,} events finds"
    if often.size is None or half.size is None:
        return f"{window} no shift of a single column 9 times in 10"
    if often.unit == "share":
        return (
            f"{window} a category of half of the events that gains {100 * often.size:.2g} points "
            f"9 times in 10, and {100 * half.size:.2g} points every other time"
        )
    return (
        f"{window} a shift of the mean of one {often.of} by {often.size:.2g} standard "
        f"deviations 9 times in 10, and one by {half.size:.2g} every other time"
    )


def _events_in_words(shift: FoundShift) -> str:
    if shift.n_events is None:
        return "takes a larger reference"
    return f"is found in about {shift.n_events:,} events"


def _part(view: View) -> Literal["column", "component", "output"]:
    match view.reducer:
        case PCAConfig() | SparseRandomProjectionConfig():
            return "component"
        case OwnModelConfig():
            return "output"
        case _:
            return "column"


def _rounded(n: float) -> int:
    """Two digits: it is an order of magnitude."""
    step = _step(n)
    return round(n / step) * step


def rounded_down(n: int) -> int:
    """Keep two digits.

    Examples
    --------
    >>> rounded_down(1_234), rounded_down(99), rounded_down(7)
    (1200, 99, 7)
    """
    step = _step(n)
    return n // step * step


def _step(n: float) -> int:
    return int(10 ** max(0, int(math.log10(max(n, 1))) - 1))
