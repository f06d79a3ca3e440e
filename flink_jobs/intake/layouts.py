"""What events must look like to be used: the checks that every way into a pane shares."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors import is_distribution, normalised
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.overrides import PerOverride
from flink_jobs.config.views import n_columns_read, reads_outputs
from flink_jobs.intake.formats.json import EventDecoder, UnusableEventError, not_finite
from flink_jobs.records.dead_letters import Reason

# Payloads whose numbers exist as Python objects at a time. With those of a whole batch, which no
# cache of the processor holds, decoding took a third longer.
BLOCK = 128
# Beyond it squares and their sums over a million events would overflow.
_LARGEST = 1e140


@dataclass(frozen=True, eq=False)
class ReadEvents:
    """What was made of some rows: the events that can be used, and why the others cannot.

    Attributes
    ----------
    places : ndarray of intp, shape (n,)
        Which rows the usable events are.
    event_ids : list of str
    x : ndarray of float64, shape (n, n_columns)
        The numbers that the reducer reads.
    unusable : dict of int to UnusableEventError
        By the place of the row.
    """

    places: NDArray[np.intp]
    event_ids: list[str]
    x: NDArray[np.float64]
    unusable: dict[int, UnusableEventError]


class Layout:
    """What the events of a model must look like, and which of their numbers the reducer reads.

    Parameters
    ----------
    config : DriftJobConfig
        Of the model.
    """

    def __init__(self, config: DriftJobConfig) -> None:
        self._decoder = EventDecoder(config.input)
        self.n_columns = n_columns_read(config)
        self.reads_outputs = reads_outputs(config)
        self.allows_missing = config.input.missing_features == "allow" and not self.reads_outputs

    @property
    def field(self) -> str:
        """``outputs`` or ``features``, whichever the reducer reads."""
        return "outputs" if self.reads_outputs else "features"

    def decode(self, payloads: Sequence[bytes]) -> ReadEvents:
        """Decode and check payloads."""
        event_ids: list[str] = []
        unusable: dict[int, UnusableEventError] = {}
        blocks = [np.empty((0, self.n_columns))]
        for first in range(0, len(payloads), BLOCK):
            events, wrong = self._decoder.decode_all(payloads[first : first + BLOCK])
            unusable |= {first + place: error for place, error in wrong.items()}
            event_ids += [event.event_id for event in events]
            blocks.append(self.numbers(events))
        places = np.arange(len(payloads), dtype=np.intp)
        if unusable:
            places = np.delete(places, list(unusable))
        return self.check(ReadEvents(places, event_ids, np.concatenate(blocks), unusable))

    def numbers(self, events: Sequence[Any]) -> NDArray[np.float64]:
        """The numbers of decoded events that the reducer reads, shape (n, n_columns)."""
        values = [e.outputs for e in events] if self.reads_outputs else [e.features for e in events]
        shape = (len(events), self.n_columns)
        if self.allows_missing:
            return np.array(values, dtype=np.float64).reshape(shape)
        # A third of the time of making an array of lists.
        packed = struct.pack(f"{math.prod(shape)}d", *chain.from_iterable(values))
        return np.frombuffer(packed).reshape(shape)

    def check_numbers(self, read: ReadEvents) -> ReadEvents:
        """As :meth:`check`, for numbers that did not come as JSON and may be anything.

        NaN is a missing number.
        """
        if not read.unusable and self._are_outputs(read.x):
            return self._usable(read)
        x, unusable = read.x, dict(read.unusable)
        is_wrong = np.isinf(x) if self.allows_missing else ~np.isfinite(x)
        if is_wrong.any():
            for row in np.flatnonzero(is_wrong.any(axis=1)).tolist():
                place = int(np.argmax(is_wrong[row]))
                error = not_finite(self.field, place, read.event_ids[row])
                unusable.setdefault(int(read.places[row]), error)
            # The checks that follow are about numbers.
            x = np.where(is_wrong, 0.0, x)
        return self.check(ReadEvents(read.places, read.event_ids, x, unusable))

    def check(self, read: ReadEvents) -> ReadEvents:
        """Leave out the rows that no reducer can take.

        Those of ``read.unusable`` may be among its rows; they keep their reason.
        """
        unusable = dict(read.unusable)
        for row, error in self._unusable_rows(read.x, read.event_ids).items():
            unusable.setdefault(int(read.places[row]), error)
        if not unusable:
            return self._usable(read)
        kept = ~np.isin(read.places, list(unusable))
        event_ids = [
            event_id for event_id, is_kept in zip(read.event_ids, kept, strict=True) if is_kept
        ]
        return self._usable(ReadEvents(read.places[kept], event_ids, read.x[kept], unusable))

    def _usable(self, read: ReadEvents) -> ReadEvents:
        """Return events that can all be used, of whose outputs rounding does not show."""
        return replace(read, x=normalised(read.x)) if self.reads_outputs else read

    def _are_outputs(self, x: NDArray[np.float64]) -> bool:
        """Whether all rows are softmax outputs, as most often: then nothing else can be wrong."""
        if not self.reads_outputs:
            return False
        with np.errstate(over="ignore", invalid="ignore"):
            return bool(is_distribution(x).all())

    def _unusable_rows(
        self, x: NDArray[np.float64], event_ids: Sequence[str]
    ) -> dict[int, UnusableEventError]:
        if self._are_outputs(x):
            return {}
        unusable: dict[int, UnusableEventError] = {}
        is_large = np.abs(x) > _LARGEST
        for row in np.flatnonzero(is_large.any(axis=1)).tolist() if is_large.any() else ():
            detail = f"a number beyond {_LARGEST:g} overflows when it is squared"
            unusable[row] = UnusableEventError(Reason.NOT_FINITE, detail, event_ids[row])
        if not self.reads_outputs:
            return unusable
        # Rows that overflow when they are summed are unusable already.
        with np.errstate(over="ignore"):
            is_usable = is_distribution(x)
        for row in np.flatnonzero(~is_usable).tolist():
            if row in unusable:
                continue
            detail = (
                f"outputs lie in [{x[row].min():.4g}, {x[row].max():.4g}] and sum to "
                f"{x[row].sum():.6g}; expected values in [0, 1] that sum to 1, up to rounding"
            )
            unusable[row] = UnusableEventError(Reason.NOT_A_DISTRIBUTION, detail, event_ids[row])
        return unusable


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
