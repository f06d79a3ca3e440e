"""Costs of the models of the user's own that reducers evaluate, in words."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING

import numpy as np

from detectors import DetectorError
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.tables.detectors import OwnModelConfig
from flink_jobs.config.views import views_of
from flink_jobs.core.own_models import bound_to, load_models
from flink_jobs.one_thread import use_one_thread
from flink_jobs.records.shown import shown

if TYPE_CHECKING:
    from detectors.reducers.onnx_models.model import BoundModel, OnnxModel

_TIMED_ROWS = 50
# The file as it came with the job, and the weights as they are run; and ONNX Runtime itself.
_TIMES_IN_MEMORY, _RUNTIME_MB = 2, 30


def own_model_texts(config: DriftJobConfig, models: Mapping[str, bytes]) -> Iterator[str]:
    """Say of each model which input and output it has, what it takes, and where it lies."""
    loaded = load_models(models)
    for view in views_of(config):
        table = view.reducer
        if isinstance(table, OwnModelConfig) and table.sha256 in loaded:
            model = loaded[table.sha256]
            yield _text(table, model, bound_to(view, table, model))


def _text(table: OwnModelConfig, model: OnnxModel, bound: BoundModel) -> str:
    megabytes = len(model.data) / 1e6
    inputs = "; ".join(str(each) for each in model.inputs)
    return (
        f"{shown(PurePath(table.path).name)}, {megabytes:.2g} MB: from {shown(inputs)} to "
        f"{bound.n_outputs:,} numbers of {shown(bound.output.name)!r}{_time(bound)}; each worker "
        f"process takes about {_TIMES_IN_MEMORY * megabytes + _RUNTIME_MB:,.0f} MB for it; it is "
        "not part of the state"
    )


def _time(bound: BoundModel) -> str:
    try:
        with use_one_thread():
            bound(np.zeros((1, bound.n_columns)))
            start = time.perf_counter()
            bound(np.zeros((_TIMED_ROWS, bound.n_columns)))
    except DetectorError:
        return ""
    return f", {1e6 * (time.perf_counter() - start) / _TIMED_ROWS:,.0f} µs an event here"
