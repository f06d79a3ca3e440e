"""Compares what a run wrote with what it had to write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from flink_jobs.embedded.kafka_broker import KafkaBroker
from scripts.faults.topics import Run, read
from scripts.faults.undisturbed import Expected


class BrokenPromiseError(AssertionError):
    """A run broke a promise; the message says which."""


@dataclass(frozen=True)
class Verdict:
    """Records that a run wrote, found to be right.

    Attributes
    ----------
    n_scores, n_alerts, n_dead_letters : int
        Different ones.
    n_duplicates : int
        Records that repeat one of those byte for byte.
    """

    n_scores: int
    n_alerts: int
    n_dead_letters: int
    n_duplicates: int

    def __str__(self) -> str:
        return (
            f"all {self.n_scores:,} scores and {self.n_alerts:,} alerts as undisturbed, "
            f"{self.n_duplicates:,} of them repeated"
        )


def keep(holds: bool, promise: str) -> None:
    """Raise when a promise does not hold.

    Raises
    ------
    BrokenPromiseError
    """
    if not holds:
        raise BrokenPromiseError(promise)


def judge(broker: KafkaBroker, run: Run, expected: Expected) -> Verdict:
    """Compare all result topics of a run with the undisturbed results, by id and content.

    Raises
    ------
    BrokenPromiseError
        When a record is missing, not wanted, different, or, exactly-once, there twice; or when the
        events of the inference topic do not add up.
    """
    n_duplicates = 0
    for topic, wanted in (
        (run.scores, expected.scores),
        (run.alerts, expected.alerts),
        (run.dead_letters, expected.dead_letters),
    ):
        written = read(broker, topic, committed_only=run.exactly_once)
        compare(topic, written, wanted)
        n_repeated = len(written) - len(wanted)
        keep(
            not (run.exactly_once and n_repeated), f"{topic}: {n_repeated} records are there twice"
        )
        n_duplicates += n_repeated
    add_up(run.name, expected.scores, len(expected.dead_letters), expected)
    return Verdict(
        len(expected.scores), len(expected.alerts), len(expected.dead_letters), n_duplicates
    )


def compare(topic: str, written: Iterable[bytes], wanted: Sequence[bytes]) -> None:
    """Both hold the same records, by id and content; ``written`` may repeat some.

    Raises
    ------
    BrokenPromiseError

    Examples
    --------
    >>> compare("scores", [b'{"score_id":"a"}', b'{"score_id":"a"}'], [b'{"score_id":"a"}'])
    >>> compare("scores", [], [b'{"score_id":"a"}'])
    Traceback (most recent call last):
        ...
    scripts.faults.promises.BrokenPromiseError: scores: 1 of 1 records are missing, ...
    """
    found = _by_id(topic, written)
    due = _by_id(topic, wanted)
    keep(len(due) == len(wanted), f"{topic}: undisturbed, two records have one id")
    missing, unwanted = due.keys() - found.keys(), found.keys() - due.keys()
    keep(
        not missing and not unwanted,
        f"{topic}: {len(missing)} of {len(due)} records are missing, {len(unwanted)} are not wanted"
        f"; for example {[due[i] for i in sorted(missing)[:1]]}, "
        f"{[found[i] for i in sorted(unwanted)[:1]]}",
    )
    different = [record_id for record_id in due if found[record_id] != due[record_id]]
    keep(
        not different,
        f"{topic}: {len(different)} of {len(due)} records differ; for example "
        f"{[(found[i], due[i]) for i in different[:1]]}",
    )


def add_up(name: str, scores: Iterable[bytes], n_dead_letters: int, expected: Expected) -> None:
    """Each record of the inference topic was used, is a dead letter, a duplicate, or a heartbeat.

    Windows tumble and begin where the reference ends, so used events are those of the references
    and of the windows. Each detector of each view has seen all of them.

    Raises
    ------
    BrokenPromiseError
    """
    watching: dict[tuple[str, str], list[bytes]] = {}
    for value in scores:
        score = msgspec.json.decode(value)
        watching.setdefault((score["view"], score["detector"]), []).append(value)
    keep(bool(watching), f"{name}: no scores")
    n_others = n_dead_letters + expected.n_duplicates + expected.n_heartbeats
    for (view, detector), own in watching.items():
        count = count_events(own)
        n_accounted = count.total() + n_others
        keep(
            n_accounted == expected.n_records,
            f"{name}, {view}/{detector}: {expected.n_records:,} records on the inference topic, "
            f"{n_accounted:,} accounted for: {dict(count)}, {n_dead_letters} dead letters, "
            f"{expected.n_duplicates} duplicates, {expected.n_heartbeats} heartbeats",
        )


def count_events(scores: Iterable[bytes]) -> Counter[str]:
    """Events in the test windows of one detector and in its references."""
    references: dict[tuple[str, str], int] = {}
    n_tested = 0
    for value in scores:
        score = msgspec.json.decode(value)
        n_tested += score["window"]["n_events"]
        reference = score["reference"]
        references[score["model"], reference["fingerprint"]] = reference["n_events"]
    return Counter(windows=n_tested, references=sum(references.values()))


def tested_events(score: bytes) -> int:
    """Events in the test window of a score."""
    return int(msgspec.json.decode(score)["window"]["n_events"])


def record_id(value: bytes) -> str:
    """The id of an alert or score, the place of a dead letter."""
    record: dict[str, Any] = msgspec.json.decode(value)
    for name in ("alert_id", "score_id"):
        if name in record:
            return str(record[name])
    return f"{record['partition']}-{record['offset']}"


def _by_id(topic: str, values: Iterable[bytes]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for value in values:
        name = record_id(value)
        keep(
            found.setdefault(name, value) == value, f"{topic}: two records of the id {name} differ"
        )
    return found
