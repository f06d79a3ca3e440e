"""Feeds hostile payloads to packer and monitor and prints what became of them.

Run by ``python -m scripts.fuzz --payloads 100000 --seed 0``; ends with 1 when a promise was broken,
after naming the payload.
"""

from __future__ import annotations

import ctypes
import os
import warnings
from collections.abc import Callable
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, TaskID
from rich.table import Table

from flink_jobs.records.dead_letters import Reason
from scripts.fuzz.fuzzer import PROFILES, BrokenPromiseError, Fuzzer, Totals
from scripts.shared.processes import resident_bytes

_console = Console()
_STEP = 500
# Of one core, since the machine may have other things to do.
_COSTS = ("payloads/s", "MB/s", "MiB after n", "MiB after 2n", "bytes a payload")


def main(
    payloads: Annotated[int, typer.Option(min=1_000, help="over all profiles")] = 100_000,
    seed: Annotated[int, typer.Option(help="another seed, other payloads")] = 0,
) -> None:
    """Every profile takes its share of the payloads."""
    # A warning is a number that went wrong.
    warnings.simplefilter("error")
    costs = Table("profile", *_COSTS)
    totals: dict[str, Totals] = {}
    n_payloads = payloads // len(PROFILES)
    with Progress(console=_console) as progress:
        for profile in PROFILES:
            task = progress.add_task(profile, total=n_payloads)
            fuzzer = Fuzzer(profile, seed)
            try:
                costs.add_row(profile, *_measure(fuzzer, n_payloads, _teller(progress, task)))
            except BrokenPromiseError as error:
                _console.print(f"{profile}: {error}", markup=False, style="red")
                raise typer.Exit(1) from error
            totals[profile] = fuzzer.totals
    _console.print(_outcomes(totals), costs)


def _measure(fuzzer: Fuzzer, n_payloads: int, tell: Callable[[int], None]) -> list[str]:
    """Run the payloads and say what they cost."""
    n_half = n_payloads // 2
    _advance(fuzzer, n_half, tell)
    half = _resident_bytes()
    _advance(fuzzer, n_payloads - n_half, tell)
    whole = _resident_bytes()
    totals = fuzzer.totals
    return [
        f"{n_payloads / totals.cpu_s:,.0f}",
        f"{totals.payload_bytes / totals.cpu_s / 1e6:,.0f}",
        f"{half / 2**20:,.1f}",
        f"{whole / 2**20:,.1f}",
        f"{(whole - half) / (n_payloads - n_half):,.1f}",
    ]


def _advance(fuzzer: Fuzzer, n_payloads: int, tell: Callable[[int], None]) -> None:
    until = fuzzer.totals.payloads + n_payloads
    while (n_left := until - fuzzer.totals.payloads) > 0:
        fuzzer.run(min(_STEP, n_left))
        tell(fuzzer.totals.payloads)


def _teller(progress: Progress, task: TaskID) -> Callable[[int], None]:
    return lambda n_done: progress.update(task, completed=n_done)


def _resident_bytes() -> int:
    # glibc keeps what held a payload of 10 MB, which would look like growth.
    ctypes.CDLL(None).malloc_trim(0)
    return resident_bytes(os.getpid())


def _outcomes(totals: dict[str, Totals]) -> Table:
    """A column for each profile, a row for each outcome."""
    table = Table("payloads", *totals)
    rows = {
        "all": [each.payloads for each in totals.values()],
        "good": [each.good for each in totals.values()],
        "used": [each.used for each in totals.values()],
    }
    rows |= {reason: [each.reasons[reason] for each in totals.values()] for reason in Reason}
    for name, counts in rows.items():
        if any(counts):
            table.add_row(name, *(f"{count:,}" for count in counts))
    return table


if __name__ == "__main__":
    typer.run(main)
