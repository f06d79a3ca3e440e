"""Properties of Kafka clients: one table for the job and every command, in Kafka's own names."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from flink_jobs.config.tables.base import Problem

DEFAULTS = {"isolation.level": "read_committed"}
"""Values that differ from Kafka's own: what a transaction wrote that was aborted is not read."""

SECRET = re.compile(r"^\$\{(env|file):([^}]+)\}$")
"""A value that lies elsewhere: ``${env:NAME}`` or ``${file:PATH}``."""

NUMBER, FLAG, TEXT = "a whole number", "true, false", "text"
_PLAIN, _SCRAM = "PLAIN", ("SCRAM-SHA-256", "SCRAM-SHA-512")
_WITH_LOGIN = ("SASL_SSL", "SASL_PLAINTEXT")
_PEM = "PEM, in a file that holds certificates (and the key) as text"
_JAAS = (
    "org.apache.kafka.common.security.plain.PlainLoginModule (for SCRAM: ...scram.ScramLoginModule)"
    ' required username="..." password="...";'
)

PROPERTIES: Mapping[str, str | tuple[str, ...]] = {
    "security.protocol": ("PLAINTEXT", "SSL", *_WITH_LOGIN),
    "sasl.mechanism": (_PLAIN, *_SCRAM),
    "sasl.jaas.config": TEXT,
    "ssl.truststore.type": ("PEM",),
    "ssl.truststore.location": TEXT,
    "ssl.keystore.type": ("PEM",),
    "ssl.keystore.location": TEXT,
    "ssl.key.password": TEXT,
    "ssl.endpoint.identification.algorithm": ("https", ""),
    "isolation.level": ("read_committed", "read_uncommitted"),
    "client.id": TEXT,
    "client.rack": TEXT,
    "client.dns.lookup": ("use_all_dns_ips", "resolve_canonical_bootstrap_servers_only"),
    "check.crcs": FLAG,
    "fetch.min.bytes": NUMBER,
    "fetch.max.bytes": NUMBER,
    "fetch.max.wait.ms": NUMBER,
    "max.partition.fetch.bytes": NUMBER,
    "max.poll.records": NUMBER,
    "max.poll.interval.ms": NUMBER,
    "session.timeout.ms": NUMBER,
    "heartbeat.interval.ms": NUMBER,
    "request.timeout.ms": NUMBER,
    "retry.backoff.ms": NUMBER,
    "reconnect.backoff.ms": NUMBER,
    "reconnect.backoff.max.ms": NUMBER,
    "connections.max.idle.ms": NUMBER,
    "metadata.max.age.ms": NUMBER,
    "receive.buffer.bytes": NUMBER,
    "send.buffer.bytes": NUMBER,
    "compression.type": ("none", "gzip", "snappy", "lz4", "zstd"),
    "batch.size": NUMBER,
    "buffer.memory": NUMBER,
    "linger.ms": NUMBER,
    "delivery.timeout.ms": NUMBER,
    "max.block.ms": NUMBER,
    "max.request.size": NUMBER,
}
"""Each property that can be set, and its values. Clients pass over those of other kinds of clients:
a consumer those of producers, for one."""

_ELSEWHERE = {
    "bootstrap.servers": "kafka.bootstrap_servers or --bootstrap-servers",
    "group.id": "kafka.group_id or --group",
    "auto.offset.reset": "kafka.start or --from-beginning",
    "enable.auto.commit": "nothing: positions are committed when their records were used",
    "transactional.id": "job.name and job.delivery",
    "transaction.timeout.ms": "job.transaction_timeout_ms",
    "ssl.truststore.certificates": "ssl.truststore.location, a file in PEM",
    "ssl.keystore.key": "ssl.keystore.location, a file in PEM",
    "ssl.keystore.certificate.chain": "ssl.keystore.location, a file in PEM",
    "ssl.truststore.password": "ssl.truststore.location, a file in PEM, which has no password",
    "ssl.keystore.password": "ssl.key.password, the password of the key in the PEM file",
}
_MODULE = re.compile(
    r"\s*(?:org\.apache\.flink\.kafka\.shaded\.)?"
    r"org\.apache\.kafka\.common\.security\.(plain\.Plain|scram\.Scram)LoginModule\s+required\s"
)
_OPTION = re.compile(
    r"""\s*(?P<name>[\w.]+)\s*=\s*(?:"(?P<a>(?:[^"\\]|\\.)*)"|'(?P<b>(?:[^'\\]|\\.)*)')""",
    re.DOTALL,
)


class Login(NamedTuple):
    """The account of ``sasl.jaas.config``."""

    is_scram: bool
    username: str
    password: str


def check_properties(properties: Mapping[str, str]) -> list[Problem]:
    """List what is wrong, without repeating a value: it may be a secret.

    Parameters
    ----------
    properties : mapping of str to str
        Values that still point to a secret are not looked at.

    Examples
    --------
    >>> for problem in check_properties({"security.protocl": "SSL", "sasl.mechanism": "GSSAPI"}):
    ...     print(problem)
    kafka property security.protocl: is unknown; allowed: security.protocol
    kafka property sasl.mechanism: is not supported; allowed: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512
    kafka property sasl.mechanism: is without effect; allowed: with security.protocol SASL_SSL or \
SASL_PLAINTEXT
    """
    problems = [each for key, value in properties.items() if (each := _of_one(key, value))]
    return [*problems, *_of_login(properties), *_of_stores(properties)]


def read_login(jaas: str) -> Login | None:
    r"""Read user name and password from a ``sasl.jaas.config``; None for anything else.

    Examples
    --------
    >>> read_login(
    ...     'org.apache.kafka.common.security.plain.PlainLoginModule required '
    ...     'username="on-call" password="a\\"b";'
    ... )
    Login(is_scram=False, username='on-call', password='a"b')
    """
    module = _MODULE.match(jaas)
    if module is None:
        return None
    options, place = {}, module.end()
    while option := _OPTION.match(jaas, place):
        quoted = option["a"] if option["a"] is not None else option["b"]
        options[option["name"]] = re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL)
        place = option.end()
    if jaas[place:].strip() != ";" or set(options) != {"username", "password"}:
        return None
    return Login(module[1].startswith("scram"), options["username"], options["password"])


def _of_one(key: str, value: str) -> Problem | None:
    name = f"kafka property {key}"
    if key in _ELSEWHERE:
        return Problem(name, "is set elsewhere", _ELSEWHERE[key])
    allowed = PROPERTIES.get(key)
    if allowed is None:
        close = difflib.get_close_matches(key.replace("_", "."), PROPERTIES, n=3)
        return Problem(name, "is unknown", ", ".join(close) or ", ".join(PROPERTIES))
    if SECRET.match(value):
        return None
    if isinstance(allowed, tuple):
        values = _PEM if allowed == ("PEM",) else ", ".join(each or '""' for each in allowed)
        return None if value in allowed else Problem(name, "is not supported", values)
    if allowed == NUMBER and not re.fullmatch(r"-?[0-9]{1,18}", value):
        return Problem(name, "is not a whole number", NUMBER)
    if allowed == FLAG and value not in ("true", "false"):
        return Problem(name, "is not a boolean", FLAG)
    return None


def _of_login(properties: Mapping[str, str]) -> Iterator[Problem]:
    protocol = properties.get("security.protocol", "PLAINTEXT")
    given = [key for key in ("sasl.mechanism", "sasl.jaas.config") if key in properties]
    if SECRET.match(protocol):
        return
    if protocol not in _WITH_LOGIN:
        # Kafka's clients would connect without a login, and without a word.
        for key in given:
            allowed = f"with security.protocol {' or '.join(_WITH_LOGIN)}"
            yield Problem(f"kafka property {key}", "is without effect", allowed)
        return
    for key, allowed in (
        ("sasl.mechanism", ", ".join((_PLAIN, *_SCRAM))),
        ("sasl.jaas.config", _JAAS),
    ):
        if key not in properties:
            yield Problem(f"kafka property {key}", f"is missing for {protocol}", allowed)
    yield from _of_jaas(properties)


def _of_jaas(properties: Mapping[str, str]) -> Iterator[Problem]:
    jaas, mechanism = properties.get("sasl.jaas.config"), properties.get("sasl.mechanism")
    if jaas is None or SECRET.match(jaas):
        return
    login = read_login(jaas)
    if login is None:
        yield Problem("kafka property sasl.jaas.config", "cannot be read", _JAAS)
    elif mechanism in (_PLAIN, *_SCRAM) and login.is_scram is not (mechanism in _SCRAM):
        wrong = f"names the login module of another mechanism than {mechanism}"
        yield Problem("kafka property sasl.jaas.config", wrong, _JAAS)


def _of_stores(properties: Mapping[str, str]) -> Iterator[Problem]:
    for store in ("ssl.truststore", "ssl.keystore"):
        if f"{store}.location" in properties and f"{store}.type" not in properties:
            # Kafka's default is JKS, which Python cannot read.
            wrong = f"needs {store}.type"
            yield Problem(f"kafka property {store}.location", wrong, _PEM)
