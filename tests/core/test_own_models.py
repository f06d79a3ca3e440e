"""A model of the user's own in front of the tests: what state holds of it, and what is refused."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from flink_jobs.config.digests import config_version
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.loading import load_config
from flink_jobs.config.tables.base import ConfigError
from flink_jobs.config.views import views_of
from flink_jobs.core import own_models
from flink_jobs.core.artefacts import Artefacts, read_artefacts
from flink_jobs.core.monitor import DriftMonitor
from flink_jobs.records.alerts import AlertKind, Cause, ScoreStatus
from flink_jobs.records.control import Outcome
from tests.builders import BASE, Replay, fingerprint_of, make_config, make_pane, run_monitor
from tests.core.watched import Watched, commanded
from tests.onnx_files import layers_of, network_file, network_outputs, parsed, softmax

# Large enough that state which held it would show it: 200 kB of weights.
LAYERS = layers_of((3, 2_000, 20, 4))
FILE = network_file(LAYERS, softmax=True)
KINDS = ("onnx_embedding", "onnx_softmax", "onnx_hard_predictions")


def reducer(kind: str, data: bytes = FILE, **keys: Any) -> dict[str, Any]:
    sha256 = hashlib.sha256(data).hexdigest()
    return {"kind": kind, "path": "/nowhere/model.onnx", "sha256": sha256, "size": 4} | keys


def detector(kind: str, data: bytes = FILE, **keys: Any) -> dict[str, Any]:
    return {"reducer": reducer(kind, data, **keys), "test": None}


def artefacts(*files: bytes) -> Artefacts:
    models = files or (FILE,)
    return Artefacts(models={hashlib.sha256(data).hexdigest(): data for data in models})


def stream(n_before: int = 6, n_after: int = 5) -> list[NDArray[np.float64]]:
    rng = np.random.default_rng(3)
    return [
        rng.normal(loc=0.0 if place < n_before else 2.0, size=(30, 3))
        for place in range(n_before + n_after)
    ]


def replayed(config: DriftJobConfig, *, restarts: bool = False, **keys: Any) -> Replay:
    replay = Replay(config, artefacts=artefacts(), **keys)
    for place, x in enumerate(stream()):
        replay.pane(make_pane(place, x, first_offset=30 * place))
        if restarts:
            replay.restart()
    return replay


def records(replay: Replay) -> list[Any]:
    return [record for each in replay.actions for record in (*each.alerts, *each.scores)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_shift_is_found_in_what_the_model_gives(kind: str) -> None:
    config = make_config(
        detector=detector(kind), reference={"kind": "first_events", "n_events": 90}
    )

    scores = [score for each in replayed(config).actions for score in each.scores]

    tested = [score for score in scores if score.status is ScoreStatus.TESTED]
    assert not tested[0].is_drift
    assert tested[-1].is_drift
    assert {score.reducer for score in tested} == {kind}
    assert {score.test for score in tested} == {
        "chi_square" if kind == "onnx_hard_predictions" else "ks"
    }


def test_scores_are_those_of_outputs_that_events_would_carry() -> None:
    own = make_config(detector=detector("onnx_softmax"))
    carried = make_config(
        input={"n_features": 0, "n_outputs": 4},
        detector={"reducer": {"kind": "softmax_outputs"}, "test": {"kind": "ks"}},
    )
    outputs = [softmax(network_outputs(LAYERS, x)) for x in stream()]

    evaluated = [s for each in replayed(own).actions for s in each.scores]
    read = [
        score
        for each in run_monitor(
            carried, [make_pane(n, z, first_offset=30 * n) for n, z in enumerate(outputs)]
        )
        for score in each.scores
    ]

    assert [s.statistic for s in evaluated] == pytest.approx([s.statistic for s in read], abs=1e-9)
    assert [s.p_value for s in evaluated] == pytest.approx([s.p_value for s in read], rel=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_restarts_change_no_record_and_state_does_not_hold_the_model(kind: str) -> None:
    config = make_config(detector=detector(kind))

    whole, restarted = replayed(config), replayed(config, restarts=True)

    assert records(restarted) == records(whole)
    assert len(FILE) > 150_000
    assert sum(map(len, restarted.state.entries.values())) < 60_000


def test_detectors_of_one_view_share_the_model_when_they_are_restored() -> None:
    more = {"name": "slow", "window": {"kind": "count", "size": 60, "slide": 30}}
    stream_detector = {
        "name": "whole",
        "sequential": {"kind": "counts_e_detector", "run_time_events": 1_000},
    }
    config = make_config(
        detector=detector("onnx_softmax"),
        detectors=[more, stream_detector],
        reference={"kind": "first_events", "n_events": 90},
    )

    whole, restarted = replayed(config), replayed(config, restarts=True)

    assert records(restarted) == records(whole)
    assert {s.detector for each in whole.actions for s in each.scores} >= {"main", "slow"}


def test_another_model_means_a_new_reference() -> None:
    other = network_file(layers_of((3, 8, 4), seed=9), softmax=True)
    first = commanded(detector=detector("onnx_softmax"))
    second = commanded(detector=detector("onnx_softmax", other))
    watched = Watched(first, artefacts(FILE, other))
    watched.panes(0, 1, 2)
    fingerprint = watched.scores[-1].reference.fingerprint

    watched.restart(second)
    watched.panes(3, 4, 5)

    assert watched.scores[-1].reference.fingerprint != fingerprint
    assert config_version(first) != config_version(second)
    assert fingerprint_of(first) != fingerprint_of(second)


def test_the_place_of_the_file_changes_neither_version_nor_state() -> None:
    here = make_config(detector=detector("onnx_softmax"))
    there = make_config(detector=detector("onnx_softmax", path="elsewhere.onnx"))

    assert config_version(here) == config_version(there)
    assert fingerprint_of(here) == fingerprint_of(there)


def test_a_command_may_not_name_a_model_that_the_job_does_not_have() -> None:
    other = network_file(layers_of((3, 4), seed=9), softmax=True)
    watched = Watched(commanded(detector=detector("onnx_softmax")), artefacts())
    watched.panes(0, 1)

    answer = watched.send(
        "configure", change={"detector": {"reducer": reducer("onnx_softmax", other)}}
    )

    assert answer.outcome is Outcome.REFUSED
    assert "a model is read where the job is submitted" in str(answer)


def test_a_model_that_fails_in_the_stream_fails_its_windows_and_tells_it_once() -> None:
    # Beyond single precision, and within what an event may hold.
    panes = [make_pane(n, x, first_offset=30 * n) for n, x in enumerate(stream(8, 0))]
    panes[4].events.x[7, 1] = 1e39
    monitor_config = make_config(detector=detector("onnx_softmax"))
    replay = Replay(monitor_config, artefacts=artefacts())

    for pane in panes:
        replay.pane(pane)

    scores = [score for each in replay.actions for score in each.scores]
    alerts = [alert for each in replay.actions for alert in each.alerts]
    assert [s.status for s in scores if s.status is ScoreStatus.FAILED]
    assert scores[-1].status is ScoreStatus.TESTED
    told = [alert.kind for alert in alerts if alert.cause is Cause.TEST_FAILED]
    assert told == [AlertKind.STARTED, AlertKind.RECOVERED]


def test_a_monitor_without_the_model_does_not_start() -> None:
    config = make_config(detector=detector("onnx_softmax"))

    with pytest.raises(KeyError):
        DriftMonitor(config).on_pane(make_pane(0, stream()[0]), Replay(make_config()).state)


# What is read where the job is submitted ---------------------------------------------------------


def job_file(
    folder: Path,
    table: dict[str, Any],
    data: bytes | None = FILE,
    replaced: Mapping[str, str] = {},
) -> Path:
    if data is not None:
        (folder / "model.onnx").write_bytes(data)
    keys = ", ".join(f"{k} = {v!r}".replace("'", '"') for k, v in table.items())
    text = BASE.replace('reducer = {kind = "none"}\ntest = {kind = "ks"}', f"reducer = {{{keys}}}")
    for old, new in replaced.items():
        text = text.replace(old, new)
    (folder / "job.toml").write_text(text)
    return folder / "job.toml"


def test_a_model_lies_beside_the_file_that_names_it(tmp_path: Path) -> None:
    path = job_file(tmp_path, reducer("onnx_softmax", path="model.onnx"))

    config = load_config(path, environ={})
    read = read_artefacts(config)

    (view,) = views_of(config)
    assert view.reducer.path == str(tmp_path / "model.onnx")  # type: ignore[union-attr]
    assert read.models == artefacts().models


def test_an_override_and_its_views_may_have_models_of_their_own(tmp_path: Path) -> None:
    other = network_file(layers_of((3, 5), seed=9))
    (tmp_path / "other.onnx").write_bytes(other)
    path = job_file(tmp_path, reducer("onnx_softmax", path="model.onnx"))
    own = reducer("onnx_embedding", other, path="other.onnx", size=5)
    keys = ", ".join(f"{k} = {v!r}".replace("'", '"') for k, v in own.items())
    path.write_text(
        f'{path.read_text()}[[overrides]]\nmodels = "eu-*"\ndetector = {{reducer = {{{keys}}}}}\n'
    )

    read = read_artefacts(load_config(path, environ={}))

    assert read.models == artefacts(FILE, other).models


def test_a_training_set_is_reduced_by_the_model_where_the_job_is_submitted(tmp_path: Path) -> None:
    x_ref = np.random.default_rng(2).normal(size=(200, 3))
    np.savez(tmp_path / "training.npz", features=x_ref)
    digest = hashlib.sha256((tmp_path / "training.npz").read_bytes()).hexdigest()
    path = job_file(
        tmp_path,
        reducer("onnx_softmax", path="model.onnx"),
        replaced={
            'kind = "first_events"\nn_events = 30': (
                f'kind = "artefact"\npath = "training.npz"\nsha256 = "{digest}"'
            )
        },
    )
    config = load_config(path, environ={})
    read = read_artefacts(config)

    replay = Replay(config, artefacts=read)
    for place, x in enumerate(stream()):
        replay.pane(make_pane(place, x, first_offset=30 * place))

    scores = [score for each in replay.actions for score in each.scores]
    assert {score.reference.n_events for score in scores} == {200}
    assert not scores[0].is_drift
    assert scores[-1].is_drift
    assert list(read.n_training.values()) == [200]
    assert all(len(block) < 60_000 for block in read.trained.values())


TWO = parsed(
    """both (float[n, 3] x) => (int64[n] label, float[n, 3] probabilities)
    {label = ArgMax<axis=1, keepdims=0>(x) probabilities = Softmax(x)}"""
)
CUSTOM = parsed("mine (float[n, 3] x) => (float[n, 3] y) {y = com.me.Fold(x)}", '"com.me": 1')
WIDE = network_file(layers_of((5, 4)), softmax=True)
DOUBLES = parsed("texts (string[n, 3] x) => (float[n, 3] y) {y = Cast<to=1>(x)}")


@pytest.mark.parametrize(
    ("data", "keys", "problem"),
    [
        (b"not a model", {}, r"detector\.reducer\.path: .*model\.onnx: not a model in ONNX format"),
        (CUSTOM, {}, r"detector\.reducer\.path: .* operator .*Fold"),
        (WIDE, {}, r"reducer\.path: the input 'inputs', .* does not take the 3 numbers .*features"),
        (DOUBLES, {}, r"reducer\.path: the input 'x', tensor\(string\) .* must take"),
        (TWO, {}, r"reducer\.output: it has several outputs.*; allowed: 'label', 'probabilities'"),
        (TWO, {"output": "p"}, r"detector\.reducer\.output: the model has no output 'p'"),
        (TWO, {"output": "label"}, r"detector\.reducer\.output: the output 'label'"),
        (FILE, {"size": 7}, r"reducer\.size: 7, and the model gives 4 numbers.*allowed: 4"),
        (network_file(LAYERS), {}, r"detector\.reducer\.gives: 'probabilities', and what"),
    ],
)
def test_a_model_that_does_not_fit_is_refused_with_its_key(
    tmp_path: Path, data: bytes, keys: dict[str, Any], problem: str
) -> None:
    table = reducer("onnx_softmax", data, path="model.onnx", **keys)
    config = load_config(job_file(tmp_path, table, data), environ={})

    with pytest.raises(ConfigError, match=problem):
        read_artefacts(config)


def test_a_model_of_an_override_is_named_by_its_place(tmp_path: Path) -> None:
    path = job_file(tmp_path, reducer("onnx_softmax", path="model.onnx"))
    path.write_text(
        f'{path.read_text()}[[overrides]]\nmodels = "a"\ndetector = {{reducer = {{size = 9}}}}\n'
    )

    with pytest.raises(ConfigError, match=r"overrides\[0\]\.detector\.reducer\.size: 9"):
        read_artefacts(load_config(path, environ={}))


def test_a_missing_file_and_another_digest_are_refused(tmp_path: Path) -> None:
    table = reducer("onnx_softmax", path="model.onnx")

    with pytest.raises(ConfigError, match=r"detector\.reducer\.path: .* cannot be read"):
        load_config(job_file(tmp_path, table, data=None), environ={})
    with pytest.raises(ConfigError, match=r"detector\.reducer\.sha256: .* has the digest"):
        load_config(job_file(tmp_path, table, WIDE), environ={})


def test_a_file_too_large_to_travel_with_the_job_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load_config(job_file(tmp_path, reducer("onnx_softmax", path="model.onnx")), environ={})
    monkeypatch.setattr(own_models, "MOST_BYTES", 100_000)

    with pytest.raises(ConfigError, match=r"reducer\.path: .* has 0\.2 MB; allowed: 0 MB or less"):
        read_artefacts(config)


def test_where_onnx_runtime_is_missing_it_is_said_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load_config(job_file(tmp_path, reducer("onnx_softmax", path="model.onnx")), environ={})
    monkeypatch.setitem(__import__("sys").modules, "detectors.reducers.onnx_models.model", None)

    with pytest.raises(ConfigError, match=r"onnxruntime is not installed; .*'\.\[onnx\]'"):
        read_artefacts(config)
