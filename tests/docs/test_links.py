"""Every link of every page leads somewhere, and every page can be found."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from scripts.shared.pages import ROOT, anchors, links, pages

_INDEX = ROOT / "docs" / "index.md"


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def in_the_menu(entries: list[Any]) -> list[str]:
    """The pages of a menu, from top to bottom."""
    found: list[str] = []
    for entry in entries:
        for each in entry.values() if isinstance(entry, dict) else [entry]:
            found += in_the_menu(each) if isinstance(each, list) else [each]
    return found


@pytest.mark.parametrize("page", pages(), ids=named)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    broken = [
        f"{named(link.path)}#{link.anchor}"
        for link in links(page)
        if not link.path.exists()
        or (link.anchor and link.anchor not in anchors(link.path.read_text()))
    ]

    assert broken == []


def test_links_to_lost_files_and_lost_headings_are_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Here\n[a](gone.md) [b](#here) [c](#there) `[d](code.md)`\n")

    found = list(links(page))

    assert [link.path.exists() for link in found] == [False, True, True]
    assert [link.anchor in anchors(page.read_text()) for link in found[1:]] == [True, False]


def test_the_menu_holds_every_page_once() -> None:
    settings = tomllib.loads((ROOT / "zensical.toml").read_text())

    menu = in_the_menu(settings["project"]["nav"])

    assert sorted(menu) == sorted(named(page) for page in pages())


def test_the_list_of_all_pages_has_the_order_of_the_menu() -> None:
    settings = tomllib.loads((ROOT / "zensical.toml").read_text())
    menu = in_the_menu(settings["project"]["nav"])

    listed = [named(link.path) for link in links(_INDEX)]

    assert listed == [page for page in menu if page != named(_INDEX)]
