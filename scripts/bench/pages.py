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
    """One page: its size, the seconds to write it, and those to its first chart, by run.

    ``busy_s`` is the processor time of the page's main thread until then: other work on the machine
    does not count in it.
    """

    n_models: int
    n_windows: int
    size_mb: float
    written_s: float
    chart_s: list[float]
    busy_s: list[float]

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
    charts, busy = zip(*(_first_chart(page, browser) for _ in range(_RUNS)), strict=True)
    size_mb = page.stat().st_size / 1e6
    n_windows = result.summary.n_scores
    return Timed(n_models, n_windows, size_mb, written_s, list(charts), list(busy))


def _first_chart(path: Path, browser: Browser) -> tuple[float, float]:
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        page = context.new_page()
        page.add_init_script(_WATCH)
        inspector = context.new_cdp_session(page)
        inspector.send("Performance.enable", {"timeDomain": "threadTicks"})
        page.goto(path.as_uri(), wait_until="commit")
        # As a function: the policy of the page allows no eval of expressions.
        page.wait_for_function("() => window.firstChart", timeout=60_000)
        metrics = inspector.send("Performance.getMetrics")["metrics"]
        (busy_s,) = (each["value"] for each in metrics if each["name"] == "TaskDuration")
        return float(page.evaluate("window.firstChart")) / 1_000, float(busy_s)


def report(timed: list[Timed]) -> str:
    """Give a row for each page."""
    rows = [
        (
            f"{each.n_models:,}",
            f"{each.n_windows:,}",
            f"{each.size_mb:.1f} MB",
            f"{each.written_s:.1f} s",
            _spread(each.chart_s),
            _spread(each.busy_s),
        )
        for each in timed
    ]
    head = ("models", "windows", "file", "written in", "first chart after", "of the processor")
    return table(head, rows)


def _spread(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.1f} s ({min(seconds):.1f} to {max(seconds):.1f})"


if __name__ == "__main__":
    typer.run(main)
