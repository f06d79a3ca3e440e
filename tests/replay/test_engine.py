"""A backtest gives what the packer and the monitor give, whatever the file and the processes."""

from __future__ import annotations

import gzip
import hashlib
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from flink_jobs.histories.errors import BacktestError
from flink_jobs.histories.known_drifts.shift_table import (
    DelayShift,
    NoiseShift,
    ScalingShift,
    Shift,
)
from flink_jobs.histories.tables import parquet as parquet_pieces
from flink_jobs.histories.tables import shape as table_shape
from flink_jobs.records.alerts import Alert, Cause
from flink_jobs.replay import engine
from flink_jobs.replay.engine import Progress, run_backtest
from flink_jobs.replay.result import (
    ALERTS_FILE,
    EVIDENCE_FILE,
    SCORES_FILE,
    STATUSES_FILE,
    BacktestResult,
)
from flink_jobs.replay.result_folder import fresh_folder
from tests.histories.examples import (
    START_MS,
    Event,
    Write,
    backtest_config,
    columns,
    expected,
    json_line,
    make_events,
    to_table,
    write_csv,
    write_json_lines,
    write_parquet,
)
from tests.onnx_files import layers_of, network_file


def write_gzip(path: Path, events: list[Event]) -> Path:
    path.write_bytes(gzip.compress(b"\n".join(json_line(event) for event in events)))
    return path


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.jsonl", write_json_lines),
        ("a.jsonl.gz", write_gzip),
        ("a.csv", write_csv),
        ("a.parquet", write_parquet),
    ],
)
def test_every_format_gives_what_the_packer_and_the_monitor_give(
    tmp_path: Path, name: str, write: Write
) -> None:
    events = make_events()
    table = {} if "jsonl" in name else {"columns": columns()}
    config = backtest_config(**table)

    result = run_backtest(config, write(tmp_path / name, events), processes=1)

    wanted = expected(config, events)
    assert list(result.scores()) == wanted.all_scores
    assert result.alerts() == wanted.all_alerts
    assert {alert.model for alert in result.alerts()} == {"c"}


@pytest.mark.parametrize(
    "window",
    [
        {"kind": "count", "size": 60, "slide": 20},
        {"kind": "session", "gap_ms": 2_000, "max_size_ms": 8_000},
        {"kind": "time", "size_ms": 3_000, "slide_ms": 1_000, "early_events": 30},
    ],
)
def test_every_window_closes_as_it_does_for_the_monitor(
    tmp_path: Path, window: dict[str, object]
) -> None:
    events = [e for e in make_events() if e.model != "b" or (e.time_ms - START_MS) % 10_000 < 6_000]
    config = backtest_config(columns=columns(), window=window)

    result = run_backtest(config, write_parquet(tmp_path / "a.parquet", events), processes=1)

    wanted = expected(config, events)
    assert list(result.scores()) == sorted(
        wanted.all_scores, key=lambda score: (score.model, score.window.end_ms)
    )
    assert result.alerts() == wanted.all_alerts


def test_a_sequential_detector_alarms_for_the_model_that_drifts_and_for_no_other(
    tmp_path: Path,
) -> None:
    events = make_events(n=1_000)
    table = {"kind": "counts_e_detector", "run_time_events": 20_000, "score_every_ms": 5_000}
    config = backtest_config(
        columns=columns(),
        reference={"kind": "first_events", "n_events": 300},
        detectors=[{"name": "whole", "sequential": table}],
    )
    path = write_parquet(tmp_path / "a.parquet", events)

    one, two = (run_backtest(config, path, folder=tmp_path / str(n), processes=n) for n in (1, 2))

    wanted = expected(config, events)
    assert {each.alert_id: each for each in one.alerts()} == {
        each.alert_id: each for each in wanted.all_alerts
    }
    assert {each.score_id: each for each in one.scores()} == {
        each.score_id: each for each in wanted.all_scores
    }
    found = [alert for alert in one.alerts() if alert.detector == "whole"]
    assert {alert.model for alert in found} == {"c"}
    # The half of 1,000 events, 40 ms apart.
    drift_ms = START_MS + 500 * 40
    assert drift_ms < found[0].window.closed_ms <= drift_ms + 3_000
    for name in (SCORES_FILE, ALERTS_FILE, EVIDENCE_FILE):
        assert (one.folder / name).read_bytes() == (two.folder / name).read_bytes()


@pytest.mark.parametrize("kind", ["onnx_softmax", "onnx_hard_predictions"])
def test_a_model_of_the_users_own_gives_the_same_bytes_in_every_process(
    tmp_path: Path, kind: str
) -> None:
    file = tmp_path / "model.onnx"
    file.write_bytes(network_file(layers_of((3, 7, 5)), softmax=True))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    reducer = {"kind": kind, "path": str(file), "sha256": digest, "size": 5}
    config = backtest_config(columns=columns(), detector={"reducer": reducer, "test": None})
    events = make_events()
    path = write_parquet(tmp_path / "a.parquet", events)

    one, two = (run_backtest(config, path, folder=tmp_path / str(n), processes=n) for n in (1, 2))

    wanted = expected(config, events)
    assert list(one.scores()) == wanted.all_scores
    assert one.alerts() == wanted.all_alerts
    assert {alert.model for alert in one.alerts()} == {"c"}
    for name in (SCORES_FILE, ALERTS_FILE, EVIDENCE_FILE):
        assert (one.folder / name).read_bytes() == (two.folder / name).read_bytes()


def test_the_number_of_processes_changes_no_byte(tmp_path: Path) -> None:
    events = make_events(models=[f"model-{n}" for n in range(5)])
    lines = [json_line(event) for event in events]
    lines[7] = b"{"
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join(lines))
    config = backtest_config(detector={"test": {"kind": "mmd", "n_permutations": 199}})

    one, three = (run_backtest(config, path, folder=tmp_path / str(n), processes=n) for n in (1, 3))

    compared = (SCORES_FILE, ALERTS_FILE, EVIDENCE_FILE, STATUSES_FILE)
    for name in (*compared, "dead_letters.jsonl", "config.json"):
        assert (one.folder / name).read_bytes() == (three.folder / name).read_bytes()
    assert one.summary.models == three.summary.models
    assert one.summary.dead_letters == three.summary.dead_letters == {"undecodable": 1}


def test_a_result_says_how_each_model_was_watched_at_the_end_with_and_without_a_topic(
    tmp_path: Path,
) -> None:
    events = make_events()
    path = write_json_lines(tmp_path / "a.jsonl", events)
    plain, followed = backtest_config(), backtest_config(kafka={"status_topic": "status"})

    result, other = (run_backtest(each, path, processes=1) for each in (plain, followed))

    statuses = result.statuses()
    last = {score.model: score.window for score in result.scores()}
    assert [status.model for status in statuses] == sorted({event.model for event in events})
    for status in statuses:
        (view,) = status.views
        window = view.detectors[0].last_window
        assert (window is None) == (status.model not in last)
        assert window is None or window.window == last[status.model]
        n_events = sum(event.model == status.model for event in events)
        assert view.n_collected + view.reference.n_events + view.n_monitored == n_events
    assert other.statuses() == statuses


def test_a_model_that_was_forgotten_in_a_history_is_said_to_be_gone(tmp_path: Path) -> None:
    events = make_events(models=["gone", "here"], n=1_000)
    kept = [e for e in events if e.model == "here" or e.time_ms < START_MS + 10_000]
    config = backtest_config(job={"forget_after_ms": 10_000})

    result = run_backtest(config, write_json_lines(tmp_path / "a.jsonl", kept), processes=1)

    assert {status.model: status.is_forgotten for status in result.statuses()} == {
        "gone": True,
        "here": False,
    }


def test_files_of_a_folder_are_read_in_order_of_their_names(tmp_path: Path) -> None:
    events = make_events()
    config = backtest_config(columns=columns())
    whole = run_backtest(config, write_parquet(tmp_path / "a.parquet", events), processes=1)
    folder = tmp_path / "days"
    folder.mkdir()
    write_parquet(folder / "2.parquet", events[500:])
    write_parquet(folder / "1.parquet", events[:500])
    (folder / "_SUCCESS").touch()
    (folder / "notes.txt").touch()

    result = run_backtest(config, folder, processes=1)

    assert [(s.window, s.statistic) for s in result.scores()] == [
        (s.window, s.statistic) for s in whole.scores()
    ]
    assert [Path(source).name for source in result.summary.sources] == ["1.parquet", "2.parquet"]
    assert any("notes.txt" in warning for warning in result.summary.warnings)


def test_a_folder_that_is_divided_by_date_is_one_history(tmp_path: Path) -> None:
    events, config = make_events(), backtest_config(columns=columns())
    whole = run_backtest(config, write_parquet(tmp_path / "a.parquet", events), processes=1)
    folder = tmp_path / "events"
    for day, rows in (("date=2026-01-02", events[500:]), ("date=2026-01-01", events[:500])):
        (folder / day).mkdir(parents=True)
        write_parquet(folder / day / "part-0.parquet", rows)
        (folder / day / "part-0.crc").touch()
    (folder / "_temporary").mkdir()
    write_parquet(folder / "_temporary" / "part-0.parquet", events)

    result = run_backtest(config, folder, processes=2)

    assert [(s.window, s.statistic) for s in result.scores()] == [
        (s.window, s.statistic) for s in whole.scores()
    ]
    assert result.summary.sources == [
        str(folder / f"date=2026-01-0{day}" / "part-0.parquet") for day in (1, 2)
    ]
    assert result.summary.warnings == [
        "ignored in the folder: date=2026-01-01/part-0.crc, date=2026-01-02/part-0.crc"
    ]


@pytest.mark.parametrize("most_rows", [1, 13, 10_000])
def test_neither_row_groups_nor_their_readers_nor_the_size_of_batches_change_a_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most_rows: int
) -> None:
    config, events = backtest_config(columns=columns()), make_events()
    whole = run_backtest(config, write_parquet(tmp_path / "a.parquet", events), processes=1)
    in_groups = write_parquet(tmp_path / "b.parquet", events, row_group_size=7)
    monkeypatch.setattr(parquet_pieces, "_ROWS_PER_READER", 50)
    monkeypatch.setattr(table_shape, "_MOST_ROWS", most_rows)

    result = run_backtest(config, in_groups, processes=1)

    assert list(result.scores()) == list(whole.scores())
    assert result.alerts() == whole.alerts()
    assert result.summary.n_events == len(events)


def test_lists_dictionaries_and_timestamps_are_columns_like_others(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    events = make_events()
    plain = run_backtest(
        backtest_config(columns=columns()), write_parquet(tmp_path / "a.parquet", events)
    )
    table = to_table(events)
    times = pc.cast(table["time_ms"], pa.timestamp("ms", "UTC")).cast(pa.timestamp("ns", "UTC"))
    lists = pa.table(
        {
            "which": table["model"].dictionary_encode(),
            "at": times,
            "event_id": table["event_id"],
            "x": pa.array([event.features for event in events], pa.list_(pa.float64(), 3)),
        }
    )
    pq.write_table(lists, tmp_path / "b.parquet")
    config = backtest_config(columns={"model": "which", "time": "at", "features": "x"})

    result = run_backtest(config, tmp_path / "b.parquet", processes=1)

    assert list(result.scores()) == list(plain.scores())


def test_a_data_frame_is_a_history(tmp_path: Path) -> None:
    events = make_events(models=["only"])
    config = backtest_config(columns=columns(model_name="only"))
    frame = to_table(events).drop_columns(["model"]).to_pandas()

    result = run_backtest(config, frame, folder=tmp_path / "out", processes=1)

    assert result.alerts() == expected(config, events).all_alerts
    assert result.scores_table().num_rows == result.summary.n_scores
    assert set(result.alerts_table()["kind"].to_pylist()) <= {"started", "ongoing", "recovered"}


def test_silence_at_the_end_of_a_history_is_not_reported_and_silence_before_is(
    tmp_path: Path,
) -> None:
    events = [e for e in make_events() if e.model != "a" or e.time_ms < START_MS + 5_000]
    config = backtest_config(columns=columns(), silence={"after_ms": 4_000})

    result = run_backtest(config, write_parquet(tmp_path / "a.parquet", events), processes=1)

    silent = [alert for alert in result.alerts() if alert.cause is Cause.SILENCE]
    assert [(alert.model, alert.kind.value) for alert in silent] == [("a", "started")]


def silences(alerts: Sequence[Alert]) -> list[tuple[str, int]]:
    return [
        (alert.kind.value, alert.window.end_ms - START_MS)
        for alert in alerts
        if alert.cause is Cause.SILENCE
    ]


def test_silence_that_the_next_pane_finds_is_reported(tmp_path: Path) -> None:
    # One model alone: event time jumps to its next panes, which come before any timer.
    events = [e for e in make_events(models=["a"]) if not 5_000 <= e.time_ms - START_MS < 12_000]
    config = backtest_config(columns=columns(), silence={"after_ms": 4_000})

    result = run_backtest(config, write_parquet(tmp_path / "a.parquet", events), processes=1)

    assert silences(result.alerts()) == [("started", 9_000), ("recovered", 12_000)]
    # The monitor alone goes on after the history, and finds its end silent too.
    assert result.alerts() == expected(config, events).all_alerts[: len(result.alerts())]


def test_silence_that_a_pane_finds_beyond_the_end_of_the_history_is_reported(
    tmp_path: Path,
) -> None:
    # Delayed events lie after the last time that was recorded, which timers take for the end.
    shift = DelayShift(start_ms=START_MS + 8_000, end_ms=START_MS + 10**6, delay_ms=60_000)
    config = backtest_config(columns=columns(), silence={"after_ms": 30_000})
    path = write_parquet(tmp_path / "a.parquet", make_events(models=["a"]))

    result = run_backtest(config, path, processes=1, shifts=[shift])

    assert silences(result.alerts()) == [("started", 38_000), ("recovered", 68_000)]


def test_a_result_can_be_opened_again_and_a_folder_without_one_cannot(tmp_path: Path) -> None:
    config = backtest_config(columns=columns())
    path = write_parquet(tmp_path / "a.parquet", make_events())
    result = run_backtest(config, path, folder=tmp_path / "out", processes=1)

    again = BacktestResult.open(tmp_path / "out")

    assert again.summary == result.summary
    assert again.config == config
    assert again.alerts() == result.alerts()
    with pytest.raises(BacktestError, match="holds no result"):
        BacktestResult.open(tmp_path)
    with pytest.raises(BacktestError, match="holds something else"):
        run_backtest(config, path, folder=tmp_path, processes=1)


def test_the_parts_of_a_backtest_that_was_killed_are_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / "out" / ".parts-old").mkdir(parents=True)
    (tmp_path / "out" / ".parts-old" / "scores-0.spool").touch()
    path = write_parquet(tmp_path / "a.parquet", make_events(n=20))

    result = run_backtest(
        backtest_config(columns=columns()), path, folder=tmp_path / "out", processes=1
    )

    assert not list(result.folder.glob(".parts-*"))


def test_of_two_backtests_with_one_folder_the_second_is_refused_and_the_first_is_right(
    tmp_path: Path,
) -> None:
    path, folder = write_parquet(tmp_path / "a.parquet", make_events()), tmp_path / "out"
    config, refused = backtest_config(columns=columns()), list[str]()

    def start_another(_: Progress) -> None:
        with pytest.raises(BacktestError) as caught:
            run_backtest(config, path, folder=folder, processes=1)
        refused.append(str(caught.value))

    result = run_backtest(config, path, folder=folder, processes=2, progress=start_another)

    alone = run_backtest(config, path, processes=1)
    assert refused
    assert f"another backtest is writing to {folder}: wait" in refused[0]
    for name in (SCORES_FILE, ALERTS_FILE, EVIDENCE_FILE):
        assert (folder / name).read_bytes() == (alone.folder / name).read_bytes()
    assert result.summary.n_events == len(make_events())


def test_a_backtest_that_was_killed_holds_no_folder(tmp_path: Path) -> None:
    path, folder = write_parquet(tmp_path / "a.parquet", make_events(n=20)), tmp_path / "out"
    holding = (
        "import pathlib, time\n"
        "from flink_jobs.replay.result_folder import fresh_folder\n"
        f"with fresh_folder(pathlib.Path({str(folder)!r})):\n"
        "    print('holds', flush=True)\n"
        "    time.sleep(600)\n"
    )
    config = backtest_config(columns=columns())
    with subprocess.Popen([sys.executable, "-c", holding], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"holds\n"
        with pytest.raises(BacktestError, match="another backtest"):
            run_backtest(config, path, folder=folder, processes=1)
        other.kill()

    assert run_backtest(config, path, folder=folder, processes=1).summary.n_used == 60


def test_a_backtest_that_is_ended_as_its_parts_are_made_leaves_none(tmp_path: Path) -> None:
    with suppress(KeyboardInterrupt), fresh_folder(tmp_path / "out") as folder:
        (folder / ".parts-0" / "shards").mkdir(parents=True)
        raise KeyboardInterrupt

    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("step", ["merge", "write_dead_letters", "write_summary"])
def test_a_folder_in_which_results_were_half_written_is_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = write_parquet(tmp_path / "a.parquet", make_events(n=20))
    config, done = backtest_config(columns=columns()), getattr(engine, step)

    def killed(*arguments: Any) -> None:
        done(*arguments)
        raise SystemExit("killed after this step")

    monkeypatch.setattr(engine, step, killed)
    with pytest.raises(SystemExit):
        run_backtest(config, path, folder=tmp_path / "out", processes=1)
    if step != "write_summary":
        with pytest.raises(BacktestError, match=r"summary\.json cannot be read"):
            BacktestResult.open(tmp_path / "out")
    monkeypatch.undo()

    result = run_backtest(config, path, folder=tmp_path / "out", processes=1)

    assert result.summary.n_used == 60


def test_progress_reaches_the_end_and_never_steps_back(tmp_path: Path) -> None:
    path = write_json_lines(tmp_path / "a.jsonl", make_events())
    told: list[Progress] = []

    run_backtest(backtest_config(), path, processes=2, progress=told.append)

    assert all(0 <= each.done <= each.total == path.stat().st_size for each in told)
    assert [each.done for each in told] == sorted(each.done for each in told)


def test_simulated_shifts_reach_the_detector_from_every_format(tmp_path: Path) -> None:
    events = make_events(models=["calm"], n=800)
    events = events[:400]
    shift = NoiseShift(start_ms=START_MS + 8_000, end_ms=START_MS + 16_000, intensity=5.0)
    results = [
        run_backtest(config, path, processes=1, shifts=[shift])
        for config, path in (
            (backtest_config(), write_json_lines(tmp_path / "a.jsonl", events)),
            (backtest_config(columns=columns()), write_parquet(tmp_path / "a.parquet", events)),
        )
    ]

    assert results[0].alerts() == results[1].alerts()
    starts = [a.window.end_ms for a in results[0].alerts() if a.kind.value == "started"]
    assert starts
    assert min(starts) > shift.start_ms


def test_a_shift_that_changes_no_event_is_told(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", make_events())
    end_ms = START_MS + 8_000
    shifts: list[Shift] = [
        ScalingShift(start_ms=START_MS, end_ms=end_ms, factor=2.0, name="doubled"),
        ScalingShift(start_ms=START_MS, end_ms=end_ms, factor=1.0, name="as it was"),
        NoiseShift(start_ms=START_MS, end_ms=end_ms, models="nobody"),
        NoiseShift(start_ms=1, end_ms=2),
        DelayShift(start_ms=START_MS, end_ms=end_ms, models="b", delay_ms=1_000),
    ]

    result = run_backtest(backtest_config(columns=columns()), path, processes=2, shifts=shifts)

    told = "simulated shifts that changed no event: as it was (shifts[1]), noise (shifts[2]), "
    assert told + "noise (shifts[3])" in result.summary.warnings


def test_delayed_events_are_in_later_panes_and_none_is_late(tmp_path: Path) -> None:
    events = make_events(models=["a"])
    shift = DelayShift(
        start_ms=START_MS + 6_000, end_ms=START_MS + 8_000, delay_ms=5_000, share=0.5
    )
    path = write_parquet(tmp_path / "a.parquet", events)

    result = run_backtest(backtest_config(columns=columns()), path, processes=1, shifts=[shift])

    n_events = {s.window.end_ms - START_MS: s.window.n_events for s in result.scores()}
    assert result.summary.n_used == len(events)
    assert n_events[8_000] < 75
    assert n_events[13_000] > 75


def test_unsorted_rows_within_the_bound_change_nothing(tmp_path: Path) -> None:
    events = make_events()
    config = backtest_config(columns=columns())
    rng = np.random.default_rng(3)
    arrival = [event.time_ms + rng.integers(0, 900) for event in events]
    shuffled = [events[place] for place in np.argsort(arrival)]

    sorted_one, unsorted = (
        run_backtest(config, write_parquet(tmp_path / f"{n}.parquet", each), processes=1)
        for n, each in enumerate((events, shuffled))
    )

    assert unsorted.summary.dead_letters == {}
    assert list(unsorted.scores()) == list(sorted_one.scores())


def test_how_many_threads_linear_algebra_may_use_changes_no_byte(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(2_000, 10))
    events = [
        Event("a", START_MS + 10 * index, str(index), row.tolist())
        for index, row in enumerate(rows)
    ]
    mmd = {"test": {"kind": "mmd", "n_permutations": 999}}
    config = backtest_config(
        input={"n_features": 10},
        window={"kind": "count", "size": 300, "slide": 300},
        reference={"n_events": 400},
        detector=mmd,
    )
    path = write_json_lines(tmp_path / "a.jsonl", events)

    def scores(n_threads: int) -> bytes:
        with threadpool_limits(limits=n_threads):
            result = run_backtest(config, path, folder=tmp_path / str(n_threads), processes=1)
        return (result.folder / SCORES_FILE).read_bytes()

    assert scores(1) == scores(2)
