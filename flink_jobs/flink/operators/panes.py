"""Packs the raw records of one pane: one crossing between the JVM and Python per pane."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyflink.table import AggregateFunction, DataTypes
from pyflink.table.udf import UserDefinedAggregateFunctionWrapper, udaf

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.intake.panes import PanePacker


class _Batch(NamedTuple):
    """Some records of a pane; all records of a pane have the same model."""

    model: str
    payloads: list[bytes]
    partitions: NDArray[np.int32]
    offsets: NDArray[np.int64]
    times_ms: NDArray[np.int64]


class PackPane(AggregateFunction):
    """A pandas aggregate function over the records of one pane.

    Parameters
    ----------
    config : DriftJobConfig
    """

    def __init__(self, config: DriftJobConfig) -> None:
        self._config = config

    def open(self, function_context: object) -> None:
        """Build the packer; called once in every Python worker."""
        self._packer = PanePacker(self._config)

    def create_accumulator(self) -> list[_Batch]:
        """Hold the records of a pane between ``accumulate`` and ``get_value``."""
        return []

    def accumulate(
        self,
        accumulator: list[_Batch],
        model: pd.Series,
        payload: pd.Series,
        partition: pd.Series,
        offset: pd.Series,
        time_ms: pd.Series,
    ) -> None:
        """Take rows of a pane; Flink 2.3 hands over all in one call, but promises nothing."""
        accumulator.append(
            _Batch(
                model.iloc[0],
                payload.to_list(),
                partition.to_numpy(dtype=np.int32),
                offset.to_numpy(dtype=np.int64),
                time_ms.to_numpy(dtype=np.int64),
            )
        )

    def get_value(self, accumulator: list[_Batch]) -> bytes:
        """Pack all rows of the pane."""
        models, payloads, partitions, offsets, times_ms = zip(*accumulator, strict=True)
        return self._packer.pack(
            models[0],
            [payload for batch in payloads for payload in batch],
            np.concatenate(partitions),
            np.concatenate(offsets),
            np.concatenate(times_ms),
        )


def pack_pane(config: DriftJobConfig) -> UserDefinedAggregateFunctionWrapper:
    """Make the aggregate function for the window query."""
    return udaf(PackPane(config), result_type=DataTypes.BYTES(), func_type="pandas", name="pack")
