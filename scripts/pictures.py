"""Takes the pictures of pages that the documents show: ``python -m scripts.pictures``.

A real browser looks at them. Report and live page show one backtest of real images, the live page
as it was in the midst of it: the records go to a real broker.
"""

from __future__ import annotations

import threading
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from kafka import KafkaProducer
from playwright.sync_api import Browser, Page

from flink_jobs.dashboard.feed import Topics
from flink_jobs.dashboard.serve import Address, Dashboard
from flink_jobs.demo.outcome import judge_models
from flink_jobs.demo.picture import write_html as write_demo
from flink_jobs.demo.streams import make_streams
from flink_jobs.embedded.kafka_broker import KafkaBroker
from flink_jobs.records.alerts import encode_record
from flink_jobs.records.evidence import encode_evidence
from flink_jobs.reports.write import gather, write_html
from scripts.shared.browser import open_browser
from scripts.shared.offline_demo import report
from scripts.shared.report_sample import COURIER, MINUTE_MS, START_MS, Sample, run_digits

_DOCS = Path(__file__).parents[1] / "docs"
_TOPICS = ("drift-alerts", "drift-scores", "drift-control", "drift-audit", "drift-evidence")
# The courier's drift has been going on for most of an hour, the scanner's is over.
_UNTIL_MS = START_MS + 145 * MINUTE_MS
_ALL = ["demo", "report", "dashboard"]
_FIRST_MODEL = "#models > article:first-of-type"


def main(
    names: Annotated[list[str] | None, typer.Argument(help=f"Some of {', '.join(_ALL)}")] = None,
) -> None:
    """Take all pictures, or some."""
    wanted = names or _ALL
    # The page shows the history's path.
    with TemporaryDirectory() as name, chdir(name), open_browser() as browser:
        if "demo" in wanted:
            _take_demo(Path(name) / "drift.html", browser)
        if wanted == ["demo"]:
            return
        sample = run_digits(Path())
        if "report" in wanted:
            _take_report(sample, Path(name) / "report.html", browser)
        if "dashboard" in wanted:
            _take_dashboard(sample, browser)


def _take_demo(path: Path, browser: Browser) -> None:
    """All panels, from the streams of the demonstration through the monitor alone."""
    streams = make_streams(seed=0)
    reported = report(streams)
    write_demo(judge_models(streams, reported), reported, path)
    page = _page(browser, 1100, path.as_uri())
    for chart in page.locator(".chart").all():
        chart.scroll_into_view_if_needed()
        chart.locator(".main-svg").first.wait_for(state="attached")
    # A picture has no buttons and no tables to open.
    page.add_style_tag(content=".tools, details, footer { display: none !important; }")
    page.evaluate("scrollTo(0, 0)")
    page.screenshot(path=_DOCS / "demo.png", full_page=True)


def _take_report(sample: Sample, path: Path, browser: Browser) -> None:
    """The head of the page and its first model."""
    contents = gather(sample.result, truth=sample.truth, image_shape=(8, 8))
    write_html(contents, path)
    page = _page(browser, 1280, path.as_uri())
    for chart in page.locator(f"{_FIRST_MODEL} .chart").all():
        chart.scroll_into_view_if_needed()
        chart.locator(".main-svg").first.wait_for(state="attached")
    page.evaluate("scrollTo(0, 0)")
    box = page.locator(_FIRST_MODEL).bounding_box()
    assert box is not None
    page.screenshot(
        path=_DOCS / "backtest-report.png",
        full_page=True,
        clip={"x": 0, "y": 0, "width": 1280, "height": box["y"] + box["height"] + 20},
    )


def _take_dashboard(sample: Sample, browser: Browser) -> None:
    with KafkaBroker() as broker:
        for topic in _TOPICS:
            broker.create_topic(topic)
        _send(sample, broker)
        topics = Topics(
            bootstrap_servers=broker.bootstrap_servers,
            audit="drift-audit",
            evidence="drift-evidence",
        )
        with Dashboard(
            topics, Address(port=0), control_topic="drift-control", issued_by="on-call"
        ) as dashboard:
            serving = threading.Thread(target=dashboard.serve)
            serving.start()
            page = _page(browser, 1400, dashboard.url)
            page.get_by_role("button", name="Acknowledge").first.wait_for()
            page.locator("#models").get_by_text(COURIER).click()
            page.locator("#chart .main-svg").first.wait_for()
            # What comes first is drawn at once, all else within a second.
            page.wait_for_timeout(2_000)
            page.screenshot(path=_DOCS / "dashboard.png")
            page.close()
            dashboard.stop()
            serving.join()


def _send(sample: Sample, broker: KafkaBroker) -> None:
    """Send what the job would have written so far, in order of event time."""
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap_servers)
    result = sample.result
    records: list[tuple[int, str, tuple[bytes, bytes]]] = [
        *((each.window.end_ms, "drift-alerts", encode_record(each)) for each in result.alerts()),
        *((each.window.end_ms, "drift-scores", encode_record(each)) for each in result.scores()),
        *(
            (each.window.end_ms, "drift-evidence", encode_evidence(each))
            for each in result.evidence({alert.alert_id for alert in result.alerts()}).values()
        ),
    ]
    for end_ms, topic, (key, value) in sorted(records):
        if end_ms <= _UNTIL_MS:
            producer.send(topic, key=key, value=value)
    producer.close()


def _page(browser: Browser, width: int, address: str) -> Page:
    page = browser.new_context(viewport={"width": width, "height": 900}).new_page()
    page.goto(address)
    return page


if __name__ == "__main__":
    typer.run(main)
