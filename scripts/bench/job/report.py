"""The page of the job's benchmark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scripts.bench.harness import NO_GOAL, SPREAD_HEADER, Goal, Spread, page, ratios
from scripts.bench.job.stream import N_OUTPUTS, Stream
from scripts.shared.markdown import table
from scripts.shared.throughput import REFRESH_S, Measurement

DRIFT, IDENTITY, PLAIN, COUNT = "drift job", "identity job", "plain job", "count on the JVM"
# Goals of few models and of many: the more models there are, the fewer events are in a call.
_FEW_MODELS = 100
_GOALS = {
    (IDENTITY, True): Goal(at_least=1.0),
    (IDENTITY, False): Goal(at_least=0.6),
    (PLAIN, True): Goal(at_least=5),
    (COUNT, True): Goal(at_least=0.6),
}
# Of the measured time: above it, a counter's age would show in a ratio.
_MOST_ERROR = 0.02
PACKAGES = ("apache-flink", "kafka-python", "numpy", "scipy")
_INTRODUCTION = f"""\
Broker and cluster run on the same machine, with parallelism 1.

* **{DRIFT}**: BBSDs and KS; decode, validate, windows of two panes one pane apart, scores and
  alerts.
* **{IDENTITY}**: each event through one Python map and back.
* **{PLAIN}**: parse, `key_by`, `KeyedProcessFunction`, list state; it tests nothing. It is slow
  and reads a topic with the first fifth of the same events.
* **{COUNT}**: Flink SQL without Python counts the events of each model and pane. It is the ceiling
  of what a job with panes can reach on the same source.

Each job must account for every event, the drift job must give the same alerts and scores in every
round, and each count must be right. Rates are those between 20 % and 95 % of the stream. Those of
the drift job and of the count are exact: events between the ends of two panes, by the times at
which the broker took the last results of each. Those of the others come from Flink's counter of
what the source read. Flink refreshes what its REST interface shows of it every
{REFRESH_S * 1e3:.0f} ms here, which moves a rate by no more than the column *error* says; above
{_MOST_ERROR:.0%} it is bold, and the run was too short.
"""


@dataclass(frozen=True)
class Section:
    """All rounds over one kind of stream.

    Attributes
    ----------
    stream : Stream
        That of the drift job.
    peers : mapping of str to Stream
        The streams of the others.
    rounds : mapping of str to sequence of Measurement
        One measurement of each job for each round.
    disagreements : sequence of str
    """

    stream: Stream
    peers: Mapping[str, Stream]
    rounds: Mapping[str, Sequence[Measurement]]
    disagreements: Sequence[str]


def report(sections: Sequence[Section], n_rounds: int) -> str:
    """Write the whole page."""
    parts = [_INTRODUCTION, *map(_section, sections)]
    return page("Benchmark of the job", "make bench-job", n_rounds, PACKAGES, parts)


def quoted(sections: Sequence[Section]) -> list[tuple[str, Spread]]:
    """List the ratios that the README quotes."""
    return [
        (f"{DRIFT} against {peer}, {section.stream.n_models:,} models", _ratio(section, peer))
        for section in sections
        for peer in section.peers
    ]


def _section(section: Section) -> str:
    stream = section.stream
    lines = [
        f"## {stream.n_events:,} events, {stream.n_models:,} models, "
        f"{stream.events_per_pane} events in a pane",
        "",
        table(
            ["events/s", *SPREAD_HEADER, "events", "error"],
            [_rates(section, name) for name in section.rounds],
        ),
        "",
        table(
            ["events/s, round by round", *SPREAD_HEADER, "goal"],
            [_ratio_row(section, peer) for peer in section.peers],
        ),
        "",
        _state(section),
        "",
    ]
    if section.disagreements:
        lines += ["**The results disagree, so that no ratio is given:**", ""]
        lines += [*(f"* {each}" for each in section.disagreements), ""]
    return "\n".join(lines)


def _rates(section: Section, name: str) -> list[str]:
    rounds = section.rounds[name]
    spread = Spread.of(each.events_per_s for each in rounds)
    error = max(each.error for each in rounds)
    is_exact = name in (DRIFT, COUNT)
    shown = "exact" if is_exact else f"{error:.1%}"
    if not is_exact and error > _MOST_ERROR:
        shown = f"**{shown}**"
    return [name, *spread.cells("{:,.0f}".format), f"{rounds[0].n_accounted:,}", shown]


def _ratio_row(section: Section, peer: str) -> list[str]:
    label = f"{DRIFT} / {peer}"
    if section.disagreements:
        return [label, "–", "–", "–", "disagrees"]
    found = _ratio(section, peer)
    goal = _GOALS.get((peer, section.stream.n_models <= _FEW_MODELS), NO_GOAL)
    return [label, *found.cells("{:.2f}".format), goal.verdict(found)]


def _ratio(section: Section, peer: str) -> Spread:
    ours, theirs = ([each.events_per_s for each in section.rounds[name]] for name in (DRIFT, peer))
    return ratios(ours, theirs)


def _state(section: Section) -> str:
    stream = section.stream
    raw_bytes = stream.n_models * 8 * N_OUTPUTS * (stream.n_reference + stream.events_per_pane)
    state_bytes = section.rounds[DRIFT][-1].state_bytes
    return (
        f"Savepoint of the drift job: {state_bytes:,} bytes, {state_bytes / raw_bytes:.2f} times "
        f"the {raw_bytes:,} raw bytes of reference and recent panes in reduced form."
    )
