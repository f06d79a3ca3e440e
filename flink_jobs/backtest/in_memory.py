"""Tables of a notebook as a history: processes read files, so they become one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from flink_jobs.backtest.errors import SourceError


def write_table(table: Any, folder: Path) -> Path:
    """Write a pyarrow table or a pandas data frame to a file in ``folder``.

    Raises
    ------
    SourceError
        When it is neither, or holds what a file cannot.
    """
    path = folder / "table.parquet"
    try:
        if not isinstance(table, pa.Table):
            table = pa.Table.from_pandas(table, preserve_index=False)
        pq.write_table(table, path, compression="none")
    except (pa.ArrowException, AttributeError, TypeError) as error:
        raise SourceError(
            f"{type(table).__name__} is no table that can be replayed: pass a path, a pyarrow "
            f"table or a pandas data frame ({error})"
        ) from error
    return path
