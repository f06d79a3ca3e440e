"""A client of schema registries with the interface of Confluent's.

It asks for one thing: the schema behind a number (``GET /schemas/ids/N``, and ``GET
/subjects/S/versions/V`` for those that it refers to; docs of Confluent Platform 7.9, "Schema
Registry API Reference"). Schemas never change, so that each is asked for once. A registry that is
down is waited for; its answers are not trusted.
"""

from __future__ import annotations

import base64
import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from http.client import HTTPException
from threading import Lock
from typing import Any
from urllib.parse import quote, urlsplit

from flink_jobs.config.job import SchemaTable
from flink_jobs.config.loading import resolve_secret
from flink_jobs.intake.schemas.errors import RegistryDownError, UnusableSchemaError
from flink_jobs.records.dead_letters import Reason

ASK_AGAIN_S = 30.0
"""After a refusal the registry is asked again, which somebody may have put right."""
MOST_BYTES = 4 * 2**20
_MOST_SCHEMAS = 1_024
_MOST_REFERENCES = 256
_MOST_DEPTH = 16
_TIMEOUT_S = 10.0
_PAUSES_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_PASSING = (408, 425, 429)
_REFUSED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.PROXY_AUTHENTICATION_REQUIRED)
_SHOWN_CHARACTERS = 100


@dataclass(frozen=True)
class RegisteredSchema:
    """A schema as a registry has it.

    Attributes
    ----------
    kind : str
        ``AVRO``, ``PROTOBUF`` or ``JSON``.
    text : str
    references : tuple of (str, str)
        Name and text of each schema that this one uses, those before that others use.
    """

    kind: str
    text: str
    references: tuple[tuple[str, str], ...] = ()


class SchemaRegistry:
    """Asks a registry for schemas, and remembers what it said.

    Parameters
    ----------
    table : SchemaTable
        Address, account, and how long an answer is waited for.
    clock, sleep : callable
        Seconds that only go on, and waiting for some.

    Raises
    ------
    ConfigError
        When a secret cannot be resolved.
    OSError
        When the file of certificates cannot be read.
    """

    def __init__(
        self,
        table: SchemaTable,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._url = table.registry_url.rstrip("/")
        self._patience_s = table.patience_ms / 1_000
        self._headers = {"Accept": "application/vnd.schemaregistry.v1+json, application/json"}
        if table.registry_user:
            account = f"{table.registry_user}:{resolve_secret(table.registry_password)}"
            self._headers["Authorization"] = f"Basic {base64.b64encode(account.encode()).decode()}"
        context = ssl.create_default_context(cafile=table.registry_ca or None)
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=context), _SameHost(self._url)
        )
        self._clock, self._sleep = clock, sleep
        self._known: dict[int, RegisteredSchema] = {}
        self._refused: dict[int, tuple[float, UnusableSchemaError]] = {}
        self._lock = Lock()

    def schema(self, number: int) -> RegisteredSchema:
        """Return the schema behind a number.

        Raises
        ------
        UnusableSchemaError
            When the registry knows none, or what it says is not a schema.
        RegistryDownError
            When it did not answer for ``patience_ms``.
        """
        with self._lock:
            if found := self._known.get(number):
                return found
            until, error = self._refused.get(number, (0.0, None))
            if error is not None and self._clock() < until:
                raise error
            return self._asked(number)

    def _asked(self, number: int) -> RegisteredSchema:
        # Numbers come from outside: what is remembered of them is bounded.
        for remembered in (self._known, self._refused):
            if len(remembered) >= _MOST_SCHEMAS:
                remembered.clear()
        try:
            answer = self._get(f"/schemas/ids/{number}", f"schema {number}")
            references: dict[str, str] = {}
            self._add_references(answer, references, 0)
            found = RegisteredSchema(
                _text(answer, "schemaType", "AVRO"),
                _text(answer, "schema"),
                tuple(references.items()),
            )
        except UnusableSchemaError as error:
            self._refused[number] = (self._clock() + ASK_AGAIN_S, error)
            raise
        self._known[number] = found
        return found

    def _add_references(self, answer: Any, found: dict[str, str], depth: int) -> None:
        """Add the schemas that one refers to, each behind those that it refers to itself."""
        references = answer.get("references") or []
        if not isinstance(references, list) or depth > _MOST_DEPTH:
            raise UnusableSchemaError("the registry's answer has references that cannot be read")
        for reference in references:
            name, subject = _text(reference, "name"), _text(reference, "subject")
            version = reference.get("version")
            if name in found:
                continue
            if len(found) >= _MOST_REFERENCES or not isinstance(version, int):
                raise UnusableSchemaError("the registry's answer has references without end")
            path = f"/subjects/{quote(subject, safe='')}/versions/{version}"
            inner = self._get(path, f"the schema {subject}, version {version}")
            self._add_references(inner, found, depth + 1)
            found[name] = _text(inner, "schema")

    def _get(self, path: str, what: str) -> dict[str, Any]:
        """Ask until there is an answer, or patience ends."""
        until, attempt = self._clock() + self._patience_s, 0
        while True:
            try:
                return self._once(path, what)
            except _NoAnswerError as error:
                pause = _PAUSES_S[min(attempt, len(_PAUSES_S) - 1)]
                if self._clock() + pause > until:
                    waited = f"waited {self._patience_s:g} s for {what}"
                    message = f"the schema registry at {_shown(self._url)} {error}; {waited}"
                    raise RegistryDownError(message) from None
                self._sleep(pause)
                attempt += 1

    def _body(self, response: Any) -> bytes:
        """Read an answer that may be long, or come byte by byte."""
        until, parts, n_bytes = self._clock() + _TIMEOUT_S, [], 0
        while n_bytes <= MOST_BYTES and (part := response.read1(1 << 16)):
            parts.append(part)
            n_bytes += len(part)
            if self._clock() > until:
                raise TimeoutError("its answer does not end")
        return b"".join(parts)

    def _once(self, path: str, what: str) -> dict[str, Any]:
        request = urllib.request.Request(self._url + path, headers=self._headers)  # noqa: S310
        try:
            with self._opener.open(request, timeout=_TIMEOUT_S) as response:
                body = self._body(response)
        except urllib.error.HTTPError as error:
            error.close()
            raise _of_status(error.code, what) from None
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise _NoAnswerError(f"does not answer ({_shown(str(reason))})") from None
        if len(body) > MOST_BYTES:
            raise UnusableSchemaError(f"{what} is larger than {MOST_BYTES:,} bytes")
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise UnusableSchemaError(f"{what}: the registry's answer is not a JSON object")
        return answer


class _NoAnswerError(Exception):
    """Failure that waiting may cure."""


class _SameHost(urllib.request.HTTPRedirectHandler):
    """Follows redirects to where the account belongs alone."""

    def __init__(self, url: str) -> None:
        self._origin = urlsplit(url)[:2]

    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if urlsplit(newurl)[:2] != self._origin:
            fp.close()
            raise UnusableSchemaError("the registry redirects to another host, which is not asked")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _of_status(status: int, what: str) -> Exception:
    if status == HTTPStatus.NOT_FOUND:
        return UnusableSchemaError(f"the registry knows no {what}", Reason.UNKNOWN_SCHEMA)
    if status in _REFUSED:
        return _NoAnswerError(f"refuses the account (status {status})")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _PASSING:
        return _NoAnswerError(f"answers with status {status}")
    return UnusableSchemaError(f"{what}: the registry answers with status {status}")


def _text(answer: Any, key: str, default: str | None = None) -> str:
    value = answer.get(key, default) if isinstance(answer, dict) else None
    if not isinstance(value, str):
        raise UnusableSchemaError(f"the registry's answer has no text {key}")
    return value


def _shown(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 3]}..."


@lru_cache(maxsize=16)
def registry_of(table: SchemaTable) -> SchemaRegistry:
    """Return the client of a registry: one for all models and steps of a process."""
    return SchemaRegistry(table)
