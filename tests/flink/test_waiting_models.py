"""Timers that the models of a shard share."""

from __future__ import annotations

from flink_jobs.flink.operators.waiting_models import WaitingModels
from flink_jobs.flink.state import ShardEntries
from tests.flink.fake_map import FakeContext


class Timers:
    """Stands in for Flink's timer service."""

    def __init__(self) -> None:
        self.registered_ms: list[int] = []

    def register_event_time_timer(self, time_ms: int) -> None:
        self.registered_ms.append(time_ms)


def opened(context: FakeContext) -> WaitingModels:
    entries = ShardEntries(context, 10**6)
    entries.enter(context.shard)
    return WaitingModels(entries)


def test_all_models_that_wait_for_a_moment_share_one_timer() -> None:
    context, timers = FakeContext(), Timers()
    waiting = opened(context)

    for model, wake_ms in (("a", 50), ("b", 50), ("c", 90), ("a", 50)):
        waiting.ask(model, wake_ms)
    waiting.register(0, timers)
    waiting.ask("d", 50)
    waiting.register(0, timers)

    assert timers.registered_ms == [50, 90]
    assert waiting.take(0, 50) == ["a", "b", "d"]
    assert waiting.take(0, 50) == []


def test_who_waits_is_known_after_a_restore() -> None:
    context = FakeContext()
    before = opened(context)
    before.ask("a", 50)
    before.register(0, Timers())

    waiting = opened(context)

    assert waiting.take(0, 50) == ["a"]
    assert context.maps == {0: {}}


def test_shards_that_wait_for_one_moment_know_nothing_of_each_other() -> None:
    context, timers = FakeContext(), Timers()
    entries = ShardEntries(context, 10**6)
    waiting = WaitingModels(entries)

    for shard, model in ((3, "a"), (7, "b")):
        context.shard = shard
        entries.enter(shard)
        waiting.ask(model, 50)
        waiting.register(shard, timers)

    assert timers.registered_ms == [50, 50]
    for shard, model in ((3, "a"), (7, "b")):
        context.shard = shard
        assert waiting.take(shard, 50) == [model]
