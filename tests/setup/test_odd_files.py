"""Files that ``loudly init`` once made a configuration of that did not read them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from flink_jobs.cli import app
from flink_jobs.config.columns import columns_of
from flink_jobs.histories.errors import SourceError
from flink_jobs.replay.engine import run_backtest
from tests.setup.tables import START_S, loans, write_csv, write_lines, write_parquet, written_for

N = 400
TIMES = loans(N)["scored_at"]
NUMBERS = np.random.default_rng(1).normal(50, 9, N).round(2).tolist()
PLANS = np.random.default_rng(2).choice(["free", "pro"], N).tolist()


def n_read(folder: Path, path: Path) -> int:
    """Events that a backtest by the configuration for a file uses; none may be refused."""
    _, config = written_for(path)
    summary = run_backtest(config, str(path), folder=folder / "out", processes=1).summary
    assert summary.dead_letters == {}
    return summary.n_events


def table(rows: list[list[object]], header: list[object] | None) -> str:
    return "".join(f"{','.join(map(str, row))}\n" for row in ([header] if header else []) + rows)


ROWS: list[list[object]] = [list(row) for row in zip(TIMES, NUMBERS, PLANS, strict=True)]


def test_a_file_whose_first_row_is_an_event_is_not_taken_to_have_names(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(table(ROWS, None))

    with pytest.raises(SourceError, match="seems to have no names of columns: its first row is"):
        written_for(path)


@pytest.mark.parametrize("names", [["0", "1", "2"], ["when", "2025", "pro"]])
def test_names_that_look_like_values_are_names_where_most_do_not(tmp_path, names):
    path = tmp_path / "log.csv"
    path.write_text(table(ROWS, names))

    _, config = written_for(path)

    assert list(config.columns.features) == names[1:]


@pytest.mark.parametrize(
    ("encoding", "names", "why"),
    [
        ("latin-1", ["when", "größe", "plan"], "not UTF-8"),
        ("utf-16", ["when", "size", "plan"], "not UTF-8"),
        ("utf-8", ["when", "plan", "plan"], "several columns that are called plan"),
    ],
)
def test_a_file_that_a_backtest_refuses_is_refused_at_once(tmp_path, encoding, names, why):
    path = tmp_path / "log.csv"
    path.write_bytes(table(ROWS, names).encode(encoding))

    with pytest.raises(SourceError, match=why):
        written_for(path)


@pytest.mark.parametrize("form", ["{:.1f}", "{:.3f}", "{:.10e}"])
@pytest.mark.parametrize("factor", [1, 1_000])
def test_times_in_text_may_have_a_fraction(tmp_path, form, factor):
    seconds = [START_S + 30 * n + 0.5 for n in range(N)]
    times = [form.format(second * factor) for second in seconds]
    path = write_csv(tmp_path / "log.csv", {"ts": times, "size": NUMBERS})

    assert n_read(tmp_path, path) == N


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_of_numbers_near_the_largest_nobody_is_warned(tmp_path):
    rng = np.random.default_rng(0)
    # Over two days: their hours are compared as well.
    times = [START_S + 60 * n for n in range(3_000)]
    huge = rng.choice([1e308, -1e308, 1.0], size=3_000).tolist()
    path = write_csv(tmp_path / "log.csv", {"ts": times, "size": huge})

    _, config = written_for(path)

    assert [column.name for column in columns_of(config)] == ["size"]


def test_bytes_that_are_no_text_are_left_out(tmp_path):
    pictures = [b"\xff\xd8" + bytes([n % 7]) for n in range(N)]
    columns = {"when": TIMES, "size": NUMBERS, "picture": pictures}
    path = write_parquet(tmp_path / "log.parquet", columns)

    text, config = written_for(path)

    assert [column.name for column in columns_of(config)] == ["size"]
    assert "#   picture  lists, objects, bytes" in text


def test_a_field_that_is_a_number_here_and_an_object_there_is_left_out(tmp_path):
    events = [
        {"when": t, "size": x, "score": {"raw": x} if n % 2 else 3}
        for n, (t, x) in enumerate(zip(TIMES, NUMBERS, strict=True))
    ]

    assert n_read(tmp_path, write_lines(tmp_path / "log.jsonl", events)) == N


def test_a_field_with_half_a_character_in_its_name_is_left_out_and_said(tmp_path):
    events = [{"when": t, "size": x, "n\udc00": x} for t, x in zip(TIMES, NUMBERS, strict=True)]
    path = tmp_path / "log.jsonl"
    path.write_text("".join(f"{json.dumps(event)}\n" for event in events))

    text, config = written_for(path)

    assert [column.name for column in columns_of(config)] == ["size"]
    assert "left out 1 field with halves of characters in the name" in text.replace("\n# ", " ")


def test_a_file_of_which_not_one_event_can_be_used_is_an_error_and_nothing_is_written(tmp_path):
    times = pa.array([None] * 39 + [1], pa.timestamp("us"))
    path = tmp_path / "log.parquet"
    pq.write_table(pa.table({"when": times, "size": [float("inf")] * 39 + [2.0]}), path)
    output = tmp_path / "job.toml"

    result = CliRunner().invoke(app, ["init", "--input", str(path), "--output", str(output)])

    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert (result.exit_code == 0) == output.exists()


def test_true_classes_under_a_name_that_no_label_can_have_are_left_out_and_said(tmp_path):
    outcomes = [n % 3 == 0 for n in range(N)]
    columns = {"when": TIMES, "size": NUMBERS, "y_pred": PLANS, 'y"true': outcomes}

    text, config = written_for(write_parquet(tmp_path / "log.parquet", columns))

    assert not config.columns.label
    assert [column.name for column in columns_of(config)] == ["size", "y_pred"]
    assert "but no label's name may hold quotes" in text


def test_names_that_end_with_a_dot_are_found_again(tmp_path):
    columns = loans(N)
    names = {"scored_at": "Scored.", "application_id": "Appl. No."}
    path = write_csv(tmp_path / "log.csv", {names.get(n, n): v for n, v in columns.items()})

    _, config = written_for(path)

    assert config.columns.time == '["Scored."]'
    assert config.columns.event_id == '["Appl. No."]'
    assert n_read(tmp_path, path) == N


@pytest.mark.parametrize("missing", ["n/a", "0,5"])
def test_decimal_commas_are_named(tmp_path, missing):
    texts = [str(number).replace(".", ",") for number in NUMBERS]
    path = write_csv(
        tmp_path / "log.csv", {"at": TIMES, "größe": [missing, *texts[1:]], "plan": PLANS}
    )

    text, config = written_for(path)

    assert list(config.columns.features) == ["plan"]
    assert "numbers with a decimal comma: write" in text


def test_outcomes_of_another_language_are_known_by_what_follows_the_score(tmp_path):
    columns = loans(2_000)
    outcomes = ["ja" if row else "nein" for row in columns.pop("defaulted")]
    columns |= {"Ausfall": [*outcomes[:-50], *["n/a"] * 50]}
    path = write_csv(tmp_path / "log.csv", columns)

    _, config = written_for(path)

    assert config.columns.label == "Ausfall"


def test_a_text_that_a_threshold_of_the_score_decides_is_an_answer(tmp_path):
    columns = loans(2_000)
    high = [p > 0.4 for p in columns["default_probability"]]
    columns["Entscheidung"] = ["prüfen" if each else "-" for each in high]
    columns["purpose"] = ["car" if each else "home" for each in high[::-1]]
    path = write_csv(tmp_path / "log.csv", columns)

    text, config = written_for(path)

    assert set(config.columns.outputs) == {"default_probability", "Entscheidung"}
    assert "UNSURE: one value below a threshold of default_probability" in text
