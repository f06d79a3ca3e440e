"""What all tests share: one broker and one cluster a session, and a loud count of skipped tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings
from playwright.sync_api import Browser

from flink_jobs.cluster import launch
from flink_jobs.cluster.errors import MissingPrerequisiteError
from flink_jobs.embedded.flink_cluster import FlinkCluster
from flink_jobs.embedded.kafka_broker import KafkaBroker
from flink_jobs.one_thread import use_one_thread
from scripts.shared.browser import find_chromium, open_browser
from tests.schedule import PartsBesideTheRest, make_scheduler, n_processes
from tests.warm_client.client import WarmClient

# How long an example takes says something about the machine, not about the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
# What tests expect of the job is computed as the job computes it.
use_one_thread()
# Each JVM that tests start lives for seconds to minutes, most of which would go into optimising
# code: with the quick compiler alone, a cluster's start takes 17 s of CPU time instead of 32 s, and
# a broker's 6 s instead of 11 s.
os.environ["JDK_JAVA_OPTIONS"] = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"


@pytest.fixture(scope="session")
def kafka_broker() -> Iterator[KafkaBroker]:
    """One broker for all tests that do not harm it; topics need names of their own."""
    with KafkaBroker() as broker:
        yield broker


@pytest.fixture(scope="session")
def warm_client() -> Iterator[WarmClient]:
    """What submits jobs for all tests that are not about the submission."""
    with WarmClient() as client:
        yield client


@pytest.fixture(scope="session")
def flink_cluster(warm_client: WarmClient) -> Iterator[FlinkCluster]:
    """One cluster for all tests that do not harm it; four slots are the most that a job takes."""
    with FlinkCluster(n_slots=4, submit_by=warm_client.submit_job) as cluster:
        yield cluster


@pytest.fixture
def warmly_launched(warm_client: WarmClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the client that stays submit what commands and backtests in this process launch, too."""
    monkeypatch.setattr(launch, "submit_job", warm_client.submit_job)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One browser for all tests; each opens pages of its own."""
    with open_browser() as browser:
        yield browser


def pytest_xdist_auto_num_workers() -> int:
    """For ``-n auto``."""
    return n_processes()


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> PartsBesideTheRest | None:
    """Have two processes run the tests with parts, and the others those without meanwhile."""
    return make_scheduler(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that run whole systems come first: a long one at the end would leave cores idle."""
    long = {item.path for item in items if _is_long(item)}
    items.sort(key=lambda item: item.path not in long)


def _is_long(item: pytest.Item) -> bool:
    return any(item.get_closest_marker(name) is not None for name in ("faults", "system"))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Stop before the first test when one needs a browser and there is none."""
    # An error here in one of several processes would hide its message below a traceback.
    if hasattr(session.config, "workerinput"):
        return
    if any("browser" in getattr(item, "fixturenames", ()) for item in session.items):
        try:
            find_chromium()
        except MissingPrerequisiteError as error:
            raise pytest.UsageError(str(error)) from None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A skipped test has shown nothing, which a line of green dots hides."""
    skipped = terminalreporter.stats.get("skipped", [])
    if not skipped:
        return
    terminalreporter.section(f"{len(skipped)} SKIPPED TESTS SHOWED NOTHING", red=True, bold=True)
    for report in skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        terminalreporter.line(f"{report.nodeid}: {reason}")
