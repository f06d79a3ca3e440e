"""Pages that stand alone: one file with its charts, its style and plotly.js, and no network."""

from __future__ import annotations

import base64
import gzip
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

from markupsafe import Markup
from plotly.graph_objects import Figure
from plotly.offline import get_plotlyjs

from flink_jobs.records.templates import environment
from flink_jobs.reports.charts.figures import encoded, for_page

SCRIPTS = ("look.js", "page.js")
"""Files of this package: how charts look, for the live page, too, and the life of a page."""


class Charts:
    """The charts of a page: each gets a name, and all go into one block."""

    def __init__(self) -> None:
        self._charts: dict[str, dict[str, Any]] = {}

    def add(self, drawn: Figure) -> str:
        """Keep a chart; its name."""
        name = f"c{len(self._charts)}"
        self._charts[name] = for_page(drawn)
        return name

    def packed(self) -> Markup:
        """Give all charts as :func:`packed` text."""
        return packed(encoded(self._charts))


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One picture of a page, with its numbers as a table.

    Attributes
    ----------
    heading, words : str
        Above it, and for people who do not see it.
    drawn : Figure
    kind : str
        Its class in ``page.css``; a ``timeline`` can be zoomed.
    columns, rows : sequence of str, sequence of tuple of str
    legend : sequence of (str, str, str)
        Sign, words and colour.
    verdict : str
        One word, empty without one; ``is_good`` says of which kind.
    is_open : bool
        Whether the table is shown at first.
    """

    heading: str
    words: str
    drawn: Figure
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    kind: str = "tall"
    legend: Sequence[tuple[str, str, str]] = ()
    verdict: str = ""
    is_good: bool = True
    is_open: bool = False


def pictures(title: str, notes: Sequence[str], panels: Sequence[Panel]) -> str:
    """Put pictures on a page of their own, one under the other."""
    return render("pictures.html.jinja", Charts(), title=title, notes=notes, panels=panels)


def packed(text: str) -> Markup:
    """Compress a text for a script element: it has no character that could end one.

    plotly.js takes 1.9 MB so, and 4.8 as it is.
    """
    # Without the time of day a page is the same, byte for byte, whenever it is written.
    pressed = gzip.compress(text.encode("utf-8", "replace"), 6, mtime=0)
    return Markup(base64.b64encode(pressed).decode())  # noqa: S704 - letters, digits, + / =


def render(template: str, charts: Charts, **context: Any) -> str:
    """Fill a template of this package that extends ``base.html.jinja``."""
    scripts, plotly = [asset(name) for name in SCRIPTS], _plotly()
    return (
        environment("flink_jobs.reports")
        .get_template(template)
        .render(
            context,
            charts=charts,
            plotly=plotly.packed,
            policy=_policy([*map(_digest, scripts), plotly.digest]),
            scripts=[Markup(script) for script in scripts],  # noqa: S704 - our own files
            style=Markup(asset("page.css")),  # noqa: S704
        )
    )


def write(page: str, path: Path) -> None:
    """Write a page as UTF-8; JSON can hold half of a surrogate pair, which UTF-8 cannot."""
    path.write_bytes(page.encode("utf-8", "replace"))


def asset(name: str) -> str:
    """Read a script or a style sheet of this package."""
    folder = resources.files("flink_jobs.reports") / "templates"
    return (folder / name).read_text(encoding="utf-8")


class _Plotly(NamedTuple):
    packed: Markup
    digest: str


@cache
def _plotly() -> _Plotly:
    """Compress plotly.js once: it takes 0.3 s."""
    script = get_plotlyjs()
    return _Plotly(packed(script), _digest(script))


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _policy(digests: Sequence[str]) -> str:
    """Only our scripts run, and nothing is fetched: a page out of hostile data stays harmless."""
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    # A chart that is saved as a picture is a blob.
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
