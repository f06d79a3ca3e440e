"""The page about events: its configurations read its examples."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from flink_jobs.config.loading import decode_config
from flink_jobs.intake.formats.base import Messages
from flink_jobs.intake.layouts import Layout
from flink_jobs.intake.locating import Locator

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "events.md").read_text()
REST = """
version = 1
kafka = {bootstrap_servers = "127.0.0.1:9092"}
panes = {width_ms = 60_000}
window = {kind = "time", size_ms = 600_000, slide_ms = 120_000}
reference = {kind = "first_events", n_events = 3_000}
"""
PAIRS = re.findall(r"^```json\n(.*?)^```\n\n```toml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize(("payload", "text"), PAIRS)
def test_every_example_of_the_page_is_read_by_its_configuration(payload: str, text: str) -> None:
    config = decode_config((REST + text).encode())
    name = config.input.format
    module = {"loudly": "own_events", "json": "any_json"}.get(name, name)
    if importlib.util.find_spec(f"flink_jobs.intake.formats.{module}") is None:
        pytest.skip(f"the format {name} is not there yet")
    messages = Messages([payload.encode()], lambda: ["0:1"])

    read = Layout(config).decode(messages)

    assert read.unusable == {}
    assert len(read.places) >= 1


def test_the_example_of_any_shape_says_its_model_and_its_time() -> None:
    payload, text = PAIRS[0]
    config = decode_config((REST + text).encode())

    located = Locator(config, "topic").locate(Messages([payload.encode()], list))

    assert located.models == ["pricing"]
    assert located.times_ms.tolist() == [1767261600250]
    assert located.problems == {}
