"""Says which packages a command lacks."""

from __future__ import annotations

from importlib.util import find_spec

from flink_jobs.alerting.errors import FollowError
from flink_jobs.backtest.errors import BacktestError
from flink_jobs.demo.errors import DemoError

_DEMO_PACKAGES = {"sklearn": "scikit-learn", "matplotlib": "matplotlib", "plotly": "plotly"}
_BACKTEST_PACKAGES = {
    name: name for name in ("jinja2", "matplotlib", "pandas", "plotly", "pyarrow", "tomlkit")
}
_DASHBOARD_PACKAGES = {name: name for name in ("plotly", "starlette", "uvicorn")}


def require_demo_packages() -> None:
    """Check that what only the demonstration needs is installed.

    Raises
    ------
    DemoError
        When a package is missing; says how to install it.
    """
    if missing := _missing(_DEMO_PACKAGES):
        raise DemoError(f"the demonstration needs {missing}: pip install 'loudly[demo,flink]'")


def require_backtest_packages() -> None:
    """Check that what backtests need is installed.

    Raises
    ------
    BacktestError
        When a package is missing; says how to install it.
    """
    if missing := _missing(_BACKTEST_PACKAGES):
        raise BacktestError(f"backtests need {missing}: pip install 'loudly[backtest]'")


def require_dashboard_packages() -> None:
    """Check that what the live page needs is installed.

    Raises
    ------
    FollowError
        When a package is missing; says how to install it.
    """
    if missing := _missing(_DASHBOARD_PACKAGES):
        raise FollowError(f"the page needs {missing}: pip install 'loudly[dashboard]'")


def _missing(packages: dict[str, str]) -> str:
    return ", ".join(name for module, name in packages.items() if find_spec(module) is None)
