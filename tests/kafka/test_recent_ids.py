import pytest
from hypothesis import given
from hypothesis import strategies as st

from flink_jobs.kafka.recent_ids import RecentIds


def test_an_id_is_new_once() -> None:
    recent = RecentIds(capacity=10)

    assert [recent.add(each) for each in "abab"] == [True, True, False, False]


def test_the_id_seen_longest_ago_is_forgotten_first() -> None:
    recent = RecentIds(capacity=2)
    recent.add("a")
    recent.add("b")
    recent.add("a")

    recent.add("c")

    assert recent.add("a") is False
    assert recent.add("b") is True


@given(st.lists(st.integers(0, 20)), st.integers(1, 10))
def test_memory_is_bounded_whatever_comes(ids: list[int], capacity: int) -> None:
    recent = RecentIds(capacity)

    for each in ids:
        recent.add(each)

    assert len(recent) == min(capacity, len(set(ids)))


@given(st.lists(st.integers(0, 20)))
def test_with_room_for_all_every_id_is_new_exactly_once(ids: list[int]) -> None:
    recent = RecentIds(capacity=21)

    new = [each for each in ids if recent.add(each)]

    assert new == list(dict.fromkeys(ids))


def test_no_room_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        RecentIds(capacity=0)
