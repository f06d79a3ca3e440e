"""Properties of the Kafka client as users write them, checked against what kafka-python knows."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping
from typing import Any

from kafka import KafkaConsumer

from flink_jobs.config.job import ConfigError
from flink_jobs.config.loading import resolve_secret
from flink_jobs.config.tables import Problem

_BOOLEANS = {"true": True, "false": False}


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
    properties: Mapping[str, str], environ: Mapping[str, str] = os.environ
) -> dict[str, object]:
    """Settings for kafka-python from properties named as Kafka names them.

    Parameters
    ----------
    properties : mapping of str to str
        ``security.protocol`` and ``security_protocol`` mean the same. Values may point to a secret
        by ``${env:NAME}`` or ``${file:PATH}``.
    environ : mapping, default ``os.environ``
        Where ``${env:NAME}`` looks.

    Raises
    ------
    ConfigError
        With all unknown names and values of the wrong type; never with a secret.

    Examples
    --------
    >>> client_settings({"security.protocol": "SSL", "request.timeout.ms": "5000"})
    {'security_protocol': 'SSL', 'request_timeout_ms': 5000}
    """
    settings, problems = {}, []
    for key, text in properties.items():
        name = key.replace(".", "_")
        try:
            settings[name] = _converted(key, name, resolve_secret(text, environ))
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return settings


def settings_known_to(client: type[Any], properties: Mapping[str, str]) -> dict[str, Any]:
    """Those of :func:`client_settings` that a client other than a consumer takes.

    Users give all clients the same properties; a producer refuses those of consumers alone.

    Examples
    --------
    >>> from kafka import KafkaProducer
    >>> properties = {"security.protocol": "SSL", "max.poll.records": "5"}
    >>> settings_known_to(KafkaProducer, properties)
    {'security_protocol': 'SSL'}
    """
    settings = client_settings(properties)
    return {name: value for name, value in settings.items() if name in client.DEFAULT_CONFIG}


def _converted(key: str, name: str, value: str) -> object:
    known = KafkaConsumer.DEFAULT_CONFIG
    if name not in known:
        close = difflib.get_close_matches(name, known, n=3)
        allowed = ", ".join(close) or "a setting of kafka-python's KafkaConsumer"
        raise ConfigError([Problem(f"kafka property {key}", "is unknown", allowed)])
    default = known[name]
    if isinstance(default, bool):
        if value.lower() not in _BOOLEANS:
            raise ConfigError([Problem(f"kafka property {key}", "is no boolean", "true, false")])
        return _BOOLEANS[value.lower()]
    if isinstance(default, int):
        if not value.lstrip("-").isdigit():
            raise ConfigError([Problem(f"kafka property {key}", "is no whole number", "a number")])
        return int(value)
    return value
