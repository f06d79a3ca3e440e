"""What all tests share: one broker and one cluster a session, and a loud count of skipped tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from flink_jobs.embedded.flink_cluster import FlinkCluster
from flink_jobs.embedded.kafka_broker import KafkaBroker
from flink_jobs.one_thread import use_one_thread

# How long an example takes says something about the machine, not about the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
# What tests expect of the job is computed as the job computes it.
use_one_thread()


@pytest.fixture(scope="session")
def kafka_broker() -> Iterator[KafkaBroker]:
    """One broker for all tests that do not harm it; topics need names of their own."""
    with KafkaBroker() as broker:
        yield broker


@pytest.fixture(scope="session")
def flink_cluster() -> Iterator[FlinkCluster]:
    """One cluster for all tests that do not harm it."""
    with FlinkCluster() as cluster:
        yield cluster


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A skipped test has shown nothing, which a line of green dots hides."""
    skipped = terminalreporter.stats.get("skipped", [])
    if not skipped:
        return
    terminalreporter.section(f"{len(skipped)} SKIPPED TESTS SHOWED NOTHING", red=True, bold=True)
    for report in skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        terminalreporter.line(f"{report.nodeid}: {reason}")
