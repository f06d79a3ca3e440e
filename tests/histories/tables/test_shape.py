"""How tables are read: so that they need little memory."""

from __future__ import annotations

import pytest

from flink_jobs.histories.tables.shape import rows_per_batch
from tests.histories.examples import backtest_config


@pytest.mark.parametrize(
    ("n_features", "n_beside", "n_rows"),
    [
        (1, 1, 32_768),
        (128, 1, 32_768),
        (784, 1, 5_349),
        (2_000, 1, 2_097),
        (1, 8, 4_096),
        (1, 500, 256),
        (2_000, 500, 256),
    ],
)
def test_batches_of_wide_tables_and_of_many_have_fewer_rows(
    n_features: int, n_beside: int, n_rows: int
) -> None:
    config = backtest_config(input={"n_features": n_features})

    assert rows_per_batch(config, n_beside) == n_rows
