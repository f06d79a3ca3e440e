"""The fault suite's report, as Markdown."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from flink_jobs.version import __version__
from scripts.faults.outcome import Outcome

_INTRODUCTION = """\
# Faults

Written by `make faults`: Loudly {version}, {cores} cores, one Kafka broker and one Flink cluster
of a JobManager and a TaskManager, all real and all on one machine. `make faults ARGS="--quick"`
does all of it in small form. The command of each row repeats it; `ARGS="--help"` has the rest.

**What is compared.** The monitor also runs in memory, over the same records of the inference topic.
That gives the undisturbed result. A run passes only if its alerts, scores and dead letters are the
same, by id and to the byte. With at-least-once, a record may come twice, byte for byte, and each
repetition is counted. With exactly-once, read with `isolation.level=read_committed`, it may not.
The counts must add up too: each record of the inference topic is in a reference, in a test window,
a dead letter, a duplicate of another (same id, same time, same pane) or a heartbeat. Only the
fuzzer expects dead letters, and no other scenario has one.

**The stream.** Unless a scenario says otherwise, it has JSON events of 16 models on 4 partitions.
Each model is on all partitions and has 50 events in a pane; a window is two panes. Four models
drift again and again, so that there are alerts before and after every fault. A checkpoint begins
every second.

| scenario | what happens | events in a run | runs | result | command |
| --- | --- | ---: | ---: | --- | --- |
"""


def update(before: str, outcomes: Sequence[Outcome], names: Sequence[str]) -> str:
    """The whole report, with the figures of these outcomes in place of earlier ones.

    Parameters
    ----------
    before : str
        The report up to now; empty when there is none.
    outcomes : sequence of Outcome
    names : sequence of str
        All scenarios, in the order of the report.

    Examples
    --------
    >>> from functools import partial
    >>> base = partial(Outcome, command="", fault="", events=1, runs=1, notes="")
    >>> first = [base(name="a", result="fine"), base(name="b", result="well")]
    >>> both = update("", first, ["a", "b"])
    >>> later = update(both, [base(name="b", result="good")], ["a", "b"])
    >>> [word in later for word in ("fine", "well", "good")]
    [True, False, True]
    """
    head, *sections = re.split(r"^## ", before, flags=re.MULTILINE)
    rows = {row.split(" | ")[0].removeprefix("| "): f"{row}\n" for row in head.splitlines()}
    details = {section.partition("\n")[0]: f"## {section}" for section in sections}
    rows |= {each.name: _summary(each) for each in outcomes}
    details |= {each.name: _section(each) for each in outcomes}
    introduction = _INTRODUCTION.format(version=__version__, cores=os.cpu_count())
    known = [name for name in names if name in details]
    parts = [details[name].rstrip("\n") for name in known]
    return introduction + "".join(rows[name] for name in known) + "\n" + "\n\n".join(parts) + "\n"


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
