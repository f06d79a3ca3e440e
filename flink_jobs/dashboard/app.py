"""The page's addresses."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
from collections.abc import AsyncIterator
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.routing import Route

from flink_jobs.dashboard.desk import CommandDesk, RefusedOrderError
from flink_jobs.dashboard.errors import DashboardError
from flink_jobs.dashboard.hub import Hub
from flink_jobs.dashboard.plotly_file import plotly_path
from flink_jobs.dashboard.state import LiveState
from flink_jobs.kafka.errors import FollowError
from flink_jobs.records.alerts import MAIN_VIEW
from flink_jobs.records.templates import environment
from flink_jobs.reports.charts import palette
from flink_jobs.reports.pages import asset

_MOST_BODY_BYTES = 16_384
_STATIC = files("flink_jobs.dashboard") / "static"
_TYPES = {"page.css": "text/css", "page.js": "text/javascript"}


@dataclass(frozen=True)
class Pages:
    """The parts from which the addresses answer.

    Attributes
    ----------
    state : LiveState
    hub : Hub
    desk : CommandDesk or None
        None where no control topic was given: then nothing can be sent.
    token : str
        What a page has to know to send a command; in the page alone, and new at every start.
    """

    state: LiveState
    hub: Hub
    desk: CommandDesk | None
    token: str

    def app(self) -> Starlette:
        """The ASGI application."""
        routes = [
            Route("/", self.page),
            Route("/page.css", _static_file),
            Route("/page.js", _static_file),
            Route("/look.js", _look),
            Route("/plotly.js", _plotly),
            Route("/api/stream", self.stream),
            Route("/api/chart", self.chart),
            Route("/api/overview", self.overview),
            Route("/api/calendar", self.calendar),
            Route("/api/commands", self.command, methods=["POST"]),
        ]
        return Starlette(routes=routes, lifespan=self._lifespan)

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(self.hub.run())
        try:
            yield
        finally:
            task.cancel()

    async def page(self, _: Request) -> Response:
        """The page, with its token and no word from Kafka."""
        template = environment("flink_jobs.dashboard").get_template("page.html.jinja")
        parts: Any = environment("flink_jobs.reports").get_template("parts.html.jinja").module
        symbols = parts.symbols(palette)
        text = template.render(token=self.token if self.desk else "", symbols=symbols)
        return Response(text, media_type="text/html")

    async def stream(self, _: Request) -> Response:
        """Everything, then what is new, as server-sent events."""
        try:
            self.hub.require_room()
        except DashboardError as error:
            return _json({"error": str(error)}, 503)
        headers = {"X-Accel-Buffering": "no"}
        return StreamingResponse(self.hub.follow(), media_type="text/event-stream", headers=headers)

    async def chart(self, request: Request) -> Response:
        """The windows of one detector of one view, as a figure, and what moved."""
        number = _number(request)
        if number is None:
            return _json({"error": "give model as a number"}, 400)
        known = request.query_params.get("moved", "")
        found = await run_in_threadpool(self.state.chart, number, _watcher(request), known)
        if found is None:
            return _json({"error": "there is no such model, view or detector"}, 404)
        return _json(found)

    async def overview(self, _: Request) -> Response:
        """All models in one picture."""
        drawn = await run_in_threadpool(self.state.overview)
        return Response(drawn.encoded(), media_type="application/json")

    async def calendar(self, request: Request) -> Response:
        """The windows of one detector by day and hour; null where they are of too few days."""
        number = _number(request)
        if number is None:
            return _json({"error": "give model as a number"}, 400)
        drawn = await run_in_threadpool(self.state.calendar, number, _watcher(request))
        return Response("null" if drawn is None else drawn.encoded(), media_type="application/json")

    async def command(self, request: Request) -> Response:
        """Send what a button asks for."""
        if self.desk is None:
            return _json({"error": "start the page with --control-topic to send commands"}, 404)
        given = request.headers.get("x-loudly-token", "")
        if not hmac.compare_digest(given.encode(), self.token.encode()):
            return _json({"error": "the page was served by an earlier start: load it again"}, 403)
        if request.headers.get("content-type", "").partition(";")[0] != "application/json":
            return _json({"error": "send JSON"}, 415)
        body = await _body(request)
        if body is None:
            return _json({"error": "this is too long for a command"}, 413)
        try:
            command = await run_in_threadpool(self.desk.send, body)
        except RefusedOrderError as error:
            return _json({"error": str(error)}, 400)
        except FollowError as error:
            return _json({"error": str(error)}, 502)
        return _json({"command_id": command.command_id}, 202)


async def _static_file(request: Request) -> Response:
    name = request.url.path.removeprefix("/")
    return Response((_STATIC / name).read_bytes(), media_type=_TYPES[name])


def _number(request: Request) -> int | None:
    """Return the number of the model that is asked for; None where it is not a number."""
    given = request.query_params.get("model", "")
    return int(given) if given.isascii() and given.isdecimal() and len(given) < 10 else None


def _watcher(request: Request) -> tuple[str, str] | None:
    """Return the view and detector that are asked for; None for the first ones."""
    asked = request.query_params
    return (asked.get("view", MAIN_VIEW), asked["detector"]) if "detector" in asked else None


async def _look(_: Request) -> Response:
    return Response(asset("look.js"), media_type="text/javascript")


async def _plotly(_: Request) -> Response:
    # 4.8 MB: the browser keeps them and asks by ETag whether they are still the same.
    headers = {"Cache-Control": "private, max-age=3600"}
    return FileResponse(plotly_path(), media_type="text/javascript", headers=headers)


async def _body(request: Request) -> bytes | None:
    """The body; None where it is longer than any command."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _MOST_BODY_BYTES:
            return None
    return body


def _json(content: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status, media_type="application/json")
