"""Hours of one fast model through the job of the README, with its MMD of an hour."""

from __future__ import annotations

import tempfile
from collections import Counter
from functools import partial
from pathlib import Path

import msgspec

from flink_jobs.embedded.flink_cluster import FlinkCluster
from flink_jobs.embedded.kafka_broker import KafkaBroker
from scripts.faults.outcome import Options, Outcome
from scripts.faults.promises import keep, record_id
from scripts.faults.scenarios.soak import produce
from scripts.faults.soaking import Soak
from scripts.faults.stage import SETTINGS, Stage, Teller
from scripts.faults.stream import N_PARTITIONS, Stream, whole_windows
from scripts.faults.topics import HourlyRun, read

NAME = "hourly-mmd"
_RATE, _WIDTH_MS = 1_000, 10_000
_PER_PANE = _RATE * _WIDTH_MS // 1_000
_HOUR, _SHORT, _SLIDE = 360, 6, 60
_FEWEST = 75 * 60 * _RATE
_NOTES = """\
One model with {rate:,} events/s and the job of the README: KS on windows of a minute that slide by
10 s, and the further detector `hourly`, MMD on windows of an hour that slide by 10 minutes. Every
window must hold all events of its time, and the job must never restart. Memory is read as in the
soak.
"""


def make_stream(n_events: int) -> Stream:
    """One model, at least an hour and a quarter."""
    return Stream(
        topic=NAME,
        n_events=whole_windows(max(n_events, _FEWEST), _PER_PANE),
        n_models=1,
        events_per_pane=_PER_PANE,
        n_drifting=0,
        pane_width_ms=_WIDTH_MS,
        panes_per_window=_SHORT,
        n_reference=1_000,
        disorder_ms=1,
    )


def windows_due(stream: Stream) -> Counter[str]:
    """Windows that end within the stream, by detector.

    Those that begin in the pane in which the reference ends lack its events.

    Examples
    --------
    >>> sorted(windows_due(make_stream(0)).items())
    [('hourly', 2), ('main', 445)]
    """
    n_panes = stream.n_events // stream.events_per_pane
    return Counter(main=n_panes - _SHORT + 1, hourly=(n_panes - _HOUR) // _SLIDE + 1)


def events_due(stream: Stream) -> int:
    """Events of all these windows together; those of the reference are in the first of each."""
    due = windows_due(stream)
    panes = due["main"] * _SHORT + due["hourly"] * _HOUR
    return panes * stream.events_per_pane - len(due) * stream.n_reference


def play(options: Options, teller: Teller) -> Outcome:
    """Write the events and let the job read them."""
    stream = make_stream(options.soak_events)
    with (
        tempfile.TemporaryDirectory(prefix="loudly-faults-") as folder,
        KafkaBroker() as broker,
        FlinkCluster(settings=SETTINGS) as cluster,
    ):
        teller.say(produce(broker, stream, (1,) * N_PARTITIONS, 1.0))
        teller.advance(0.2)
        run = HourlyRun(
            name=f"{NAME}-1",
            stream=stream,
            checkpoint_interval_ms=5_000,
            readers=options.readers,
        )
        soak = Soak(Stage(broker, cluster, Path(folder), teller), run, N_PARTITIONS)
        soak.play(events_due(stream), partial(_advance, teller))
        result = _judge(broker, run)
    keep(soak.n_restarts == 0, f"{NAME}: the job restarted {soak.n_restarts} times")
    return Outcome(
        name=NAME,
        command=f"--only {NAME} --soak-events {options.soak_events} --readers {options.readers}",
        fault=f"none; MMD of an hour at {_RATE:,} events/s",
        events=stream.n_events,
        runs=1,
        result=f"{stream.n_events / soak.seconds:,.0f} events/s; {result}; Python workers at most "
        f"{max(soak.python.values):,.0f} MiB, live objects on the heap at most "
        f"{max(soak.heap.values):,.0f} MiB, checkpoints at most "
        f"{max(soak.checkpoints.values):,.1f} MiB",
        notes=_NOTES.format(rate=_RATE),
    )


def _advance(teller: Teller, share: float) -> None:
    teller.advance(0.8 * share)


def _judge(broker: KafkaBroker, run: HourlyRun) -> str:
    dead_letters = read(broker, run.dead_letters)
    keep(not dead_letters, f"{NAME}: {len(dead_letters)} dead letters, {dead_letters[:1]}")
    scores = {record_id(value): value for value in read(broker, run.scores)}
    return judge_scores(run.stream, list(scores.values()))


def judge_scores(stream: Stream, values: list[bytes]) -> str:
    """Each window that ends within the stream is tested, and holds all events of its time.

    Raises
    ------
    BrokenPromiseError
    """
    end_ms = stream.end_ms - 10 * stream.pane_width_ms
    found: Counter[str] = Counter()
    n_events = 0
    for score in map(msgspec.json.decode, values):
        if score["window"]["end_ms"] <= end_ms:
            keep(score["status"] == "tested", f"{NAME}: a window is {score['status']}")
            found[score["detector"]] += 1
            n_events += score["window"]["n_events"]
    due = windows_due(stream)
    keep(found == due, f"{NAME}: windows {dict(found)}, due are {dict(due)}")
    n_due = events_due(stream)
    keep(n_events == n_due, f"{NAME}: {n_events:,} events in windows, due are {n_due:,}")
    return f"all {found['main']:,} and {found['hourly']:,} windows hold every event"
