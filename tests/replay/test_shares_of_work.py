"""Work of a backtest is divided: each row is decoded by one process and monitored by one."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import shutil
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.core.artefacts import Artefacts
from flink_jobs.histories.batches import Names, Source
from flink_jobs.histories.errors import BacktestError, SourceError
from flink_jobs.histories.exchange import Exchange
from flink_jobs.histories.input_files import find_files
from flink_jobs.histories.lines.decoder import LineDecoder
from flink_jobs.histories.lines.json_lines import JsonLines
from flink_jobs.histories.shards import Found
from flink_jobs.histories.sources import open_source
from flink_jobs.histories.tables import parquet
from flink_jobs.histories.tables.shape import Piece
from flink_jobs.histories.tables.tables import Tables
from flink_jobs.replay.engine import Progress, run_backtest
from flink_jobs.replay.result import SCORES_FILE, BacktestResult
from flink_jobs.replay.worker import Order, run_part
from tests.histories.examples import (
    START_MS,
    Write,
    backtest_config,
    columns,
    make_events,
    write_csv,
    write_json_lines,
    write_parquet,
)

MODELS = [f"m{n:02}" for n in range(32)]
EVENTS = make_events(MODELS, n=60)


def in_row_groups(path: Path, events: Any) -> Path:
    return write_parquet(path, events, row_group_size=15)


class Work:
    """Counts, by process, the rows that are decoded and how many of them are monitored."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.decoded: Counter[int] = Counter()
        self.monitored: Counter[int] = Counter()
        self.n_of_row: Counter[int] = Counter()
        self._part = threading.local()
        self._lock = threading.Lock()
        of_piece, of_lines = Tables._of_piece, LineDecoder.decode

        def count_piece(tables: Tables, piece: Piece, shape: Any) -> Found:
            self._count(piece.batch.num_rows, piece.offsets.tolist())
            return of_piece(tables, piece, shape)

        def count_lines(decoder: LineDecoder, lines: list[bytes]) -> Found:
            self._count(len(lines), lines)
            return of_lines(decoder, lines)

        patch.setattr(Tables, "_of_piece", count_piece)
        patch.setattr(LineDecoder, "decode", count_lines)

    def run(self, order: Order, n_parts: int) -> None:
        def run(part: int) -> None:
            self._part.number = part
            # As processes do, each has an order of its own.
            own = pickle.loads(pickle.dumps(order))
            self.monitored[part] = run_part(own, part, n_parts, lambda *_: None).n_events

        with ThreadPoolExecutor(n_parts) as pool:
            list(pool.map(run, range(n_parts)))

    def _count(self, n: int, rows: list[Any]) -> None:
        with self._lock:
            self.decoded[self._part.number] += n
            self.n_of_row.update(rows)


@pytest.fixture
def small_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "_ROWS_PER_READER", 15)


def opened(path: Path) -> tuple[DriftJobConfig, Source]:
    if path.suffix == ".jsonl":
        config = backtest_config()
        return config, JsonLines(find_files(path), LineDecoder(config), chunk_bytes=2_000)
    config = backtest_config(columns=columns())
    return config, open_source(str(path), config)


@pytest.mark.usefixtures("small_stretches")
@pytest.mark.parametrize("n_parts", [1, 2, 8, 16])
@pytest.mark.parametrize(
    ("write", "name"),
    [(in_row_groups, "a.parquet"), (write_json_lines, "a.jsonl"), (write_csv, "a.csv")],
)
def test_each_row_is_decoded_once_and_monitored_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Write, name: str, n_parts: int
) -> None:
    config, source = opened(write(tmp_path / name, EVENTS))
    (tmp_path / "parts").mkdir()
    work = Work(monkeypatch)

    work.run(Order(config, source, tmp_path / "parts", Artefacts(), START_MS + 10**10), n_parts)

    assert len(work.n_of_row) == len(EVENTS)
    assert set(work.n_of_row.values()) == {1}
    assert work.decoded.total() == work.monitored.total() == len(EVENTS)
    # Models are dealt out in the order in which they appear.
    assert set(work.monitored.values()) == {len(EVENTS) // n_parts}


def test_a_process_that_is_killed_leaves_no_result_and_no_shards(tmp_path: Path) -> None:
    events = make_events(MODELS, n=400)
    path = write_parquet(tmp_path / "a.parquet", events, row_group_size=1_000)
    folder = tmp_path / "out"

    def kill_one(_: Progress) -> None:
        for child in multiprocessing.active_children()[:1]:
            child.kill()

    with pytest.raises(BacktestError, match="died with status -9"):
        run_backtest(
            backtest_config(columns=columns()),
            path,
            folder=folder,
            processes=2,
            progress=kill_one,
        )

    assert not multiprocessing.active_children()
    assert not list(folder.glob(".parts-*"))
    with pytest.raises(BacktestError, match="holds no result"):
        BacktestResult.open(folder)


def test_a_backtest_without_room_for_its_shards_is_not_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, folder = write_parquet(tmp_path / "a.parquet", EVENTS), tmp_path / "out"
    config = backtest_config(columns=columns())
    run_backtest(config, path, folder=folder, processes=1)
    before = (folder / SCORES_FILE).read_bytes()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1))

    with pytest.raises(BacktestError, match=r"of decoded rows in .*/out, where 0 MB are free"):
        run_backtest(config, path, folder=folder, processes=2)

    assert before
    assert (folder / SCORES_FILE).read_bytes() == before
    assert run_backtest(config, path, folder=folder, processes=1).summary.n_used == len(EVENTS)


@pytest.mark.usefixtures("small_stretches")
@pytest.mark.parametrize(
    ("write", "name"), [(in_row_groups, "a.parquet"), (write_json_lines, "a.jsonl")]
)
def test_a_file_that_is_not_the_same_for_all_processes_is_told(
    tmp_path: Path, write: Write, name: str
) -> None:
    path = write(tmp_path / name, EVENTS)
    (tmp_path / "parts").mkdir()
    exchanges = [Exchange(tmp_path / "parts", part, 2) for part in range(2)]
    first, second = (
        opened(path)[1].batches(Names(), START_MS + 10**10, exchange) for exchange in exchanges
    )

    next(first)
    os.utime(path, ns=(0, 0))

    with pytest.raises(SourceError, match=f"{name} changed while it was read"):
        next(second)
