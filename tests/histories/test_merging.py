"""Files that overlap in time give what one file in order of time gives."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.histories.batches import Batch, EventTime, Names
from flink_jobs.histories.errors import SourceError
from flink_jobs.histories.known_drifts.shift_table import KnockOutShift
from flink_jobs.histories.lines.rows import PayloadRows
from flink_jobs.histories.merging import files as merged_files
from flink_jobs.histories.sources import open_source
from flink_jobs.replay.engine import run_backtest
from flink_jobs.replay.on_flink.files_on_topic import FilesOnTopic
from flink_jobs.times import NEVER_MS
from tests.histories.examples import (
    START_MS,
    Event,
    Write,
    backtest_config,
    columns,
    json_line,
    make_events,
    to_table,
    write_csv,
    write_json_lines,
    write_parquet,
)

FORMATS = [("jsonl", write_json_lines), ("csv", write_csv), ("parquet", write_parquet)]


def beside_each_other(**tables: Any) -> DriftJobConfig:
    own = columns() | {"files": "side_by_side"} | tables.pop("columns", {})
    return backtest_config(columns=own, **tables)


def write_models(folder: Path, ending: str, write: Write, events: list[Event]) -> Path:
    """A file for each model."""
    folder.mkdir()
    for model in sorted({event.model for event in events}):
        own = [event for event in events if event.model == model]
        write(folder / f"{model}.{ending}", own)
    return folder


@pytest.mark.parametrize(("ending", "write"), FORMATS)
@pytest.mark.parametrize("processes", [1, 2])
def test_a_file_for_each_model_gives_the_scores_of_one_file(
    tmp_path: Path, ending: str, write: Write, processes: int
) -> None:
    events = make_events()
    config = beside_each_other(columns={"features": "features"} if ending == "jsonl" else {})
    one = run_backtest(config, write(tmp_path / f"a.{ending}", events), processes=1)

    result = run_backtest(
        config, write_models(tmp_path / "models", ending, write, events), processes=processes
    )

    assert list(result.scores()) == list(one.scores())
    assert [a.alert_id for a in result.alerts()] == [a.alert_id for a in one.alerts()]
    assert result.summary.n_used == len(events)
    assert result.summary.warnings == []


def test_batches_of_any_size_are_merged_to_the_same_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = make_events()
    folder = write_models(tmp_path / "models", "parquet", write_parquet, events)
    whole = run_backtest(beside_each_other(), folder, processes=1)
    monkeypatch.setattr("flink_jobs.histories.tables.shape._FEWEST_ROWS", 7)
    monkeypatch.setattr("flink_jobs.histories.tables.shape._MOST_ROWS", 7)

    result = run_backtest(beside_each_other(), folder, processes=1)

    assert list(result.scores()) == list(whole.scores())
    assert result.alerts() == whole.alerts()


def test_what_cannot_be_used_is_a_dead_letter_of_its_file_and_row(tmp_path: Path) -> None:
    events = make_events(models=["a", "b"], n=100)
    folder = tmp_path / "models"
    folder.mkdir()
    for model in "ab":
        lines = [json_line(event) for event in events if event.model == model]
        lines[20:20] = [b"{", json_line(Event(model, START_MS + 900, "short", [1.0]))]
        (folder / f"{model}.jsonl").write_bytes(b"\n".join(lines))
    config = beside_each_other(columns={"features": "features"})

    result = run_backtest(config, folder, processes=2)

    letters = result.dead_letters()
    assert [(Path(each.where).name, each.reason.value) for each in letters] == [
        ("a.jsonl:21", "undecodable"),
        ("a.jsonl:22", "wrong_length"),
        ("b.jsonl:21", "undecodable"),
        ("b.jsonl:22", "wrong_length"),
    ]
    assert result.summary.n_events == 204
    assert result.summary.n_used == 200


def test_rows_without_ids_are_called_after_their_file_and_row(tmp_path: Path) -> None:
    config = beside_each_other(
        columns={"event_id": ""}, policy={"exemplars": 3}, reference={"n_events": 30}
    )
    folder = write_models(tmp_path / "models", "parquet", write_parquet, make_events())

    result = run_backtest(config, folder, processes=1)

    shown = [each for alert in result.alerts() for each in alert.exemplars]
    assert shown
    assert {each.partition for each in shown} == {2}
    assert all(each.event_id == f"2:{each.offset}" for each in shown)


def test_labels_of_all_files_reach_the_simulated_shifts(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    for model in "ab":
        events = make_events(models=[model], n=100)
        labels = pa.array([str(row % 2) for row in range(100)])
        pq.write_table(to_table(events).append_column("y", labels), folder / f"{model}.parquet")
    shift = KnockOutShift(start_ms=START_MS, end_ms=START_MS + 10**6, knocked_out="1")

    result = run_backtest(
        beside_each_other(columns={"label": "y"}), folder, processes=1, shifts=[shift]
    )

    assert result.summary.n_events == 200
    assert result.summary.n_used == 100


def test_on_a_topic_the_rows_are_in_the_merged_order(tmp_path: Path) -> None:
    events = make_events(n=20)
    config = beside_each_other()
    source = open_source(
        str(write_models(tmp_path / "models", "parquet", write_parquet, events)), config
    )
    names = Names()
    files = FilesOnTopic(source, config, names)

    records = [
        record
        for batch in source.batches(names, START_MS + 10**9)
        for record in files.records(batch)
    ]

    times = [time_ms for _, _, time_ms in records]
    assert times == sorted(event.time_ms for event in events)
    assert [key for key, _, _ in records] == [event.model.encode() for event in events]


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merged_files, "MOST_FILES", 2)
    folder = write_models(tmp_path / "models", "csv", write_csv, make_events(n=5))

    with pytest.raises(SourceError, match="3 files cannot be read side by side"):
        run_backtest(beside_each_other(), folder, processes=1)


class InPieces:
    """A file of given times, read in pieces; each row's payload is its number."""

    def __init__(self, times_ms: list[int], edges: list[int]) -> None:
        self.name, self.sources, self.warnings, self.total = "file", ["file"], list[str](), 1
        self.decoded_bytes = 1
        ends = sorted({min(edge, len(times_ms)) for edge in edges} | {0, len(times_ms)})
        self._times_ms = np.array(times_ms, dtype=np.int64)
        self._pieces = list(pairwise(ends))

    def place(self, partition: int, offset: int) -> str:
        return f"file:{offset + 1}"

    def batches(self, names: Names, horizon_ms: int, exchange: object = None) -> Any:
        time = EventTime(horizon_ms)
        for begin, end in self._pieces:
            times_ms, n = self._times_ms[begin:end], end - begin
            yield Batch(
                codes=np.zeros(n, dtype=np.int32),
                times_ms=times_ms,
                partitions=np.zeros(n, dtype=np.int32),
                offsets=np.arange(begin, end),
                reached_ms=time.before(times_ms),
                reached_after_ms=time.reached_ms,
                rows=PayloadRows([str(row).encode() for row in range(begin, end)]),
                done=1,
            )


_files = st.lists(
    st.tuples(st.lists(st.integers(0, 30), max_size=20), st.lists(st.integers(0, 20), max_size=4)),
    min_size=1,
    max_size=4,
)


@given(_files)
def test_rows_come_in_order_of_the_time_that_their_file_has_reached(
    files: list[tuple[list[int], list[int]]],
) -> None:
    horizon_ms = 25
    sources = [InPieces(*file) for file in files]

    batches = list(merged_files.MergedFiles(sources).batches(Names(), horizon_ms))

    rows = [
        (int(number), int(offset), int(time_ms), int(before_ms), batch.rows.payload(row))
        for batch in batches
        for row, (number, offset, time_ms, before_ms) in enumerate(
            zip(batch.partitions, batch.offsets, batch.times_ms, batch.reached_ms, strict=True)
        )
    ]
    ranked = []
    for number, (times_ms, _) in enumerate(files):
        rank = NEVER_MS
        for offset, time_ms in enumerate(times_ms):
            rank = max(rank, time_ms if time_ms <= horizon_ms else NEVER_MS)
            ranked.append((rank, number, offset, time_ms))
    wanted, reached_ms = [], NEVER_MS
    for _, number, offset, time_ms in sorted(ranked):
        wanted.append((number, offset, time_ms, reached_ms, str(offset).encode()))
        reached_ms = max(reached_ms, time_ms if time_ms <= horizon_ms else NEVER_MS)
    assert rows == wanted
