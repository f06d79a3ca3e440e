"""Where Flink's reporter pushes metrics to: keeps the last text of each process."""

from __future__ import annotations

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

_SAMPLE = re.compile(r"^flink_\w+?_loudly_(?P<name>\w+)\{(?P<labels>.*)\} (?P<value>\S+)$", re.M)
_LABEL = re.compile(r'(reason|kind|outcome|model)="((?:[^"\\]|\\.)*)"')


class PushGateway:
    """Takes what Prometheus' client sends by PUT; listens while the context is entered."""

    def __init__(self) -> None:
        pushed: dict[str, str] = {}

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                pushed[self.path] = _body(self).decode()
                self._accept()

            def do_DELETE(self) -> None:
                self._accept()

            def _accept(self) -> None:
                self.send_response(202)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._pushed = pushed
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def metrics(self) -> dict[str, float]:
        """Values summed over operators, under the names of :func:`path_of`."""
        total: dict[str, float] = {}
        for text in list(self._pushed.values()):
            for sample in _SAMPLE.finditer(text):
                path = path_of(sample["name"], dict(_LABEL.findall(sample["labels"])))
                total[path] = total.get(path, 0) + float(sample["value"])
        return total

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def path_of(name: str, labels: dict[str, str]) -> str:
    """``reason_dead_letters{reason="late"}`` as REST calls it: ``reason.late.dead_letters``."""
    for label, value in labels.items():
        name = f"{label}.{value}." + name.removeprefix(f"{label}_")
    return name


def _body(request: BaseHTTPRequestHandler) -> bytes:
    length = request.headers.get("Content-Length")
    if length is not None:
        return request.rfile.read(int(length))
    chunks = []
    while size := int(request.rfile.readline(), 16):
        chunks.append(request.rfile.read(size))
        request.rfile.readline()
    request.rfile.readline()
    return b"".join(chunks)
