from __future__ import annotations

import re

import pytest

from detectors import TWO_SAMPLE_TESTS
from scripts.replicate.methods import REDUCTIONS
from scripts.type_one.combinations import TESTS, Combination, combinations
from scripts.type_one.measure import Plan, Rate
from scripts.type_one.table import report

PLAN = Plan(sizes=(10, 100), n_repeats=200)


def rates(n_alarms: int) -> list[Rate]:
    return [
        Rate(combination, size, n_alarms, 200)
        for combination in combinations()
        for size in PLAN.sizes
    ]


def with_one(n_alarms: int, n_alarms_of_others: int = 10) -> list[Rate]:
    first, *others = rates(n_alarms_of_others)
    return [Rate(first.combination, first.size, n_alarms, 200), *others]


def test_every_test_of_the_library_is_measured():
    assert set(TESTS) == set(TWO_SAMPLE_TESTS)
    assert {each.test for each in combinations()} == set(TWO_SAMPLE_TESTS)


def test_every_reduction_is_measured_with_every_test_that_takes_numbers():
    taken = {each.reduction for each in combinations() if each.test == "ks"}

    assert taken == set(REDUCTIONS)
    assert Combination("chi_square", "bbsdh") in combinations()


def test_rates_at_the_level_are_neither_high_nor_low():
    text = report(PLAN, rates(n_alarms=10))

    assert "0 of them are low, 0 are high" in text
    assert "| `ks` | pca | .050 | .050 |" in text


@pytest.mark.parametrize(("n_alarms", "cell"), [(30, r"\*\*\.150\*\*"), (0, r"\*\.000\*")])
def test_a_rate_outside_its_interval_is_marked(n_alarms, cell):
    text = report(PLAN, with_one(n_alarms))

    assert re.search(rf"\| {cell} \|", text)


def test_a_high_rate_is_named_with_its_count():
    combination = combinations()[0]

    text = report(PLAN, with_one(30))

    assert f"* high: `{combination.test}` on {combination.reduction} at 10 rows, 30 of 200" in text
