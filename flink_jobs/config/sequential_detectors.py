"""Sequential detectors of views from their tables, and what they are asked before anything runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from detectors import LEARNING_ROWS, SequentialDetector, sequential_detector_of_kind
from flink_jobs.config.tables.base import Problem
from flink_jobs.config.tables.detectors import (
    HardPredictionsConfig,
    NoReductionConfig,
    OnnxHardPredictionsConfig,
    PCAConfig,
    PredictedClass,
)
from flink_jobs.config.tables.references import FirstEvents, MovingReference
from flink_jobs.config.tables.sequential import (
    CountsEDetectorConfig,
    SequentialTable,
    sequential_parameters,
)
from flink_jobs.config.views import View


def make_sequential(table: SequentialTable, view: View) -> SequentialDetector:
    """Make the sequential detector of a table for the columns of a view, not fitted."""
    kind = sequential_detector_of_kind(str(table.__struct_config__.tag))
    parameters: dict[str, Any] = sequential_parameters(table)
    if isinstance(table, CountsEDetectorConfig):
        parameters["categorical_columns"] = _categorical(view)
    return kind(**parameters)


def check_can_watch(
    key: str, reference_key: str, view: View, table: SequentialTable
) -> Iterator[Problem]:
    """Refuse references that a sequential detector cannot watch against, and what it cannot read.

    Categories that no reducer takes need no refusal: rows of numbers have indicators of them.
    """
    reference = view.reference
    if isinstance(reference, MovingReference):
        kind = str(reference.__struct_config__.tag)
        yield Problem(
            key,
            f"{reference_key} is of kind {kind!r}, and a promise for a whole stream is about one "
            "reference that stays",
            "a view with a reference of kind first_events, first_time or artefact",
        )
    if isinstance(view.reducer, PredictedClass) and not isinstance(table, CountsEDetectorConfig):
        yield Problem(
            f"{key}.kind",
            f"{table.__struct_config__.tag!r} takes numbers whose size means something, and the "
            f"reducer {view.reducer.__struct_config__.tag!r} leaves the number of a class",
            "'counts_e_detector', or a reducer that leaves probabilities, such as "
            "'softmax_outputs'",
        )
    yield from _check_components(reference_key, view)
    fewest = make_sequential(table, view).min_rows
    if isinstance(reference, FirstEvents) and reference.n_events < fewest:
        yield Problem(
            f"{reference_key}.n_events", f"{reference.n_events} events", f"{fewest} or more"
        )


def _check_components(reference_key: str, view: View) -> Iterator[Problem]:
    """Refuse references of which the rows that the reducer may learn from have no components."""
    reference, reducer = view.reference, view.reducer
    if not isinstance(reference, FirstEvents) or not isinstance(reducer, PCAConfig):
        return
    fewest = reducer.n_components if isinstance(reducer.n_components, int) else 2
    n_learning = len(range(*LEARNING_ROWS.indices(reference.n_events)))
    if n_learning < max(2, fewest):
        yield Problem(
            f"{reference_key}.n_events",
            f"{reference.n_events} events, of which {n_learning} are for the {fewest} components "
            "in front of a sequential detector",
            f"{4 * max(2, fewest)} or more",
        )


def _categorical(view: View) -> tuple[int, ...]:
    """The dimensions, after the reducer, whose numbers stand for categories."""
    match view.reducer:
        case HardPredictionsConfig() | OnnxHardPredictionsConfig():
            return (0,)
        case NoReductionConfig():
            return view.categorical
        case _:
            return ()
