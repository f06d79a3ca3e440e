from scripts.bench.job.counting import finished, objections
from scripts.bench.job.stream import START_MS, Stream
from scripts.faults.undisturbed import Record

# Two models, three events of each in a pane; the last pane is not full.
STREAM = Stream("topic", n_events=14, n_models=2, events_per_pane=3)


def record(model, end, n_events, time_ms=0):
    return Record(model.encode(), f"{end},{n_events}".encode(), time_ms, 0, 0)


FULL = [
    record("model-0000", "2026-01-01 00:00:10.000", 3, 1_000),
    record("model-0001", "2026-01-01 00:00:10.000", 3, 2_000),
    record("model-0000", "2026-01-01 00:00:20.000", 3, 3_000),
    record("model-0001", "2026-01-01 00:00:20.000", 3, 4_000),
    record("model-0000", "2026-01-01 00:00:30.000", 1, 5_000),
    record("model-0001", "2026-01-01 00:00:30.000", 1, 5_500),
]


def test_the_counts_of_a_stream_are_those_of_its_events_one_by_one():
    width_ms = STREAM.pane_width_ms
    by_hand: dict[tuple[str, int], int] = {}
    for index in range(STREAM.n_events):
        end_ms = STREAM.time_ms(index) - STREAM.time_ms(index) % width_ms + width_ms
        place = (f"model-{index % 2:04d}", end_ms)
        by_hand[place] = by_hand.get(place, 0) + 1

    assert STREAM.counts() == by_hand


def test_right_counts_raise_no_objection():
    assert objections(FULL, STREAM.counts()) == []


def test_a_count_that_is_missing_and_one_that_is_there_twice_are_named():
    found = objections([*FULL[1:], FULL[1]], STREAM.counts())

    assert found == [
        f"('model-0000', {START_MS + 10_000}): 0 events counted, there are 3",
        f"('model-0001', {START_MS + 10_000}): 6 events counted, there are 3",
    ]


def test_a_pane_is_finished_when_the_broker_has_its_last_count():
    assert finished(FULL) == {
        START_MS + 10_000: 2.0,
        START_MS + 20_000: 4.0,
        START_MS + 30_000: 5.5,
    }
