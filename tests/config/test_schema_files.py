"""Files of schemas lie beside the configuration that names them."""

import pytest

from flink_jobs.config.loading import load_config
from flink_jobs.config.tables.base import ConfigError
from tests.builders import BASE


def job(folder, schemas):
    path = folder / "job.toml"
    tables = f'[input]\nformat = "avro"\nschemas = {schemas}'
    path.write_text(BASE.replace("[input]", tables))
    assert "avro" in path.read_text()
    return path


def test_a_relative_schema_is_found_beside_the_configuration(tmp_path):
    (tmp_path / "event.avsc").write_text('"int"')

    config = load_config(job(tmp_path, '{file = "event.avsc"}'), {})

    assert config.input.schemas.file == str(tmp_path / "event.avsc")


def test_a_schema_that_is_not_there_names_its_key_and_place(tmp_path):
    with pytest.raises(ConfigError, match=r"input\.schemas\.file.*event\.avsc is not there"):
        load_config(job(tmp_path, '{file = "event.avsc"}'), {})
