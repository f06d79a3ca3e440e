"""Hostile payloads from a seed, mixed with good events.

``HostileStream(seed).payload(index)`` depends on nothing but the two numbers, so that a failure
that names them can be repeated alone.
"""

from __future__ import annotations

import functools
import gzip
import json
import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

N_FEATURES = 3
N_OUTPUTS = 3
# Rarely, since reading 10 MB of brackets takes 2 s.
ENORMOUS_EVERY = 2_000

Event = dict[str, Any]
Mutator = Callable[[random.Random, Event], bytes]


@dataclass(frozen=True)
class HostilePayload:
    """One Kafka value.

    Attributes
    ----------
    name : str
        Seed, index and what was done to the event: enough to make the payload again.
    value : bytes
        The payload.
    event : dict or None
        What must be read from it; None where it may be refused.
    """

    name: str
    value: bytes
    event: Event | None


@dataclass(frozen=True)
class HostileStream:
    """Payloads by index.

    Parameters
    ----------
    seed : int
        Another seed, other payloads.
    good_share : float, default 0.3
        Share of events as a producer should write them.
    missing : bool, default False
        Whether good events may lack features.
    enormous_bytes : int, default 10_000_000
        About the size of one payload in :data:`ENORMOUS_EVERY`.
    """

    seed: int
    good_share: float = 0.3
    missing: bool = False
    enormous_bytes: int = 10_000_000

    def payload(self, index: int) -> HostilePayload:
        """The payload at a place of the stream."""
        rng = random.Random(f"{self.seed}:{index}")
        event = self._event(rng, index)
        if index % ENORMOUS_EVERY == ENORMOUS_EVERY - 1:
            kinds = sorted(ENORMOUS)
            kind = kinds[index // ENORMOUS_EVERY % len(kinds)]
            return self._named(index, kind, ENORMOUS[kind](event, self.enormous_bytes), None)
        if rng.random() < self.good_share:
            return self._named(index, "good", msgspec.json.encode(event), event)
        kind = rng.choice(_KINDS)
        if kind in HARMLESS:
            return self._named(index, kind, HARMLESS[kind](rng, event), event)
        value = MUTATORS[kind](rng, event)
        if rng.random() < 0.1:
            kind, value = f"{kind}, flipped", _flip(rng, value)
        return self._named(index, kind, value, None)

    def _named(self, index: int, kind: str, value: bytes, event: Event | None) -> HostilePayload:
        return HostilePayload(f"seed {self.seed}, payload {index} ({kind})", value, event)

    def _event(self, rng: random.Random, index: int) -> Event:
        features: list[float | int | None] = [_good_number(rng) for _ in range(N_FEATURES)]
        if self.missing and rng.random() < 0.3:
            features[rng.randrange(N_FEATURES)] = None
        weights = [rng.random() + 0.01 for _ in range(N_OUTPUTS)]
        outputs = [weight / sum(weights) for weight in weights]
        return {
            "schema_version": 1,
            "event_id": f"event-{index}",
            "features": features,
            "outputs": outputs,
        }


def _good_number(rng: random.Random) -> float | int:
    if rng.random() < 0.9:
        return rng.gauss(0.0, 1.0)
    return rng.choice([0, -0.0, -7, 5e-324, 1e-300, 1e140, -1e139, 2**63, 9007199254740993, 0.1])


def _json(event: Event) -> bytes:
    return json.dumps(event).encode()


def _with(event: Event, field: str, literal: str) -> bytes:
    """The event with one value replaced by text that need not be JSON."""
    return _json(event | {field: "\0here"}).replace(rb'"\u0000here"', literal.encode())


def _flip(rng: random.Random, value: bytes) -> bytes:
    flipped = bytearray(value or b"\0")
    for _ in range(rng.randint(1, 8)):
        flipped[rng.randrange(len(flipped))] = rng.randrange(256)
    return bytes(flipped)


def _flipped(rng: random.Random, event: Event) -> bytes:
    return _flip(rng, _json(event))


def _truncated(rng: random.Random, event: Event) -> bytes:
    value = _json(event)
    return value[: rng.randrange(len(value))]


def _spliced(rng: random.Random, event: Event) -> bytes:
    value = _json(event)
    return value[: rng.randrange(len(value))] + value[rng.randrange(len(value)) :]


def _random_bytes(rng: random.Random, event: Event) -> bytes:
    return rng.randbytes(rng.randint(1, 200))


def _duplicated_key(rng: random.Random, event: Event) -> bytes:
    field, other = rng.choice(_FIELDS), rng.choice(_LITERALS)
    value = json.dumps(event)
    extra = f'"{field}": {other}'
    return (
        f"{value[:-1]}, {extra}}}" if rng.random() < 0.5 else f"{{{extra}, {value[1:]}"
    ).encode()


def _swapped_type(rng: random.Random, event: Event) -> bytes:
    return _with(event, rng.choice(_FIELDS), rng.choice(_LITERALS))


def _missing_field(rng: random.Random, event: Event) -> bytes:
    left_out = rng.choice(_FIELDS)
    return _json({field: value for field, value in event.items() if field != left_out})


def _wrong_length(rng: random.Random, event: Event) -> bytes:
    field = rng.choice(["features", "outputs"])
    return _json(event | {field: [0.25] * rng.choice([0, 1, 2, 4, 1_000])})


def _odd_number(rng: random.Random, event: Event) -> bytes:
    field = rng.choice(["features", "outputs"])
    numbers = [json.dumps(number) for number in event[field]]
    for _ in range(rng.randint(1, len(numbers))):
        numbers[rng.randrange(len(numbers))] = rng.choice(_NUMBERS)
    return _with(event, field, f"[{', '.join(numbers)}]")


def _odd_version(rng: random.Random, event: Event) -> bytes:
    return _with(event, "schema_version", rng.choice(_NUMBERS))


def _no_distribution(rng: random.Random, event: Event) -> bytes:
    outputs = [rng.choice([-0.1, 0.0, 0.5, 1.0, 1.5, 1e308, -1e308]) for _ in range(N_OUTPUTS)]
    return _json(event | {"outputs": outputs})


@functools.cache
def _nested(opening: str, closing: str, depth: int) -> str:
    return opening * depth + "0" + closing * depth


def _deep(rng: random.Random, event: Event) -> bytes:
    opening, closing = rng.choice([("[", "]"), ('{"a":', "}"), ("[", ""), ('[{"":', "}]")])
    # Readers give up at about 1,000; a tenth is deep enough to overflow a stack that does not.
    nested = _nested(opening, closing, 100_000 if rng.random() < 0.1 else rng.choice([900, 5_000]))
    place = rng.choice([*_FIELDS, "unknown", None])
    return nested.encode() if place is None else _with(event, place, nested)


def _invalid_utf8(rng: random.Random, event: Event) -> bytes:
    piece = rng.choice([b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"])
    return _json(event | {"shard": "s"}).replace(rng.choice([b"event-", b"shard", b'"s']), piece)


def _lone_surrogate(rng: random.Random, event: Event) -> bytes:
    literal = rng.choice([r'"\ud800"', r'"a\udfff"', r'"\ud83d\ud83d"', r'"\udc00\ud800"'])
    value = _with(event, rng.choice(["event_id", "event_id", "unknown"]), literal).decode()
    if rng.random() < 0.5:
        value = value.replace('"schema_version": 1', rng.choice(_OTHER_VERSIONS))
    if rng.random() < 0.5:
        value = value.replace("[", "[NaN, ", 1)
    return value.encode()


def _nul(rng: random.Random, event: Event) -> bytes:
    value = _json(event)
    place = rng.randrange(len(value) + 1)
    return value[:place] + b"\0" * rng.randint(1, 3) + value[place:]


def _long_event_id(rng: random.Random, event: Event) -> bytes:
    character = rng.choice(["a", "é", "\U0001f600", "\\u0000", "\\ud800"])
    literal = '"' + character * rng.choice([257, 300, 1_000, 20_000]) + '"'
    return _with(event, "event_id", literal)


def _bom(rng: random.Random, event: Event) -> bytes:
    return b"\xef\xbb\xbf" + _json(event)


def _other_encoding(rng: random.Random, event: Event) -> bytes:
    text = json.dumps(event | {"shard": "é"}, ensure_ascii=False)
    if rng.random() < 0.3:
        text = text.replace("[", "[NaN, ", 1)
    encodings = ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be", "utf-7", "cp037"]
    return text.encode(rng.choice(encodings))


def _several_events(rng: random.Random, event: Event) -> bytes:
    several = [_json(event)] * rng.randint(2, 3)
    return rng.choice([b"\n".join(several), b"".join(several), b"[" + b",".join(several) + b"]"])


def _other_format(rng: random.Random, event: Event) -> bytes:
    value = _json(event)
    return rng.choice(
        [
            msgspec.msgpack.encode(event),
            gzip.compress(value, mtime=0),
            zlib.compress(value),
            b"\x00\x00\x00\x00\x01" + value,
            json.dumps(value.decode()).encode(),
        ]
    )


def _blank(rng: random.Random, event: Event) -> bytes:
    return rng.choice([b"", b" ", b"\n\t\r ", b"\x0b", b"\xc2\xa0", b"\0", b"null", b"{}", b"[]"])


def _spaced(rng: random.Random, event: Event) -> bytes:
    return b" \n\t\r" * rng.randint(0, 5) + json.dumps(event, indent=rng.randint(0, 9)).encode()


def _odd_key(rng: random.Random, event: Event) -> bytes:
    key = rng.choice(["", "\0", "\u202efeatures", "feature\u0301s", "\U0001f600", "__class__", " "])
    return _json({key * rng.randint(1, 500): rng.choice(_VALUES)} | event)


def _escaped_key(rng: random.Random, event: Event) -> bytes:
    field = rng.choice(_FIELDS)
    escaped = "".join(f"\\u{ord(character):04x}" for character in field)
    return _json(event).replace(f'"{field}"'.encode(), f'"{escaped}"'.encode())


def _key_said_twice(rng: random.Random, event: Event) -> bytes:
    field = rng.choice(_FIELDS)
    return f"{json.dumps(event)[:-1]}, {json.dumps({field: event[field]})[1:]}".encode()


def _longest_event_id(rng: random.Random, event: Event) -> bytes:
    # The identifier is the event's own from here on: the caller compares it.
    event["event_id"] = rng.choice(["a", "é", "\U0001f600", "\0", "\u202e"]) * 256
    return json.dumps(event, ensure_ascii=rng.random() < 0.5).encode()


def _unit(event: Event, field: str, unit: str, n_bytes: int) -> bytes:
    repeated = ",".join([unit] * (n_bytes // (len(unit) + 1)))
    return _with(event, field, f"[{repeated}]")


_FIELDS = ["schema_version", "event_id", "features", "outputs"]
_OTHER_VERSIONS = ['"schema_version": 2', '"schema_version": -1', '"schema_version": 1.0']
_VALUES: list[Any] = [None, True, False, 0, 1.5, "", "1", [], {}, [[1]], {"features": [1, 2, 3]}]
_NUMBERS = [
    "1e308", "-1e308", "1e400", "-1e400", "1" + "0" * 400, "1" + "0" * 5_000, "-" + "9" * 5_000,
    "NaN", "-NaN", "Infinity", "-Infinity", "nan", "-0.0", "-0", "4.9e-324", "1e-999", "1e140",
    "1.0000001e140", "1e139", "0." + "0" * 2_000 + "1", "1." + "7" * 2_000, "18446744073709551616",
    "1e99999999999999999999", "0x10", "01", "1.", ".5", "+1", "1e", "1_000", "--1", "null", "true",
    '"1"', "[1]", "{}", "",
]  # fmt: skip
_LITERALS = [*_NUMBERS, *(json.dumps(value) for value in _VALUES), r'"\ud800"', "[NaN]", "[null]"]

# What may be refused, and often must.
MUTATORS: dict[str, Mutator] = {
    "flipped bytes": _flipped,
    "truncated": _truncated,
    "spliced": _spliced,
    "random bytes": _random_bytes,
    "duplicated key": _duplicated_key,
    "swapped type": _swapped_type,
    "missing field": _missing_field,
    "wrong length": _wrong_length,
    "odd number": _odd_number,
    "odd version": _odd_version,
    "no distribution": _no_distribution,
    "deep nesting": _deep,
    "invalid UTF-8": _invalid_utf8,
    "lone surrogate": _lone_surrogate,
    "NUL bytes": _nul,
    "long event id": _long_event_id,
    "byte order mark": _bom,
    "other encoding": _other_encoding,
    "several events": _several_events,
    "other format": _other_format,
    "blank": _blank,
}
# Odd, and yet the event is all there.
HARMLESS: dict[str, Mutator] = {
    "spaced": _spaced,
    "odd key": _odd_key,
    "escaped key": _escaped_key,
    "key said twice": _key_said_twice,
    "longest event id": _longest_event_id,
}
ENORMOUS: dict[str, Callable[[Event, int], bytes]] = {
    "enormous event id": lambda event, n: _with(event, "event_id", '"' + "a" * n + '"'),
    "enormous unknown text": lambda event, n: _with(event, "unknown", '"' + "é" * (n // 2) + '"'),
    "enormous array": lambda event, n: _unit(event, "features", "0.5", n),
    "enormous array of arrays": lambda event, n: _unit(event, "features", "[]", n),
    "enormous number": lambda event, n: _with(event, "features", f"[{'7' * n}.5, 1, 2]"),
    "enormous integer": lambda event, n: _with(event, "schema_version", "7" * n),
    "enormous blank": lambda event, n: b" " * n,
}
_KINDS = [*MUTATORS, *HARMLESS]
