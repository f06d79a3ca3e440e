import math

import pytest

from scripts.bench.detectors.agreement import close, same_rejection_counts


def values(*numbers):
    return [{"x": [number]} for number in numbers]


def counts(n_reaching, n_permutations=1_000):
    return [{"n_reaching": n_reaching, "n_permutations": n_permutations}]


def test_equal_numbers_agree():
    assert close("x", "x")(values(1.0, 2.0), values(1.0, 2.0)) == []


def test_the_largest_difference_is_named():
    (objection,) = close("x", "x", absolute=0.1)(values(1.0, 5.0), values(1.2, 7.0))

    assert objection == "x: 5.0 and 7.0 are 2 apart"


@pytest.mark.parametrize("pair", [(math.nan, 1.0), (1.0, math.nan), (math.nan, math.nan)])
def test_a_nan_never_agrees(pair):
    ours, theirs = pair

    assert close("x", "x", absolute=1.0)(values(ours), values(theirs))


def test_numbers_that_are_missing_do_not_agree():
    assert close("x", "x")(values(1.0, 2.0), values(1.0))
    assert close("x", "x")([], [])


def test_relative_tolerance_grows_with_the_numbers():
    check = close("x", "x", relative=0.1)

    assert check(values(100.0), values(95.0)) == []
    assert check(values(1.0), values(0.8))


def test_counts_of_permutations_may_differ_as_random_counts_do():
    assert same_rejection_counts(counts(500), counts(530)) == []


def test_counts_of_permutations_that_chance_does_not_explain_disagree():
    assert same_rejection_counts(counts(500), counts(620)) == [
        "permutations that reach the statistic: 500 of 1000 and 620 of 1000"
    ]
