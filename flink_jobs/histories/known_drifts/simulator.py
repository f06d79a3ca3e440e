"""Simulated shifts of recorded events, so that a backtest knows when drift is there.

What becomes of an event follows from the event alone, from the shifts and from their place in the
list: all random numbers are hashes of (seed, place, event id, event time). So the same events come
out whatever the batches, the processes and their order. Shifts are applied one after the other,
each to what the one before it left.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from detectors import is_distribution
from detectors.shifts import NOISE_SCALES, image_shift
from flink_jobs.config.overrides import matches
from flink_jobs.core.sampling import hash_of
from flink_jobs.histories.batches import class_names
from flink_jobs.histories.errors import BacktestError
from flink_jobs.histories.known_drifts.shift_table import (
    ClassMixShift,
    ColumnShift,
    DelayShift,
    ImageMoveShift,
    KnockOutShift,
    MissingShift,
    NoiseShift,
    RenamedShift,
    ScalingShift,
    Shift,
    UnitShift,
)
from flink_jobs.histories.known_drifts.truth import DriftInterval

Floats = NDArray[np.float64]
Keys = NDArray[np.uint64]

# Which random number of an event serves what.
_TOUCHED, _FIRST_FREE = 0, 1


@dataclass(frozen=True, eq=False)
class EventBatch:
    """Some events of one model.

    Attributes
    ----------
    model : str
    times_ms : ndarray of int64, shape (n,)
        Event time; in any order.
    event_ids : sequence of str, shape (n,)
    x : ndarray of float64, shape (n, n_columns)
        What the shifts of columns change: features, or outputs.
    labels : ndarray of shape (n,), optional
        The class of each event, numbers or text; None or NaN where it has none.
    rows : ndarray of intp, shape (n,), optional
        What :func:`simulate` hands on: the places of these events in the batch they came from.
    changed_by : frozenset of int
        And the places of the shifts that dropped, delayed or altered some of them.
    """

    model: str
    times_ms: NDArray[np.int64]
    event_ids: Sequence[str]
    x: Floats
    labels: NDArray[Any] | None = None
    rows: NDArray[np.intp] | None = None
    changed_by: frozenset[int] = frozenset()

    def __len__(self) -> int:
        return len(self.times_ms)

    def take(self, rows: NDArray[np.intp]) -> EventBatch:
        """The chosen events, in the order given."""
        return EventBatch(
            model=self.model,
            times_ms=self.times_ms[rows],
            event_ids=[self.event_ids[row] for row in rows.tolist()],
            x=self.x[rows],
            labels=None if self.labels is None else self.labels[rows],
            rows=rows if self.rows is None else self.rows[rows],
        )


def simulate(batches: Iterable[EventBatch], shifts: Sequence[Shift]) -> Iterator[EventBatch]:
    """Apply shifts to a stream of events, one batch for each that comes.

    Parameters
    ----------
    batches : iterable of EventBatch
        Not modified.
    shifts : sequence of Shift
        Checked by :func:`~flink_jobs.histories.known_drifts.shift_table.check_shifts`; applied in
        this order.

    Yields
    ------
    EventBatch
        With ``rows``. Events stay in the order in which they came, whatever their new times.

    Raises
    ------
    BacktestError
        When the events do not have what a shift needs: a column, or classes.

    Examples
    --------
    >>> batch = EventBatch("a", np.array([1, 2]), ["p", "q"], np.array([[254.0], [254.0]]))
    >>> shifted = next(simulate([batch], [UnitShift(start_ms=2, end_ms=3)]))
    >>> shifted.x.round(9).tolist()
    [[254.0], [100.0]]
    """
    for batch in batches:
        shifted, changed_by = replace(batch, rows=np.arange(len(batch))), set()
        for place, shift in enumerate(shifts):
            before, shifted = shifted, _shifted(shifted, shift, place)
            if not _are_same(before, shifted):
                changed_by.add(place)
        yield replace(shifted, changed_by=frozenset(changed_by))


def _are_same(before: EventBatch, after: EventBatch) -> bool:
    return before is after or (
        len(before) == len(after)
        and np.array_equal(before.times_ms, after.times_ms)
        and np.array_equal(before.x, after.x, equal_nan=True)
    )


def truth_of(shifts: Iterable[Shift]) -> list[DriftInterval]:
    """When the events that come out of :func:`simulate` are drifted.

    A ``recurring`` shift makes one drift for each time it is on; delayed events are drifted where
    their new times lie. A shift that touches no event makes none.

    Examples
    --------
    >>> shift = UnitShift(start_ms=0, end_ms=50, form="recurring", on_ms=20, off_ms=20)
    >>> [(drift.start_ms, drift.end_ms) for drift in truth_of([shift])]
    [(0, 20), (40, 50)]
    """
    return [interval for shift in shifts if shift.share for interval in _truth(shift)]


def _truth(shift: Shift) -> Iterator[DriftInterval]:
    name = shift.name or str(shift.__struct_config__.tag)
    late_ms = shift.delay_ms if isinstance(shift, DelayShift) else 0
    recurs = shift.form == "recurring"
    step_ms = shift.on_ms + shift.off_ms if recurs else shift.end_ms - shift.start_ms
    for start_ms in range(shift.start_ms, shift.end_ms, step_ms):
        end_ms = min(start_ms + shift.on_ms, shift.end_ms) if recurs else shift.end_ms
        yield DriftInterval(shift.models, start_ms, end_ms + late_ms, name)


def _shifted(batch: EventBatch, shift: Shift, place: int) -> EventBatch:
    if not matches(shift.models, batch.model):
        return batch
    share = shift.share * _weights(shift, batch.times_ms)
    candidates = np.flatnonzero(share)
    if not len(candidates):
        return batch
    keys = _keys(batch, candidates, shift.seed + (place << 32))
    is_touched = _uniform(keys, _TOUCHED) < share[candidates]
    rows, keys = candidates[is_touched], keys[is_touched]
    match shift:
        case KnockOutShift() | ClassMixShift():
            return _thinned(batch, shift, rows, keys)
        case DelayShift():
            times_ms = batch.times_ms.copy()
            times_ms[rows] += shift.delay_ms
            return replace(batch, times_ms=times_ms)
        case _:
            return _changed(batch, shift, rows, keys)


def _weights(shift: Shift, times_ms: NDArray[np.int64]) -> Floats:
    """Return the part of its share that the shift has reached for each event; 0 outside."""
    since_ms = times_ms - shift.start_ms
    is_inside = (since_ms >= 0) & (times_ms < shift.end_ms)
    match shift.form:
        case "gradual":
            return is_inside * (since_ms / (shift.end_ms - shift.start_ms))
        case "recurring":
            is_inside &= since_ms % (shift.on_ms + shift.off_ms) < shift.on_ms
    return is_inside.astype(np.float64)


def _thinned(
    batch: EventBatch, shift: KnockOutShift | ClassMixShift, rows: NDArray[np.intp], keys: Keys
) -> EventBatch:
    classes = _classes(batch, rows, shift)
    if isinstance(shift, KnockOutShift):
        is_dropped = classes == str(shift.knocked_out)
    else:
        most = max(1.0, *shift.weights.values())
        kept_share = {name: shift.weights.get(name, 1.0) / most for name in set(classes.tolist())}
        chances = np.array([kept_share[name] for name in classes.tolist()])
        is_dropped = _uniform(keys, _FIRST_FREE) >= chances
    return batch.take(np.delete(np.arange(len(batch)), rows[is_dropped]))


def _classes(batch: EventBatch, rows: NDArray[np.intp], shift: Shift) -> NDArray[np.object_]:
    """The classes of events, as text; empty where an event has neither label nor outputs."""
    if batch.labels is None:
        classes = np.full(len(rows), None, dtype=object)
    else:
        classes = class_names(np.asarray(batch.labels)[rows].tolist())
    others = np.flatnonzero([name is None for name in classes.tolist()])
    x = batch.x[rows[others]]
    has_outputs = is_distribution(x)
    if batch.labels is None and not has_outputs.all():
        kind = shift.__struct_config__.tag
        raise BacktestError(
            f"the shift {kind!r} needs the classes of model {batch.model!r}: labels in the "
            "history, which columns.label names, or softmax outputs"
        )
    predicted = np.asarray(x.argmax(axis=1), dtype=np.str_)
    classes[others] = np.where(has_outputs, predicted, "")
    return classes


def _changed(
    batch: EventBatch, shift: ColumnShift, rows: NDArray[np.intp], keys: Keys
) -> EventBatch:
    columns = _columns(batch, shift)
    cells = np.ix_(rows, columns)
    x = batch.x.astype(np.float64)
    x[cells] = _new_values(x[cells], shift, keys)
    return replace(batch, x=x)


def _columns(batch: EventBatch, shift: ColumnShift) -> NDArray[np.intp]:
    n_columns = batch.x.shape[1]
    columns = np.array(shift.columns or range(n_columns), dtype=np.intp)
    kind = shift.__struct_config__.tag
    if columns.max(initial=-1) >= n_columns:
        raise BacktestError(
            f"the shift {kind!r} names column {columns.max()}, and the events of model "
            f"{batch.model!r} have {n_columns}, counted from 0"
        )
    if isinstance(shift, ImageMoveShift) and len(columns) != math.prod(shift.image_shape):
        raise BacktestError(
            f"the shift {kind!r} needs {math.prod(shift.image_shape)} columns for images of "
            f"{shift.image_shape}, and the events of model {batch.model!r} have {len(columns)}"
        )
    return columns


def _new_values(x: Floats, shift: ColumnShift, keys: Keys) -> Floats:
    match shift:
        case NoiseShift():
            return _noisy(x, shift, keys)
        case ImageMoveShift():
            return _moved(x, shift, keys)
        case ScalingShift(factor=factor, centre=centre):
            return centre + (x - centre) * factor
        case UnitShift(factor=factor, offset=offset):
            return factor * x + offset
        case MissingShift(intensity=intensity):
            return np.where(_uniforms(keys, x.shape[1]) < intensity, np.nan, x)
        case RenamedShift(codes=codes):
            renamed = x.copy()
            for old, new in codes:
                renamed[x == old] = new
            return renamed
    raise TypeError(f"no such shift: {shift}")


def _noisy(x: Floats, shift: NoiseShift, keys: Keys) -> Floats:
    scale = shift.intensity
    if isinstance(scale, str):
        scale = NOISE_SCALES[scale]
    # Half a step up, since the quantile of 0 is infinite.
    noisy: Floats = x + scale * ndtri(_uniforms(keys, x.shape[1]) + 2.0**-54)
    return noisy if shift.clip is None else np.clip(noisy, *shift.clip)


def _moved(x: Floats, shift: ImageMoveShift, keys: Keys) -> Floats:
    moved = x.copy()
    for row in np.flatnonzero(np.isfinite(x).all(axis=1)).tolist():
        moved[row] = image_shift(
            x[row : row + 1],
            shift.intensity,
            image_shape=tuple(shift.image_shape),
            rng=np.random.default_rng(int(keys[row])),
        )[0]
    return moved


def _keys(batch: EventBatch, rows: NDArray[np.intp], seed: int) -> Keys:
    """A number for each event that has nothing to do with those of other events and seeds."""
    ids = (crc32(batch.event_ids[row].encode()) for row in rows.tolist())
    times_ms = batch.times_ms[rows].astype(np.uint64)
    return hash_of(times_ms, np.fromiter(ids, np.uint64, len(rows)), seed)


def _uniform(keys: Keys, draw: int) -> Floats:
    """One number in [0, 1) for each key."""
    return _to_unit(hash_of(keys, np.full(len(keys), draw, dtype=np.uint64), 0))


def _uniforms(keys: Keys, n: int) -> Floats:
    """Numbers in [0, 1), shape (n_keys, n); others than those that touch."""
    draws = np.arange(_FIRST_FREE, _FIRST_FREE + n, dtype=np.uint64)
    return _to_unit(hash_of(keys[:, None], draws, 0))


def _to_unit(hashed: Keys) -> Floats:
    unit: Floats = (hashed >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return unit
