"""Named and typed columns, from payloads to panes."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flink_jobs.config.columns import columns_of, slots_of
from flink_jobs.config.views import columns_read
from flink_jobs.intake.event_columns import EventColumns, concatenate, in_order
from flink_jobs.intake.panes import Pane, pack_pane, unpack_pane
from flink_jobs.intake.texts import cut
from flink_jobs.records.dead_letters import Reason
from tests.builders import pack_and_unpack
from tests.intake.examples import GOOD, VALUES, RefusedError, event, named_config, taken

CONFIG = named_config()
FEATURES = [column for column in columns_of(CONFIG) if column.role == "feature"]
SLOTS = [slot.name for slot in slots_of(columns_read(CONFIG))]


def decoded(events: EventColumns) -> list[list[Any]]:
    """Rows with texts for codes, None for what is missing."""
    return [
        [
            None
            if math.isnan(value)
            else events.texts[slot][int(value)]
            if slot in events.texts
            else value
            for slot, value in enumerate(row)
        ]
        for row in events.x.tolist()
    ]


def test_an_event_by_name_becomes_numbers_and_texts() -> None:
    pane = pack_and_unpack(CONFIG, [event()])

    assert pane.dead_letters == []
    assert dict(zip(SLOTS, decoded(pane.events)[0], strict=True)) == {
        "tenure": 3.0,
        "calls": 1.5,
        "plan": "family",
        "channel": "web",
        "active": "true",
        "paperless": "false",
        "emb[0]": 0.5,
        "emb[1]": 1.0,
        "history[0]": 1.0,
        "history[1]": None,
        "p_churn": 0.25,
        "cat": 0.25,
        "dog": 0.75,
        "answer": "dog",
        "region": "eu",
        "churned": "yes",
    }


def test_an_event_by_place_is_the_same() -> None:
    by_name = pack_and_unpack(CONFIG, [event()])
    by_place = pack_and_unpack(CONFIG, [event(features=list(GOOD.values()))])

    assert decoded(by_place.events) == decoded(by_name.events)


def test_a_role_that_may_lack_all_its_columns_may_be_left_out() -> None:
    columns = {"features": {"plan": {"type": "category", "may_be_missing": True}}}
    payloads = [b'{"schema_version": 1, "event_id": "a"}', event("b", features={"plan": "pro"})]

    pane = pack_and_unpack(named_config(columns), payloads)

    assert decoded(pane.events) == [[None], ["pro"]]


def test_a_vector_alone_is_a_list_or_has_its_name() -> None:
    columns = {"features": {"emb": {"type": "vector", "size": 2}}}
    payloads = [event("a", features=[1, 2]), event("b", features={"emb": [3, 4]})]

    pane = pack_and_unpack(named_config(columns), payloads)

    assert pane.events.x.tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_of_columns_that_no_view_reads_only_the_answer_and_what_tells_of_it_are_packed() -> None:
    config = named_config(views=[{"name": "plans", "columns": ["plan"]}])

    pane = pack_and_unpack(config, [event("a"), event("b", tenure="many")])

    assert decoded(pane.events) == [["family", 0.25, "eu", "yes"]]
    assert [letter.detail for letter in pane.dead_letters] == [
        "tenure is 'many', expected a number"
    ]


@pytest.mark.parametrize(
    ("keys", "reason", "detail"),
    [
        ({"tenure": "3"}, Reason.INVALID_EVENT, "tenure is '3', expected a number"),
        ({"tenure": True}, Reason.INVALID_EVENT, "tenure is True, expected a number"),
        ({"tenure": None}, Reason.NOT_FINITE, "tenure is missing, NaN or infinite"),
        ({"tenure": math.inf}, Reason.NOT_FINITE, "tenure is missing, NaN or infinite"),
        ({"tenure": 1e150}, Reason.NOT_FINITE, "tenure is beyond 1e+140"),
        ({"plan": None}, Reason.INVALID_EVENT, "plan is missing"),
        ({"plan": 2.5}, Reason.INVALID_EVENT, "plan is 2.5, expected a text, a whole number"),
        ({"plan": ["a"]}, Reason.INVALID_EVENT, "plan is ['a'], expected a text"),
        ({"active": "yes"}, Reason.INVALID_EVENT, "active is 'yes', expected true, false, 1 or 0"),
        ({"active": 2}, Reason.INVALID_EVENT, "active is 2, expected true, false"),
        ({"emb": [1]}, Reason.WRONG_LENGTH, "1 emb, expected 2"),
        ({"emb": [1, None]}, Reason.NOT_FINITE, "emb[1] is missing, NaN or infinite"),
        ({"emb": 1}, Reason.INVALID_EVENT, "emb is 1, expected a list of 2 numbers"),
        ({"p_churn": 1.7}, Reason.NOT_A_DISTRIBUTION, "p_churn is 1.7, expected a probability"),
        ({"probs": [0.5, 0.9]}, Reason.NOT_A_DISTRIBUTION, "probs lie in [0.5, 0.9] and sum to"),
        ({"features": {}}, Reason.NOT_FINITE, "tenure is missing"),
        ({"features": [1]}, Reason.WRONG_LENGTH, "1 features, expected 8"),
        ({"features": "x"}, Reason.INVALID_EVENT, "features is 'x', expected an object or a list"),
        ({"segments": {"region": {}}}, Reason.INVALID_EVENT, "region is {}, expected a text"),
        ({"label": [1]}, Reason.INVALID_EVENT, "churned is [1], expected a text"),
    ],
)
def test_a_dead_letter_names_the_column_and_says_what_was_found(
    keys: dict[str, Any], reason: Reason, detail: str
) -> None:
    pane = pack_and_unpack(CONFIG, [event(**keys), event("b")])

    (letter,) = pane.dead_letters
    assert letter.reason is reason
    assert detail in letter.detail
    assert (letter.event_id, pane.events.event_ids) == ("a", ["b"])


@given(st.sampled_from(FEATURES), VALUES)
def test_each_value_is_what_plain_python_takes_it_for(column: Any, value: Any) -> None:
    pane = pack_and_unpack(CONFIG, [event(**{column.name: value})])

    # As it was read back: JSON makes no difference between 1 and 1.
    value = json.loads(json.dumps(value))
    try:
        expected = taken(column, value)
    except RefusedError:
        assert len(pane.dead_letters) == 1
        assert column.name in pane.dead_letters[0].detail
        return
    first = [slot.column for slot in slots_of(columns_read(CONFIG))].index(column)
    found = decoded(pane.events)[0][first : first + column.size]
    expected = expected if isinstance(expected, list) else [expected]
    assert found == [cut(each) if isinstance(each, str) else each for each in expected]


def test_texts_follow_the_order_of_the_events_and_not_that_of_their_arrival() -> None:
    plans = ["pro", "basic", "plus", "basic"]
    payloads = [event(f"e{3 - i}", plan=plan) for i, plan in enumerate(plans)]

    pane = pack_and_unpack(CONFIG, payloads)

    slot = SLOTS.index("plan")
    assert pane.events.texts[slot] == ["basic", "plus", "pro"]
    assert pane.events.x[:, slot].tolist() == [0.0, 1.0, 0.0, 2.0]


def test_whole_numbers_and_booleans_are_categories_by_their_text() -> None:
    plans = [1, True, "1", 1.0, "true", 10**30]
    payloads = [event(str(place), plan=plan) for place, plan in enumerate(plans)]

    pane = pack_and_unpack(CONFIG, payloads)

    slot = SLOTS.index("plan")
    found = [row[slot] for row in decoded(pane.events)]
    assert found == ["1", "true", "1", "1", "true", "1" + "0" * 30]


def test_long_texts_are_cut_and_stay_different() -> None:
    long = ["x" * 300 + end for end in "ab"]

    pane = pack_and_unpack(CONFIG, [event(str(i), plan=text) for i, text in enumerate(long)])

    texts = pane.events.texts[SLOTS.index("plan")]
    assert len(texts) == 2
    assert [(len(text), text[:239]) for text in texts] == [(256, "x" * 239)] * 2


texts = st.sampled_from(["a", "b", "c", None])
rows = st.tuples(
    st.sampled_from(["p", "q"]), st.integers(0, 2), st.integers(0, 2), st.integers(0, 3), texts
)


def columns(found: list[tuple[str, int, int, int, str | None]]) -> EventColumns:
    """Events with a number and a category whose dictionary holds more than they do."""
    own = ["d", *sorted({text for *_, text in found if text}, reverse=True)]
    codes = [math.nan if text is None else float(own.index(text)) for *_, text in found]
    n = len(found)
    return EventColumns(
        event_ids=[row[0] for row in found],
        partitions=np.array([row[1] for row in found], dtype=np.int32),
        offsets=np.arange(n, dtype=np.int64) % 3,
        rows=np.array([row[2] for row in found], dtype=np.int32),
        times_ms=np.array([row[3] for row in found], dtype=np.int64),
        x=np.column_stack([np.arange(n, dtype=np.float64), codes]).reshape(n, 2),
        texts={1: own},
    )


@given(st.lists(rows, max_size=12))
def test_of_events_that_come_again_the_first_by_place_is_kept(
    found: list[tuple[str, int, int, int, str | None]],
) -> None:
    events = columns(found)
    first: dict[tuple[int, str], tuple[tuple[int, int, int], int]] = {}
    for i, (event_id, partition, row, time_ms, _) in enumerate(found):
        place = (partition, i % 3, row)
        key = (time_ms, event_id)
        if key not in first or place < first[key][0]:
            first[key] = (place, i)

    ordered, n_duplicates = in_order(events)

    assert n_duplicates == len(found) - len(first)
    kept = [i for _, (_, i) in sorted(first.items())]
    # The number of each event says which it is.
    assert decoded(ordered) == [[float(i), found[i][4]] for i in kept]
    assert ordered.texts[1] == list(dict.fromkeys(found[i][4] for i in kept if found[i][4]))


@given(st.lists(st.lists(rows, max_size=5), min_size=1, max_size=4))
def test_joined_events_keep_their_texts(parts: list[list[tuple[str, int, int, int, Any]]]) -> None:
    joined = concatenate([columns(part) for part in parts])

    assert [row[1] for row in decoded(joined)] == [row[4] for part in parts for row in part]
    assert joined.event_ids == [row[0] for part in parts for row in part]


@given(st.lists(rows, max_size=8), st.integers(0, 5))
def test_a_packed_pane_is_the_same_again(
    found: list[tuple[str, int, int, int, str | None]], n_duplicates: int
) -> None:
    pane = Pane("model", 5_000, 6_000, columns(found), [], n_duplicates)

    again = unpack_pane("model", 1_000, pack_pane(pane))

    assert (again.start_ms, again.end_ms, again.n_duplicates) == (5_000, 6_000, n_duplicates)
    assert decoded(again.events) == decoded(pane.events)
    for name in ("partitions", "offsets", "rows", "times_ms"):
        np.testing.assert_array_equal(getattr(again.events, name), getattr(pane.events, name))


def test_taking_events_and_changing_numbers_keeps_what_codes_stand_for() -> None:
    events = columns([("p", 0, 0, 0, "a"), ("q", 0, 0, 1, "b")])

    taken_last = events.take(np.array([1]))
    reduced = events.with_x(np.zeros((2, 1)))

    assert decoded(taken_last)[0][1] == "b"
    assert reduced.texts == {}
