"""Settings that all Kafka tables and sinks of the job share."""

from __future__ import annotations

from collections.abc import Mapping

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.loading import resolve_properties
from flink_jobs.intake.finding import quoted

# Flink's connector brings Kafka's client along under names of its own.
_SHADED = "org.apache.flink.kafka.shaded."


def reading_options(config: DriftJobConfig, topic: str, startup_mode: str) -> dict[str, str]:
    """Options of a table whose key and value are raw bytes or text."""
    kafka = config.kafka
    options = {
        "connector": "kafka",
        "topic": topic,
        "properties.bootstrap.servers": kafka.bootstrap_servers,
        "properties.group.id": kafka.group_id,
        "properties.auto.offset.reset": "earliest",
        "scan.startup.mode": startup_mode,
        "key.format": "raw",
        "value.format": "raw",
        "value.fields-include": "EXCEPT_KEY",
    }
    if kafka.bounded:
        options["scan.bounded.mode"] = "latest-offset"
    properties = client_properties(config)
    return options | {f"properties.{key}": value for key, value in properties.items()}


def client_properties(config: DriftJobConfig) -> dict[str, str]:
    """Properties of the job's Kafka clients: defaults and the user's own, secrets filled in."""
    properties = resolve_properties(config.kafka.properties)
    if jaas := properties.get("sasl.jaas.config"):
        properties["sasl.jaas.config"] = _SHADED + jaas.strip().removeprefix(_SHADED)
    return properties


def with_clause(options: Mapping[str, str]) -> str:
    """Options as SQL wants them."""
    return ", ".join(f"{quoted(key)} = {quoted(value)}" for key, value in options.items())
