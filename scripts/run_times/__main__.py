"""Measures whether detectors run as long as promised, and how fast they find drifts.

Run by ``make statistics``, writes the tables of ``docs/run-times.md``.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Annotated

# Before numpy comes in: workers take a core each, and inherit this.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import typer
from rich.console import Console

from scripts.bench.environments import PeerUnavailableError
from scripts.bench.harness import DOCS, machine, put_between
from scripts.run_times.cases import CASES, PEER_CASES, OfPeer
from scripts.run_times.delay_table import delay_table
from scripts.run_times.delays import BY_PEERS, OURS, THEIRS, Passage, delays, passed, threshold_for
from scripts.run_times.kept import Kept
from scripts.run_times.measure import Task, Watched, case_of, count
from scripts.run_times.peer_process import environment_of
from scripts.run_times.streams import SHIFTS
from scripts.run_times.tables import run_time_table, with_note

_PAGE = DOCS / "run-times.md"
_PACKAGES = ("numpy", "scipy")
_RUN_TIME_ROWS = 5_000.0
_NAMES: Mapping[str, Sequence[str]] = MappingProxyType(
    {"run-times": list(CASES), "peers": list(PEER_CASES), "delays": [*OURS, *THEIRS]}
)
_PARTS = tuple(_NAMES)
_NOT_OF_RESULTS = ("--no-write", "--fresh")
_console = Console()


def main(
    part: Annotated[list[str] | None, typer.Option(help=f"of {', '.join(_PARTS)}; all")] = None,
    case: Annotated[list[str] | None, typer.Option(help="cases; all by default")] = None,
    detectors: Annotated[int, typer.Option(min=2, help="detectors of each row")] = 40,
    length: Annotated[int, typer.Option(min=2, help="windows watched, in run times")] = 20,
    streams: Annotated[int, typer.Option(min=2, help="streams of each shift")] = 40,
    processes: Annotated[int, typer.Option(min=1, help="one core each")] = 1,
    measure: Annotated[bool, typer.Option(help="measure what was not measured yet")] = True,
    fresh: Annotated[bool, typer.Option("--fresh", help="forget what was measured")] = False,
    write: Annotated[bool, typer.Option(help="put the tables into the page")] = True,
) -> None:
    """Let detectors watch streams without a drift, each with its own reference."""
    for name in part or _PARTS:
        kept = Kept(name, _command())
        if fresh:
            kept.forget()
        find = partial(kept.find, n_processes=processes) if measure else _nothing
        chosen = _available([each for each in case or _NAMES[name] if each in _NAMES[name]])
        if name == "delays":
            text = _delays(kept, chosen, streams, find)
        else:
            find([task for each in chosen for task in tasks_of(each, detectors, length)], count)
            found = {Task(**record["task"]): _watched(record["answer"]) for record in kept.records}
            text = run_time_table(found, _NAMES[name])
        _publish(name, text, kept, write=write)


def _nothing(tasks: Sequence[object], work: Callable[..., object]) -> None:
    """Measure nothing."""


def _available(names: Sequence[str]) -> list[str]:
    """Leave out the detectors of peers that cannot be installed, and say so."""
    unavailable = set()
    for peer in sorted({peer for name in names if (peer := peer_of(name)) is not None}):
        try:
            environment_of(peer)
        except PeerUnavailableError as error:
            _console.print(f"{peer} is left out, it cannot be installed: {error}", markup=False)
            unavailable.add(peer)
    return [name for name in names if peer_of(name) not in unavailable]


def peer_of(name: str) -> str | None:
    """Name the library of a detector; None for ours."""
    if name in OURS or name in THEIRS:
        return BY_PEERS[name][0] if name in BY_PEERS else None
    detector = case_of(name).detector
    return detector.peer if isinstance(detector, OfPeer) else None


def tasks_of(name: str, n_detectors: int, length: int) -> list[Task]:
    """List the detectors of a case."""
    sizes = case_of(name).sizes
    return [
        Task(name, n * sizes.n_test, round(length * sizes.target), number)
        for n in sizes.references
        for number in range(n_detectors)
    ]


def _watched(answer: tuple[list[int], int]) -> Watched:
    runs, n_windows = answer
    return Watched(tuple(runs), n_windows)


def _delays(kept: Kept, names: Sequence[str], n_streams: int, find: Callable[..., None]) -> str:
    """Measure thresholds first, then delays at them; the table of all that was kept."""
    numbers = range(n_streams)
    find([Passage(name, n) for name in names for n in numbers], passed)
    chosen = {
        name: threshold_for([kept.answer(Passage(name, n)) for n in numbers], _RUN_TIME_ROWS)
        for name in _NAMES["delays"]
        if kept.answer(Passage(name, n_streams - 1)) is not None
    }
    tasks = {
        (name, shift): [Passage(name, n, shift, threshold) for n in numbers]
        for name, (threshold, _) in chosen.items()
        for shift in SHIFTS
    }
    # All of a stream's number after each other: a peer's detector, slow to make, is the same.
    wanted = [task for key, of_key in tasks.items() if key[0] in names for task in of_key]
    find(sorted(wanted, key=lambda task: (task.detector, task.number)), passed)
    done = {
        name: run_time
        for name, (_, run_time) in chosen.items()
        if all(kept.answer(task) is not None for s in SHIFTS for task in tasks[name, s])
    }
    found = {
        shift: {
            name: delays([kept.answer(task) for task in tasks[name, shift]], chosen[name][0])
            for name in done
        }
        for shift in SHIFTS
    }
    return delay_table(found, done)


def _command() -> str:
    arguments = shlex.join(each for each in sys.argv[1:] if each not in _NOT_OF_RESULTS).replace(
        '"', '\\"'
    )
    return f'make statistics ARGS="{arguments}"' if arguments else "make statistics"


def _publish(name: str, text: str, kept: Kept, *, write: bool) -> None:
    _console.print(text, markup=False)
    if write:
        commands = list(dict.fromkeys(record["command"] for record in kept.records))
        put_between(_PAGE, f"statistics {name}", with_note(text, commands, machine(_PACKAGES)))


if __name__ == "__main__":
    typer.run(main)
