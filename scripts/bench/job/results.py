"""Results of one run of the drift job, and the exact times at which they reached their topics."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
from kafka import KafkaAdminClient
from kafka.admin import NewTopic

from flink_jobs.embedded.kafka_broker import KafkaBroker
from scripts.bench.job.stream import Stream
from scripts.faults.topics import TopicReader
from scripts.shared.throughput import CLOSING, WARM_UP

# With the broker's time instead of the event time that the job sends along.
_SETTINGS = {"message.timestamp.type": "LogAppendTime", "retention.ms": "-1"}
_IDS = {"alerts": "alert_id", "scores": "score_id", "dead-letters": ""}


@dataclass(frozen=True)
class Results:
    """Alerts and scores of one run by id, how many dead letters, and when panes were finished.

    Attributes
    ----------
    records : mapping of str to bytes
        Alerts and scores by id.
    n_dead_letters : int
    finished_s : mapping of int to float
        By the end of a window in ms: when the last score of all models reached the broker.
    """

    records: Mapping[str, bytes]
    n_dead_letters: int
    finished_s: Mapping[int, float]


def create_topics(broker: KafkaBroker, prefix: str) -> None:
    """Create the result topics of one run; the broker's clock dates their records."""
    topics = [NewTopic(f"{prefix}-{name}", 1, 1, topic_configs=_SETTINGS) for name in _IDS]
    servers = broker.bootstrap_servers
    with contextlib.closing(KafkaAdminClient(bootstrap_servers=servers)) as admin:
        admin.create_topics(topics, wait_for_metadata=True)


def read_results(broker: KafkaBroker, prefix: str) -> Results:
    """Read what a run has written."""
    records: dict[str, bytes] = {}
    finished_s: dict[int, float] = {}
    counts = dict.fromkeys(_IDS, 0)
    for name, id_field in _IDS.items():
        with TopicReader(broker, f"{prefix}-{name}") as reader:
            for record in reader.records():
                counts[name] += 1
                if not id_field:
                    continue
                value = msgspec.json.decode(record.value)
                records[value[id_field]] = record.value
                if name == "scores":
                    end_ms = value["window"]["end_ms"]
                    finished_s[end_ms] = max(finished_s.get(end_ms, 0.0), record.time_ms / 1e3)
    return Results(records, counts["dead-letters"], finished_s)


def rate(stream: Stream, results: Results) -> tuple[float, float]:
    """Events per second between the ends of two panes, and the seconds between them.

    The job works in bursts, a pane of all models each: only from the end of one to that of another
    do the events count that it has wholly done with.
    """
    marks = [
        (n_events, finished_s)
        for end_ms, finished_s in sorted(results.finished_s.items())
        if WARM_UP <= (n_events := stream.n_events_until(end_ms)) / stream.n_events <= CLOSING
    ]
    if len(marks) < 2:
        raise RuntimeError("too few panes to measure a steady state: take more events")
    (n0, t0), (n1, t1) = marks[0], marks[-1]
    return (n1 - n0) / (t1 - t0), t1 - t0


def disagreements(rounds: Sequence[Results]) -> list[str]:
    """Say in which rounds the job gave other alerts and scores than in the first, or refused."""
    first = rounds[0]
    found = [] if first.records else ["the job wrote no score"]
    for place, each in enumerate(rounds, start=1):
        if each.records != first.records:
            n_other = len(set(each.records.items()) ^ set(first.records.items()))
            found.append(f"round {place}: {n_other} alerts and scores differ from round 1")
        if each.n_dead_letters:
            found.append(f"round {place}: {each.n_dead_letters} dead letters")
    return found
