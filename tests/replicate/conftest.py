"""The replication needs torch and mlxtend, which an installation may lack."""

from __future__ import annotations

from importlib.util import find_spec

collect_ignore_glob = [
    "test_*.py" for package in ("torch", "mlxtend", "sklearn") if find_spec(package) is None
]
