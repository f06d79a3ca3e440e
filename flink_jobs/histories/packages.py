"""Optional packages: which are missing, and how they are installed."""

from __future__ import annotations

from importlib.util import find_spec

from flink_jobs.histories.errors import BacktestError

_PACKAGES = {name: name for name in ("jinja2", "pandas", "plotly", "pyarrow", "tomlkit")}


def require_backtest_packages() -> None:
    """Check that what backtests need is installed.

    Raises
    ------
    BacktestError
        When a package is missing; says how to install it.
    """
    if absent := missing(_PACKAGES):
        raise BacktestError(f"backtests need {absent}: {how_to_install('backtest')}")


def how_to_install(extras: str) -> str:
    """The commands that install optional packages; Loudly is on no registry.

    Examples
    --------
    >>> how_to_install("backtest")
    "in Loudly's folder run make setup, or pip install '.[backtest]'"
    """
    return f"in Loudly's folder run make setup, or pip install '.[{extras}]'"


def missing(packages: dict[str, str]) -> str:
    """Name the packages whose module is not installed.

    Examples
    --------
    >>> missing({"sys": "nothing", "no_such_module": "no-such-package"})
    'no-such-package'
    """
    return ", ".join(name for module, name in packages.items() if find_spec(module) is None)
