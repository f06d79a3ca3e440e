"""Rules of a configuration about named columns and the views of them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from flink_jobs.config.checks import cross_check
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.tables.base import Problem
from tests.builders import BASE

COLUMNS = {
    "features": {
        "age": "number",
        "plan": "category",
        "emb": {"type": "vector", "size": 4},
    },
    "outputs": {
        "probs": {"kind": "class_probabilities", "class_names": ["cat", "dog"]},
        "score": "number",
    },
    "segments": ["region"],
}
VIEW = {"name": "a", "columns": ["features"]}


def problems(**tables: Any) -> list[Problem]:
    """What is wrong with a configuration of named columns."""
    tree = msgspec.toml.decode(BASE)
    tree |= {"input": {}, "detector": {}, "columns": COLUMNS} | tables
    return cross_check(msgspec.convert(tree, DriftJobConfig))


def with_columns(role: str, **columns: Any) -> dict[str, Any]:
    return {"columns": COLUMNS | {role: columns}, "views": [VIEW | {"columns": list(columns)}]}


def with_view(**keys: Any) -> dict[str, Any]:
    return {"views": [VIEW, VIEW | {"name": "b"} | keys]}


def reducer(kind: str, **more: Any) -> dict[str, Any]:
    return {"reducer": {"kind": kind} | more}


def own_model(kind: str) -> dict[str, Any]:
    return reducer(kind, path="model.onnx", sha256="0" * 64, size=1)


def test_a_model_of_ones_own_reads_booleans_and_no_column_that_may_be_missing() -> None:
    features = {"owner": "boolean", "age": {"type": "number", "may_be_missing": True}}
    view = {"name": "a", "columns": ["owner"]} | own_model("onnx_embedding")

    assert problems(columns={"features": features}, views=[view]) == []
    (problem,) = problems(columns={"features": features}, views=[view | {"columns": ["features"]}])
    assert problem.key == "views[0].reducer.kind"
    assert "over age, which may be missing" in problem.wrong


def test_views_of_named_columns_are_right() -> None:
    answers = {"name": "answers", "columns": ["probs"]}
    numbers = {"name": "numbers", "columns": ["age", "score", "emb"], "test": {"kind": "psi"}}

    assert problems(views=[VIEW, answers, numbers]) == []


def test_without_views_the_outputs_are_watched_where_a_test_suits_them() -> None:
    only = {"outputs": {"p_churn": "probability"}, "features": {"age": "number"}}

    assert problems(columns=only) == []


def test_a_vector_alone_may_be_called_as_its_role() -> None:
    vector = {"kind": "class_probabilities", "size": 3}

    assert problems(**with_columns("outputs", outputs=vector)) == []


@pytest.mark.parametrize(
    ("tables", "key", "wrong"),
    [
        ({"input": {"n_features": 3}, "views": [VIEW]}, "input.n_features", "3, though columns"),
        (with_columns("outputs", age="number"), "columns.outputs", "'age' is also in columns.f"),
        (with_columns("features", region="category"), "columns.segments", "'region' is also in"),
        (with_columns("features", **{'a"b': "number"}), "columns.features", "cannot be read"),
        (with_columns("features", features="number"), "columns.features", "all columns of that"),
        (with_columns("features", emb="vector"), "columns.features.emb.size", "1 number"),
        (
            with_columns("features", age={"type": "number", "size": 2}),
            "columns.features.age.size",
            "2, for a number",
        ),
        (
            with_columns("outputs", p={"kind": "class_probabilities", "class_names": ["a"]}),
            "columns.outputs.p.size",
            "several elements",
        ),
        (with_columns("outputs", p="embedding"), "columns.outputs.p.size", "several elements"),
        (
            with_columns("outputs", p={"kind": "probabilities", "class_names": ["a", "a"]}),
            "columns.outputs.p.class_names",
            "a name comes twice",
        ),
        (
            with_columns(
                "outputs", p={"kind": "probabilities", "class_names": ["a", "b"], "size": 3}
            ),
            "columns.outputs.p.size",
            "3, and there are 2 class_names",
        ),
        (
            with_columns("outputs", p={"kind": "number", "class_names": ["a"]}),
            "columns.outputs.p.class_names",
            "of the kind number",
        ),
        (
            with_columns("outputs", p={"kind": "class", "size": 3}),
            "columns.outputs.p.size",
            "3, for the kind class",
        ),
        (with_view(name="a"), "views[1].name", "'a' is taken"),
        (with_view(columns=["ages"]), "views[1].columns", "'ages' is unknown"),
        ({"views": [VIEW], "detector": {"test": {"kind": "ks"}}}, "detector.test", "views"),
        ({"views": [VIEW], "detector": reducer("pca")}, "detector.reducer", "there are views"),
        (
            {
                "views": [VIEW],
                "detectors": [{"name": "b", "window": {"kind": "count", "size": 20, "slide": 7}}],
            },
            "detectors",
            "there are views",
        ),
        (with_view(**reducer("softmax_outputs")), "views[1].reducer.kind", "over age, plan, emb"),
        (
            with_view(columns=["outputs"], **reducer("hard_predictions")),
            "views[1].reducer.kind",
            "'hard_predictions' over probs, score",
        ),
        (
            with_view(columns=["age", "plan"], **own_model("onnx_embedding")),
            "views[1].reducer.kind",
            "'onnx_embedding' over the category plan",
        ),
        (
            with_view(columns=["age"], **own_model("onnx_softmax")),
            "views[1].reducer.size",
            "1 number",
        ),
        (
            with_view(columns=["age"], test={"kind": "chi_square"}, **own_model("onnx_embedding")),
            "views[1].test.kind",
            "leaves no categories",
        ),
        (
            with_view(columns=["emb"], **reducer("pca", n_components=5)),
            "views[1].reducer.n_components",
            "5 components from 4",
        ),
        (with_view(test={"kind": "ks"}), "views[1].test.kind", "'ks' over the category plan"),
        (with_view(test={"kind": "psi"}), "views[1].test.kind", "'psi' over the category plan"),
        (
            with_view(columns=["age", "plan"], test={"kind": "chi_square"}),
            "views[1].test.kind",
            "'chi_square' over the number age",
        ),
        (
            with_view(columns=["age"], test={"kind": "mixed"}),
            "views[1].test.categorical_columns",
            "no column is a category",
        ),
        (
            with_view(columns=["age", "emb"], test={"kind": "mixed", "categorical_columns": [0]}),
            "views[1].test.categorical_columns",
            "age has a type",
        ),
        (
            with_view(
                columns=["emb"],
                test={"kind": "mixed", "categorical_columns": [1]},
                **reducer("pca", n_components=2),
            ),
            "views[1].test.kind",
            "leaves no categories",
        ),
        (
            with_view(window={"kind": "time", "size_ms": 2_500, "slide_ms": 1_000}),
            "views[1].window.size_ms",
            "not a multiple",
        ),
        (
            with_view(reference={"kind": "first_time", "duration_ms": 2_500}),
            "views[1].reference.duration_ms",
            "not a multiple",
        ),
        (
            with_view(policy={"windows_to_start": 3, "start_within_windows": 2}),
            "views[1].policy.start_within_windows",
            "2 windows never hold",
        ),
        (
            with_view(
                detectors=[
                    {
                        "name": "slow",
                        "window": {"kind": "time", "size_ms": 2_500, "slide_ms": 1_000},
                    }
                ]
            ),
            "views[1].detectors[0].window.size_ms",
            "not a multiple",
        ),
        (
            with_view(
                columns=["age"],
                test={"kind": "energy", "n_permutations": 19},
            ),
            "views[1].test.n_permutations",
            "19 permutations never give",
        ),
        (
            with_view(
                reference={"kind": "first_events", "n_events": 2},
                columns=["age"],
                window={"kind": "count", "size": 2, "slide": 2},
            ),
            "views[1].window.size",
            "never alarm",
        ),
    ],
)
def test_what_is_wrong_is_said_under_its_key(tables: dict[str, Any], key: str, wrong: str) -> None:
    found = problems(**tables)

    assert [problem.key for problem in found] == [key]
    assert wrong in found[0].wrong


def test_what_views_share_is_named_once() -> None:
    found = problems(**with_view(), window={"kind": "time", "size_ms": 2_500, "slide_ms": 1_000})

    assert [problem.key for problem in found] == ["window.size_ms"]


def test_a_view_of_columns_that_no_role_has_is_refused() -> None:
    columns = {"features": {"age": "number"}}

    (found,) = problems(columns=columns, views=[VIEW | {"columns": ["outputs"]}])

    assert (found.key, found.wrong) == ("views[0].columns", "there are no outputs")
