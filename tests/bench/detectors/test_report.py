import pytest

from scripts.bench.detectors.agreement import close
from scripts.bench.detectors.long_stream import LongResult, Mark
from scripts.bench.detectors.measure import RowResult, Timing, disagreements
from scripts.bench.detectors.report import report
from scripts.bench.detectors.rows import Comparison, Entry, Row
from scripts.bench.environments import OURS, SCIPY
from scripts.bench.harness import Goal, Spread

COMPARISON = Comparison("fast", "slow", (close("x", "x"),), Goal(at_least=3))
ROW = Row("row", "Title", (Entry("fast", OURS, "c"), Entry("slow", SCIPY, "c")), (COMPARISON,))


def timing(*seconds, x=1.0):
    return Timing(list(seconds), [{"x": [x]} for _ in seconds])


def result(timings):
    return RowResult(ROW, timings, disagreements(ROW, timings), (0.5, 0.6))


def written(row_result, unavailable=None):
    return report([row_result], None, unavailable or {}, n_rounds=3)


def test_ratios_are_those_of_calls_of_the_same_round():
    measured = result({"fast": timing(0.25, 0.25, 0.5), "slow": timing(0.5, 1.25, 2.0)})

    assert measured.ratios(COMPARISON) == Spread(2.0, 4.0, 5.0)
    assert "| slow / fast | 2.00 | 4.00 | 5.00 | at least 3: in the median |" in written(measured)


def test_no_ratio_is_printed_where_the_numbers_disagree():
    measured = result({"fast": timing(0.1), "slow": timing(0.4, x=1.5)})

    text = written(measured)

    assert measured.ratios(COMPARISON) is None
    assert "| slow / fast | – | – | – | at least 3 |" in text
    assert "* fast and slow: x: 1.0 and 1.5 are 0.5 apart" in text


def test_a_peer_that_is_missing_is_named_with_the_reason():
    measured = result({"fast": timing(0.1)})

    text = written(measured, {"scipy": "first line\nno such version"})

    assert "**scipy could not be installed, its rows are missing:** no such version" in text
    assert "| slow | not installed | not installed | not installed |" in text
    assert "| slow / fast | – | – | – | at least 3 |" in text


@pytest.mark.parametrize(
    ("last", "flat"), [((1.05, 100), True), ((1.2, 100), False), ((1.0, 110), False)]
)
def test_a_long_stream_is_flat_where_neither_time_nor_memory_rises(last, flat):
    ratio, memory = last
    marks = [
        Mark(10, 1e-5, 1e-5, Spread(1.0, 1.0, 1.0), 100),
        Mark(100, 1e-5 * ratio, 1e-5, Spread(0.5, ratio, 2.0), memory),
    ]

    assert LongResult(marks, (0.0, 0.0)).flat is flat
