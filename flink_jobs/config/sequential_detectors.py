"""Sequential detectors of views from their tables, and what they are asked before anything runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from detectors import SequentialDetector, sequential_detector_of_kind
from flink_jobs.config.tables.base import Problem
from flink_jobs.config.tables.detectors import HardPredictionsConfig, NoReductionConfig
from flink_jobs.config.tables.references import FirstEvents, MovingReference
from flink_jobs.config.tables.sequential import SequentialTable, sequential_parameters
from flink_jobs.config.views import View


def make_sequential(table: SequentialTable, view: View) -> SequentialDetector:
    """Make the sequential detector of a table for the columns of a view, not fitted."""
    kind = sequential_detector_of_kind(str(table.__struct_config__.tag))
    parameters: dict[str, Any] = sequential_parameters(table)
    return kind(**parameters, categorical_columns=_categorical(view))  # type: ignore[call-arg]


def check_can_watch(
    key: str, reference_key: str, view: View, table: SequentialTable
) -> Iterator[Problem]:
    """Refuse references that a sequential detector cannot watch against."""
    reference = view.reference
    if isinstance(reference, MovingReference):
        kind = str(reference.__struct_config__.tag)
        yield Problem(
            key,
            f"{reference_key} is of kind {kind!r}, and a promise for a whole stream is about one "
            "reference that stays",
            "a view with a reference of kind first_events, first_time or artefact",
        )
    fewest = make_sequential(table, view).min_rows
    if isinstance(reference, FirstEvents) and reference.n_events < fewest:
        yield Problem(
            f"{reference_key}.n_events", f"{reference.n_events} events", f"{fewest} or more"
        )


def _categorical(view: View) -> tuple[int, ...]:
    """The dimensions, after the reducer, whose numbers stand for categories."""
    match view.reducer:
        case HardPredictionsConfig():
            return (0,)
        case NoReductionConfig():
            return view.categorical
        case _:
            return ()
