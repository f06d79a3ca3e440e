"""Paths of values in events: what is written is read as the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flink_jobs.config.paths import MOST_STEPS, Path, parse_path, path_text

KEYS = st.text(st.sampled_from('ab.[]"\\ @$0é'), min_size=1, max_size=6)
PATHS = st.lists(KEYS | st.integers(0, 999_999_999), min_size=1, max_size=MOST_STEPS)


@given(PATHS.map(tuple))
def test_any_path_is_read_as_it_was_written(path: Path) -> None:
    assert parse_path(path_text(path)) == path


@pytest.mark.parametrize("key", ["@", "@key", "$", "$a"])
def test_a_key_of_an_event_is_not_written_as_one_of_a_record(key: str) -> None:
    written = path_text((key, 0))

    assert written == f'["{key}"][0]'
