"""Says which packages a command lacks."""

from __future__ import annotations

from importlib.util import find_spec

from flink_jobs.demo.errors import DemoError

_DEMO_PACKAGES = {"sklearn": "scikit-learn", "matplotlib": "matplotlib", "plotly": "plotly"}


def require_demo_packages() -> None:
    """Check that what only the demonstration needs is installed.

    Raises
    ------
    DemoError
        When a package is missing; says how to install it.
    """
    missing = [name for module, name in _DEMO_PACKAGES.items() if find_spec(module) is None]
    if missing:
        raise DemoError(
            f"the demonstration needs {', '.join(missing)}: pip install 'loudly[demo,flink]'"
        )
