"""An alert names the segments to which a move is confined, and no others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from detectors import ColumnShifts
from flink_jobs.config.columns import slots_of
from flink_jobs.config.views import views_of
from flink_jobs.core.incidents.segments import Segments, Side, confined_moves
from flink_jobs.records.alerts import SegmentMove
from tests.builders import make_config, make_pane
from tests.core.watched import Watched, commanded

REGIONS = ["EU", "US", "ASIA"]
N = 1_000
FIRST = {"n_events": 400}
TRAILING = {"kind": "trailing", "size_ms": 3_000, "step_ms": 1_000, "min_events": 40}


def found(
    shift: dict[str, float],
    *,
    shares: tuple[float, ...] = (0.4, 0.4, 0.2),
    n: int = N,
    n_columns: int = 3,
    seed: int = 0,
) -> list[SegmentMove]:
    """Move the first column of a window by as much as each region says."""
    rng = np.random.default_rng(seed)
    (view,) = views_of(
        make_config(
            input={"n_features": 0},
            columns={"features": {f"c{i}": "number" for i in range(n_columns)}},
            detector={"test": {"kind": "ks"}},
        )
    )
    sides = []
    for is_window in (False, True):
        codes = rng.choice(len(shares), size=(n, 1), p=shares).astype(np.float64)
        x = rng.normal(size=(n, n_columns))
        if is_window:
            moved = np.array([shift.get(region, 0.0) for region in REGIONS])
            x[:, 0] += moved[codes[:, 0].astype(int)]
        sides.append(Side(x, codes))
    reference, window = sides
    moves = ColumnShifts().fit(reference.x).compare(window.x)
    return confined_moves(
        reference, window, moves, slots_of(view.columns), Segments(["region"], [REGIONS])
    )


def test_a_move_in_one_region_names_that_region_and_the_column() -> None:
    (move,) = found({"EU": 1.5})

    assert (move.segment, move.category, move.column) == ("region", "EU", "c0")
    assert move.statistic > 0.4 > 0.1 > move.elsewhere


def test_a_move_everywhere_is_confined_to_no_region() -> None:
    assert found(dict.fromkeys(REGIONS, 1.5)) == []


def test_a_move_in_all_regions_but_one_is_confined_to_none_of_them() -> None:
    assert found({"EU": 1.5, "US": 1.5}) == []


def test_a_region_in_which_nearly_all_events_lie_cannot_be_told_from_the_rest() -> None:
    # 30 events elsewhere would not have shown it.
    assert found({"EU": 0.4}, shares=(0.97, 0.02, 0.01)) == []


def test_a_region_of_few_events_is_passed_over() -> None:
    assert found({"ASIA": 9.0}, shares=(0.5, 0.49, 0.01)) == []


@settings(max_examples=60)
@given(st.integers(0, 10_000))
def test_where_nothing_moved_no_region_is_named(seed: int) -> None:
    assert found({}, seed=seed) == []


@pytest.mark.statistics
def test_a_move_of_all_regions_alike_is_seldom_called_confined() -> None:
    named = sum(bool(found(dict.fromkeys(REGIONS, 0.4), seed=seed)) for seed in range(300))

    assert stats.binomtest(named, 300).proportion_ci(0.99).low < 0.05


@settings(max_examples=20)
@given(st.sampled_from(REGIONS), st.integers(0, 10_000), st.floats(1.0, 5.0))
def test_what_is_named_is_what_scipy_finds_inside_and_not_outside(
    region: str, seed: int, by: float
) -> None:
    named = found({region: by}, seed=seed)

    rng = np.random.default_rng(seed)
    drawn: list[Any] = []
    for _ in range(2):
        codes = rng.choice(3, size=(N, 1), p=(0.4, 0.4, 0.2))[:, 0]
        drawn.append((codes, rng.normal(size=(N, 3))[:, 0]))
    (ref_codes, ref), (test_codes, test) = drawn
    test = test + by * (test_codes == REGIONS.index(region))
    inside = [
        x[codes == REGIONS.index(region)] for codes, x in ((ref_codes, ref), (test_codes, test))
    ]
    outside = [
        x[codes != REGIONS.index(region)] for codes, x in ((ref_codes, ref), (test_codes, test))
    ]
    if stats.ks_2samp(*outside).pvalue > 0.01:
        (move,) = named
        assert move.category == region
        assert move.statistic == pytest.approx(stats.ks_2samp(*inside).statistic)
        assert move.elsewhere == pytest.approx(stats.ks_2samp(*outside).statistic)
    else:
        assert named == []


@pytest.mark.parametrize(
    ("sequential", "reference"),
    [(None, FIRST), (None, TRAILING), ("counts_e_detector", FIRST)],
)
def test_an_alert_of_the_job_names_the_segment_whatever_its_detector_and_reference(
    sequential: str | None, reference: dict[str, Any]
) -> None:
    own = {"name": "whole", "sequential": {"kind": sequential, "run_time_events": 10_000}}
    watched = Watched(
        commanded(
            input={"n_features": 0},
            columns={"features": {"a": "number", "b": "number"}, "segments": ["region"]},
            detector={"reducer": None, "test": None},
            detectors=[own] if sequential else [],
            reference=reference,
            policy={"windows_to_start": 1},
        )
    )
    rng = np.random.default_rng(0)
    for index in range(8):
        codes = np.arange(200) % 2
        x = np.column_stack([rng.normal(size=(200, 2)), codes])
        x[:, 0] += 4.0 * ((index >= 6) & (codes == 1))
        pane = make_pane(index, x, first_offset=1_000 * index, model=watched.model)
        # Each pane has codes of its own, as they are in the order of appearance.
        texts = ["US", "EU"]
        watched.pane(replace(pane, events=pane.events.with_x(x, {2: texts})))

    wanted = "whole" if sequential else "main"
    alerts = [each for each in watched.alerts if each.detector == wanted]

    (move,) = alerts[0].segments
    assert (move.segment, move.category, move.column) == ("region", "EU", "a")


def test_a_training_set_need_not_hold_the_segments() -> None:
    columns = {"features": {"a": "number"}, "segments": ["region"]}
    trained = {"kind": "artefact", "path": "x.npz", "sha256": "0" * 64}

    (streamed,), (from_file,) = (
        views_of(make_config(input={"n_features": 0}, columns=columns, **more))
        for more in ({}, {"reference": trained})
    )

    assert [column.name for column in streamed.carried] == ["region"]
    assert from_file.carried == ()
