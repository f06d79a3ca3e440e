"""Headless Chromium for pictures of pages and for their tests."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from flink_jobs.cluster.errors import MissingPrerequisiteError

_CHECK = Path(__file__).parents[1] / "check_prerequisites.sh"
_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def find_chromium() -> str:
    """Return the path of Chromium's program, as ``scripts/check_prerequisites.sh`` finds it.

    Raises
    ------
    MissingPrerequisiteError
        When there is none; says how to get it.
    """
    ran = subprocess.run(
        ["/bin/sh", str(_CHECK), "chromium"], capture_output=True, text=True, check=False
    )
    if ran.returncode != 0:
        raise MissingPrerequisiteError(ran.stderr.strip().removeprefix("loudly: "))
    return ran.stdout.strip()


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Start a browser that asks nothing of the network, and close it in the end."""
    program = find_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=_FLAGS)
        yield browser
        browser.close()
