"""Evidence and accuracy in the folder of a result: the same from any number of processes."""

from __future__ import annotations

import resource
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flink_jobs.histories.batches import Names
from flink_jobs.histories.errors import BacktestError
from flink_jobs.histories.sources import open_source
from flink_jobs.records.evidence import Evidence
from flink_jobs.replay.engine import run_backtest
from flink_jobs.replay.on_flink.counts import AnswerCounts
from flink_jobs.replay.result import ACCURACY_FILE, EVIDENCE_FILE, BacktestResult
from flink_jobs.reports.evidence import values_of
from flink_jobs.reports.write import gather
from tests.histories.examples import (
    FEATURES,
    START_MS,
    backtest_config,
    columns,
    json_line,
    make_events,
    to_table,
    write_parquet,
)

MODELS = ["a", "b", "c"]


def all_evidence(result: BacktestResult) -> list[Evidence]:
    lines = (result.folder / EVIDENCE_FILE).read_bytes().splitlines()
    return [msgspec.json.decode(line, type=Evidence) for line in lines]


@pytest.mark.parametrize(
    "reference",
    [
        {"n_events": 30},
        {"kind": "trailing", "size_ms": 4_000, "step_ms": 1_000, "min_events": 20},
    ],
    ids=["first events", "trailing"],
)
def test_the_number_of_processes_changes_no_byte_of_the_evidence(
    tmp_path: Path, reference: dict[str, Any]
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join(json_line(event, y=n % 2) for n, event in enumerate(make_events())))
    config = backtest_config(reference=reference)

    one, two = (run_backtest(config, path, folder=tmp_path / str(n), processes=n) for n in (1, 2))

    found = (one.folder / EVIDENCE_FILE).read_bytes()
    assert found == (two.folder / EVIDENCE_FILE).read_bytes() != b""
    places = Counter((each.incident_id, each.place) for each in all_evidence(one))
    assert set(places.values()) == {1}


def test_every_incident_has_the_evidence_of_its_first_and_of_its_strongest_alert(
    tmp_path: Path,
) -> None:
    path = write_parquet(tmp_path / "a.parquet", make_events())
    result = run_backtest(backtest_config(columns=columns()), path, processes=1)

    alerts = [alert for alert in result.alerts() if alert.kind != "recovered"]

    of_incident: dict[str, list[Evidence]] = {}
    for each in all_evidence(result):
        of_incident.setdefault(each.incident_id, []).append(each)
    assert of_incident.keys() == {alert.incident_id for alert in alerts} != set()
    for incident_id, kept in of_incident.items():
        own = [alert for alert in alerts if alert.incident_id == incident_id]
        strongest = max(own, key=lambda a: (-(a.p_value or 0.0), a.statistic))
        assert kept[0].alert_id == own[0].alert_id
        assert kept[-1].alert_id == strongest.alert_id
    assert result.evidence([alerts[0].alert_id]).keys() == {alerts[0].alert_id}


def test_the_events_that_are_kept_are_those_of_the_history(tmp_path: Path) -> None:
    events = make_events()
    result = run_backtest(
        backtest_config(columns=columns()), write_parquet(tmp_path / "a.parquet", events),
        processes=1,
    )  # fmt: skip

    by_id = {event.event_id: event for event in events}
    for kept in all_evidence(result):
        window = np.column_stack([values_of(column.window) for column in kept.columns])
        named = [by_id[event_id] for event_id in kept.event_ids]
        np.testing.assert_array_equal(window, [event.features for event in named])
        assert {event.model for event in named} == {kept.model}
        span = kept.window
        assert all(span.start_ms <= event.time_ms < span.end_ms for event in named)
        # The reference is the first 30 events of the model.
        before = np.column_stack([values_of(column.reference) for column in kept.columns])
        first = [event.features for event in events if event.model == kept.model][:30]
        assert sorted(map(tuple, before.tolist())) == sorted(map(tuple, first))


def labelled(n: int = 600) -> tuple[Any, pa.Table]:
    rng = np.random.default_rng(1)
    p = rng.random(n)
    table = pa.table(
        {
            "model": [MODELS[place % 3] for place in range(n)],
            "time_ms": START_MS + 20 * np.arange(n),
            "event_id": [f"e{place}" for place in range(n)],
            **{name: rng.normal(size=n) for name in FEATURES},
            "q0": 1 - p,
            "q1": p,
            "y": (rng.random(n) < p).astype(int),
        }
    )
    config = backtest_config(
        input={"n_features": 3, "n_outputs": 2}, columns=columns(outputs="q*", label="y")
    )
    return config, table


def test_the_number_of_processes_changes_no_byte_of_the_accuracy(tmp_path: Path) -> None:
    config, table = labelled()

    one, two = (run_backtest(config, table, folder=tmp_path / str(n), processes=n) for n in (1, 2))

    found = (one.folder / ACCURACY_FILE).read_bytes()
    assert found == (two.folder / ACCURACY_FILE).read_bytes()
    counts = one.accuracy()
    assert counts is not None
    assert sum(counts["n_labelled"].to_pylist()) == one.summary.n_used == len(table)
    is_right = (table["q1"].to_numpy() >= 0.5) == table["y"].to_numpy()
    assert sum(counts["n_right"].to_pylist()) == is_right.sum()


def test_what_a_history_counts_for_a_job_is_what_its_replay_counts(tmp_path: Path) -> None:
    config, table = labelled()
    late = table.slice(0, 3).set_column(0, "model", pa.array(["late"] * 3))
    whole = pa.concat_tables([table, late])
    pq.write_table(whole, tmp_path / "a.parquet")
    names, horizon_ms = Names(), START_MS + 10**9
    source = open_source(str(tmp_path / "a.parquet"), config)
    answers = AnswerCounts(config, horizon_ms, names)

    for batch in source.batches(names, horizon_ms):
        answers.add(batch)

    replayed = run_backtest(config, tmp_path / "a.parquet", processes=1)
    assert replayed.summary.dead_letters == {"late": 3}
    counts = replayed.accuracy()
    assert counts is not None
    assert answers.table().to_pylist() == counts.to_pylist()


@pytest.mark.parametrize("processes", [1, 2])
def test_a_label_that_is_not_one_of_the_outputs_is_told_and_stops_nothing(
    processes: int,
) -> None:
    config, table = labelled()
    wrong = [f"class {place % 2 + 7}" for place in range(len(table))]
    table = table.set_column(table.column_names.index("y"), "y", pa.array(wrong))

    result = run_backtest(config, table, processes=processes)

    assert result.summary.n_used == len(table)
    assert result.accuracy() is None
    assert "the label 'class 7' is not one of the 2 outputs" in result.summary.no_accuracy
    assert any("accuracy is not counted" in warning for warning in result.summary.warnings)


def test_a_result_that_is_replaced_leaves_no_evidence_and_no_accuracy(tmp_path: Path) -> None:
    config, table = labelled()
    folder = tmp_path / "out"
    run_backtest(config, table, folder=folder, processes=1)
    without = backtest_config(columns=columns(), evidence={"rows": 0})

    result = run_backtest(without, to_table(make_events()), folder=folder, processes=1)

    assert result.alerts()
    assert all_evidence(result) == []
    assert result.accuracy() is None


def test_damaged_evidence_is_told_with_its_line(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", make_events())
    result = run_backtest(backtest_config(columns=columns()), path, processes=1)
    file = result.folder / EVIDENCE_FILE
    file.write_bytes(file.read_bytes() + b'{"alert_id"\n')

    with pytest.raises(BacktestError, match=r"evidence\.jsonl:\d+ is damaged"):
        result.evidence(["unknown"])


def test_a_result_without_the_file_of_evidence_shows_what_the_alerts_say(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", make_events())
    result = run_backtest(backtest_config(columns=columns()), path, processes=1)
    (result.folder / EVIDENCE_FILE).unlink()

    views = gather(result).incidents.values()

    assert views
    assert all(column.chart and not view.is_whole for view in views for column in view.columns)


@contextmanager
def no_file_larger_than(n_bytes: int) -> Iterator[None]:
    """What the system says of a full disk it says of a file that is too large, too."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_disk_that_is_full_in_the_midst_is_told_and_leaves_no_result(
    tmp_path: Path, processes: int
) -> None:
    path, folder = write_parquet(tmp_path / "a.parquet", make_events(n=1_000)), tmp_path / "out"
    config = backtest_config(columns=columns())

    with (
        no_file_larger_than(20_000),
        pytest.raises(BacktestError, match=f"{folder} has no room for the result"),
    ):
        run_backtest(config, path, folder=folder, processes=processes)

    with pytest.raises(BacktestError, match="holds no result"):
        BacktestResult.open(folder)
    assert list(folder.iterdir()) == []
    assert run_backtest(config, path, folder=folder, processes=processes).alerts()
