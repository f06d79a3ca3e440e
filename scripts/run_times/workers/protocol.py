"""The worker's side: JSON lines in, JSON lines out. Imports nothing that a peer may lack."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

from scripts.run_times.first_passage import Records, records_of
from scripts.run_times.streams import Rows, as_numbers, reference_and_rows, reference_and_table

Alarms = Callable[[str, Rows, int, float, int], Callable[[Any], bool]]
"""Makes a detector of (kind, x_ref, rows of a window, run time, seed): a function that says of each
row whether it is an alarm, and begins anew after one."""

Scores = Callable[[str, Rows, Rows, int, int], Iterator[tuple[int, float]]]
"""Gives (rows seen, score) of (kind, x_ref, rows, rows of a window, seed)."""


def serve(alarms: Alarms, scores: Scores) -> None:
    """Answer requests until the input ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints must not come between the answers
    for line in sys.stdin:
        request = json.loads(line)
        answer = _watch(alarms, request) if request["do"] == "watch" else _score(scores, request)
        answers.write(json.dumps(answer) + "\n")


def _watch(alarms: Alarms, request: dict[str, Any]) -> dict[str, list[int]]:
    number, n_rows = request["number"], request["n_rows"]
    x_ref, rows = reference_and_rows(request["stream"], request["n_ref"], number, n_rows)
    is_alarm = alarms(request["kind"], x_ref, request["n_test"], request["run_time"], number)
    return {"alarms": [place for place, row in enumerate(rows, 1) if is_alarm(row)]}


def _score(scores: Scores, request: dict[str, Any]) -> dict[str, Records]:
    n_ref, number, n_test = request["n_ref"], request["number"], request["n_test"]
    x_ref, rows = reference_and_table(
        n_ref, number, request["n_before"], request["n_after"], request["shift"]
    )
    found = scores(request["kind"], *as_numbers(x_ref, rows), n_test, number)
    return {"records": records_of(found, request["stop_at"])}
