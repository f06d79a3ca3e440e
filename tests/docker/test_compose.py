"""compose.yaml is valid Compose and keeps its promises; no engine is needed to say so."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from flink_jobs.config.digests import config_version
from flink_jobs.config.loading import decode_config, load_config
from flink_jobs.demo.job_file import Topics, job_text
from flink_jobs.kafka.topics import COMPACTED

_DOCKER = Path(__file__).resolve().parents[2] / "docker"
_COMPOSE = _DOCKER / "compose.yaml"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return dict(yaml.safe_load(_COMPOSE.read_text()))


def _check(file: Path) -> subprocess.CompletedProcess[str]:
    command = ["check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(file)]
    return subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True, check=False
    )


def test_it_follows_the_compose_specification() -> None:
    checked = _check(_COMPOSE)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_misspelt_key_would_be_noticed(tmp_path: Path) -> None:
    wrong = tmp_path / "compose.yaml"
    wrong.write_text(_COMPOSE.read_text().replace("healthcheck:", "healtcheck:"))
    checked = _check(wrong)
    assert checked.returncode == 1
    assert "healtcheck" in checked.stdout


def test_ports_are_published_on_the_loopback_interface_only(compose: dict[str, Any]) -> None:
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert len(ports) == 2
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_every_image_has_a_pinned_version(compose: dict[str, Any]) -> None:
    images = {service["image"] for service in compose["services"].values()}
    assert images == {"apache/kafka:4.1.0", "loudly:0.1.0"}


def test_every_awaited_service_can_fulfil_its_condition(compose: dict[str, Any]) -> None:
    services = compose["services"]
    awaited = [
        (name, wait["condition"])
        for service in services.values()
        for name, wait in service.get("depends_on", {}).items()
    ]
    assert awaited
    for name, condition in awaited:
        assert (condition == "service_healthy") == ("healthcheck" in services[name])


def test_checkpoints_are_on_a_named_volume_that_both_managers_see(compose: dict[str, Any]) -> None:
    assert "checkpoints" in compose["volumes"]
    for name in ("jobmanager", "taskmanager"):
        service = compose["services"][name]
        assert service["volumes"] == ["checkpoints:/checkpoints"]
        properties = yaml.safe_load(service["environment"]["FLINK_PROPERTIES"])
        assert properties["execution.checkpointing.dir"] == "file:///checkpoints"


def test_the_topics_made_are_those_of_the_job(compose: dict[str, Any]) -> None:
    kafka = load_config(_DOCKER / "job.toml", environ={}).kafka
    [script] = compose["services"]["topics"]["command"]
    listed = re.search(r"for topic in (.+); do", script)
    assert listed is not None
    assert set(listed.group(1).split()) == {
        kafka.inference_topic,
        kafka.alerts_topic,
        kafka.scores_topic,
        kafka.dead_letters_topic,
    }
    assert kafka.bootstrap_servers == "kafka:9092"


def test_the_topic_of_status_records_is_compacted_as_the_jobs_own_would_be(
    compose: dict[str, Any],
) -> None:
    [script] = compose["services"]["topics"]["command"]
    made = re.search(r"--topic (\S+) --partitions 4((?: \\\s+| --config \S+)+)$", script.strip())

    assert made is not None
    settings = dict(each.split("=") for each in re.findall(r"--config (\S+)", made.group(2)))
    assert made.group(1) == load_config(_DOCKER / "job.toml", environ={}).kafka.status_topic
    assert settings == COMPACTED


def test_the_job_judges_as_the_demonstration_does() -> None:
    demo = decode_config(job_text("kafka:9092", Topics()).encode())
    assert config_version(load_config(_DOCKER / "job.toml", environ={})) == config_version(demo)
