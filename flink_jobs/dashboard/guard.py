"""Refuses what does not come from the page itself, and tells the browser to do the same.

The page has no login: whoever reaches it may use it. What has to be kept out are other sites that
are open in the same browser. A site whose name is made to point at this machine (DNS rebinding)
gives itself away by the ``Host`` header; one that posts across sites by ``Origin``, by
``Sec-Fetch-Site``, and by not knowing the token.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flink_jobs.dashboard.plotly_file import style_digests

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; "
        f"style-src 'self' {' '.join(style_digests())}; "
        "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def is_loopback(host: str) -> bool:
    """Say whether a host name or address is this machine alone.

    Examples
    --------
    >>> [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "example.org")]
    [True, True, True, False, False]
    """
    address = _address(host)
    return host.lower() == "localhost" if address is None else address.is_loopback


class Guard:
    """ASGI middleware: checks every request and marks every response.

    Parameters
    ----------
    app : ASGIApp
    is_remote_allowed : bool
        Whether requests may name the machine by any address. A name that is not in ``names`` is
        refused all the same, since only names can be made to point elsewhere.
    names : collection of str, optional
        More host names by which the page may be called.
    """

    def __init__(
        self, app: ASGIApp, *, is_remote_allowed: bool, names: Collection[str] = ()
    ) -> None:
        self._app = app
        self._is_remote_allowed = is_remote_allowed
        self._names = {name.lower() for name in names}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse with status 403 or 421."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                marked = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    marked[name] = value
                marked.setdefault("Cache-Control", "no-store")
            await send(message)

        refusal = self._refusal(scope)
        await (refusal or self._app)(scope, receive, send_marked)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._is_known(hosts[0]):
            return PlainTextResponse("This page does not answer to that host name.\n", 421)
        origins = headers.getlist("origin")
        if any(_host_of(each) != hosts[0].lower() for each in origins):
            return _forbidden()
        is_post = scope["method"] not in ("GET", "HEAD")
        if is_post and not origins:
            return _forbidden()
        # A link to the page from elsewhere is fine; to be fetched or framed from elsewhere is not.
        site = headers.get("sec-fetch-site", "none")
        is_link = headers.get("sec-fetch-mode") == "navigate" and scope["path"] == "/"
        if site not in ("same-origin", "none") and (is_post or not is_link):
            return _forbidden()
        return None

    def _is_known(self, host: str) -> bool:
        name = _host_of(f"//{host}", with_port=False)
        if is_loopback(name) or name in self._names:
            return True
        return self._is_remote_allowed and _address(name) is not None


def _host_of(origin: str, *, with_port: bool = True) -> str:
    """Empty where there is none, as in the origin "null"."""
    try:
        parts = urlsplit(origin)
        return parts.netloc.lower() if with_port else parts.hostname or ""
    except ValueError:
        return ""


def _forbidden() -> PlainTextResponse:
    return PlainTextResponse("Requests from other sites are refused.\n", 403)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None
