"""Properties of Kafka clients as kafka-python takes them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from flink_jobs.config.kafka_properties import FLAG, NUMBER, PROPERTIES, TEXT, read_login
from flink_jobs.config.loading import resolve_properties
from flink_jobs.config.tables.base import ConfigError, Problem

_STORES = {
    "ssl.truststore.location": ("ssl_cafile",),
    # A PEM file holds the key and its certificates.
    "ssl.keystore.location": ("ssl_certfile", "ssl_keyfile"),
    "ssl.key.password": ("ssl_password",),
}
# Files of PEM are all that there is.
_WITHOUT_MEANING = frozenset({"ssl.truststore.type", "ssl.keystore.type"})


def parse_properties(assignments: Iterable[str]) -> dict[str, str]:
    """Split ``name=value`` texts.

    Raises
    ------
    ConfigError
        When a text has no name or no ``=``.

    Examples
    --------
    >>> parse_properties(["security.protocol=SSL"])
    {'security.protocol': 'SSL'}
    """
    properties = {}
    for assignment in assignments:
        name, separator, value = assignment.partition("=")
        if not (name and separator):
            # The text may hold a secret, so the message does not repeat it.
            raise ConfigError([Problem("--property", "has no name or no '='", "name=value")])
        properties[name] = value
    return properties


def client_settings(
    client: type[Any], properties: Mapping[str, str], environ: Mapping[str, str] = os.environ
) -> dict[str, Any]:
    """Translate properties into the settings of a client.

    Parameters
    ----------
    client : type
        ``KafkaConsumer``, ``KafkaProducer`` or ``KafkaAdminClient``; what is for another is left
        out.
    properties : mapping of str to str
        See :data:`flink_jobs.config.kafka_properties.PROPERTIES`. Values may point to a secret by
        ``${env:NAME}`` or ``${file:PATH}``.
    environ : mapping, default ``os.environ``
        Where ``${env:NAME}`` looks.

    Raises
    ------
    ConfigError
        With all that is wrong; never with a secret.

    Examples
    --------
    >>> from kafka import KafkaConsumer, KafkaProducer
    >>> properties = {"security.protocol": "SSL", "max.poll.records": "5"}
    >>> client_settings(KafkaConsumer, properties)
    {'isolation_level': 'read_committed', 'security_protocol': 'SSL', 'max_poll_records': 5}
    >>> client_settings(KafkaProducer, properties)
    {'security_protocol': 'SSL'}
    """
    settings: dict[str, Any] = {}
    for key, value in resolve_properties(properties, environ).items():
        settings |= _translated(key, value)
    return {name: value for name, value in settings.items() if name in client.DEFAULT_CONFIG}


def _translated(key: str, value: str) -> dict[str, Any]:
    if key in _WITHOUT_MEANING:
        return {}
    if key in _STORES:
        return dict.fromkeys(_STORES[key], value)
    if key == "ssl.endpoint.identification.algorithm":
        return {"ssl_check_hostname": bool(value)}
    if key == "sasl.jaas.config" and (login := read_login(value)):
        return {"sasl_plain_username": login.username, "sasl_plain_password": login.password}
    if key == "compression.type" and value == "none":
        return {"compression_type": None}
    kinds: dict[Any, Any] = {NUMBER: int, FLAG: "true".__eq__, TEXT: str}
    return {key.replace(".", "_"): kinds.get(PROPERTIES[key], str)(value)}
