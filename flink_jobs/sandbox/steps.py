"""Says on the terminal which part starts, and how long that took."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from rich.console import Console
from rich.text import Text


@contextlib.contextmanager
def step(console: Console, what: str) -> Iterator[None]:
    """Show that something starts, and a line once it has."""
    begin_s = time.monotonic()
    with console.status(f"Starting: {what}"):
        yield
    console.print(
        Text.assemble(("✔", "green"), f" {what} ({time.monotonic() - begin_s:.1f} s)"),
        highlight=False,
        soft_wrap=True,
    )
