"""A grid of configurations: every combination of one option of each axis."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from math import prod
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.overrides import changed, check_overrides
from flink_jobs.config.tables.base import ConfigError, Problem, Table
from flink_jobs.config.toml_files import read_table

MOST_COMBINATIONS = 1_000
_SEPARATOR = "/"

# Labels are joined by the separator, and stand in tables and on axes.
_Label = Annotated[str, Meta(min_length=1, max_length=60, pattern=rf"^[^{_SEPARATOR}\n]+$")]


class Option(Table, frozen=True, kw_only=True):
    """One value of an axis: a change to the configuration, as in ``[[overrides]]``.

    Without a change the configuration stays as it is.
    """

    label: _Label
    change: dict[str, Any] = msgspec.field(default_factory=dict)


class Axis(Table, frozen=True, kw_only=True):
    """One thing that is varied, such as the test or the window."""

    name: _Label
    options: Annotated[list[Option], Meta(min_length=1)]


class Grid(Table, frozen=True, kw_only=True):
    """The axes of a comparison."""

    axis: Annotated[list[Axis], Meta(min_length=1)]


class Combination(NamedTuple):
    """One configuration to try; ``label`` joins those of its options."""

    label: str
    config: DriftJobConfig


class Refused(Table, frozen=True):
    """A combination that no job could run, and why."""

    label: str
    reason: str


def read_grid(path: Path) -> Grid:
    """Read the ``[[axis]]`` tables of a TOML file.

    Raises
    ------
    ConfigError
        With one problem for each thing wrong.
    """
    grid = read_table(path, Grid)
    if problems := list(_check(grid)):
        located = [msgspec.structs.replace(each, key=f"{path}: {each.key}") for each in problems]
        raise ConfigError(located)
    return grid


def combinations(config: DriftJobConfig, grid: Grid) -> Iterator[Combination | Refused]:
    """Every combination of the options, the last axis varying fastest.

    The overrides of the configuration hold in each of them.
    """
    for options in product(*(axis.options for axis in grid.axis)):
        label = _SEPARATOR.join(option.label for option in options)
        change: dict[str, Any] = {}
        try:
            for option in options:
                change = _joined(change, option.change)
            yield Combination(label, _applied(config, change))
        except ConfigError as error:
            yield Refused(label, "; ".join(map(str, error.problems)))


def _applied(config: DriftJobConfig, change: dict[str, Any]) -> DriftJobConfig:
    combined = msgspec.structs.replace(changed(config, change), overrides=config.overrides)
    if problems := check_overrides(combined):
        raise ConfigError(problems)
    return combined


def _joined(first: Mapping[str, Any], second: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """Both changes at once; no key may be changed by two axes."""
    joined = dict(first)
    for name, value in second.items():
        key = f"{path}{name}"
        before = joined.get(name)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            joined[name] = _joined(before, value, f"{key}.")
        elif name in joined and before != value:
            raise ConfigError([Problem(key, "two axes change it", "one axis for each key")])
        else:
            joined[name] = value
    return joined


def _check(grid: Grid) -> Iterator[Problem]:
    n = prod(len(axis.options) for axis in grid.axis)
    if n > MOST_COMBINATIONS:
        allowed = f"up to {MOST_COMBINATIONS:,}"
        yield Problem("axis", f"they make {n:,} combinations", allowed)
    yield from _check_different("axis", [axis.name for axis in grid.axis], "name")
    for place, axis in enumerate(grid.axis):
        labels = [option.label for option in axis.options]
        yield from _check_different(f"axis[{place}].options", labels, "label")


def _check_different(key: str, names: list[str], what: str) -> Iterator[Problem]:
    for place, name in enumerate(names):
        if name in names[:place]:
            yield Problem(f"{key}[{place}].{what}", f"{name!r} is taken", "another one")
