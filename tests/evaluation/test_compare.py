from __future__ import annotations

import re
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from flink_jobs.cli.compare import compare as compare_command
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.loading import decode_config
from flink_jobs.config.tables.base import ConfigError
from flink_jobs.config.tables.detectors import MMDConfig, PCAConfig
from flink_jobs.evaluation.compare.compare import (
    Comparison,
    Outcome,
    choose,
    chosen_by_label,
    compare,
    with_efficient,
)
from flink_jobs.evaluation.compare.grid import Combination, Grid, Refused, combinations, read_grid
from flink_jobs.evaluation.compare.job_file import job_toml
from flink_jobs.evaluation.compare.runs import Progress
from flink_jobs.evaluation.evaluate import Beside, Figures
from flink_jobs.histories.errors import BacktestError, SourceError
from flink_jobs.histories.known_drifts.shift_table import ScalingShift, Shift, read_shifts
from flink_jobs.histories.known_drifts.simulator import truth_of
from flink_jobs.histories.known_drifts.truth import DriftInterval, read_truth
from flink_jobs.replay.result_folder import written_by_one
from flink_jobs.reports.compare_plot import figure, write_html
from flink_jobs.reports.compare_text import HEADER, table_rows
from tests.builders import BASE, level_of, make_config

ROOT = Path(__file__).resolve().parents[2]
LEVELS = {
    "name": "level",
    "options": [
        {"label": "strict", "change": {"calibration": {"level": 1e-6}}},
        {"label": "loose", "change": {"calibration": {"level": 0.5}}},
    ],
}
WINDOWS = {
    "name": "window",
    "options": [
        {"label": "as it is"},
        {"label": "4.5 s", "change": {"window": {"size_ms": 4_500}}},
    ],
}
# 2026-05-01T12:00:00Z, in milliseconds since 1970.
NOON_MS = 1_777_636_800_000
TRUTH = [DriftInterval("a", NOON_MS + 60_000, NOON_MS + 90_000)]


def grid_of(*axes: dict[str, Any]) -> Grid:
    return msgspec.convert({"axis": list(axes)}, Grid)


def run_comparison(
    source: Any,
    folder: Path,
    *axes: dict[str, Any],
    config: DriftJobConfig | None = None,
    processes: int = 1,
    **options: Any,
) -> Comparison:
    """By the levels alone unless axes are given, in this process unless it shall be several."""
    grid = grid_of(*(axes or [LEVELS]))
    return compare(
        config or config_with(),
        grid,
        source,
        TRUTH,
        folder=folder,
        processes=processes,
        **options,
    )


def config_with(**tables: object) -> DriftJobConfig:
    return make_config(reference={"kind": "first_events", "n_events": 300}, **tables)


@pytest.fixture(scope="module")
def history(tmp_path_factory) -> Path:
    """Two models, 20 events a second for 90 s; model a moves by two standard deviations at 60 s."""
    rng = np.random.default_rng(0)
    times_ms = np.repeat(np.arange(0, 90_000, 50), 2)
    models = np.tile(["a", "b"], len(times_ms) // 2)
    x = rng.normal(size=(len(times_ms), 3))
    x[(models == "a") & (times_ms >= 60_000)] += 2.0
    table = pa.table(
        {
            "model": models,
            "time_ms": NOON_MS + times_ms,
            "event_id": [f"event-{number}" for number in range(len(times_ms))],
            "features": x.tolist(),
        }
    )
    path: Path = tmp_path_factory.mktemp("history") / "history.parquet"
    pq.write_table(table, path)
    return path


@pytest.fixture(scope="module")
def compared(history, tmp_path_factory) -> tuple[Comparison, Path]:
    folder = tmp_path_factory.mktemp("compared")
    return run_comparison(history, folder, LEVELS, WINDOWS), folder


def outcome(
    label: str, *, missed: int = 0, delays: tuple[int, ...] = (10,), false_alarms: int = 0
) -> Outcome:
    figures = Figures(
        n_drifts=missed + len(delays),
        n_missed=missed,
        delays_ms=list(delays),
        n_false_alarms=false_alarms,
        n_alarms=false_alarms + len(delays),
        quiet_ms=60_000,
    )
    return Outcome(
        label=label,
        config=make_config(),
        folder=Path(label),
        figures=Beside(detector=figures),
        events_per_s=1_000.0,
        n_tested=9,
    )


def test_every_combination_is_tried_the_last_axis_varying_fastest():
    found = list(combinations(config_with(), grid_of(LEVELS, WINDOWS)))

    labels = ["strict/as it is", "strict/4.5 s", "loose/as it is", "loose/4.5 s"]
    assert [each.label for each in found] == labels
    assert isinstance(found[0], Combination)
    assert found[0].config == config_with(calibration={"level": 1e-6})


def test_a_combination_that_no_job_could_run_says_why():
    (found,) = combinations(
        config_with(), grid_of({"name": "w", "options": [WINDOWS["options"][1]]})
    )

    assert isinstance(found, Refused)
    assert found.reason == (
        "window.size_ms: 4500 is not a multiple of panes.width_ms = 1000; "
        "allowed: 1000, 2000, 3000, ..."
    )


def test_an_unknown_key_is_a_reason_too():
    (found,) = combinations(
        config_with(),
        grid_of({"name": "t", "options": [{"label": "x", "change": {"windows": {}}}]}),
    )

    assert isinstance(found, Refused)
    assert found.reason.startswith("windows: is unknown; allowed: ")


def test_two_axes_may_change_one_table_but_not_one_key():
    test = {"label": "t", "change": {"detector": {"test": {"kind": "mmd", "n_permutations": 99}}}}
    reducer = {
        "label": "r",
        "change": {"detector": {"reducer": {"kind": "pca", "n_components": 2}}},
    }
    other = {"label": "o", "change": {"detector": {"test": {"kind": "ks"}}}}

    (both,) = combinations(
        config_with(),
        grid_of({"name": "1", "options": [test]}, {"name": "2", "options": [reducer]}),
    )
    (clash,) = combinations(
        config_with(), grid_of({"name": "1", "options": [test]}, {"name": "2", "options": [other]})
    )

    assert isinstance(both, Combination)
    assert both.config.detector.test == MMDConfig(n_permutations=99)
    assert both.config.detector.reducer == PCAConfig(n_components=2)
    said = "detector.test.kind: two axes change it; allowed: one axis for each key"
    assert clash == Refused("t/o", said)


def test_overrides_hold_in_every_combination():
    config = config_with(overrides=[{"models": "a", "calibration": {"level": 0.02}}])

    for each in combinations(config, grid_of(LEVELS)):
        assert isinstance(each, Combination)
        assert each.config.overrides == config.overrides


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "axis"),
        ('axis = [{name = "a", options = []}]', "axis[0].options"),
        ('axis = [{name = "a", options = [{label = "x/y"}]}]', "axis[0].options[0].label"),
        ('axis = [{name = "a", options = [{label = "x", changes = {}}]}]', "changes"),
        (
            'axis = [{name = "a", options = [{label = "x"}, {label = "x"}]}]',
            "axis[0].options[1].label: 'x' is taken",
        ),
        (
            'axis = [{name = "a", options = [{label = "x"}]},'
            ' {name = "a", options = [{label = "y"}]}]',
            "axis[1].name: 'a' is taken",
        ),
    ],
)
def test_a_wrong_grid_is_refused(tmp_path, text, what):
    path = tmp_path / "grid.toml"
    path.write_text(text)

    with pytest.raises(ConfigError, match=re.escape(what)):
        read_grid(path)


def test_a_grid_that_would_never_end_is_refused(tmp_path):
    options = ", ".join(f'{{label = "{number}"}}' for number in range(11))
    path = tmp_path / "grid.toml"
    path.write_text("\n".join(f'[[axis]]\nname = "{n}"\noptions = [{options}]' for n in range(3)))

    with pytest.raises(ConfigError, match="1,331 combinations"):
        read_grid(path)


@pytest.mark.parametrize(
    "tables",
    [
        {},
        {"kafka": {"properties": {"client.rack": "${env:SECRET}", "client.id": 'quo"te'}}},
        {"window": {"kind": "session", "gap_ms": 1_000, "max_size_ms": 9_000, "max_events": 50}},
        {"policy": {"windows_to_start": 2, "critical_effect_size": 0.25, "recover_level": 0.05}},
        {
            "detectors": [{"name": "slow", "window": {"kind": "count", "size": 50, "slide": 50}}],
            "overrides": [
                {"models": "a", "calibration": {"level": 1e-5}},
                {"models": "b*", "detectors": [], "window": {"size_ms": 6_000}},
            ],
        },
    ],
)
def test_a_written_job_is_the_configuration(tables):
    config = config_with(**tables)

    text = job_toml(config, "chosen\nby hand")

    assert decode_config(text.encode()) == config
    assert text.startswith("# chosen\n# by hand\n")


def test_the_best_misses_least_then_is_quickest_then_has_fewest_false_alarms():
    outcomes = [
        outcome("misses", missed=1, delays=(1,)),
        outcome("slow", delays=(30,)),
        outcome("quick", delays=(20,), false_alarms=2),
        outcome("quick and quiet", delays=(20,), false_alarms=1),
        outcome("loud", delays=(5,), false_alarms=9),
    ]

    assert choose(outcomes, max_false_alarms=2).label == "quick and quiet"
    assert choose(outcomes).label == "slow"
    assert choose(outcomes, max_false_alarms=9).label == "loud"


def test_efficient_are_those_that_none_beats():
    outcomes = [
        outcome("quick", delays=(10,), false_alarms=5),
        outcome("quick as well", delays=(10,), false_alarms=5),
        outcome("beaten", delays=(10,), false_alarms=6),
        outcome("quiet", delays=(40,)),
        outcome("finds none", missed=1, delays=()),
    ]

    found = with_efficient(outcomes)

    labels = [each.label for each in found if each.is_efficient]
    assert labels == ["quick", "quick as well", "quiet"]


def test_what_tested_no_window_is_neither_efficient_nor_chosen_over_what_did():
    untested = msgspec.structs.replace(outcome("untested", delays=()), n_tested=0)
    outcomes = [untested, outcome("finds", missed=1)]

    assert [each.label for each in with_efficient(outcomes) if each.is_efficient] == ["finds"]
    assert choose(outcomes).label == "finds"
    assert choose([untested]) is untested


def test_where_none_is_quiet_enough_the_quietest_is_told():
    outcomes = [outcome("loud", false_alarms=7), outcome("less", false_alarms=3)]

    with pytest.raises(BacktestError, match="'less' has the fewest, 3"):
        choose(outcomes, max_false_alarms=2)


def test_a_label_chooses_and_an_unknown_one_is_told():
    outcomes = [outcome("x/1"), outcome("y/1")]

    assert chosen_by_label(outcomes, "y/1") is outcomes[1]
    with pytest.raises(BacktestError, match=r"'z'; there are 'x/1', 'y/1'"):
        chosen_by_label(outcomes, "z")


def test_real_backtests_are_compared(compared):
    comparison, folder = compared

    assert [each.label for each in comparison.outcomes] == ["strict/as it is", "loose/as it is"]
    assert [each.label for each in comparison.refused] == ["strict/4.5 s", "loose/4.5 s"]
    strict, loose = (each.figures.detector for each in comparison.outcomes)
    assert (strict.n_drifts, strict.n_missed, strict.n_false_alarms) == (1, 0, 0)
    assert 0 < strict.delays_ms[0] <= 3_000
    assert loose.n_false_alarms > 5
    assert loose.delays_ms[0] < strict.delays_ms[0]
    assert [each.is_efficient for each in comparison.outcomes] == [True, True]
    assert all(each.folder.parent == folder / "runs" for each in comparison.outcomes)
    assert all(each.events_per_s > 0 for each in comparison.outcomes)


def test_what_has_been_run_is_not_run_again(compared, history, tmp_path):
    comparison, folder = compared
    summaries = [each.folder / "summary.json" for each in comparison.outcomes]
    before = [path.stat().st_mtime_ns for path in summaries]
    steps: list[Progress] = []
    grid = grid_of(LEVELS, WINDOWS)

    again = compare(
        config_with(),
        grid,
        history,
        [DriftInterval("nobody", 1, 2)],
        folder=folder,
        processes=1,
        on_progress=steps.append,
    )

    assert [path.stat().st_mtime_ns for path in summaries] == before
    assert [each.folder for each in again.outcomes] == [e.folder for e in comparison.outcomes]
    assert again.unmatched == [DriftInterval("nobody", 1, 2)]
    assert steps == [Progress(2, 2, "")]


def test_runs_beside_each_other_give_the_same_bytes(compared, history, tmp_path):
    comparison, _ = compared
    steps: list[Progress] = []

    beside = run_comparison(
        history, tmp_path, LEVELS, WINDOWS, processes=2, on_progress=steps.append
    )

    for one, other in zip(comparison.outcomes, beside.outcomes, strict=True):
        assert other.figures == one.figures
        for name in ("scores.jsonl", "alerts.jsonl", "config.json"):
            assert (other.folder / name).read_bytes() == (one.folder / name).read_bytes()
    done = [step.n_done for step in steps]
    assert done == sorted(done)
    assert steps[-1] == Progress(2, 2, "")
    assert {step.label for step in steps[:-1]} == {"strict/as it is", "loose/as it is"}


@pytest.mark.parametrize("processes", [1, 2])
def test_what_is_wrong_with_a_history_is_told_plainly(tmp_path, processes):
    path = tmp_path / "history.csv"
    path.write_text("model,time_ms\na,1\n")

    with pytest.raises(SourceError, match="lacks the columns features"):
        run_comparison(path, tmp_path / "c", processes=processes)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_training_set_that_is_not_there_is_told_plainly(history, tmp_path, processes):
    missing = {"kind": "artefact", "path": str(tmp_path / "x_ref.npz"), "sha256": "0" * 64}

    with pytest.raises(ConfigError, match="reference") as told:
        run_comparison(
            history, tmp_path / "c", config=make_config(reference=missing), processes=processes
        )

    assert "x_ref.npz" in str(told.value)
    assert len(told.value.problems) == 1


def test_a_table_is_compared_as_its_file_is(compared, history, tmp_path):
    comparison, _ = compared
    table = pq.read_table(history)

    of_table = run_comparison(table, tmp_path, LEVELS, WINDOWS, processes=2)

    assert [o.figures for o in of_table.outcomes] == [o.figures for o in comparison.outcomes]
    assert run_comparison(table, tmp_path, LEVELS, WINDOWS).outcomes == of_table.outcomes
    with pytest.raises(BacktestError, match="another input"):
        run_comparison(table.slice(1), tmp_path, LEVELS, WINDOWS)


def test_a_table_over_which_nothing_can_run_is_compared_as_a_file_is(history, tmp_path):
    never = {"name": "window", "options": [WINDOWS["options"][1]]}

    of_file = run_comparison(history, tmp_path / "file", never)
    of_table = run_comparison(pq.read_table(history), tmp_path / "table", never)

    assert of_table == of_file
    assert [each.label for each in of_table.refused] == ["4.5 s"]


def test_a_table_is_read_for_every_configuration_of_the_grid(history, tmp_path):
    rng = np.random.default_rng(0)
    table = pq.read_table(history)
    table = table.append_column("outputs", pa.array(rng.dirichlet([1.0, 1.0], len(table)).tolist()))
    config = config_with(input={"n_features": 3, "n_outputs": 2})
    axis = {
        "name": "reducer",
        "options": [
            {"label": "features", "change": {"detector": {"reducer": {"kind": "none"}}}},
            {"label": "bbsds", "change": {"detector": {"reducer": {"kind": "softmax_outputs"}}}},
        ],
    }

    found = run_comparison(table, tmp_path, axis, config=config)

    assert [each.figures.detector.n_missed for each in found.outcomes] == [0, 1]


def test_a_run_that_was_interrupted_is_run_again(compared, history):
    comparison, folder = compared
    summary = comparison.outcomes[0].folder / "summary.json"
    summary.unlink()
    steps: list[Progress] = []

    again = compare(
        config_with(),
        grid_of(LEVELS, WINDOWS),
        history,
        TRUTH,
        folder=folder,
        processes=1,
        on_progress=steps.append,
    )

    assert all(0 <= step.n_done <= step.n_total == 2 for step in steps)
    assert summary.exists()
    assert again.outcomes[0].figures == comparison.outcomes[0].figures


def test_a_folder_belongs_to_one_input_and_one_list_of_shifts(compared, history):
    _, folder = compared
    shifts: list[Shift] = [ScalingShift(start_ms=1, end_ms=2, factor=2.0)]

    for source, simulated in ((str(history) + "2", []), (str(history), shifts)):
        with pytest.raises(BacktestError, match="another input"):
            compare(
                config_with(),
                grid_of(LEVELS),
                source,
                TRUTH,
                folder=folder,
                shifts=simulated,
                processes=1,
            )


def test_a_mistyped_input_does_not_claim_the_folder(history, tmp_path):
    with pytest.raises(BacktestError, match="does not exist"):
        run_comparison(f"{history}2", tmp_path / "c")

    assert run_comparison(str(history), tmp_path / "c").outcomes


def test_two_comparisons_do_not_write_to_one_folder(history, tmp_path):
    folder = tmp_path / "compared"

    with written_by_one(folder), pytest.raises(BacktestError, match="another backtest is writing"):
        run_comparison(history, folder, LEVELS, WINDOWS)


def test_a_folder_with_something_else_is_left_alone(history, tmp_path):
    (tmp_path / "job.toml").write_text("the configuration that is compared")
    (tmp_path / "file").touch()

    with pytest.raises(BacktestError, match=r"holds something else \(file\)"):
        run_comparison(str(history), tmp_path)
    with pytest.raises(BacktestError, match="cannot be written"):
        run_comparison(str(history), tmp_path / "file")

    assert (tmp_path / "job.toml").read_text() == "the configuration that is compared"


def test_simulated_drift_is_found_in_a_history_without(history, tmp_path):
    shifts: list[Shift] = [
        ScalingShift(models="b", start_ms=NOON_MS + 50_000, end_ms=NOON_MS + 80_000, factor=4.0)
    ]
    grid = grid_of({"name": "level", "options": [LEVELS["options"][0]]})

    found = compare(
        config_with(),
        grid,
        history,
        TRUTH + truth_of(shifts),
        folder=tmp_path,
        shifts=shifts,
        processes=1,
    )

    detected = found.outcomes[0].figures.detector
    assert (detected.n_drifts, detected.n_missed, detected.n_false_alarms) == (2, 0, 0)


def test_the_table_says_what_each_configuration_did():
    rows = table_rows(
        [
            outcome("good", delays=(2_500, 3_500)),
            outcome("none", missed=2, delays=(), false_alarms=2),
        ]
    )

    assert all(len(row) == len(HEADER) for row in rows)
    assert rows[0][:4] == ("good", "0 of 2", "3 s", "0 of 2")
    assert rows[0][4] == "> 16 s"
    assert rows[1][:4] == ("none", "2 of 2", "–", "2 of 2")
    assert rows[1][4] == "30 s (8.3 s to 4.1 min)"


@pytest.mark.parametrize(
    "outcomes",
    [
        [outcome("good"), outcome("bad </script> $x$ & <b>", false_alarms=4)],
        [outcome("none", missed=1, delays=())],
    ],
)
def test_a_comparison_becomes_a_page_that_needs_no_network(tmp_path, outcomes):
    comparison = Comparison(outcomes=outcomes, refused=[], unmatched=[], tolerance_ms=0)

    write_html(comparison, outcomes[0], tmp_path / "p.html")

    page = (tmp_path / "p.html").read_text()
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=\"(?!data:)", page)
    assert page.count("</script>") == page.count("<script")
    assert "bad </script>" not in page
    for each in outcomes:
        assert escape(each.label) in page


def test_the_chosen_configuration_has_a_shape_of_its_own():
    outcomes = [outcome("good"), outcome("bad", false_alarms=4)]
    comparison = Comparison(outcomes=outcomes, refused=[], unmatched=[], tolerance_ms=0)

    drawn = figure(comparison, outcomes[0])

    of_label = {trace.hovertext[0].split("<")[1]: trace.marker.symbol for trace in drawn.data}
    assert of_label == {"b>good": "star", "b>bad": "circle-open"}


def test_no_configuration_lies_at_the_upper_edge_of_a_plot():
    outcomes = [outcome("slow", delays=(60_000,)), outcome("blind", missed=1, delays=())]
    comparison = Comparison(outcomes=outcomes, refused=[], unmatched=[], tolerance_ms=0)

    drawn = figure(comparison, outcomes[0])

    highest = max(y for trace in drawn.data for y in trace.y)
    assert drawn.layout.yaxis.range[1] > 1.1 * highest


def test_of_configurations_at_one_point_one_is_named():
    outcomes = with_efficient([outcome("one"), outcome("two"), outcome("three")])
    comparison = Comparison(outcomes=outcomes, refused=[], unmatched=[], tolerance_ms=0)

    drawn = figure(comparison, outcomes[1])

    assert sorted(trace.text for trace in drawn.data) == [("", ""), ("two and 2 more",)]


@pytest.fixture
def written(tmp_path, history) -> Callable[..., list[str]]:
    """The options of the command, over files in a folder."""
    job, grid, truth = (tmp_path / name for name in ("job.toml", "grid.toml", "truth.csv"))
    job.write_text(BASE.replace("n_events = 30", "n_events = 300"))
    grid.write_text(
        '[[axis]]\nname = "level"\noptions = ['
        '{label = "strict", change = {calibration = {level = 1e-6}}},'
        '{label = "loose", change = {calibration = {level = 0.5}}},'
        '{label = "wrong", change = {calibration = {level = 2}}}]\n'
    )
    truth.write_text("model,start\na,2026-05-01T12:01\n")

    def options(*more: str) -> list[str]:
        files = ["--config", job, "--grid", grid, "--input", history, "--truth", truth]
        output = ["--output", tmp_path / "out", "--processes", "1"]
        return [*map(str, [*files, *output]), *more]

    return options


def run_command(options: list[str], columns: int = 200) -> Any:
    app = typer.Typer()
    app.command()(compare_command)
    return CliRunner().invoke(app, options, env={"COLUMNS": str(columns)})


def test_the_command_writes_table_plots_and_the_chosen_job(written, tmp_path):
    done = run_command(written())

    assert done.exit_code == 0, done.output
    assert "not run: wrong" in done.output
    chosen = decode_config((tmp_path / "out" / "job.toml").read_bytes())
    assert level_of(chosen) == 1e-6
    assert (tmp_path / "out" / "compare.html").exists()

    by_hand = run_command(written("--choose", "loose"))

    assert by_hand.exit_code == 0, by_hand.output
    assert level_of(decode_config((tmp_path / "out" / "job.toml").read_bytes())) == 0.5

    none = run_command(written("--choose", "nobody"))

    assert none.exit_code == 1
    assert not (tmp_path / "out" / "job.toml").exists()


def test_where_nothing_can_run_no_model_is_said_to_be_missing(written, tmp_path):
    change = "{label = 'x', change = {calibration = {level = 2}}}"
    (tmp_path / "grid.toml").write_text(f"[[axis]]\nname = 'level'\noptions = [{change}]\n")

    done = run_command(written())

    assert done.exit_code == 1
    assert "no combination of the grid can run" in done.output
    assert "no model of the history" not in done.output


def test_a_comparison_in_which_nothing_was_tested_ends_with_a_code_of_its_own(written, tmp_path):
    job = tmp_path / "job.toml"
    options = written()
    job.write_text(job.read_text().replace("n_events = 300", "n_events = 900000"))

    done = run_command(options)

    assert done.exit_code == 3
    assert "No window was tested" in done.output
    assert "not tested" in done.output


def test_a_narrow_terminal_shows_labels_and_dummies_whole(written):
    done = run_command(written(), columns=80)

    rows = [line for line in done.output.splitlines() if re.search(r" (strict|loose) ", line)]
    assert done.exit_code == 0, done.output
    assert "events/s" not in done.output
    assert len(rows) == 2
    assert all(re.search(r" (\d\.\d\d|–) +(\d\.\d\d|–)$", row.rstrip()) for row in rows)


def test_the_command_without_known_drifts_says_what_it_needs(written):
    options = written()
    place = options.index("--truth")

    done = run_command(options[:place] + options[place + 2 :])

    assert done.exit_code == 2
    assert "--truth" in done.output


def test_the_examples_of_the_page_are_read(tmp_path):
    page = (ROOT / "docs" / "backtests-choosing.md").read_text()
    truth, shifts, grid = re.findall(r"^```toml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    for name, text in (("truth", truth), ("shifts", shifts), ("grid", grid)):
        (tmp_path / f"{name}.toml").write_text(text)

    assert len(read_truth(tmp_path / "truth.toml")) == 2
    assert len(read_shifts(tmp_path / "shifts.toml")) == 2
    tried = list(combinations(make_config(), read_grid(tmp_path / "grid.toml")))
    assert [type(each) for each in tried] == [Combination] * 4


def test_the_page_names_every_kind_of_shift_and_every_key():
    page = (ROOT / "docs" / "backtests-choosing.md").read_text()
    table = page[page.index("| `kind` |") : page.index("The class of an event is")]

    for kind in Shift.__args__:
        assert f"`{kind.__struct_config__.tag}`" in table
        for field in msgspec.structs.fields(kind):
            assert f"`{field.name}`" in table
