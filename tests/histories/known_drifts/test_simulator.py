from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, kstest, norm

from detectors.shifts import NOISE_SCALES
from flink_jobs.config.tables.base import ConfigError
from flink_jobs.histories.errors import BacktestError
from flink_jobs.histories.known_drifts.shift_table import (
    CM_TO_INCH,
    ClassMixShift,
    DelayShift,
    ImageMoveShift,
    KnockOutShift,
    MissingShift,
    NoiseShift,
    RenamedShift,
    ScalingShift,
    Shift,
    UnitShift,
    check_shifts,
    read_shifts,
)
from flink_jobs.histories.known_drifts.simulator import EventBatch, simulate, truth_of
from flink_jobs.histories.known_drifts.truth import DriftInterval

START_MS, END_MS = 300, 700
SPAN: dict[str, Any] = {"start_ms": START_MS, "end_ms": END_MS}

EVERY_KIND: list[Shift] = [
    NoiseShift(**SPAN, intensity="large"),
    ImageMoveShift(**SPAN, image_shape=[2, 2], intensity="large"),
    KnockOutShift(**SPAN, knocked_out=1),
    ClassMixShift(**SPAN, weights={"0": 0.2, "2": 3.0}),
    ScalingShift(**SPAN, factor=3.0, centre=0.5),
    MissingShift(**SPAN, intensity=0.5),
    UnitShift(**SPAN),
    RenamedShift(**SPAN, columns=[3], codes=[(0.0, 1.0), (1.0, 2.0), (2.0, 0.0)]),
    DelayShift(**SPAN, delay_ms=250),
]


def kind_of(shift: Shift) -> str:
    return str(shift.__struct_config__.tag)


def events(n: int = 1_000, *, model: str = "a", seed: int = 0) -> EventBatch:
    """Events at 0, 1, 2, ... ms, with four columns of which the last is a category."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(size=(n, 4))
    x[:, 3] = rng.integers(0, 3, size=n)
    ids = [f"{model}-{number}" for number in range(n)]
    return EventBatch(model, np.arange(n), ids, x, labels=rng.integers(0, 3, size=n))


def run(batch: EventBatch, *shifts: Shift) -> EventBatch:
    return next(simulate([batch], shifts))


def rows_of(batch: EventBatch) -> NDArrayInt:
    assert batch.rows is not None
    return batch.rows


NDArrayInt = np.ndarray[Any, np.dtype[np.intp]]


def touched(before: EventBatch, after: EventBatch) -> set[int]:
    """The rows of ``before`` that left, or came out with another time or other numbers."""
    rows = rows_of(after)
    differs = (before.x[rows] != after.x).any(axis=1) | (before.times_ms[rows] != after.times_ms)
    return set(range(len(before))) - set(rows[~differs].tolist())


def in_pieces(batch: EventBatch, cuts: Sequence[int]) -> list[EventBatch]:
    edges = [0, *sorted(cuts), len(batch)]
    return [batch.take(np.arange(a, b)) for a, b in pairwise(edges)]


def as_events(batches: list[EventBatch]) -> list[tuple[str, int, bytes]]:
    return [
        (event_id, time_ms, row.tobytes())
        for batch in batches
        for event_id, time_ms, row in zip(
            batch.event_ids, batch.times_ms.tolist(), batch.x, strict=True
        )
    ]


@pytest.mark.parametrize("shift", EVERY_KIND, ids=kind_of)
def test_every_kind_touches_events_of_its_interval_and_no_others(shift):
    batch = events()
    before = batch.x.copy()

    found = touched(batch, run(batch, shift))

    assert found
    assert found <= set(range(START_MS, END_MS))
    np.testing.assert_array_equal(batch.x, before)


@pytest.mark.parametrize("shift", EVERY_KIND, ids=kind_of)
def test_every_kind_leaves_models_that_its_pattern_does_not_match(shift):
    only_b = msgspec.structs.replace(shift, models="b*")
    batch, other = events(), events(model="beta")

    assert touched(batch, run(batch, only_b)) == set()
    assert touched(other, run(other, only_b))


@pytest.mark.parametrize("shift", EVERY_KIND, ids=kind_of)
def test_no_share_touches_nothing_and_makes_no_drift(shift):
    none = msgspec.structs.replace(shift, share=0.0)
    batch = events()

    assert touched(batch, run(batch, none)) == set()
    assert truth_of([none]) == []


@pytest.mark.parametrize("shift", EVERY_KIND, ids=kind_of)
def test_another_seed_touches_other_events(shift):
    half = msgspec.structs.replace(shift, share=0.5)
    batch = events()

    first = touched(batch, run(batch, half))
    second = touched(batch, run(batch, msgspec.structs.replace(half, seed=1)))

    assert first != second


@settings(max_examples=30)
@given(
    st.lists(st.sampled_from(EVERY_KIND), min_size=1, max_size=4),
    st.sampled_from(["sudden", "gradual", "recurring"]),
    st.lists(st.integers(0, 200), max_size=4),
)
def test_the_same_events_come_out_whatever_the_batches(kinds, form, cuts):
    span = {"start_ms": 50, "end_ms": 150, "share": 0.7, "form": form}
    recurring = {"on_ms": 20, "off_ms": 15} if form == "recurring" else {}
    shifts = [msgspec.structs.replace(each, **span, **recurring) for each in kinds]
    batch = events(200)

    whole = as_events(list(simulate([batch], shifts)))
    pieces = as_events(list(simulate(in_pieces(batch, cuts), shifts)))

    assert pieces == whole


@settings(max_examples=30)
@given(st.lists(st.sampled_from(EVERY_KIND), min_size=1, max_size=4), st.permutations(range(200)))
def test_an_event_comes_out_alike_wherever_it_stands_in_a_batch(kinds, order):
    shifts = [msgspec.structs.replace(each, start_ms=50, end_ms=150) for each in kinds]
    batch = events(200)

    ordered = as_events([run(batch, *shifts)])
    shuffled = as_events([run(batch.take(np.array(order)), *shifts)])

    assert sorted(shuffled) == sorted(ordered)


@settings(max_examples=30)
@given(st.integers(0, 2**40), st.sampled_from([0.02, 0.3, 0.9]))
def test_the_share_of_touched_events_is_honoured(seed, share):
    n = 4_000
    shift = UnitShift(start_ms=0, end_ms=n, share=share, seed=seed)

    found = len(touched(events(n), run(events(n), shift)))

    # Seeds are drawn at random: over 30 of them a chance of 1e-9 for each side.
    assert binom.ppf(1e-9, n, share) <= found <= binom.isf(1e-9, n, share)


def test_a_larger_share_touches_the_same_events_and_more():
    batch = events()
    shift = UnitShift(**SPAN, share=0.2)

    few = touched(batch, run(batch, shift))
    many = touched(batch, run(batch, msgspec.structs.replace(shift, share=0.6)))

    assert few < many


def test_two_shifts_of_one_seed_choose_their_events_independently():
    n = 10_000
    first = UnitShift(start_ms=0, end_ms=n, share=0.5, columns=[0])
    second = UnitShift(start_ms=0, end_ms=n, share=0.5, columns=[1])
    batch = events(n)

    changed = run(batch, first, second).x != batch.x

    both = int((changed[:, 0] & changed[:, 1]).sum())
    assert binom.ppf(1e-6, n, 0.25) <= both <= binom.isf(1e-6, n, 0.25)


def test_a_gradual_shift_reaches_its_share_at_the_end():
    n = 10_000
    shift = UnitShift(start_ms=0, end_ms=n, form="gradual", share=0.8)
    batch = events(n)

    found = np.array(sorted(touched(batch, run(batch, shift))))

    # Over each tenth of the time the mean share, which grows linearly.
    for tenth in range(10):
        count = int(((found >= 1_000 * tenth) & (found < 1_000 * (tenth + 1))).sum())
        share = 0.8 * (tenth + 0.5) / 10
        assert binom.ppf(1e-5, 1_000, share) <= count <= binom.isf(1e-5, 1_000, share)


def test_a_recurring_shift_is_on_where_its_truth_says():
    shift = UnitShift(**SPAN, form="recurring", on_ms=70, off_ms=90, name="wrong unit")
    batch = events()

    truth = truth_of([shift])

    assert truth == [
        DriftInterval("*", 300, 370, "wrong unit"),
        DriftInterval("*", 460, 530, "wrong unit"),
        DriftInterval("*", 620, 690, "wrong unit"),
    ]
    inside = {t for t in range(1_000) if any(d.start_ms <= t < d.end_ms for d in truth)}
    assert touched(batch, run(batch, shift)) == inside


@pytest.mark.parametrize("shift", EVERY_KIND, ids=kind_of)
def test_every_touched_event_lies_in_the_truth(shift):
    batch = events()

    after = run(batch, shift)

    (drift,) = truth_of([shift])
    came_out = dict(zip(rows_of(after).tolist(), after.times_ms.tolist(), strict=True))
    for row in touched(batch, after):
        assert drift.start_ms <= came_out.get(row, row) < drift.end_ms
    assert drift.name == kind_of(shift)


def test_shifts_are_applied_in_their_order():
    batch = events()
    double, add = ScalingShift(**SPAN, factor=2.0), UnitShift(**SPAN, factor=1.0, offset=10.0)
    inside = slice(START_MS, END_MS)

    np.testing.assert_allclose(run(batch, double, add).x[inside], 2 * batch.x[inside] + 10)
    np.testing.assert_allclose(run(batch, add, double).x[inside], 2 * (batch.x[inside] + 10))


def test_a_shift_after_a_delay_sees_the_new_times():
    batch = events()
    late = DelayShift(start_ms=0, end_ms=100, delay_ms=500)
    unit = UnitShift(start_ms=500, end_ms=600)

    found = run(batch, late, unit)

    assert (found.x[:100] != batch.x[:100]).any(axis=1).all()


@pytest.mark.parametrize("intensity", ["small", "medium", "large", 3.0])
def test_noise_is_normal_with_the_deviation_of_its_intensity(intensity):
    scale = NOISE_SCALES.get(intensity, intensity)
    batch = events(5_000)
    shift = NoiseShift(start_ms=0, end_ms=5_000, columns=[0, 2], intensity=intensity)

    noise = run(batch, shift).x - batch.x

    assert (noise[:, [1, 3]] == 0).all()
    assert kstest(noise[:, [0, 2]].ravel(), norm(scale=scale).cdf).pvalue > 1e-4
    # Columns have noise of their own.
    assert abs(np.corrcoef(noise[:, 0], noise[:, 2])[0, 1]) < 0.06


def test_noise_keeps_within_its_limits():
    shift = NoiseShift(**SPAN, columns=[0], intensity="large", clip=(0.0, 1.0))

    x = run(events(), shift).x[:, 0]

    assert x.min() == 0.0
    assert x.max() == 1.0


def test_images_move_each_in_its_own_way_and_those_with_gaps_stay():
    n = 20
    image = np.zeros((6, 6, 1))
    image[1:3, 2:5] = 1.0
    batch = EventBatch(
        "a", np.arange(n), [str(i) for i in range(n)], np.tile(image.ravel(), (n, 1))
    )
    batch.x[3, 0] = np.nan
    shift = ImageMoveShift(start_ms=0, end_ms=n, image_shape=[6, 6, 1], intensity="medium")

    x = run(batch, shift).x

    np.testing.assert_array_equal(x[3], batch.x[3])
    assert len({row.tobytes() for row in x}) == n
    assert np.nanmin(x) >= 0.0
    assert np.nanmax(x) <= 1.0


@pytest.mark.parametrize("labels", [[0, 1, 2], [0.0, 1.0, 2.0], ["0", "1", "2"]])
def test_a_knocked_out_class_is_gone(labels):
    batch = EventBatch("a", np.arange(3), list("pqr"), np.zeros((3, 1)), np.array(labels))

    found = run(batch, KnockOutShift(start_ms=0, end_ms=9, knocked_out=1))

    assert found.event_ids == ["p", "r"]
    assert found.labels is not None
    assert found.labels.tolist() == [labels[0], labels[2]]


def test_without_labels_the_class_is_the_largest_output():
    outputs = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    batch = EventBatch("a", np.arange(3), list("pqr"), outputs)

    found = run(batch, KnockOutShift(start_ms=0, end_ms=9, knocked_out=0))

    assert found.event_ids == ["q"]


@pytest.mark.parametrize(
    "shift",
    [KnockOutShift(**SPAN, knocked_out=0), ClassMixShift(**SPAN, weights={"0": 0.5})],
    ids=kind_of,
)
def test_features_alone_have_no_class(shift):
    batch = without_labels(events())

    with pytest.raises(BacktestError, match="needs the classes of model 'a'"):
        run(batch, shift)


def without_labels(batch: EventBatch) -> EventBatch:
    """The same events without labels."""
    return EventBatch(batch.model, batch.times_ms, batch.event_ids, batch.x + 1.0)


def test_the_class_mix_follows_the_weights():
    n = 30_000
    batch = events(n)
    shift = ClassMixShift(start_ms=0, end_ms=n, weights={"0": 0.5, "2": 2.0})

    found = run(batch, shift)

    before, after = (np.bincount(np.asarray(each.labels)) for each in (batch, found))
    for count, of, kept_share in zip(after, before, (0.25, 0.5, 1.0), strict=True):
        assert binom.ppf(1e-6, of, kept_share) <= count <= binom.isf(1e-6, of, kept_share)


def test_scaling_moves_values_away_from_the_centre():
    shift = ScalingShift(**SPAN, columns=[1], factor=3.0, centre=0.5)
    batch = events()

    x = run(batch, shift).x[START_MS:END_MS]

    np.testing.assert_allclose(x[:, 1] - 0.5, 3 * (batch.x[START_MS:END_MS, 1] - 0.5))


def test_missing_values_are_missing_with_the_asked_chance():
    n = 5_000
    shift = MissingShift(start_ms=0, end_ms=n, columns=[0, 1], intensity=0.3)

    is_missing = np.isnan(run(events(n), shift).x)

    assert not is_missing[:, 2:].any()
    assert binom.ppf(1e-6, 2 * n, 0.3) <= is_missing.sum() <= binom.isf(1e-6, 2 * n, 0.3)


def test_a_unit_is_centimetres_to_inches_unless_told_otherwise():
    batch = EventBatch("a", np.arange(2), ["p", "q"], np.array([[2.54], [100.0]]))

    inches = run(batch, UnitShift(start_ms=0, end_ms=9)).x
    fahrenheit = run(batch, UnitShift(start_ms=0, end_ms=9, factor=1.8, offset=32.0)).x

    np.testing.assert_allclose(inches.ravel(), [1.0, 100 * CM_TO_INCH])
    np.testing.assert_allclose(fahrenheit.ravel(), [36.572, 212.0])


def test_categories_change_their_codes_all_at_once():
    shift = RenamedShift(start_ms=0, end_ms=9, codes=[(0.0, 1.0), (1.0, 0.0), (2.0, 7.0)])
    batch = EventBatch("a", np.arange(4), list("pqrs"), np.array([[0.0], [1.0], [2.0], [3.0]]))

    assert run(batch, shift).x.ravel().tolist() == [1.0, 0.0, 7.0, 3.0]


def test_delayed_events_stay_in_the_order_in_which_they_came():
    found = run(events(10), DelayShift(start_ms=2, end_ms=4, delay_ms=5))

    assert found.times_ms.tolist() == [0, 1, 7, 8, 4, 5, 6, 7, 8, 9]
    assert truth_of([DelayShift(start_ms=2, end_ms=4, delay_ms=5)])[0].end_ms == 9


@pytest.mark.parametrize(
    ("shift", "message"),
    [
        (UnitShift(**SPAN, columns=[4]), "names column 4"),
        (ImageMoveShift(**SPAN, image_shape=[3, 3]), "needs 9 columns"),
    ],
)
def test_columns_that_events_do_not_have_are_told(shift, message):
    with pytest.raises(BacktestError, match=message):
        run(events(), shift)


def test_an_empty_batch_stays_empty():
    empty = events().take(np.arange(0))

    for batch in simulate([empty], EVERY_KIND):
        assert len(batch) == 0


@pytest.mark.parametrize(
    ("shift", "key"),
    [
        (UnitShift(start_ms=5, end_ms=5), "end_ms"),
        (UnitShift(**SPAN, form="recurring", on_ms=1), "off_ms"),
        (UnitShift(**SPAN, on_ms=1), "on_ms"),
        (UnitShift(start_ms=0, end_ms=10**12, form="recurring", on_ms=1, off_ms=1), "on_ms"),
        (UnitShift(**SPAN, factor=float("inf")), "factor"),
        (NoiseShift(**SPAN, clip=(1.0, 0.0)), "clip"),
        (ImageMoveShift(**SPAN, image_shape=[2, 2], columns=[0]), "columns"),
        (RenamedShift(**SPAN, codes=[(0.0, 1.0), (0.0, 2.0)]), "codes"),
        (ClassMixShift(**SPAN, weights={"0": 0.0}), "weights"),
    ],
)
def test_keys_that_do_not_go_together_are_told(shift, key):
    assert [problem.key for problem in check_shifts([shift])] == [f"shifts[0].{key}"]


def test_a_file_of_shifts_is_read(tmp_path):
    path = tmp_path / "shifts.toml"
    path.write_text(
        """
        [[shifts]]
        kind = "noise"
        models = "fraud-*"
        start_ms = 300
        end_ms = 700
        intensity = "large"
        clip = [0.0, 1.0]

        [[shifts]]
        kind = "renamed"
        start_ms = 0
        end_ms = 9
        codes = [[0, 1], [1, 0]]
        """
    )

    assert read_shifts(path) == [
        NoiseShift(**SPAN, models="fraud-*", intensity="large", clip=(0.0, 1.0)),
        RenamedShift(start_ms=0, end_ms=9, codes=[(0.0, 1.0), (1.0, 0.0)]),
    ]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('kind = "noice"', "Invalid value 'noice'"),
        ('kind = "unit"\nstart_ms = 1', "missing required field `end_ms`"),
        ('kind = "unit"\nstart_ms = 1\nend_ms = 2\nshare = 1.5', "<= 1.0"),
        ('kind = "unit"\nstart_ms = 1\nend_ms = 2\nsahre = 0.5', "unknown field `sahre`"),
        ('kind = "unit"\nstart_ms = 1\nend_ms = 1', "not after start_ms"),
        ("kind =", "Invalid value"),
    ],
)
def test_a_file_of_wrong_shifts_is_refused(tmp_path: Path, text, what):
    path = tmp_path / "shifts.toml"
    path.write_text(f"[[shifts]]\n{text}\n")

    with pytest.raises(ConfigError) as caught:
        read_shifts(path)

    assert str(path) in caught.value.problems[0].key
    assert what in str(caught.value)
