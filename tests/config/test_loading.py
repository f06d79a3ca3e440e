"""Every configuration error names the key, what is wrong and what is allowed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from flink_jobs.config.digests import config_version
from flink_jobs.config.loading import decode_config, load_config, resolve_secret
from flink_jobs.config.tables.base import ConfigError
from flink_jobs.config.training_set import read_training_set
from flink_jobs.config.views import views_of
from flink_jobs.core.artefacts import read_artefacts
from tests.builders import BASE, fingerprint_of, make_config


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("width_ms", "widht_ms", "panes.widht_ms: is unknown; did you mean 'width_ms'?"),
        ("[panes]", "[pane]", "pane: is unknown; did you mean 'panes'?"),
        ("n_events = 30", "events = 30", "reference.events: is unknown"),
        ("width_ms = 1000", 'width_ms = "1s"', "panes.width_ms: is `str`; allowed: `int`"),
        ("width_ms = 1000", "width_ms = 0", "width_ms: 0 is out of range; allowed: `int` >= 1"),
        # Neither open panes nor their number are ever without a bound.
        ("width_ms = 1000", "width_ms = 1000\nmax_raw_events = 0", "max_raw_events: 0 is out of"),
        ("[panes]", "max_partition_drift_panes = 0\n[panes]", "drift_panes: 0 is out of range"),
        ("width_ms = 1000", "", "panes.width_ms: is missing"),
        ("size_ms = 3000", "size_ms = 3500", "3500 is not a multiple of panes.width_ms"),
        ("slide_ms = 1000", "slide_ms = 4000", "slide_ms: 4000 leaves gaps; allowed: up to"),
        ('kind = "time"', 'kind = "tiem"', "kind: 'tiem' is not one of them; allowed: 'time'"),
        ('kind = "ks"', 'kind = "t"', "test.kind: 't' is not one of them; allowed: 'ks'"),
        ('{kind = "ks"}', '{kind = "mmd", n_permutations = 50}', "50 permutations never"),
        ('{kind = "none"}', '{kind = "pca", n_components = 9}', "n_components: 9 comp"),
        ('{kind = "none"}', '{kind = "softmax_outputs"}', "input.n_outputs: the reducer 'soft"),
        ("level = 0.01", "level = 1.5", "calibration.level: 1.5 is out of range"),
        ("version = 1", "version = 2", "version: 2 is not one of them; allowed: 1"),
        ("version = 1", "version = ", "the file: "),
        ("[panes]", "[columns.features]\n'a.b' = 'nmber'\n[panes]", "features.a.b: 'nmber' is"),
        ("[panes]", "[columns.features]\na.typ = 1\n[panes]", "features.a.typ: is unknown; did"),
        ("[panes]", "[columns.features]\na = 1\n[panes]", "columns.features.a: is `int`; allowed"),
        ("[panes]", "[columns.features]\n'' = 'number'\n[panes]", "columns.features: a name in it"),
        ("[panes]", "[columns]\nfeatures = ['a', 5]\n[panes]", "columns.features[1]: is `int`"),
        ("[panes]", "[columns.outputs]\nq.kind = 'x'\n[panes]", "outputs.q.kind: 'x' is not one"),
        ("size_ms = 3000", "size_ms = 9223372036854775000", "size_ms: 9223372036854775000 is out"),
        ('{kind = "ks"}', '{kind = "mmd", bandwidth = inf}', "test.bandwidth: inf is out of range"),
        ("version = 1", "version = " + "[" * 20_000, "the file: nested too deeply"),
        ("n_features = 3", "n_features = 100_000_000", "n_features: 100000000 is out of range"),
        ("[panes]", "[columns.features]\na = {type = 'vector', size = 1_000_000_000}\n[panes]",
         "features.a.size: 1000000000 is out of range; allowed: `int` <= 100000"),
    ],
)  # fmt: skip
def test_a_wrong_key_is_named_with_what_is_allowed(old: str, new: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        decode_config(BASE.replace(old, new, 1).encode())

    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"number"', '"integer"', "columns.features.age: 'integer' is not one of them; allowed: '"),
        ('"number"', '"integer"', "'vector'"),
        ('"number"', '{type = "int"}', "features.age.type: 'int' is not one of them; al"),
        ('"number"', "{siz = 3}", "columns.features.age.siz: is unknown; did you mean 'size'?"),
        ('"number"', "{size = 0}", "columns.features.age.size: 0 is out of range; allowed"),
        ('"number"', "7", "columns.features.age: is `int`"),
        ('age = "number"', '"a.b[0]" = "x"', "columns.features.a.b[0]: 'x' is not one of them"),
        ('age = "number"', 'kind = "x"', "columns.features.kind: 'x' is not one of them; allowed"),
        ('"probability"', '"odds"', "outputs.p: 'odds' is not one of them; allowed: 'class_prob"),
        ('"probability"', '{kind = "odds"}', "outputs.p.kind: 'odds' is not one of them; al"),
        ('"probability"', "{}", "columns.outputs.p.kind: is missing"),
    ],
)  # fmt: skip
def test_a_wrong_column_is_named_among_right_ones(old: str, new: str, message: str) -> None:
    columns = """
[columns]
features = {active = "boolean", age = "number", plan = "category"}
outputs = {answer = "class", p = "probability"}
"""
    with pytest.raises(ConfigError) as caught:
        decode_config((BASE + columns.replace(old, new, 1)).encode())

    assert message in str(caught.value)


def test_all_problems_between_keys_are_listed_at_once() -> None:
    text = BASE.replace("size_ms = 3000", "size_ms = 3500").replace("n_features = 3", "")

    with pytest.raises(ConfigError) as caught:
        decode_config(text.encode())

    assert [p.key for p in caught.value.problems] == ["window.size_ms", "input.n_features"]


def test_two_topics_of_one_name_are_refused() -> None:
    text = BASE.replace("[kafka]", '[kafka]\nalerts_topic = "x"\nscores_topic = "x"')

    with pytest.raises(ConfigError, match=r"kafka.scores_topic: 'x' is also kafka.alerts_topic"):
        decode_config(text.encode())


def artefact_config(folder: Path, arrays: dict[str, NDArray[np.generic]], digest: str = "") -> Path:
    training_set = folder / "training.npz"
    with training_set.open("wb") as file:
        np.savez(file, **arrays)
    digest = digest or hashlib.sha256(training_set.read_bytes()).hexdigest()
    text = BASE.replace(
        'kind = "first_events"\nn_events = 30',
        f'kind = "artefact"\npath = "training.npz"\nsha256 = "{digest}"',
    )
    (folder / "job.toml").write_text(text)
    return folder / "job.toml"


def test_a_training_set_is_found_beside_the_file_that_names_it(tmp_path: Path) -> None:
    features = np.arange(12.0).reshape(4, 3)

    config = load_config(artefact_config(tmp_path, {"features": features}), environ={})

    (view,) = views_of(config)
    np.testing.assert_array_equal(read_training_set(view).x, features)


def test_the_training_set_of_a_view_lies_beside_the_file_too(tmp_path: Path) -> None:
    path = artefact_config(tmp_path, {"age": np.arange(40.0), "plan": np.array(["a", "b"] * 20)})
    text = path.read_text()
    reference = text[text.index('kind = "artefact"') : text.index("[detector]")]
    text = text.replace(reference, 'kind = "first_events"\nn_events = 30\n')
    text = text.replace("n_features = 3\n", "").split("[detector]")[0]
    text += '[columns]\nfeatures = {age = "number", plan = "category"}\n'
    path.write_text(
        f'{text}[[views]]\nname = "v"\ncolumns = ["features"]\n[views.reference]\n{reference}'
    )

    (view,) = views_of(load_config(path, environ={}))

    rows = read_training_set(view)
    assert rows.x.shape == (40, 2)
    assert rows.texts == {1: ["a", "b"]}


def test_a_training_set_with_another_digest_is_refused(tmp_path: Path) -> None:
    path = artefact_config(tmp_path, {"features": np.zeros((4, 3))}, digest="0" * 64)

    with pytest.raises(ConfigError, match=r"reference.sha256: .* has the digest"):
        load_config(path, environ={})


def test_an_unreachable_training_set_is_named(tmp_path: Path) -> None:
    path = artefact_config(tmp_path, {"features": np.zeros((4, 3))})
    (tmp_path / "training.npz").unlink()

    with pytest.raises(ConfigError, match=r"reference.path: .* cannot be read"):
        load_config(path, environ={})


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"features": np.zeros((4, 2))}, r"shape \(4, 2\); allowed: \(n_events, 3\)"),
        ({"outputs": np.zeros((4, 3))}, "no readable array 'features'"),
        ({"features": np.array([{}, {}], dtype=object)}, "no readable array 'features'"),
    ],
)
def test_a_training_set_that_cannot_be_used_is_refused_and_nothing_is_unpickled(
    tmp_path: Path, arrays: dict[str, NDArray[np.generic]], message: str
) -> None:
    config = load_config(artefact_config(tmp_path, arrays), environ={})

    with pytest.raises(ConfigError, match=message):
        read_training_set(views_of(config)[0])


def test_a_training_set_that_makes_no_reference_is_refused(tmp_path: Path) -> None:
    path = artefact_config(tmp_path, {"features": np.zeros((4, 3))})
    path.write_text(path.read_text().replace('{kind = "none"}', '{kind = "pca", n_components = 2}'))
    config = load_config(path, environ={})

    with pytest.raises(ConfigError, match=r"reference.path: its 4 rows make no reference"):
        read_artefacts(config)


def test_the_address_comes_from_the_environment_where_it_is_set(tmp_path: Path) -> None:
    (tmp_path / "job.toml").write_text(BASE)

    config = load_config(tmp_path / "job.toml", environ={"LOUDLY_BOOTSTRAP_SERVERS": "k:1"})

    assert config.kafka.bootstrap_servers == "k:1"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent.toml: No such file"):
        load_config(tmp_path / "absent.toml", environ={})


def test_secrets_come_from_the_environment_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from file\n")

    assert resolve_secret("${env:KEY}", {"KEY": "from environment"}) == "from environment"
    assert resolve_secret(f"${{file:{tmp_path}/secret}}", {}) == "from file"
    assert resolve_secret("plain", {}) == "plain"


def test_a_missing_secret_is_named_by_its_reference() -> None:
    with pytest.raises(ConfigError, match=r"\$\{env:KEY\} cannot be resolved"):
        resolve_secret("${env:KEY}", {})


def test_addresses_do_not_change_the_configuration_version_and_levels_do() -> None:
    base = config_version(make_config())

    assert config_version(make_config(kafka={"bootstrap_servers": "k:1"})) == base
    assert config_version(make_config(job={"parallelism": 4})) == base
    assert config_version(make_config(calibration={"level": 0.02})) != base


def test_a_level_leaves_the_state_usable_and_another_detector_does_not() -> None:
    base = fingerprint_of(make_config())

    assert fingerprint_of(make_config(calibration={"level": 0.02})) == base
    assert fingerprint_of(make_config(reference={"n_events": 31})) != base
