"""Times the report of 1, 50 and 1,000 models: ``python -m scripts.bench.pages``.

Exits with 1 where the page of 1,000 models is larger than 10 MB or shows no chart within 2 s.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, NamedTuple

import typer
from playwright.sync_api import Browser
from rich.console import Console

from flink_jobs.one_thread import use_one_thread
from flink_jobs.reports.write import gather, write_html
from scripts.shared.browser import open_browser
from scripts.shared.fleet_sample import run_fleet
from scripts.shared.markdown import table

MOST_MB, MOST_S = 10.0, 2.0
_RUNS = 5
# When the first chart stands in the page, since the browser began to load it.
_WATCH = """
new MutationObserver((_, observer) => {
  if (!document.querySelector(".chart .main-svg")) return;
  window.firstChart = performance.now();
  observer.disconnect();
}).observe(document, { childList: true, subtree: true });
"""
_console = Console()


class Timed(NamedTuple):
    """One page: its size, what it took to write it, and seconds to its first chart, by run."""

    n_models: int
    n_windows: int
    size_mb: float
    written_s: float
    chart_s: list[float]

    @property
    def is_good(self) -> bool:
        """Say whether the page keeps to both limits."""
        return self.size_mb < MOST_MB and statistics.median(self.chart_s) < MOST_S


def main(
    models: Annotated[
        list[int] | None, typer.Option(help="how many models, else 1, 50, 1000")
    ] = None,
    keep: Annotated[Path | None, typer.Option(help="a folder that keeps the pages")] = None,
) -> None:
    """Write reports of many models, and open each in a browser several times."""
    use_one_thread()
    with TemporaryDirectory() as name, open_browser() as browser:
        timed = [measure(n, keep or Path(name), browser) for n in models or (1, 50, 1_000)]
    _console.print(report(timed), markup=False)
    if not all(each.is_good for each in timed):
        raise typer.Exit(1)


def measure(n_models: int, folder: Path, browser: Browser) -> Timed:
    """Replay, write and open the report of so many models."""
    of_models = folder / str(n_models)
    of_models.mkdir(parents=True, exist_ok=True)
    result = run_fleet(of_models, n_models=n_models)
    page, began = of_models / "report.html", time.perf_counter()
    write_html(gather(result), page)
    written_s = time.perf_counter() - began
    charts = [_first_chart(page, browser) for _ in range(_RUNS)]
    size_mb = page.stat().st_size / 1e6
    return Timed(n_models, result.summary.n_scores, size_mb, written_s, charts)


def _first_chart(path: Path, browser: Browser) -> float:
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        page = context.new_page()
        page.add_init_script(_WATCH)
        page.goto(path.as_uri(), wait_until="commit")
        # As a function: the policy of the page allows no eval of expressions.
        page.wait_for_function("() => window.firstChart", timeout=60_000)
        return float(page.evaluate("window.firstChart")) / 1_000


def report(timed: list[Timed]) -> str:
    """Give a row for each page."""
    rows = [
        (
            f"{each.n_models:,}",
            f"{each.n_windows:,}",
            f"{each.size_mb:.1f} MB",
            f"{each.written_s:.1f} s",
            f"{statistics.median(each.chart_s):.1f} s "
            f"({min(each.chart_s):.1f} to {max(each.chart_s):.1f})",
        )
        for each in timed
    ]
    head = ("models", "windows", "file", "written in", "first chart after")
    return table(head, rows)


if __name__ == "__main__":
    typer.run(main)
