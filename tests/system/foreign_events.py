"""Events as other producers write them, made from own events."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from flink_jobs.records.dead_letters import Reason
from tests.system.streams import START_MS, Record

N_PANES = 16
END_MS = START_MS + N_PANES * 10_000
# When records were written says nothing about when events happened.
WRITTEN_MS = START_MS + 90 * 86_400_000


@dataclass(frozen=True)
class Case:
    """A way to write events.

    Attributes
    ----------
    models : tuple of str
        The last one shifts.
    replaced : dict of str to str
        Pieces of the job file's text.
    written : callable
        From an own event and its place in the stream.
    bad : dict of Reason to Record
        Records that no pane can take.
    """

    models: tuple[str, ...]
    replaced: dict[str, str]
    written: Callable[[Record, int], Record]
    bad: dict[Reason, Record]


def iso(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds")


def nested(record: Record, number: int) -> Record:
    event = json.loads(record.value or b"")
    tree = {
        "meta": {"model": record.key, "at": iso(record.time_ms), "id": event["event_id"]},
        "request": {"features": event["features"], "trace": [1, {"deep": None}]},
        "answer": {"outputs": event["outputs"]},
    }
    value = json.dumps(tree).encode()
    return replace(record, key=f"request-{number}", value=value, time_ms=WRITTEN_MS + number)


def bad(key: str | None, value: bytes | None, *headers: tuple[str, bytes]) -> Record:
    return Record(key, value, WRITTEN_MS, 1, headers)


def with_meta(more: bytes = b"", **meta: str) -> bytes:
    return json.dumps({"meta": meta}).encode() + more


NESTED = Case(
    ("steady", "moved"),
    {
        "[input]\n": '[input]\nformat = "json"\n',
        "[job]\n": (
            '[columns]\nmodel = "meta.model"\ntime = "meta.at"\nevent_id = "meta.id"\n'
            'features_at = "request"\noutputs_at = "answer"\n[job]\nparallelism = 2\n'
        ),
    },
    nested,
    {
        Reason.UNDECODABLE: bad("a", b"{"),
        Reason.NO_MODEL: bad("a", with_meta(at="2026-01-01T00:00:00Z")),
        Reason.NO_TIME: bad("a", with_meta(model="moved", at="soon")),
        # Beyond the last year that has a date.
        Reason.FAR_FUTURE: bad(None, b'{"meta": {"model": "moved", "at": 9007199254740992}}'),
        Reason.MISSING_PAYLOAD: bad("a", None),
        Reason.OVERSIZED_PAYLOAD: bad("a", with_meta(b" " * 6_000, model="moved")),
        Reason.INVALID_EVENT: bad("a", with_meta(model="moved", at=iso(END_MS - 1))),
    },
)


def with_header(record: Record, number: int) -> Record:
    headers = (("team", b"x"), ("model's", str(record.key).encode()))
    return replace(record, key=f"request-{number}", headers=headers)


IN_A_HEADER = Case(
    ("steady", "moved"),
    {"[job]\n": '[columns]\nmodel = "@header.model\'s"\n[job]\n'},
    with_header,
    {Reason.NO_MODEL: Record("moved", b"{}", END_MS - 1, 1)},
)
TIME_IN_A_HEADER = Case(
    ("steady", "moved"),
    {"[job]\n": '[columns]\ntime = "@header.at"\ntime_unit = "us"\n[job]\n'},
    lambda record, number: replace(
        record,
        time_ms=WRITTEN_MS + number,
        headers=(("at", f"{record.time_ms * 1000 + 7}".encode()),),
    ),
    {
        Reason.NO_TIME: bad("moved", b"{}", ("at", b"soon")),
        Reason.MISSING_KEY: bad(None, b"{}", ("at", b"1767225600000000")),
    },
)
KEYED_BY_REQUEST = Case(
    ("moved",),
    {"[job]\n": '[columns]\nmodel_name = "moved"\n[job]\n'},
    lambda record, number: replace(record, key=None if number % 2 else f"request-{number}"),
    {Reason.UNDECODABLE: Record("moved", b"{", END_MS - 1, 1)},
)


def cloud_event(record: Record, number: int) -> Record:
    event = json.loads(record.value or b"")
    data = {"features": event["features"], "outputs": event["outputs"]}
    attributes = {
        "specversion": "1.0",
        "type": "prediction",
        "source": "/churn",
        "id": event["event_id"],
        "time": iso(record.time_ms),
        "modelname": str(record.key),
    }
    headers = [(f"ce_{name}", value.encode()) for name, value in attributes.items()]
    headers.append(("content-type", b"application/json"))
    return Record(
        f"request-{number}",
        json.dumps(data).encode(),
        WRITTEN_MS + number,
        record.partition,
        tuple(headers),
    )


CLOUD_EVENTS = Case(
    ("steady", "moved"),
    {
        "[input]\n": '[input]\nformat = "json"\nenvelope = "cloudevents"\n',
        "[job]\n": '[columns]\nmodel = "@ce.modelname"\ntime = "@ce.time"\n[job]\n',
    },
    cloud_event,
    {},
)
CASES = {
    "in payloads": NESTED,
    "in a header": IN_A_HEADER,
    "time in a header": TIME_IN_A_HEADER,
    "keyed by request": KEYED_BY_REQUEST,
    "cloud events": CLOUD_EVENTS,
}
