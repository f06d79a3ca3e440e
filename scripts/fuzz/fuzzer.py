"""Runs panes of hostile payloads through packer and monitor and checks what they promise."""

from __future__ import annotations

import base64
import json
import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import tomlkit
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from flink_jobs.config.loading import decode_config
from flink_jobs.config.views import views_of
from flink_jobs.core.actions import Actions
from flink_jobs.core.monitor import DriftMonitor
from flink_jobs.core.state.model_state import InMemoryEntries
from flink_jobs.intake.panes import Pane, PanePacker, unpack_pane
from flink_jobs.records.alerts import encode_record
from flink_jobs.records.dead_letters import DeadLetter, Reason, encode_dead_letter
from flink_jobs.records.schemas import RecordName, read_schema
from scripts.fuzz.hostile import N_FEATURES, N_OUTPUTS, HostilePayload, HostileStream

MODEL = "model"
WIDTH_MS = 1_000
_JOB = {
    "version": 1,
    "kafka": {"bootstrap_servers": "127.0.0.1:9092"},
    "panes": {"width_ms": WIDTH_MS},
    "window": {"kind": "time", "size_ms": 3_000, "slide_ms": 1_000, "min_events": 2},
    "reference": {"kind": "first_events", "n_events": 30},
    "calibration": {"kind": "level_per_window", "level": 0.01},
}
_PANE_EVENTS = 250
_KEPT_BYTES = 64
_NUMBERS = {"reducer": {"kind": "none"}, "test": {"kind": "ks"}}
_COMPONENTS = {
    "reducer": {"kind": "pca", "n_components": 2},
    "test": {"kind": "mmd", "n_permutations": 99},
}
_CLASSES = {
    "reducer": {"kind": "hard_predictions"},
    "test": {"kind": "chi_square", "n_draws": 99},
}


class Profile(NamedTuple):
    """A configuration: whether features may be missing, and the tables that differ."""

    missing: str
    tables: dict[str, Any]


PROFILES = {
    "numbers": Profile("refuse", {"detector": _NUMBERS}),
    "missing": Profile("allow", {"detector": _NUMBERS}),
    "components": Profile("refuse", {"detector": _COMPONENTS}),
    "missing components": Profile("allow", {"detector": _COMPONENTS}),
    "outputs": Profile("refuse", {"detector": {"reducer": {"kind": "softmax_outputs"}}}),
    "classes": Profile("allow", {"detector": _CLASSES}),
    "moving": Profile(
        "allow",
        {
            "detector": _NUMBERS,
            "reference": {"kind": "trailing", "size_ms": 4_000, "step_ms": 2_000, "min_events": 9},
            "window": {"kind": "session", "gap_ms": 1_000, "max_size_ms": 3_000},
            "detectors": [{"name": "count", "window": {"kind": "count", "size": 90, "slide": 30}}],
        },
    ),
}


class BrokenPromiseError(AssertionError):
    """A payload that broke a promise; the message says how to make it again."""


@dataclass
class Totals:
    """Counts of payloads by outcome; ``cpu_s`` is what packer and monitor took."""

    payloads: int = 0
    payload_bytes: int = 0
    good: int = 0
    used: int = 0
    records: int = 0
    cpu_s: float = 0.0
    reasons: Counter[Reason] = field(default_factory=Counter)


class Fuzzer:
    """One model of one configuration, fed with hostile payloads pane by pane.

    Parameters
    ----------
    profile : str
        One of :data:`PROFILES`.
    seed : int
    enormous_bytes : int, default 10_000_000
        The size of the largest payloads.

    Examples
    --------
    >>> fuzzer = Fuzzer("numbers", seed=0)
    >>> fuzzer.run(500)
    >>> fuzzer.totals.payloads == fuzzer.totals.used + fuzzer.totals.reasons.total() == 500
    True
    """

    def __init__(self, profile: str, seed: int, *, enormous_bytes: int = 10_000_000) -> None:
        missing, tables = PROFILES[profile]
        limits = {"missing_features": missing, "dead_letter_payload_bytes": _KEPT_BYTES}
        lengths = {"n_features": N_FEATURES, "n_outputs": N_OUTPUTS}
        job = _JOB | {"input": limits | lengths} | tables
        self._config = decode_config(tomlkit.dumps(job).encode())
        self._packer = PanePacker(self._config)
        self._monitor = DriftMonitor(self._config)
        self._state = InMemoryEntries()
        self._stream = HostileStream(
            seed, missing=missing == "allow", enormous_bytes=enormous_bytes
        )
        self._field = views_of(self._config)[0].columns[0].name
        self._n_panes = 0
        self.totals = Totals()

    def run(self, n_payloads: int) -> None:
        """Take the next payloads of the stream.

        Raises
        ------
        BrokenPromiseError
            With the seed and the index of the payload.
        """
        until = self.totals.payloads + n_payloads
        while self.totals.payloads < until:
            first = self.totals.payloads
            last = min(first + _PANE_EVENTS, until)
            self._run_pane([self._stream.payload(index) for index in range(first, last)])

    def _run_pane(self, payloads: Sequence[HostilePayload]) -> None:
        first = self.totals.payloads
        started = time.process_time()
        pane = self._pack(payloads, first)
        try:
            actions = self._monitor.on_pane(pane, self._state)
        except Exception as error:
            raise BrokenPromiseError(f"the pane from {payloads[0].name} on: {error!r}") from error
        self.totals.cpu_s += time.process_time() - started
        self._check_counts(pane, actions, payloads, first)
        self._check_used(pane, payloads, first)
        for dead_letter in actions.dead_letters:
            _check_dead_letter(dead_letter, payloads[_index(dead_letter) - first])
        for alert in actions.alerts:
            _check_record("alert", encode_record(alert)[1], payloads[0])
        for score in actions.scores:
            _check_record("score", encode_record(score)[1], payloads[0])
        self._add(actions, payloads)

    def _pack(self, payloads: Sequence[HostilePayload], first: int) -> Pane:
        """Half of the payloads lie on each of two partitions and come in no order."""
        n, rng = len(payloads), np.random.default_rng(first)
        order = rng.permutation(n)
        index = first + order
        start_ms = self._n_panes * WIDTH_MS
        try:
            packed = self._packer.pack(
                MODEL,
                [payloads[row].value for row in order],
                (index % 2).astype(np.int32),
                index // 2,
                start_ms + order * WIDTH_MS // n,
            )
        except Exception as error:
            raise BrokenPromiseError(f"{self._culprit(payloads)}: {error!r}") from error
        return unpack_pane(MODEL, WIDTH_MS, packed)

    def _culprit(self, payloads: Sequence[HostilePayload]) -> str:
        """The first payload that no pane can hold, even alone."""
        zero = np.zeros(1, dtype=np.int64)
        for payload in payloads:
            try:
                self._packer.pack(MODEL, [payload.value], zero.astype(np.int32), zero, zero)
            except Exception:
                return f"{payload.name}: {payload.value[:200]!r}"
        return f"the pane from {payloads[0].name} on"

    def _check_counts(
        self, pane: Pane, actions: Actions, payloads: Sequence[HostilePayload], first: int
    ) -> None:
        counts = actions.counts
        used = [2 * o + p for p, o in zip(pane.events.partitions, pane.events.offsets, strict=True)]
        found = sorted([*used, *(_index(dead_letter) for dead_letter in actions.dead_letters)])
        if found != list(range(first, first + len(payloads))):
            raise BrokenPromiseError(f"the pane from {payloads[0].name} on lost or doubled events")
        wanted = (len(payloads), len(used), len(actions.dead_letters))
        if (counts.events, counts.used, counts.dead_letters) != wanted:
            raise BrokenPromiseError(f"the pane from {payloads[0].name} on: {counts}, not {wanted}")

    def _check_used(self, pane: Pane, payloads: Sequence[HostilePayload], first: int) -> None:
        """Used events say what an independent reader finds; events that are whole are used."""
        refused = {_index(each): each for each in pane.dead_letters}
        for index, payload in enumerate(payloads, start=first):
            if payload.event is not None and index in refused:
                raise BrokenPromiseError(f"{payload.name} was refused: {refused[index].detail}")
        events = pane.events
        for row, (partition, offset) in enumerate(
            zip(events.partitions.tolist(), events.offsets.tolist(), strict=True)
        ):
            payload = payloads[2 * offset + partition - first]
            event = payload.event or _read(payload.value)
            if events.event_ids[row] != event["event_id"] or event["schema_version"] != 1:
                raise BrokenPromiseError(f"{payload.name} was used as {events.event_ids[row]!r}")
            self._check_numbers(payload, event, events.x[row].tolist())

    def _check_numbers(
        self, payload: HostilePayload, event: dict[str, Any], x: Sequence[float]
    ) -> None:
        # A vector that may be missing may be missing as a whole.
        values = event.get(self._field) or [None] * len(x)
        wanted = [math.nan if value is None else float(value) for value in values]
        if not np.array_equal(wanted, x, equal_nan=True):
            raise BrokenPromiseError(f"{payload.name} was used as {x}, not as {wanted}")
        allows_missing = self._config.input.missing_features == "allow"
        fine = [abs(v) <= 1e140 or (allows_missing and math.isnan(v)) for v in x]
        if not all(fine):
            raise BrokenPromiseError(f"{payload.name} was used though its numbers are {x}")

    def _add(self, actions: Actions, payloads: Sequence[HostilePayload]) -> None:
        self._n_panes += 1
        totals = self.totals
        totals.payloads += len(payloads)
        totals.payload_bytes += sum(len(payload.value) for payload in payloads)
        totals.good += sum(payload.event is not None for payload in payloads)
        totals.used += actions.counts.used
        totals.records += len(actions.alerts) + len(actions.scores)
        totals.reasons.update(dead_letter.reason for dead_letter in actions.dead_letters)


def _read(value: bytes) -> dict[str, Any]:
    """Read JSON; of keys that come twice the last counts, as for the job."""
    event: dict[str, Any] = json.loads(value.decode(errors="replace"), parse_int=_integer)
    return event


def _integer(digits: str) -> float:
    # Python reads no more than 4,300 digits. No event with one that counts may be used.
    return int(digits) if len(digits) <= 4_300 else math.inf


def _index(dead_letter: DeadLetter) -> int:
    return 2 * dead_letter.offset + dead_letter.partition


def _check_dead_letter(dead_letter: DeadLetter, payload: HostilePayload) -> None:
    key, value = encode_dead_letter(dead_letter)
    written = _check_record("dead_letter", value, payload)
    kept = payload.value[:_KEPT_BYTES]
    if base64.b64decode(written["payload"]) != kept or key != MODEL.encode():
        raise BrokenPromiseError(f"{payload.name}: the dead letter does not hold its beginning")
    if written["payload_bytes"] != len(payload.value) or not written["detail"]:
        raise BrokenPromiseError(f"{payload.name}: {written}")


def _check_record(name: RecordName, value: bytes, payload: HostilePayload) -> dict[str, Any]:
    written: dict[str, Any] = json.loads(value.decode(), parse_constant=_refuse)
    # The dead letter's schema speaks of types and reasons alone, and takes 0.3 ms to ask.
    shape = (written.get("reason"), *((key, type(each)) for key, each in written.items()))
    if name == "dead_letter" and shape in _VALID_SHAPES:
        return written
    error = next(_VALIDATORS[name].iter_errors(written), None)
    if error is not None:
        raise BrokenPromiseError(f"{payload.name}: {name} record: {error.message}")
    _VALID_SHAPES.add(shape)
    return written


def _refuse(literal: str) -> float:
    raise BrokenPromiseError(f"a record holds {literal}, which JSON does not know")


_NAMES: tuple[RecordName, ...] = ("alert", "score", "dead_letter")
_VALIDATORS = {name: Draft202012Validator(json.loads(read_schema(name))) for name in _NAMES}
_VALID_SHAPES: set[tuple[object, ...]] = set()
