"""What is wrong with a history is said, with file and row, and counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from flink_jobs.histories.errors import SourceError
from flink_jobs.histories.tables.times import TimesReader
from flink_jobs.replay.engine import run_backtest
from flink_jobs.replay.result import BacktestResult
from tests.builders import WIDTH_MS
from tests.histories.examples import (
    START_MS,
    Event,
    backtest_config,
    columns,
    json_line,
    make_events,
    to_table,
    write_csv,
    write_parquet,
)

EVENTS = make_events()


def run(path: Path, **tables: object) -> BacktestResult:
    config = backtest_config(**tables) if path.suffix == ".jsonl" else table_config(**tables)
    return run_backtest(config, path, processes=1)


def table_config(**tables: object):
    return backtest_config(**{"columns": columns()} | tables)


def found(result: BacktestResult) -> list[tuple[str, str]]:
    """Rows and reasons."""
    return [(d.where.rpartition(":")[2], d.reason.value) for d in result.dead_letters()]


def test_bad_lines_are_dead_letters_with_their_row(tmp_path: Path) -> None:
    lines = [json_line(event) for event in EVENTS]
    lines[1] = b"{"
    lines[3] = b'{"model":"a"}'
    lines[5] = lines[5].replace(b"[", b"[NaN,", 1)
    lines[7] = b"[1,2]"
    lines[9] = b"\xff\xfe"
    lines[11] = lines[11].replace(b'"model":"c"', b'"model":null')
    lines[13] = lines[13].replace(b'"model":"b"', b'"model":7')
    lines[15] = lines[15].replace(b'"time_ms":', b'"time_ms":"soon","x":')
    lines[17] = lines[17].replace(b"[", b"[1.0,", 1)
    lines[19] = b""
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join(lines))

    result = run(path)

    assert found(result) == [
        ("2", "undecodable"),
        ("4", "invalid_event"),
        ("6", "not_finite"),
        ("8", "invalid_event"),
        ("10", "undecodable"),
        ("12", "missing_key"),
        ("14", "invalid_event"),
        ("16", "invalid_event"),
        ("18", "wrong_length"),
    ]
    assert result.summary.n_events == len(EVENTS) - 1
    assert result.summary.n_used == result.summary.n_events - 9
    details = {d.where.rpartition(":")[2]: d.detail for d in result.dead_letters()}
    assert details["4"] == "time_ms is missing"
    assert details["16"] == "time_ms: 'soon' is not a time"


def test_a_pane_of_which_no_row_can_be_used_is_dead_letters_alone(tmp_path: Path) -> None:
    bad = [event.time_ms < START_MS + WIDTH_MS and event.model == "a" for event in EVENTS]
    path = tmp_path / "a.jsonl"
    with path.open("wb") as lines:
        for event, is_bad in zip(EVENTS, bad, strict=True):
            lines.write(json_line(event, **({"features": [1.0]} if is_bad else {})) + b"\n")

    result = run(path)

    assert [d.reason.value for d in result.dead_letters()] == ["wrong_length"] * sum(bad)
    assert result.summary.n_used == len(EVENTS) - sum(bad) > 0


def test_bad_cells_of_csv_cost_their_row_and_not_the_file(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", EVENTS)
    rows = path.read_bytes().split(b"\n")
    rows[2] = b"x,y"
    rows[4] = rows[4].replace(b'"a"', b'"\xff"')
    rows[6] = replaced(rows[6], 3, b"many")
    rows[8] = replaced(rows[8], 1, b"soon")
    rows[10] = replaced(rows[10], 4, b"")
    rows[12] = replaced(rows[12], 5, b"1e200")
    rows[14] = replaced(rows[14], 2, b"")
    rows[16] = replaced(rows[16], 0, b"")
    path.write_bytes(b"\n".join(rows))

    result = run(path)

    assert found(result) == [
        ("2", "invalid_event"),
        ("4", "undecodable"),
        ("6", "invalid_event"),
        ("8", "no_time"),
        ("10", "not_finite"),
        ("12", "not_finite"),
        ("14", "invalid_event"),
        ("16", "no_model"),
    ]
    assert result.summary.n_used == len(EVENTS) - 8
    details = {d.where.rpartition(":")[2]: d.detail for d in result.dead_letters()}
    assert details["2"] == "the row has 2 cells, not 6"
    assert details["4"] == "model is not UTF-8"
    assert details["6"] == "f0 is 'many', which is not a number"


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_row_of_csv_in_another_encoding_and_of_another_width_costs_itself_alone(
    tmp_path: Path, mark: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    path = write_csv(tmp_path / "a.csv", EVENTS)
    rows = path.read_bytes().split(b"\n")
    expected = run(path).folder.joinpath("scores.jsonl").read_bytes()
    rows[2:2] = ["Größe,5".encode("latin-1"), "模型".encode("gb18030")]
    path.write_bytes(mark + b"\n".join(rows))

    result = run(path)

    assert found(result) == [("2", "invalid_event"), ("3", "invalid_event")]
    assert result.summary.n_used == len(EVENTS)
    assert result.folder.joinpath("scores.jsonl").read_bytes() == expected
    assert "Exception" not in capfd.readouterr().err


def replaced(row: bytes, place: int, cell: bytes) -> bytes:
    cells = row.split(b",")
    cells[place] = cell
    return b",".join(cells)


def test_lists_of_another_length_and_nulls_are_dead_letters(tmp_path: Path) -> None:
    lists: list[list[float | None] | None] = [list(event.features) for event in EVENTS]
    lists[3] = [1.0]
    lists[5] = None
    lists[7] = [0.0, None, 1.0]
    table = to_table(EVENTS).append_column("x", pa.array(lists))
    pq.write_table(table, tmp_path / "a.parquet")

    result = run(tmp_path / "a.parquet", columns={"features": "x"})

    assert found(result) == [("4", "wrong_length"), ("6", "invalid_event"), ("8", "not_finite")]


def test_missing_numbers_are_used_where_they_are_allowed(tmp_path: Path) -> None:
    table = to_table(EVENTS)
    x = table["f1"].to_numpy().copy()
    x[::10] = np.nan
    pq.write_table(table.set_column(4, "f1", pa.array(x)), tmp_path / "a.parquet")

    refused = run(tmp_path / "a.parquet")
    allowed = run(tmp_path / "a.parquet", input={"missing_features": "allow"})

    assert refused.summary.dead_letters == {"not_finite": len(EVENTS) // 10}
    assert allowed.summary.dead_letters == {}


def with_f1(path: Path, token: str) -> Path:
    """The history with a token for every tenth second feature, in the format of the path."""
    events = [
        Event(e.model, e.time_ms, e.event_id, [e.features[0], 0.5 + row % 2 / 4, e.features[2]])
        for row, e in enumerate(EVENTS)
    ]
    if path.suffix == ".jsonl":
        lines = [json_line(event) for event in events]
        lines[::10] = [line.replace(b",0.5,", f",{token},".encode()) for line in lines[::10]]
        path.write_bytes(b"\n".join(lines))
        return path
    cells: list[object] = [repr(event.features[1]) for event in events]
    cells[::10] = [token] * len(cells[::10])
    if path.suffix == ".csv":
        pa_csv.write_csv(to_table(events).set_column(4, "f1", pa.array(cells)), path)
        return path
    column = pa.array([float(str(cell)) for cell in cells])
    pq.write_table(to_table(events).set_column(4, "f1", column), path)
    return path


@pytest.mark.parametrize(
    ("suffix", "token"),
    [
        *(("jsonl", token) for token in ("null", "NaN")),
        *(("csv", token) for token in ("", "NaN", "nan", "NA", "n/a", "NULL", "None", "<NA>", " ")),
        ("parquet", "NaN"),
    ],
)
def test_every_way_to_write_a_missing_number_is_one_in_every_format(
    tmp_path: Path, suffix: str, token: str
) -> None:
    table = to_table(EVENTS)
    f1 = [0.5 + row % 2 / 4 if row % 10 else None for row in range(len(EVENTS))]
    pq.write_table(table.set_column(4, "f1", pa.array(f1)), tmp_path / "nulls.parquet")
    path = with_f1(tmp_path / f"a.{suffix}", token)
    allow = {"input": {"missing_features": "allow"}}

    allowed, refused = run(path, **allow), run(path)

    assert allowed.summary.dead_letters == {}
    wanted = run(tmp_path / "nulls.parquet", **allow)
    assert [(s.model, s.window, s.statistic, s.missing_p_value) for s in allowed.scores()] == [
        (s.model, s.window, s.statistic, s.missing_p_value) for s in wanted.scores()
    ]
    assert refused.summary.dead_letters == {"not_finite": len(EVENTS) // 10}


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_infinity_is_not_a_missing_number(tmp_path: Path, suffix: str) -> None:
    path = with_f1(tmp_path / f"a.{suffix}", "-Infinity")

    result = run(path, input={"missing_features": "allow"})

    assert result.summary.dead_letters == {"not_finite": len(EVENTS) // 10}


def test_words_for_a_missing_number_are_names_elsewhere(tmp_path: Path) -> None:
    events = [Event("NA", e.time_ms, f"None-{row}", e.features) for row, e in enumerate(EVENTS)]

    result = run(write_csv(tmp_path / "a.csv", events))

    assert result.summary.n_by_model == {"NA": len(EVENTS)}


@pytest.mark.parametrize("n_processes", [1, 2])
def test_outputs_that_a_log_rounded_are_used_in_every_format(
    tmp_path: Path, n_processes: int
) -> None:
    rng = np.random.default_rng(0)
    x = rng.dirichlet(np.full(20, 0.3), size=len(EVENTS)).round(2)
    x[7] = 0.1
    table = to_table(EVENTS).append_column("outputs", pa.array(x.tolist()))
    pq.write_table(table, tmp_path / "a.parquet")
    lines = [
        json_line(e, outputs=row, features=[]) for e, row in zip(EVENTS, x.tolist(), strict=True)
    ]
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(lines))
    config = backtest_config(
        input={"n_features": 0, "n_outputs": 20},
        detector={"reducer": {"kind": "softmax_outputs"}, "test": {"kind": "ks"}},
    )

    results = [
        run_backtest(config, tmp_path / name, processes=n_processes)
        for name in ("a.parquet", "a.jsonl")
    ]

    assert (np.abs(x.sum(axis=1) - 1) > 0.001).mean() > 0.3
    for result in results:
        assert result.summary.dead_letters == {"not_a_distribution": 1}
        assert found(result) == [("8", "not_a_distribution")]
    first, second = (list(result.scores()) for result in results)
    assert first == second


def test_missing_columns_are_named_with_those_that_are_there(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", EVENTS)

    with pytest.raises(SourceError, match=r"lacks the columns when, g\*.*it has model, time_ms"):
        run(path, columns={"time": "when", "features": "g*"})
    with pytest.raises(SourceError, match=r'columns\.event_id = ""'):
        run(path, columns=columns(event_id="id"))
    with pytest.raises(SourceError, match=r"has 3 columns of features .*input\.n_features is 2"):
        run(path, columns=columns(), input={"n_features": 2})


@pytest.mark.parametrize("write", [pq.write_table, pa_csv.write_csv], ids=["parquet", "csv"])
def test_two_columns_of_one_name_are_refused_where_they_are_read(
    tmp_path: Path, write: Callable[[pa.Table, Path], None]
) -> None:
    table = to_table(EVENTS)
    suffix = "csv" if write is pa_csv.write_csv else "parquet"
    write(table.append_column("f1", table["f0"]), tmp_path / f"twice.{suffix}")
    write(
        table.append_column("more", table["f0"]).append_column("more", table["f1"]),
        tmp_path / f"unread.{suffix}",
    )

    with pytest.raises(SourceError, match="has several columns that are called f1: rename them"):
        run(tmp_path / f"twice.{suffix}")
    assert run(tmp_path / f"unread.{suffix}").summary.n_used == len(EVENTS)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_a_header_that_is_not_utf_8_is_told(tmp_path: Path, encoding: str) -> None:
    text = "modèle,time_ms,event_id,f0,f1,f2\na,1,b,0,0,0\n"
    (tmp_path / "a.csv").write_bytes(text.encode(encoding))

    with pytest.raises(SourceError, match=r"a\.csv is not UTF-8"):
        run(tmp_path / "a.csv")


def test_files_that_are_none_say_so(tmp_path: Path) -> None:
    whole = write_parquet(tmp_path / "a.parquet", EVENTS).read_bytes()
    (tmp_path / "cut.parquet").write_bytes(whole[:-50])
    (tmp_path / "empty.csv").touch()
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "empty.parquet").touch()
    (tmp_path / "header.csv").write_text("model,time_ms,event_id,f0,f1,f2\n")
    (tmp_path / "none").mkdir()

    with pytest.raises(SourceError, match=r"cut\.parquet is not a complete Parquet file"):
        run(tmp_path / "cut.parquet")
    for name in ("empty.csv", "empty.jsonl", "empty.parquet", "header.csv"):
        with pytest.raises(SourceError, match=f"{name} holds no event"):
            run(tmp_path / name)
    with pytest.raises(SourceError, match="does not exist"):
        run(tmp_path / "nowhere.csv")
    with pytest.raises(SourceError, match="holds no file whose name ends in"):
        run(tmp_path / "none")
    with pytest.raises(SourceError, match=r"mixes csv and json_lines and parquet"):
        run(tmp_path)


def test_a_damaged_page_is_found_where_the_file_has_checksums(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", EVENTS, write_page_checksum=True)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 100] = bytes(100)
    path.write_bytes(data)

    with pytest.raises(SourceError, match="is damaged or not complete after row"):
        run(path)


def test_a_gzip_file_that_ends_early_is_no_history(tmp_path: Path) -> None:
    import gzip

    data = gzip.compress(b"\n".join(json_line(event) for event in EVENTS))
    (tmp_path / "a.jsonl.gz").write_bytes(data[:-100])

    with pytest.raises(SourceError, match="damaged or not complete"):
        run_backtest(backtest_config(), tmp_path / "a.jsonl.gz", processes=1)


def test_files_beside_each_other_in_time_are_told_from_rows_that_are_late(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    for model in "ab":
        events = [event for event in EVENTS if event.model == model]
        write_parquet(folder / f"{model}.parquet", events)

    result = run(folder)

    assert result.summary.dead_letters["late"] > 300
    [warning] = [text for text in result.summary.warnings if "too late" in text]
    assert 'where the 2 files overlap in time, set columns.files = "side' in warning


def test_late_rows_are_counted_and_the_option_to_raise_is_named(tmp_path: Path) -> None:
    late = [Event("a", START_MS + n, f"late-{n}", [0.0, 0.0, 0.0]) for n in range(100)]

    result = run(write_parquet(tmp_path / "a.parquet", [*EVENTS, *late]))

    assert result.summary.dead_letters == {"late": 100}
    (warning,) = result.summary.warnings
    assert "100 of 1,300 events came too late" in warning
    assert "input.max_out_of_orderness_ms, which is 1,000" in warning
    assert "15,960 ms late" in warning


def test_events_that_come_again_are_counted_once(tmp_path: Path) -> None:
    twice = sorted([*EVENTS, *EVENTS[:30]], key=lambda event: event.time_ms)

    result = run(write_parquet(tmp_path / "a.parquet", twice))

    assert result.summary.n_duplicates == 30
    assert result.summary.n_used == len(EVENTS)
    assert any("30 events came twice" in each for each in result.summary.warnings)


def test_seconds_instead_of_milliseconds_are_noticed(tmp_path: Path) -> None:
    table = to_table(EVENTS)
    seconds = pa.array(table["time_ms"].to_numpy() // 1000)
    pq.write_table(table.set_column(1, "time_ms", seconds), tmp_path / "a.parquet")

    result = run(tmp_path / "a.parquet")

    assert any("1970-01-21" in warning for warning in result.summary.warnings)


def test_microseconds_instead_of_milliseconds_are_noticed(tmp_path: Path) -> None:
    table = to_table(EVENTS)
    microseconds = pa.array(table["time_ms"].to_numpy() * 1000)
    pq.write_table(table.set_column(1, "time_ms", microseconds), tmp_path / "a.parquet")

    result = run(tmp_path / "a.parquet")

    assert result.summary.warnings[:2] == [
        "no event could be used, so nothing was tested",
        "1,200 of 1,200 events lie ahead of the clock and were not used: "
        "times are milliseconds since 1970",
    ]


@pytest.mark.parametrize("time_ms", [-(2**53), -62_135_596_800_001])
def test_times_before_the_first_year_of_dates_can_be_replayed(tmp_path: Path, time_ms: int) -> None:
    first = Event("a", time_ms, "first", [0.0, 0.0, 0.0])

    result = run(write_parquet(tmp_path / "a.parquet", [first, *EVENTS]))

    assert result.summary.n_used == len(EVENTS) + 1
    assert any("0001-01-01" in warning for warning in result.summary.warnings)


def test_times_ahead_of_the_clock_do_not_make_the_others_late(tmp_path: Path) -> None:
    far = Event("a", START_MS * 2, "far", [0.0, 0.0, 0.0])

    result = run(write_parquet(tmp_path / "a.parquet", [*EVENTS[:600], far, *EVENTS[600:]]))

    assert result.summary.dead_letters == {"far_future": 1}
    assert result.summary.end_ms == EVENTS[-1].time_ms


def test_a_reference_that_never_was_complete_is_told(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", EVENTS)

    result = run(path, reference={"n_events": 1_000})

    assert not result.summary.n_tested
    assert any("a lacks 600 events" in warning for warning in result.summary.warnings)


def test_a_full_pane_takes_the_first_events_that_came(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", EVENTS)

    result = run(path, panes={"max_raw_events": 20})

    # 25 events of each of three models in each of 16 panes.
    assert result.summary.dead_letters == {"pane_full": 5 * 3 * 16}


def test_a_timestamp_that_no_calendar_has_costs_its_row_alone() -> None:
    column = pa.array([2**60, 7, None, -(2**60)], pa.timestamp("s"))

    times_ms, wrong = TimesReader().read(column)

    assert times_ms.tolist() == [0, 7_000, 0, 0]
    assert wrong == {
        0: "lies beyond the years 1 to 9999",
        2: "is missing",
        3: "lies beyond the years 1 to 9999",
    }


def test_references_that_cannot_be_made_are_not_noted_as_still_being_collected(
    tmp_path: Path,
) -> None:
    constant = [replace(event, features=[1.0, 2.0, 3.0]) for event in make_events(("a",))]
    few = make_events(("few",), 10)
    pca = {"reducer": {"kind": "pca", "n_components": 2}}
    first = {"kind": "first_events", "n_events": 150}

    path = write_csv(tmp_path / "a.csv", [*few, *constant])
    result = run(path, detector=pca, reference=first)

    assert [note for note in result.summary.warnings if "reference" in note][-2:] == [
        "no reference could be made of what came, the alerts say why: a (2 times)",
        "the reference was still being collected at the end: few lacks 140 events",
    ]
    (alert,) = result.alerts()
    assert "the reference is constant" in (alert.reason or "")
