"""Clients of Kafka that say what is wrong when nobody answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kafka import KafkaConsumer
from kafka.errors import KafkaError

from flink_jobs.kafka.errors import FollowError
from flink_jobs.kafka.reachable import require_reachable

_TIMEOUT_MS = 10_000


def connect(client_type: Any, bootstrap_servers: str, settings: Mapping[str, object]) -> Any:
    """Connect a consumer, a producer or an admin client.

    Parameters
    ----------
    client_type : type
        ``KafkaConsumer``, ``KafkaProducer`` or ``KafkaAdminClient``.
    bootstrap_servers : str
        Host and port of one or more brokers, separated by commas.
    settings : mapping
        The client's other settings.

    Raises
    ------
    FollowError
        When no broker answers.
    """
    require_reachable(bootstrap_servers)
    # A constructor that raises leaves a thread that goes on connecting, and nothing to close.
    clients: list[Any] = []

    def make_client(**client_settings: Any) -> Any:
        clients.append(KafkaConsumer.DEFAULT_CONFIG["kafka_client"](**client_settings))
        return clients[-1]

    own = {
        "bootstrap_servers": bootstrap_servers.split(","),
        "allow_auto_create_topics": False,
        "bootstrap_timeout_ms": _TIMEOUT_MS,
    }
    own = {name: value for name, value in own.items() if name in client_type.DEFAULT_CONFIG}
    try:
        return client_type(**(own | dict(settings)), kafka_client=make_client)
    except (KafkaError, OSError) as error:
        for client in clients:
            client.close()
        raise FollowError(
            f"{bootstrap_servers} does not answer as a Kafka broker ({error}): check the "
            "address and the security properties"
        ) from error
