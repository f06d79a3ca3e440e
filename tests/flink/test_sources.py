"""How many subtasks read the inference topic."""

from __future__ import annotations

import pytest

from flink_jobs.flink import sources
from flink_jobs.kafka.ranges import TopicRange
from tests.builders import make_config


@pytest.mark.parametrize(
    ("parallelism", "n_partitions", "expected"), [(4, 2, 2), (2, 6, 2), (4, 0, 1)]
)
def test_no_reader_is_without_a_partition(
    monkeypatch: pytest.MonkeyPatch, parallelism: int, n_partitions: int, expected: int
) -> None:
    monkeypatch.setattr(sources, "count_partitions", lambda *_: n_partitions)

    table = sources.source_table(make_config(job={"parallelism": parallelism}))

    assert f"'scan.parallelism' = '{expected}'" in table


def test_a_job_over_a_part_of_a_topic_has_readers_for_its_partitions() -> None:
    offsets = {0: 0, 1: 0, 2: 0}

    config = make_config(job={"parallelism": 8})
    table = sources.source_table(config, TopicRange(starts=offsets, ends=offsets))

    assert "'scan.parallelism' = '3'" in table
