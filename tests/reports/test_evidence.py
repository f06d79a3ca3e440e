"""Pictures of the events that evidence holds."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flink_jobs.records.evidence import Evidence, EvidenceColumn
from flink_jobs.records.schemas import read_example
from flink_jobs.reports.evidence import Shown
from flink_jobs.reports.words import share

EXAMPLE = msgspec.json.decode(read_example("evidence"), type=Evidence)
NAN = float("nan")
Values = list[float]


def column(name: str, before: Values, now: Values, **others: Any) -> EvidenceColumn:
    values: dict[str, Any] = {"of": name, "type": "number"} | others
    sides: dict[str, Any] = {
        side: np.array(each, dtype="<f8").tobytes()
        for side, each in (("reference", before), ("window", now))
    }
    return EvidenceColumn(name=name, **values, **sides)


def shown(*columns: EvidenceColumn, n: int = 1, n_exemplars: int = 0) -> Shown:
    return Shown(
        msgspec.structs.replace(
            EXAMPLE,
            columns=list(columns),
            event_ids=[f"e{place}" for place in range(n)],
            n_exemplars=n_exemplars,
        )
    )


_values = st.lists(st.floats(-100, 100) | st.just(NAN), min_size=1, max_size=40)


@given(_values, _values)
def test_the_shares_of_a_histogram_are_those_of_the_events_that_have_the_number(
    before: Values, now: Values
) -> None:
    drawn = shown(column("x", before, now), n=len(now)).histogram("x")

    assert drawn is not None
    bars, line = drawn.chart.data
    n_there = np.isfinite(before).sum(), np.isfinite(now).sum()
    assert float(bars.y.sum()) == pytest.approx(n_there[0] / len(before))
    # Of the outline each bin has two corners.
    assert float(line.y.sum()) / 2 == pytest.approx(n_there[1] / len(now))
    if n_there != (len(before), len(now)):
        missing = (share(1 - n_there[0] / len(before)), share(1 - n_there[1] / len(now)))
        assert drawn.rows[-1] == ("missing", *missing)


def test_exemplars_that_were_not_drawn_by_chance_are_in_no_histogram() -> None:
    with_one = shown(column("x", [0.0, 1.0], [0.0, 1.0, 900.0]), n=3, n_exemplars=1)
    without = shown(column("x", [0.0, 1.0], [0.0, 1.0]), n=2)

    assert with_one.histogram("x") == without.histogram("x")
    image = with_one.image_of("e2")
    assert image is not None
    assert image.tolist() == [900.0]


def test_a_probability_is_drawn_on_a_scale_of_log_odds() -> None:
    drawn = shown(column("p", [0.5, 0.0001], [0.5], kind="probability")).histogram("p")

    assert drawn is not None
    assert "50 %" in drawn.chart.layout.xaxis.ticktext


def test_nothing_is_drawn_of_a_category_or_of_a_column_that_is_not_there() -> None:
    plan = column("plan", [0.0], [1.0], type="category", categories=["basic", "plus"])

    assert shown(plan).histogram("plan") is None
    assert shown(plan).histogram("another") is None
    assert shown(column("x", [], [1.0])).histogram("x") is None


@pytest.mark.parametrize("names", [("cat", "dog"), ("p[0]", "p[1]")])
def test_class_probabilities_come_with_the_names_of_classes(names: tuple[str, str]) -> None:
    kind = {"of": "p", "kind": "class_probabilities"}
    pair = [
        column(name, [0.5, 0.2 + 0.6 * place], [place], **kind) for place, name in enumerate(names)
    ]

    found = shown(column("x", [1.0, 1.0], [1.0]), *pair).probabilities()

    assert found is not None
    both, classes = found
    assert both.reference.tolist() == [[0.5, 0.5], [0.2, 0.8]]
    assert both.window.tolist() == [[0.0, 1.0]]
    assert classes == (names if "[" not in names[0] else ())


def test_one_probability_is_no_mix_of_classes() -> None:
    assert shown(column("p", [0.5], [0.4], kind="probability")).probabilities() is None


def test_features_are_images_where_they_are_as_many_as_pixels() -> None:
    pixels = [column(f"f[{place}]", [0.0], [float(place)], of="f") for place in range(4)]
    seen = shown(*pixels, column("p", [0.1], [0.2], kind="probability"))

    assert seen.images(9) is None
    both = seen.images(4)
    assert both is not None
    assert both.window.tolist() == [[0.0, 1.0, 2.0, 3.0]]
    assert seen.pixel("f[3]") == 3
    assert seen.pixel("p") is None
    assert seen.image_of("nobody") is None
