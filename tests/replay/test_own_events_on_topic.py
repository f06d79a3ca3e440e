"""Rows of any shape go to a topic as Loudly's own events, and what is said of them finds back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.own_events import as_own_events
from flink_jobs.histories.batches import Batch, Names
from flink_jobs.histories.sources import open_source
from flink_jobs.intake.formats.base import HAS_FEATURES, HAS_OUTPUTS, Messages, ReadEvents
from flink_jobs.intake.layouts import Layout, Layouts
from flink_jobs.intake.unusable import UnusableEventError
from flink_jobs.records.dead_letters import DeadLetter, Reason
from flink_jobs.replay.on_flink.files_on_topic import FilesOnTopic
from tests.histories.examples import START_MS
from tests.histories.test_churn_table import NESTED, churn_table, job, nested_rows
from tests.intake.examples import named_config

CONFIG = named_config(
    {"features": {"age": "number"}, "outputs": {"p": "probability"}, "model_name": "m"},
    views=[{"name": "ages", "columns": ["age"]}, {"name": "answers", "columns": ["p"]}],
)


class SeveralEvents:
    """Rows of which each holds so many events, requests and responses by turns."""

    has_payloads = False
    are_events = False

    def __init__(self, n_events: Sequence[int], unusable: Sequence[int] = ()) -> None:
        self._n_events = n_events
        self._unusable = unusable

    def payload(self, row: int) -> bytes | None:
        return None

    def sizes(self, rows: NDArray[np.intp]) -> NDArray[np.int64]:
        return np.zeros(len(rows), dtype=np.int64)

    def labels(self, rows: NDArray[np.intp]) -> NDArray[np.object_] | None:
        return None

    def read(
        self, layout: Layout, rows: NDArray[np.intp], names: Callable[[], list[str]]
    ) -> ReadEvents:
        counts = np.array(self._n_events)[rows]
        messages = np.repeat(np.arange(len(rows)), counts)
        n = len(messages)
        unusable = {
            number: UnusableEventError(Reason.INVALID_EVENT, f"event {number}")
            for number in self._unusable
        }
        places = np.array([number for number in range(n) if number not in unusable], dtype=np.intp)
        is_answer = places % 2 == 1
        x = np.where(is_answer[:, None], [np.nan, 0.5], [1.0, np.nan])
        return ReadEvents(
            places,
            [f"e{number}" for number in places.tolist()],
            x,
            unusable,
            messages=messages,
            rows=np.concatenate([np.arange(k, dtype=np.int32) for k in counts.tolist()]),
            parts=np.where(is_answer, HAS_OUTPUTS, HAS_FEATURES).astype(np.int8),
        )


def batch_of(rows: SeveralEvents, n: int, names: Names, first: int = 0) -> Batch:
    times_ms = START_MS + np.arange(n, dtype=np.int64)
    return Batch(
        codes=np.full(n, names["m"], dtype=np.int32),
        times_ms=times_ms,
        partitions=np.zeros(n, dtype=np.int32),
        offsets=np.arange(first, first + n, dtype=np.int64),
        reached_ms=times_ms,
        reached_after_ms=int(times_ms[-1]),
        rows=rows,
        done=n,
    )


def files_of(config: DriftJobConfig, names: Names, path: Path | None = None) -> FilesOnTopic:
    source = open_source(str(path), config) if path else None
    return FilesOnTopic(source, config, names)  # type: ignore[arg-type]


def letter(offset: int, reason: Reason) -> DeadLetter:
    return DeadLetter(
        reason=reason, detail="said by the job", model="m", partition=0, offset=offset,
        event_time_ms=START_MS,
    )  # fmt: skip


counts = st.lists(st.integers(1, 4), min_size=1, max_size=12)


@given(st.lists(counts, min_size=1, max_size=4))
def test_each_record_finds_back_to_its_row_and_its_event(batches: list[list[int]]) -> None:
    names = Names()
    files = files_of(CONFIG, names)
    # The oracle: one entry for each event, in the order of the rows.
    wanted: list[tuple[int, int]] = []
    for first, n_events in zip(accumulate([0, *map(len, batches)]), batches, strict=False):
        batch = batch_of(SeveralEvents(n_events), len(n_events), names, first)
        records = list(files.records(batch))
        wanted += [(first + row, place) for row, n in enumerate(n_events) for place in range(n)]
        assert len(records) == sum(n_events)

    late = files.letters(letter(offset, Reason.LATE) for offset in range(len(wanted)))

    assert [(each.offset, each.row) for each in late] == wanted
    assert files.n_records == len(wanted)
    assert files.n_more["m"] == len(wanted) - sum(map(len, batches))


def test_an_event_has_the_part_that_its_row_had_and_unusable_ones_their_reason() -> None:
    names = Names()
    files = files_of(CONFIG, names)

    records = list(files.records(batch_of(SeveralEvents([1, 3], [2]), 2, names)))
    (found,) = files.letters([letter(2, Reason.UNDECODABLE)])

    assert [b'"features"' in value for _, value, _ in records] == [True, False, False, False]
    assert [b'"outputs"' in value for _, value, _ in records] == [False, True, False, True]
    assert (found.offset, found.row, found.detail) == (1, 1, "event 2")
    assert [time_ms - START_MS for _, _, time_ms in records] == [0, 1, 1, 1]


def test_nested_rows_are_read_by_the_job_as_the_file_has_them(tmp_path: Path) -> None:
    config, names = job(NESTED, input={"format": "json"}), Names()
    table = churn_table().slice(0, 50)
    pq.write_table(pa.Table.from_pylist([*nested_rows(table)]), tmp_path / "a.parquet")
    files = files_of(config, names, tmp_path / "a.parquet")
    source = open_source(str(tmp_path / "a.parquet"), config)

    (batch,) = source.batches(names, 10**15)
    records = list(files.records(batch))
    rows = np.arange(len(records))
    direct = batch.rows.read(Layouts(config).of("churn"), rows, list)
    own = Layouts(as_own_events(config)).of("churn")
    through = own.decode(Messages([value for _, value, _ in records], list))

    assert [key for key, _, _ in records] == [b"churn"] * 50
    assert through.event_ids == direct.event_ids == table["id"].to_pylist()
    np.testing.assert_array_equal(through.x, direct.x)
    assert through.texts == direct.texts
    assert through.unusable == {}
