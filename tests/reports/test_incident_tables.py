"""The table of all columns of an incident, from the evidence that the backtest kept."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flink_jobs.config.loading import decode_config
from flink_jobs.config.tables.evidence import EvidenceTable
from flink_jobs.replay.engine import run_backtest
from flink_jobs.replay.result import EVIDENCE_FILE
from flink_jobs.reports.charts.classes import chart, class_mix, n_left_out, table
from flink_jobs.reports.incidents import IncidentView
from flink_jobs.reports.write import gather
from scripts.shared.report_sample import MINUTE_MS, START_MS, Sample
from scripts.shared.wide_sample import run_wide, wide_config

_ONE_CATEGORY = """
version = 1
kafka = {bootstrap_servers = "127.0.0.1:9092"}
panes = {width_ms = 60_000}
window = {kind = "time", size_ms = 600_000, slide_ms = 600_000}
reference = {kind = "first_events", n_events = 1_000}
policy = {windows_to_start = 1}
sample = {size = 2_000}
columns = {event_id = "", features = {city = "category"}}
"""


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return run_wide(tmp_path_factory.mktemp("wide"))


def only_incident(sample: Sample) -> IncidentView:
    (view,) = gather(sample.result).incidents.values()
    return view


def test_all_columns_are_listed_the_one_that_moved_most_first(wide: Sample) -> None:
    view = only_incident(wide)

    names = [column.name[:11] for column in view.table]
    assert names[:3] == ["tenure_of_t", "is_business", "plan"]
    assert len(names) == view.n_columns == 200
    assert sum(not column.is_chance for column in view.table) < 20
    assert [column.is_chance for column in view.table] == sorted(
        column.is_chance for column in view.table
    )


def test_the_table_says_the_same_as_the_alert(wide: Sample) -> None:
    view = only_incident(wide)
    listed = [column.moved for column in view.table]

    for said, found in zip(view.strongest.top_columns, listed, strict=False):
        assert msgspec.structs.replace(found, categories=said.categories) == said
        assert found.categories[: len(said.categories)] == said.categories


def test_without_evidence_the_alerts_columns_are_listed(wide: Sample, tmp_path: Path) -> None:
    config = msgspec.structs.replace(wide_config(), evidence=EvidenceTable(rows=0))
    result = run_backtest(config, wide.history, folder=tmp_path / "result", processes=1)

    (view,) = gather(result).incidents.values()

    said = [column.column for column in view.strongest.top_columns]
    assert [column.moved.column for column in view.table] == said
    assert (view.n_columns, view.is_whole) == (len(said), False)
    assert (tmp_path / "result" / EVIDENCE_FILE).read_bytes() == b""


def test_new_categories_are_counted_among_all_events_of_a_window(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    times = np.sort(START_MS + rng.integers(0, 60 * MINUTE_MS, size=6_000))
    is_late = times > START_MS + 40 * MINUTE_MS
    is_rare = rng.random(6_000) < 0.3
    cities = np.where(is_rare, rng.integers(100, 500, size=6_000), rng.integers(0, 20, size=6_000))
    cities += 1_000 * (is_late & (rng.random(6_000) < 0.4))
    texts = [f"city {city}" for city in cities]
    pq.write_table(
        pa.table({"model": ["m"] * 6_000, "time_ms": times, "city": texts}),
        tmp_path / "history.parquet",
    )
    result = run_backtest(
        decode_config(_ONE_CATEGORY.encode()), tmp_path / "history.parquet", processes=1
    )

    views = gather(result).incidents.values()

    assert views
    for view in views:
        window = view.strongest.window
        inside = (times >= window.start_ms) & (times < window.end_ms)
        before, now = texts[:1_000], [texts[place] for place in np.flatnonzero(inside)]
        (column,) = view.table
        assert view.note == ""
        assert column.moved.n_new == len({*now} - {*before})
        counts = Counter(now)
        new_share = sum(counts[text] for text in {*now} - {*before}) / len(now)
        assert column.moved.new_share == pytest.approx(new_share)


def test_of_many_classes_those_that_moved_most_are_drawn_and_all_are_listed() -> None:
    rng = np.random.default_rng(6)
    before, now = (rng.dirichlet(np.ones(60), size=600) for _ in range(2))
    now[:, 41] += 1.0
    mix = class_mix(before, now / now.sum(axis=1, keepdims=True), seed=0)

    drawn, rows = chart(mix), table(mix)

    assert len(drawn.layout.yaxis.ticktext) == 20
    assert "41" in drawn.layout.yaxis.ticktext
    assert (len(rows), n_left_out(mix)) == (60, 40)
