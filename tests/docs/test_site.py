"""The site is built without a warning, is whole, and needs no network."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from playwright.sync_api import Browser, Page

from scripts import docs_site
from scripts.shared.pages import ROOT, pages

SITE = ROOT / "build" / "site"


@pytest.fixture(scope="module")
def site() -> Path:
    docs_site.main()
    return SITE


@pytest.fixture
def page(site: Path, browser: Browser) -> Iterator[Page]:
    """The first page, opened as a file."""
    context = browser.new_context()
    page = context.new_page()
    page.goto((site / "index.html").as_uri())
    yield page
    context.close()


def test_every_page_and_all_that_it_refers_to_is_there(site: Path) -> None:
    built = [path for path in site.rglob("*.html") if path.name != "404.html"]
    lost = [
        f"{path.name}: {target}"
        for path in built
        for target in re.findall(r'\s(?:href|src)="([^"#]+)', path.read_text())
        if not re.match(r"[a-z]+:", target)
        and not (path.parent / unquote(target).partition("?")[0]).exists()
    ]

    assert len(built) == len(pages())
    assert lost == []


def test_a_word_is_found_without_a_network(page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    page.keyboard.press("/")
    page.keyboard.type("cooldown")

    page.get_by_text(re.compile(r"^\d+ results$")).wait_for()

    assert {url.partition(":")[0] for url in asked} == {"file"}
