"""The topics that a job needs."""

from __future__ import annotations

from flink_jobs.cluster.launch import settings_of_topics, topics_of
from tests.builders import make_config


def test_a_topic_of_evidence_is_needed_where_it_is_named_and_compacted() -> None:
    config = make_config(kafka={"evidence_topic": "drift-evidence"})

    assert "drift-evidence" in topics_of(config)[1]
    assert settings_of_topics(config)["drift-evidence"]["cleanup.policy"] == "compact"
    assert "drift-evidence" not in topics_of(make_config())[1]
