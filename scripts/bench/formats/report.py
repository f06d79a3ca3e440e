"""The page of the benchmark of formats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from scripts.bench.formats.decode import MANY_ROWS, N_ROWS
from scripts.bench.harness import NO_GOAL, SPREAD_HEADER, Goal, Spread, page, ratios
from scripts.shared.markdown import table

OWN = "loudly"
LABELS = {
    "loudly": "own event",
    "json": "nested JSON",
    "avro": "Avro",
    "protobuf": "Protobuf",
    "open_inference": "Open Inference Protocol",
    MANY_ROWS: f"Open Inference Protocol, {N_ROWS} rows in a message",
}
PACKAGES = ("apache-flink", "fastavro", "msgspec", "numpy", "protobuf")
_GOALS = {"json": Goal(at_least=0.8)} | dict.fromkeys(
    ("avro", "protobuf", "open_inference", MANY_ROWS), Goal(at_least=1.0)
)
_INTRODUCTION = """\
The same events lie on a topic of each format: twelve named features (five numbers, five categories,
two booleans), with one probability where the format has one. One view watches the features by the
mixed test. Avro and Protobuf are read by schemas in files, one row is in each message.

A ratio is that of events per second to those of the own event in the same round. Alerts and scores
have to be the same, byte for byte, in every format and every round.

* **Job**: on a real broker and a real cluster with parallelism 1, between the ends of two panes.
* **Backtest**: of the same topic, by the clock.
* **Decoding**: in one process, from the values of a pane's records to rows of floats, by processor
  time. Avro and Protobuf are read field by field from all records of a pane at once: most of what
  that costs does not depend on their number, so that small panes lose. A message of the Open
  Inference Protocol names every tensor with its datatype and shape, all of which is decoded and
  checked. With one row in a message each row pays for that, with 16 rows they share it.
"""


@dataclass(frozen=True)
class Section:
    """Rates of all formats in the rounds of one kind of measurement.

    Attributes
    ----------
    title : str
    rates : mapping of str to sequence of float
        By format the events per second of each round.
    disagreements : sequence of str
    """

    title: str
    rates: Mapping[str, Sequence[float]]
    disagreements: Sequence[str] = field(default_factory=list)


def report(sections: Sequence[Section], n_rounds: int) -> str:
    """Write the whole page."""
    parts = [_INTRODUCTION, *map(_section, sections)]
    return page("Benchmark of formats", "make bench-formats", n_rounds, PACKAGES, parts)


def quoted(sections: Sequence[Section]) -> list[tuple[str, Spread]]:
    """List the ratios that the README quotes: those of the job."""
    return [
        (f"job, {LABELS[name]} against the {LABELS[OWN]}", _ratio(sections[0], name))
        for name in sections[0].rates
        if name != OWN
    ]


def _section(section: Section) -> str:
    rates = [
        [LABELS[name], *Spread.of(rounds).cells("{:,.0f}".format)]
        for name, rounds in section.rates.items()
    ]
    lines = [
        f"## {section.title}",
        "",
        table(["events/s", *SPREAD_HEADER], rates),
        "",
        table(
            [f"relative to the {LABELS[OWN]}", *SPREAD_HEADER, "goal"],
            [_row(section, name) for name in section.rates if name != OWN],
        ),
        "",
    ]
    if section.disagreements:
        lines += ["**The results disagree, so that no ratio is given:**", ""]
        lines += [*(f"* {each}" for each in section.disagreements), ""]
    return "\n".join(lines)


def _row(section: Section, name: str) -> list[str]:
    if section.disagreements:
        return [LABELS[name], "–", "–", "–", "disagrees"]
    found = _ratio(section, name)
    goal = _GOALS.get(name, NO_GOAL)
    return [LABELS[name], *found.cells("{:.2f}".format), goal.verdict(found)]


def _ratio(section: Section, name: str) -> Spread:
    return ratios(section.rates[name], section.rates[OWN])
