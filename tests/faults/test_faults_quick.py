"""Broker and JobManager die in mid-stream, in the small; the whole suite is ``make faults``."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from scripts.faults.scenarios.kills import KilledRun
from scripts.faults.scenarios.paced import make_run, make_stream
from scripts.faults.stage import SilentTeller, Stage, open_stage

pytestmark = pytest.mark.faults


@pytest.fixture
def stage() -> Iterator[Stage]:
    """Broker and cluster of its own: the test kills them."""
    # kafka-python warns about every connection that a killed broker takes with it.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    with open_stage(SilentTeller()) as stage:
        yield stage


# kafka-python 3.0.12 leaves the sockets of refused connections to the garbage collector.
@pytest.mark.filterwarnings(
    r"ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"
)
def test_a_killed_broker_and_a_killed_job_manager_leave_exactly_one_of_each_alert_and_score(
    stage: Stage,
) -> None:
    stream = make_stream("quick", 20_000)
    stage.write(stream, share=1.0)
    run = make_run(stage, stream, "quick-1", exactly_once=True)
    expected = stage.expected(run, share=1.0)
    killed = KilledRun(stage, run, expected)

    verdict = killed.play([0.1, 0.4], ["broker", "JobManager"], down_s=0.0)

    assert killed.n_restarts == 1
    assert verdict.n_scores == len(expected.scores) > 0
    assert verdict.n_alerts == len(expected.alerts) > 0
    assert verdict.n_duplicates == 0
