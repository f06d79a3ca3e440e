"""Stand-in until the real one is there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.locations import locations_of
from flink_jobs.intake.formats.base import Messages
from flink_jobs.intake.unusable import UnusableEventError
from flink_jobs.records.dead_letters import Reason


class Located(NamedTuple):
    models: Sequence[str | None]
    times_ms: NDArray[np.int64]
    problems: dict[int, UnusableEventError]


class Locator:
    def __init__(self, config: DriftJobConfig, holder: Literal["topic", "lines", "table"]) -> None:
        self._config = config
        self._locations = locations_of(config, holder)
        self.needs_payload = True

    def locate(
        self, messages: Messages, times_ms: NDArray[np.int64], keys: Sequence[str | None]
    ) -> Located:
        problems: dict[int, UnusableEventError] = {}
        times = times_ms.copy()
        models: list[str | None] = []
        for row, payload in enumerate(messages.payloads):
            try:
                tree = json.loads(payload)
            except ValueError as error:
                problems[row] = UnusableEventError(Reason.UNDECODABLE, str(error))
                models.append(None)
                continue
            model = keys[row]
            if self._locations.model.kind == "payload":
                model = _at(tree, self._locations.model.path)
                if not isinstance(model, str):
                    problems[row] = UnusableEventError(Reason.NO_MODEL, "model is missing")
                    model = None
            if self._locations.time.kind == "payload":
                time_ms = _at(tree, self._locations.time.path)
                if isinstance(time_ms, int):
                    times[row] = time_ms
                else:
                    problems[row] = UnusableEventError(Reason.NO_TIME, "time is missing")
            models.append(model)
        return Located(models, times, problems)


def _at(tree: Any, path: Sequence[str | int]) -> Any:
    for step in path:
        tree = tree.get(step) if isinstance(tree, dict) else None
    return tree
