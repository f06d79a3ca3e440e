"""The page over plain HTTP: who is answered, what is refused, and what is marked how."""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest
import uvicorn

from flink_jobs.dashboard.app import Pages
from flink_jobs.dashboard.desk import CommandDesk
from flink_jobs.dashboard.feed import Feed, Topics
from flink_jobs.dashboard.guard import Guard
from flink_jobs.dashboard.hub import Hub
from flink_jobs.dashboard.state import LiveState
from flink_jobs.kafka.sending import CommandSender
from tests.dashboard.records import score

TOKEN = "the token of this start"
NOBODY = "127.0.0.1:1"
PAUSE = {"kind": "pause", "model": "fraud"}


class Served(NamedTuple):
    """A page whose models come from a test, and whose commands reach nobody."""

    port: int
    state: LiveState

    def ask(
        self, path: str, *, body: Any = None, host: str | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body; names of headers are written with underscores."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        data = None
        if body is not None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            named = {"Content-Type": "application/json"} | named
        method = "GET" if data is None else "POST"
        try:
            given = {"Host": host or f"127.0.0.1:{self.port}"} | named
            connection.request(method, path, data, given)
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()
        finally:
            connection.close()

    def order(self, body: Any, **headers: str) -> tuple[int, str]:
        """Press a button as the page does; status and what was said."""
        own = {"Origin": f"http://127.0.0.1:{self.port}", "X-Loudly-Token": TOKEN}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        status, _, answer = self.ask("/api/commands", body=body, **(own | named))
        return status, answer.decode()


@contextmanager
def serving(*, has_commands: bool = True, **guarded: Any) -> Iterator[Served]:
    state = LiveState()
    state.take([score("fraud", 0)])
    desk = CommandDesk(CommandSender(NOBODY, "control"), state, "on-call") if has_commands else None
    hub = Hub(state, Feed(Topics(bootstrap_servers=NOBODY), state), {}, lambda: server.should_exit)
    app = Guard(Pages(state, hub, desk, TOKEN).app(), **({"is_remote_allowed": False} | guarded))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none"))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield Served(listening.getsockname()[1], state)
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="module")
def page() -> Iterator[Served]:
    with serving() as served:
        yield served


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/page.js", "/look.js", "/page.css", "/plotly.js"),
        *("/api/chart?model=0", "/api/overview", "/api/calendar?model=0"),
    ],
)
def test_every_answer_forbids_foreign_scripts_frames_and_guessing(page: Served, path: str) -> None:
    status, headers, _ = page.ask(path)

    policy = headers["content-security-policy"]
    assert status == 200
    assert "script-src 'self';" in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in headers


def test_the_page_holds_its_token_and_no_inline_script_or_style(page: Served) -> None:
    _, headers, body = page.ask("/")
    text = body.decode()

    assert TOKEN in text
    assert headers["cache-control"] == "no-store"
    assert re.findall("<script[^>]*>[^<]*</script>", text) == [
        '<script src="/look.js"></script>',
        '<script type="module" src="/page.js"></script>',
    ]
    assert text.count("<script") == 2
    assert "<style" not in text
    assert " style=" not in text
    assert " on" not in re.sub(" (one|once|ongoing)", "", text)


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8765", "127.0.0.1.evil.example", "10.0.0.1", "[::2]", "["],
)
def test_a_name_that_was_made_to_point_here_is_refused(page: Served, host: str) -> None:
    assert page.ask("/", host=host)[0] == 421


def test_this_machine_is_called_by_its_own_names(page: Served) -> None:
    hosts = [f"{name}:{page.port}" for name in ("127.0.0.1", "localhost", "LOCALHOST", "[::1]")]

    assert [page.ask("/", host=host)[0] for host in hosts] == [200] * 4


def test_remote_pages_are_called_by_address_or_by_a_name_that_was_given() -> None:
    with serving(is_remote_allowed=True, names=["Wall.example"]) as page:
        hosts = [
            "10.0.0.1:80",
            "[2001:db8::1]",
            "wall.example",
            "wall.example:8765",
            "evil.example",
        ]
        answers = [page.ask("/", host=host)[0] for host in hosts]

    assert answers == [200, 200, 200, 200, 421]


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:1", "http://[", "", "file://"]
)
def test_another_origin_is_refused_with_and_without_the_token(page: Served, origin: str) -> None:
    assert page.order(PAUSE, Origin=origin)[0] == 403
    assert page.ask("/api/stream", Origin=origin)[0] == 403


def test_a_post_without_an_origin_is_refused(page: Served) -> None:
    assert page.ask("/api/commands", body=PAUSE, X_Loudly_Token=TOKEN)[0] == 403


def test_other_sites_may_link_to_the_page_and_nothing_else(page: Served) -> None:
    link = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}
    embedding = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"}

    assert page.ask("/", **link)[0] == 200
    assert page.ask("/api/chart?model=0", **link)[0] == 403
    assert page.ask("/page.js", **embedding)[0] == 403
    assert page.order(PAUSE, Sec_Fetch_Site="same-site")[0] == 403


@pytest.mark.parametrize("token", ["", "guessed", "ä", TOKEN[:-1], TOKEN + "x"])
def test_a_command_without_the_token_is_refused(page: Served, token: str) -> None:
    assert page.order(PAUSE, X_Loudly_Token=token)[0] == 403


@pytest.mark.parametrize(
    ("body", "piece"),
    [
        (b"", "not an order"),
        (b"[]", "not an order"),
        (b"\xff\xfe", "not an order"),
        (b"[" * 10_000, "not an order"),
        ({"kind": "configure", "model": "fraud", "change": {}}, "not an order"),
        ({"kind": "pause", "model": "fraud", "command_id": "mine"}, "not an order"),
        ({"kind": "pause", "model": "fraud", "issued_by": "somebody else"}, "not an order"),
        ({"kind": "pause", "model": "nobody"}, "knows no such model"),
        ({"kind": "pause", "model": "*"}, "knows no such model"),
        ({"kind": "snooze", "model": "fraud"}, "until_ms"),
        ({"kind": "snooze", "model": "fraud", "until_ms": -1}, "until_ms"),
        ({"kind": "pause", "model": "fraud", "until_ms": 1}, "until_ms"),
        ({"kind": "acknowledge", "model": "fraud"}, "incident_id"),
        ({"kind": "acknowledge", "model": "fraud", "incident_id": "i" * 129}, "incident_id"),
    ],
)
def test_what_is_no_order_is_refused_with_a_reason(page: Served, body: Any, piece: str) -> None:
    status, said = page.order(body)

    assert status == 400
    assert piece in said


def test_a_model_whose_name_is_a_pattern_cannot_be_commanded(page: Served) -> None:
    page.state.take([score("*", 0)])

    status, said = page.order({"kind": "pause", "model": "*"})

    assert status == 400
    assert "stands for any text" in said


def test_other_contents_and_long_bodies_are_refused(page: Served) -> None:
    assert page.order(PAUSE, Content_Type="text/plain")[0] == 415
    assert page.order(b" " * 20_000)[0] == 413


def test_without_a_control_topic_there_is_neither_a_token_nor_an_address_for_commands() -> None:
    with serving(has_commands=False) as page:
        assert page.order(PAUSE)[0] == 404
        assert TOKEN not in page.ask("/")[2].decode()


@pytest.mark.parametrize(
    "path",
    [
        *("/api/chart", "/api/chart?model=x", "/api/calendar?model=-1"),
        *("/api/calendar", "/api/calendar?model=x"),
    ],
)
def test_a_chart_without_numbers_is_refused(page: Served, path: str) -> None:
    assert page.ask(path)[0] == 400


@pytest.mark.parametrize("path", ["/../index.html", "/static/index.html", "/page.js/..", "/api"])
def test_other_paths_lead_nowhere(page: Served, path: str) -> None:
    assert page.ask(path)[0] == 404


def test_a_name_with_line_breaks_cannot_end_an_event_of_the_stream(page: Served) -> None:
    name = "x\n\nevent: facts\ndata: {}\r\r\u2028<script>alert(1)</script>"
    page.state.take([score(name, 0)])
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=30)
    connection.request("GET", "/api/stream")
    response = connection.getresponse()

    lines = [response.readline().decode() for _ in range(8)]
    connection.close()

    assert lines[2:4] == ["event: facts\n", "data: {}\n"]
    assert lines[5] == "event: everything\n"
    assert name in {row["model"] for row in json.loads(lines[6].removeprefix("data: "))["rows"]}
