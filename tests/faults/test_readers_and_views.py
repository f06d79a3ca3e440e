"""The job files of the scenarios: how many subtasks read, and what is watched."""

from __future__ import annotations

import msgspec
import pytest

from flink_jobs.config.digests import config_version
from flink_jobs.config.loading import decode_config
from flink_jobs.config.views import views_of
from scripts.faults.outcome import Options
from scripts.faults.scenarios.soak import _of_views, make_stream
from scripts.faults.topics import SAMPLE_SIZE, VIEWS, Run

STREAM = make_stream("soak", 160_000)


def job(**changes: object) -> Run:
    return Run(name="run", stream=STREAM, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("readers", [1, 2])
def test_as_many_subtasks_read_as_the_option_says(readers: int) -> None:
    run = job(readers=readers)

    config = decode_config(run.job_toml("127.0.0.1:9092").encode())

    assert config.job.parallelism == len(run.source_client_ids) == readers


def test_scenarios_read_with_two_subtasks_unless_told_otherwise() -> None:
    assert Options(runs=1, events=1, soak_events=1, payloads=1, seed=0).readers == 2


def test_results_do_not_name_the_number_of_readers() -> None:
    one, two = (decode_config(job(readers=n).job_toml("b:1").encode()) for n in (1, 2))

    assert config_version(one) == config_version(two)


def test_a_run_with_named_columns_watches_inputs_and_outputs_side_by_side() -> None:
    config = decode_config(job(is_named=True).job_toml("127.0.0.1:9092").encode())

    views = views_of(config)

    assert tuple(view.name for view in views) == VIEWS
    assert [[column.name for column in view.columns] for view in views] == [
        ["amount", "plan"],
        ["shares"],
    ]


def test_the_events_of_each_view_add_up_by_themselves() -> None:
    inputs, outputs = (msgspec.json.encode({"view": view}) for view in VIEWS)

    assert _of_views([outputs, inputs, outputs]) == [[inputs], [outputs, outputs]]


def test_a_run_with_rows_has_a_detector_that_sees_a_sample() -> None:
    config = decode_config(job(has_rows=True).job_toml("127.0.0.1:9092").encode())

    (view,) = views_of(config)

    assert [detector.name for detector in view.detectors] == ["main", "rows"]
    assert config.sample.size == SAMPLE_SIZE
