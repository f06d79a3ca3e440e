"""Rounds in turn, spreads of ratios, the machine in words, and pages: what all benchmarks share."""

from __future__ import annotations

import os
import platform
import statistics
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.markdown import Markdown

from flink_jobs.version import __version__
from scripts.shared.markdown import table

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
README = ROOT / "README.md"
_WIDTH = 100
_DEPENDS = """\
Ratios depend on the machine, and the ranges below hold for this one only. Of two other machines
with 2 cores each, one gave 0.96 of the identity job (0.58 with 1,000 models), 4.3 times the plain
job and 11 times SciPy's KS test, the other 0.78 (0.35), 2.5 and 8.7. Repeat the command on
yours."""

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Spread:
    """Minimum, median and maximum of a quantity over the rounds.

    Examples
    --------
    >>> Spread.of([3.0, 1.0, 2.0])
    Spread(minimum=1.0, median=2.0, maximum=3.0)
    """

    minimum: float
    median: float
    maximum: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Summarise one value for each round."""
        found = sorted(values)
        return cls(found[0], statistics.median(found), found[-1])

    def cells(self, form: Callable[[float], str]) -> list[str]:
        """Three cells of a table."""
        return [form(each) for each in (self.minimum, self.median, self.maximum)]


SPREAD_HEADER = ("minimum", "median", "maximum")


def ratios(above: Sequence[float], below: Sequence[float]) -> Spread:
    """Divide round by round, so that a slow minute of the machine meets both.

    Examples
    --------
    >>> ratios([2.0, 6.0, 9.0], [1.0, 2.0, 3.0])
    Spread(minimum=2.0, median=3.0, maximum=3.0)
    """
    return Spread.of(a / b for a, b in zip(above, below, strict=True))


@dataclass(frozen=True)
class Goal:
    """The least ratio that is wanted, the greatest one, or the number that it must stay below.

    Examples
    --------
    >>> Goal(at_least=10).verdict(Spread(9.0, 11.0, 12.0))
    'at least 10: in the median'
    """

    at_least: float | None = None
    below: float | None = None
    at_most: float | None = None

    def __str__(self) -> str:
        words = {"at least": self.at_least, "below": self.below, "at most": self.at_most}
        given = (f"{word} {value:,.10g}" for word, value in words.items() if value is not None)
        return next(given, "")

    def verdict(self, found: Spread) -> str:
        """Say whether every round, or the median alone, reaches the goal."""
        return f"{self}: {self._reached(found)}" if str(self) else ""

    def _reached(self, found: Spread) -> str:
        is_lower_bound = self.below is None and self.at_most is None
        worst = found.minimum if is_lower_bound else found.maximum
        if self._holds(worst):
            return "yes, in every round"
        return "in the median" if self._holds(found.median) else "**no**"

    def _holds(self, value: float) -> bool:
        if self.below is not None:
            return value < self.below
        if self.at_most is not None:
            return value <= self.at_most
        return self.at_least is None or value >= self.at_least


NO_GOAL = Goal()


def in_turn(
    calls: Mapping[str, Callable[[], _Result]], n_rounds: int, *, n_warm_up: int = 0
) -> dict[str, list[_Result]]:
    """Make each call once in a round, and all over again: A B A B.

    Parameters
    ----------
    n_warm_up : int, default 0
        Rounds before the others whose results are thrown away.

    Returns
    -------
    dict of str to list
        One result of each call for each round.

    Examples
    --------
    >>> said = []
    >>> in_turn({"a": lambda: said.append("a"), "b": lambda: said.append("b")}, 2)
    {'a': [None, None], 'b': [None, None]}
    >>> said
    ['a', 'b', 'a', 'b']
    """
    rounds = [{name: call() for name, call in calls.items()} for _ in range(n_warm_up + n_rounds)]
    return {name: [each[name] for each in rounds[n_warm_up:]] for name in calls}


def page(
    title: str, command: str, n_rounds: int, packages: Sequence[str], parts: Iterable[str]
) -> str:
    """Join the head of a page, which all benchmarks have alike, and its parts.

    Parameters
    ----------
    title, command : str
        ``command`` repeats the measurement.
    n_rounds : int
    packages : sequence of str
        Distributions whose versions matter.
    parts : iterable of str
        Paragraphs and sections, each with a line feed at its end.
    """
    turns = (
        f"All that is compared ran in turn in one run (A B A B), in {n_rounds} rounds. A ratio is "
        "that of two measurements of the same round; minimum, median and maximum are those over "
        "the rounds. Results are compared first: there is no ratio where they disagree."
    )
    head = [
        f"# {title}",
        textwrap.fill(f"Written by `{command}` on {machine(packages)}", _WIDTH),
        textwrap.fill(turns, _WIDTH),
        textwrap.fill(_DEPENDS, _WIDTH),
    ]
    return "\n".join([*(f"{each}\n" for each in head), *parts])


def machine(packages: Sequence[str]) -> str:
    """Describe date, machine and versions, without names of hosts or paths."""
    n_cores = len(os.sched_getaffinity(0))
    parts = [
        _cpu_model(),
        f"{n_cores} cores",
        f"{_memory_bytes() / 2**30:.1f} GiB of memory",
        # The rest of a release names who built the kernel.
        f"{platform.system()} {platform.release().partition('-')[0]}",
        f"Python {platform.python_version()}",
        *(f"{name} {version(name)}" for name in packages),
        f"Loudly {__version__}",
    ]
    load = os.getloadavg()[0]
    return f"{datetime.now(UTC):%Y-%m-%d}: {', '.join(parts)}; load average {load:.2f} at the end."


def publish(text: str, console: Console, output: Path | None) -> None:
    """Print a page and, with a path, write it there."""
    console.print(Markdown(text))
    if output is not None:
        output.write_text(text, encoding="utf-8")


def quote(
    target: str,
    quoted: Iterable[tuple[str, Spread]],
    packages: Sequence[str],
    readme: Path = README,
) -> None:
    """Write medians and ranges into the README, between the comments with the target's name.

    Parameters
    ----------
    target : str
        Of the Makefile; repeats the measurement.
    quoted : iterable of (str, Spread)
        What is compared, and the ratio.

    Raises
    ------
    ValueError
        When the README has no such comments.
    """
    rows = [
        [label, _short(each.median), f"{_short(each.minimum)} to {_short(each.maximum)}"]
        for label, each in quoted
    ]
    note = textwrap.fill(f"By `make {target}` on {machine(packages)}", _WIDTH)
    block = "\n\n".join([table(["times as fast", "median", "range"], rows), note])
    put_between(readme, target, block)


def put_between(path: Path, name: str, block: str) -> None:
    """Write a block into a page, in the place of what stands between the comments of this name.

    Raises
    ------
    ValueError
        When the page has no such comments.
    """
    begin, end = (f"<!-- {word} {name} -->" for word in ("begin", "end"))
    before, found, rest = path.read_text(encoding="utf-8").partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"{path.name} lacks {begin} or {end}: write both where figures belong")
    path.write_text(f"{before}{begin}\n{block}\n{end}{after}", encoding="utf-8")


def _short(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio < 3 else f"{ratio:.1f}" if ratio < 10 else f"{ratio:,.0f}"


def _cpu_model() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    # Arm's kernels give no model name.
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _memory_bytes() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
