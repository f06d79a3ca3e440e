"""False-alarm rates as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from scipy.stats import binomtest

from flink_jobs.version import __version__
from scripts.shared.markdown import table
from scripts.type_one.combinations import HARD_AND_SOFT, N_PERMUTATIONS, Combination
from scripts.type_one.measure import Plan, Rate

CONFIDENCE = 0.99

INTRODUCTION = """\
# False alarms

Written by `make type-one`: Loudly {version}. Two samples of equal size are drawn from the same
held-out images of MNIST, again and again, and a test at level {level:g} alarms or does not.
Reducers learn from the other images. Each rate comes from {repeats} pairs ({slow} where pixels are
not reduced); permutation tests draw {permutations} labellings.

A rate is **high** where its 99 % Clopper–Pearson interval lies above the level, and *low* where it
lies below. Low rates cost power, not trust. With {n_rates} rates, about {expected:.1f} would be
high by chance alone if every one were exactly at the level. All combinations of one size see the
same pairs of images, so the rates of a column rise and fall together.
"""

REASONS = """\
## Why some are low

* `ks`: Bonferroni's correction takes the dimensions for unrelated. Pixels are not: neighbours move
  together, and many are 0 in nearly all images. The exact p-values of small samples also come in
  steps, and with ties they are upper bounds.
* `chi_square`, `mixed`: exact p-values of small tables come in steps, and Bonferroni's correction
  as above.
* `binomial`: the number of rows recognised comes in steps; at 10 rows the largest step not above
  0.05 is 0.011.
* Permutation tests have ties where rows repeat, as predicted classes do, and count them against
  the alarm.
"""


def report(plan: Plan, rates: Sequence[Rate]) -> str:
    """The whole report."""
    slow = max(
        (rate.n_repeats for rate in rates if rate.combination.reduction == "none"), default=0
    )
    high = [rate for rate in rates if _side(rate, plan.level) > 0]
    low = [rate for rate in rates if _side(rate, plan.level) < 0]
    head = INTRODUCTION.format(
        version=__version__,
        level=plan.level,
        repeats=plan.n_repeats,
        slow=slow,
        permutations=N_PERMUTATIONS,
        n_rates=len(rates),
        expected=len(rates) * (1.0 - CONFIDENCE) / 2.0,
    )
    verdict = (
        f"**{len(rates) - len(high)} of {len(rates)} rates are at or below the level within their "
        f"interval; {len(low)} of them are low, {len(high)} are high.**"
    )
    named = [
        f"* high: `{rate.combination.test}` on {rate.combination.reduction} at {rate.size} rows, "
        f"{rate.n_alarms} of {rate.n_repeats}"
        for rate in high
    ]
    return "\n".join([head, verdict, *named, "", *_table(plan, rates), "", REASONS])


def _table(plan: Plan, rates: Sequence[Rate]) -> list[str]:
    by_place = {(rate.combination, rate.size): rate for rate in rates}
    rows: dict[Combination, None] = dict.fromkeys(
        sorted((rate.combination for rate in rates), key=lambda each: (each.test, each.reduction))
    )
    cells = [
        [
            f"`{combination.test}`",
            combination.reduction,
            *(_cell(by_place[combination, size], plan.level) for size in plan.sizes),
        ]
        for combination in rows
    ]
    header = ["test", "reduction", *map(str, plan.sizes)]
    lines = [table(header, cells, n_left=2)]
    if any(each.reduction == HARD_AND_SOFT for each in rows):
        lines += ["", f"{HARD_AND_SOFT}: the predicted class next to the ten softmax outputs."]
    return lines


def _cell(rate: Rate, level: float) -> str:
    text = f"{rate.n_alarms / rate.n_repeats:.3f}".removeprefix("0")
    return {0: text, 1: f"**{text}**", -1: f"*{text}*"}[_side(rate, level)]


def _side(rate: Rate, level: float) -> int:
    """1 where the rate is clearly above the level, -1 where clearly below, else 0."""
    interval = binomtest(rate.n_alarms, rate.n_repeats).proportion_ci(CONFIDENCE)
    return int(interval.low > level) - int(interval.high < level)
