"""What ``loudly validate --sample`` says of events."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from flink_jobs.cli import app
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.loading import decode_config
from flink_jobs.setup.description import describe_sample
from flink_jobs.setup.opening import take_sample
from flink_jobs.setup.sample import RawRecord, Sample
from tests.setup.tables import START_S, loans, write_csv, write_lines

TABLES = """
panes = {width_ms = 10_000}
window = {kind = "time", size_ms = 60_000, slide_ms = 10_000}
reference = {kind = "first_events", n_events = 1000}
"""


def config_of(columns: str, input_table: str = 'format = "json"') -> DriftJobConfig:
    text = f"""
version = 1
kafka = {{bootstrap_servers = "127.0.0.1:9092"}}
input = {{{input_table}}}
{TABLES}
[columns]
{columns}
"""
    return decode_config(text.encode())


def records(n: int, keys: list[str | None], **values: list[object]) -> list[RawRecord]:
    return [
        RawRecord(
            json.dumps({name: each[row] for name, each in values.items()}).encode(),
            keys[row],
            1_000 * (START_S + row),
        )
        for row in range(n)
    ]


def topic(found: list[RawRecord]) -> Sample:
    return Sample("kafka://b:1/t", "t", "topic", records=found, n_total=len(found))


def test_a_topic_that_is_keyed_by_request_is_noticed_and_said():
    config = config_of("features = {x = 'number'}")
    sample = topic(records(200, [f"req-{n}" for n in range(200)], x=[0.5] * 200))

    report = describe_sample(config, sample)

    assert report.n_models == 200
    assert "nearly every key is new: 200 models in 200 events" in report.hints[0]
    assert "columns.model" in report.hints[0]


def test_a_topic_whose_keys_are_models_is_not_suspected():
    config = config_of("features = {x = 'number'}")
    sample = topic(records(200, [f"m{n % 3}" for n in range(200)], x=list(range(200))))

    report = describe_sample(config, sample)

    assert (report.n_models, report.hints) == (3, [])
    assert report.models[0] == ("m0", 67)


def test_each_column_is_described_by_what_was_read_of_it():
    config = config_of(
        "model_name = 'm'\nfeatures_at = 'f'\n"
        "features = {age = {type = 'number', may_be_missing = true}, plan = 'category'}"
    )
    rows: list[object] = [{"age": None if n % 4 == 0 else n, "plan": "pro"} for n in range(200)]

    report = describe_sample(config, topic(records(200, [None] * 200, f=rows)))

    age, plan = report.columns
    assert (age.n, age.n_missing, age.place) == (200, 50, "f.age")
    assert age.values == "1 to 199, median 100; 25 % missing"
    assert plan.hints == ["the same in every event of the sample"]


def test_refused_events_are_counted_by_reason_with_an_example():
    config = config_of("model_name = 'm'\nfeatures = {age = 'number'}")
    ages: list[object] = ["many" if n < 5 else n for n in range(100)]

    report = describe_sample(config, topic(records(100, [None] * 100, age=ages)))

    (refused,) = report.refused
    assert (report.n_usable, refused.n, refused.reason) == (95, 5, "invalid_event")
    assert refused.example == "age is 'many', expected a number"
    assert "5.0% of the events cannot be used" in report.hints[0]


def test_numbers_of_another_unit_are_noticed(tmp_path):
    events = [{"at": START_S + n, "model": "m", "x": n} for n in range(50)]
    path = write_lines(tmp_path / "x.jsonl", events)
    config = config_of("time = 'at'\nfeatures = {x = 'number'}")

    report = describe_sample(config, take_sample(str(path)))

    assert "look at columns.time_unit" in report.hints[0]


def test_the_command_ends_with_1_where_no_event_can_be_used_and_with_0_where_some_can(tmp_path):
    path = write_csv(tmp_path / "loans.csv", loans(300))
    good, bad = tmp_path / "good.toml", tmp_path / "bad.toml"
    CliRunner().invoke(app, ["init", "--input", str(path), "--output", str(good)])
    bad.write_text(good.read_text().replace('purpose = "category"', 'purpose = "number"'))

    fine = CliRunner().invoke(app, ["validate", str(good), "--sample", str(path)])
    wrong = CliRunner().invoke(app, ["validate", str(bad), "--sample", str(path)])

    assert fine.exit_code == 0, fine.output
    assert "300 usable events" in fine.output
    assert wrong.exit_code == 1
    assert "Not one event can be used." in wrong.output


def test_names_of_models_that_drive_a_terminal_are_escaped():
    config = config_of("features = {x = 'number'}")

    report = describe_sample(config, topic(records(3, ["fr\x1b[31m"] * 3, x=[1, 2, 3])))

    assert report.models == [("fr\\x1b[31m", 3)]


@pytest.mark.parametrize("is_late", [False, True])
def test_rows_of_models_by_turns_are_late_only_where_they_are(tmp_path, is_late):
    n = 600
    models = ["a", "b"] * (n // 2)
    late_s = 600 if is_late else 0
    seconds = [START_S + row - late_s * (row % 3 == 1) for row in range(n)]
    path = write_csv(
        tmp_path / "a.csv",
        {"who": models, "at": [1_000 * each for each in seconds], "x": [0.5, 0.7] * (n // 2)},
    )
    config = config_of('model = "who"\ntime = "at"\nfeatures = {x = "number"}')

    report = describe_sample(config, take_sample(str(path)))

    assert any("after newer ones" in hint for hint in report.hints) is is_late
