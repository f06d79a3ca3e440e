"""The benchmark's report, as Markdown."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence

from flink_jobs.version import __version__
from scripts.bench.job.stream import N_OUTPUTS, Stream
from scripts.shared.throughput import TIMEOUT_S, Measurement

_INTRODUCTION = """\
# Benchmark

Written by `make bench ARGS="--output docs/benchmark.md"`: Loudly {version}, {cores} cores, broker
and cluster on the same machine, parallelism 1. All jobs of a table read the same topic in one run;
rates are slopes between 20 % and 95 % of the stream. A rate is printed only for a job that has
accounted for every event. Machines differ and are noisy: the ratios are the result. Rates are read
at the source, which runs ahead of the drift job by up to one pane of every model: an error of about
13 % with 1,000 models and 1,000,000 events, and more with fewer events.

* **drift job**: BBSDs and KS; decode, validate, windows of two panes one pane apart, scores and
  alerts.
* **identity job**: each event through one Python map and back.
* **plain job**: parse, `key_by`, `KeyedProcessFunction`, list state; it tests nothing.
"""


def report(results: Mapping[Stream, Sequence[Measurement]]) -> str:
    """The whole report; the drift job comes first in each list.

    Raises
    ------
    ValueError
        When a job that finished did not see every event.
    """
    head = _INTRODUCTION.format(version=__version__, cores=os.cpu_count())
    return "\n".join([head, *(_section(stream, each) for stream, each in results.items())])


def _row(stream: Stream, ours: Measurement, job: Measurement) -> str:
    if math.isnan(job.events_per_s):
        return f"| {job.name} | {job.n_accounted:,} events in {TIMEOUT_S:.0f} s, stopped | |"
    if job.n_accounted != stream.n_events:
        raise ValueError(f"{job.name} saw {job.n_accounted} of {stream.n_events} events")
    return f"| {job.name} | {job.events_per_s:,.0f} | {ours.events_per_s / job.events_per_s:.2f} |"


def _section(stream: Stream, measurements: Sequence[Measurement]) -> str:
    ours = measurements[0]
    rows = [_row(stream, ours, each) for each in measurements]
    raw_bytes = stream.n_models * 8 * N_OUTPUTS * (stream.n_reference + stream.events_per_pane)
    return "\n".join(
        [
            f"## {stream.n_events:,} events, {stream.n_models:,} models, "
            f"{stream.events_per_pane} events in a pane",
            "",
            "| job | events/s | the drift job is ... times as fast |",
            "| --- | ---: | ---: |",
            *rows,
            "",
            f"Checkpoint of the drift job: {ours.checkpoint_bytes:,} bytes, "
            f"{ours.checkpoint_bytes / raw_bytes:.2f} times the {raw_bytes:,} raw bytes of "
            "reference and recent panes in reduced form.",
            "",
        ]
    )
