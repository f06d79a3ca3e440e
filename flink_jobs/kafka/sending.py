"""Sends commands to the control topic and waits for the answers on the audit topic."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any, Self

from kafka import KafkaProducer
from kafka.errors import KafkaError

from flink_jobs.kafka.connecting import connect
from flink_jobs.kafka.errors import FollowError
from flink_jobs.kafka.following import RecordFollower
from flink_jobs.kafka.properties import client_settings
from flink_jobs.kafka.topics import require_topics
from flink_jobs.records.control import Audit, Command, encode_command, is_pattern

# Long enough for a broker that elects a leader; a topic that is not there takes as long.
_TIMEOUT_S = 10
_POLL_S = 0.25


class CommandSender:
    """Sends commands, each keyed by its model and acknowledged by all replicas.

    Parameters
    ----------
    bootstrap_servers : str
        Host and port of one or more brokers, separated by commas.
    topic : str
        The control topic, which must exist.
    properties : mapping of str to str, optional
        More settings of the client; see :mod:`flink_jobs.kafka.properties`.

    Raises
    ------
    FollowError
        On entering, when the brokers do not answer, or the topic is missing or cannot be written.
    ConfigError
        When a property is unknown or a secret cannot be resolved.

    Examples
    --------
    Needs a broker, hence not run as a doctest; ``tests/kafka`` does the same::

        with CommandSender("127.0.0.1:9092", "drift-control") as sender:
            sender.send(Pause(command_id="c-1", model="fraud"))
    """

    def __init__(
        self, bootstrap_servers: str, topic: str, *, properties: Mapping[str, str] | None = None
    ) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._topic = topic
        self._properties = dict(properties or {})
        self._settings = {
            "acks": "all",
            "max_block_ms": _TIMEOUT_S * 1000,
            **client_settings(KafkaProducer, self._properties),
        }
        self._producer: Any = None

    def __enter__(self) -> Self:
        require_topics(self._bootstrap_servers, self._properties, writes=[self._topic])
        self._producer = connect(KafkaProducer, self._bootstrap_servers, self._settings)
        return self

    def __exit__(self, *_: object) -> None:
        self._producer.close()
        self._producer = None

    def send(self, command: Command) -> None:
        """Send a command; returns when the brokers have it.

        Raises
        ------
        FollowError
            When they do not take it; says what to do.
        """
        key, value = encode_command(command)
        try:
            self._producer.send(self._topic, key=key, value=value).get(timeout=_TIMEOUT_S)
        except KafkaError as error:
            raise FollowError(
                f"{self._bootstrap_servers} does not take the command on the topic "
                f"{self._topic!r} ({type(error).__name__}): check that the topic exists and that "
                "you may write to it"
            ) from error


def answers(follower: RecordFollower[Audit], command: Command, wait_s: float) -> Iterator[Audit]:
    """The answers to a command, as they come.

    Parameters
    ----------
    follower : RecordFollower
        Of the audit topic, entered before the command was sent.
    command : Command
        A model gives one answer, which ends the wait. Nobody knows how many models a pattern will
        reach, so that its answers are waited for to the end.
    wait_s : float
        How long to wait.
    """
    end_s = time.monotonic() + wait_s
    while (left_s := end_s - time.monotonic()) > 0:
        for audit in follower.poll(min(left_s, _POLL_S)):
            if audit.command_id == command.command_id:
                yield audit
                if not is_pattern(command.model):
                    return
