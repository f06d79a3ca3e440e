"""From configuration tables to detectors."""

from __future__ import annotations

from typing import Any

from detectors import (
    Prepared,
    Reducer,
    needs_preparation,
    reducer_of_kind,
)
from flink_jobs.config.sequential_detectors import make_sequential
from flink_jobs.config.tables.base import Table
from flink_jobs.config.tables.detectors import (
    OwnClassifierConfig,
    OwnModelConfig,
    kind_and_parameters,
    scales_columns,
)
from flink_jobs.config.two_sample_tests import make_test
from flink_jobs.config.views import View
from flink_jobs.core.own_models import columns_of_model

__all__ = ["is_prepared", "make_reducer", "make_sequential", "make_test"]


def is_prepared(view: View, test: Table) -> bool:
    """Tell whether the detector of a table sees columns scaled, completed and as indicators."""
    reducer_kind, _ = kind_and_parameters(view.reducer)
    test_kind, _ = kind_and_parameters(test)
    return needs_preparation(reducer_kind, test_kind)


def make_reducer(view: View, test: Table) -> Reducer:
    """Make the reducer that stands in front of a test, or a sequential detector, not fitted."""
    kind, parameters = kind_and_parameters(view.reducer)
    if isinstance(view.reducer, OwnModelConfig):
        parameters = _of_own_model(view, view.reducer)
    reducer = reducer_of_kind(kind)(**parameters)
    if not is_prepared(view, test):
        return reducer
    return Prepared(
        reducer,
        categorical_columns=view.categorical,
        scale=scales_columns(view.reducer, test),
    )


def _of_own_model(view: View, table: OwnModelConfig) -> dict[str, Any]:
    parameters: dict[str, Any] = {
        "model": view.model,
        "output": table.output,
        "columns": columns_of_model(view),
        "size": table.size,
    }
    if isinstance(table, OwnClassifierConfig):
        parameters["gives"] = table.gives
    return parameters
