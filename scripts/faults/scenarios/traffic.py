"""Unusual traffic without faults: disorder, duplicates, one hot model, very many models."""

from __future__ import annotations

from flink_jobs.cluster.submission import DRIFT_JOB
from scripts.faults.outcome import Options, Outcome
from scripts.faults.promises import judge, keep
from scripts.faults.stage import Teller, open_stage
from scripts.faults.stream import MAX_OUT_OF_ORDERNESS_MS, Stream, whole_windows
from scripts.faults.topics import Run
from scripts.shared.throughput import measure

DISORDER, HOT_MODEL, MANY_MODELS = "duplicates-and-disorder", "hot-model", "many-models"
_N_MANY_MODELS = 5_000
_DISORDER_NOTES = """\
In each partition, events come in the order of their time plus a random delay below
`input.max_out_of_orderness_ms` = {disorder_ms} ms, and {duplicates:.0%} of them come twice. Each
record is an event, even with the bytes of another: its name is its partition and offset. Ids that
producers repeat are not looked for.
"""
_HOT_NOTES = """\
The hot model's panes hold more than `panes.max_events` = {max_events:,} events, so that its test
windows are sampled; which events a sample keeps is a matter of their time and id, not of the run.
"""
_MANY_NOTES = """\
{n_models:,} models with 20 events in a pane, and a window a pane: each pane's end brings
{n_models:,} panes, tests and scores at once.
"""


def play_disorder(options: Options, teller: Teller) -> Outcome:
    """Events come twice and in another order than they happened."""
    stream = Stream(
        topic=DISORDER,
        n_events=whole_windows(options.events, 16 * 50),
        panes_per_window=1,
        duplicate_share=0.05,
        # The watermark is the highest time less the bound: an event that is late by the whole bound
        # and lies on the end of a pane would be at the watermark.
        disorder_ms=MAX_OUT_OF_ORDERNESS_MS - 1,
    )
    notes = _DISORDER_NOTES.format(disorder_ms=MAX_OUT_OF_ORDERNESS_MS, duplicates=0.05)
    fault = "events come twice and in disorder, within the bound"
    return _play(stream, options, teller, fault, notes)


def play_hot_model(options: Options, teller: Teller) -> Outcome:
    """One of 16 models has 90 % of the traffic."""
    stream = Stream(
        topic=HOT_MODEL,
        n_events=whole_windows(options.events, 16 * 200),
        events_per_pane=200,
        panes_per_window=1,
        hot_share=0.9,
        drift_panes=6,
        n_reference=100,
    )
    notes = _HOT_NOTES.format(max_events=2_000)
    return _play(stream, options, teller, "one of 16 models has 90 % of the traffic", notes, 2_000)


def play_many_models(options: Options, teller: Teller) -> Outcome:
    """5,000 models; at least 5 panes of each."""
    stream = Stream(
        topic=MANY_MODELS,
        n_events=max(5, options.events // (_N_MANY_MODELS * 20)) * _N_MANY_MODELS * 20,
        n_models=_N_MANY_MODELS,
        events_per_pane=20,
        panes_per_window=1,
        n_drifting=100,
        drift_panes=2,
    )
    notes = _MANY_NOTES.format(n_models=_N_MANY_MODELS)
    return _play(stream, options, teller, f"{_N_MANY_MODELS:,} models", notes)


def _play(
    stream: Stream,
    options: Options,
    teller: Teller,
    fault: str,
    notes: str,
    max_pane_events: int = 10_000,
) -> Outcome:
    run = Run(
        name=f"{stream.topic}-1",
        stream=stream,
        max_pane_events=max_pane_events,
        readers=options.readers,
    )
    with open_stage(teller) as stage:
        stage.write(stream, 0.4)
        expected = stage.expected(run, 0.2)
        run.create_topics(stage.broker)
        path = run.write_job_file(stage.folder, stage.broker.bootstrap_servers)
        n_events = expected.n_records - expected.n_heartbeats
        arguments = ["--config", str(path)]
        measured = measure(
            stage.cluster, stream.topic, DRIFT_JOB, arguments, n_events, savepoints=stage.folder
        )
        keep(
            measured.n_accounted == n_events,
            f"{stream.topic}: the job counted {measured.n_accounted:,} of {n_events:,} events",
        )
        verdict = judge(stage.broker, run, expected)
        teller.advance(0.4)
    return Outcome(
        name=stream.topic,
        command=f"--only {stream.topic} --events {options.events} --readers {options.readers}",
        fault=fault,
        events=n_events,
        runs=1,
        result=f"{measured.events_per_s:,.0f} events/s; {verdict}",
        notes=notes,
    )
