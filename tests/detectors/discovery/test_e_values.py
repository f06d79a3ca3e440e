from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.discovery.e_values import ELond, e_benjamini_hochberg
from detectors.errors import InvalidParameterError, InvalidSampleError, InvalidStateError

E_VALUES = st.lists(st.floats(0.0, 1e6), min_size=1, max_size=12)


@given(E_VALUES, st.floats(0.01, 0.5))
def test_discoveries_are_the_most_for_which_each_has_evidence_enough(values, level):
    found = e_benjamini_hochberg(values, level)

    def fits(k):
        return sorted(values, reverse=True)[k - 1] >= len(values) / (level * k)

    most = max((k for k in range(1, len(values) + 1) if fits(k)), default=0)
    assert found.sum() == most
    assert not most or min(np.array(values)[found]) >= max(np.array(values)[~found], default=0.0)


def null_e_values(rng, n):
    """Two-point e-values of mean 1, the least favourable there are: large ones are just enough."""
    sizes = rng.choice([2.0, 20.0, 400.0], n)
    return np.where(rng.random(n) < 1.0 / sizes, sizes, 0.0)


def test_the_share_of_false_discoveries_is_kept_where_e_values_are_copies_of_each_other():
    rng, level, shares = np.random.default_rng(0), 0.1, []
    for _ in range(2_000):
        drawn = null_e_values(rng, 1)[0]
        values = np.concatenate([np.full(30, drawn), np.full(10, 500.0)])
        found = e_benjamini_hochberg(values, level)
        shares.append(found[:30].sum() / max(1, found.sum()))

    assert np.mean(shares) <= level + 3 * np.std(shares) / np.sqrt(len(shares))


@pytest.mark.parametrize("are_copies", [False, True])
def test_online_decisions_keep_the_share_of_false_discoveries(are_copies):
    rng, level, shares = np.random.default_rng(1), 0.2, []
    for _ in range(1_000):
        drawn = null_e_values(rng, 60)
        values = np.repeat(drawn[:1], 60) if are_copies else drawn
        is_null = rng.random(60) < 0.7
        decisions = ELond(level)
        found = np.array([
            decisions.decide(value if null else 5_000.0).is_discovery
            for value, null in zip(values, is_null, strict=True)
        ])  # fmt: skip
        shares.append((found & is_null).sum() / max(1, found.sum()))

    assert np.mean(shares) <= level + 3 * np.std(shares) / np.sqrt(len(shares))


def test_levels_that_ignored_the_number_of_decisions_would_not_keep_it():
    rng, level = np.random.default_rng(2), 0.2
    values = null_e_values(rng, 60_000).reshape(1_000, 60)

    any_false = (values >= 1.0 / level).any(axis=1).mean()
    decided = 0
    for row in values:
        decisions = ELond(level)
        decided += any([decisions.decide(value).is_discovery for value in row])

    assert decided / len(values) <= level < any_false


def test_each_discovery_gives_those_that_follow_more_of_the_budget():
    quiet, found = ELond(0.1), ELond(0.1)

    quiet.decide(0.0)
    found.decide(1e9)

    assert found.next_level() == 2 * quiet.next_level()
    assert found.n_discoveries == 1
    assert quiet.n_decided == 1


def test_the_shares_of_the_budget_add_up_to_all_of_it_and_no_more():
    decisions, spent = ELond(0.5), 0.0
    for _ in range(20_000):
        spent += decisions.decide(0.0).level

    assert 0.495 < spent < 0.5


def test_restored_decisions_go_on_as_before():
    decisions = ELond(0.1)
    for value in (0.0, 900.0, 3.0):
        decisions.decide(value)

    restored = ELond.from_arrays(decisions.to_arrays())

    assert restored.decide(40.0) == decisions.decide(40.0)
    assert restored.n_decided == decisions.n_decided


@pytest.mark.parametrize(
    "arrays",
    [
        {},
        {"level": np.array([0.1]), "counts": np.array([1, 2])},
        {"level": np.array([2.0]), "counts": np.array([2, 1])},
        {"level": np.array([0.1]), "counts": np.array([2])},
    ],
)
def test_state_that_is_not_one_of_decisions_is_refused(arrays):
    with pytest.raises(InvalidStateError):
        ELond.from_arrays(arrays)


def test_what_is_not_an_e_value_is_refused_and_not_decided():
    decisions = ELond(0.1)

    for value in (-1.0, np.nan):
        with pytest.raises(InvalidParameterError, match="e-value"):
            decisions.decide(value)
        with pytest.raises(InvalidSampleError, match="e-values"):
            e_benjamini_hochberg([1.0, value], 0.1)

    assert decisions.n_decided == 0


def test_a_level_outside_its_range_is_refused():
    with pytest.raises(InvalidParameterError):
        ELond(1.0)
    with pytest.raises(InvalidParameterError):
        e_benjamini_hochberg([1.0], 0.0)
