"""The true classes of events that are messages."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.paths import parse_path
from flink_jobs.histories.batches import class_names
from flink_jobs.intake.envelopes import unwrap
from flink_jobs.intake.formats.base import Messages
from flink_jobs.intake.formats.registry import format_of


class Labels:
    """Reads the true class of each message, at the path of ``columns.label``.

    Parameters
    ----------
    config : DriftJobConfig
    """

    def __init__(self, config: DriftJobConfig) -> None:
        self._config = config
        self._path = parse_path(config.columns.label)
        self._format = format_of(config)

    def of(self, messages: Messages) -> NDArray[np.object_]:
        """Return the classes as text, None of a message without; only single values are classes."""
        messages = unwrap(self._config, messages).messages
        (found,) = self._format.values(messages, [self._path])
        return class_names([value if _is_single(value) else None for value in found])


def labels_of(config: DriftJobConfig) -> Labels | None:
    """Make what reads true classes; None where the configuration names none."""
    return Labels(config) if config.columns.label else None


def _is_single(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float)
