"""Checks that decide whether an event can be used; every way into a pane shares them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors import are_normalised, is_distribution, normalised
from flink_jobs.config.columns import Column, Slot, columns_of, slots_of
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.overrides import PerOverride
from flink_jobs.config.views import columns_read, views_of
from flink_jobs.intake.envelopes import unwrap
from flink_jobs.intake.event_columns import EventColumns
from flink_jobs.intake.formats.base import (
    HAS_OUTPUTS,
    PART_OF,
    LocatingFormat,
    Messages,
    PayloadFormat,
    ReadEvents,
    Unusable,
)
from flink_jobs.intake.formats.registry import format_of
from flink_jobs.intake.locating import Located, Locator
from flink_jobs.intake.record_names import RecordNames
from flink_jobs.intake.slots import SlotFiller
from flink_jobs.intake.unusable import UnusableEventError, not_finite, without_value
from flink_jobs.records.dead_letters import Reason

# Beyond it squares and their sums over a million events would overflow.
_LARGEST = 1e140
# Room for the rounding of single precision, as softmax outputs have.
_PROBABILITY_TOLERANCE = 1e-6


class Layout:
    """The shape that events of a model must have, and the columns that panes carry.

    Parameters
    ----------
    config : DriftJobConfig
        Of the model.

    Attributes
    ----------
    config : DriftJobConfig
        Of the model.
    columns : tuple of Column
        All columns of the events; each of them is checked.
    read : tuple of Column
        Those that panes carry: what views read, segments and label.
    slots : tuple of Slot
        The floats that stand for these.
    first_numbers : tuple of int
        The places of the numbers that the first view reads.
    """

    def __init__(self, config: DriftJobConfig) -> None:
        self.columns: tuple[Column, ...] = columns_of(config)
        self.read: tuple[Column, ...] = columns_read(config)
        self.slots: tuple[Slot, ...] = slots_of(self.read)
        first = views_of(config)[0]
        self.first_numbers = tuple(
            place
            for place, slot in zip(first.places, first.slots, strict=True)
            if not slot.is_category
        )
        self.config = config
        self._record_names = RecordNames(config)
        self._may_be_missing = np.array([slot.column.may_be_missing for slot in self.slots])
        self._part_of = np.array(
            [PART_OF.get(slot.column.role, 0) for slot in self.slots], dtype=np.int8
        )
        self._placed = dict(_placed(self.read))
        self._are_outputs_alone = [column.kind for column in self.read] == ["class_probabilities"]

    @cached_property
    def _format(self) -> PayloadFormat:
        # Tables have none: a configuration of theirs may name one whose packages are not there.
        return format_of(self.config, self.read)

    @property
    def n_slots(self) -> int:
        """The number of floats of an event."""
        return len(self.slots)

    def nothing(self) -> EventColumns:
        """Make the columns of no events."""
        none = np.empty(0, dtype=np.int64)
        places = none.astype(np.int32)
        texts = {place: list[str]() for place, slot in enumerate(self.slots) if slot.is_category}
        return EventColumns([], places, none, places, none, np.empty((0, self.n_slots)), texts)

    def filler(self) -> SlotFiller:
        """Make what turns decoded events into floats."""
        return SlotFiller(self.columns, self.read)

    def decode(self, messages: Messages) -> ReadEvents:
        """Read and check the events of messages; envelopes come off."""
        unwrapped = unwrap(self.config, messages, self._record_names.attributes)
        messages = self._record_names.named(unwrapped)
        read = self._format.read(messages)
        if unwrapped.unusable:
            read = _without(read, unwrapped.unusable)
        return self.check_numbers(read)

    def decode_located(self, messages: Messages, locator: Locator) -> tuple[ReadEvents, Located]:
        """Read the events of lines, and find model and event time of each, in one pass.

        Parameters
        ----------
        messages : Messages
        locator : Locator
            Of lines.
        """
        asked = dict.fromkeys((*locator.attributes, *self._record_names.attributes))
        unwrapped = unwrap(self.config, messages, list(asked))
        messages = self._record_names.named(unwrapped)
        values: list[Sequence[Any]] = []
        if locator.paths and isinstance(self._format, LocatingFormat):
            read, values = self._format.read_located(messages, locator.paths)
        else:
            read = self._format.read(messages)
            if locator.paths:
                values = self._format.values(messages, locator.paths)
        if unwrapped.unusable:
            read = _without(read, unwrapped.unusable)
        nowhen = np.zeros(len(messages), dtype=np.int64)
        return self.check_numbers(read), locator.located(unwrapped, values, nowhen)

    def check_numbers(self, read: ReadEvents) -> ReadEvents:
        """As :meth:`check`, for values that did not come as JSON and may be anything.

        NaN is a missing value.
        """
        x = read.x
        # Most often all is well, and the sum of what is finite is finite.
        with np.errstate(over="ignore", invalid="ignore"):
            if np.isfinite(x.sum()):
                return self.check(read)
        is_wrong = np.isinf(x) | (np.isnan(x) & ~self._may_be_missing)
        if read.parts is not None:
            is_wrong &= ~self._is_absent(read.parts)
        if not is_wrong.any():
            return self.check(read)
        unusable = dict(read.unusable)
        for row in np.flatnonzero(is_wrong.any(axis=1)).tolist():
            slot = int(np.argmax(is_wrong[row]))
            unusable.setdefault(int(read.places[row]), self._missing(slot, read.event_ids[row]))
        # The checks that follow are about numbers.
        return self.check(replace(read, x=np.where(is_wrong, 0.0, x), unusable=unusable))

    def check(self, read: ReadEvents) -> ReadEvents:
        """Leave out the rows that no view can take.

        Those of ``read.unusable`` may be among its rows; they keep their reason.
        """
        if not read.unusable and self._are_settled(read.x):
            return read
        unusable = dict(read.unusable)
        for row, error in self._unusable_rows(read).items():
            unusable.setdefault(int(read.places[row]), error)
        if not unusable:
            return self._usable(read)
        return self._usable(read.kept(~np.isin(read.places, list(unusable)), unusable))

    def _missing(self, slot: int, event_id: str) -> UnusableEventError:
        name = self.place_name(slot)
        is_category = self.slots[slot].is_category
        return without_value(name, event_id) if is_category else not_finite(name, event_id)

    def place_name(self, slot: int) -> str:
        """Say what the value behind a slot is called: its column, with its place in a vector."""
        column = self.slots[slot].column
        if column.type != "vector":
            return column.name
        return f"{column.name}[{slot - self._placed[column].start}]"

    def _usable(self, read: ReadEvents) -> ReadEvents:
        """Return events that can all be used, of whose probabilities rounding does not show."""
        x = read.x
        for column, places in self._placed.items():
            if column.kind == "class_probabilities":
                x = _normalised_in(x, places)
        return read if x is read.x else replace(read, x=x)

    def _unusable_rows(self, read: ReadEvents) -> Unusable:
        x, event_ids = read.x, read.event_ids
        unusable = self._too_large(x, event_ids)
        for column, places in self._placed.items():
            if column.kind not in _CHECKS:
                continue
            is_wrong, describe = _CHECKS[column.kind]
            values = x[:, places]
            wrong = is_wrong(column, values)
            if read.parts is not None:
                wrong &= (read.parts & HAS_OUTPUTS) > 0
            for row in np.flatnonzero(wrong).tolist():
                if row not in unusable:
                    unusable[row] = UnusableEventError(
                        Reason.NOT_A_DISTRIBUTION, describe(column, values[row]), event_ids[row]
                    )
        return unusable

    def _are_settled(self, x: NDArray[np.float64]) -> bool:
        """Tell whether rows are softmax outputs alone, of which nothing is wrong or rounded."""
        return self._are_outputs_alone and are_normalised(x)

    def _is_absent(self, parts: NDArray[np.int8]) -> NDArray[np.bool_]:
        """Tell which floats of events lie in a part that the event does not have."""
        return np.asarray(((parts[:, None] & self._part_of) == 0) & (self._part_of > 0))

    def _too_large(self, x: NDArray[np.float64], event_ids: Sequence[str]) -> Unusable:
        if not x.size or (x.max() <= _LARGEST and x.min() >= -_LARGEST):
            return {}
        # NaN, which is neither, comes here too.
        is_large = np.abs(x) > _LARGEST
        unusable: Unusable = {}
        for row in np.flatnonzero(is_large.any(axis=1)).tolist():
            name = self.place_name(int(np.argmax(is_large[row])))
            detail = f"{name} is beyond {_LARGEST:g} and overflows when it is squared"
            unusable[row] = UnusableEventError(Reason.NOT_FINITE, detail, event_ids[row])
        return unusable


def _without(read: ReadEvents, unusable: Unusable) -> ReadEvents:
    """Return what was read, with errors of whole messages in the place of their rows."""
    if read.messages is None:
        return replace(read, unusable=read.unusable | unusable)
    rows = np.flatnonzero(np.isin(read.messages, list(unusable))).tolist()
    errors = {row: unusable[int(read.messages[row])] for row in rows}
    return replace(read, unusable=read.unusable | errors)


def _placed(columns: Sequence[Column]) -> Iterator[tuple[Column, slice]]:
    first = 0
    for column in columns:
        end = first + column.size
        yield column, slice(first, end)
        first = end


def _are_no_distributions(column: Column, x: NDArray[np.float64]) -> NDArray[np.bool_]:
    # Rows that overflow when they are summed are unusable already.
    with np.errstate(over="ignore", invalid="ignore"):
        is_wrong = ~is_distribution(x)
    if column.may_be_missing and is_wrong.any():
        is_wrong &= ~np.isnan(x).all(axis=1)
    return np.asarray(is_wrong)


def _is_no_distribution(column: Column, values: NDArray[np.float64]) -> str:
    return (
        f"{column.name} lie in [{values.min():.4g}, {values.max():.4g}] and sum to "
        f"{values.sum():.6g}; expected values in [0, 1] that sum to 1, up to rounding"
    )


def _are_no_probabilities(column: Column, x: NDArray[np.float64]) -> NDArray[np.bool_]:
    is_low, is_high = x < -_PROBABILITY_TOLERANCE, x > 1.0 + _PROBABILITY_TOLERANCE
    return np.asarray((is_low | is_high).any(axis=1))


def _is_no_probability(column: Column, values: NDArray[np.float64]) -> str:
    lowest, highest = np.nanmin(values), np.nanmax(values)
    wrong = lowest if lowest < 0.0 else highest
    return f"{column.name} is {wrong:.6g}, expected a probability in [0, 1]"


_CHECKS = {
    "class_probabilities": (_are_no_distributions, _is_no_distribution),
    "probability": (_are_no_probabilities, _is_no_probability),
    "probabilities": (_are_no_probabilities, _is_no_probability),
}


def _normalised_in(x: NDArray[np.float64], places: slice) -> NDArray[np.float64]:
    values = x[:, places]
    there = ~np.isnan(values[:, 0]) if len(values) else np.ones(0, dtype=np.bool_)
    usable = values if there.all() else values[there]
    rounded = normalised(usable)
    if rounded is usable:
        return x
    if rounded.shape == x.shape:
        return rounded
    x = x.copy()
    x[there, places] = rounded
    return x


class Layouts:
    """The layouts of all models.

    Parameters
    ----------
    config : DriftJobConfig
        Of the job.
    """

    def __init__(self, config: DriftJobConfig) -> None:
        self._layouts = PerOverride(config, Layout)

    def of(self, model: str) -> Layout:
        """The layout of a model, which models of one override share."""
        return self._layouts.of(model)
