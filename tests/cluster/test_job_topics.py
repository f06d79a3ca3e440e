"""The topics of a job, and how they are made."""

from __future__ import annotations

import pytest
from kafka.admin import ConfigResource, ConfigResourceType

from flink_jobs.cluster.launch import settings_of_topics, topics_of
from flink_jobs.embedded.kafka_broker import KafkaBroker
from flink_jobs.kafka.topics import COMPACTED, admin_client, create_missing_topics
from tests.builders import make_config


def test_a_job_writes_status_records_where_it_has_a_topic_for_them() -> None:
    without, having = make_config(), make_config(kafka={"status_topic": "status"})

    assert "status" not in topics_of(without)[1]
    assert "status" in topics_of(having)[1]
    assert settings_of_topics(without) == {}
    assert settings_of_topics(having) == {"status": COMPACTED}


@pytest.mark.integration
def test_a_missing_topic_of_status_records_is_made_compacted(kafka_broker: KafkaBroker) -> None:
    config = make_config(kafka={"status_topic": "made-status"})
    names = ["made-status", "made-others"]

    servers = kafka_broker.bootstrap_servers
    made = create_missing_topics(servers, {}, names, settings_of_topics(config))

    assert sorted(made) == sorted(names)
    with admin_client(servers, {}) as admin:
        resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
        (found,) = admin.describe_configs(resources, config_filter="all").values()
    settings = {name: {key: found[name][key]["value"] for key in COMPACTED} for name in names}
    assert settings["made-status"] == COMPACTED
    assert settings["made-others"]["cleanup.policy"] == "delete"
