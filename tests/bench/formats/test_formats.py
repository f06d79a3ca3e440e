"""The benchmark of formats: the same events in each, read to the same rows."""

import importlib.util

import pytest

from flink_jobs.config.loading import load_config
from scripts.bench.formats.decode import MANY_ROWS, decoding
from scripts.bench.formats.encoders import FORMATS
from scripts.bench.formats.report import Section, report
from scripts.bench.formats.stream import FormatStream
from scripts.bench.job.stream import N_PARTITIONS

THERE = [name for name in FORMATS if name in ("loudly", "json")
         or importlib.util.find_spec(f"flink_jobs.intake.formats.{name}")]  # fmt: skip


def test_all_formats_give_the_same_rows():
    seconds, wrong = decoding(THERE, 50, 1, n_events=400)

    assert wrong == []
    assert {name for name in seconds if name != MANY_ROWS} == set(THERE)
    assert {len(rounds) for rounds in seconds.values()} == {1}


@pytest.mark.parametrize("name", THERE)
def test_streams_have_configurations_that_load(tmp_path, name):
    stream = FormatStream("topic", 40, 2, 10, format=name, folder=str(tmp_path))
    path = tmp_path / "job.toml"
    path.write_text(stream.job_toml("127.0.0.1:9092", "results"))

    config = load_config(path, {})

    assert config.input.format == name
    records = [record for part in range(N_PARTITIONS) for record in stream.records(part)]
    assert len(records) == 40
    assert {key for key, _, _ in records} == {b"model-0000", b"model-0001"}


def test_the_page_gives_no_ratio_where_results_differ():
    rates = {"loudly": [100.0, 100.0], "avro": [150.0, 90.0]}

    agreed = report([Section("Job", rates)], 2)
    differing = report([Section("Job", rates, ["avro: other records"])], 2)

    assert "| Avro | 0.90 | 1.20 | 1.50 | at least 1: in the median |" in agreed
    assert "disagrees" in differing
    assert "1.20" not in differing
