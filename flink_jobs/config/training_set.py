"""Reads the artefact with the training set that every model is compared with.

The file is read where the job is submitted; the cluster receives the fitted reference block, so no
TaskManager needs the file. Nothing in it is unpickled.
"""

from __future__ import annotations

import io
import zipfile
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flink_jobs.config.artefacts import read_verified
from flink_jobs.config.columns import BOOLEAN_TEXTS, Column
from flink_jobs.config.tables.base import ConfigError, Problem
from flink_jobs.config.tables.references import TrainingSet
from flink_jobs.config.views import View


class TrainingRows(NamedTuple):
    """The rows of a training set, as the columns of a view.

    Attributes
    ----------
    x : ndarray of float64, shape (n_ref, n_slots)
        NaN is missing; a category holds the code of its text. What evidence shows comes last.
    texts : dict of int to list of str
        By place of a category: what its codes stand for.
    """

    x: NDArray[np.float64]
    texts: dict[int, list[str]]


def read_training_set(view: View) -> TrainingRows:
    """Read the columns of a view from the artefact that is its reference.

    The file holds an array for each column, by its name: numbers of shape (n_ref,), of shape
    (n_ref, size) for a vector, and texts or booleans of shape (n_ref,) for a category.

    Raises
    ------
    ConfigError
        When the file cannot be used or does not hold the arrays that are needed.
    """
    assert isinstance(view.reference, TrainingSet)  # noqa: S101 - asked where it is one
    data = read_verified(view.reference, "reference")
    floats: list[NDArray[np.float64]] = []
    texts: dict[int, list[str]] = {}
    for column in (*view.columns, *view.carried):
        array = _array(view.reference.path, data, column)
        place = sum(each.shape[1] for each in floats)
        if column.is_category:
            array, texts[place] = _codes(array)
        floats.append(array.reshape(len(array), -1))
    lengths = {len(each) for each in floats}
    if len(lengths) > 1:
        wrong = f"arrays of {view.reference.path} hold different numbers of rows: {sorted(lengths)}"
        raise ConfigError([Problem("reference.path", wrong, "one row for each event")])
    return TrainingRows(np.concatenate(floats, axis=1), texts)


def _array(path: str, data: bytes, column: Column) -> NDArray[Any]:
    dtype = None if column.is_category else np.float64
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            array = np.asarray(arrays[column.name], dtype=dtype)
    except (ValueError, KeyError, TypeError, OSError, zipfile.BadZipFile) as error:
        wrong = f"{path} holds no readable array {column.name!r} ({error})"
        raise ConfigError([Problem("reference.path", wrong, "an npz file")]) from error
    expected = (column.size,) if column.type == "vector" else ()
    if array.ndim == 0 or array.shape[1:] != expected:
        wrong = f"the array {column.name!r} has the shape {array.shape}"
        allowed = f"(n_events, {column.size})" if column.type == "vector" else "(n_events,)"
        raise ConfigError([Problem("reference.path", wrong, allowed)])
    return array


def _codes(array: NDArray[Any]) -> tuple[NDArray[np.float64], list[str]]:
    """The codes of texts, and the texts; booleans are the texts of their column."""
    if array.dtype.kind == "b":
        return array.astype(np.float64), list(BOOLEAN_TEXTS)
    texts, codes = np.unique(array.astype(str), return_inverse=True)
    return codes.astype(np.float64), texts.tolist()
