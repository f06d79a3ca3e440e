"""Decoding alone, in this process: from the values of records to rows of floats."""

from __future__ import annotations

import gc
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from flink_jobs.config.loading import decode_config
from flink_jobs.intake.formats.base import Messages, ReadEvents
from flink_jobs.intake.layouts import Layout
from scripts.bench.formats.encoders import batches, encoder, rows
from scripts.bench.formats.stream import FormatStream
from scripts.bench.harness import in_turn

N_EVENTS = 4_000
N_ROWS = 16
MANY_ROWS = f"open_inference, {N_ROWS} rows"
"""Requests with several rows in each."""
_N_WARM_UP = 2


def decoding(
    formats: Sequence[str], n_each: int, n_rounds: int, n_events: int = N_EVENTS
) -> tuple[dict[str, list[float]], list[str]]:
    """Decode the same events in turn, as many at a time as a pane has.

    Returns
    -------
    seconds : dict of str to list of float
        By format the processor time of each round for all events.
    disagreements : list of str
        Formats of which the rows are not those of the own event.
    """
    table = rows(n_events)
    ids = [str(place) for place in range(n_events)]
    calls: dict[str, Callable[[], Sequence[ReadEvents]]] = {}
    with tempfile.TemporaryDirectory(prefix="loudly-bench-") as folder:
        stream = FormatStream("none", n_events, 1, n_each, folder=folder)
        for name in formats:
            encode = encoder(name, table)
            payloads = list(map(encode, ids, range(n_events)))
            toml = replace(stream, format=name).job_toml("127.0.0.1:9092", "none")
            layout = Layout(decode_config(toml.encode()))
            calls[name] = partial(_decode, layout, payloads, n_each)
            if name == "open_inference":
                many = batches(table, N_ROWS)
                calls[MANY_ROWS] = partial(_decode, layout, many, max(1, n_each // N_ROWS))
        wrong = _disagreements(calls)
        timed = {name: partial(_timed, call) for name, call in calls.items()}
        return in_turn(timed, n_rounds, n_warm_up=_N_WARM_UP), wrong


def _decode(layout: Layout, payloads: Sequence[bytes], n_each: int) -> list[ReadEvents]:
    return [
        layout.decode(Messages(payloads[first : first + n_each], list))
        for first in range(0, len(payloads), n_each)
    ]


def _timed(call: Callable[[], object]) -> float:
    gc.collect()
    begin_s = time.process_time()
    call()
    return time.process_time() - begin_s


def _disagreements(calls: Mapping[str, Callable[[], Sequence[ReadEvents]]]) -> list[str]:
    first, *others = calls
    expected = _all_rows(calls[first]())
    return [
        f"{name}: other rows than {first}"
        for name in others
        if _all_rows(calls[name]()) != expected
    ]


def _all_rows(reads: Sequence[ReadEvents]) -> list[list[object]]:
    """Return the values of all rows, with texts for codes."""
    found = []
    for read in reads:
        if read.unusable:
            return []
        for row in read.x.tolist():
            found.append(
                [
                    read.texts[slot][int(value)] if slot in read.texts else value
                    for slot, value in enumerate(row)
                ]
            )
    return found
