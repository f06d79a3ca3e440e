"""What `loudly validate` says about configurations, right and wrong."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from typer.testing import CliRunner

from flink_jobs.cli import app
from tests.onnx_files import layers_of, network_file

TEXT = """\
version = 1
[kafka]
bootstrap_servers = "127.0.0.1:9092"
[input]
n_outputs = 10
[panes]
width_ms = 60_000
[window]
kind = "time"
size_ms = 600_000
slide_ms = 120_000
[reference]
kind = "first_events"
n_events = 3_000
"""


class Answer(NamedTuple):
    exit_code: int
    stdout: str
    stderr: str


def validate(path: Path) -> Answer:
    result = CliRunner().invoke(app, ["validate", str(path)], env={"COLUMNS": "250"})
    return Answer(result.exit_code, result.stdout, result.stderr)


def validate_text(folder: Path, text: str) -> Answer:
    path = folder / "job.toml"
    path.write_text(text)
    return validate(path)


def training_set(folder: Path, n_outputs: int = 10) -> tuple[Path, str]:
    path = folder / "training.npz"
    np.savez(path, outputs=np.full((500, n_outputs), 1 / n_outputs))
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


def with_artefact(path: str, digest: str) -> str:
    table = f'kind = "artefact"\npath = "{path}"\nsha256 = "{digest}"\n'
    return TEXT.replace('kind = "first_events"\nn_events = 3_000\n', table)


def test_a_right_configuration_gets_a_summary(tmp_path: Path) -> None:
    answer = validate_text(tmp_path, TEXT)

    assert answer.exit_code == 0
    assert "10 outputs of each, reducer softmax_outputs, in panes of 1 min" in answer.stdout
    assert "main: 10 min, every 2 min, from 20 events on; ks at 0.00552, a false alarm" in (
        answer.stdout
    )
    assert "the first 3,000 events of each model" in answer.stdout
    assert "up to 2.7 MB for each model, however much it sends" in answer.stdout
    assert "reference: 324 kB, 450 kB while it is collected" in answer.stdout
    assert "main: 5 slices of 390 kB; a test takes about 340 µs" in answer.stdout
    assert answer.stderr == ""


def test_an_unknown_key_is_named_with_the_closest_known_one(tmp_path: Path) -> None:
    answer = validate_text(tmp_path, TEXT.replace("slide_ms", "slide_sm"))

    assert answer.exit_code == 1
    assert "window.slide_sm" in answer.stderr
    assert "did you mean 'slide_ms'?" in answer.stderr


def test_a_wrong_type_is_named_with_the_right_one(tmp_path: Path) -> None:
    answer = validate_text(tmp_path, TEXT.replace("60_000\n", '"a minute"\n', 1))

    assert answer.exit_code == 1
    assert "panes.width_ms" in answer.stderr
    assert "str" in answer.stderr
    assert "int" in answer.stderr


def test_a_window_that_is_not_made_of_whole_panes_is_refused(tmp_path: Path) -> None:
    answer = validate_text(tmp_path, TEXT.replace("120_000", "90_000"))

    assert answer.exit_code == 1
    assert "window.slide_ms" in answer.stderr
    assert "90000 is not a multiple of panes.width_ms = 60000" in answer.stderr
    assert "60000, 120000, 180000, ..." in answer.stderr


def test_all_problems_between_keys_are_printed_at_once(tmp_path: Path) -> None:
    text = TEXT.replace("600_000", "610_000").replace("n_outputs = 10", "n_outputs = 1")

    answer = validate_text(tmp_path, text)

    assert "window.size_ms" in answer.stderr
    assert "input.n_outputs" in answer.stderr


def test_an_unreachable_artefact_is_named(tmp_path: Path) -> None:
    answer = validate_text(tmp_path, with_artefact("missing.npz", "0" * 64))

    assert answer.exit_code == 1
    assert "reference.path" in answer.stderr
    assert "missing.npz cannot be read (No such file or directory)" in answer.stderr


def test_a_wrong_digest_is_shown_beside_the_key(tmp_path: Path) -> None:
    path, digest = training_set(tmp_path)

    answer = validate_text(tmp_path, with_artefact(path.name, "0" * 64))

    assert answer.exit_code == 1
    assert "reference.sha256" in answer.stderr
    assert digest in answer.stderr


def test_an_artefact_of_the_wrong_shape_is_refused(tmp_path: Path) -> None:
    path, digest = training_set(tmp_path, n_outputs=3)

    answer = validate_text(tmp_path, with_artefact(path.name, digest))

    assert answer.exit_code == 1
    assert "(500, 3)" in answer.stderr
    assert "(n_events, 10)" in answer.stderr


def test_a_right_artefact_counts_as_the_reference(tmp_path: Path) -> None:
    path, digest = training_set(tmp_path)

    answer = validate_text(tmp_path, with_artefact(path.name, digest))

    assert answer.exit_code == 0
    assert "500 events of" in answer.stdout


def test_a_model_of_the_users_own_is_checked_and_its_cost_said(tmp_path: Path) -> None:
    data = network_file(layers_of((10, 5, 3)))
    (tmp_path / "model.onnx").write_bytes(data)
    table = (
        'kind = "onnx_softmax", path = "model.onnx", size = 3, '
        f'sha256 = "{hashlib.sha256(data).hexdigest()}"'
    )
    text = TEXT.replace("n_outputs = 10", "n_features = 10")

    refused = validate_text(tmp_path, f"{text}[detector]\nreducer = {{{table}}}\n")
    right = validate_text(tmp_path, f'{text}[detector]\nreducer = {{{table}, gives = "logits"}}\n')

    assert refused.exit_code == 1
    assert "detector.reducer.gives  'probabilities', and what" in refused.stderr
    assert right.exit_code == 0
    assert "10 features of each, reducer onnx_softmax" in right.stdout
    assert "model.onnx, 0.00" in right.stdout
    assert "from 'inputs', tensor(float) (n, 10) to 3 numbers of 'outputs', " in right.stdout
    assert "it is not part of the state" in right.stdout
    assert "one output" in right.stdout


def test_the_training_set_of_an_override_is_read_and_counted_too(tmp_path: Path) -> None:
    path, digest = training_set(tmp_path)
    table = f'{{kind = "artefact", path = "{path.name}", sha256 = "{digest}"}}'

    answer = validate_text(
        tmp_path, f'{TEXT}[[overrides]]\nmodels = "[red]-*"\nreference = {table}\n'
    )

    assert answer.exit_code == 0
    _, override = answer.stdout.split("  override ")
    assert "[red]-*: reference.kind" in override
    assert f"500 events of {path}, for all models" in override
    assert "reference: none in the state, all models share one" in override


def test_text_that_is_not_toml_is_refused_without_a_traceback(tmp_path: Path) -> None:
    answer = validate_text(tmp_path, "version = ")

    assert answer.exit_code == 1
    assert "TOML 1.0 text" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_missing_file_is_refused_without_a_traceback(tmp_path: Path) -> None:
    answer = validate(tmp_path / "job.toml")

    assert answer.exit_code == 1
    assert "No such file or directory" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_window_too_small_to_alarm_is_pointed_out(tmp_path: Path) -> None:
    text = TEXT.replace("slide_ms = 120_000", "slide_ms = 120_000\nmin_events = 2")
    level = '[calibration]\nkind = "level_per_window"\nlevel = 0.000001\n'

    answer = validate_text(tmp_path, text + level)

    assert answer.exit_code == 0
    assert "a window of 2 events cannot alarm" in answer.stdout


@pytest.mark.parametrize("path", sorted(Path("docker").glob("*.toml")))
def test_the_committed_configurations_are_right(path: Path) -> None:
    assert validate(path).exit_code == 0
