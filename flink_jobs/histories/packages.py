"""Says which packages a backtest lacks."""

from __future__ import annotations

from importlib.util import find_spec

from flink_jobs.histories.errors import BacktestError

_PACKAGES = {
    name: name for name in ("jinja2", "matplotlib", "pandas", "plotly", "pyarrow", "tomlkit")
}


def require_backtest_packages() -> None:
    """Check that what backtests need is installed.

    Raises
    ------
    BacktestError
        When a package is missing; says how to install it.
    """
    if absent := missing(_PACKAGES):
        raise BacktestError(f"backtests need {absent}: pip install 'loudly[backtest]'")


def missing(packages: dict[str, str]) -> str:
    """The names of the packages whose module is not installed.

    Examples
    --------
    >>> missing({"sys": "nothing", "no_such_module": "no-such-package"})
    'no-such-package'
    """
    return ", ".join(name for module, name in packages.items() if find_spec(module) is None)
