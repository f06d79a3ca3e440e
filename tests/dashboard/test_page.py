"""The page in a real browser, on real topics, with a thread in the place of the job."""

from __future__ import annotations

import itertools
import json
import re
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from playwright.sync_api import Browser, Page, expect

from flink_jobs.dashboard.feed import Topics
from flink_jobs.dashboard.serve import Address, Dashboard
from flink_jobs.embedded.kafka_broker import KafkaBroker
from flink_jobs.records.alerts import AlertKind, Severity
from flink_jobs.records.command_decoder import decode_command
from flink_jobs.records.control import Command, Outcome, PlacedCommand, audit_id, kind_of
from flink_jobs.records.status import ModelState, ModelStatus
from tests.dashboard.records import BEGIN_MS, WINDOW_MS, alert, evidence, score, write
from tests.records.examples import make_audit, make_status

pytestmark = [pytest.mark.integration, pytest.mark.system]

expect.set_options(timeout=30_000)
HOUR_MS = 3_600_000
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\n\"'`${7+7}&lt;\u202edrow"
_names = (f"model-{number}" for number in itertools.count())


class Setting:
    """The topics that the page follows, and what writes to them and reads from them."""

    def __init__(self, broker: KafkaBroker) -> None:
        names = ("alerts", "scores", "control", "audit", "status", "evidence")
        topics = [f"page-{name}" for name in names]
        self.alerts, self.scores, self.control, self.audit, self.status, self.evidence = topics
        for topic in topics:
            broker.create_topic(topic)
        self.topics = Topics(
            bootstrap_servers=broker.bootstrap_servers,
            alerts=self.alerts,
            scores=self.scores,
            audit=self.audit,
            status=self.status,
            evidence=self.evidence,
        )
        self.producer = KafkaProducer(bootstrap_servers=broker.bootstrap_servers)
        self._consumer = KafkaConsumer(
            bootstrap_servers=broker.bootstrap_servers, auto_offset_reset="earliest"
        )
        self._consumer.assign([TopicPartition(self.control, 0)])

    def write_scores(self, model: str, *statistics: float, first: int = 0, **more: Any) -> None:
        scores = [score(model, first + p, value, **more) for p, value in enumerate(statistics)]
        write(self.producer, self.scores, *scores)

    def next_command(self) -> PlacedCommand:
        """The next one on the control topic; it must come within 30 s."""
        polled = self._consumer.poll(timeout_ms=30_000, max_records=1)
        ((record,),) = polled.values()
        return decode_command(record.key, record.value, record.partition, record.offset)

    def answer(self, placed: PlacedCommand, reason: str, **changes: Any) -> None:
        """As the job does; without a status unless one is given."""
        command: Command = placed.command
        given = {
            "audit_id": audit_id(0, placed.offset, command.model, Outcome.APPLIED),
            "model": command.model,
            "kind": kind_of(command),
            "command_id": command.command_id,
            "issued_by": command.issued_by,
            "reason": reason,
            "status": None,
        }
        audit = msgspec.structs.replace(make_audit(changes.pop("variant", "")), **(given | changes))
        write(self.producer, self.audit, audit)

    def close(self) -> None:
        self.producer.close()
        self._consumer.close()


def quiet(model: str) -> ModelStatus:
    """The status of a model without an incident, after the windows that tests write."""
    at_ms = BEGIN_MS + 10 * WINDOW_MS
    return make_status(
        model=model,
        state=ModelState.QUIET,
        at_ms=at_ms,
        heard_ms=at_ms,
        snoozed_until_ms=None,
        incidents=[],
    )


def seen(model: str, incident_id: str) -> ModelStatus:
    """The status of a model whose only incident somebody acknowledged."""
    (incident,) = make_status().incidents
    incident = msgspec.structs.replace(incident, incident_id=incident_id)
    return make_status(model=model, incidents=[incident], snoozed_until_ms=None)


@pytest.fixture(scope="module")
def setting(kafka_broker: KafkaBroker) -> Iterator[Setting]:
    setting = Setting(kafka_broker)
    yield setting
    setting.close()


@pytest.fixture(scope="module")
def url(setting: Setting) -> Iterator[str]:
    dashboard = Dashboard(
        setting.topics, Address(port=0), control_topic=setting.control, issued_by="on-call"
    )
    with dashboard:
        thread = threading.Thread(target=dashboard.serve)
        thread.start()
        yield dashboard.url
        dashboard.stop()
        thread.join()


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    yield from watched(browser, url)


@pytest.fixture
def phone(browser: Browser, url: str) -> Iterator[Page]:
    size: Any = {"width": 390, "height": 844}
    yield from watched(browser, url, viewport=size, is_mobile=True, has_touch=True)


def watched(browser: Browser, url: str, **settings: Any) -> Iterator[Page]:
    """A page that may say nothing on its console, load once and ask nobody else."""
    with browser.new_context(**settings) as context:
        page = context.new_page()
        complaints: list[str] = []
        asked: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(url)
        expect(page.locator("#connection")).to_have_text("● live", timeout=30_000)
        yield page
    assert complaints == []
    others = [each for each in asked if urlsplit(each).scheme not in ("data", "blob")]
    assert {urlsplit(each).netloc for each in others} == {urlsplit(url).netloc}
    assert others.count(url) == 1


def row(page: Page, model: str) -> Any:
    return page.locator("#list button", has=page.locator(".name", has_text=model)).first


def choose(page: Page, model: str) -> None:
    row(page, model).click()
    expect(page.locator("#model-title")).to_have_text(model)


def press(page: Page, name: str) -> None:
    page.locator("#actions").get_by_role("button", name=name).click()


def answers(page: Page) -> Any:
    return page.locator("#answers li")


def test_scores_and_alerts_appear_and_move_the_chart_without_a_reload(
    page: Page, setting: Setting
) -> None:
    model = next(_names)
    setting.write_scores(model, 0.03, 0.04, 0.06)
    expect(row(page, model)).to_contain_text("no drift · 0.75×")
    choose(page, model)
    expect(page.locator("#chart")).to_have_attribute("aria-label", has("3 windows tested, 0 above"))

    setting.write_scores(model, 0.2, 0.24, first=3)
    write(setting.producer, setting.alerts, alert(model, 4, statistic=0.24))

    expect(page.locator("#chart")).to_have_attribute("aria-label", has("5 windows tested, 2 above"))
    expect(page.locator("#chart .main-svg").first).to_be_visible()
    expect(page.locator("#model-state")).to_have_text("△ drift")
    expect(page.locator("#incidents-list")).to_contain_text(model)
    expect(page.locator("#entries li").first).to_contain_text("drift started")
    expect(page.locator("#news")).to_have_text(f"New incident. drift: {model}")

    recovered = alert(model, 5, kind=AlertKind.RECOVERED)
    write(setting.producer, setting.alerts, recovered)

    expect(page.locator("#model-state")).to_have_text("✓ no drift")
    expect(page.locator("#incidents-list")).not_to_contain_text(model)


def test_no_line_of_the_chart_crosses_a_time_without_windows(page: Page, setting: Setting) -> None:
    model = next(_names)
    setting.write_scores(model, 0.03, 0.04, 0.03)
    setting.write_scores(model, 0.04, 0.03, first=30)

    choose(page, model)
    page.locator("#chart .main-svg").first.wait_for()
    expect(page.locator("#chart")).to_have_attribute("aria-label", has("5 windows tested"))

    drawn = page.evaluate(
        "() => document.querySelector('#chart')._fullData.slice(0, 2).map(({ y }) => [...y])"
    )
    assert [[value != value for value in each] for each in drawn] == [
        [False, False, False, True, False, False]
    ] * 2


def test_whoever_zooms_by_keys_or_buttons_keeps_the_view_while_windows_come_in(
    page: Page, setting: Setting
) -> None:
    model = next(_names)
    setting.write_scores(model, *(0.03 for _ in range(20)))
    choose(page, model)
    chart = page.locator("#chart")
    expect(chart).to_have_attribute("aria-label", has("20 windows tested"))
    chart.locator(".main-svg").first.wait_for()
    whole = page.evaluate(_X_RANGE)

    chart.focus()
    page.keyboard.press("+")
    page.get_by_role("button", name="Earlier").click()
    near = page.evaluate(_X_RANGE)
    setting.write_scores(model, 0.03, first=20)
    expect(chart).to_have_attribute("aria-label", has("21 windows tested"))
    kept = page.evaluate(_X_RANGE)
    page.get_by_role("button", name="Reset").click()

    assert near[1] - near[0] < 0.6 * (whole[1] - whole[0])
    assert kept == near
    assert page.evaluate(_X_RANGE)[1] >= whole[1] + WINDOW_MS
    assert chart.locator(".modebar").count() == 0


_X_RANGE = "document.querySelector('#chart').layout.xaxis.range.map(Number)"


def test_charts_are_dark_with_the_system_and_light_on_paper(
    browser: Browser, url: str, setting: Setting
) -> None:
    model = next(_names)
    setting.write_scores(model, 0.03, 0.04)
    for page in watched(browser, url, color_scheme="dark"):
        choose(page, model)
        line = page.locator("#chart .scatterlayer .js-line").nth(1)
        expect(line).to_have_css("stroke", "rgb(86, 180, 233)")

        page.emulate_media(media="print")

        expect(line).to_have_css("stroke", "rgb(0, 114, 178)")
        expect(page.locator(".tools")).to_be_hidden()
        page.emulate_media(media="screen")
        expect(line).to_have_css("stroke", "rgb(86, 180, 233)")


def test_hovering_shows_what_a_window_gave(page: Page, setting: Setting) -> None:
    model = next(_names)
    setting.write_scores(model, 0.03, 0.04, 0.2)
    choose(page, model)
    points = page.locator("#chart .scatterlayer .trace .points path")
    points.nth(1).wait_for(state="attached")

    points.nth(1).hover(force=True)

    label = page.locator("#chart .hoverlayer .hovertext")
    expect(label.first).to_contain_text("statistic 0.04, threshold 0.08")


def test_an_incident_is_acknowledged_and_the_jobs_answer_is_shown(
    page: Page, setting: Setting
) -> None:
    model = next(_names)
    setting.write_scores(model, 0.03)
    write(setting.producer, setting.alerts, alert(model, 1, incident_id="incident-7"))

    page.get_by_role("button", name=f"Acknowledge the incident of {model}").click()
    placed = setting.next_command()
    expect(answers(page)).to_contain_text("acknowledge: sent, waiting for the job's answer")
    setting.answer(
        placed,
        "no ongoing alert is written until it becomes worse",
        status=seen(model, "incident-7"),
    )

    command = placed.command
    assert (kind_of(command), command.model, command.issued_by) == ("acknowledge", model, "on-call")
    assert getattr(command, "incident_id", None) == "incident-7"
    expect(answers(page)).to_contain_text(
        "acknowledge applied from 2026-01-01 00:40 UTC on: no ongoing alert is written"
    )
    incident = page.locator("#incidents-list li", has_text=model)
    expect(incident).to_contain_text("drift · acknowledged")
    expect(incident.get_by_role("button", name="Acknowledge")).to_have_count(0)
    expect(page.locator("#entries li").first).to_contain_text("acknowledge by on-call applied")


def test_what_drops_a_reference_asks_first_and_cancel_sends_nothing(
    page: Page, setting: Setting
) -> None:
    model = next(_names)
    setting.write_scores(model, 0.03)
    choose(page, model)
    dialog = page.locator("#dialog")

    for name, confirm in (("Rebaseline…", "Collect a new"), ("Approve current…", "Approve the")):
        press(page, name)
        expect(dialog).to_contain_text(model)
        expect(dialog).to_contain_text(confirm)
        expect(page.locator("#dialog-cancel")).to_be_focused()
        page.keyboard.press("Enter")
        expect(dialog).to_be_hidden()
    press(page, "Pause…")
    page.keyboard.press("Escape")
    expect(answers(page)).to_have_count(0)
    press(page, "Pause…")
    page.locator("#dialog-confirm").click()

    # The first command on the topic is the one that was confirmed.
    placed = setting.next_command()
    assert (kind_of(placed.command), placed.command.model) == ("pause", model)
    paused = msgspec.structs.replace(quiet(model), is_paused=True, state=ModelState.PAUSED)
    setting.answer(placed, "nothing is tested until the command resume", status=paused)
    expect(page.locator("#model-state")).to_have_text("‖ paused")
    press(page, "Resume")
    placed = setting.next_command()
    assert kind_of(placed.command) == "resume"
    setting.answer(placed, "it is not paused", outcome=Outcome.REFUSED, effective_ms=None)
    expect(answers(page).first).to_have_text("✖resume refused: it is not paused")


def test_a_snooze_is_counted_in_the_models_own_event_time(page: Page, setting: Setting) -> None:
    model = next(_names)
    setting.write_scores(model, 0.03, 0.03)
    choose(page, model)

    press(page, "Snooze…")
    page.get_by_label("1 day").check()
    page.locator("#dialog-confirm").click()
    day = setting.next_command()
    press(page, "Snooze…")
    page.locator("#until").fill("2025-12-31T00:00:00")
    page.locator("#dialog-confirm").click()
    expect(page.locator("#dialog-error")).to_have_text("Give a time after 2026-01-01 00:02 UTC.")
    page.locator("#until").fill("2026-01-01T06:00:00")
    page.locator("#dialog-confirm").click()
    custom = setting.next_command()
    snoozed = msgspec.structs.replace(quiet(model), snoozed_until_ms=BEGIN_MS + 6 * HOUR_MS)
    setting.answer(custom, "alerts are held back", status=snoozed)

    assert getattr(day.command, "until_ms", None) == BEGIN_MS + 2 * WINDOW_MS + 24 * HOUR_MS
    assert getattr(custom.command, "until_ms", None) == BEGIN_MS + 6 * HOUR_MS
    expect(page.locator("#model-flags")).to_have_text("◷ snoozed until 2026-01-01 06:00 UTC")


def test_describe_shows_what_the_job_knows(page: Page, setting: Setting) -> None:
    model = next(_names)
    setting.write_scores(model, 0.03)
    choose(page, model)

    press(page, "Describe")
    placed = setting.next_command()
    setting.answer(placed, "the status is attached", status=quiet(model))

    expect(page.locator("#status")).to_contain_text("phase")
    expect(page.locator("#status")).to_contain_text("since the reference")
    expect(page.locator("#status")).to_contain_text("30 d on average until a false alarm")
    expect(page.locator("#status")).to_be_visible()


def test_a_model_that_only_collects_is_shown_with_its_progress(
    page: Page, setting: Setting
) -> None:
    model = next(_names)
    write(setting.producer, setting.status, make_status("collecting", model=model))

    choose(page, model)

    progress = "400 of 2,000 events"
    expect(page.locator("#model-state")).to_have_text("… collecting a reference")
    expect(page.locator("#model-flags")).to_contain_text(progress)
    expect(page.locator("#chart-note")).to_contain_text(f"being collected: {progress}")
    expect(page.locator("#list li", has_text=model)).to_contain_text(progress)
    newer = make_status("collecting", model=model, status_id="newer", at_ms=BEGIN_MS + HOUR_MS)
    (view,) = newer.views
    view = msgspec.structs.replace(view, n_collected=1_999)
    write(setting.producer, setting.status, msgspec.structs.replace(newer, views=[view]))
    expect(page.locator("#chart-note")).to_contain_text("1,999 of 2,000 events")


def test_a_status_record_says_that_a_model_is_paused(page: Page, setting: Setting) -> None:
    model = next(_names)
    paused = msgspec.structs.replace(
        quiet(model), is_paused=True, state=ModelState.PAUSED, status_id=f"{model} paused"
    )
    write(setting.producer, setting.status, paused)

    choose(page, model)

    expect(page.locator("#model-state")).to_have_text("‖ paused")
    expect(page.locator("#chart-note")).to_contain_text("Paused: nothing is tested")
    expect(page.get_by_role("button", name="Resume")).to_be_visible()


def test_views_of_a_model_are_named_and_drawn_one_by_one(page: Page, setting: Setting) -> None:
    model = next(_names)
    for view, statistics in (("inputs", (0.03, 0.2)), ("outputs", (0.03, 0.04, 0.05))):
        setting.write_scores(model, *statistics, view=view)
    write(setting.producer, setting.alerts, alert(model, 1, view="inputs"))

    incident = page.locator("#incidents-list li", has_text=model)
    incident.locator(".name").click()

    expect(incident).to_contain_text("drift, view inputs")
    expect(page.locator("#entries")).to_contain_text("view inputs")
    expect(page.locator("#watcher option")).to_have_text(["inputs", "outputs"])
    expect(page.locator("#chart")).to_have_attribute("aria-label", has("2 windows tested"))
    page.locator("#watcher").select_option(label="outputs")
    expect(page.locator("#chart")).to_have_attribute("aria-label", has("3 windows tested"))
    moved = page.locator("#entries details", has_text="family").first
    moved.locator("summary").click()
    expect(moved).to_contain_text("`plan`: `family` 0 % → 40 % (new)")


def test_what_moved_is_shown_below_the_chart_in_words_of_people(
    page: Page, setting: Setting
) -> None:
    model = next(_names)
    setting.write_scores(model, 0.03, 0.2)
    plan, tenure = alert(model, 1).top_columns
    further = [
        msgspec.structs.replace(tenure, column=f"x{place}", unit=HOSTILE[:40])
        for place in range(200)
    ]
    hostile = msgspec.structs.replace(
        plan,
        column=HOSTILE,
        categories=[msgspec.structs.replace(plan.categories[0], category=HOSTILE)],
    )
    columns = [plan, tenure, hostile, *further]
    write(setting.producer, setting.alerts, alert(model, 1, top_columns=columns))

    choose(page, model)

    expect(page.locator("#moved-confined li")).to_have_text(
        ["only where `region` is EU: `plan` (0.81 there, 0.02 elsewhere)"]
    )
    items = page.locator("#moved-list li")
    expect(items).to_have_count(6)
    expect(items.nth(0)).to_contain_text("`family` 0 % → 40 % (new)")
    expect(items.nth(0).locator(".yaxislayer-above")).to_contain_text("(new)")
    expect(items.nth(0).locator("summary")).to_have_text("Numbers")
    expect(page.locator("#moved-source")).to_have_text(
        "Drawn from the alert alone: the events that were tested are not, or no longer, at hand."
    )
    expect(items.nth(1)).to_contain_text("median 12.1 → 30.4 months, up")
    expect(items.nth(2)).to_contain_text("<script>alert(1)</script>")
    page.locator("#moved-more summary").click()
    page.locator("#moved-search").fill("x19")
    expect(page.locator("#moved-rows tr")).to_have_count(11)
    expect(page.locator("#moved-found")).to_have_text("11 of 197 found")
    assert page.locator("img, iframe, object, embed").count() == 0


def test_what_was_tested_takes_the_place_of_what_the_alert_tells(
    page: Page, setting: Setting
) -> None:
    model = next(_names)
    setting.write_scores(model, 0.03, 0.2)
    write(setting.producer, setting.alerts, alert(model, 1))
    choose(page, model)
    source = page.locator("#moved-source")
    expect(source).to_contain_text("Drawn from the alert alone")

    write(setting.producer, setting.evidence, evidence(model, 1))

    expect(source).to_have_text(
        "Drawn from events that were tested: 4 of the window and 4 of the reference."
    )
    tenure = page.locator("#moved-list li").first
    expect(tenure).to_contain_text("median 19 → 49 months, up")
    expect(tenure.locator(".barlayer .point")).not_to_have_count(0)
    tenure.locator("summary").click()
    expect(tenure.locator("thead")).to_contain_text("reference")
    expect(tenure.locator("tbody tr").last).to_have_text("missing0 %25 %")


def test_names_from_kafka_are_text_wherever_they_stand(page: Page, setting: Setting) -> None:
    for detector in (HOSTILE, "main"):
        setting.write_scores(
            HOSTILE, 0.03, 0.2, detector=detector, reducer=HOSTILE, test=HOSTILE, job=HOSTILE
        )
    write(setting.producer, setting.alerts, alert(HOSTILE, 1, detector=HOSTILE))
    shown = page.locator("#incidents-list .name", has_text="<script>alert(1)</script>")
    shown.click()

    title = page.locator("#model-title")
    expect(title).to_contain_text("<img src=x onerror=alert(2)>\\n\"'`${7+7}&lt;\\u202edrow")
    expect(page.locator("#model-facts")).to_contain_text("<script>")
    expect(page.locator("#watcher option")).to_have_count(2)
    named = json.dumps(["main", HOSTILE], ensure_ascii=False, separators=(",", ":"))
    page.locator("#watcher").select_option(named)
    expect(page.locator("#chart")).to_have_attribute("aria-label", has("2 windows tested, 1 above"))
    assert page.locator("img, iframe, object, embed").count() == 0
    assert page.evaluate("document.scripts.length") == 3
    page.get_by_role("button", name="Describe").click()
    assert setting.next_command().command.model == HOSTILE
    # The address names the model: a page that is loaded again shows it again.
    address = page.evaluate("location.hash")
    assert json.dumps(HOSTILE) == page.evaluate(
        "hash => JSON.stringify(new URLSearchParams(hash.slice(1)).get('model'))", address
    ).replace("\u202e", "\\u202e")


def test_the_list_is_searched_and_walked_with_the_keyboard(page: Page, setting: Setting) -> None:
    names = [f"walk-{number}" for number in (1, 2, 10)]
    for name in names:
        setting.write_scores(name, 0.03)
    expect(row(page, "walk-10")).to_be_visible()

    page.keyboard.press("/")
    page.keyboard.type("walk-")
    expect(page.locator("#list .name")).to_have_text(names)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")

    expect(page.locator("#model-title")).to_have_text("walk-2")
    expect(row(page, "walk-2")).to_have_attribute("aria-current", "true")
    assert page.locator("#list button[tabindex='0']").count() == 1
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_models_are_filtered_by_state_and_the_worst_come_first(
    page: Page, setting: Setting
) -> None:
    quiet, bad = "order-a", "order-b"
    setting.write_scores(quiet, 0.03)
    setting.write_scores(bad, 0.03)
    critical = alert(bad, 1, severity=Severity.CRITICAL)
    write(setting.producer, setting.alerts, critical)
    page.locator("#search").fill("order-")
    expect(page.locator("#list .name")).to_have_text([bad, quiet])

    page.locator("#tallies button", has_text="critical drift").click()

    expect(page.locator("#list .name")).to_have_text([bad])


def test_the_page_fits_a_phone(phone: Page, setting: Setting) -> None:
    model = f"a-long-name-without-any-blank-{'x' * 300}"
    setting.write_scores(model, 0.03, 0.05)
    row(phone, model[:40]).tap()

    expect(phone.locator("#chart .main-svg").first).to_be_visible()
    width = phone.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width[0] <= width[1]
    sizes = phone.evaluate(
        "[...document.querySelectorAll('#actions, #list, #tallies, .tools')]"
        ".flatMap(each => [...each.querySelectorAll('button')])"
        ".filter(each => each.offsetParent).map(each => each.getBoundingClientRect().height)"
    )
    assert min(sizes) >= 36


def has(piece: str) -> re.Pattern[str]:
    return re.compile(re.escape(piece))


@pytest.mark.parametrize("width", [360, 1000, 1600])
def test_all_models_are_one_picture_that_leads_to_each(
    browser: Browser, url: str, setting: Setting, width: int
) -> None:
    model = next(_names)
    setting.write_scores(model, 0.04, 0.2, 0.2)
    write(setting.producer, setting.alerts, alert(model, 1))
    size: Any = {"width": width, "height": 900}
    for page in watched(browser, url, viewport=size):
        page.get_by_role("button", name="In one picture").click()
        picture = page.locator("#overview-chart")
        expect(picture.locator(".main-svg").first).to_be_visible()
        expect(picture).to_have_attribute("aria-label", has("models from"))
        expect(picture.locator(".yaxislayer-above text", has_text=model)).to_have_count(1)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.locator("#overview summary").click()
        expect(page.locator("#overview-table tbody tr", has_text=model)).to_contain_text("66.7 %")

        page.keyboard.press("Escape")

        expect(picture).to_be_hidden()


def test_windows_of_several_days_are_a_calendar(page: Page, setting: Setting) -> None:
    model, a_day = next(_names), 24 * 60
    for day in range(4):
        setting.write_scores(model, 0.2 if day == 2 else 0.04, first=day * (a_day + 60))
    page.get_by_role("button", name=model).click()

    page.get_by_text("Calendar of the last windows").click()

    expect(page.locator("#calendar-words")).to_contain_text("1 of 4 windows drift")
    expect(page.locator("#calendar-chart .heatmap-label", has_text="▲")).to_have_count(1)
    expect(page.locator("#calendar-table tbody tr")).to_have_count(4)
