from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.calibration import null_streams
from detectors.calibration.null_streams import IncidentRule, NullStreams
from flink_jobs.config.tables.policy import PolicyTable
from flink_jobs.core.incidents import lifecycle
from flink_jobs.core.state.incident import Incident


def counted_by_the_lifecycle(is_drift: list[bool], rule: IncidentRule) -> tuple[int, int]:
    """Incidents, and the windows after which one was open, as a job counts them."""
    policy = PolicyTable(
        windows_to_start=rule.to_start,
        start_within_windows=rule.within,
        windows_to_recover=rule.to_recover,
        flapping_after=0,
    )
    incident, n_starts, n_open = Incident(), 0, 0
    for place, drifts in enumerate(is_drift):
        outcome = lifecycle.Outcome(place, place + 1, drifts, 0.5, 0.0)
        before = incident.incident_id
        lifecycle.advance(incident, outcome, policy=policy, new_incident_id=str(place))
        n_starts += bool(incident.incident_id) and incident.incident_id != before
        n_open += bool(incident.incident_id)
    return n_starts, n_open


def counted_here(is_drift: list[bool], rule: IncidentRule) -> tuple[int, int]:
    places = np.flatnonzero(is_drift)
    starts, inside = null_streams._incidents(np.zeros(places.size, dtype=np.int64), places, rule)
    return int(starts[0]), int(inside[0])


@given(
    st.lists(st.booleans(), max_size=60),
    st.integers(1, 4).map(lambda k: IncidentRule(k, k, 3)) | st.just(IncidentRule(1, 1, 1)),
)
@settings(deadline=None)
def test_drifting_windows_in_a_row_make_the_incidents_of_a_job(is_drift, rule):
    stream = [*is_drift, False, False, False]

    assert counted_here(stream, rule) == counted_by_the_lifecycle(stream, rule)


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 3), st.integers(0, 4))
@settings(deadline=None)
def test_k_of_n_windows_never_make_fewer_incidents_than_in_a_job(is_drift, k, more):
    rule, stream = IncidentRule(k, k + more, 3), [*is_drift, False, False, False]

    assert counted_here(stream, rule)[0] >= counted_by_the_lifecycle(stream, rule)[0]


def test_each_reference_has_incidents_of_its_own():
    whose, places = np.array([0, 0, 0, 7, 7]), np.array([1, 2, 9, 3, 4])

    starts, inside = null_streams._incidents(whose, places, IncidentRule(2, 2, 3))

    assert {b: int(n) for b, n in enumerate(starts) if n} == {0: 1, 7: 1}
    assert inside[7] == 3


def test_windows_that_nothing_shares_drift_as_often_as_their_level_says():
    # A reference of 256 windows hardly moves anything: the mean over references has an error of
    # 0.02 of 100, and the grid of points one of some percent.
    streams = NullStreams(2.0**-8, overlap=1, n_dimensions=1, rule=IncidentRule(1, 1, 1))

    run_times = streams.run_times(20_000, np.array([0.05, 0.01]))

    assert np.median(run_times, axis=0) == pytest.approx([1 / 0.05 - 0.5, 1 / 0.01], rel=0.12)


def test_the_same_seed_simulates_the_same_stream():
    first, second = (
        NullStreams(0.25, 3, 2, IncidentRule(2, 2, 3)).run_times(2_000, np.array([0.1]))
        for _ in range(2)
    )

    assert np.array_equal(first, second)


def test_passing_over_near_windows_changes_no_count(monkeypatch):
    levels, streams = np.array([0.05, 0.01]), NullStreams(1.0, 4, 2, IncidentRule(1, 1, 3))
    quick = streams.run_times(2_000, levels)
    monkeypatch.setattr(streams, "_far_windows", _all_windows(streams))

    assert np.array_equal(streams.run_times(2_000, levels), quick)


def _all_windows(streams: NullStreams):
    def every_window(n_windows: int, threshold: float):
        ((_, windows),) = streams._windows(n_windows)
        distances = [
            np.abs(own.T[:, np.newaxis] - refs[np.newaxis]).max(axis=2)
            for own, refs in zip(windows, streams._references, strict=True)
        ]
        return np.arange(n_windows), np.maximum.reduce(distances)

    return every_window
