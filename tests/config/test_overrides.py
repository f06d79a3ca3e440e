"""Some models differ from the others: which, in what, and what their panes and records show."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from flink_jobs.config.digests import config_version, trained_key
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.loading import decode_config, load_config
from flink_jobs.config.overrides import changed, check_overrides, config_of_model, matches, variants
from flink_jobs.config.tables.base import ConfigError
from flink_jobs.config.tables.references import FirstTime
from flink_jobs.config.tables.windows import CountWindow, TimeWindow
from flink_jobs.config.views import views_of
from flink_jobs.core.artefacts import read_artefacts
from flink_jobs.core.monitor import DriftMonitor
from flink_jobs.core.state.model_state import InMemoryEntries
from flink_jobs.intake.formats.json import InferenceEvent, encode_event
from flink_jobs.intake.panes import Pane, PanePacker, unpack_pane
from flink_jobs.records.alerts import ScoreStatus
from flink_jobs.records.dead_letters import Reason
from tests.builders import BASE, level_of, make_config, make_pane, payload

COUNT = {"kind": "count", "size": 20, "slide": 7}
SIZES = {"size_ms": 3_500, "slide_ms": 1_000}


def with_overrides(*overrides: dict[str, Any], **tables: object) -> DriftJobConfig:
    return make_config(overrides=list(overrides), **tables)


@pytest.mark.parametrize(
    ("pattern", "model", "expected"),
    [
        ("fraud", "fraud", True),
        ("fraud", "fraud-eu", False),
        ("fraud-*", "fraud-", True),
        ("*-eu", "fraud-eu", True),
        ("*-eu", "fraud-eu-2", False),
        ("a*b*c", "a.b.b.c", True),
        ("a*b*c", "a.c.b", False),
        ("a.c", "abc", False),
        ("[ab]", "a", False),
        ("*", "two\nlines", True),
        ("**", "", True),
    ],
)
def test_a_star_is_any_text_and_everything_else_is_itself(
    pattern: str, model: str, expected: bool
) -> None:
    assert matches(pattern, model) is expected


def test_the_first_override_that_matches_holds_and_no_other() -> None:
    config = with_overrides(
        {"models": "fraud-*", "calibration": {"level": 0.02}},
        {"models": "fraud-eu", "calibration": {"level": 0.03}, "policy": {"exemplars": 1}},
    )

    of_model = config_of_model(config, "fraud-eu")

    assert level_of(of_model) == 0.02
    assert of_model.policy.exemplars == 5


def test_a_model_without_an_override_has_the_configuration_of_a_job_without_any() -> None:
    config = with_overrides({"models": "fraud-*", "calibration": {"level": 0.02}})

    assert config_of_model(config, "other") == make_config()


def test_only_the_keys_that_an_override_names_differ() -> None:
    config = with_overrides({"models": "*", "window": {"slide_ms": 3_000}})

    window = config_of_model(config, "any").window

    assert window == TimeWindow(size_ms=3_000, slide_ms=3_000, min_events=2)


def test_a_table_of_another_kind_takes_the_place_of_the_whole_table() -> None:
    config = with_overrides(
        {
            "models": "*",
            "window": COUNT,
            "reference": {"kind": "first_time", "duration_ms": 5_000},
            "detector": {"test": {"kind": "energy", "n_permutations": 199}},
        },
        calibration={"level": 0.01},
    )

    of_model = config_of_model(config, "any")

    assert of_model.window == CountWindow(size=20, slide=7)
    assert of_model.reference == FirstTime(duration_ms=5_000)
    assert of_model.detector.test is not None
    assert of_model.detector.test.__struct_config__.tag == "energy"
    assert of_model.detector.reducer == config.detector.reducer


def test_the_further_detectors_of_an_override_replace_those_of_the_job() -> None:
    more = [{"name": "short", "window": COUNT}]
    config = with_overrides({"models": "plain-*", "detectors": []}, detectors=more)

    assert [d.name for d in config_of_model(config, "other").detectors] == ["short"]
    assert config_of_model(config, "plain-1").detectors == []


def test_silence_can_differ_between_models() -> None:
    config = with_overrides({"models": "batch-*", "silence": {"after_ms": 9_000}})

    assert config_of_model(config, "batch-1").silence.after_ms == 9_000
    assert config_of_model(config, "other").silence.after_ms == 0


def test_a_key_can_be_taken_out_by_a_change() -> None:
    config = make_config(policy={"recover_level": 0.05})

    assert changed(config, {"policy": {"recover_level": None}}).policy.recover_level is None


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ({"window": {"size_ms": 3_500}}, "overrides[1].window.size_ms"),
        ({"input": {"max_future_ms": 1}}, "overrides[1].input.max_future_ms"),
        ({"input": {"n_features": 0}}, "overrides[1].input.n_features"),
        ({"window": {"sise_ms": 3_000}}, "overrides[1].window.sise_ms"),
        ({"calibration": {"level": 2.0}}, "overrides[1].calibration.level"),
        ({"window": {"kind": "tiem"}}, "overrides[1].window.kind"),
        ({"reference": {"kind": "first_time"}}, "overrides[1].reference.duration_ms"),
        (
            {"detectors": [{"name": "d", "window": {"kind": "count", "size": 1, "slide": 1}}]},
            "overrides[1].detectors[0].window.size",
        ),
    ],
)
def test_what_is_wrong_with_an_override_is_named_by_its_place(
    override: dict[str, Any], key: str
) -> None:
    tree = msgspec.toml.decode(BASE) | {"overrides": [{"models": "a"}, {"models": "b"} | override]}
    config = msgspec.convert(tree, DriftJobConfig)

    problems = check_overrides(config)

    assert [problem.key for problem in problems] == [key]


def test_a_file_with_a_wrong_override_is_refused() -> None:
    text = BASE + '\n[[overrides]]\nmodels = "a"\nwindow = {size_ms = 3500}\n'

    with pytest.raises(ConfigError, match=r"overrides\[0\]\.window\.size_ms: 3500 is not"):
        decode_config(text.encode())


def test_an_override_of_what_concerns_the_whole_job_is_unknown() -> None:
    text = BASE + '\n[[overrides]]\nmodels = "a"\n[overrides.panes]\nwidth_ms = 500\n'

    with pytest.raises(ConfigError, match=r"overrides\[0\]\.panes"):
        decode_config(text.encode())


def test_each_model_keeps_the_version_of_a_job_with_its_configuration_alone() -> None:
    config = with_overrides({"models": "fraud-*", "calibration": {"level": 0.02}})

    versions = {
        model: score_of(config, model).config_version for model in ("fraud-eu", "fraud-us", "other")
    }

    alone = config_version(make_config(calibration={"level": 0.02}))
    assert versions == {
        "fraud-eu": alone,
        "fraud-us": alone,
        "other": config_version(make_config()),
    }


def test_an_override_for_one_model_leaves_the_records_of_the_others_as_they_were() -> None:
    config = with_overrides({"models": "fraud-*", "window": COUNT})

    assert score_of(config, "other") == score_of(make_config(), "other")


def score_of(config: DriftJobConfig, model: str) -> Any:
    rng = np.random.default_rng(3)
    monitor, state = DriftMonitor(config), InMemoryEntries()
    panes = [
        make_pane(i, rng.normal(size=(30, 3)), first_offset=30 * i, model=model) for i in range(5)
    ]
    scores = [score for pane in panes for score in monitor.on_pane(pane, state).scores]
    assert scores[-1].status is ScoreStatus.TESTED
    return scores[-1]


def pack(packer: PanePacker, model: str, payloads: list[bytes]) -> Pane:
    n = len(payloads)
    packed = packer.pack(
        model,
        payloads,
        np.zeros(n, dtype=np.int32),
        np.arange(n, dtype=np.int64),
        np.zeros(n, dtype=np.int64),
    )
    return unpack_pane(model, 1_000, packed)


def test_each_model_has_the_shape_of_input_that_its_override_says() -> None:
    config = with_overrides({"models": "wide", "input": {"n_features": 4}})
    payloads = [payload("three", (0.1, 0.2, 0.3)), payload("four", (0.1, 0.2, 0.3, 0.4))]
    packer = PanePacker(config)

    wide, other = (pack(packer, model, payloads) for model in ("wide", "other"))

    assert (wide.events.event_ids, wide.events.x.shape) == (["four"], (1, 4))
    assert (other.events.event_ids, other.events.x.shape) == (["three"], (1, 3))
    assert [d.reason for d in wide.dead_letters + other.dead_letters] == [Reason.WRONG_LENGTH] * 2


def test_a_model_whose_reducer_reads_outputs_gets_the_outputs_of_its_events() -> None:
    config = with_overrides(
        {
            "models": "classifier",
            "input": {"n_features": 0, "n_outputs": 2},
            "detector": {"reducer": {"kind": "softmax_outputs"}},
        }
    )
    event = InferenceEvent(schema_version=1, event_id="e", outputs=[0.25, 0.75])

    pane = pack(PanePacker(config), "classifier", [encode_event(event)])

    assert pane.events.x.tolist() == [[0.25, 0.75]]


def test_a_model_may_leave_features_out_where_its_override_allows_it() -> None:
    config = with_overrides({"models": "gaps", "input": {"missing_features": "allow"}})
    gappy = b'{"schema_version":1,"event_id":"e","features":[0.1,null,0.3]}'
    packer = PanePacker(config)

    gaps, other = (pack(packer, model, [gappy]) for model in ("gaps", "other"))

    assert np.isnan(gaps.events.x).tolist() == [[False, True, False]]
    assert [d.reason for d in other.dead_letters] == [Reason.NOT_FINITE]


def training_set(folder: Path, name: str, n: int, n_columns: int) -> dict[str, Any]:
    x_ref = np.random.default_rng(n).normal(size=(n, n_columns))
    path = folder / name
    with path.open("wb") as file:
        np.savez(file, features=x_ref)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return {"kind": "artefact", "path": name, "sha256": digest}


def toml_table(table: dict[str, Any]) -> str:
    return "{" + ", ".join(f'{key} = "{value}"' for key, value in table.items()) + "}"


def test_each_override_may_have_a_training_set_of_its_own(tmp_path: Path) -> None:
    first = training_set(tmp_path, "first.npz", 50, 3)
    second = training_set(tmp_path, "second.npz", 60, 4)
    text = BASE.replace('[reference]\nkind = "first_events"\nn_events = 30\n', "").replace(
        "version = 1", f"version = 1\nreference = {toml_table(first)}"
    )
    text += '[[overrides]]\nmodels = "wide"\ninput = {n_features = 4}\n'
    text += f"reference = {toml_table(second)}\n"
    text += '[[overrides]]\nmodels = "strict"\ncalibration = {level = 0.001}\n'
    (tmp_path / "job.toml").write_text(text)
    config = load_config(tmp_path / "job.toml", environ={})

    artefacts = read_artefacts(config)

    base, wide, strict = variants(config)
    assert key_of(strict) == key_of(base)
    assert artefacts.trained.keys() == {key_of(base), key_of(wide)}
    monitor = DriftMonitor(config, artefacts)
    n_refs = {}
    for model, n_columns in (("wide", 4), ("strict", 3), ("other", 3)):
        pane = make_pane(0, np.zeros((30, n_columns)), model=model)
        state = InMemoryEntries()
        monitor.on_pane(pane, state)
        (score, *_) = monitor.on_time(model, 60_000, state).scores
        n_refs[model] = score.reference.n_events
    assert n_refs == {"wide": 60, "strict": 50, "other": 50}


def key_of(config: DriftJobConfig) -> str:
    (view,) = views_of(config)
    return trained_key(view)


def test_a_training_set_of_an_override_that_cannot_be_used_is_named_by_its_place(
    tmp_path: Path,
) -> None:
    table = training_set(tmp_path, "narrow.npz", 50, 2)
    text = BASE + f'\n[[overrides]]\nmodels = "a"\nreference = {toml_table(table)}\n'
    (tmp_path / "job.toml").write_text(text)
    config = load_config(tmp_path / "job.toml", environ={})

    with pytest.raises(ConfigError, match=r"overrides\[0\]\.reference\.path: .*shape \(50, 2\)"):
        read_artefacts(config)


VIEWS = {
    "input": {"n_features": 0},
    "detector": {"reducer": None, "test": None},
    "columns": {"features": {"age": "number", "plan": "category"}, "outputs": {"p": "probability"}},
    "views": [{"name": "inputs", "columns": ["features"]}, {"name": "answers", "columns": ["p"]}],
}


def test_the_views_of_an_override_replace_those_of_the_job() -> None:
    config = make_config(
        **VIEWS, overrides=[{"models": "plain", "views": [{"name": "age", "columns": ["age"]}]}]
    )

    assert [view.name for view in views_of(config_of_model(config, "plain"))] == ["age"]
    assert [view.name for view in views_of(config_of_model(config, "other"))] == [
        "inputs",
        "answers",
    ]


def test_an_override_may_name_one_more_column() -> None:
    more = {"columns": {"features": {"income": "number"}}}
    config = make_config(**VIEWS, overrides=[{"models": "rich", **more}])

    (inputs, _) = views_of(config_of_model(config, "rich"))

    assert [column.name for column in inputs.columns] == ["age", "plan", "income"]


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"views": [{"name": "v", "columns": ["agee"]}]}, "views[0].columns"),
        (
            {"views": [{"name": "v", "columns": ["p"], "test": {"kind": "chi_square"}}]},
            "views[0].test.kind",
        ),
        (
            {"views": [{"name": "v", "columns": ["p"], "window": {"kind": "time"} | SIZES}]},
            "views[0].window.size_ms",
        ),
        ({"views": [{"name": "v", "columns": ["p"], "window": COUNT | {"size": 3, "slide": 3}}],
            "calibration": {"level": 1e-6}}, "views[0].window.size"),
        ({"views": [{"name": "v", "columns": ["p"], "test": {"kind": "mmd"}}],
            "sample": {"size": 20_000}, "reference": {"n_events": 20_000}}, "views[0].test"),
        (
            {"views": [{"name": "v", "columns": ["p"], "detectors": [
                {"name": "d", "window": COUNT, "test": {"kind": "mmd", "n_permutations": 50}}]}]},
            "views[0].detectors[0].test.n_permutations",
        ),
        ({"columns": {"features": {"age": {"type": "vector"}}}}, "columns.features.age.size"),
    ],
)  # fmt: skip
def test_a_change_of_views_that_is_wrong_is_named_by_its_key(
    change: dict[str, Any], key: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        changed(make_config(**VIEWS), change)

    assert [problem.key for problem in caught.value.problems] == [key]
