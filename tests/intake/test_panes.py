from __future__ import annotations

from random import Random

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flink_jobs.intake.panes import PanePacker, PaneVersionError, unpack_pane
from flink_jobs.records.dead_letters import Reason
from tests.builders import make_config, pack_and_unpack, payload

SOFTMAX = {"reducer": {"kind": "softmax_outputs"}, "test": {"kind": "ks"}}


def outputs(*values: float, event_id: str = "event") -> bytes:
    return msgspec.json.encode({"schema_version": 1, "event_id": event_id, "outputs": values})


@given(
    st.lists(st.integers(12_000, 12_003), min_size=1, max_size=30),
    st.randoms(use_true_random=False),
)
def test_neither_the_order_of_arrival_nor_the_partition_shows_in_a_pane(
    times_ms: list[int], random: Random
) -> None:
    events = [(time_ms, f"event-{i:02d}") for i, time_ms in enumerate(times_ms)]
    arrived = random.sample(events, len(events))
    partitions = np.array([random.randrange(3) for _ in arrived])

    packed = PanePacker(make_config()).pack(
        "model",
        [payload(event_id, [time_ms, int(event_id[-2:]), 0]) for time_ms, event_id in arrived],
        partitions,
        np.arange(len(arrived)),
        np.array([time_ms for time_ms, _ in arrived]),
    )
    pane = unpack_pane("model", 1_000, packed)

    assert list(zip(pane.events.times_ms.tolist(), pane.events.event_ids, strict=True)) == sorted(
        events
    )
    assert pane.events.x[:, 0].tolist() == sorted(times_ms)
    assert {
        (p, o): arrived[o][1] for p, o in zip(partitions, range(len(arrived)), strict=True)
    } == {
        (p, o): event_id
        for p, o, event_id in zip(
            pane.events.partitions, pane.events.offsets, pane.events.event_ids, strict=True
        )
    }
    assert (pane.start_ms, pane.end_ms) == (12_000, 13_000)


def test_of_events_with_one_id_and_time_the_first_by_partition_and_offset_counts() -> None:
    config = make_config()
    packed = PanePacker(config).pack(
        "model",
        [payload("same", [i, 0, 0]) for i in range(3)],
        np.array([1, 0, 0]),
        np.array([0, 7, 5]),
        np.full(3, 12_345),
    )

    pane = unpack_pane("model", 1_000, packed)

    assert pane.events.x[:, 0].tolist() == [2]
    assert pane.n_duplicates == 2


@given(st.lists(st.sampled_from([payload("a"), payload("b"), b"junk", payload("a", [1.0])])))
def test_every_record_is_used_or_a_dead_letter_or_one_that_came_again(
    payloads: list[bytes],
) -> None:
    pane = pack_and_unpack(make_config(), [payload("first"), *payloads])

    used, refused = pane.events.offsets.tolist(), [d.offset for d in pane.dead_letters]
    assert len({*used, *refused}) == len(used) + len(refused)
    assert len(used) + len(refused) + pane.n_duplicates == 1 + len(payloads)


def test_a_dead_letter_holds_the_reason_the_place_and_a_bounded_payload() -> None:
    config = make_config(input={"dead_letter_payload_bytes": 4})

    (dead_letter,) = pack_and_unpack(config, [b"{broken"], start_ms=5_000).dead_letters

    assert dead_letter.reason is Reason.UNDECODABLE
    assert (dead_letter.partition, dead_letter.offset) == (0, 0)
    assert (dead_letter.payload, dead_letter.payload_bytes) == (b"{bro", 7)
    assert (dead_letter.model, dead_letter.event_time_ms) == ("model", 5_000)


@pytest.mark.parametrize("values", [(0.5, 0.6), (1.5, -0.5), (0.0, 0.0)])
def test_outputs_that_are_no_distribution_are_dead_letters(values: tuple[float, float]) -> None:
    config = make_config(input={"n_features": 0, "n_outputs": 2}, detector=SOFTMAX)

    pane = pack_and_unpack(config, [outputs(0.25, 0.75), outputs(*values)])

    assert pane.events.x.tolist() == [[0.25, 0.75]]
    assert [d.reason for d in pane.dead_letters] == [Reason.NOT_A_DISTRIBUTION]


def test_numbers_that_would_overflow_when_squared_are_dead_letters() -> None:
    pane = pack_and_unpack(make_config(), [payload(features=[1e200, 0, 0]), payload()])

    assert len(pane.events) == 1
    assert [d.reason for d in pane.dead_letters] == [Reason.NOT_FINITE]


def test_outputs_that_were_rounded_are_used_and_sum_to_one() -> None:
    config = make_config(input={"n_features": 0, "n_outputs": 3}, detector=SOFTMAX)

    pane = pack_and_unpack(
        config, [outputs(0.5, 0.24, 0.25), outputs(0.333, 0.333, 0.333, event_id="later")]
    )

    assert not pane.dead_letters
    assert pane.events.x.tolist() == [[0.5 / 0.99, 0.24 / 0.99, 0.25 / 0.99], [0.333] * 3]


def test_outputs_whose_sum_overflows_are_dead_letters_without_a_warning() -> None:
    config = make_config(input={"n_features": 0, "n_outputs": 2}, detector=SOFTMAX)

    pane = pack_and_unpack(config, [outputs(1e308, 1e308), outputs(0.25, 0.75)])

    assert pane.events.x.tolist() == [[0.25, 0.75]]
    assert [d.reason for d in pane.dead_letters] == [Reason.NOT_FINITE]


@pytest.mark.parametrize(
    "broken",
    [
        rb'{"schema_version": 2, "event_id": "\ud800"}',
        rb'{"schema_version": 1, "event_id": "\ud800", "features": [0.1, NaN, 0.3]}',
    ],
)
def test_an_event_id_that_utf_8_cannot_hold_does_not_stop_the_pane(broken: bytes) -> None:
    pane = pack_and_unpack(make_config(), [payload("good"), broken])

    assert pane.events.event_ids == ["good"]
    assert [(d.offset, d.event_id) for d in pane.dead_letters] == [(1, r"\ud800")]


def test_a_pane_of_dead_letters_alone_still_knows_when_it_started() -> None:
    pane = pack_and_unpack(make_config(), [b"junk"], start_ms=7_250)

    assert (pane.start_ms, len(pane.events), pane.events.x.shape) == (7_000, 0, (0, 3))


@pytest.mark.parametrize("data", [b"", b"\x00", msgspec.msgpack.encode([99] + [b""] * 9)])
def test_bytes_of_another_packer_are_refused(data: bytes) -> None:
    with pytest.raises(PaneVersionError):
        unpack_pane("model", 1_000, data)


def test_a_missing_feature_is_kept_as_such() -> None:
    config = make_config(input={"missing_features": "allow"})
    event = payload("without").replace(b"0.2", b"null")

    pane = pack_and_unpack(config, [payload(), event])

    assert pane.dead_letters == []
    np.testing.assert_array_equal(pane.events.x, [[0.1, 0.2, 0.3], [0.1, np.nan, 0.3]])
