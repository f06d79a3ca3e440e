from pathlib import Path

from flink_jobs.config.digests import config_version
from flink_jobs.config.loading import load_config
from flink_jobs.demo.job_file import Topics, write_job_file
from flink_jobs.demo.timing import END_MS, WINDOW_ENDS_MS
from scripts.shared.offline_demo import demo_config


def test_the_written_file_is_a_right_configuration(tmp_path: Path) -> None:
    path = tmp_path / "job.toml"

    written = write_job_file(path, "127.0.0.1:1234", Topics().with_prefix("second-"))

    assert load_config(path, environ={}) == written
    assert written.kafka.bootstrap_servers == "127.0.0.1:1234"
    assert written.kafka.scores_topic == "second-drift-scores"


def test_without_a_prefix_topics_are_those_of_a_configuration_that_names_none() -> None:
    kafka = demo_config().kafka
    unnamed = load_config(Path("docker/job.toml"), environ={}).kafka

    assert kafka.inference_topic == unnamed.inference_topic
    assert kafka.alerts_topic == unnamed.alerts_topic
    assert kafka.scores_topic == unnamed.scores_topic
    assert kafka.dead_letters_topic == unnamed.dead_letters_topic
    assert kafka.status_topic == unnamed.status_topic


def test_addresses_and_topics_do_not_change_what_alerts_are_called(tmp_path: Path) -> None:
    other = write_job_file(tmp_path / "job.toml", "other:1", Topics().with_prefix("other-"))

    assert config_version(other) == config_version(demo_config())


def test_the_last_window_ends_with_the_stream() -> None:
    assert WINDOW_ENDS_MS[-1] == END_MS
