"""A broker with a listener that wants a login, and topics that the account may not use."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ResourcePattern,
    ResourceType,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from flink_jobs.cluster.processes import LOOPBACK, free_ports
from flink_jobs.embedded import kafka_broker as embedded
from flink_jobs.embedded.kafka_broker import KafkaBroker
from flink_jobs.kafka.topics import admin_client

MODULES = {
    "PLAIN": "org.apache.kafka.common.security.plain.PlainLoginModule",
    "SCRAM-SHA-256": "org.apache.kafka.common.security.scram.ScramLoginModule",
    "SCRAM-SHA-512": "org.apache.kafka.common.security.scram.ScramLoginModule",
}
USER = "on-call"
PASSWORD = r"""hunter2 "quoted" it's; back\slash"""
ALLOWED = "drift-"


@dataclass(frozen=True)
class Guarded:
    """The broker, whose own listener lets everybody in, and the address of the other one."""

    broker: KafkaBroker
    address: str


def jaas(mechanism: str, password: str = PASSWORD) -> str:
    return f'{MODULES[mechanism]} required username="{USER}" password="{_quoted(password)}";'


def login(mechanism: str, password: str = PASSWORD) -> dict[str, str]:
    return {
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": mechanism,
        "sasl.jaas.config": jaas(mechanism, password),
    }


@contextlib.contextmanager
def guarded_broker() -> Iterator[Guarded]:
    """Start one; the account may use groups, and topics whose name begins with ``drift-``."""
    (port,) = free_ports(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedded, "_SERVER_CONFIG", _server_config(port))
        with KafkaBroker() as broker:
            with admin_client(broker.bootstrap_servers, {}) as admin:
                mechanism = ScramMechanism.SCRAM_SHA_256
                admin.alter_user_scram_credentials(
                    [UserScramCredentialUpsertion(USER, mechanism, PASSWORD)]
                )
                admin.create_acls(
                    [_allowed(ResourceType.TOPIC, ALLOWED), _allowed(ResourceType.GROUP, "")]
                )
            yield Guarded(broker, f"{LOOPBACK}:{port}")


def _server_config(port: int) -> str:
    server = jaas("PLAIN").replace("username=", f'user_{USER}="{_quoted(PASSWORD)}" username=')
    added = (
        f"listener.name.guarded.plain.sasl.jaas.config={server}\n"
        "listener.name.guarded.scram-sha-256.sasl.jaas.config="
        f"{MODULES['SCRAM-SHA-256']} required;\n"
        "listener.name.guarded.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256\n"
        "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n"
        "super.users=User:ANONYMOUS\n"
    )
    config = embedded._SERVER_CONFIG
    for listeners in ("listeners", "advertised.listeners"):
        config = config.replace(f"\n{listeners}=", f"\n{listeners}=GUARDED://{LOOPBACK}:{port},")
    config = config.replace("protocol.map=", "protocol.map=GUARDED:SASL_PLAINTEXT,")
    # Backslashes of a file of Java properties, and braces that are not places to fill in.
    return config + added.replace("\\", "\\\\").replace("{", "{{").replace("}", "}}")


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _allowed(kind: ResourceType, prefix: str) -> ACL:
    pattern = ACLResourcePatternType.PREFIXED if prefix else ACLResourcePatternType.LITERAL
    return ACL(
        principal=f"User:{USER}",
        host="*",
        operation=ACLOperation.ALL,
        permission_type=ACLPermissionType.ALLOW,
        resource_pattern=ResourcePattern(kind, prefix or "*", pattern),
    )
