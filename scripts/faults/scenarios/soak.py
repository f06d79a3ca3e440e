"""Many millions of events of a backlog through one job, its memory watched."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from flink_jobs.cluster.jars import find_jars
from flink_jobs.cluster.prerequisites import find_java
from flink_jobs.embedded.flink_cluster import FlinkCluster
from flink_jobs.embedded.kafka_broker import KafkaBroker
from scripts.faults.memory import growth
from scripts.faults.outcome import Options, Outcome
from scripts.faults.promises import add_up, compare, keep, record_id
from scripts.faults.soaking import Series, Soak
from scripts.faults.stage import SETTINGS, Stage, Teller
from scripts.faults.stream import (
    MAX_OUT_OF_ORDERNESS_MS,
    N_PARTITIONS,
    START_MS,
    Stream,
    whole_windows,
    write_heartbeats,
)
from scripts.faults.topics import IDLE_TIMEOUT_MS, VIEWS, Run, TopicReader, read
from scripts.faults.undisturbed import Expected

_PRODUCER = Path(__file__).parents[1] / "SoakProducer.java"
_RESULTS = Path("build/faults")
# A shorter stream is over before the workers are warm.
_FEWEST_TO_JUDGE = 5_000_000
_HEADER = ["", "MiB per million events", "95 % interval", "MiB at the end", "most MiB"]
_NOTES = """\
A Java program writes the events first, partitions in the shares {weights}; then the drift job reads
them as fast as it can on a fresh cluster. In each partition events are mixed over the whole of
`input.max_out_of_orderness_ms`. {what}Memory is that of the Python workers, read once a
second, with shared pages divided among them; the live objects on the TaskManager's heap, after a
full collection every 5 s; and the size of each checkpoint, from Flink. Slopes are those over the
second half of the events, through the means of 10 blocks, with Student's interval, and the scenario
fails when one of these intervals lies above zero. Counts are compared, record by record of the
results.
"""


class _Variant(NamedTuple):
    fault: str
    what: str = ""
    weights: tuple[int, ...] = (8, 4, 2, 1)
    silent_from: float = 1.0
    kill_at: float = 1.0
    is_compared: bool = False


_VARIANTS = {
    "soak": _Variant("none, for long, from a backlog that was written unevenly"),
    "soak-kill": _Variant(
        "SIGKILL of the TaskManager in the middle of a backlog",
        "A first run is left alone, in a second one the TaskManager is killed after 40 %; alerts "
        "and scores of both are the same, to the byte. ",
        kill_at=0.4,
        is_compared=True,
    ),
    "soak-hard": _Variant(
        "one of four partitions falls silent, one has a hundredth of the events of each other, and "
        "the TaskManager is killed (SIGKILL) in the middle",
        "After 30 % of the events nothing comes on the last partition any more; after 50 % the "
        "TaskManager is killed. ",
        weights=(100, 1, 100, 100),
        silent_from=0.3,
        kill_at=0.5,
    ),
}
NAMES = tuple(_VARIANTS)


def play(name: str, options: Options, teller: Teller) -> Outcome:
    """Write the events, let the job read them, and watch."""
    variant = _VARIANTS[name]
    stream = make_stream(name, options.soak_events)
    n_views = len(VIEWS) if options.is_named else 1
    with tempfile.TemporaryDirectory(prefix="loudly-faults-") as folder, KafkaBroker() as broker:
        said = produce(
            broker, stream, variant.weights, variant.silent_from, is_named=options.is_named
        )
        teller.say(said)
        teller.advance(0.2)
        shares = [1.0, variant.kill_at] if variant.is_compared else [variant.kill_at]
        soaks = []
        for number, kill_at in enumerate(shares):
            run = Run(
                name=f"{name}-{number}",
                stream=stream,
                checkpoint_interval_ms=5_000,
                idle_timeout_ms=20_000 if variant.silent_from < 1.0 else IDLE_TIMEOUT_MS,
                readers=options.readers,
                is_named=options.is_named,
            )
            with FlinkCluster(settings=SETTINGS) as cluster:
                n_moving = N_PARTITIONS - (variant.silent_from < 1.0)
                soak = Soak(Stage(broker, cluster, Path(folder), teller), run, n_moving)
                n_due = n_views * (stream.n_events - stream.n_models * stream.n_reference)
                advance = partial(_advance, teller, 0.8 / len(shares))
                soak.play(n_due, advance, kill_at)
            soaks.append(soak)
            soak.save(_RESULTS / f"{run.name}.readings.json")
            # A silent partition has no heartbeat either.
            result = _judge(broker, run, n_moving, may_repeat=kill_at < 1.0)
        if len(soaks) > 1:
            _same(broker, soaks[0].run, soaks[1].run)
            result += ", all as in the run that was left alone"
    return _outcome(name, variant, options, soaks[-1], result)


def _advance(teller: Teller, whole: float, share: float) -> None:
    teller.advance(whole * share)


def make_stream(topic: str, n_events: int) -> Stream:
    """Windows of a pane with 500 events each, disordered as far as the job allows."""
    return Stream(
        topic=topic,
        n_events=whole_windows(n_events, 2 * 16 * 500),
        disorder_ms=MAX_OUT_OF_ORDERNESS_MS,
        events_per_pane=500,
        panes_per_window=1,
    )


def produce(
    broker: KafkaBroker,
    stream: Stream,
    weights: Sequence[int],
    silent_from: float,
    *,
    is_named: bool = False,
) -> str:
    """Write the events by Java and the heartbeats at the end by hand; say how long it took.

    Parameters
    ----------
    broker : KafkaBroker
    stream : Stream
    weights : sequence of int
        Of each partition in the number of events.
    silent_from : float
        The share of the events after which the last partition gets none; 1 for never.
    is_named : bool, default False
        Whether features and outputs have names, and one feature is a category.
    """
    broker.create_topic(stream.topic, N_PARTITIONS)
    per_pane = stream.n_models * stream.events_per_pane
    values = {
        "servers": broker.bootstrap_servers,
        "topic": stream.topic,
        "n_events": stream.n_events,
        "n_models": stream.n_models,
        "events_per_pane": stream.events_per_pane,
        "width_ms": stream.pane_width_ms,
        "start_ms": START_MS,
        "n_drifting": stream.n_drifting,
        "drift_panes": stream.drift_panes,
        "disorder_events": max(1, stream.disorder_ms * per_pane // stream.pane_width_ms),
        "weights": ",".join(map(str, weights)),
        "silent_from": round(silent_from * stream.n_events),
        "named": int(is_named),
    }
    libraries = ":".join(map(str, find_jars("kafka")))
    command = [str(find_java()), "-Xmx512m", "-cp", libraries, str(_PRODUCER)]
    started = time.monotonic()
    subprocess.run(
        [*command, *(f"{key}={value}" for key, value in values.items())],
        check=True, capture_output=True,
    )  # fmt: skip
    is_silent = silent_from < 1.0
    # A heartbeat on the silent partition would be its next record, at the end of time.
    write_heartbeats(stream, broker.bootstrap_servers, N_PARTITIONS - is_silent)
    seconds = time.monotonic() - started
    return f"{stream.topic}: wrote {stream.n_events:,} events in {seconds:.0f} s"


def _judge(broker: KafkaBroker, run: Run, n_heartbeats: int, *, may_repeat: bool) -> str:
    """Count everything; a summary in words."""
    stream, name = run.stream, run.name
    scores, alerts = read(broker, run.scores), read(broker, run.alerts)
    dead_letters = read(broker, run.dead_letters)
    keep(not dead_letters, f"{name}: {len(dead_letters)} dead letters, {dead_letters[:1]}")
    keep(bool(alerts), f"{name}: models drifted, and there is no alert")
    n_repeated = 0
    for topic, values in (("scores", scores), ("alerts", alerts)):
        n_same = len(values) - len(set(map(record_id, values)))
        keep(may_repeat or n_same == 0, f"{name}: {n_same} {topic} are there twice")
        n_repeated += n_same
    once = list({record_id(value): value for value in scores}.values())
    with TopicReader(broker, stream.topic) as reader:
        n_records = reader.n_records()
    for view in _of_views(once) if run.is_named else [once]:
        add_up(name, view, 0, Expected([], [], [], n_records, n_heartbeats))
    sizes = Counter(msgspec.json.decode(score)["window"]["n_events"] for score in once)
    keep(set(sizes) == {stream.events_per_pane}, f"{name}: windows of {dict(sizes)} events")
    n_alerts = len(set(map(record_id, alerts)))
    return (
        f"every event accounted for in {len(once):,} scores and {n_alerts:,} alerts, "
        f"{n_repeated:,} of them repeated"
    )


def _of_views(scores: Sequence[bytes]) -> list[list[bytes]]:
    """The scores of each view, which has seen every event."""
    names = [msgspec.json.decode(score)["view"] for score in scores]
    return [
        [score for name, score in zip(names, scores, strict=True) if name == view] for view in VIEWS
    ]


def _same(broker: KafkaBroker, alone: Run, killed: Run) -> None:
    compare(killed.scores, read(broker, killed.scores), read(broker, alone.scores))
    compare(killed.alerts, read(broker, killed.alerts), read(broker, alone.alerts))


def _outcome(name: str, variant: _Variant, options: Options, soak: Soak, result: str) -> Outcome:
    stream = soak.run.stream
    parts = {
        "live objects on the TaskManager's heap": soak.heap,
        "Python workers": soak.python,
        "checkpoints": soak.checkpoints,
    }
    is_long = stream.n_events >= _FEWEST_TO_JUDGE
    rows = [_row(what, series, is_long=is_long) for what, series in parts.items()]
    keep(bool(soak.drift.values), f"{name}: Flink shows how far no partition has come")
    panes = np.array(soak.drift.values) / stream.pane_width_ms
    memory = "; ".join(f"{row[0]} {row[1]} ({row[2]})" for row in rows)
    return Outcome(
        name=name,
        command=f"--only {name} --soak-events {options.soak_events} --readers {options.readers}"
        f"{' --named' if options.is_named else ''}",
        fault=variant.fault,
        events=stream.n_events,
        runs=1,
        result=f"{_columns(options)}{stream.n_events / soak.seconds:,.0f} events/s; {result}; "
        f"MiB per million events: {memory}; partitions {np.median(panes):.1f} panes apart, "
        f"{panes.max():.1f} at most",
        notes=_NOTES.format(weights=":".join(map(str, variant.weights)), what=variant.what),
        header=_HEADER,
        rows=rows,
    )


def _columns(options: Options) -> str:
    return "named columns, views of inputs and outputs; " if options.is_named else ""


def _row(what: str, series: Series, *, is_long: bool) -> list[str]:
    found = growth(series.n_events, series.values) if is_long else None
    levels = [f"{series.values[-1]:,.1f}", f"{max(series.values):,.1f}"]
    if found is None:
        return [what, "not measured", "too short", *levels]
    keep(found.low <= 0, f"{what} grow by {found} MiB per million events")
    return [what, f"{found.slope:+.2f}", f"{found.low:+.2f} to {found.high:+.2f}", *levels]
