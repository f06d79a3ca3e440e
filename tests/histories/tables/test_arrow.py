"""Arrow files of users: read as they were written, or refused in plain words."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather as pa_feather
import pytest

from flink_jobs.histories.batches import Names
from flink_jobs.histories.errors import SourceError
from flink_jobs.histories.sources import open_source
from flink_jobs.replay.pane_builder import PaneBuilder
from flink_jobs.times import FOREVER_MS
from tests.histories.examples import START_MS
from tests.intake.examples import named_config

N = 300
CONFIG = named_config(
    {
        "features": {"age": "number", "plan": {"type": "category", "may_be_missing": True}},
        "model_name": "m",
        "time": "at",
    }
)


def table() -> pa.Table:
    plans = ["pro", None, "plus"] * (N // 3)
    return pa.table(
        {
            "at": START_MS + np.arange(N),
            "unread": [["x"]] * N,
            "age": np.arange(N, dtype=np.float64),
            "plan": pa.array(plans).dictionary_encode(),
        }
    )


def n_events(path: Path) -> int:
    names = Names()
    builder = PaneBuilder(CONFIG, names)
    for batch in open_source(str(path), CONFIG).batches(names, FOREVER_MS):
        builder.add(batch, np.arange(len(batch.codes)))
    return sum(len(pane.events) for pane in builder.close(FOREVER_MS))


@pytest.mark.parametrize("compression", ["uncompressed", "lz4", "zstd"])
def test_a_feather_file_is_read(tmp_path: Path, compression: str) -> None:
    pa_feather.write_feather(
        table(), str(tmp_path / "a.feather"), compression=compression, chunksize=70
    )

    assert n_events(tmp_path / "a.feather") == N


def test_files_that_are_none_say_so(tmp_path: Path) -> None:
    pa_feather.write_feather(table(), str(tmp_path / "a.feather"))
    whole = (tmp_path / "a.feather").read_bytes()
    pa_feather.write_feather(table().select(["at", "age"]), str(tmp_path / "1.feather"), version=1)
    (tmp_path / "cut.arrow").write_bytes(whole[:-40])
    (tmp_path / "other.arrow").write_bytes(b"PAR1" * 100)
    (tmp_path / "empty.arrow").touch()

    with pytest.raises(SourceError, match=r"1\.feather is a Feather file of version 1"):
        n_events(tmp_path / "1.feather")
    for name in ("cut", "other"):
        with pytest.raises(SourceError, match=f"{name}.arrow is not a complete Arrow file"):
            n_events(tmp_path / f"{name}.arrow")
    assert n_events(tmp_path / "empty.arrow") == 0


@pytest.mark.parametrize("seed", range(40))
def test_damage_is_an_error_or_other_numbers_and_nothing_else(tmp_path: Path, seed: int) -> None:
    """Without the check in full, some of these files end the process."""
    rng = random.Random(seed)
    path = tmp_path / "a.arrow"
    with pa.ipc.new_file(str(path), table().schema) as file:
        file.write_table(table(), max_chunksize=100)
    data = bytearray(path.read_bytes())
    for _ in range(rng.choice([1, 4, 40])):
        place = rng.randrange(len(data))
        data[place] = rng.choice([0, 1, 127, 128, 255, rng.randrange(256)])
    path.write_bytes(data)

    try:
        n = n_events(path)
    except SourceError:
        return
    assert 0 <= n <= N
