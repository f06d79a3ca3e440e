"""Unusual traffic without faults: disorder, duplicates, one hot model, very many models."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from flink_jobs.cluster.submission import DRIFT_JOB
from scripts.faults.outcome import Options, Outcome
from scripts.faults.promises import judge, keep
from scripts.faults.stage import Teller, open_stage
from scripts.faults.stream import MAX_OUT_OF_ORDERNESS_MS, Stream, whole_windows
from scripts.faults.topics import SAMPLE_SIZE, Run
from scripts.shared.throughput import measure

DISORDER, HOT_MODEL, MANY_MODELS = "duplicates-and-disorder", "hot-model", "many-models"
_N_MANY_MODELS = 5_000
_DISORDER_NOTES = """\
In each partition, events come in the order of their time plus a random delay below
`input.max_out_of_orderness_ms` = {disorder_ms} ms, and {duplicates:.0%} of them come twice, with
the same id and time. Such a pair is one event in every reference and window; the other one is
counted as a duplicate. Used events, dead letters and duplicates are all events of the topic.
"""
_HOT_NOTES = """\
Two detectors watch every model. KS on each output counts every event of a window, however many the
hot model sends. Cramér-von Mises needs rows, and sees the `sample.size` = {size:,} events of the
window that a hash of their time and id chooses, so that the sample is the same in every run. The
scenario fails where a score says that its test saw more or fewer.
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
    notes = _HOT_NOTES.format(size=SAMPLE_SIZE)
    fault = "one of 16 models has 90 % of the traffic"
    return _play(stream, options, teller, fault, notes, judge_samples)


def judge_samples(scores: Sequence[bytes]) -> str:
    """Tests on counts saw every event of their windows, tests on rows at most a sample.

    Raises
    ------
    BrokenPromiseError
        Also where no window holds more than a sample, so that nothing was shown.
    """
    most = 0
    for score in map(msgspec.json.decode, scores):
        n_events, n_tested = score["window"]["n_events"], score["window"]["n_tested"]
        n_due = min(n_events, SAMPLE_SIZE) if score["detector"] == "rows" else n_events
        keep(
            n_tested == n_due,
            f"{HOT_MODEL}: {score['detector']} saw {n_tested:,} of {n_events:,} events, due are "
            f"{n_due:,}",
        )
        most = max(most, n_events)
    keep(most > SAMPLE_SIZE, f"{HOT_MODEL}: no window holds more than a sample")
    return f"windows of up to {most:,} events counted whole, {SAMPLE_SIZE:,} of them as rows"


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
    judge_scores: Callable[[Sequence[bytes]], str] | None = None,
) -> Outcome:
    run = Run(
        name=f"{stream.topic}-1",
        stream=stream,
        readers=options.readers,
        has_rows=judge_scores is not None,
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
        said = f"{judge(stage.broker, run, expected)}"
        if judge_scores is not None:
            said += f"; {judge_scores(expected.scores)}"
        if expected.n_duplicates:
            said += f"; {expected.n_duplicates:,} duplicates counted once"
        teller.advance(0.4)
    return Outcome(
        name=stream.topic,
        command=f"--only {stream.topic} --events {options.events} --readers {options.readers}",
        fault=fault,
        events=n_events,
        runs=1,
        result=f"{measured.events_per_s:,.0f} events/s; {said}",
        notes=notes,
    )
