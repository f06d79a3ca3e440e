"""Models of the user's own that reducers evaluate: loaded, and checked against their views."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from detectors import DetectorError, InvalidSampleError, is_distribution
from flink_jobs.config.artefacts import read_verified
from flink_jobs.config.column_checks import own_key
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.overrides import variants
from flink_jobs.config.tables.base import ConfigError, Problem
from flink_jobs.config.tables.detectors import OwnClassifierConfig, OwnModelConfig
from flink_jobs.config.views import View, views_of
from flink_jobs.one_thread import use_one_thread
from flink_jobs.records.wording import first_names

if TYPE_CHECKING:
    from detectors.reducers.onnx_models.model import BoundModel, OnnxModel

MOST_BYTES = 25_000_000
"""The most bytes of a model, which travels within the job. The JobManager of the embedded cluster
has a heap of 448 MB. It runs a job with 24 MB; with 96 MB no heap was left to serialise the job."""

_MOST_NAMED = 8


def load_models(models: Mapping[str, bytes]) -> dict[str, OnnxModel]:
    """Load models that were checked where the job was submitted.

    Raises
    ------
    ImportError
        If ONNX Runtime is not installed here.
    """
    if not models:
        return {}
    from detectors.reducers.onnx_models.model import OnnxModel

    return {sha256: OnnxModel(data) for sha256, data in models.items()}


def with_model(view: View, models: Mapping[str, OnnxModel]) -> View:
    """Return the view with the model that its reducer evaluates, if it evaluates one."""
    if not isinstance(view.reducer, OwnModelConfig):
        return view
    return replace(view, model=models[view.reducer.sha256])


def read_models(config: DriftJobConfig) -> dict[str, OnnxModel]:
    """Read the models that views of any model may evaluate, by SHA-256, and check them.

    Raises
    ------
    ConfigError
        When a file cannot be used, or does not fit the columns of its view.
    """
    models: dict[str, OnnxModel] = {}
    for place, variant in enumerate(variants(config)):
        prefix = "" if place == 0 else f"overrides[{place - 1}]."
        for view_place, view in enumerate(views_of(variant)):
            table = view.reducer
            if not isinstance(table, OwnModelConfig):
                continue
            key = f"{prefix}{own_key(variant, view_place, 'reducer')}"
            if table.sha256 not in models:
                models[table.sha256] = _read(table, key)
            _check(view, table, models[table.sha256], key)
    return models


def bound_to(view: View, table: OwnModelConfig, model: OnnxModel) -> BoundModel:
    """Tie the columns of a view to the inputs of a model; raises as the model does."""
    return model.bound(columns_of_model(view), table.output)


def columns_of_model(view: View) -> dict[str, int]:
    """Return the columns that a model reads, with the number of floats of each."""
    return {column.name: column.size for column in view.columns}


def _read(table: OwnModelConfig, key: str) -> OnnxModel:
    data = read_verified(table, key)
    if len(data) > MOST_BYTES:
        wrong = f"{table.path} has {len(data) / 1e6:,.1f} MB"
        allowed = f"{MOST_BYTES / 1e6:,.0f} MB or less: fewer weights, or weights in half precision"
        raise ConfigError([Problem(f"{key}.path", wrong, allowed)])
    try:
        from detectors.reducers.onnx_models.model import OnnxModel

        return OnnxModel(data)
    except ImportError as error:
        wrong = "the package onnxruntime is not installed"
        allowed = "in Loudly's folder run make setup, or pip install '.[onnx]'"
        raise ConfigError([Problem(f"{key}.kind", wrong, allowed)]) from error
    except DetectorError as error:
        wrong = f"{table.path}: {error}"
        allowed = "one file in ONNX format, of operators that ONNX Runtime has"
        raise ConfigError([Problem(f"{key}.path", wrong, allowed)]) from error


def _check(view: View, table: OwnModelConfig, model: OnnxModel, key: str) -> None:
    try:
        model.output(table.output)
    except DetectorError as error:
        names = ", ".join(repr(each.name) for each in model.outputs)
        raise ConfigError([Problem(f"{key}.output", str(error), names)]) from error
    try:
        bound = bound_to(view, table, model)
    except DetectorError as error:
        columns = [f"{name} ({n})" for name, n in columns_of_model(view).items()]
        row = first_names(columns, _MOST_NAMED)
        allowed = f"a model that takes one row of {row}, by one input or by one for each"
        raise ConfigError([Problem(f"{key}.path", str(error), allowed)]) from error
    if bound.n_outputs != table.size:
        wrong = f"{table.size}, and the model gives {bound.n_outputs} numbers for an event"
        raise ConfigError([Problem(f"{key}.size", wrong, str(bound.n_outputs))])
    if isinstance(table, OwnClassifierConfig) and table.gives == "probabilities":
        _check_probabilities(bound, key)


def _check_probabilities(bound: BoundModel, key: str) -> None:
    """Refuse early what the first reference would refuse."""
    try:
        with use_one_thread():
            given = bound(np.zeros((1, bound.n_columns)))
    except InvalidSampleError:
        # Zeros need not be an event; those of the reference decide.
        return
    if not is_distribution(given).all():
        wrong = "'probabilities', and what the model gives for zeros does not sum to 1"
        raise ConfigError([Problem(f"{key}.gives", wrong, "'logits', or another output")])
