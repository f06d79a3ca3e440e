from __future__ import annotations

from dataclasses import replace

import pytest

from flink_jobs.config.columns import Column
from flink_jobs.intake.formats.json import (
    DECODING_FAILS,
    EventDecoder,
    usable_event_decoder,
)
from flink_jobs.intake.unusable import UnusableEventError
from flink_jobs.records.dead_letters import Reason

GOOD = b'{"schema_version": 1, "event_id": "a", "features": [1, 2.5], "outputs": [0.5, 0.5]}'
VECTORS = [
    Column("features", "vector", "feature", 2),
    Column("outputs", "vector", "output", 2, kind="class_probabilities"),
]
WITH_MISSING = [replace(VECTORS[0], may_be_missing=True), VECTORS[1]]


@pytest.fixture
def decoder() -> EventDecoder:
    return EventDecoder(VECTORS)


def test_a_good_event_is_decoded_and_unknown_keys_are_ignored(decoder: EventDecoder) -> None:
    event = decoder.decode(GOOD.replace(b'"a"', b'"a", "shard": {"x": [1]}'))

    assert (event.event_id, event.features, event.outputs) == ("a", (1.0, 2.5), (0.5, 0.5))


FAULTS = pytest.mark.parametrize(
    ("payload", "reason", "detail"),
    [
        (b"", Reason.UNDECODABLE, "truncated"),
        (b"\xff\xfe", Reason.UNDECODABLE, "malformed"),
        (b"[" * 100_000, Reason.UNDECODABLE, "array"),
        (GOOD.replace(b'"a"', b'"\xff"'), Reason.UNDECODABLE, "utf-8"),
        (GOOD.replace(b'"a"', b'"\xed\xa0\x80"'), Reason.UNDECODABLE, "utf-8"),
        (b"\xef\xbb\xbf" + GOOD, Reason.UNDECODABLE, "malformed"),
        (GOOD.decode().encode("utf-16"), Reason.UNDECODABLE, "malformed"),
        (GOOD.replace(b"2.5", b"NaN").decode().encode("utf-32"), Reason.UNDECODABLE, "malformed"),
        (b'"text"', Reason.INVALID_EVENT, "not a JSON object"),
        (GOOD.replace(b'"event_id"', b'"id"'), Reason.INVALID_EVENT, "event_id"),
        (GOOD.replace(b'"a"', b'""'), Reason.INVALID_EVENT, "event_id"),
        (GOOD.replace(b'"a"', b'"' + b"a" * 257 + b'"'), Reason.INVALID_EVENT, "event_id"),
        (GOOD.replace(b"2.5", b'"2.5"'), Reason.INVALID_EVENT, "[1] is '2.5', expected a number"),
        (GOOD.replace(b"2.5", b"true"), Reason.INVALID_EVENT, "[1] is True, expected a number"),
        (GOOD.replace(b"2.5", b"9" * 400), Reason.INVALID_EVENT, "range"),
        (GOOD.replace(b"2.5", b"9" * 5_000), Reason.INVALID_EVENT, "range"),
        (GOOD.replace(b": 1,", b": false,"), Reason.INVALID_EVENT, "bool"),
        (GOOD.replace(b"2.5", b"NaN"), Reason.NOT_FINITE, "features[1]"),
        (GOOD.replace(b"2.5", b"-Infinity"), Reason.NOT_FINITE, "features[1]"),
        (GOOD.replace(b"2.5", b"1e999"), Reason.NOT_FINITE, "features[1]"),
        (GOOD.replace(b"0.5]", b"null]"), Reason.NOT_FINITE, "outputs[1]"),
        (GOOD.replace(b": 1,", b": 2,"), Reason.UNKNOWN_SCHEMA_VERSION, "version 2, expected 1"),
        (GOOD.replace(b": 1,", b": " + b"7" * 5_000 + b","), Reason.UNKNOWN_SCHEMA_VERSION, "777"),
        (b'{"schema_version": 2}', Reason.UNKNOWN_SCHEMA_VERSION, "version 2, expected 1"),
        (GOOD.replace(b", 2.5", b""), Reason.WRONG_LENGTH, "1 features, expected 2"),
        (GOOD.replace(b"0.5, 0.5", b""), Reason.WRONG_LENGTH, "0 outputs, expected 2"),
        (GOOD.replace(b', "outputs": [0.5, 0.5]', b""), Reason.WRONG_LENGTH, "0 outputs, expected"),
    ],
)


@FAULTS
def test_each_fault_has_its_own_reason_and_a_detail_that_helps(
    decoder: EventDecoder, payload: bytes, reason: Reason, detail: str
) -> None:
    with pytest.raises(UnusableEventError) as caught:
        decoder.decode(payload)

    assert caught.value.reason is reason
    assert detail in caught.value.detail
    assert len(caught.value.detail) <= 300


@FAULTS
def test_what_decodes_only_usable_payloads_fails_at_each_fault(
    payload: bytes, reason: Reason, detail: str
) -> None:
    decode = usable_event_decoder(VECTORS)

    with pytest.raises(DECODING_FAILS):
        decode(payload)


def test_a_bad_payload_among_good_ones_costs_no_other(decoder: EventDecoder) -> None:
    payloads = [GOOD, b"{", GOOD.replace(b'"a"', b'"b"')]

    events, unusable = decoder.decode_all(payloads)

    assert [event.event_id for event in events] == ["a", "b"]
    assert {place: error.reason for place, error in unusable.items()} == {1: Reason.UNDECODABLE}


def test_missing_numbers_may_be_null() -> None:
    decode = usable_event_decoder([WITH_MISSING[0]])

    event = decode(b'{"schema_version": 1, "event_id": "a", "features": [null, 2]}')

    assert event.features == (None, 2.0)


def test_a_dead_letter_keeps_the_event_id_where_it_can_be_read(decoder: EventDecoder) -> None:
    with pytest.raises(UnusableEventError) as caught:
        decoder.decode(GOOD.replace(b"2.5", b"NaN"))

    assert caught.value.event_id == "a"


@pytest.mark.parametrize(
    ("literal", "event_id"),
    [(r'"\ud800"', r"\ud800"), (r'"a\udfff"', r"a\udfff"), (r'"\ud83d\ude00"', "\U0001f600")],
)
def test_an_event_id_that_utf_8_cannot_hold_is_escaped(
    decoder: EventDecoder, literal: str, event_id: str
) -> None:
    payload = GOOD.replace(b'"a"', literal.encode()).replace(b"2.5", b"NaN")

    with pytest.raises(UnusableEventError) as caught:
        decoder.decode(payload)

    assert caught.value.event_id == event_id
    assert caught.value.reason is Reason.NOT_FINITE


def test_an_event_id_whose_escapes_are_long_is_still_cut(decoder: EventDecoder) -> None:
    with pytest.raises(UnusableEventError) as caught:
        decoder.decode(GOOD.replace(b'"a"', b'"' + rb"\ud800" * 256 + b'"'))

    assert len(caught.value.event_id or "") == 256


@pytest.mark.parametrize("token", [b"null", b"NaN"])
def test_a_null_or_nan_feature_is_a_missing_value_where_that_is_allowed(token: bytes) -> None:
    decoder = EventDecoder(WITH_MISSING)
    payload = GOOD.replace(b'"a"', b'"NaN, \\"Infinity"').replace(b"2.5", token)

    event = decoder.decode(payload)
    [same], unusable = decoder.decode_all([payload])

    assert event.features == (1.0, None)
    assert (event.event_id, event.outputs) == ('NaN, "Infinity', (0.5, 0.5))
    assert (same.event_id, same.features) == (event.event_id, event.features)
    assert not unusable


@pytest.mark.parametrize(
    ("payload", "detail"),
    [
        (GOOD.replace(b"2.5", b"null").replace(b"0.5]", b"null]"), "outputs[1]"),
        (GOOD.replace(b"2.5", b"NaN").replace(b"0.5]", b"NaN]"), "outputs[1]"),
        (GOOD.replace(b"[1,", b"[NaN,").replace(b"2.5", b"Infinity"), "features[1]"),
        (GOOD.replace(b"2.5", b"-Infinity"), "features[1]"),
    ],
)
def test_other_numbers_that_are_none_are_refused_all_the_same(payload: bytes, detail: str) -> None:
    decoder = EventDecoder(WITH_MISSING)

    with pytest.raises(UnusableEventError) as caught:
        decoder.decode(payload)

    assert caught.value.reason is Reason.NOT_FINITE
    assert detail in str(caught.value)


def test_what_json_lacks_costs_nothing_where_nobody_reads_it(decoder: EventDecoder) -> None:
    event = decoder.decode(GOOD.replace(b'"a"', b'"a", "loss": NaN, "best": [-Infinity]'))

    assert event.features == (1.0, 2.5)


def test_strings_without_an_end_are_looked_at_once() -> None:
    payload = b'{"event_id": "NaN' + rb"\"" * 200_000

    with pytest.raises(UnusableEventError, match="undecodable"):
        EventDecoder([VECTORS[0]]).decode(payload)
