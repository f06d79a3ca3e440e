"""What people can expect of storms, one rule after the other, and what holds for all of them."""

from __future__ import annotations

import copy
import random
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.core.many_models.decisions import Decisions
from flink_jobs.core.many_models.stage import ManyModels, lag_ms, longest_delay_ms
from flink_jobs.core.state.model_state import InMemoryEntries, LiveEntries
from flink_jobs.records.alerts import (
    Alert,
    AlertKind,
    Cause,
    ColumnShift,
    Severity,
    ThresholdSummary,
)
from tests.builders import make_config
from tests.core.many_models.raised import LAG_MS, later, raised, storm_config
from tests.core.many_models.storm_oracle import storms_of

ONGOING, RECOVERED, STARTED = AlertKind.ONGOING, AlertKind.RECOVERED, AlertKind.STARTED
CONFIG = storm_config(models=3, within_ms=10_000)
THREE = [raised("a", 0), raised("b", 3_000), raised("c", 10_000)]


def decide(alerts: Sequence[Alert], config: DriftJobConfig = CONFIG) -> Decisions:
    """All that becomes of alerts that are handed over at once."""
    stage = ManyModels(config, LiveEntries())
    for alert in alerts:
        stage.take(alert)
    return stage.end()


def about_storms(decisions: Decisions) -> list[Alert]:
    return [alert for alert in decisions.alerts if alert.cause is Cause.STORM]


def told(decisions: Decisions) -> list[tuple[str, int]]:
    """Kind of each alert about a storm, and how many models it counts."""
    return [(a.kind.value, a.storm.n_models) for a in about_storms(decisions) if a.storm]


def test_one_alert_says_how_many_which_since_when_and_what_they_share() -> None:
    decisions = decide(THREE)

    (alert,) = decisions.alerts
    assert (alert.kind, alert.cause, alert.model) == (STARTED, Cause.STORM, "*")
    assert alert.storm is not None
    assert (alert.storm.n_models, alert.storm.models) == (3, ["a", "b", "c"])
    assert [(c.name, c.n_models) for c in alert.storm.columns] == [("x", 3)]
    assert [(v.name, v.n_models) for v in alert.storm.views] == [("main", 3)]
    assert (alert.storm.first_ms, alert.storm.last_ms) == (0, 10_000)
    assert alert.window.closed_ms == 10_000
    assert alert.n_suppressed == decisions.counts.in_storms == 3


def test_the_segments_that_moves_are_confined_to_are_counted_by_models() -> None:
    confined: tuple[list[str], ...] = (["EU"], ["EU", "US"], [])
    starts = [raised(model, 0, segments=each) for model, each in zip("abc", confined, strict=True)]

    (alert,) = decide(starts).alerts

    assert alert.storm is not None
    assert [(each.name, each.n_models) for each in alert.storm.segments] == [
        ("region: EU", 2), ("region: US", 1),
    ]  # fmt: skip


def test_a_column_with_evidence_enough_for_an_alarm_has_moved_whatever_the_sample_says() -> None:
    def by_evidence(model: str, evidence: float) -> Alert:
        """Of a stream of which the newest events alone show nothing."""
        column = ColumnShift(
            column="x", type="number", statistic=0.1, p_value=0.2, evidence=evidence
        )
        alert = msgspec.structs.replace(raised(model, 0, []), top_columns=[column])
        threshold = ThresholdSummary(p_value=None, statistic=1_000.0)
        return msgspec.structs.replace(alert, threshold=threshold)

    enough = decide([by_evidence(model, 1_000.0) for model in "abc"])
    too_little = [by_evidence(model, 999.0) for model in "abc"]

    assert told(enough) == [("started", 3)]
    assert decide(too_little).alerts == too_little


def test_fewer_models_or_a_longer_time_are_no_storm_and_pass_as_they_came() -> None:
    two = [*THREE[:2], raised("b", 4_000, view="other")]
    slow = [*THREE[:2], raised("c", 10_001)]

    assert decide(two).alerts == two
    assert decide(slow).alerts == slow


@pytest.mark.parametrize(
    "other",
    [
        raised("d", 5_000, ["y"]),
        raised("d", 5_000, ["x", "y"]),
        raised("d", 5_000, cause=Cause.UNSTABLE_REFERENCE),
        raised("d", 5_000, [], cause=Cause.SILENCE),
        raised("d", 5_000, [], cause=Cause.NO_REFERENCE),
        raised("d", 5_000, []),
    ],
    ids=["another column", "one more column", "unstable", "silence", "no reference", "no column"],
)
def test_a_storm_never_hides_a_move_of_another_kind(other: Alert) -> None:
    decisions = decide([*THREE, other])

    assert other in decisions.alerts
    assert told(decisions) == [("started", 3)]


def test_columns_that_chance_explains_and_elements_of_a_vector_make_no_other_kind() -> None:
    alerts = [raised(m, 0, [f"emb[{i}]"], by_chance=[f"y{i}"]) for i, m in enumerate("abc")]

    (alert,) = about_storms(decide(alerts))

    assert alert.storm is not None
    assert [(c.name, c.n_models) for c in alert.storm.columns] == [("emb", 3)]


def test_two_storms_at_once_are_told_apart_by_their_columns() -> None:
    alerts = [*THREE, *(raised(m, 500, ["y"]) for m in "def")]

    decisions = decide(alerts)

    found = [(a.storm.models, a.storm.columns[0].name) for a in decisions.alerts if a.storm]
    assert found == [(["a", "b", "c"], "x"), (["d", "e", "f"], "y")]


def test_columns_that_moved_together_belong_to_one_storm() -> None:
    alerts = [raised(m, 0, ["x"]) for m in "abc"] + [raised(m, 1, ["x", "y"]) for m in "def"]

    (alert,) = decide(alerts).alerts

    assert alert.storm is not None
    assert [(c.name, c.n_models) for c in alert.storm.columns] == [("x", 6), ("y", 3)]


def test_models_that_fall_silent_together_are_a_storm_of_silence() -> None:
    (alert,) = decide([raised(m, 0, [], cause=Cause.SILENCE) for m in "abc"]).alerts

    assert alert.storm is not None
    assert (alert.storm.of_cause, alert.storm.columns) == (Cause.SILENCE, [])


def test_a_storm_takes_in_who_comes_soon_after_the_last_and_tells_once_it_stops_growing() -> None:
    soon, too_late = raised("d", 20_000), raised("e", 30_001)

    decisions = decide([*THREE, soon, too_late])

    assert told(decisions) == [("started", 3), ("ongoing", 4)]
    assert [a.window.closed_ms for a in about_storms(decisions)] == [10_000, 30_000]
    assert too_late in decisions.alerts
    assert soon not in decisions.alerts


def test_a_storm_that_doubles_or_becomes_critical_says_so_at_once() -> None:
    grown = [*THREE, *(raised(m, 12_000) for m in "def")]
    worse = later(THREE[0], 15_000, ONGOING)
    worse = msgspec.structs.replace(worse, severity=Severity.CRITICAL)

    decisions = decide([*grown, worse])

    assert told(decisions) == [("started", 3), ("ongoing", 6), ("ongoing", 6)]
    assert [a.severity.value for a in decisions.alerts] == ["warning", "warning", "critical"]


def test_a_storm_is_heard_of_again_after_a_while_and_ends_with_its_last_incident() -> None:
    config = storm_config(ongoing_every_ms=60_000)
    ongoing = [later(s, at, ONGOING) for at in (30_000, 70_000, 100_000) for s in THREE]
    ends = [later(s, 200_000 + i, RECOVERED) for i, s in enumerate(THREE)]

    decisions = decide([*THREE, *ongoing, *ends], config)

    assert told(decisions) == [("started", 3), ("ongoing", 3), ("recovered", 3)]
    times_ms = [alert.window.closed_ms for alert in decisions.alerts]
    assert times_ms == [10_000, 70_000, 200_002]
    assert len({alert.incident_id for alert in decisions.alerts}) == 1
    assert sum(alert.n_suppressed for alert in decisions.alerts) == 3 + 9 + 3


def test_an_incident_that_goes_on_with_another_column_leaves_the_storm_as_started() -> None:
    other = later(THREE[1], 40_000, ONGOING, ["x", "z"])
    end = later(THREE[1], 50_000, RECOVERED)

    decisions = decide([*THREE, other, end])

    left, last = [a for a in decisions.alerts if a.model == "b"]
    assert (left.kind, left.incident_id, left.n_suppressed) == (STARTED, other.incident_id, 1)
    assert [c.column for c in left.top_columns] == ["x", "z"]
    assert last == end
    assert (decisions.counts.passed, decisions.counts.in_storms) == (2, 3)


def test_an_incident_that_starts_and_ends_while_it_waits_keeps_its_order() -> None:
    start = raised("a", 0)
    end = later(start, 5_000, RECOVERED)

    assert decide([start, end]).alerts == [start, end]
    assert told(decide([*THREE, *(later(s, 10_000, RECOVERED) for s in THREE)])) == [
        ("started", 3),
        ("recovered", 3),
    ]


def test_an_alert_leaves_within_the_delay_that_is_promised_and_no_earlier_than_it_can() -> None:
    stage = ManyModels(CONFIG, InMemoryEntries())
    start, other = raised("a", 1_000), raised("b", 1_000, cause=Cause.UNTESTED)
    for alert in (start, other):
        stage.take(alert)

    assert longest_delay_ms(CONFIG) == 15_000
    assert stage.wake_ms() == 6_000
    assert stage.advance(5_999).alerts == []
    assert stage.advance(6_000).alerts == [other]
    assert stage.wake_ms() == 16_000
    assert stage.advance(15_999).alerts == []
    assert stage.advance(16_000).alerts == [start]
    assert stage.wake_ms() is None


def test_an_alert_about_a_time_that_is_decided_passes_in_the_place_it_has_left() -> None:
    stage = ManyModels(CONFIG, InMemoryEntries())
    stage.take(raised("a", 50_000))
    stage.advance(100_000)
    old = raised("b", 1_000, kind=RECOVERED)

    stage.take(old)

    assert stage.wake_ms() == 100_000
    assert stage.advance(100_000).alerts == [old]


def test_nothing_that_waits_or_is_held_is_left_in_the_state_once_it_is_over() -> None:
    state = InMemoryEntries()
    stage = ManyModels(CONFIG, state)
    for alert in [*THREE, raised("d", 0, ["y"]), *(later(s, 60_000, RECOVERED) for s in THREE)]:
        stage.take(alert)

    stage.advance(10**6)

    assert set(state.entries) == {"numbers", "reached", "storms"}
    assert sum(map(len, state.entries.values())) < 100


def test_the_case_of_a_hundred_models_gives_a_handful_of_alerts_instead_of_hundreds() -> None:
    config = storm_config(models=10, within_ms=600_000, ongoing_every_ms=4 * 3_600_000)
    starts = [raised(f"model-{i:03d}", 600_000 * (i % 2), ["x"]) for i in range(100)]
    hours = [4 * 3_600_000, 8 * 3_600_000]
    ongoing = [later(s, s.window.closed_ms + h, ONGOING) for h in hours for s in starts]
    ends = [later(s, 10 * 3_600_000, RECOVERED) for s in starts]

    decisions = decide([*starts, *ongoing, *ends], config)

    assert decisions.counts.raised == decisions.counts.in_storms == 400
    # Half of them started ten minutes after the others, and do not make it more.
    kinds = ["started", "ongoing", "ongoing", "recovered"]
    assert told(decisions) == [(kind, 100) for kind in kinds]


# What holds for all streams of alerts ------------------------------------------------------------

MODELS = st.sampled_from("abcdef")
COLUMNS = st.frozensets(st.sampled_from("xyz"), max_size=2)


@st.composite
def incidents(draw: st.DrawFn, *, may_change: bool) -> list[Alert]:
    """Incidents of a few models; ongoing alerts name columns of their start, or any."""
    alerts: list[Alert] = []
    for number in range(draw(st.integers(0, 14))):
        columns, at_ms = draw(COLUMNS), draw(st.integers(0, 40)) * 1_000
        cause = Cause.DRIFT
        if may_change:
            cause = draw(st.sampled_from([Cause.DRIFT, Cause.SILENCE, Cause.UNTESTED]))
        severity = draw(st.sampled_from(list(Severity)))
        start = raised(
            draw(MODELS), at_ms, sorted(columns), incident=f"i{number}", cause=cause,
            view=f"v{number}", severity=severity, n_suppressed=draw(st.integers(0, 2)),
        )  # fmt: skip
        alerts.append(start)
        for _ in range(draw(st.integers(0, 2))):
            at_ms += draw(st.integers(1, 20)) * 1_000
            named = draw(COLUMNS) if may_change else columns
            alerts.append(later(start, at_ms, ONGOING, sorted(named)))
        if draw(st.booleans()):
            at_ms += draw(st.integers(1, 20)) * 1_000
            alerts.append(later(start, at_ms, RECOVERED, sorted(columns)))
    return alerts


@settings(max_examples=150, deadline=None)
@given(incidents(may_change=False), st.integers(2, 4), st.integers(1, 15))
def test_decisions_are_those_of_an_oracle_that_sees_all_alerts_at_once(
    alerts: list[Alert], models: int, seconds: int
) -> None:
    config = storm_config(models=models, within_ms=seconds * 1_000)
    held, storms = storms_of(alerts, models, seconds * 1_000)

    decisions = decide(alerts, config)

    passed = {a.alert_id for a in decisions.alerts if a.cause is not Cause.STORM}
    assert passed == {a.alert_id for a in alerts} - held
    last = {a.incident_id: a.storm for a in decisions.alerts if a.storm}
    found = [
        (s.first_ms, frozenset(s.models), frozenset(c.name for c in s.columns))
        for s in last.values()
    ]
    assert sorted(found, key=str) == sorted(map(tuple, storms), key=str)


@settings(max_examples=100, deadline=None)
@given(incidents(may_change=True), st.integers(0, 2**32), st.integers(2, 3))
def test_arrival_restarts_and_the_steps_of_time_change_nothing_and_counts_add_up(
    alerts: list[Alert], seed: int, models: int
) -> None:
    config = storm_config(models=models, within_ms=6_000, ongoing_every_ms=8_000)
    at_once = decide(alerts, config)
    rng, state = random.Random(seed), InMemoryEntries()
    stage, found = ManyModels(config, state), Decisions()
    # One detector's alerts come in order, whenever they come.
    late_ms = {a.incident_id: rng.randrange(LAG_MS) for a in alerts}
    arrivals = sorted(
        alerts, key=lambda a: (a.window.closed_ms + late_ms[a.incident_id], a.incident_id)
    )

    for alert in arrivals:
        now_ms = alert.window.closed_ms + late_ms[alert.incident_id]
        if rng.random() < 0.5:
            add(found, stage.advance(now_ms - 1))
        if rng.random() < 0.3:
            state = copy.deepcopy(state)
            stage = ManyModels(config, state)
        stage.take(alert)
        n_waiting = sum(name.startswith("alert/") for name in state.entries)
        counts = found.counts
        assert counts.passed + counts.in_storms + n_waiting == arrivals.index(alert) + 1
    add(found, stage.end())

    assert found == at_once
    counts = found.counts
    assert counts.raised == len(alerts) == counts.passed + counts.in_storms
    assert len(found.alerts) == counts.passed + counts.storm_alerts
    assert len({alert.alert_id for alert in found.alerts}) == len(found.alerts)


@settings(max_examples=100, deadline=None)
@given(incidents(may_change=True))
def test_whoever_sees_an_incident_begin_sees_it_end(alerts: list[Alert]) -> None:
    decisions = decide(alerts, storm_config(models=2, within_ms=6_000))

    begun, over = set(), {a.incident_id for a in alerts if a.kind is RECOVERED}
    for alert in decisions.alerts:
        if alert.kind is STARTED:
            assert alert.incident_id not in begun
            begun.add(alert.incident_id)
        else:
            assert alert.incident_id in begun
    ended = {a.incident_id for a in decisions.alerts if a.kind is RECOVERED}
    assert ended & over == begun & over


def add(total: Decisions, more: Decisions) -> None:
    total.alerts += more.alerts
    for name, count in more.counts.items():
        setattr(total.counts, name, getattr(total.counts, name) + count)


def test_the_lag_covers_the_timer_of_a_model_that_sends_nothing_more() -> None:
    assert lag_ms(make_config()) == LAG_MS
