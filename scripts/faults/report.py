"""The fault suite's report, as Markdown."""

from __future__ import annotations

import os
from collections.abc import Sequence

from flink_jobs.version import __version__
from scripts.faults.outcome import Outcome

_INTRODUCTION = """\
# Faults

Written by `make faults`: Loudly {version}, {cores} cores, one Kafka broker and one Flink cluster
of a JobManager and a TaskManager, all real and all on one machine. `make faults ARGS="--quick"`
does all of it in small form. The command of each row repeats it; `ARGS="--help"` has the rest.

**What is compared.** The monitor runs in memory over the very records that lie on the inference
topic, and what it makes of them is the undisturbed result. A run passes only if its alerts, scores
and dead letters are those, by id and to the byte. At-least-once may repeat a record byte for byte,
and each repetition is counted; exactly-once, read with `isolation.level=read_committed`, may not.
And the counts add up: each record of the inference topic is in a reference, in a test window, a
dead letter, or a heartbeat. No scenario wants a dead letter, and none has one, but the fuzzer.

**The stream**, where a scenario says nothing else: JSON events of 16 models on 4 partitions, each
model on all of them, 50 events of a model in a pane, windows of two panes. Four models drift again
and again, so that alerts lie on both sides of every fault. A checkpoint begins every second.

| scenario | what happens | events in a run | runs | result | command |
| --- | --- | ---: | ---: | --- | --- |
"""


def report(outcomes: Sequence[Outcome]) -> str:
    """The whole report."""
    head = _INTRODUCTION.format(version=__version__, cores=os.cpu_count())
    summary = "".join(_summary(each) for each in outcomes)
    return "\n".join([head + summary, *(_section(each) for each in outcomes)])


def _summary(outcome: Outcome) -> str:
    cells = [
        outcome.name,
        outcome.fault,
        f"{outcome.events:,}",
        str(outcome.runs),
        outcome.result,
        f'`make faults ARGS="{outcome.command}"`',
    ]
    return f"| {' | '.join(cells)} |\n"


def _section(outcome: Outcome) -> str:
    lines = [f"## {outcome.name}", "", outcome.notes]
    if outcome.rows:
        lines += [
            f"| {' | '.join(outcome.header)} |",
            "| " + " | ".join("---" for _ in outcome.header) + " |",
            *(f"| {' | '.join(row)} |" for row in outcome.rows),
            "",
        ]
    return "\n".join(lines)
