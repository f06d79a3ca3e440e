"""Checks that the optional packages of a command are installed."""

from __future__ import annotations

from flink_jobs.demo.errors import DemoError
from flink_jobs.histories.packages import how_to_install, missing
from flink_jobs.kafka.errors import FollowError

_DEMO_PACKAGES = {"sklearn": "scikit-learn", "jinja2": "jinja2", "plotly": "plotly"}
_DASHBOARD_PACKAGES = {name: name for name in ("jinja2", "plotly", "starlette", "uvicorn")}


def require_demo_packages() -> None:
    """Check that what only the demonstration needs is installed.

    Raises
    ------
    DemoError
        When a package is missing; says how to install it.
    """
    if absent := missing(_DEMO_PACKAGES):
        raise DemoError(f"the demonstration needs {absent}: {how_to_install('demo,flink')}")


def require_dashboard_packages() -> None:
    """Check that what the live page needs is installed.

    Raises
    ------
    FollowError
        When a package is missing; says how to install it.
    """
    if absent := missing(_DASHBOARD_PACKAGES):
        raise FollowError(f"the page needs {absent}: {how_to_install('dashboard')}")
