"""The pages that people read: where they lie, what they link to, and which snippets they show."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^()\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+?)\s*$", re.MULTILINE)


class Link(NamedTuple):
    """A link to a file or a heading of this project."""

    path: Path
    anchor: str


class Snippet(NamedTuple):
    """A fenced block: its language, empty where none is named, and its text."""

    language: str
    text: str


def pages() -> list[Path]:
    """Return the paths of all pages: those of the root first, then those of ``docs``."""
    return [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/*.md"))]


def snippets(text: str) -> list[Snippet]:
    r"""Return the fenced blocks of a page, in their order.

    Examples
    --------
    >>> snippets("```sh\nls\n```\n")
    [Snippet(language='sh', text='ls\n')]
    """
    return [Snippet(*found) for found in _FENCE.findall(text)]


def links(page: Path) -> Iterator[Link]:
    """Yield what a page links to within this project, addresses of the network left out."""
    for target in _LINK.findall(_without_code(page.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = unquote(target).partition("#")
        yield Link((page.parent / path).resolve() if path else page, anchor)


def anchors(text: str) -> set[str]:
    r"""Return the anchors of a page's headings, as GitHub and the site make them.

    Examples
    --------
    >>> sorted(anchors("# Two `words`\n## Why?\n## Why?\n"))
    ['two-words', 'why', 'why-1']
    """
    seen: Counter[str] = Counter()
    found = set()
    for heading in _HEADING.findall(_FENCE.sub("", text)):
        slug = _slug(heading)
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found


def _slug(heading: str) -> str:
    shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")


def _without_code(text: str) -> str:
    return re.sub(r"`[^`\n]*`", "", _FENCE.sub("", text))
