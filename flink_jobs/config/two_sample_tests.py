"""Two-sample tests from their tables, and the lowest p-values that they can give."""

from __future__ import annotations

from collections.abc import Iterable

from detectors import TwoSampleTest, two_sample_test_of_kind
from flink_jobs.config.tables.detectors import (
    HardPredictionsConfig,
    MixedConfig,
    PCAConfig,
    SparseRandomProjectionConfig,
    TestConfig,
    kind_and_parameters,
)
from flink_jobs.config.tables.references import (
    FirstEvents,
    FirstTime,
    ReferenceTable,
    Seasonal,
    Trailing,
)
from flink_jobs.config.tables.windows import CountWindow
from flink_jobs.config.views import Detector, View

MANY_EVENTS = 10_000
"""Events where nothing bounds them: no test is limited by this many."""


def make_test(table: TestConfig, categorical: Iterable[int] = ()) -> TwoSampleTest:
    """Make the two-sample test of a table, not fitted; ``categorical`` places are typed so."""
    kind, parameters = kind_and_parameters(table)
    if isinstance(table, MixedConfig):
        parameters["categorical_columns"] = sorted({*table.categorical_columns, *categorical})
    return two_sample_test_of_kind(kind)(**parameters)


def lowest_p_value(view: View, detector: Detector, n_ref: int, n_test: int) -> float:
    """Ask the test of a detector for its lowest p-value at these numbers of events.

    Where a share of variance decides how many dimensions there are, there may be a single one.
    """
    reducer = view.reducer
    is_share = isinstance(reducer, PCAConfig) and isinstance(reducer.n_components, float)
    return make_test(detector.test, view.categorical).lowest_p_value(
        n_ref, n_test, 1 if is_share else n_dimensions(view)
    )


def fewest_events(detector: Detector) -> int:
    """Give the number of events of the smallest window that is tested."""
    window = detector.window
    return window.size if isinstance(window, CountWindow) else window.min_events


def most_events(detector: Detector) -> int:
    """Give the number of events of the largest window; ``MANY_EVENTS`` where nothing bounds it."""
    window = detector.window
    return window.size if isinstance(window, CountWindow) else window.max_events or MANY_EVENTS


def most_reference_events(reference: ReferenceTable) -> int:
    """Give the number of events of the largest reference; ``MANY_EVENTS`` for a training set."""
    match reference:
        case FirstEvents(n_events=n_events):
            return n_events
        case FirstTime(max_events=max_events):
            return max_events
        case Trailing() as trailing:
            return trailing.max_events_per_step * (trailing.size_ms // trailing.step_ms)
        case Seasonal() as seasonal:
            return seasonal.max_events_per_slot * seasonal.n_periods
        case _:
            return MANY_EVENTS


def n_dimensions(view: View) -> int:
    """Count the numbers of each reduced event; a limit where the share of variance decides."""
    match view.reducer:
        case PCAConfig(n_components=int(n_components)):
            n = n_components
        case SparseRandomProjectionConfig(n_components=n_components):
            n = n_components
        case HardPredictionsConfig():
            return 1
        case _:
            return len(view.slots)
    # The share of missing features is one dimension more.
    return n + any(column.may_be_missing for column in view.columns)
