"""Records whose schemas lie in a real registry, which falls silent and comes back."""

import json
import threading
from typing import Any

import numpy as np
import pytest

from flink_jobs.config.job import SchemaTable
from flink_jobs.intake.schemas.errors import RegistryDownError, UnusableSchemaError
from flink_jobs.intake.schemas.registry import SchemaRegistry
from tests.intake.formats.test_schema_formats import (
    AVRO,
    PROTO,
    ROW,
    avro,
    framed,
    layout_of,
    messages,
    protobuf,
)
from tests.intake.schemas.apicurio import apicurio

pytestmark = pytest.mark.integration


@pytest.fixture(name="registry", scope="module")
def _registry():
    with apicurio() as registry:
        yield registry


def registered(registry, name, **tables):
    schemas = {"registry_url": registry.url, "patience_ms": 5_000} | tables
    return layout_of(name, envelope="confluent", schemas=schemas)


def test_avro_is_read_by_the_schema_that_its_writer_registered(registry):
    number = registry.register("events-avro-value", json.dumps(AVRO))

    read = registered(registry, "avro").decode(
        messages([framed(number, avro(ROW)), framed(99, b"")])
    )

    assert read.places.tolist() == [0]
    assert str(read.unusable[1]) == "unknown_schema: the registry knows no schema 99"


def test_protobuf_is_read_by_a_text_and_the_texts_that_it_imports(registry):
    features = PROTO[PROTO.index("  message Features") : PROTO.index("  string id")]
    inner = f'syntax = "proto3";\npackage shop;\n{features}'
    outer = PROTO.replace(features, "").replace(
        "package shop;", 'package shop;\nimport "features.proto";'
    )
    registry.register("features", inner, "PROTOBUF")
    reference = {"name": "features.proto", "subject": "features", "version": 1}
    number = registry.register("events-protobuf-value", outer, "PROTOBUF", [reference])
    payloads = [framed(number, protobuf(ROW), b"\0"), framed(number, protobuf(ROW), b"\2\0")]

    read = registered(registry, "protobuf").decode(messages(payloads))

    assert read.unusable == {}
    np.testing.assert_array_equal(read.x[0], read.x[1])


def fields_of(tree: dict[str, Any]) -> Any:
    return tree["fields"]


def test_types_of_another_subject_are_found(registry):
    features = fields_of(AVRO)[2]["type"]
    registry.register("shop.Features", json.dumps(features | {"namespace": "shop"}))
    fields = [each if each["name"] != "features" else {"name": "features", "type": "shop.Features"}
              for each in fields_of(AVRO)]  # fmt: skip
    reference = {"name": "shop.Features", "subject": "shop.Features", "version": 1}
    text = json.dumps({**AVRO, "fields": fields})
    number = registry.register("events-split-value", text, "AVRO", [reference])

    read = registered(registry, "avro").decode(messages([framed(number, avro(ROW))]))

    assert read.unusable == {}
    assert read.event_ids == ["a"]


def test_a_schema_that_evolves_is_read_by_the_number_of_each_record(registry):
    newer = json.loads(json.dumps(AVRO))
    newer["fields"].append({"name": "extra", "type": "string", "default": ""})
    numbers = [registry.register("evolving", json.dumps(tree)) for tree in (AVRO, newer)]

    payloads = [framed(numbers[0], avro(ROW)), framed(numbers[1], avro(ROW) + b"\x02x")]
    read = registered(registry, "avro").decode(messages(payloads))

    assert numbers[0] != numbers[1]
    assert read.unusable == {}
    np.testing.assert_array_equal(read.x[0], read.x[1])


def test_known_schemas_outlive_an_outage_and_unknown_ones_wait_for_its_end(registry):
    known, later = (registry.register(f"s{n}", f'{{"type": "fixed", "name": "n", "size": {n}}}')
                    for n in (1, 2))  # fmt: skip
    client = SchemaRegistry(SchemaTable(registry_url=registry.url, patience_ms=60_000))
    client.schema(known)
    registry.process.pause()
    resumed = threading.Timer(2.0, registry.process.resume)
    resumed.start()

    found = [client.schema(known).text, client.schema(later).text]

    resumed.join()
    assert [json.loads(text)["size"] for text in found] == [1, 2]


def test_a_registry_that_is_gone_is_an_error_and_not_a_dead_letter():
    with apicurio() as registry:
        client = SchemaRegistry(SchemaTable(registry_url=registry.url, patience_ms=500))
        with pytest.raises(UnusableSchemaError):
            client.schema(1)
    with pytest.raises(RegistryDownError, match="does not answer"):
        client.schema(2)
