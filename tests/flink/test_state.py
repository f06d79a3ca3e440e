"""Entries of many models in the map of their shard."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flink_jobs.core.state.model_state import InMemoryEntries
from flink_jobs.flink.state import FlinkModelState, ShardEntries
from tests.flink.fake_map import FakeContext

NAMES = ("status", "reference/main", "slice/main/main/0")
MODELS = ("a", "b", "a\0status", "")
Step = tuple[str, str, str, bytes]
steps = st.lists(
    st.tuples(
        st.sampled_from(("get", "put", "delete", "restore")),
        st.sampled_from(MODELS),
        st.sampled_from(NAMES),
        st.binary(max_size=3),
    ),
    max_size=40,
)


def opened(context: FakeContext, most_cached_bytes: int = 10**6) -> ShardEntries:
    entries = ShardEntries(context, most_cached_bytes)
    entries.enter(context.shard)
    return entries


@given(steps, st.sampled_from((0, 900, 10**6)))
def test_models_of_a_shard_see_their_own_entries_and_no_others(
    todo: list[Step], most_cached_bytes: int
) -> None:
    context = FakeContext()
    entries = opened(context, most_cached_bytes)
    expected = {model: InMemoryEntries() for model in MODELS}

    for what, model, name, data in todo:
        state = FlinkModelState(entries, model)
        if what == "put":
            state.put(name, data)
            expected[model].put(name, data)
        elif what == "delete":
            state.delete(name)
            expected[model].delete(name)
        elif what == "restore":
            entries = opened(context, most_cached_bytes)
        for each in MODELS:
            found = {n: FlinkModelState(entries, each).get(n) for n in NAMES}
            assert found == {n: expected[each].get(n) for n in NAMES}
            size = sum(map(len, expected[each].entries.values()))
            assert FlinkModelState(entries, each).n_bytes() == size

    held = sum(len(each.entries) for each in expected.values())
    assert sum(map(len, context.maps.values())) == held


def test_an_entry_is_looked_up_once_and_one_that_is_not_there_never() -> None:
    context = FakeContext()
    FlinkModelState(opened(context), "fraud").put("status", b"1")
    context.n_looks = 0

    state = FlinkModelState(opened(context), "fraud")
    found = [state.get(name) for name in ("status", "status", "history", "history")]

    assert found == [b"1", b"1", None, None]
    # The names of the shard, and the one entry.
    assert context.n_looks == 2


def test_entries_of_another_shard_stay_where_they_are() -> None:
    context = FakeContext()
    entries = ShardEntries(context, 10**6)

    for shard, model in ((3, "a"), (7, "b")):
        context.shard = shard
        entries.enter(shard)
        FlinkModelState(entries, model).put("status", model.encode())

    assert context.maps == {3: {"a\0status": b"a"}, 7: {"b\0status": b"b"}}
