"""Claims of the paper, each confirmed or not by the numbers."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from scripts.replicate.paper import INTENSITIES, NOISE, SAMPLE_SIZES, TABLE_1A
from scripts.replicate.rates import (
    Decisions,
    Rate,
    Where,
    of_datasets,
    of_share,
    of_shifts,
    short,
    without_noise,
)
from scripts.replicate.scenarios import SHIFTS
from scripts.replicate.tables import name

SMALL = 100
"""The largest sample that is called small here; beyond it raw pixels are known to catch up."""

LEVEL = 0.05

PAPER_SHARES = {0.1, 0.5, 1.0}


class Verdict(NamedTuple):
    """One claim, whether our numbers bear it out, and the numbers."""

    claim: str
    reached: bool
    numbers: str

    def __str__(self) -> str:
        return f"* **{'Reached' if self.reached else 'Not reached'}**: {self.claim} {self.numbers}"


def verdicts(decisions: Decisions) -> list[Verdict]:
    """All verdicts that the measured methods allow."""
    return [
        *_univariate_leader(decisions),
        *_multivariate_leader(decisions),
        *_grows_with_intensity(decisions),
        *_grows_with_share(decisions),
        *_grows_with_samples(decisions),
        *_knock_out_hardest(decisions),
        *_controls(decisions),
        *_close_to_paper(decisions),
    ]


def pooled(decisions: Decisions, method: str, where: Where, up_to: int | None = None) -> Rate:
    """The rate over all sample sizes, or those up to ``up_to``."""
    rates = [
        decisions.power(method, size, where)
        for size in decisions.sample_sizes
        if up_to is None or size <= up_to
    ]
    return Rate(sum(rate.n_detected for rate in rates), sum(rate.n for rate in rates))


def _univariate_leader(decisions: Decisions) -> Iterator[Verdict]:
    yield from _leader(
        decisions,
        "BBSDs is the best reduction for the univariate test with at most "
        f"{SMALL} rows (noise left out).",
        "ks-bbsds",
        "ks-",
    )


def _multivariate_leader(decisions: Decisions) -> Iterator[Verdict]:
    yield from _leader(
        decisions,
        "The untrained autoencoder is the best reduction for MMD with at most "
        f"{SMALL} rows (noise left out).",
        "mmd-uae",
        "mmd-",
    )


def _leader(decisions: Decisions, claim: str, leader: str, prefix: str) -> Iterator[Verdict]:
    rivals = {
        method: pooled(decisions, method, without_noise, SMALL)
        for method in decisions.methods
        if method.startswith(prefix)
    }
    if leader not in rivals or len(rivals) < 2:
        return
    ranked = sorted(rivals, key=lambda method: -rivals[method].value)
    numbers = ", ".join(f"{name(method)} {short(rivals[method].value)}" for method in ranked)
    yield Verdict(claim, rivals[leader] == rivals[ranked[0]], f"{numbers}.")


def _grows_with_intensity(decisions: Decisions) -> Iterator[Verdict]:
    for method in _leaders(decisions):
        rates = {
            intensity: pooled(decisions, method, of_shifts(*shifts))
            for intensity, shifts in INTENSITIES.items()
        }
        yield _rising(f"{name(method)} finds more of the more intense shifts.", rates)


def _grows_with_share(decisions: Decisions) -> Iterator[Verdict]:
    for method in _leaders(decisions):
        rates = {
            f"share {share:.1f}": pooled(decisions, method, of_share(share))
            for share in sorted(decisions.shares)
        }
        if len(rates) > 1:
            yield _rising(f"{name(method)} finds more where more rows are shifted.", rates)


def _grows_with_samples(decisions: Decisions) -> Iterator[Verdict]:
    """Datasets end at other sizes: only those measured at the largest one are compared."""
    for method in _leaders(decisions):
        largest = decisions.of(method, decisions.sample_sizes[-1])
        datasets = {record.dataset for record in largest}
        rates = {
            f"{size:,} rows": decisions.power(method, size, of_datasets(*datasets))
            for size in decisions.sample_sizes
        }
        where = " and ".join(sorted(datasets))
        yield _rising(f"{name(method)} finds more with more rows ({where}).", rates)


def _rising(claim: str, rates: dict[str, Rate]) -> Verdict:
    values = [rate.value for rate in rates.values()]
    numbers = ", ".join(f"{group} {short(rate.value)}" for group, rate in rates.items())
    return Verdict(claim, all(a <= b for a, b in pairwise(values)), numbers + ".")


def _knock_out_hardest(decisions: Decisions) -> Iterator[Verdict]:
    for method in _leaders(decisions):
        rates = {
            shift: pooled(decisions, method, of_shifts(shift))
            for shift in SHIFTS
            if shift not in NOISE
        }
        ranked = sorted(rates, key=lambda shift: rates[shift].value)
        numbers = ", ".join(f"{shift} {short(rates[shift].value)}" for shift in ranked)
        claim = f"For {name(method)} the knock-out is the hardest shift (noise left out)."
        yield Verdict(claim, ranked[0] == "ko", f"{numbers}.")


def _controls(decisions: Decisions) -> Iterator[Verdict]:
    """The largest rate over all sample sizes, and whether its interval lies above the level."""
    rates = {method: decisions.false_alarms(method) for method in decisions.methods}
    above = [name(method) for method, rate in rates.items() if rate.interval[0] > LEVEL]
    worst = max(rates, key=lambda method: rates[method].value)
    numbers = f"The most false alarms: {name(worst)}, {rates[worst]}."
    if above:
        numbers += f" Above the level: {', '.join(above)}."
    claim = f"No method finds clearly more than {LEVEL * 100:.0f} % shifts where there are none."
    yield Verdict(claim, not above, numbers)


def _close_to_paper(decisions: Decisions) -> Iterator[Verdict]:
    """Cells whose interval holds the paper's rate, over all methods.

    The paper's rates are means over three shares: a form with others says nothing about them.
    """
    if decisions.shares != PAPER_SHARES:
        return
    cells = [
        (decisions.power(method, size), paper)
        for method in decisions.methods
        for size, paper in zip(SAMPLE_SIZES, TABLE_1A[method], strict=True)
        if size in decisions.sample_sizes
    ]
    within = sum(rate.interval[0] <= paper <= rate.interval[1] for rate, paper in cells)
    gaps = sorted(rate.value - paper for rate, paper in cells)
    yield Verdict(
        "The rates are those of the paper's Table 1a, within our intervals, in most cells.",
        within > len(cells) / 2,
        f"{within} of {len(cells)} cells; ours minus the paper's lies between {gaps[0]:+.2f} and "
        f"{gaps[-1]:+.2f}, median {gaps[len(gaps) // 2]:+.2f}.",
    )


def _leaders(decisions: Decisions) -> list[str]:
    return [method for method in ("ks-bbsds", "mmd-uae") if method in decisions.methods]
