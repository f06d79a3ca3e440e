"""The protocol of detectors that watch a whole stream and promise a time until a false alarm."""

from __future__ import annotations

from typing import Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detectors.base import StateArrays


@runtime_checkable
class StreamDetector(Protocol):
    """Watches a stream in updates, and alarms once the evidence reaches ``run_time``."""

    @property
    def run_time(self) -> float:
        """The promised expected weight until the first false alarm."""
        ...

    @property
    def statistic(self) -> float:
        """The evidence for a change, in the unit of the weights; 0 before the first update."""
        ...

    @property
    def is_alarm(self) -> bool:
        """Tell whether the evidence has reached ``run_time``."""
        ...

    def fit(self, reference: ArrayLike, /) -> Self:
        """Take a reference, rows or counts, and begin."""
        ...

    def update(self, part: ArrayLike, /, weight: float = 1.0) -> float:
        """Take a part of the stream, rows or counts, and return ``statistic``."""
        ...

    def reset(self) -> None:
        """Forget all updates, as after an alarm that was attended to."""
        ...

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Everything needed to go on, as named arrays."""
        ...

    @classmethod
    def from_arrays(cls, arrays: StateArrays) -> Self:
        """Restore a detector that goes on with equal values."""
        ...
