"""How the thread that follows the topics shares its time between them."""

from __future__ import annotations

from typing import Any, cast

import pytest
from kafka.errors import KafkaConnectionError

from flink_jobs.dashboard.feed import Feed, Topics
from flink_jobs.dashboard.state import LiveState
from flink_jobs.kafka.errors import FollowError
from flink_jobs.records.alerts import Score
from tests.dashboard.records import score


class Follower:
    """Gives a batch with every poll, and keeps how long each poll could have waited."""

    def __init__(self, *batches: list[Score]) -> None:
        self.batches = list(batches)
        self.waits_s: list[float] = []

    def poll(self, timeout_s: float) -> list[Score]:
        self.waits_s.append(timeout_s)
        return self.batches.pop(0) if self.batches else []

    def has_caught_up(self) -> bool:
        return not self.batches


def polled(n_rounds: int, *followers: Follower) -> LiveState:
    state = LiveState()
    feed = Feed(Topics(bootstrap_servers="127.0.0.1:1"), state)
    feed._followers = cast(Any, followers)
    busy: set[Any] = set()
    for _ in range(n_rounds):
        busy = feed._poll(busy)
    return state


class GivenUp(Follower):
    """Ends as a client does that gives up on its broker, and is then closed."""

    def poll(self, timeout_s: float) -> list[Score]:
        self.waits_s.append(timeout_s)
        raise KafkaConnectionError("gone") if len(self.waits_s) == 1 else FollowError("closed")


def test_why_the_topics_cannot_be_opened_again_stays_to_be_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    feed = Feed(Topics(bootstrap_servers="127.0.0.1:1"), LiveState())
    feed._followers = cast(Any, [GivenUp()])
    said: list[str] = []

    def fail() -> None:
        said.append(feed.problem)
        if len(said) == 3:
            feed._stopped.set()
        raise FollowError("there is no topic 'drift-scores'")

    monkeypatch.setattr("flink_jobs.dashboard.feed._RETRY_S", 0)
    monkeypatch.setattr(feed, "_open", fail)
    feed._run()

    reason = "there is no topic 'drift-scores'"
    assert said == ["KafkaConnectionError: gone", reason, reason]
    assert feed.problem == reason


def test_a_quiet_topic_is_not_waited_for_while_another_one_has_more() -> None:
    quiet, scores = Follower(), Follower(*([score("m", place)] for place in range(5)))

    state = polled(6, quiet, scores)

    assert quiet.waits_s == [0.1, 0, 0, 0, 0, 0]
    assert scores.waits_s == [0.1] * 6
    assert state.knows("m")


def test_where_all_are_quiet_each_is_waited_for_so_that_nothing_spins() -> None:
    first, second = Follower(), Follower()

    polled(3, first, second)

    assert first.waits_s == second.waits_s == [0.1] * 3
