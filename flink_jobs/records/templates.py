"""Jinja's environment for every page: text from outside is escaped, and cannot drive a reader."""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from flink_jobs.records.shown import shown_lines


@cache
def environment(package: str) -> Environment:
    r"""Read the templates of a package from its folder ``templates``.

    Examples
    --------
    >>> page = environment("flink_jobs.reports").from_string("<p>{{ name }}</p>")
    >>> page.render(name="<b>\x1b")
    '<p>&lt;b&gt;\\x1b</p>'
    """
    return Environment(
        loader=PackageLoader(package),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _shown(value: Any) -> Any:
    """Jinja calls it for everything that a template prints; markup is ours."""
    return shown_lines(value) if type(value) is str else value
