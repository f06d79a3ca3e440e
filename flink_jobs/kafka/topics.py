"""Topics on a broker: which are missing, and making those."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from kafka import KafkaAdminClient
from kafka.admin import NewTopic
from kafka.errors import KafkaError

from flink_jobs.kafka.connecting import connect
from flink_jobs.kafka.errors import FollowError
from flink_jobs.kafka.properties import client_settings

COMPACTED = {
    "cleanup.policy": "compact",
    # What was written last is never compacted. By the clock of the broker it is an hour at most;
    # by event time each hour of a history would become a file.
    "message.timestamp.type": "LogAppendTime",
    "segment.ms": "3600000",
    "min.cleanable.dirty.ratio": "0.1",
}
"""Settings of a topic of which the last record of each key is kept."""

_UNAUTHORIZED, _UNKNOWN, _INVALID = 29, 3, 17
_MOST_NAMED = 10


@contextlib.contextmanager
def admin_client(bootstrap_servers: str, properties: Mapping[str, str]) -> Iterator[Any]:
    """A connected ``KafkaAdminClient``; what it raises in the block becomes a `FollowError`.

    Raises
    ------
    FollowError
        When the brokers do not answer, or refuse.
    ConfigError
        When a property is wrong.
    """
    settings = client_settings(KafkaAdminClient, properties)
    with contextlib.closing(connect(KafkaAdminClient, bootstrap_servers, settings)) as admin:
        try:
            yield admin
        except KafkaError as error:
            raise FollowError(
                f"{bootstrap_servers} refuses ({error}): check the "
                "permissions of the account that the Kafka properties name"
            ) from error


def require_topics(
    bootstrap_servers: str,
    properties: Mapping[str, str],
    *,
    reads: Iterable[str] = (),
    writes: Iterable[str] = (),
    advice: str = "check the name",
) -> None:
    """Check that topics exist and may be read or written.

    Parameters
    ----------
    bootstrap_servers : str
    properties : mapping of str to str
        See :mod:`flink_jobs.kafka.properties`.
    reads, writes : iterable of str
        Names of topics.
    advice : str
        How the message about a missing topic ends.

    Raises
    ------
    FollowError
        When a topic is missing or may not be used, or the brokers do not answer.
    ConfigError
        When a property is wrong.
    """
    wanted = {"READ": set(reads), "WRITE": set(writes)}
    names = sorted(set().union(*wanted.values()))
    with admin_client(bootstrap_servers, properties) as admin:
        found = {each["name"]: each for each in admin.describe_topics(names)}
        missing = [name for name in names if found[name]["error_code"] in (_UNKNOWN, _INVALID)]
        forbidden = [name for name in names if found[name]["error_code"] == _UNAUTHORIZED]
        if missing:
            there = [each["name"] for each in admin.describe_topics() if not each["is_internal"]]
            raise FollowError(
                f"there is no topic {_listed(missing)} on {bootstrap_servers}"
                f"{_close_to(missing, there)}: {advice}"
            )
    for operation, needed in wanted.items():
        forbidden += [name for name in sorted(needed) if not _may(found[name], operation)]
    if forbidden:
        raise FollowError(
            f"the topic {_listed(sorted(set(forbidden)))} on {bootstrap_servers} may not be used: "
            "the account that the Kafka properties name needs the operations DESCRIBE, and "
            f"READ for {_listed(sorted(wanted['READ'])) or 'none'}, "
            f"WRITE for {_listed(sorted(wanted['WRITE'])) or 'none'}"
        )


def count_partitions(bootstrap_servers: str, properties: Mapping[str, str], topic: str) -> int:
    """Count the partitions of a topic, 0 where there is none; raises as :func:`admin_client`."""
    with admin_client(bootstrap_servers, properties) as admin:
        [found] = admin.describe_topics([topic])
        return len(found["partitions"])


def create_topics(
    admin: Any,
    names: Iterable[str],
    settings: Mapping[str, Mapping[str, str]] | None = None,
    n_partitions: int = -1,
) -> None:
    """Make topics that keep their records for ever.

    Retention goes by the records' timestamps, which are event times: with any limit, records of the
    past vanish at once.

    Parameters
    ----------
    admin : kafka.KafkaAdminClient
    names : iterable of str
    settings : mapping, optional
        More settings of a topic, by its name.
    n_partitions : int, default -1
        -1 for the broker's default.
    """
    own = {"retention.ms": "-1", "cleanup.policy": "delete", "message.timestamp.type": "CreateTime"}
    more = settings or {}
    topics = [
        NewTopic(n, n_partitions, -1, topic_configs=own | dict(more.get(n, {}))) for n in names
    ]
    admin.create_topics(topics, wait_for_metadata=True)


def create_missing_topics(
    bootstrap_servers: str,
    properties: Mapping[str, str],
    names: Iterable[str],
    settings: Mapping[str, Mapping[str, str]] | None = None,
) -> list[str]:
    """Make those topics that are not there, with ``settings`` by name; their names.

    Raises
    ------
    FollowError
        When the brokers do not answer or make none.
    ConfigError
        When a property is wrong.
    """
    with admin_client(bootstrap_servers, properties) as admin:
        found = {each["name"] for each in admin.describe_topics() if not each["error_code"]}
        missing = sorted(set(names) - found)
        if missing:
            create_topics(admin, missing, settings)
    return missing


def _may(topic: Mapping[str, Any], operation: str) -> bool:
    operations = topic.get("authorized_operations")
    # Brokers before Kafka 2.3 do not say.
    return not operations or any(each == operation for each in operations)


def _listed(names: Collection[str]) -> str:
    return ", ".join(map(repr, names))


def _close_to(missing: Iterable[str], there: list[str]) -> str:
    close = {each for name in missing for each in difflib.get_close_matches(name, there)}
    shown = sorted(close or there)[:_MOST_NAMED]
    return f" (there is {_listed(shown)})" if shown else " (it has no topic)"
