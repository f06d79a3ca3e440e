"""The event of the README is one that its configuration reads."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from flink_jobs.config.columns import columns_of
from flink_jobs.config.loading import decode_config
from flink_jobs.intake.formats.base import Messages
from flink_jobs.intake.formats.registry import format_of
from flink_jobs.intake.locating import Locator
from flink_jobs.times import iso_ms

README = (Path(__file__).resolve().parents[2] / "README.md").read_text()


def block(language: str) -> str:
    [found] = re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    return str(found)


def test_the_event_of_the_readme_is_read_by_its_configuration() -> None:
    config = decode_config(block("toml").encode())
    messages = Messages([block("json").encode()], lambda: ["0:0"])

    located = Locator(config, "topic").locate(messages, np.array([0]), ["r-81"])
    read = format_of(config, columns_of(config)).read(messages)

    assert (located.models, located.problems) == (["churn-eu"], {})
    assert located.times_ms.tolist() == [iso_ms("2026-03-02T08:15:30.250Z")]
    assert read.unusable == {}
    [row] = read.x
    tenure, plan, active, p_churn = row.tolist()
    assert (tenure, p_churn) == (3.0, 0.2)
    assert [read.texts[1][int(plan)], read.texts[2][int(active)]] == ["family", "true"]
