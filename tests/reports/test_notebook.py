"""A table in memory is a history, and what comes back is tables and figures."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import flink_jobs.histories.packages as packages
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.histories.errors import BacktestError, SourceError
from flink_jobs.histories.known_drifts.shift_table import read_shifts
from flink_jobs.replay import BacktestResult, DriftInterval, run_backtest
from flink_jobs.replay.result import ALERTS_FILE, DEAD_LETTERS_FILE, EVIDENCE_FILE, SCORES_FILE
from flink_jobs.reports.notebook import (
    calendar_figure,
    evaluate,
    figure,
    moved_columns_figure,
    moved_figure,
    overview_figure,
)
from scripts.shared.fleet_sample import run_fleet
from tests.histories.examples import (
    FEATURES,
    START_MS,
    Event,
    backtest_config,
    columns,
    make_events,
    to_table,
    write_parquet,
)

_FILES = (SCORES_FILE, ALERTS_FILE, EVIDENCE_FILE)
TRUTH = [DriftInterval("c", START_MS + 8_000, START_MS + 20_000, "moved")]


def config_and_events(
    evidence: dict[str, Any] | None = None, **keys: Any
) -> tuple[DriftJobConfig, list[Event]]:
    config = backtest_config(columns=columns(**keys), evidence=evidence or {})
    return config, make_events()


def bytes_of(result: BacktestResult, *names: str) -> list[bytes]:
    return [(result.folder / name).read_bytes() for name in names or _FILES]


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return to_table(make_events()).to_pandas()


@pytest.fixture(scope="module")
def result(frame: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> BacktestResult:
    config, _ = config_and_events()
    return run_backtest(config, frame, folder=tmp_path_factory.mktemp("result"), processes=1)


TABLES: dict[str, Callable[[pa.Table], Any]] = {
    "a data frame": lambda table: table.to_pandas(),
    "a frame with the time as index": lambda table: table.to_pandas().set_index("time_ms"),
    "a frame of categories": lambda table: table.to_pandas().astype({"model": "category"}),
    "an Arrow table": lambda table: table,
    "an Arrow table of many chunks": lambda table: pa.concat_tables(
        [table.slice(first, 100) for first in range(0, len(table), 100)]
    ),
    "a record batch": lambda table: table.combine_chunks().to_batches()[0],
    "a dictionary of arrays": lambda table: {
        name: table[name].to_numpy() for name in table.column_names
    },
}


@pytest.mark.parametrize(
    ("kind", "processes"),
    [*((kind, 1) for kind in TABLES), ("a data frame", 2), ("a frame of categories", 2)],
)
def test_a_table_gives_the_bytes_of_the_same_table_as_parquet(
    tmp_path: Path, kind: str, processes: int
) -> None:
    config, events = config_and_events()
    of_file = run_backtest(config, write_parquet(tmp_path / "a.parquet", events), processes=1)

    of_table = run_backtest(config, TABLES[kind](to_table(events)), processes=processes)

    assert bytes_of(of_table) == bytes_of(of_file)
    assert of_table.alerts()
    assert of_table.summary.models == of_file.summary.models


def test_events_without_ids_are_called_alike_in_a_table_and_in_a_file(tmp_path: Path) -> None:
    config, events = config_and_events(event_id="")
    path = write_parquet(tmp_path / "a.parquet", events)

    of_file, of_table = (
        run_backtest(config, source, processes=1) for source in (path, to_table(events))
    )

    assert bytes_of(of_table) == bytes_of(of_file)


def test_an_odd_cell_of_a_frame_costs_its_row_and_is_found_by_it(tmp_path: Path) -> None:
    config, events = config_and_events()
    frame = to_table(events).to_pandas()
    frame["f1"] = frame["f1"].astype(object)
    frame.loc[7, "f1"] = "many"
    frame.loc[9, "f1"] = None
    frame["unread"] = [object()] * len(frame)
    as_csv = tmp_path / "a.csv"
    frame.drop(columns="unread").to_csv(as_csv, index=False)

    of_table = run_backtest(config, frame, processes=1)

    found = [(letter.where, letter.detail) for letter in of_table.dead_letters()]
    assert found == [
        ("table:8", "f1 is 'many', which is not a number"),
        ("table:10", "features[1] is missing, NaN or infinite"),
    ]
    assert bytes_of(of_table) == bytes_of(run_backtest(config, as_csv, processes=1))


def test_integers_beyond_64_bits_are_numbers(tmp_path: Path) -> None:
    config, events = config_and_events()
    frame = to_table(events).to_pandas()
    frame["f1"] = frame["f1"].astype(object)
    frame.loc[:, "f1"] = 2**70
    as_csv = tmp_path / "a.csv"
    frame.to_csv(as_csv, index=False)

    of_table = run_backtest(config, frame, processes=1)

    assert of_table.summary.n_used == len(events)
    assert bytes_of(of_table) == bytes_of(run_backtest(config, as_csv, processes=1))


def test_timestamps_of_a_frame_are_event_times(frame: pd.DataFrame, result: BacktestResult) -> None:
    config, _ = config_and_events(time="at")
    times = pd.to_datetime(frame["time_ms"], unit="ms")

    of_times = run_backtest(config, frame.assign(at=times), processes=1)

    assert bytes_of(of_times) == bytes_of(result)


def test_nothing_of_the_table_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, events = config_and_events()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "result").mkdir()

    result = run_backtest(config, to_table(events), folder=tmp_path / "result", processes=1)

    assert [path.name for path in tmp_path.iterdir()] == ["result"]
    assert result.summary.source == "table"
    assert result.summary.sources == ["table"]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (pd.DataFrame({"time_ms": [1], "f0": [0.0]}), "lacks the columns model"),
        (pd.DataFrame({"model": ["a"]}), r"it has model. Name them in the table \[columns\]"),
        (pa.table({"model": ["a"], "time_ms": [1], "event_id": ["x"], "f0": [0.0]}), "n_features"),
        (pd.DataFrame(np.zeros((1, 2)), columns=["time_ms", "time_ms"]), "lacks the columns"),
        (to_table(make_events(n=1)).append_column("f1", pa.array([0.0] * 3)), "several columns"),
        (to_table([]), "table holds no event"),
        ([1, 2], "list is not a table that can be replayed"),
        (None, "NoneType is not a table"),
    ],
)
def test_a_table_that_cannot_be_read_says_what_to_do(table: Any, said: str) -> None:
    config, _ = config_and_events()

    with pytest.raises(SourceError, match=said):
        run_backtest(config, table, processes=1)


def test_the_configuration_may_be_a_file(tmp_path: Path, result: BacktestResult) -> None:
    path = tmp_path / "job.toml"
    path.write_text(
        "version = 1\n"
        'kafka = {bootstrap_servers = "127.0.0.1:9092"}\n'
        "input = {n_features = 3, max_out_of_orderness_ms = 1_000}\n"
        "panes = {width_ms = 1000}\n"
        'window = {kind = "time", size_ms = 3000, slide_ms = 1000, min_events = 2}\n'
        'reference = {kind = "first_events", n_events = 30}\n'
        'detector = {reducer = {kind = "none"}, test = {kind = "ks"}}\n'
        'calibration = {kind = "level_per_window", level = 0.01}\n'
        "policy = {windows_to_start = 1, windows_to_recover = 1, ongoing_every_ms = 0, "
        "flapping_after = 0}\n"
        'columns = {features = "f*"}\n'
    )

    for named in (path, str(path)):
        again = run_backtest(named, to_table(make_events()), processes=1)
        assert bytes_of(again) == bytes_of(result)


def test_folders_and_shifts_may_be_named_by_text(tmp_path: Path, frame: pd.DataFrame) -> None:
    shift = f'kind = "unit"\nstart_ms = {START_MS + 8_000}\nend_ms = {START_MS + 12_000}\n'
    (tmp_path / "shifts.toml").write_text(f"[[shifts]]\n{shift}")
    folder, shifts = str(tmp_path / "result"), str(tmp_path / "shifts.toml")
    config, _ = config_and_events()

    shifted = run_backtest(config, frame, folder=folder, shifts=shifts, processes=1)
    of_list = run_backtest(config, frame, shifts=read_shifts(Path(shifts)), processes=1)

    assert bytes_of(shifted) == bytes_of(of_list)
    assert bytes_of(BacktestResult.open(folder)) == bytes_of(of_list)


def test_frames_hold_what_the_tables_hold_and_times(result: BacktestResult) -> None:
    scores, alerts = result.scores_frame(), result.alerts_frame()

    assert len(scores) == result.summary.n_scores
    assert len(alerts) == result.summary.n_alerts
    assert scores["start"].iloc[0] == pd.Timestamp(
        int(scores["start_ms"].iloc[0]), unit="ms"
    ).tz_localize("UTC")
    assert set(scores[scores["is_drift"]]["model"]) >= {"c"}
    assert list(scores.columns.drop(["start", "end"])) == result.scores_table().column_names
    assert set(alerts["kind"]) <= {"started", "ongoing", "recovered"}


def test_evaluation_puts_the_detectors_that_look_at_nothing_beside(result: BacktestResult) -> None:
    evaluation = evaluate(result, TRUTH, tolerance_ms=3_000)

    frame = evaluation.to_frame()

    names = ["this configuration", "never", "always", "every n windows"]
    assert evaluation.to_table()["detector"].to_pylist() == names
    assert frame.loc["this configuration", "n_missed"] == evaluation.total.detector.n_missed == 0
    assert frame.loc["never", "n_missed"] == 1
    assert frame.loc["never", ["precision"]].isna().all()


def test_truth_may_be_a_file(tmp_path: Path, result: BacktestResult) -> None:
    path = tmp_path / "drifts.csv"
    path.write_text(f"model,start_ms,end_ms\nc,{TRUTH[0].start_ms},{TRUTH[0].end_ms}\n")

    assert evaluate(result, path).total == evaluate(result, TRUTH).total


def test_the_figure_of_a_model_shows_its_windows_alerts_and_drifts(result: BacktestResult) -> None:
    shown = figure(result, "c", truth=TRUTH)

    scores = result.scores_frame()
    tested = scores[(scores["model"] == "c") & (scores["status"] == "tested")]
    lines = [trace for trace in shown.data if (trace.mode or "").startswith("lines")]
    drawn = np.asarray(lines[-1].y, dtype=float)
    np.testing.assert_allclose(drawn[np.isfinite(drawn)], tested["statistic"], rtol=1e-6)
    assert {"moved", "reference"} <= {note.text for note in shown.layout.annotations}
    assert shown.layout.title.text == "c"
    assert len(shown.to_html(include_plotlyjs=False)) > 1_000


def test_what_moved_is_drawn_by_the_events_that_were_kept(
    result: BacktestResult, frame: pd.DataFrame, tmp_path: Path
) -> None:
    config, _ = config_and_events(evidence={"rows": 0})
    without = run_backtest(config, frame, folder=tmp_path / "result", processes=1)

    drawn, first = moved_figure(result, "c"), moved_figure(result, "c", place="first")
    alone = moved_figure(without, "c")

    # The quantiles that the alert holds, before and now.
    assert len(alone.data) == 2 * len(FEATURES)
    assert {len(trace.x) for trace in alone.data} == {3}
    for figure_ in (drawn, first):
        assert len(figure_.data) == 2 * len(FEATURES)
        assert sum(float(share) for share in figure_.data[0].y) == pytest.approx(1.0)
        assert "filled: the reference; line: the window" in figure_.layout.title.text
    assert drawn.to_json() != first.to_json()
    assert "filled" not in alone.layout.title.text


def test_all_models_are_one_figure_with_the_worst_at_the_top(result: BacktestResult) -> None:
    by_alerts, by_truth = overview_figure(result), overview_figure(result, truth=TRUTH)

    assert by_alerts.layout.title.text.startswith("3 models from 2026-")
    assert by_alerts.layout.yaxis.ticktext[0] == "c"
    assert set(by_truth.layout.yaxis.ticktext) == {"a", "b", "c"}
    # The names stand to the left of the plot, in the room that the report gives them.
    assert by_alerts.layout.margin.l < 40
    assert by_alerts.layout.height > 3 * 22


def test_the_windows_of_several_days_are_a_calendar(tmp_path: Path) -> None:
    fleet = run_fleet(tmp_path, n_models=2, n_hours=96, events_an_hour=20)
    model = sorted(fleet.summary.models)[0]

    drawn = calendar_figure(fleet, model)

    (cells,) = drawn.data
    assert np.shape(cells.z) == (4, 24)
    assert drawn.layout.title.text.startswith(f"{model}: ")


def test_a_calendar_of_a_short_history_is_refused(result: BacktestResult) -> None:
    with pytest.raises(BacktestError, match="windows of c cover fewer than 3 days"):
        calendar_figure(result, "c")


def test_what_moved_is_a_bar_as_long_as_the_effect_size_of_each_column(
    result: BacktestResult,
) -> None:
    started = next(each for each in result.alerts() if each.model == "c")
    (kept,) = result.evidence({started.alert_id}).values()

    drawn = moved_columns_figure(result, "c", place="first")

    sizes = [size for bars in drawn.data if bars.type == "bar" for size in bars.x]
    assert sorted(sizes) == sorted(each.statistic for each in kept.moves)
    assert len(sizes) == len(FEATURES)
    assert "what moved, window until" in drawn.layout.title.text
    with pytest.raises(BacktestError, match="number 99 is none of them"):
        moved_columns_figure(result, "c", incident=99)


def test_what_is_not_there_is_said(result: BacktestResult) -> None:
    with pytest.raises(BacktestError, match=r"no score of model 'z'.*its models are a, b, c"):
        figure(result, "z")
    with pytest.raises(BacktestError, match=r"c had .* incidents? of drift, and number 99"):
        moved_figure(result, "c", incident=99)


def test_the_summary_counts_and_escapes_names(tmp_path: Path) -> None:
    events = make_events(models=["<script>alert(1)</script>", "b"])
    config, _ = config_and_events()

    shown = run_backtest(config, to_table(events), processes=1)._repr_html_()

    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    assert "800 events of 2 models" in shown
    assert "no dead letters" in shown


def test_the_text_of_a_result_is_a_line(result: BacktestResult) -> None:
    assert repr(result).count("\n") == 0
    assert "1,200 events" in repr(result)


def test_a_missing_package_is_named_with_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(packages, "_PACKAGES", {"no_such_module": "no-such-package"})

    with pytest.raises(BacktestError, match=r"no-such-package: .*pip install '\.\[backtest\]'"):
        import_run_backtest()


def import_run_backtest() -> object:
    import flink_jobs.replay

    return flink_jobs.replay.run_backtest


def test_importing_the_package_takes_none_of_its_extras() -> None:
    code = (
        "import flink_jobs.replay, sys\n"
        "print([name for name in ('pyarrow', 'plotly', 'pandas') if name in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_a_script_without_a_main_guard_is_told_what_it_lacks(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    write_parquet(tmp_path / "a.parquet", make_events(n=20))
    script.write_text(
        "from flink_jobs.replay import run_backtest\n"
        "from tests.histories.examples import backtest_config, columns\n"
        "config = backtest_config(columns=columns())\n"
        f"run_backtest(config, {str(tmp_path / 'a.parquet')!r}, processes=2)\n"
    )

    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, check=False, env=environment()
    )

    assert done.returncode == 1
    assert 'below if __name__ == "__main__"' in done.stderr


def environment() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": str(Path.cwd()), "OMP_NUM_THREADS": "1"}


def test_a_dead_letter_of_a_table_is_one_of_the_same_file_at_another_place(tmp_path: Path) -> None:
    config, events = config_and_events()
    events[5] = Event("a", START_MS - 10**7, "late", events[5].features)
    path = write_parquet(tmp_path / "a.parquet", events)

    of_file, of_table = (
        run_backtest(config, source, processes=1) for source in (path, to_table(events))
    )

    moved = bytes_of(of_file, DEAD_LETTERS_FILE)[0].replace(str(path).encode(), b"table")
    assert bytes_of(of_table, DEAD_LETTERS_FILE) == [moved]
    assert of_table.summary.dead_letters == {"late": 1}
