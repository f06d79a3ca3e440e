"""Ten million events through one job, its memory watched."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from pathlib import Path

import msgspec

from flink_jobs.embedded.flink_cluster import FlinkCluster
from flink_jobs.embedded.kafka_broker import KafkaBroker
from scripts.faults.memory import Growth, Reading, growth, read_memory
from scripts.faults.outcome import Options, Outcome
from scripts.faults.promises import BrokenPromiseError, add_up, count_events, keep, record_id
from scripts.faults.stage import SETTINGS, Stage, Teller
from scripts.faults.stream import N_PARTITIONS, START_MS, Stream, whole_windows, write_heartbeats
from scripts.faults.topics import Run, TopicReader, read
from scripts.faults.undisturbed import Expected

NAME = "soak"
_PRODUCER_JOB = Path(__file__).parents[1] / "soak_producer.py"
_POLL_S = 1.0
# Of the job, without a new score.
_PATIENCE_S = 120.0
_HEADER = ["process", "MiB per million events", "95 % interval", "MiB at the end"]
_NOTES = """\
A job without Python writes the events first, on a cluster of its own; then the drift job reads
them as fast as it can on a fresh one. Resident memory is read once a second; slopes are those
after the first 30 % of the events, through the means of 10 blocks, with Student's interval. The
stream is not kept to be run through the monitor in memory: here the counts are compared, record by
record of the results.
"""


def play(options: Options, teller: Teller) -> Outcome:
    """Write the events, let the job read them, and watch."""
    stream = Stream(
        topic=NAME,
        n_events=whole_windows(options.soak_events, 16 * 500),
        events_per_pane=500,
        panes_per_window=1,
    )
    run = Run(name=f"{NAME}-1", stream=stream, checkpoint_interval_ms=10_000)
    with tempfile.TemporaryDirectory(prefix="loudly-faults-") as folder, KafkaBroker() as broker:
        with FlinkCluster(settings=SETTINGS) as cluster:
            _produce(Stage(broker, cluster, Path(folder), teller), stream)
            teller.advance(0.2)
        with FlinkCluster(settings=SETTINGS) as cluster:
            readings, seconds = _watch(Stage(broker, cluster, Path(folder), teller), run)
        n_scores, n_alerts = _judge(broker, run)
    java = growth([r.n_events for r in readings], [r.java_mib for r in readings])
    python = growth([r.n_events for r in readings], [r.python_mib for r in readings])
    return Outcome(
        name=NAME,
        command=f"--only {NAME} --soak-events {options.soak_events}",
        fault="none, for long",
        events=stream.n_events,
        runs=1,
        result=f"{stream.n_events / seconds:,.0f} events/s; every event accounted for in "
        f"{n_scores:,} scores, each there once, {n_alerts:,} alerts; MiB per million events: "
        f"{python} in the Python workers, {java} in the JVM",
        notes=_NOTES,
        header=_HEADER,
        rows=[_row("TaskManager (JVM)", java), _row("Python workers", python)],
    )


def _produce(stage: Stage, stream: Stream) -> None:
    """Write the events by Flink and the heartbeats at the end by hand."""
    servers = stage.broker.bootstrap_servers
    stage.broker.create_topic(stream.topic, N_PARTITIONS)
    arguments = (
        servers, stream.topic, stream.n_events, stream.n_models, stream.events_per_pane,
        stream.pane_width_ms, START_MS, stream.n_drifting, stream.drift_panes,
    )  # fmt: skip
    started = time.monotonic()
    job_id = stage.cluster.submit(
        "soak_producer", [str(each) for each in arguments], python_files=[_PRODUCER_JOB]
    )
    stage.cluster.rest.wait_for(job_id, "FINISHED", timeout_s=3_600)
    write_heartbeats(stream, servers)
    seconds = time.monotonic() - started
    stage.teller.say(f"{NAME}: wrote {stream.n_events:,} events in {seconds:.0f} s")


def _watch(stage: Stage, run: Run) -> tuple[list[Reading], float]:
    """Read memory while the job works; how long it took from the first score to the last."""
    n_due = run.stream.n_events - run.stream.n_models * run.stream.n_reference
    job_id = stage.start(run)
    _, group = stage.cluster.pids
    readings = [read_memory(group, 0)]
    started = changed = time.monotonic()
    with TopicReader(stage.broker, run.scores) as reader:
        while (n_before := readings[-1].n_events) < n_due:
            time.sleep(_POLL_S)
            n_now = n_before + count_events(reader.values())["windows"]
            readings.append(read_memory(group, n_now))
            stage.teller.advance(0.8 * (n_now - n_before) / n_due)
            if n_now > n_before:
                changed = time.monotonic()
            if time.monotonic() - changed > _PATIENCE_S:
                causes = stage.cluster.rest.exceptions(job_id)
                raise BrokenPromiseError(f"{NAME}: stands still at {n_now:,} events: {causes[:1]}")
    seconds = time.monotonic() - started
    stage.cluster.rest.wait_for_checkpoint(job_id)
    stage.cluster.rest.cancel(job_id)
    return readings, seconds


def _judge(broker: KafkaBroker, run: Run) -> tuple[int, int]:
    """The numbers of scores and alerts, after counting everything."""
    stream = run.stream
    scores = read(broker, run.scores)
    alerts = read(broker, run.alerts)
    dead_letters = read(broker, run.dead_letters)
    keep(not dead_letters, f"{NAME}: {len(dead_letters)} dead letters, {dead_letters[:1]}")
    keep(bool(alerts), f"{NAME}: models drifted, and there is no alert")
    for topic, values in (("scores", scores), ("alerts", alerts)):
        n_repeated = len(values) - len({record_id(value) for value in values})
        keep(n_repeated == 0, f"{NAME}: {n_repeated} {topic} are there twice")
    with TopicReader(broker, stream.topic) as reader:
        n_records = reader.n_records()
    add_up(NAME, scores, 0, Expected([], [], [], n_records, N_PARTITIONS))
    sizes = Counter(msgspec.json.decode(score)["window"]["n_events"] for score in scores)
    keep(set(sizes) == {stream.events_per_pane}, f"{NAME}: windows of {dict(sizes)} events")
    return len(scores), len(alerts)


def _row(process: str, found: Growth) -> list[str]:
    interval = f"{found.low:+.2f} to {found.high:+.2f}"
    return [process, f"{found.slope:+.2f}", interval, f"{found.last_mib:,.0f}"]
