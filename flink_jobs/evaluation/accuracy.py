"""Accuracy over time, where a history has true labels and outputs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from operator import eq

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from flink_jobs.config.columns import Column, are_named, columns_of
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.views import with_one_view
from flink_jobs.histories.batches import Batch, Names
from flink_jobs.histories.errors import BacktestError
from flink_jobs.histories.input_files import InputFiles
from flink_jobs.histories.known_drifts.truth import NO_END_MS
from flink_jobs.histories.sources import open_source
from flink_jobs.intake.layouts import Layout, Layouts

ACCURACY_SCHEMA = pa.schema(
    [
        ("model", pa.string()),
        ("start_ms", pa.int64()),
        ("end_ms", pa.int64()),
        ("n_labelled", pa.int64()),
        ("accuracy", pa.float64()),
    ]
)
_TRUTH_VALUES = {"false": 0, "true": 1}
_SAYS_A_CLASS = ("class_probabilities", "probability", "class")
_EVEN = 0.5
_N_STRETCHES = 100


def accuracy_table(history: str | InputFiles, config: DriftJobConfig, every_ms: int) -> pa.Table:
    """For each model and stretch of time, the share of labelled events that were predicted right.

    Parameters
    ----------
    history : str or InputFiles
        As :func:`~flink_jobs.histories.sources.open_source` takes it.
    config : DriftJobConfig
        Its ``columns.label`` names the labels: names of the outputs, or their numbers, counted from
        0, or, of two outputs or of one probability, truth values; of an output that is a class, its
        text. Of several outputs the first that says a class is held against them.
    every_ms : int
        The length of a stretch.

    Returns
    -------
    pyarrow.Table
        Of :data:`ACCURACY_SCHEMA`, by model and time; stretches without a labelled event are left
        out. Events that cannot be used count nowhere, however late they come.

    Raises
    ------
    BacktestError
        When labels or outputs are not there, a label is none of the outputs, or the history cannot
        be read.
    """
    if not config.columns.label or _answer(config) is None:
        raise BacktestError(
            "accuracy takes true labels and outputs: name the labels in columns.label, and say in "
            "columns.outputs or input.n_outputs what the model answers"
        )
    reading = reading_outputs(config)
    names, layouts = Names(), Layouts(reading)
    n_labelled: Counter[tuple[str, int]] = Counter()
    n_right: Counter[tuple[str, int]] = Counter()
    for batch in open_source(history, reading).batches(names, NO_END_MS):
        for code in np.unique(batch.codes[batch.codes >= 0]).tolist():
            model = names.all[code]
            starts, is_right = _judged(batch, code, layouts.of(model), every_ms)
            for start, right in zip(starts, is_right, strict=True):
                n_labelled[model, start] += 1
                n_right[model, start] += right
    rows = [
        (model, start, start + every_ms, n, n_right[model, start] / n)
        for (model, start), n in sorted(n_labelled.items())
    ]
    return pa.Table.from_pylist(
        [dict(zip(ACCURACY_SCHEMA.names, row, strict=True)) for row in rows], ACCURACY_SCHEMA
    )


def stretch_ms(config: DriftJobConfig, start_ms: int, end_ms: int) -> int:
    """A hundredth of a history, in whole panes: what ``every_ms`` is for a picture."""
    n_panes = (end_ms - start_ms) // config.panes.width_ms // _N_STRETCHES
    return (n_panes + 1) * config.panes.width_ms


def reading_outputs(config: DriftJobConfig) -> DriftJobConfig:
    """The configuration in which panes carry the answer alone, of models with overrides too."""
    answer = _answer(config)
    columns = ["outputs"] if answer is None or not are_named(config) else [answer.name]
    return with_one_view(config, columns)


def _answer(config: DriftJobConfig) -> Column | None:
    """Find the first output that says a class."""
    return next((column for column in columns_of(config) if column.kind in _SAYS_A_CLASS), None)


def _judged(
    batch: Batch, code: int, layout: Layout, every_ms: int
) -> tuple[list[int], NDArray[np.bool_]]:
    """The stretch of each labelled event of a model, and whether it was predicted right."""
    rows = np.flatnonzero(batch.codes == code)
    read = batch.rows.read(layout, rows, lambda: [""] * len(rows))
    kept = rows[read.message_of]
    labels = batch.rows.labels(kept)
    if labels is None:
        # A file whose true classes have not come yet has no column of them.
        return [], np.empty(0, dtype=np.bool_)
    known = [place for place, label in enumerate(labels) if label is not None]
    times_ms = batch.times_ms[kept[known]]
    starts: list[int] = (times_ms - times_ms % every_ms).tolist()
    answer = layout.read[0]
    predicted = _predicted(answer, read.x[known, : answer.size], read.texts.get(0, ()))
    wanted = [_class_of(answer, labels[place]) for place in known]
    return starts, np.array([*map(eq, predicted, wanted)], dtype=np.bool_)


def _predicted(
    answer: Column, x: NDArray[np.float64], texts: Sequence[str]
) -> list[int] | list[str]:
    """Return the class of each answer: the place of an output, or a text; -1 if missing."""
    if answer.kind == "class":
        return [texts[int(code)] if code == code else "" for code in x[:, 0].tolist()]
    places = x[:, 0] >= _EVEN if answer.kind == "probability" else x.argmax(axis=1)
    return [int(place) for place in np.where(np.isnan(x[:, 0]), -1, places)]


def _class_of(answer: Column, label: str) -> int | str:
    """Return the class that a label stands for."""
    if answer.kind == "class":
        return label
    if label in answer.class_names:
        return answer.class_names.index(label)
    return _place(label, 2 if answer.kind == "probability" else answer.size)


def _place(label: str, n_outputs: int) -> int:
    """Return the output that a label stands for."""
    if n_outputs == 2 and label in _TRUTH_VALUES:
        return _TRUTH_VALUES[label]
    if label.isdecimal() and int(label) < n_outputs:
        return int(label)
    raise BacktestError(
        f"the label {label!r} is not one of the {n_outputs} outputs: accuracy takes labels from 0 "
        f"to {n_outputs - 1}"
    )
