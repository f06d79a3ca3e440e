"""What ``loudly init`` makes of tables and of lines."""

from __future__ import annotations

import json
import re
import shlex
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from flink_jobs.cli import app
from flink_jobs.config.columns import columns_of
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.loading import decode_config
from flink_jobs.config.tables.columns import FeatureTable, OutputTable
from flink_jobs.config.tables.references import FirstEvents, FirstTime
from flink_jobs.config.tables.windows import TimeWindow
from flink_jobs.histories.errors import SourceError
from flink_jobs.replay.engine import run_backtest
from flink_jobs.replay.result import BacktestResult
from flink_jobs.setup.fitting import fitted
from flink_jobs.setup.job_toml import job_toml
from flink_jobs.setup.proposal import propose
from flink_jobs.setup.sample import Sample
from tests.setup.tables import (
    START_S,
    line_of,
    loans,
    write_csv,
    write_lines,
    write_parquet,
    written_for,
)


def replayed(folder: Path, config: DriftJobConfig, path: Path) -> BacktestResult:
    return run_backtest(config, str(path), folder=folder / "out", processes=1)


def test_a_csv_of_loans_becomes_a_job_that_replays_it_as_it_is_and_finds_its_drift(tmp_path):
    path = write_csv(tmp_path / "loans.csv", loans())

    text, config = written_for(path)
    result = replayed(tmp_path, config, path)

    assert {column.name: column.type for column in columns_of(config)} == {
        "income_eur": "number",
        "purpose": "category",
        "is_employed": "boolean",
        "default_probability": "number",
        "defaulted": "category",
    }
    assert config.columns.model_name == "loans"
    assert config.columns.time == "scored_at"
    assert config.columns.event_id == "application_id"
    assert config.columns.label == "defaulted"
    assert result.summary.dead_letters == {}
    drifts = {alert.view for alert in result.alerts() if alert.cause == "drift"}
    assert drifts == {"inputs"}
    assert 'income_eur = {type = "number", unit = "EUR"}' in text


def test_identifiers_and_free_text_are_left_out_and_the_file_says_so(tmp_path):
    text, config = written_for(write_csv(tmp_path / "loans.csv", loans()))

    assert "#   applicant  an identifier:" in text
    assert "#   comment    free text:" in text
    assert not {"applicant", "comment"} & {column.name for column in columns_of(config)}


@pytest.mark.parametrize(
    ("name", "is_true_value"), [("eta_true", True), ("true_eta", True), ("true_north", False)]
)
def test_the_true_values_of_a_regression_are_no_feature(tmp_path, name, is_true_value):
    columns = loans(600)
    columns["eta_pred"] = columns["income_eur"]
    columns[name] = [value + 1.5 for value in columns["income_eur"]]

    text, config = written_for(write_csv(tmp_path / "trips.csv", columns))

    assert bool(re.search(f"#   {name} +true values", text)) is is_true_value
    assert (name in {column.name for column in columns_of(config)}) is not is_true_value


@pytest.mark.parametrize(
    ("form", "is_date"),
    [
        ("%d.%m.%Y", True),
        ("%m/%d/%Y", True),
        ("%Y/%m/%d %H:%M", True),
        ("%m/%Y", False),
        ("%d.%m", False),
    ],
)
def test_dates_as_offices_write_them_are_left_out_however_few_there_are(tmp_path, form, is_date):
    columns = loans(600)
    born = [date(1950 + row % 40, 1 + row % 12, 1 + row % 28) for row in range(600)]
    columns["born"] = [day.strftime(form) for day in born]

    text, config = written_for(write_csv(tmp_path / "loans.csv", columns))

    assert bool(re.search("#   born +a date, such as", text)) is is_date
    assert ("born" in {column.name for column in columns_of(config)}) is not is_date


def test_a_time_of_another_form_is_named_where_there_is_no_other(tmp_path):
    columns = loans(600)
    columns["scored_at"] = [f"{1 + row // 60:02d}.04.2026 10:{row % 60:02d}" for row in range(600)]

    with pytest.raises(
        SourceError, match=r"scored_at holds dates such as 01\.04\.2026 10:00: write"
    ):
        written_for(write_csv(tmp_path / "loans.csv", columns))


def test_the_commands_that_follow_can_be_pasted_into_a_shell(tmp_path):
    (tmp_path / "my data").mkdir()
    path = write_csv(tmp_path / "my data" / "loans of may's.csv", loans())
    output = tmp_path / "my data" / "job.toml"

    printed = CliRunner().invoke(app, ["init", "--input", str(path), "--output", str(output)])

    next_steps = re.compile(r"(?:# )?(?:Next:)? +(loudly .*)")
    written, told = (
        [shlex.split(found[1]) for line in lines if (found := next_steps.fullmatch(line))]
        for lines in (output.read_text().splitlines(), printed.output.splitlines())
    )
    assert [words[1] for words in written] == ["validate", "backtest", "report", "sandbox"]
    assert [words[1] for words in told] == ["validate", "backtest"]
    # The report reads the result alone.
    assert all(str(path) in words for words in [*written, *told] if words[1] != "report")


@pytest.mark.parametrize("kind", ["csv", "parquet", "lines"])
def test_one_table_becomes_the_same_columns_and_windows_in_every_format(tmp_path, kind):
    columns = loans()
    path = {
        "csv": lambda: write_csv(tmp_path / "loans.csv", columns),
        "parquet": lambda: write_parquet(tmp_path / "loans.parquet", columns),
        "lines": lambda: write_lines(
            tmp_path / "loans.jsonl",
            [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)],
        ),
    }[kind]()

    _, config = written_for(path)

    assert list(config.columns.features) == ["income_eur", "purpose", "is_employed"]
    assert config.columns.outputs == {"default_probability": "probability"}
    assert (config.columns.time, config.columns.label) == ("scored_at", "defaulted")
    assert config.window == TimeWindow(size_ms=3_600_000, slide_ms=600_000)
    assert config.reference == FirstEvents(n_events=500)


def test_a_nested_log_is_read_by_paths(tmp_path):
    random = np.random.default_rng(0)
    events = [
        {
            "ctx": {"requestId": f"r-{n}", "modelName": "pricing", "ts": START_S + 60 * n},
            "in": {"sqm": random.normal(80, 20), "city": str(random.choice(["Bonn", "Ulm"]))},
            "request": {
                "features": {"rooms": int(random.integers(1, 7)), "user": {"age": 40 + n % 9}}
            },
            "response": {
                "status": 200,
                "latency_ms": random.normal(20, 3),
                "price_eur": random.normal(3e5, 5e4),
                "served_by": {"host": f"pod-{n % 3}"},
            },
        }
        for n in range(800)
    ]
    path = write_lines(tmp_path / "log.jsonl", events)

    text, config = written_for(path)
    result = replayed(tmp_path, config, path)

    assert config.columns.model == "ctx.modelName"
    assert (config.columns.time, config.columns.time_unit) == ("ctx.ts", "s")
    assert config.columns.event_id == "ctx.requestId"
    assert config.columns.features_at == "request.features"
    assert config.columns.features == {
        "rooms": "number",
        "request.features.user.age": FeatureTable(path="request.features.user.age"),
    }
    assert config.columns.outputs == {"price_eur": OutputTable(kind="number", unit="EUR")}
    assert "in.sqm" in text.split("Left out")[1]
    assert result.summary.dead_letters == {}
    assert result.summary.n_tested


def test_probabilities_of_classes_in_columns_of_their_own_are_one_output(tmp_path):
    random = np.random.default_rng(0)
    p = random.dirichlet([2, 3, 4], 600)
    columns = {
        "t": [1_000 * (START_S + 9 * n) for n in range(600)],
        "score_before": random.random(600).tolist(),
        "p_cat": p[:, 0].tolist(),
        "p_dog": p[:, 1].tolist(),
        "p_cow": p[:, 2].tolist(),
    }
    path = write_parquet(tmp_path / "animals.parquet", columns)

    _, config = written_for(path)
    result = replayed(tmp_path, config, path)

    classes = ["p_cat", "p_dog", "p_cow"]
    assert config.columns.outputs == {
        "p": OutputTable(kind="class_probabilities", class_names=classes)
    }
    assert result.summary.dead_letters == {}


def test_what_is_not_certain_is_marked_and_counted(tmp_path):
    columns = loans()
    columns["scored_at"] = [text.rstrip("Z") for text in columns["scored_at"]]

    text, _ = written_for(write_csv(tmp_path / "loans.csv", columns))

    assert "UNSURE: times name no zone" in line_of(text, "time_zone")
    n_marked = text.count("# UNSURE: ")
    assert f"{n_marked} lines marked UNSURE" in text


def test_a_table_without_times_is_read_in_the_order_of_a_number_that_grows(tmp_path):
    random = np.random.default_rng(0)
    columns = {"row": list(range(5, 2_005)), "x": random.normal(size=2_000).tolist()}
    path = write_csv(tmp_path / "order.csv", columns)

    text, config = written_for(path)
    result = replayed(tmp_path, config, path)

    assert "UNSURE: no column holds a time: row grows with the rows" in line_of(text, "time =")
    assert result.summary.n_tested


def test_a_table_without_any_order_says_what_it_needs(tmp_path):
    path = write_csv(tmp_path / "x.csv", {"x": [0.5, 0.1, 0.7], "plan": ["a", "b", "a"]})

    with pytest.raises(SourceError, match="holds no time: Loudly needs the moment of each event"):
        written_for(path)


def test_a_file_with_nothing_to_watch_says_why(tmp_path):
    ids = [f"u{n}" for n in range(200)]
    path = write_csv(tmp_path / "x.csv", {"time": range(START_S, START_S + 200), "user_id": ids})

    with pytest.raises(SourceError, match="nothing to watch"):
        written_for(path)


def test_rows_that_come_late_widen_the_bound_so_that_all_are_used(tmp_path):
    columns = loans()
    order = np.arange(2_000)
    order[10::20] -= 6  # three minutes late
    late = {name: [values[n] for n in order] for name, values in columns.items()}
    late["application_id"] = columns["application_id"]
    path = write_csv(tmp_path / "loans.csv", late)

    _, config = written_for(path)
    result = replayed(tmp_path, config, path)

    assert config.input.max_out_of_orderness_ms == 300_000
    assert result.summary.dead_letters == {}


def test_files_of_a_folder_that_are_not_in_order_of_their_names_are_merged_by_time(tmp_path):
    columns = loans()
    folder = tmp_path / "both"
    folder.mkdir()
    first = {name: values[:1_000] for name, values in columns.items()}
    last = {name: values[1_000:] for name, values in columns.items() if name != "defaulted"}
    write_csv(folder / "reference.csv", first)
    write_csv(folder / "analysis.csv", last)

    text, config = written_for(folder)
    result = replayed(tmp_path, config, folder)

    assert config.columns.files == "side_by_side"
    assert config.reference == FirstEvents(n_events=1_000)
    assert "the file that is called a reference" in text
    assert config.columns.label == "defaulted"
    assert result.summary.dead_letters == {}
    assert {alert.view for alert in result.alerts() if alert.cause == "drift"} == {"inputs"}


def test_of_a_large_parquet_file_all_parts_are_looked_at(tmp_path):
    n = 60_000
    table = pa.table(
        {
            "at": pa.array(np.arange(n) * 1_000 + 1_000 * START_S, pa.timestamp("ms", "UTC")),
            "x": np.where(np.arange(n) < 50_000, 0.0, np.arange(n) % 7.0),
        }
    )
    path = tmp_path / "large.parquet"
    pq.write_table(table, path, row_group_size=5_000)

    text, _ = written_for(path)

    # A head alone would have seen a constant, and a few hours.
    assert "0 to 6" in line_of(text, "x =")
    assert "60,000 events of 2026-03-01 21:20–2026-03-02 13:59:59 UTC" in text.replace("\n# ", " ")


def test_a_day_in_the_numbers_makes_windows_of_whole_days(tmp_path):
    at = np.arange(0, 28 * 86_400, 120)
    hours = at / 3_600 % 24
    x = 3 * np.exp(-(((hours - 13) / 3) ** 2)) + np.random.default_rng(0).normal(0, 0.5, len(at))
    columns = {"at": ((at + 1_772_323_200) * 1_000).tolist(), "x": x.tolist()}
    path = write_parquet(tmp_path / "clock.parquet", columns)

    text, config = written_for(path)
    result = replayed(tmp_path, config, path)

    assert isinstance(config.window, TimeWindow)
    assert config.window.size_ms == 86_400_000
    assert config.reference == FirstTime(duration_ms=7 * 86_400_000)
    assert "whole days, since x follows the hour" in text
    assert not [alert for alert in result.alerts() if alert.cause == "drift"]


def test_the_command_writes_the_file_and_keeps_one_that_is_there(tmp_path):
    path = write_csv(tmp_path / "loans.csv", loans())
    output = tmp_path / "job.toml"
    arguments = ["init", "--input", str(path), "--output", str(output)]

    written = CliRunner().invoke(app, arguments)
    again = CliRunner().invoke(app, arguments)
    forced = CliRunner().invoke(app, [*arguments, "--force", "--model-name", "risk"])

    assert written.exit_code == 0, written.output
    assert "3 features, 1 output" in written.output
    assert again.exit_code == 1
    assert "is there already" in again.output
    assert forced.exit_code == 0
    assert decode_config(output.read_bytes()).columns.model_name == "risk"


def test_names_and_values_that_drive_a_terminal_are_shown_as_escapes(tmp_path):
    path = write_lines(
        tmp_path / "x.jsonl",
        [
            {"at": 1_000 * (START_S + n), "pl\u202ean": f"a\x1b[31m{n % 2}", "y\nz": n % 3}
            for n in range(300)
        ],
    )

    printed = CliRunner().invoke(
        app, ["init", "--input", str(path), "--output", str(tmp_path / "job.toml")]
    )

    text = (tmp_path / "job.toml").read_text()
    assert printed.exit_code == 0, printed.output
    assert "\x1b" not in printed.output + text
    assert "\u202e" not in printed.output
    decode_config(text.encode())


cells = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**18), 10**18),
    st.floats(),
    st.text(max_size=12),
    st.lists(st.floats(allow_nan=False), max_size=4),
    st.dictionaries(st.text(max_size=4), st.integers(), max_size=3),
)


@settings(max_examples=40)
@given(
    names=st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=6, unique=True),
    data=st.data(),
)
def test_whatever_a_table_holds_the_file_is_valid_or_an_error_says_why(names, data):
    rows = data.draw(
        st.lists(st.fixed_dictionaries({name: cells for name in names}), min_size=2, max_size=20)
    )
    rows = [{"time": 1_000 * (START_S + n), **row} for n, row in enumerate(rows)]

    sample = Sample("x.parquet", "x", "table", trees=rows, n_total=len(rows))
    try:
        proposal = fitted(propose(sample))
    except SourceError as error:
        refused = str(error)
        proposal = None
    if proposal is None:
        assert "nothing to watch" in refused
    else:
        assert columns_of(decode_config(job_toml(proposal).encode()))


def test_a_wide_table_is_made_to_fit_the_state_of_a_model(tmp_path):
    random = np.random.default_rng(0)
    columns: dict[str, list[object]] = {"at": [1_000 * (START_S + n) for n in range(4_000)]}
    columns |= {f"x{n}": random.normal(size=4_000).tolist() for n in range(200)}
    path = write_parquet(tmp_path / "wide.parquet", columns)

    _, config = written_for(path)

    assert len(config.columns.features) == 200


def test_lines_that_are_not_json_say_what_to_do(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"\x02\x06abc\n" * 50)

    with pytest.raises(SourceError, match="does not hold JSON"):
        written_for(path)


def test_semicolons_are_named(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("time;x\n1;2\n")

    with pytest.raises(SourceError, match="separates its cells by semicolons"):
        written_for(path)
    with pytest.raises(SourceError, match="separates its cells by semicolons"):
        replayed(tmp_path, written_for(write_csv(tmp_path / "loans.csv", loans()))[1], path)


def test_the_written_file_holds_no_line_that_is_wider_than_a_screen(tmp_path):
    text, _ = written_for(write_csv(tmp_path / "loans.csv", loans()))

    body = [line for line in text.splitlines() if "loudly backtest" not in line]
    assert max(map(len, body)) <= 160
    assert json.dumps(text).isascii()


def test_the_page_shows_a_configuration_that_is_right():
    page = (Path(__file__).parents[2] / "docs" / "init.md").read_text()
    shown = page.split("```toml\n")[1].split("```")[0]

    assert decode_config(shown.encode()).columns.label == "repaid"
