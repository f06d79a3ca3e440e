from dataclasses import replace

from scripts.bench.models.measure import Run
from scripts.bench.models.report import Measured, report
from scripts.bench.models.stream import make_stream

FEW, MANY = make_stream(1_000, 60_000), make_stream(10_000, 60_000)
RUN = Run(1_000, 48_000, 2_000.0, 300.0, 700.0, [], {"a": b"1"})


def measured(**changes):
    many = [
        replace(RUN, n_models=10_000, panes_per_s=900.0, python_us=900.0),
        replace(RUN, n_models=10_000, panes_per_s=1_100.0, python_us=1_700.0),
    ]
    many = [replace(each, **changes) for each in many]
    return Measured([FEW, MANY], {FEW.topic: [RUN, RUN], MANY.topic: many})


def test_the_goal_for_the_rate_is_that_of_10_000_models():
    text = report(measured(), 2)

    assert "| 10,000 models | 900 | 1,000 | 1,100 | at least 1,000: in the median |" in text
    assert "| 1,000 models | 2,000 | 2,000 | 2,000 |  |" in text


def test_the_cost_of_a_pane_is_compared_with_that_of_the_fewest_models():
    text = report(measured(), 2)

    assert "| 10,000 models / 1,000 models | 1.20 | 1.60 | 2.00 | at most 1.5: **no** |" in text


def test_no_ratio_is_given_where_events_are_missing():
    text = report(measured(objections=["20 events are missing"]), 2)

    assert "cost of a pane" not in text
    assert "* 20 events are missing" in text


def test_rounds_that_differ_are_an_objection():
    found = measured()
    runs = found.rounds[MANY.topic]
    rounds = {**found.rounds, MANY.topic: [runs[0], replace(runs[1], records={"a": b"2"})]}

    assert Measured([FEW, MANY], rounds).objections() == [
        "models-10000: 1 rounds differ from the first"
    ]
