"""Finds model and event time of records: one crossing into Python for each batch of them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyflink.table import DataTypes
from pyflink.table.types import RowType
from pyflink.table.udf import ScalarFunction, UserDefinedScalarFunctionWrapper, udf

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.intake.finding import needs_payload
from flink_jobs.intake.formats.base import Messages
from flink_jobs.intake.formats.json import HEARTBEAT_KEY
from flink_jobs.intake.locating import Located, Locator
from flink_jobs.intake.partition_times import PartitionTimes
from flink_jobs.intake.unusable import UnusableEventError, encodable
from flink_jobs.records.dead_letters import Reason
from flink_jobs.times import FIRST_MS, NEVER_MS

_TYPES = {
    "model": DataTypes.STRING(),
    "event_ms": DataTypes.BIGINT(),
    "watermark_ms": DataTypes.BIGINT(),
    "reason": DataTypes.STRING(),
    "detail": DataTypes.STRING(),
}


def found_type() -> RowType:
    """Give the type of what :class:`Locate` finds of a record."""
    return DataTypes.ROW([DataTypes.FIELD(name, type_) for name, type_ in _TYPES.items()])


class Locate(ScalarFunction):
    """A pandas function over all records of a topic, in the order in which they are read.

    Parameters
    ----------
    config : DriftJobConfig
    partitions : iterable of int
        Those of the topic.
    ends : mapping of int to int
        Of a bounded job: the offset at which each partition ends, exclusive.
    """

    def __init__(
        self, config: DriftJobConfig, partitions: Iterable[int], ends: Mapping[int, int]
    ) -> None:
        self._config = config
        self._partitions = list(partitions)
        self._ends = dict(ends)
        self._reads = needs_payload(config)

    def is_deterministic(self) -> bool:
        """Tell the planner that what is found depends on the records before it."""
        return False

    def open(self, function_context: object) -> None:
        """Build the locator; event time begins anew, as it does in Flink's sources."""
        idle_timeout_ms = self._config.input.idle_timeout_ms
        self._locator = Locator(self._config, "topic")
        self._times = PartitionTimes(self._partitions, self._ends, idle_timeout_ms, _now_ms())

    def eval(
        self,
        key: pd.Series,
        partition: pd.Series,
        offset: pd.Series,
        record_ms: pd.Series,
        *more: pd.Series,
    ) -> pd.DataFrame:
        """Find models and event times.

        ``record_ms`` are the times of records. ``more`` are their payloads, if they are looked
        into, and what else is needed of them.
        """
        keys = key.to_list()
        messages = self._messages(partition, offset, more)
        given_ms = record_ms.to_numpy(dtype=np.int64)
        located = _with_dates(self._locator.locate(messages, given_ms, keys))
        is_heartbeat = np.array([each == HEARTBEAT_KEY for each in keys], dtype=np.bool_)
        times_ms, has_time = _times(located, given_ms, is_heartbeat)
        watermarks_ms = self._watermarks(partition, offset, times_ms, has_time)
        return _found(located, times_ms, watermarks_ms, is_heartbeat)

    def _messages(
        self, partition: pd.Series, offset: pd.Series, more: tuple[pd.Series, ...]
    ) -> Messages:
        payloads = more[0].to_list() if self._reads else [b""] * len(offset)
        parts = more[1:] if self._reads else more
        return Messages(
            payloads,
            lambda: [f"{p}:{o}" for p, o in zip(partition, offset, strict=True)],
            [tuple(row) for row in zip(*parts, strict=True)] if parts else None,
        )

    def _watermarks(
        self,
        partition: pd.Series,
        offset: pd.Series,
        times_ms: NDArray[np.int64],
        has_time: NDArray[np.bool_],
    ) -> NDArray[np.int64]:
        limits, now_ms = self._config.input, _now_ms()
        moves_time = has_time & (times_ms <= now_ms + limits.max_future_ms)
        reached_ms = self._times.reached(
            partition.to_numpy(dtype=np.int32),
            offset.to_numpy(dtype=np.int64),
            np.where(moves_time, times_ms, NEVER_MS),
            now_ms,
        )
        return np.maximum(reached_ms - limits.max_out_of_orderness_ms, FIRST_MS)


def locate(
    config: DriftJobConfig, partitions: Iterable[int], ends: Mapping[int, int]
) -> UserDefinedScalarFunctionWrapper:
    """Make the function for the query of records."""
    function = Locate(config, partitions, ends)
    return udf(function, result_type=found_type(), func_type="pandas", name="find_event")


def _with_dates(located: Located) -> Located:
    """Refuse times before the year 1: Flink has no timestamp for them, and the job would fail."""
    early = np.flatnonzero(located.times_ms < FIRST_MS).tolist()
    error = UnusableEventError(Reason.NO_TIME, "the event time lies before the year 1")
    return located._replace(problems=dict.fromkeys(early, error) | located.problems)


def _times(
    located: Located, given_ms: NDArray[np.int64], is_heartbeat: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Give event times, and which of them were found; the others are the records' own."""
    has_time = np.ones(len(given_ms), dtype=np.bool_)
    has_time[list(located.problems)] = False
    has_time |= is_heartbeat
    return np.where(has_time & ~is_heartbeat, located.times_ms, given_ms), has_time


def _found(
    located: Located,
    times_ms: NDArray[np.int64],
    watermarks_ms: NDArray[np.int64],
    is_heartbeat: NDArray[np.bool_],
) -> pd.DataFrame:
    models = list(located.models)
    for row in np.flatnonzero(is_heartbeat).tolist():
        models[row] = HEARTBEAT_KEY
    reasons: list[str | None] = [None] * len(models)
    details = reasons.copy()
    for row, error in located.problems.items():
        if not is_heartbeat[row]:
            reasons[row], details[row] = str(error.reason), encodable(error.detail)
    columns = models, times_ms, watermarks_ms, reasons, details
    return pd.DataFrame(dict(zip(_TYPES, columns, strict=True)))


def _now_ms() -> int:
    return int(time.time() * 1000)
