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
from scripts.bench.formats.encoders import encoder, rows
from scripts.bench.formats.stream import FormatStream
from scripts.bench.harness import in_turn

N_EVENTS = 4_000
_N_WARM_UP = 2


def decoding(
    formats: Sequence[str], n_each: int, n_rounds: int
) -> tuple[dict[str, list[float]], list[str]]:
    """Decode the same events in turn, as many at a time as a pane has.

    Returns
    -------
    seconds : dict of str to list of float
        By format the processor time of each round for all events.
    disagreements : list of str
        Formats of which the rows are not those of the own event.
    """
    table = rows(N_EVENTS)
    calls: dict[str, Callable[[], Sequence[ReadEvents]]] = {}
    with tempfile.TemporaryDirectory(prefix="loudly-bench-") as folder:
        stream = FormatStream("none", N_EVENTS, 1, n_each, folder=folder)
        for name in formats:
            encode = encoder(name, table)
            payloads = [encode(str(place), place) for place in range(N_EVENTS)]
            toml = replace(stream, format=name).job_toml("127.0.0.1:9092", "none")
            layout = Layout(decode_config(toml.encode()))
            calls[name] = partial(_decode, layout, payloads, n_each)
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
    expected = calls[first]()
    wrong = []
    for name in others:
        pairs = zip(expected, calls[name](), strict=True)
        if not all(_are_same(*pair) for pair in pairs):
            wrong.append(f"{name}: other rows than {first}")
    return wrong


def _are_same(one: ReadEvents, other: ReadEvents) -> bool:
    return (
        not other.unusable
        and one.event_ids == other.event_ids
        and bool((one.x == other.x).all())
        and one.texts == other.texts
    )
