"""What ``loudly init`` makes of topics as serving systems write them; records are made here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from flink_jobs.config.columns import columns_of
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.loading import decode_config
from flink_jobs.config.paths import path_text
from flink_jobs.histories.errors import SourceError
from flink_jobs.setup.description import SampleReport, describe_sample
from flink_jobs.setup.fitting import fitted
from flink_jobs.setup.job_toml import job_toml
from flink_jobs.setup.proposal import propose
from flink_jobs.setup.sample import RawRecord, Sample
from tests.setup.tables import START_S

RANDOM = np.random.default_rng(0)


def topic_of(
    values: Sequence[Any],
    keys: Sequence[str | None] | None = None,
    headers: Sequence[tuple[tuple[str, str], ...]] | None = None,
    before: bytes = b"",
) -> Sample:
    records = [
        RawRecord(
            before + json.dumps(value).encode(),
            keys[n] if keys else "fraud",
            1_000 * (START_S + 5 * n),
            headers[n] if headers else (),
            n % 3,
        )
        for n, value in enumerate(values)
    ]
    name = "kafka://127.0.0.1:9092/scores"
    return Sample(
        name,
        "scores",
        "topic",
        records=records,
        n_total=len(records),
        bootstrap_servers="127.0.0.1:9092",
        topic="scores",
    )


def read_back(sample: Sample) -> tuple[DriftJobConfig, SampleReport]:
    """The configuration that is written, and what it makes of the same events."""
    config = decode_config(job_toml(fitted(propose(sample))).encode())
    return config, describe_sample(config, sample)


def own_event(n: int) -> dict[str, Any]:
    return {"schema_version": 1, "event_id": f"e{n}", "features": RANDOM.normal(size=2).tolist()}


def test_own_events_are_recognised():
    config, report = read_back(topic_of([own_event(n) for n in range(300)]))

    assert (config.input.format, config.input.n_features) == ("loudly", 2)
    assert (report.n_usable, report.models) == (300, [("fraud", 300)])


def flight(n: int) -> dict[str, Any]:
    late = float(RANDOM.beta(2, 5))
    return {
        "hdr": {"svc": ["long", "short"][n % 2], "uid": f"{n:08x}"},
        "body": {
            "in": {"wind": RANDOM.normal(), "check_in": {"desk": "ABC"[n % 3]}},
            "out": [{"flag": "late", "score": late}, {"flag": "on_time", "score": 1 - late}],
        },
        "v": "1.2",
    }


def test_short_lists_of_objects_are_read_by_their_places():
    config, report = read_back(topic_of([flight(n) for n in range(300)]))

    paths = {path_text(path): column.role for column in columns_of(config) for path in column.paths}
    assert {each: role for each, role in paths.items() if each.endswith("score")} == {
        "body.out[0].score": "output",
        "body.out[1].score": "output",
    }
    assert {each for each, role in paths.items() if role == "feature"} == {
        "body.in.wind",
        "body.in.check_in.desk",
    }
    assert report.n_usable == 300


def test_a_service_in_a_header_is_left_out_with_the_line_that_makes_it_the_model():
    text = job_toml(fitted(propose(topic_of([flight(n) for n in range(300)]))))

    assert 'if it names models, say model = "hdr.svc"' in text


@pytest.mark.parametrize("answers", [[], [{"a": 1.0}] * 9, [{"a": 1.0}, 2.0]])
def test_lists_whose_places_mean_nothing_are_left_out(answers):
    events = [{"x": RANDOM.normal(), "items": answers} for _ in range(300)]

    config, report = read_back(topic_of(events))

    assert list(config.columns.features) == ["x"]
    assert report.n_usable == 300


def test_a_number_of_a_schema_in_front_is_recognised():
    sample = topic_of([own_event(n) for n in range(300)], before=b"\0\0\0\0\7")

    config, report = read_back(sample)

    assert (config.input.format, config.input.envelope) == ("json", "confluent")
    assert (config.input.n_features, config.columns.event_id) == (2, "event_id")
    assert report.n_usable == 300


def test_structured_cloudevents_are_recognised():
    events = [
        {
            "specversion": "1.0",
            "id": f"c{n}",
            "type": "inference",
            "source": "/fraud",
            "data": {"amount": RANDOM.normal(), "country": "DE" if n % 3 else "FR"},
        }
        for n in range(300)
    ]

    config, report = read_back(topic_of(events))

    assert (config.input.format, config.input.envelope) == ("json", "cloudevents")
    assert config.columns.features == {"amount": "number", "country": "category"}
    assert report.n_usable == 300


def test_requests_of_the_open_inference_protocol_hold_a_column_for_each_tensor():
    def tensor(name: str, kind: str, data: list[Any]) -> dict[str, Any]:
        return {"name": name, "shape": [len(data)], "datatype": kind, "data": data}

    messages = []
    for n in range(300):
        rows = RANDOM.normal(size=3).tolist()
        plans = [str(RANDOM.choice(["a", "b"])) for _ in rows]
        inputs = [tensor("amount", "FP64", rows), tensor("plan", "BYTES", plans)]
        messages.append({"model_name": "fraud", "id": f"r{n}", "inputs": inputs})
        probabilities = RANDOM.random(3).tolist()
        outputs = [tensor("probability", "FP64", probabilities)]
        messages.append({"model_name": "fraud", "id": f"r{n}", "outputs": outputs})
    sample = topic_of(messages)

    config, report = read_back(sample)

    assert config.input.format == "open_inference"
    assert config.columns.features == {"amount": "number", "plan": "category"}
    assert config.columns.outputs == {"probability": "probability"}
    assert (report.n_messages, report.n_usable, report.refused) == (600, 1_800, [])


def test_model_and_id_of_kserve_are_found_in_headers():
    messages = [{"instances": RANDOM.normal(size=(2, 2)).tolist()} for _ in range(300)]
    headers = [
        (("ce_id", str(n)), ("ce_inferenceservicename", "fraud"), ("ce_type", "request"))
        for n in range(300)
    ]

    config, report = read_back(topic_of(messages, [None] * 300, headers))

    assert config.input.format == "kserve_v1"
    assert config.columns.model == "@header.ce_inferenceservicename"
    assert config.columns.event_id == "@header.ce_id"
    assert (report.n_usable, report.models) == (600, [("fraud", 300)])


def test_a_topic_keyed_by_request_is_one_model_called_after_the_topic():
    values = [{"x": RANDOM.normal()} for _ in range(300)]

    config, report = read_back(topic_of(values, [f"req-{n}" for n in range(300)]))

    assert config.columns.model_name == "scores"
    assert config.columns.event_id == "@key"
    assert (report.n_usable, report.n_models, report.hints) == (300, 1, [])


def test_events_that_were_loaded_later_keep_their_own_time():
    values = [{"meta": {"at": START_S - 90_000 + 60 * n}, "x": RANDOM.normal()} for n in range(300)]

    config, report = read_back(topic_of(values))

    assert (config.columns.time, config.columns.time_unit) == ("meta.at", "s")
    assert report.span_ms == (1_000 * (START_S - 90_000), 1_000 * (START_S - 90_000 + 60 * 299))


def test_events_whose_time_is_that_of_the_record_are_read_by_the_record():
    values = [{"at": 1_000 * (START_S + 5 * n) - 40, "x": RANDOM.normal()} for n in range(300)]

    config, _ = read_back(topic_of(values))

    assert config.columns.time is None
    assert "at" not in config.columns.features


def test_avro_says_what_has_to_be_written_by_hand():
    sample = topic_of(["x"] * 50, before=b"\0\0\0\0\7\x02\x06")

    with pytest.raises(SourceError, match='format = "avro", envelope = "confluent"'):
        propose(sample)
