"""The report in headless Chromium: real images, one of the models with a hostile name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import typer
from playwright.sync_api import Browser, Page, TimeoutError, ViewportSize
from typer.testing import CliRunner

from flink_jobs.cli.report import report as command
from flink_jobs.reports.write import gather, write_html
from scripts.shared.fleet_sample import run_fleet
from scripts.shared.report_sample import COURIER, HOSTILE, SCANNER, Sample, run_digits
from scripts.shared.wide_sample import run_wide

pytestmark = pytest.mark.system

BAR = "\u202e<b>bold</b>"
DESKTOP: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 360, "height": 740}
TIMELINE = "#models > article:first-of-type .chart.timeline"
# As functions where it is waited for: the policy of the page allows no eval of expressions.
_X_RANGE = f"document.querySelector('{TIMELINE}').layout.xaxis.range.map(Number)"


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return run_digits(tmp_path_factory.mktemp("digits"), rename={COURIER: HOSTILE})


@pytest.fixture(scope="module")
def report(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Path:
    contents = gather(sample.result, truth=sample.truth, image_shape=(8, 8))
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_html(replace(contents, configuration=[("reference", HOSTILE)]), path)
    return path


@pytest.fixture(scope="module")
def page(browser: Browser, report: Path) -> Iterator[Page]:
    """For tests that do not mind what others did to it: loading one takes 4 s of CPU time."""
    yield from loaded(browser, report)


@pytest.fixture
def own_page(browser: Browser, report: Path) -> Iterator[Page]:
    yield from loaded(browser, report)


def loaded(browser: Browser, report: Path) -> Iterator[Page]:
    with browser.new_context(viewport=DESKTOP) as context:
        page = context.new_page()
        page.goto(report.as_uri())
        page.wait_for_selector(f"{TIMELINE} .main-svg")
        yield page


def scroll_through(page: Page) -> None:
    """Charts are drawn when they come near what is seen."""
    for chart in page.locator(".chart").all():
        if chart.is_visible():
            chart.scroll_into_view_if_needed()
            chart.locator(".main-svg").first.wait_for(state="attached")


def test_it_loads_without_an_error_and_without_a_request(browser, report):
    with browser.new_context(viewport=DESKTOP) as context:
        page = context.new_page()
        troubles: list[str] = []
        requests: list[str] = []
        page.on("console", lambda message: troubles.append(message.text))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("request", lambda request: requests.append(request.url[:200]))

        page.goto(report.as_uri())
        scroll_through(page)

        assert troubles == []
        assert [url for url in requests if not url.startswith("data:")] == [report.as_uri()]
        assert page.evaluate("window.hacked") is None
        assert page.locator(".chart .main-svg").count() >= 20


def test_margins_settle_wherever_the_last_tick_lies(own_page):
    troubles: list[str] = []
    own_page.on("console", lambda message: troubles.append(message.text))
    own_page.locator(".square").scroll_into_view_if_needed()
    own_page.locator(".square .main-svg").first.wait_for(state="attached")

    own_page.evaluate("""async () => {
      const { data, layout } = document.querySelector(".square");
      const box = document.body.appendChild(document.createElement("div"));
      for (let end = 2; end < 5; end += 0.02) {
        const given = structuredClone(layout);
        given.xaxis.range = [0, end];
        await Plotly.newPlot(box, structuredClone(data), given);
      }
    }""")

    assert troubles == []


def test_text_from_data_is_shown_as_it_is(page):
    assert HOSTILE in page.locator("h3").all_text_contents()[1]
    assert page.locator("a", has_text=HOSTILE).count() == 1


def test_hovering_shows_what_a_window_gave(page):
    page.locator(TIMELINE).scroll_into_view_if_needed()
    points = page.locator(f"{TIMELINE} .scatterlayer .trace .points path")

    points.nth(20).hover(force=True)

    label = page.locator(f"{TIMELINE} .hoverlayer .hovertext")
    label.first.wait_for()
    text = label.first.text_content()
    assert "statistic" in text
    assert "threshold" in text
    assert "of 600 events tested" in text or "of 599 events tested" in text


def test_dragging_zooms_and_a_double_click_resets(page):
    chart = page.locator(TIMELINE)
    chart.scroll_into_view_if_needed()
    whole = page.evaluate(_X_RANGE)
    box = chart.bounding_box()
    y = box["y"] + box["height"] / 2

    page.mouse.move(box["x"] + 0.4 * box["width"], y)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], y, steps=8)
    page.mouse.up()
    page.wait_for_function(f"() => {_X_RANGE}[0] != {whole[0]}")
    is_whole = f"() => {_X_RANGE}[0] == {whole[0]} && {_X_RANGE}[1] == {whole[1]}"
    # A busy browser takes clicks that are 0.3 s apart for single ones.
    for _ in range(10):
        page.mouse.dblclick(box["x"] + 0.5 * box["width"], y)
        with suppress(TimeoutError):
            page.wait_for_function(is_whole, timeout=3_000)
            break

    assert page.evaluate(is_whole)


def test_buttons_and_keys_zoom_too(page):
    whole = page.evaluate(_X_RANGE)

    page.locator(".tools button[data-do=in]").first.click()
    half = page.evaluate(_X_RANGE)
    page.locator(TIMELINE).focus()
    page.keyboard.press("+")
    quarter = page.evaluate(_X_RANGE)
    page.keyboard.press("ArrowRight")
    moved = page.evaluate(_X_RANGE)
    page.keyboard.press("0")

    assert half[1] - half[0] == pytest.approx((whole[1] - whole[0]) / 2)
    assert quarter[1] - quarter[0] == pytest.approx((whole[1] - whole[0]) / 4)
    assert moved[0] > quarter[0]
    assert page.evaluate(_X_RANGE) == whole


_NARROWEST_TIME = """Math.min(
  ...[...document.querySelectorAll('details tbody th')]
    .filter((cell) => cell.textContent.includes('2026-01-01') && cell.getClientRects().length)
    .map((cell) => cell.getBoundingClientRect().width)
)"""


def test_on_a_phone_the_page_is_one_column_without_sideways_scrolling(browser, report, tmp_path):
    with browser.new_context(viewport=PHONE, is_mobile=True, has_touch=True) as context:
        page = context.new_page()
        page.goto(report.as_uri())
        page.evaluate(
            "document.querySelectorAll('details').forEach((each) => { each.open = true; })"
        )
        scroll_through(page)

        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.screenshot(path=tmp_path / f"phone-{scheme}.png")

            # Asked for one by one, hundreds of cells take a minute.
            assert 80 < page.evaluate(_NARROWEST_TIME) < PHONE["width"]
            assert page.locator(".letters caption").bounding_box()["height"] < 60
            assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
            assert page.evaluate(
                "[...document.querySelectorAll('.chart')].every((c) => c.clientWidth <= innerWidth)"
            )


def test_on_a_phone_a_timeline_has_upright_times_and_room_for_its_line(browser, report):
    with browser.new_context(viewport=PHONE, is_mobile=True, has_touch=True) as context:
        page = context.new_page()
        page.goto(report.as_uri())
        page.locator(TIMELINE).scroll_into_view_if_needed()

        ticks = page.locator(f"{TIMELINE} .xaxislayer-above text")
        ticks.first.wait_for(state="attached")
        plot = page.locator(f"{TIMELINE} .nsewdrag").first.bounding_box()

        assert "rotate" not in "".join(each.get_attribute("transform") for each in ticks.all())
        assert plot["height"] >= 150
        assert not page.get_by_text("Drag over a timeline").is_visible()
        assert page.get_by_text("touch it to see what a window gave").is_visible()


def test_no_line_crosses_the_names_of_bands_along_the_top(page):
    page.locator(TIMELINE).scroll_into_view_if_needed()
    plot = page.locator(f"{TIMELINE} .nsewdrag").first.bounding_box()

    name = page.locator(f"{TIMELINE} .annotation", has_text="mostly threes").first.bounding_box()

    assert name["y"] + name["height"] <= plot["y"] + 2


def test_accuracy_by_labels_stands_beside_an_estimate_that_does_not_hold(page):
    scanner = page.locator("#models > article", has=page.locator("h3", has_text=SCANNER))

    text = scanner.locator(".incident").first.inner_text()

    assert re.search(r"By the labels of \d{3} events it was [23]\d(\.\d)? %", text)
    assert "something else than the shares has moved" in text


def test_a_narrower_window_redraws_the_charts(own_page):
    own_page.set_viewport_size({"width": 700, "height": 900})

    own_page.wait_for_function(
        f"() => document.querySelector('{TIMELINE}').layout.width"
        f" == document.querySelector('{TIMELINE}').clientWidth"
    )
    assert own_page.evaluate(f"document.querySelector('{TIMELINE}').layout.width") < 700


def test_it_prints_with_every_chart_and_without_buttons(own_page, tmp_path):
    path = tmp_path / "report.pdf"

    own_page.pdf(path=path, format="A4", print_background=True)
    own_page.emulate_media(media="print")

    assert path.read_bytes().startswith(b"%PDF")
    assert path.stat().st_size > 100_000
    shown = own_page.locator(".chart").all()
    assert all(chart.locator(".main-svg").count() for chart in shown if chart.is_visible())
    assert not own_page.locator(".tools").first.is_visible()
    assert not own_page.locator("nav").is_visible()


@pytest.fixture(scope="module")
def tab_stops(browser: Browser, report: Path) -> list[tuple[str, str]]:
    """What each press of the Tab key reaches on a new page, and the style of its outline."""
    stops: list[tuple[str, str]] = []
    for page in loaded(browser, report):
        for _ in range(40):
            page.keyboard.press("Tab")
            tag, text, label, outline = page.evaluate(_FOCUSED)
            stops.append((f"{tag} {label or text}"[:60], outline))
    return stops


_FOCUSED = """() => {
  const { tagName, textContent, ariaLabel } = document.activeElement;
  const outline = getComputedStyle(document.activeElement).outlineStyle;
  return [tagName, textContent.trim(), ariaLabel, outline];
}"""


def test_the_keyboard_reaches_each_chart_and_its_table(tab_stops):
    reached = [name for name, _ in tab_stops]

    timeline = next(i for i, each in enumerate(reached) if each.startswith("DIV Timeline of"))
    assert reached[timeline + 1].startswith("SUMMARY Table: the timeline of")
    assert reached[0] == "A Skip to the verdict"


def test_a_table_opens_by_the_keyboard_and_holds_the_numbers(page):
    table = page.locator("#models details", has_text="Table: the timeline of").first

    table.locator("summary").first.focus()
    page.keyboard.press("Enter")

    assert table.locator("tbody tr").first.is_visible()
    assert table.locator("tbody tr").count() == 60


def test_the_focus_can_be_seen(tab_stops):
    assert {outline for _, outline in tab_stops} == {"solid"}


def test_images_of_the_events_are_drawn(page):
    images = page.locator(".incident img")

    assert images.count() >= 3 * 8
    assert page.evaluate(
        "[...document.querySelectorAll('.incident img')].every((i) => i.naturalWidth == 8)"
    )


def test_a_link_to_a_collapsed_model_opens_it(browser, report, tmp_path):
    text = report.read_text(encoding="utf-8").replace('id="rest" open', 'id="rest"')
    collapsed = tmp_path / "collapsed.html"
    collapsed.write_text(text, encoding="utf-8")
    with browser.new_context(viewport=DESKTOP) as context:
        page = context.new_page()
        page.goto(collapsed.as_uri())

        page.locator(".verdict a", has_text="stable").click()

        page.locator(".rest .timeline .main-svg").first.wait_for()
        assert page.locator(".rest article").first.is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_enough_contrast(page, scheme):
    page.emulate_media(color_scheme=scheme)

    ratios = page.evaluate(_CONTRAST)

    assert len(ratios) > 100
    assert min(ratios) >= 4.5


_CONTRAST = """() => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = numbers(getComputedStyle(e).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const hasText = (e) => [...e.childNodes].some((n) => n.nodeType == 3 && n.textContent.trim());
  return [...document.querySelectorAll("body *")]
    .filter((e) => hasText(e) && e.checkVisibility())
    .filter((e) => !e.closest(".chart, script, [aria-hidden=true]"))
    .map((e) => {
      const both = [light(numbers(getComputedStyle(e).color)), light(behind(e))].sort();
      return (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
    });
}"""


def test_the_command_writes_the_page(sample, tmp_path):
    truth = tmp_path / "truth.json"
    truth.write_bytes(msgspec.json.encode([msgspec.to_builtins(each) for each in sample.truth]))
    app = typer.Typer()
    app.command()(command)
    page = tmp_path / "r.html"

    done = CliRunner().invoke(
        app,
        [
            str(sample.result.folder),
            *("--truth", str(truth), "--output", str(page)),
            *("--image-shape", "8x8"),
        ],
    )

    assert done.exit_code == 0, done.output
    assert "3 of 4 true drifts found" in page.read_text(encoding="utf-8")
    assert page.stat().st_size < 4e6


def test_the_images_of_both_sides_are_compared(sample):
    contents = gather(sample.result, image_shape=(8, 8))

    of_scanner = [v for v in contents.incidents.values() if v.started.model == SCANNER]

    assert len(of_scanner) == 2
    assert all(len(view.means) == 3 for view in of_scanner)
    assert all(len(view.columns) == 6 and view.columns[0].chart for view in of_scanner)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of 45 models over four days."""
    folder = tmp_path_factory.mktemp("fleet")
    result = run_fleet(folder, n_models=45, n_hours=96, events_an_hour=20)
    write_html(gather(result), folder / "report.html")
    return folder / "report.html"


@pytest.mark.parametrize("width", [360, 1000, 1600])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_models_are_one_picture_with_the_worst_at_the_top(browser, fleet, width, scheme):
    with browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme
    ) as context:
        page = context.new_page()
        troubles: list[str] = []
        page.on("console", lambda message: troubles.append(message.text))
        page.goto(fleet.as_uri())
        picture = page.locator("#overview .chart")
        picture.locator(".main-svg").first.wait_for(state="attached")

        names = picture.locator(".yaxislayer-above text").all_text_contents()
        names_end = max(e.bounding_box()["x"] for e in picture.locator(".ytick").all())

        assert len(names) == 40
        assert {name[-2:] for name in names[:5]} < {"00", "20", "40", "01", "21", "41"}
        assert picture.locator(".heatmaplayer image").count() == 1
        assert names_end < width / 2
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert "45 models" in picture.get_attribute("aria-label")
        assert troubles == []


def test_a_click_on_a_row_leads_to_its_model(browser, fleet):
    with browser.new_context(viewport=DESKTOP) as context:
        page = context.new_page()
        page.goto(fleet.as_uri())
        bars = page.locator("#overview .barlayer .point path")
        bars.first.wait_for(state="attached")

        bars.first.click(force=True)

        page.wait_for_function("() => location.hash.startsWith('#m')")
        place = page.evaluate("location.hash")
        assert page.locator(f"article{place}").is_visible()


def test_a_calendar_shows_drift_by_a_sign_and_as_a_table(browser, fleet):
    with browser.new_context(viewport=DESKTOP) as context:
        page = context.new_page()
        page.goto(fleet.as_uri())
        details = page.locator("details", has_text="Calendar of store-0000").first

        details.locator("summary").first.focus()
        page.keyboard.press("Enter")
        details.locator(".main-svg").first.wait_for(state="attached")

        assert "▲" in details.locator(".heatmap-label").all_text_contents()
        days = details.locator("tbody th").all_text_contents()
        assert days == [f"2026-01-0{day}" for day in range(1, 5)]


def test_a_chart_is_saved_as_a_picture(own_page):
    with own_page.expect_download() as download:
        own_page.locator(".tools button[data-do=save]").nth(1).click()

    saved = download.value.path().read_bytes()
    assert saved.startswith(b"\x89PNG")
    assert len(saved) > 10_000


def test_pictures_print(browser, fleet):
    with browser.new_context(viewport=DESKTOP) as context:
        page = context.new_page()
        page.goto(fleet.as_uri())
        page.locator("#overview .main-svg").first.wait_for(state="attached")

        page.emulate_media(media="print")

        assert page.locator("#overview .chart .main-svg").first.is_visible()
        assert not page.locator("#overview .tools").is_visible()


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of a table of 200 columns with long names and one hostile category."""
    folder = tmp_path_factory.mktemp("wide")
    sample = run_wide(folder, category=BAR)
    write_html(gather(sample.result), folder / "report.html")
    return folder / "report.html"


@pytest.mark.parametrize("width", [360, 1000, 1600])
def test_one_of_200_columns_is_found_by_its_name(browser, wide, width):
    with browser.new_context(viewport={"width": width, "height": 900}) as context:
        page = context.new_page()
        page.goto(wide.as_uri())
        page.locator("summary", has_text="all 200 columns").click()

        page.get_by_label("Columns whose name contains").fill("MEASURE_17")

        rows = page.locator(".columns tbody tr:visible")
        assert rows.count() == 10
        assert page.locator(".searched [role=status]").text_content() == "10 of 200 found"
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_what_moved_most_comes_first_in_words_of_people(browser, wide):
    with browser.new_context(viewport=DESKTOP) as context:
        page = context.new_page()
        page.goto(wide.as_uri())
        scroll_through(page)

        captions = page.locator(".multiples figcaption").all_inner_texts()
        marks = page.locator(".multiples .yaxislayer-above text").all_text_contents()

        assert "median" in captions[0]
        assert "months, up" in captions[0]
        assert "missing" in captions[0]
        assert captions[1].startswith("is_business")
        assert re.search(r"true 2\d[.\d]* % → 6\d", captions[1])
        assert captions[2].startswith("plan")
        assert "\\u202e<b>bold</b>` 0 %" in captions[2]
        assert "(new)" in captions[2]
        assert any("new" in mark for mark in marks)
        assert page.locator(".multiples b").count() == 0
