"""The README's hourly MMD: how many windows and events are due, and what is missing."""

from __future__ import annotations

import msgspec
import pytest

from flink_jobs.config.loading import decode_config
from flink_jobs.config.tables.detectors import MMDConfig
from flink_jobs.config.views import views_of
from scripts.faults.promises import BrokenPromiseError
from scripts.faults.scenarios.hourly import events_due, judge_scores, make_stream
from scripts.faults.stream import START_MS
from scripts.faults.topics import HourlyRun

STREAM = make_stream(0)
END_MS = START_MS + 75 * 60_000


def scores_of(name: str, size_ms: int, slide_ms: int) -> list[bytes]:
    """Scores of all windows, of which the first lacks the 1,000 events of the reference."""
    starts = range(START_MS, END_MS - size_ms + 1, slide_ms)
    return [
        msgspec.json.encode(
            {
                "detector": name,
                "status": "tested",
                "window": {
                    "end_ms": start_ms + size_ms,
                    "n_events": size_ms - 1_000 * (start_ms == START_MS),
                },
            }
        )
        for start_ms in starts
    ]


ALL = [*scores_of("main", 60_000, 10_000), *scores_of("hourly", 3_600_000, 600_000)]


def test_the_events_that_are_due_are_those_of_each_window_counted_one_by_one() -> None:
    assert events_due(STREAM) == sum(msgspec.json.decode(s)["window"]["n_events"] for s in ALL)


def test_all_windows_with_all_events_keep_the_promise() -> None:
    assert judge_scores(STREAM, ALL) == "all 445 and 2 windows hold every event"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (ALL[:-1], "due are"),
        ([*ALL[1:], ALL[0].replace(b"59000", b"58999")], "events in windows"),
        ([*ALL[1:], ALL[0].replace(b"tested", b"failed")], "a window is failed"),
    ],
)
def test_a_missing_window_event_or_test_breaks_it(values: list[bytes], message: str) -> None:
    with pytest.raises(BrokenPromiseError, match=message):
        judge_scores(STREAM, values)


def test_the_job_file_is_that_of_the_readme() -> None:
    run = HourlyRun(name="run", stream=STREAM, readers=2)

    config = decode_config(run.job_toml("127.0.0.1:9092").encode())

    (view,) = views_of(config)
    assert [detector.name for detector in view.detectors] == ["main", "hourly"]
    assert isinstance(view.detectors[1].test, MMDConfig)
    assert config.job.parallelism == 2
