"""The job without Python that counts events: the ceiling of all jobs with panes."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from flink_jobs.embedded.flink_cluster import FlinkCluster
from flink_jobs.embedded.kafka_broker import KafkaBroker
from scripts.bench.job.results import Results, rate
from scripts.bench.job.stream import Stream
from scripts.faults.topics import TopicReader
from scripts.faults.undisturbed import Record
from scripts.shared.throughput import Measurement

_POLL_S = 0.2
_TIMEOUT_S = 300.0
_MOST_SHOWN = 3


def count_events(
    cluster: FlinkCluster,
    broker: KafkaBroker,
    name: str,
    arguments: Sequence[str],
    stream: Stream,
    topic: str,
    job_file: Path,
) -> tuple[Measurement, list[str]]:
    """Run the job until it has counted every event.

    Parameters
    ----------
    cluster : FlinkCluster
    broker : KafkaBroker
    name : str
        Of the measurement.
    arguments : sequence of str
        Of the job.
    stream : Stream
    topic : str
        Where the counts go.
    job_file : Path
        The module that builds the job.

    Returns
    -------
    measurement : Measurement
    objections : list of str
        Counts that are not those of the stream.

    Raises
    ------
    RuntimeError
        When the job fails.
    TimeoutError
        When it takes longer than 300 s.
    """
    job_id = cluster.submit(job_file.stem, arguments, python_files=[job_file])
    records: list[Record] = []
    n_counted = 0
    deadline = time.monotonic() + _TIMEOUT_S
    with TopicReader(broker, topic) as reader:
        while n_counted < stream.n_events:
            if failures := cluster.rest.exceptions(job_id):
                raise RuntimeError(f"{name} failed: {failures[0][-1_000:]}")
            if time.monotonic() > deadline:
                cluster.rest.cancel(job_id)
                raise TimeoutError(f"{name}: {n_counted:,} of {stream.n_events:,} events")
            time.sleep(_POLL_S)
            fresh = list(reader.records())
            n_counted += sum(parse(each.value)[1] for each in fresh)
            records += fresh
    cluster.rest.cancel(job_id)
    events_per_s, measured_s = rate(stream, Results({}, 0, finished(records)))
    found = Measurement(name, events_per_s, measured_s, n_counted)
    return found, objections(records, stream.counts())


def parse(value: bytes) -> tuple[int, int]:
    """End of the pane in ms, and number of events.

    Examples
    --------
    >>> parse(b"1970-01-01 00:00:10.000,25")
    (10000, 25)
    """
    end, _, n_events = value.decode().rpartition(",")
    moment = datetime.fromisoformat(end).replace(tzinfo=UTC)
    return round(moment.timestamp() * 1_000), int(n_events)


def finished(records: Sequence[Record]) -> dict[int, float]:
    """By the end of a pane in ms: when the last count of all models reached the broker."""
    found: dict[int, float] = {}
    for record in records:
        end_ms, _ = parse(record.value)
        found[end_ms] = max(found.get(end_ms, 0.0), record.time_ms / 1e3)
    return found


def objections(records: Sequence[Record], due: Mapping[tuple[str, int], int]) -> list[str]:
    """Say which counts are missing, wrong or there twice."""
    found: dict[tuple[str, int], int] = {}
    for record in records:
        end_ms, n_events = parse(record.value)
        place = (record.key.decode(), end_ms)
        found[place] = found.get(place, 0) + n_events
    return [
        f"{place}: {found.get(place, 0)} events counted, there are {due.get(place, 0)}"
        for place in sorted(found.keys() | due.keys())
        if found.get(place) != due.get(place)
    ][:_MOST_SHOWN]
