"""One table of Kafka properties for the job and every client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer

from flink_jobs.config.kafka_properties import PROPERTIES
from flink_jobs.config.tables.base import ConfigError
from flink_jobs.kafka.errors import FollowError
from flink_jobs.kafka.following import RecordFollower
from flink_jobs.kafka.properties import client_settings, parse_properties
from flink_jobs.kafka.sending import CommandSender
from flink_jobs.kafka.topics import require_topics
from flink_jobs.records.alerts import Alert
from flink_jobs.records.control import Pause
from tests.kafka.guarded import MODULES, PASSWORD, Guarded, guarded_broker, jaas, login


def problems_of(properties: dict[str, str]) -> str:
    with pytest.raises(ConfigError) as error:
        client_settings(KafkaConsumer, properties)
    return str(error.value)


def test_what_an_aborted_transaction_wrote_is_left_out_unless_asked_for() -> None:
    assert client_settings(KafkaConsumer, {}) == {"isolation_level": "read_committed"}
    asked = client_settings(KafkaConsumer, {"isolation.level": "read_uncommitted"})
    assert asked == {"isolation_level": "read_uncommitted"}


@pytest.mark.parametrize("mechanism", MODULES)
def test_a_login_is_translated_for_every_client(mechanism: str) -> None:
    for client in (KafkaConsumer, KafkaProducer, KafkaAdminClient):
        settings = client_settings(client, login(mechanism))

        settings.pop("isolation_level", None)
        assert settings == {
            "security_protocol": "SASL_PLAINTEXT",
            "sasl_mechanism": mechanism,
            "sasl_plain_username": "on-call",
            "sasl_plain_password": PASSWORD,
        }


def test_stores_of_pem_are_translated() -> None:
    settings = client_settings(
        KafkaProducer,
        {
            "security.protocol": "SSL",
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": "/ca.pem",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": "/me.pem",
            "ssl.key.password": "hunter2",
            "ssl.endpoint.identification.algorithm": "",
        },
    )

    assert settings == {
        "security_protocol": "SSL",
        "ssl_cafile": "/ca.pem",
        "ssl_certfile": "/me.pem",
        "ssl_keyfile": "/me.pem",
        "ssl_password": "hunter2",
        "ssl_check_hostname": False,
    }


def test_every_property_of_the_table_is_taken_by_a_client_or_is_only_of_java() -> None:
    clients = (KafkaConsumer, KafkaProducer, KafkaAdminClient)
    known = {name for client in clients for name in client.DEFAULT_CONFIG}
    only_java = {"buffer.memory", "ssl.truststore.type", "ssl.keystore.type"}
    translated = {
        "sasl.jaas.config",
        "ssl.truststore.location",
        "ssl.keystore.location",
        "ssl.key.password",
        "ssl.endpoint.identification.algorithm",
    }

    unknown = {each for each in PROPERTIES if each.replace(".", "_") not in known}

    assert unknown == only_java | translated


def test_values_get_the_type_that_the_client_expects() -> None:
    settings = client_settings(KafkaConsumer, {"check.crcs": "false", "fetch.max.wait.ms": "100"})

    assert settings["check_crcs"] is False
    assert settings["fetch_max_wait_ms"] == 100


def test_a_secret_comes_from_the_environment_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "jaas").write_text(jaas("PLAIN") + "\n")
    properties = login("PLAIN") | {"sasl.jaas.config": f"${{file:{tmp_path / 'jaas'}}}"}

    settings = client_settings(
        KafkaConsumer, properties | {"client.id": "${env:ME}"}, environ={"ME": "on-call"}
    )

    assert settings["sasl_plain_password"] == PASSWORD
    assert settings["client_id"] == "on-call"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"security.protocl": "SSL"}, "security.protocl: is unknown; allowed: security.protocol"),
        ({"sasl.plain.password": "hunter2"}, "sasl.plain.password: is unknown"),
        ({"bootstrap.servers": "hunter2"}, "is set elsewhere; allowed: kafka.bootstrap_servers"),
        ({"group.id": "hunter2"}, "is set elsewhere; allowed: kafka.group_id or --group"),
        ({"sasl.mechanism": "OAUTHBEARER"}, "allowed: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512"),
        ({"sasl.mechanism": "GSSAPI"}, "allowed: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512"),
        ({"sasl.mechanism": "SCRAM-SHA-256"}, "another mechanism than SCRAM-SHA-256"),
        ({"sasl.jaas.config": 'Plain required password="hunter2";'}, "config: cannot be read"),
        ({"security.protocol": "SSL"}, "sasl.jaas.config: is without effect"),
        ({"ssl.truststore.location": "/hunter2.jks"}, "location: needs ssl.truststore.type"),
        ({"ssl.keystore.type": "JKS"}, "ssl.keystore.type: is not supported; allowed: PEM"),
        ({"ssl.truststore.password": "hunter2"}, "is set elsewhere; allowed: ssl.truststore.loc"),
        ({"check.crcs": "hunter2"}, "check.crcs: is not a boolean; allowed: true, false"),
        ({"fetch.max.wait.ms": "hunter2"}, "is not a whole number"),
        ({"client.id": "${env:hunter_none}"}, "cannot be resolved"),
    ],
)
def test_what_cannot_be_translated_is_refused_by_name_and_without_a_secret(
    change: dict[str, str], message: str
) -> None:
    text = problems_of(login("PLAIN") | change)

    assert message in text
    assert "hunter2" not in text


@pytest.mark.parametrize("left_out", ["sasl.mechanism", "sasl.jaas.config"])
def test_a_login_that_is_not_whole_is_refused(left_out: str) -> None:
    properties = login("PLAIN")
    del properties[left_out]

    assert f"{left_out}: is missing for SASL_PLAINTEXT" in problems_of(properties)


def test_all_problems_are_named_at_once() -> None:
    assert problems_of({"no.such": "1", "check.crcs": "perhaps"}).count("kafka property") == 2


def test_an_assignment_without_a_sign_is_refused_without_repeating_it() -> None:
    with pytest.raises(ConfigError) as error:
        parse_properties(["hunter2"])

    assert "hunter2" not in str(error.value)


def test_a_value_may_hold_the_sign_itself() -> None:
    assert parse_properties(["a=b=c"]) == {"a": "b=c"}


def test_checksums_of_batches_are_not_computed_in_python() -> None:
    # In Python they took 45 µs of each event of 400 bytes, three quarters of sending and reading.
    from kafka.record import util

    assert util._crc32c is util.crc32c_c


@pytest.fixture(scope="module")
def guarded() -> Iterator[Guarded]:
    with guarded_broker() as guarded:
        for topic in ("drift-alerts", "drift-control", "secret"):
            guarded.broker.create_topic(topic)
        yield guarded


@pytest.mark.integration
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256"])
def test_every_client_logs_in_by_the_properties_of_the_job(
    guarded: Guarded, mechanism: str
) -> None:
    properties = login(mechanism)

    require_topics(guarded.address, properties, reads=["drift-alerts"])
    with CommandSender(guarded.address, "drift-control", properties=properties) as sender:
        sender.send(Pause(command_id="c", model="m"))
    with RecordFollower(guarded.address, "drift-alerts", Alert, properties=properties) as follower:
        assert follower.poll() == []


@pytest.mark.integration
def test_a_wrong_password_is_said_and_not_shown(guarded: Guarded) -> None:
    follower = RecordFollower(
        guarded.address, "drift-alerts", Alert, properties=login("PLAIN", "wrong-hunter2")
    )

    with pytest.raises(FollowError, match="does not answer as a Kafka broker") as error:
        follower.__enter__()

    assert "hunter2" not in str(error.value)


@pytest.mark.integration
@pytest.mark.parametrize("topic", ["secret", "no-such-topic"])
def test_a_topic_that_the_account_may_not_use_is_named(guarded: Guarded, topic: str) -> None:
    topics = ["drift-alerts", topic]

    with pytest.raises(FollowError, match=f"the topic '{topic}' on .* may not be used"):
        require_topics(guarded.address, login("PLAIN"), reads=topics)
