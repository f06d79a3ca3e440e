"""Ground truth that a history holds itself: a column that says which events are drifted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.histories.batches import Batch, Names
from flink_jobs.histories.errors import SourceError
from flink_jobs.histories.input_files import InputFiles
from flink_jobs.histories.known_drifts.truth import DriftInterval, intervals_of_labels
from flink_jobs.histories.sources import open_source


class _Edges(NamedTuple):
    """The first and the last event of each run of one label, of one model."""

    times_ms: NDArray[np.int64]
    labels: NDArray[np.object_]


def drifts_of_column(
    history: str | InputFiles, config: DriftJobConfig, column: str
) -> list[DriftInterval]:
    """Runs of events that a column of their history labels as drifted.

    Parameters
    ----------
    history : str or InputFiles
        As :func:`~flink_jobs.histories.sources.open_source` takes it. Of each batch only the edges
        of its runs are kept, so memory does not grow with the history.
    config : DriftJobConfig
    column : str
        Truth values, numbers (0 for none), or the drifts' names (empty for none); of JSON lines a
        key.

    Returns
    -------
    list of DriftInterval
        As :func:`~flink_jobs.histories.known_drifts.truth.intervals_of_labels` makes them. Events
        without a model or a time, and those ahead of the clock, count nowhere.

    Raises
    ------
    SourceError
        When the history cannot be read, or no event has a label.
    """
    columns = msgspec.structs.replace(config.columns, label=column)
    labelling = msgspec.structs.replace(config, columns=columns)
    horizon_ms = int(time.time() * 1000) + config.input.max_future_ms
    names, models, edges = Names(), list[str](), list[_Edges]()
    has_label = False
    for batch in open_source(history, labelling).batches(names, horizon_ms):
        texts = batch.rows.labels(np.arange(len(batch.codes), dtype=np.intp))
        if texts is None:
            # Of several tables one may lack the column.
            continue
        has_label = has_label or any(text is not None for text in texts)
        for code, found in _edges(batch, _labels(texts), horizon_ms):
            edges.append(found)
            models += [names.all[code]] * len(found.times_ms)
    if not has_label:
        raise SourceError(f"no event of {history} has a value of {column!r}")
    return intervals_of_labels(
        models,
        np.concatenate([each.times_ms for each in edges] or [np.empty(0, np.int64)]),
        np.concatenate([each.labels for each in edges] or [np.empty(0, object)]),
    )


def _labels(texts: NDArray[np.object_]) -> NDArray[np.object_]:
    """Say for each event whether it is drifted, or name its drift."""
    meanings = {text: text is not None and _meaning(text) for text in set(texts.tolist())}
    return np.array([meanings[text] for text in texts.tolist()], dtype=object)


def _meaning(text: str) -> bool | str:
    """Interpret the text of a truth value, a number or a name.

    Examples
    --------
    >>> [_meaning(text) for text in ("True", "false", "0.0", "1", "nan", "new scanner")]
    [True, False, False, True, False, 'new scanner']
    """
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        return bool(np.nan_to_num(float(text)))
    except ValueError:
        return text


def _edges(
    batch: Batch, labels: NDArray[np.object_], horizon_ms: int
) -> Iterator[tuple[int, _Edges]]:
    """By model; what lies between two edges of a run adds nothing to it."""
    is_known = (batch.codes >= 0) & (batch.times_ms <= horizon_ms)
    for code in np.unique(batch.codes[is_known]).tolist():
        rows = np.flatnonzero(is_known & (batch.codes == code))
        # Of one moment one label that is set decides: all of them are kept, side by side.
        rows = rows[np.lexsort((labels[rows].astype(str), batch.times_ms[rows]))]
        is_new = labels[rows][1:] != labels[rows][:-1]
        is_edge = np.append(True, is_new) | np.append(is_new, True)
        yield code, _Edges(batch.times_ms[rows][is_edge], labels[rows][is_edge])
