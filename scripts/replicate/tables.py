"""The report's tables, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from scripts.replicate.methods import METHODS
from scripts.replicate.paper import INTENSITIES, SAMPLE_SIZES, TABLE_1A, TABLE_1B, TABLE_2
from scripts.replicate.rates import (
    Decisions,
    Where,
    everything,
    of_datasets,
    of_share,
    of_shifts,
    percent,
    short,
)
from scripts.replicate.results import NaturalResults
from scripts.replicate.scenarios import SHIFTS
from scripts.shared.markdown import table

LEADERS = ("ks-bbsds", "mmd-uae")
"""The methods of the paper's Tables 1b and 2."""


def name(method: str) -> str:
    """As in the paper: the test, then the reduction."""
    return f"{METHODS[method].test} {METHODS[method].reduction}"


def table_1a(decisions: Decisions, where: Where = everything, *, paper: bool = True) -> str:
    """Detection rates of every method, with the paper's between ours if ``paper``."""
    rows = []
    for method in decisions.methods:
        ours = [str(decisions.power(method, size, where)) for size in decisions.sample_sizes]
        rows.append([f"**{name(method)}**", *ours])
        if paper:
            rows.append(["paper", *_paper_cells(TABLE_1A[method], decisions.sample_sizes)])
    return _by_size("method", decisions.sample_sizes, rows)


def table_1b(decisions: Decisions, method: str) -> str:
    """Detection rates of one method for every shift, with the paper's between ours."""
    groups = {shift: of_shifts(shift) for shift in SHIFTS}
    return _beside_paper(decisions, method, groups, TABLE_1B[method])


def table_2(decisions: Decisions, method: str) -> str:
    """Detection rates of one method by intensity and by share, with the paper's between ours."""
    groups = {intensity: of_shifts(*shifts) for intensity, shifts in INTENSITIES.items()}
    shares = sorted(decisions.shares)
    groups |= {f"share {share:.1f}": of_share(share) for share in shares}
    return _beside_paper(decisions, method, groups, TABLE_2[method])


def false_alarms(decisions: Decisions) -> str:
    """Write how often every method found a shift where nothing was shifted."""
    rows = [
        [
            name(method),
            *(str(decisions.false_alarms(method, size)) for size in decisions.sample_sizes),
            str(decisions.false_alarms(method)),
        ]
        for method in decisions.methods
    ]
    return table(["method", *_sizes(decisions.sample_sizes), "all"], rows)


def decisions_per_cell(decisions: Decisions) -> str:
    """Write how many decisions stand behind a rate of Table 1a, by sample size."""
    method = decisions.methods[0]
    counts = [
        [
            dataset,
            *(
                str(decisions.power(method, size, of_datasets(dataset)).n)
                for size in decisions.sample_sizes
            ),
        ]
        for dataset in decisions.datasets
    ]
    return _by_size("dataset", decisions.sample_sizes, counts)


def natural(results: NaturalResults) -> str:
    """Median p-values, and the share below 0.05, by comparison, method and sample size."""
    p_values: dict[tuple[str, str], dict[int, list[float]]] = {}
    for each in results.records:
        by_size = p_values.setdefault((each.comparison, each.method), {})
        by_size.setdefault(each.sample_size, []).append(each.p_value)
    sizes = sorted({each.sample_size for each in results.records})
    rows = [
        [comparison, name(method), *(_p_cell(by_size[size]) for size in sizes)]
        for (comparison, method), by_size in p_values.items()
    ]
    return table(["comparison", "method", *_sizes(sizes)], rows)


def accuracies(results: NaturalResults) -> str:
    """Write what the label classifier gets right before and after."""
    rows = [
        [each.comparison, percent(each.reference), percent(each.test)]
        for each in results.accuracies
    ]
    return table(["comparison", "accuracy on the reference", "on the test images"], rows)


def _beside_paper(
    decisions: Decisions,
    method: str,
    groups: dict[str, Where],
    paper: Mapping[str, tuple[float, ...]],
) -> str:
    rows = []
    for group, where in groups.items():
        ours = [str(decisions.power(method, size, where)) for size in decisions.sample_sizes]
        rows.append([f"**{group}**", *ours])
        rows.append(["paper", *_paper_cells(paper[group], decisions.sample_sizes)])
    return _by_size("", decisions.sample_sizes, rows)


def _paper_cells(row: tuple[float, ...], sample_sizes: Sequence[int]) -> list[str]:
    by_size = dict(zip(SAMPLE_SIZES, row, strict=True))
    return [short(by_size[size]) for size in sample_sizes]


def _by_size(first: str, sample_sizes: Sequence[int], rows: Iterable[Sequence[str]]) -> str:
    return table([first, *_sizes(sample_sizes)], rows)


def _sizes(sample_sizes: Sequence[int]) -> list[str]:
    return [f"{size:,}" for size in sample_sizes]


def _p_cell(p_values: list[float]) -> str:
    rejected = sum(p_value <= 0.05 for p_value in p_values)
    return f"{median(p_values):.2g} ({rejected}/{len(p_values)})"
