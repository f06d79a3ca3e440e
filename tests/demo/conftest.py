"""One set of streams and what the monitor makes of it, for all tests here."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from flink_jobs.demo.outcome import ModelOutcome, Reported, judge_models
from flink_jobs.demo.streams import ModelStream, make_streams
from scripts.shared.offline_demo import report


@dataclass(frozen=True)
class Run:
    streams: list[ModelStream]
    reported: Reported
    outcomes: list[ModelOutcome]


@pytest.fixture(scope="session")
def offline_run() -> Run:
    """Seed 0, through the monitor alone."""
    streams = make_streams(seed=0)
    reported = report(streams)
    return Run(streams, reported, judge_models(streams, reported))
