"""How large a shift the detectors of a view find in how many events, in words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from detectors import StreamDependence, smallest_shift
from flink_jobs.config.calibration import sized_at
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.sequential_detectors import make_sequential
from flink_jobs.config.tables.detectors import PCAConfig, SparseRandomProjectionConfig
from flink_jobs.config.two_sample_tests import (
    fewest_reference_events,
    lowest_p_value,
    make_test,
    n_dimensions,
    usual_events,
)
from flink_jobs.config.views import Detector, Sequential, View, views_of

# Probabilities with which a window finds a shift, and in which words they are said.
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


def found_by_view(
    config: DriftJobConfig,
    view: View,
    n_ref: int,
    dependence: Mapping[str, StreamDependence] = _NONE_DEPENDS,
    span_ms: int | None = None,
) -> Iterator[tuple[str, str]]:
    """Say by detector what is found with a reference of so many events; those that are known.

    Parameters
    ----------
    config : DriftJobConfig
        Of the model.
    view : View
    n_ref : int
    dependence : mapping of str to StreamDependence
        By name of a detector: how much the events that it sees depend on those before them.
    span_ms : int, optional
        The event time in which those of the reference came.
    """
    for detector in view.detectors:
        sizes = n_ref, usual_events(detector, n_ref, span_ms)
        if text := _found_by_window(config, view, detector, sizes, dependence.get(detector.name)):
            yield detector.name, text
    for own in view.sequential:
        if text := _found_by_stream(view, own, n_ref, config.panes.width_ms):
            yield own.name, text


def _found_by_window(
    config: DriftJobConfig, view: View, detector: Detector, sizes: tuple[int, int],
    dependence: StreamDependence | None,
) -> str:  # fmt: skip
    n_ref, n_test = sizes
    sized = sized_at(config, view, detector, n_ref, n_test, dependence)
    level = max(sized.level, lowest_p_value(view, detector.test, sized.n_ref, sized.n_test))
    if level >= 1.0:
        return ""
    often, half = (
        smallest_shift(
            make_test(detector.test, view), level, sized.n_ref, sized.n_test,
            n_dimensions(view, detector.test), power,
        )
        for power in (_OFTEN, _AS_OFTEN_AS_NOT)
    )  # fmt: skip
    if often is None or half is None:
        return ""
    window = f"a window of {n_test:,} events finds"
    if not math.isfinite(often.size):
        return f"{window} no shift of a single column 9 times in 10"
    if often.unit == "share":
        return (
            f"{window} a category of half of the events that gains {100 * often.size:.2g} points "
            f"9 times in 10, and {100 * half.size:.2g} points every other time"
        )
    return (
        f"{window} a shift of the mean of one {_part(view)} by {often.size:.2g} standard "
        f"deviations 9 times in 10, and one by {half.size:.2g} every other time"
    )


def _found_by_stream(view: View, own: Sequential, n_ref: int, width_ms: int) -> str:
    made, n = make_sequential(own.table, view), n_dimensions(view, own.table)
    if n_ref < made.min_rows:
        return ""
    # Of time, as much passes with a pane of one event as with one of many.
    weight = own.table.weight(1, width_ms)
    large, small = (made.rows_to_find(size, n_ref, n, weight) for size in (_LARGE, _SMALL))
    if large is None or small is None:
        return ""
    what = f"a shift of the mean of one {_part(view)} by"
    if large > _MOST_EVENTS:
        takes = f"takes a larger reference than {n_ref:,} events"
        return f"{what} {_LARGE:g} standard deviations {takes}"
    found = f"{what} {_LARGE:g} standard deviations is found in about {_rounded(large)} events"
    if small > _MOST_EVENTS:
        return f"{found}; one by {_SMALL:g} takes a larger reference than {n_ref:,} events"
    return f"{found}, one by {_SMALL:g} in about {_rounded(small)}"


def _part(view: View) -> str:
    is_mixed = isinstance(view.reducer, PCAConfig | SparseRandomProjectionConfig)
    return "component" if is_mixed else "column"


def _rounded(n: float) -> str:
    """Two digits: it is an order of magnitude."""
    step = 10 ** max(0, int(math.log10(n)) - 1)
    return f"{round(n / step) * step:,}"
