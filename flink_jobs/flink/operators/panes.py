"""Packs the raw records of one pane: one crossing between the JVM and Python per pane."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pyflink.table import AggregateFunction, DataTypes
from pyflink.table.udf import UserDefinedAggregateFunctionWrapper, udaf

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.intake.panes import PanePacker


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

    def create_accumulator(self) -> list[bytes]:
        """Holds the packed pane between ``accumulate`` and ``get_value``."""
        return []

    def accumulate(
        self,
        accumulator: list[bytes],
        model: pd.Series,
        payload: pd.Series,
        partition: pd.Series,
        offset: pd.Series,
        time_ms: pd.Series,
    ) -> None:
        """Pack all rows of a pane, handed over in one call; all have the same model."""
        packed = self._packer.pack(
            model.iloc[0],
            payload.to_list(),
            partition.to_numpy(dtype=np.int32),
            offset.to_numpy(dtype=np.int64),
            time_ms.to_numpy(dtype=np.int64),
        )
        accumulator.append(packed)

    def get_value(self, accumulator: list[bytes]) -> bytes:
        """The packed pane."""
        return accumulator[0]


def pack_pane(config: DriftJobConfig) -> UserDefinedAggregateFunctionWrapper:
    """The aggregate function for the window query."""
    return udaf(PackPane(config), result_type=DataTypes.BYTES(), func_type="pandas", name="pack")
