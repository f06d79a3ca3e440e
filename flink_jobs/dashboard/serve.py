"""Serves the page: a socket, a thread that follows Kafka, and uvicorn."""

from __future__ import annotations

import secrets
import socket
import threading
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Self

import uvicorn

from flink_jobs.dashboard.app import Pages
from flink_jobs.dashboard.desk import CommandDesk
from flink_jobs.dashboard.errors import DashboardError
from flink_jobs.dashboard.evidence import KeptEvidence
from flink_jobs.dashboard.feed import Feed, Topics
from flink_jobs.dashboard.guard import Guard, is_loopback
from flink_jobs.dashboard.hub import Hub
from flink_jobs.dashboard.state import LiveState
from flink_jobs.kafka.sending import CommandSender

_BACKLOG = 128
_STOP_S = 3


@dataclass(frozen=True, kw_only=True)
class Address:
    """The address at which the page is served.

    Attributes
    ----------
    host : str
    port : int
        0 for any that is free.
    is_remote_allowed : bool
        Whether other machines may reach it.
    names : collection of str
        More host names by which it may be called, for example by a proxy.
    """

    host: str = "127.0.0.1"
    port: int = 8765
    is_remote_allowed: bool = False
    names: Collection[str] = ()


class Dashboard:
    """The live page.

    Parameters
    ----------
    topics : Topics
    address : Address
    control_topic : str, optional
        Where commands go; without it the page has no buttons.
    issued_by : str, optional
        Who uses the page, for the audit.

    Attributes
    ----------
    url : str
        Where it is, once entered.

    Raises
    ------
    DashboardError
        When the address is not this machine's alone and that was not allowed, or is taken.
    FollowError
        On entering, when the brokers do not answer or a topic does not exist.

    Examples
    --------
    Needs a broker, hence not run as a doctest; ``tests/dashboard`` does the same::

        with Dashboard(Topics(bootstrap_servers="127.0.0.1:9092"), Address()) as dashboard:
            print(dashboard.url)
            dashboard.serve()
    """

    def __init__(
        self,
        topics: Topics,
        address: Address,
        *,
        control_topic: str | None = None,
        issued_by: str = "",
    ) -> None:
        if not (address.is_remote_allowed or is_loopback(address.host)):
            raise DashboardError(
                f"{address.host} can be reached from other machines, and the page has no login: "
                "anyone who opens it sees all models and may send commands. Put a proxy with a "
                "login in front of 127.0.0.1, or give --allow-remote"
            )
        self.url = ""
        self._topics = topics
        self._address = address
        self._control_topic = control_topic
        self._issued_by = issued_by
        self._stack = ExitStack()
        self._server: uvicorn.Server | None = None
        self._socket: socket.socket | None = None

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            listening = stack.enter_context(_listen(self._address))
            state = LiveState(evidence=KeptEvidence(self._topics.evidence))
            feed = stack.enter_context(Feed(self._topics, state))
            desk = None
            if self._control_topic is not None:
                sender = stack.enter_context(self._sender(self._control_topic))
                desk = CommandDesk(sender, state, self._issued_by)
            self._server = self._make_server(state, feed, desk)
            self._socket = listening
            self._stack = stack.pop_all()
        port = listening.getsockname()[1]
        host = f"[{self._address.host}]" if ":" in self._address.host else self._address.host
        self.url = f"http://{host}:{port}/"
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def serve(self) -> None:
        """Serve until :meth:`stop`, Ctrl-C or SIGTERM."""
        if self._server is None or self._socket is None:
            raise DashboardError("the dashboard is used outside of its 'with' block")
        self._server.run(sockets=[self._socket])

    @contextmanager
    def serving_beside(self) -> Iterator[None]:
        """Serve in a thread of its own while the block runs."""
        thread = threading.Thread(target=self.serve, name="loudly-page", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self.stop()
            # Once in uvicorn, which needs as long at most to let go of open pages.
            thread.join(2 * _STOP_S)

    def stop(self) -> None:
        """End :meth:`serve`; from any thread."""
        if self._server is not None:
            self._server.should_exit = True

    def _sender(self, control_topic: str) -> CommandSender:
        topics = self._topics
        return CommandSender(topics.bootstrap_servers, control_topic, properties=topics.properties)

    def _make_server(
        self, state: LiveState, feed: Feed, desk: CommandDesk | None
    ) -> uvicorn.Server:
        token = secrets.token_urlsafe(32)
        facts = {
            # A page that comes back after a restart has an old token: it loads itself again.
            "start": secrets.token_urlsafe(8),
            "has_commands": desk is not None,
            "audit_topic": self._topics.audit,
            "control_topic": self._control_topic,
        }
        hub = Hub(state, feed, facts, is_ending=lambda: server.should_exit)
        app = Guard(
            Pages(state, hub, desk, token).app(),
            is_remote_allowed=self._address.is_remote_allowed,
            names=self._address.names,
        )
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            ws="none",
            proxy_headers=False,
            timeout_graceful_shutdown=_STOP_S,
        )
        server = uvicorn.Server(config)
        return server


def require_free(address: Address) -> None:
    """Check that the page could be served there; raises :class:`DashboardError`."""
    _listen(address).close()


def _listen(address: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        return socket.create_server((address.host, address.port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DashboardError(
            f"cannot listen on {address.host} port {address.port} ({reason}): choose another "
            "--port, or end what uses it"
        ) from error
