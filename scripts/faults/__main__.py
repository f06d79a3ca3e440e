"""Kills, hinders and floods the job on real Kafka and real Flink, and compares every result.

Run by ``make faults``; ends with 1 when a promise was broken, after naming it.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Annotated

import typer
from kafka.errors import KafkaError
from msgspec import structs
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from scripts.faults.outcome import Options, Outcome
from scripts.faults.promises import BrokenPromiseError
from scripts.faults.report import update
from scripts.faults.scenarios import SCENARIOS
from scripts.faults.stage import Teller

_console = Console()
_QUICK = Options(runs=3, events=50_000, soak_events=500_000, payloads=10_000, seed=0)


def main(
    only: Annotated[
        list[str] | None, typer.Option(help=f"some of {', '.join(SCENARIOS)}; may be repeated")
    ] = None,
    runs: Annotated[int, typer.Option(min=1, help="runs of the scenario kills")] = 20,
    events: Annotated[int, typer.Option(min=10_000, help="events in each stream")] = 200_000,
    soak_events: Annotated[int, typer.Option(min=100_000, help="events of the soak")] = 10_000_000,
    payloads: Annotated[int, typer.Option(min=1_000, help="of the fuzzer")] = 100_000,
    seed: Annotated[int, typer.Option(help="draws other victims and moments")] = 0,
    readers: Annotated[
        int, typer.Option(min=1, max=2, help="subtasks of the job; each reads some partitions")
    ] = 2,
    named: Annotated[
        bool, typer.Option("--named", help="soaks with named columns and two views")
    ] = False,
    quick: Annotated[bool, typer.Option(help="small streams, few runs; no report")] = False,
    output: Annotated[Path, typer.Option(help="the report, updated")] = Path("docs/faults.md"),
) -> None:
    """Run the scenarios, one after the other, and write what they measured."""
    unknown = sorted(set(only or ()) - SCENARIOS.keys())
    if unknown:
        raise typer.BadParameter(f"no scenario {unknown[0]!r}", param_hint="--only")
    # kafka-python warns about every connection that a killed broker takes with it.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    options = Options(
        runs=runs,
        events=events,
        soak_events=soak_events,
        payloads=payloads,
        seed=seed,
        readers=readers,
        is_named=named,
    )
    if quick:
        options = structs.replace(_QUICK, readers=readers, is_named=named)
    chosen = [name for name in SCENARIOS if not only or name in only]
    minutes = sum(SCENARIOS[name].seconds(options) for name in chosen) / 60
    _console.print(f"{', '.join(chosen)}: about {minutes:.0f} minutes on two idle cores")
    outcomes, broken = _play(chosen, options)
    if not quick:
        before = output.read_text() if output.exists() else ""
        output.write_text(update(before, outcomes, list(SCENARIOS)))
        _console.print(f"Wrote {output}", markup=False)
    if broken:
        _console.print(f"Failed: {', '.join(broken)}", markup=False, style="red")
        raise typer.Exit(1)


def _play(chosen: list[str], options: Options) -> tuple[list[Outcome], list[str]]:
    """Play one scenario after the other; what they found, and the names of those that failed."""
    outcomes: list[Outcome] = []
    failed: list[str] = []
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn(),
        console=_console,
    ) as progress:  # fmt: skip
        for name in chosen:
            task = progress.add_task(name, total=1.0)
            teller = Teller(_console, progress, task)
            started = time.monotonic()
            try:
                outcome = SCENARIOS[name].play(options, teller)
            # The others may hold, and an hour of them is worth having.
            except (BrokenPromiseError, RuntimeError, OSError, KafkaError) as error:
                failed.append(name)
                _console.print(f"{name}: {error}", markup=False, style="red")
                continue
            progress.update(task, completed=1.0)
            teller.say(f"{name}: {outcome.result} ({time.monotonic() - started:.0f} s)")
            outcomes.append(outcome)
    return outcomes, failed


if __name__ == "__main__":
    typer.run(main)
