"""Ground truth: when which model drifted, from a file or from labels in the history.

All intervals are event time, ``[start_ms, end_ms)``, in milliseconds since 1970 in UTC.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from flink_jobs.config.overrides import matches
from flink_jobs.config.tables.base import ConfigError, Problem, Table
from flink_jobs.times import LAST_MS, iso_ms

NO_END_MS = LAST_MS
"""The end of a drift without one: the last millisecond of the year 9999."""

_KEYS = ("model", "start_ms", "start", "end_ms", "end", "name")
_ALLOWED_TIMES = "milliseconds since 1970, or a time such as 2026-05-01T12:00:00Z"


class DriftInterval(Table, frozen=True):
    """One labelled drift.

    Attributes
    ----------
    model : str
        A model, or a pattern in which ``*`` is any text.
    start_ms, end_ms : int
        The drift lasts ``[start_ms, end_ms)`` of event time; :data:`NO_END_MS` for a drift that
        goes on.
    name : str
        What people call it.

    Examples
    --------
    >>> DriftInterval("fraud-*", 1_000, 2_000, "new scanner").concerns("fraud-eu")
    True
    """

    model: str
    start_ms: int
    end_ms: int
    name: str = ""

    def concerns(self, model: str) -> bool:
        """Say whether the drift is one of this model."""
        return matches(self.model, model)


def read_truth(path: Path) -> list[DriftInterval]:
    """Read labelled drifts from a TOML, CSV or JSON file.

    Each drift has a ``model`` (or pattern), a start as ``start_ms`` or ``start``, an end as
    ``end_ms`` or ``end`` (without one it goes on), and may have a ``name``. ``start`` and ``end``
    are ISO 8601, in UTC where they name no zone. TOML holds ``[[drift]]`` tables, JSON a list of
    objects (or ``{"drift": [...]}``), CSV a line for each under a header.

    Parameters
    ----------
    path : Path
        Its suffix, ``.toml``, ``.csv`` or ``.json``, says what it holds.

    Returns
    -------
    list of DriftInterval
        In the file's order; empty where the file lists none.

    Raises
    ------
    ConfigError
        When the file cannot be read, or with one problem for each drift that is wrong.
    """
    readers = {".toml": _toml_rows, ".csv": _csv_rows, ".json": _json_rows}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        wrong = f"the suffix {path.suffix!r} says nothing about its content"
        raise ConfigError([Problem(str(path), wrong, ", ".join(readers))])
    try:
        rows = reader(path.read_bytes())
    except OSError as error:
        wrong = error.strerror or type(error).__name__
        raise ConfigError([Problem(str(path), wrong, "a readable file")]) from error
    except (ValueError, csv.Error) as error:
        allowed = "drift tables, as docs/backtests-choosing.md shows them"
        raise ConfigError([Problem(str(path), str(error), allowed)]) from error
    return _intervals(rows, str(path))


def intervals_of_labels(
    models: Sequence[str] | NDArray[Any], times_ms: ArrayLike, labels: Sequence[Any] | NDArray[Any]
) -> list[DriftInterval]:
    """Runs of labelled events, model by model.

    A drift lasts from the first labelled event of a run to the first event after it that is not
    labelled; at the end of the history, until just after the last event. Of several events of one
    model and time, one that is labelled decides.

    Parameters
    ----------
    models : sequence of str, shape (n,)
    times_ms : array_like of int, shape (n,)
        Event time; in any order.
    labels : sequence of bool, number or str, shape (n,)
        Whether the event is drifted. Text is the drift's name, empty for none; a run ends where the
        name changes. Missing values (None, NaN) are not labelled.

    Returns
    -------
    list of DriftInterval
        Ordered by model and start.

    Raises
    ------
    ValueError
        When the three differ in length.

    Examples
    --------
    >>> intervals_of_labels(["a"] * 4, [10, 20, 30, 40], [False, True, True, False])
    [DriftInterval(model='a', start_ms=20, end_ms=40, name='')]
    """
    model_of, time_of, name_of = _as_columns(models, times_ms, labels)
    if not len(time_of):
        return []
    order = np.lexsort((name_of, time_of, model_of))
    model_of, time_of, name_of = model_of[order], time_of[order], name_of[order]
    # Of one moment the last row counts: a label sorts after the empty one.
    is_last = np.append((np.diff(time_of) != 0) | (model_of[1:] != model_of[:-1]), True)
    return list(_runs(model_of[is_last], time_of[is_last], name_of[is_last]))


def _as_columns(
    models: Sequence[str] | NDArray[Any], times_ms: ArrayLike, labels: Sequence[Any] | NDArray[Any]
) -> tuple[NDArray[np.str_], NDArray[np.int64], NDArray[np.str_]]:
    model_of = np.asarray(models, dtype=np.str_)
    time_of = np.asarray(times_ms, dtype=np.int64)
    raw = np.asarray(labels)
    if not len(model_of) == len(time_of) == len(raw):
        raise ValueError(f"{len(model_of)} models, {len(time_of)} times, {len(raw)} labels")
    if raw.dtype.kind in "biuf":
        is_drift = np.nan_to_num(raw.astype(np.float64)) != 0.0
        return model_of, time_of, np.where(is_drift, "\x01", "")
    names = ["" if _is_missing(each) else _name(each) for each in raw.tolist()]
    return model_of, time_of, np.array(names, dtype=np.str_)


def _is_missing(value: object) -> bool:
    return value is None or value is False or value != value


def _name(value: object) -> str:
    """A name that sorts after the empty one; a label without a name becomes a control character."""
    return "\x01" if value is True else str(value)


def _runs(
    model_of: NDArray[np.str_], time_of: NDArray[np.int64], name_of: NDArray[np.str_]
) -> Iterator[DriftInterval]:
    is_new = (name_of[1:] != name_of[:-1]) | (model_of[1:] != model_of[:-1])
    n = len(time_of)
    edges = [0, *(np.flatnonzero(is_new) + 1).tolist(), n]
    for start, end in pairwise(edges):
        if not name_of[start]:
            continue
        goes_on = end < n and model_of[end] == model_of[start]
        end_ms = int(time_of[end]) if goes_on else int(time_of[end - 1]) + 1
        name = str(name_of[start]).removeprefix("\x01")
        yield DriftInterval(str(model_of[start]), int(time_of[start]), end_ms, name)


def _toml_rows(data: bytes) -> list[Any]:
    return _drift_list(msgspec.toml.decode(data))


def _json_rows(data: bytes) -> list[Any]:
    return _drift_list(msgspec.json.decode(data))


def _drift_list(tree: Any) -> list[Any]:
    if isinstance(tree, dict):
        if unknown := sorted(set(tree) - {"drift"}):
            raise ValueError(f"{unknown[0]!r} is unknown")
        tree = tree.get("drift", [])
    if not isinstance(tree, list):
        raise ValueError("it holds no list of drifts")
    return tree


def _csv_rows(data: bytes) -> list[Any]:
    # utf-8-sig: spreadsheets put a byte-order mark in front.
    reader = csv.DictReader(io.StringIO(data.decode("utf-8-sig")), strict=True)
    if "model" not in (reader.fieldnames or ()):
        raise ValueError("the header names no column 'model'")
    rows = []
    for row in reader:
        if None in row:
            raise ValueError(f"line {reader.line_num} has more columns than the header")
        rows.append({key: value for key, value in row.items() if value not in ("", None)})
    return rows


def _intervals(rows: list[Any], where: str) -> list[DriftInterval]:
    intervals: list[DriftInterval] = []
    problems: list[Problem] = []
    for place, row in enumerate(rows):
        try:
            intervals.append(_interval(row))
        except _WrongKeyError as error:
            key = f"{where}: drift[{place}]{error.key and '.' + error.key}"
            problems.append(Problem(key, error.wrong, error.allowed))
    if problems:
        raise ConfigError(problems)
    return intervals


class _WrongKeyError(Exception):
    def __init__(self, key: str, wrong: str, allowed: str) -> None:
        self.key, self.wrong, self.allowed = key, wrong, allowed
        super().__init__(f"{key}: {wrong}")


def _interval(row: Any) -> DriftInterval:
    if not isinstance(row, Mapping):
        raise _WrongKeyError("", f"is {type(row).__name__}", "a table with a model and a start")
    if unknown := sorted(set(row) - set(_KEYS)):
        raise _WrongKeyError(unknown[0], "is unknown", ", ".join(_KEYS))
    model = row.get("model")
    if not isinstance(model, str) or not model:
        raise _WrongKeyError("model", f"is {model!r}", "the name of a model, or a pattern")
    start_ms = _time_of(row, "start", None)
    end_ms = _time_of(row, "end", NO_END_MS)
    if end_ms <= start_ms:
        raise _WrongKeyError("end", f"{end_ms} ms is not after the start", f"above {start_ms} ms")
    return DriftInterval(model, start_ms, end_ms, str(row.get("name", "")))


def _time_of(row: Mapping[str, Any], name: str, default_ms: int | None) -> int:
    """The value of ``name_ms`` or of ``name``, of which one at most is given."""
    given = [key for key in (f"{name}_ms", name) if key in row]
    if len(given) == 2:
        raise _WrongKeyError(name, f"stands next to {name}_ms", "one of the two")
    if not given:
        if default_ms is None:
            raise _WrongKeyError(name, "is missing", _ALLOWED_TIMES)
        return default_ms
    value = row[given[0]]
    try:
        time_ms = _whole(value) if given[0].endswith("_ms") else iso_ms(value)
    except (ValueError, TypeError) as error:
        raise _WrongKeyError(given[0], f"is {value!r}", _ALLOWED_TIMES) from error
    if not 0 <= time_ms <= NO_END_MS:
        raise _WrongKeyError(given[0], f"is {value!r}", f"0 to {NO_END_MS} ms")
    return time_ms


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise TypeError("not a whole number")
    return int(value)
