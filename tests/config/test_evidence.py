"""Rules about the events that are kept of an incident."""

from __future__ import annotations

from typing import Any

import pytest

from flink_jobs.config.checks import cross_check
from flink_jobs.config.digests import config_version
from flink_jobs.config.views import columns_read, views_of
from tests.builders import fingerprint_of, make_config, unchecked


@pytest.mark.parametrize(
    ("tables", "key", "said"),
    [
        ({"evidence": {"columns": ["age"]}}, "evidence.columns", "'age' is unknown"),
        ({"evidence": {"columns": ["outputs"]}}, "evidence.columns", "there are no outputs"),
        (
            {"evidence": {"max_bytes": 2_000_000}, "kafka": {"evidence_topic": "kept"}},
            "evidence.max_bytes",
            "2000000, and the Kafka property max.request.size is 1048576",
        ),
        (
            {"kafka": {"evidence_topic": "drift-alerts"}},
            "kafka.evidence_topic",
            "'drift-alerts' is also kafka.alerts_topic",
        ),
    ],
)
def test_what_could_not_be_kept_or_written_is_refused(
    tables: dict[str, Any], key: str, said: str
) -> None:
    problems = cross_check(unchecked(**tables))

    assert [(problem.key, problem.wrong) for problem in problems] == [(key, said)]


def test_large_records_are_allowed_in_a_folder_and_where_the_client_takes_them() -> None:
    large = {"max_bytes": 2_000_000}
    kafka = {"evidence_topic": "kept", "properties": {"max.request.size": "4000000"}}

    assert cross_check(unchecked(evidence=large)) == []
    assert cross_check(unchecked(evidence=large, kafka=kafka)) == []


def test_what_is_kept_changes_no_result_and_only_further_columns_change_the_state() -> None:
    plain = make_config(input={"n_outputs": 2})
    fewer = make_config(input={"n_outputs": 2}, evidence={"rows": 20})
    wider = make_config(input={"n_outputs": 2}, evidence={"columns": ["outputs"]})

    assert config_version(plain) == config_version(fewer)
    assert fingerprint_of(plain) == fingerprint_of(fewer) != fingerprint_of(wider)


def test_further_columns_are_read_and_lie_behind_those_of_the_view() -> None:
    detector = {"reducer": {"kind": "softmax_outputs"}}
    config = make_config(
        input={"n_outputs": 2}, detector=detector, evidence={"columns": ["features"]}
    )

    (view,) = views_of(config)

    assert [column.name for column in columns_read(config)] == ["features", "outputs"]
    assert [column.name for column in view.carried] == ["features"]
    assert view.places == (3, 4)
    assert view.row_places == (3, 4, 0, 1, 2)


def test_a_label_brings_along_the_answer_that_it_is_held_against() -> None:
    named = {
        "features": {"age": "number"},
        "outputs": {"score": "number", "p": "probability"},
        "label": "y",
    }
    config = make_config(
        input={"n_features": 0}, columns=named, detector={"reducer": None, "test": None},
        views=[{"name": "inputs", "columns": ["features"]}],
    )  # fmt: skip

    assert [column.name for column in columns_read(config)] == ["age", "p", "y"]
