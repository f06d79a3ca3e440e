"""A small schema registry that does what it is told: the documented interface, and faults."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Server(ThreadingHTTPServer):
    """Answers with what ``answers`` has for a path: a status, a body, and headers.

    ``asked`` holds what came: path and ``Authorization``. A status of 0 ends the connection.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, tuple[int, Any, dict[str, str]]] = {}
        self.asked: list[tuple[str, str | None]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def say(self, path: str, body: Any, status: int = 200, **headers: str) -> None:
        self.answers[path] = (status, body, headers)

    def add(self, number: int, text: str, kind: str = "AVRO", references: Any = None) -> None:
        """Register a schema; Avro is not named, as by Confluent's registry."""
        answer: dict[str, Any] = {"schema": text}
        if kind != "AVRO":
            answer["schemaType"] = kind
        if references:
            answer["references"] = references
        self.say(f"/schemas/ids/{number}", answer)


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers["Authorization"]))
        unknown: tuple[int, Any, dict[str, str]] = (
            404,
            {"error_code": 40403, "message": "Schema not found"},
            {},
        )
        status, body, headers = self.server.answers.get(self.path, unknown)
        if status == 0:
            self.connection.close()
            return
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def serving() -> Iterator[Server]:
    """A server on a port of its own."""
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
