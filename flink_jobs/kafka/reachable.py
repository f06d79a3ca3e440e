"""Finds out at once that nobody listens at an address; Kafka's clients try again for long."""

from __future__ import annotations

import socket

from flink_jobs.kafka.errors import FollowError

_TIMEOUT_S = 5.0


def require_reachable(bootstrap_servers: str) -> None:
    """Check that at least one of the addresses accepts connections.

    Parameters
    ----------
    bootstrap_servers : str
        Host and port of one or more brokers, separated by commas.

    Raises
    ------
    FollowError
        When an address is none, or when none of them answers.

    Examples
    --------
    >>> require_reachable("127.0.0.1")
    Traceback (most recent call last):
        ...
    flink_jobs.kafka.errors.FollowError: '127.0.0.1' is not the address of a Kafka broker: host:port
    """
    reasons = [_reason(address.strip()) for address in bootstrap_servers.split(",")]
    if all(reasons):
        raise FollowError(
            f"no Kafka broker answers at {bootstrap_servers} ({reasons[-1]}): start one, or choose "
            "another address"
        )


def _reason(address: str) -> str | None:
    """Why the address does not answer; None when it does."""
    host, _, port = address.rpartition(":")
    if not (host and port.isdigit()):
        raise FollowError(f"{address!r} is not the address of a Kafka broker: host:port")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_TIMEOUT_S):
            return None
    except (OSError, OverflowError) as error:
        return getattr(error, "strerror", None) or str(error)
