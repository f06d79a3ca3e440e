"""The client of schema registries, and what it makes of their faults."""

import socket

import pytest

from flink_jobs.config.job import SchemaTable
from flink_jobs.intake.schemas.errors import RegistryDownError, UnusableSchemaError
from flink_jobs.intake.schemas.registry import ASK_AGAIN_S, MOST_BYTES, SchemaRegistry
from tests.intake.schemas.server import serving


class Time:
    """A clock that goes on while somebody sleeps, and what happens meanwhile."""

    def __init__(self):
        self.now_s = 0.0
        self.naps = []
        self.meanwhile = lambda: None

    def clock(self):
        return self.now_s

    def sleep(self, seconds):
        self.naps.append(seconds)
        self.now_s += seconds
        self.meanwhile()


@pytest.fixture(name="server")
def _server():
    with serving() as server:
        yield server


def client(server, time=None, **keys):
    time = time or Time()
    table = SchemaTable(registry_url=server.url, **keys)
    return SchemaRegistry(table, time.clock, time.sleep)


def test_a_schema_is_asked_for_once(server):
    server.add(7, '"int"')
    registry = client(server)

    found = [registry.schema(7) for _ in range(3)]

    assert {(each.kind, each.text) for each in found} == {("AVRO", '"int"')}
    assert server.asked == [("/schemas/ids/7", None)]


def test_references_come_before_the_schemas_that_use_them(server):
    to_b = [{"name": "b.proto", "subject": "b/x", "version": 2}]
    to_c = [{"name": "c.proto", "subject": "c", "version": 1}]
    server.add(7, "main", "PROTOBUF", to_b + to_c)
    server.say("/subjects/b%2Fx/versions/2", {"schema": "b", "references": to_c})
    server.say("/subjects/c/versions/1", {"schema": "c"})

    found = client(server).schema(7)

    assert found.references == (("c.proto", "c"), ("b.proto", "b"))


def test_an_account_is_sent_and_its_secret_resolved(server, tmp_path):
    (tmp_path / "secret").write_text("pass\n")
    server.add(7, '"int"')

    client(server, registry_user="me", registry_password=f"${{file:{tmp_path}/secret}}").schema(7)

    assert server.asked == [("/schemas/ids/7", "Basic bWU6cGFzcw==")]


def test_an_unknown_number_is_refused_and_asked_for_again_later(server):
    time = Time()
    registry = client(server, time)
    for _ in range(3):
        with pytest.raises(UnusableSchemaError, match="the registry knows no schema 7") as raised:
            registry.schema(7)
    server.add(7, '"int"')
    time.now_s += ASK_AGAIN_S

    found = registry.schema(7)

    assert raised.value.of_event().reason == "unknown_schema"
    assert found.text == '"int"'
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<html>", "not a JSON object"),
        (b"[" * 100_000, "not a JSON object"),
        ([], "not a JSON object"),
        ({}, "no text schema"),
        ({"schema": 7}, "no text schema"),
        ({"schema": "x", "references": 7}, "references that cannot be read"),
        ({"schema": "x", "references": [7]}, "no text name"),
        (b" " * (MOST_BYTES + 1), "larger than"),
    ],
)
def test_nonsense_is_refused_and_not_waited_for(server, body, said):
    time = Time()
    server.say("/schemas/ids/7", body)
    registry = client(server, time)

    for _ in range(2):
        with pytest.raises(UnusableSchemaError, match=said) as raised:
            registry.schema(7)

    assert raised.value.of_event().reason == "unusable_schema"
    assert len(server.asked) == 1
    assert not time.naps


def test_references_without_end_are_refused(server):
    server.say("/subjects/a/versions/1", {"schema": "x", "references": [
        {"name": "other", "subject": "a", "version": 1}]})  # fmt: skip
    server.add(7, "main", "PROTOBUF", [{"name": "n", "subject": "a", "version": 1}])

    with pytest.raises(UnusableSchemaError, match="references"):
        client(server).schema(7)

    assert len(server.asked) < 40


@pytest.mark.parametrize("status", [0, 500, 503, 429, 401])
def test_an_outage_is_waited_for(server, status):
    time = Time()
    server.say("/schemas/ids/7", {"message": "down"}, status)
    time.meanwhile = lambda: server.add(7, '"int"') if time.now_s > 3 else None

    found = client(server, time).schema(7)

    assert found.text == '"int"'
    assert time.naps == [0.1, 0.2, 0.5, 1.0, 2.0]


def test_patience_ends_in_an_error_that_names_the_registry():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    time = Time()
    table = SchemaTable(registry_url=f"http://127.0.0.1:{port}", patience_ms=20_000)

    with pytest.raises(RegistryDownError, match=f"127.0.0.1:{port} does not answer .*waited 20 s"):
        SchemaRegistry(table, time.clock, time.sleep).schema(7)

    assert 15 < time.now_s <= 20


def test_an_account_that_is_refused_is_said_without_its_secret(server):
    server.say("/schemas/ids/7", {}, 403)
    registry = client(server, registry_user="me", registry_password="hidden", patience_ms=0)

    with pytest.raises(RegistryDownError, match="refuses the account") as raised:
        registry.schema(7)

    assert "hidden" not in str(raised.value)


def test_redirects_are_followed_to_the_same_host_alone(server):
    server.add(8, '"int"')
    server.say("/schemas/ids/7", b"", 302, Location="/schemas/ids/8")
    with serving() as other:
        server.say("/schemas/ids/9", b"", 302, Location=f"{other.url}/schemas/ids/9")
        registry = client(server, registry_user="me", registry_password="secret")

        assert registry.schema(7).text == '"int"'
        with pytest.raises(UnusableSchemaError, match="another host"):
            registry.schema(9)

        assert not other.asked


def test_what_is_remembered_of_numbers_from_outside_is_bounded(server):
    registry = client(server)

    for number in range(1_100):
        with pytest.raises(UnusableSchemaError):
            registry.schema(number)

    assert len(registry._refused) <= 1_024
