"""The measurement of long streams, with short ones, and what its page says of them."""

from dataclasses import replace

from detectors import SEQUENTIAL_DETECTORS
from scripts.bench.harness import Spread
from scripts.bench.streams.measure import CASES, Mark, Measured, measure
from scripts.bench.streams.report import report

MARK = Mark(10_000, 7.0, 7.0, Spread(0.9, 1.0, 1.1), 4_000, 1_000)
FLAT = [MARK, replace(MARK, n_events=100_000)]


def said(*marks: Mark) -> str:
    return report(Measured({"Some": marks}, (1.0, 1.0)))


def test_every_detector_of_the_job_is_measured() -> None:
    made = {type(case.make()) for case in CASES.values()}

    assert set(SEQUENTIAL_DETECTORS.values()) <= made


def test_a_short_stream_keeps_as_much_at_its_end_as_at_its_beginning() -> None:
    measured = measure((3_000, 6_000))

    for name, (first, last) in measured.marks.items():
        assert (first.n_events, last.n_events) == (3_000, 6_000), name
        assert (first.kept_bytes, first.memory_bytes) == (last.kept_bytes, last.memory_bytes), name
        assert last.us > 0.0


def test_what_stays_as_it_was_is_flat() -> None:
    assert "at most 1.1 times the first, and not a byte more): yes." in said(*FLAT)


def test_more_time_or_a_byte_more_is_not_flat() -> None:
    slower = replace(MARK, ratios=Spread(1.0, 1.2, 1.3))
    larger = replace(MARK, kept_bytes=4_001)

    for last in (slower, larger):
        assert "**not of Some**" in said(MARK, last)
