"""Packs raw records: one crossing between the JVM and Python for each pane of a shard."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pandas as pd
from pyflink.table import AggregateFunction, DataTypes
from pyflink.table.udf import UserDefinedAggregateFunctionWrapper, udaf

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.intake.panes import PanePacker
from flink_jobs.intake.shards import ShardRecords, pack_shard


class PackPanes(AggregateFunction):
    """A pandas aggregate function over the records of one pane of a shard's models.

    Parameters
    ----------
    config : DriftJobConfig
    """

    def __init__(self, config: DriftJobConfig) -> None:
        self._config = config

    def open(self, function_context: object) -> None:
        """Build the packer; called once in every Python worker."""
        self._packer = PanePacker(self._config)

    def create_accumulator(self) -> list[ShardRecords]:
        """Hold the records of a pane between ``accumulate`` and ``get_value``."""
        return []

    def accumulate(
        self,
        accumulator: list[ShardRecords],
        model: pd.Series,
        payload: pd.Series,
        partition: pd.Series,
        offset: pd.Series,
        time_ms: pd.Series,
        *parts: pd.Series,
    ) -> None:
        """Take rows of a pane; Flink 2.3 hands over all in one call, but promises nothing.

        ``parts`` are what panes need of the records besides their values.
        """
        accumulator.append(
            ShardRecords(
                model.to_list(),
                payload.to_list(),
                partition.to_numpy(dtype=np.int32),
                offset.to_numpy(dtype=np.int64),
                time_ms.to_numpy(dtype=np.int64),
                [tuple(row) for row in zip(*parts, strict=True)] if parts else None,
            )
        )

    def get_value(self, accumulator: list[ShardRecords]) -> bytes:
        """Pack all rows of the pane, model by model."""
        models, payloads, partitions, offsets, times_ms, parts = zip(*accumulator, strict=True)
        return pack_shard(
            self._packer,
            ShardRecords(
                list(chain.from_iterable(models)),
                list(chain.from_iterable(payloads)),
                np.concatenate(partitions),
                np.concatenate(offsets),
                np.concatenate(times_ms),
                None if parts[0] is None else list(chain.from_iterable(parts)),
            ),
        )


def pack_panes(config: DriftJobConfig) -> UserDefinedAggregateFunctionWrapper:
    """Make the aggregate function for the window query."""
    return udaf(PackPanes(config), result_type=DataTypes.BYTES(), func_type="pandas", name="pack")
