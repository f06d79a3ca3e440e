from __future__ import annotations

import math

import numpy as np
import pytest

from scripts.run_times.delay_table import delay_table, verdict
from scripts.run_times.delays import (
    N_BEFORE,
    N_QUIET,
    OURS,
    Passage,
    delays,
    passed,
    threshold_for,
)
from scripts.run_times.first_passage import first_passage, records_of
from scripts.run_times.streams import SHIFTS, as_numbers, reference_and_table


def test_a_threshold_gives_the_run_time_that_was_asked_for() -> None:
    rng = np.random.default_rng(0)
    # Exponential scores: each row reaches a threshold t with a probability of exp(-t).
    quiet = [records_of(enumerate(rng.exponential(size=N_QUIET).tolist(), 1)) for _ in range(60)]

    threshold, run_time = threshold_for(quiet, 1_000.0)

    assert run_time >= 1_000.0
    assert threshold == pytest.approx(math.log(1_000.0), abs=0.4)


def test_delays_leave_out_alarms_before_the_shift() -> None:
    found = [[(N_BEFORE, 9.0)], [(N_BEFORE + 60, 9.0)], [(N_BEFORE + 20, 1.0)]]

    assert delays(found, 5.0).tolist() == [60.0, math.inf]


@pytest.mark.parametrize("shift", list(SHIFTS))
def test_a_shift_changes_rows_behind_it_alone(shift: str) -> None:
    x_ref, rows = reference_and_table(500, 3, 400, 4_000, shift)

    before, after = rows[:400], rows[400:]
    (_, first), (_, second) = as_numbers(x_ref, before), as_numbers(x_ref, after)
    _, reference = as_numbers(x_ref, x_ref)
    unmoved = abs(first.mean(axis=0) - reference.mean(axis=0)).max()
    moved = abs(np.cov(second.T) - np.cov(reference.T)).max()

    assert np.isfinite(first).all()
    assert np.isfinite(second).all()
    assert unmoved < 0.25
    assert moved > 0.3 or abs(second.mean(axis=0) - reference.mean(axis=0)).max() > 0.12


@pytest.mark.parametrize("name", [*OURS, "MMDDriftOnline"])
def test_a_shift_that_grows_large_is_found_by_the_score_of_each(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scripts.run_times.delays.N_QUIET", 1_000)
    highest = 1.1 * passed(Passage(name, 0))[-1][1]

    found = first_passage(passed(Passage(name, 0, "gradual", highest)), highest)

    assert found is not None
    assert found > N_BEFORE


def test_a_row_says_who_is_first() -> None:
    rng = np.random.default_rng(0)
    early, late = rng.gamma(4.0, 20.0, size=60), rng.gamma(4.0, 60.0, size=60)
    never = np.full(60, math.inf)

    assert verdict({"mixed": early, "ADWIN": late}) == "ours"
    assert verdict({"mixed": late, "ADWIN": early}) == "theirs"
    assert verdict({"mixed": early, "counts_e_detector": never, "ADWIN": early}) == "tied"


def test_a_shift_that_most_never_find_has_no_median() -> None:
    found = {"mean": {"mixed": np.array([100.0]), "ADWIN": np.array([math.inf])}}

    row = delay_table(found, {"mixed": 990.0, "ADWIN": 1_010.0}).splitlines()[2]

    assert "100 (100 to 100)" in row
    assert "over 1,000" in row
