"""What a scenario compares: events that add up, and how many of them a test saw."""

from __future__ import annotations

import msgspec
import pytest

from scripts.faults.promises import BrokenPromiseError, add_up
from scripts.faults.scenarios.traffic import judge_samples
from scripts.faults.stream import START_MS, Stream
from scripts.faults.topics import SAMPLE_SIZE, Run
from scripts.faults.undisturbed import Expected, Record, undisturbed


def score(detector: str, n_events: int, n_tested: int) -> bytes:
    return msgspec.json.encode(
        {
            "model": "a",
            "view": "main",
            "detector": detector,
            "window": {"n_events": n_events, "n_tested": n_tested},
            "reference": {"fingerprint": "f", "n_events": 50},
        }
    )


def on_the_topic(n_records: int, n_duplicates: int) -> Expected:
    return Expected([], [], [], n_records, n_heartbeats=4, n_duplicates=n_duplicates)


def test_events_of_each_detector_add_up_with_duplicates_and_heartbeats() -> None:
    scores = [score("main", 30, 30), score("rows", 10, 10), score("rows", 20, 20)]

    add_up("run", scores, 2, on_the_topic(30 + 50 + 2 + 4 + 3, n_duplicates=3))


@pytest.mark.parametrize("lost", [score("main", 29, 29), score("rows", 29, 29)])
def test_an_event_that_one_detector_lost_breaks_the_promise(lost: bytes) -> None:
    detector = msgspec.json.decode(lost)["detector"]
    others = [each for each in ("main", "rows") if each != detector]
    scores = [lost, *(score(each, 30, 30) for each in others)]

    with pytest.raises(BrokenPromiseError, match=f"main/{detector}: 84 records"):
        add_up("run", scores, 0, on_the_topic(84, n_duplicates=0))


def test_the_undisturbed_run_counts_an_event_that_comes_twice_once() -> None:
    stream = Stream(topic="t", n_events=9_600, n_models=2, duplicate_share=0.05)
    run = Run(name="run", stream=stream)
    records = [
        Record(key, value, time_ms, partition, offset)
        for partition in range(4)
        for offset, (key, value, time_ms) in enumerate(stream.records(partition))
    ]

    expected = undisturbed(run.job_toml("127.0.0.1:9092"), records)

    assert expected.n_duplicates == expected.n_records - expected.n_heartbeats - stream.n_events > 0
    add_up("run", expected.scores, 0, expected)
    assert min(record.time_ms for record in records) >= START_MS


LARGE = SAMPLE_SIZE + 100


def test_counts_of_every_event_and_rows_of_a_sample_keep_the_promise() -> None:
    said = judge_samples(
        [score("main", LARGE, LARGE), score("rows", LARGE, SAMPLE_SIZE), score("rows", 9, 9)]
    )

    assert said == f"windows of up to {LARGE} events counted whole, {SAMPLE_SIZE} of them as rows"


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ([score("main", LARGE, SAMPLE_SIZE)], "main saw 200 of 300 events, due are 300"),
        ([score("rows", LARGE, LARGE)], "rows saw 300 of 300 events, due are 200"),
        ([score("main", 9, 9)], "no window holds more than a sample"),
    ],
)
def test_a_test_that_saw_more_or_fewer_breaks_it(scores: list[bytes], message: str) -> None:
    with pytest.raises(BrokenPromiseError, match=message):
        judge_samples(scores)
