"""The tables that decide over many models: what is refused, and what depends on them."""

from __future__ import annotations

import pytest

from flink_jobs.config.digests import config_version
from flink_jobs.config.loading import decode_config
from flink_jobs.config.overrides import changed
from flink_jobs.config.tables.base import ConfigError
from tests.builders import BASE, make_config


@pytest.mark.parametrize(
    ("table", "key", "wrong"),
    [
        ("[storm]\nwithin_ms = 999\n", "storm.within_ms", "999 is less than a pane"),
        ("[storm]\nwithin_ms = 86_400_001\n", "storm.within_ms", "86400001"),
        ("[storm]\nmodels = 1\n", "storm.models", "1"),
        ("[false_discoveries]\nper_ms = 999\n", "false_discoveries.per_ms", "less than a pane"),
        ("[false_discoveries]\nlevel = 1.0\n", "false_discoveries.level", "1.0"),
        ("[storm]\nshare = 0.5\n", "storm.share", "unknown"),
    ],
)
def test_a_storm_that_cannot_be_is_refused_with_its_key(table: str, key: str, wrong: str) -> None:
    with pytest.raises(ConfigError) as refused:
        decode_config((BASE + table).encode())

    (problem,) = refused.value.problems
    assert problem.key == key
    assert wrong in problem.wrong


def test_storms_need_alerts_that_name_columns() -> None:
    text = BASE.replace("[policy]\n", "[policy]\ntop_columns = 0\n")
    decode_config(text.encode())

    with pytest.raises(ConfigError, match=r"policy\.top_columns: alerts name no column"):
        decode_config((text + "[storm]\n").encode())


def test_a_detector_that_could_never_make_a_discovery_is_refused() -> None:
    table = "[false_discoveries]\n"
    permuted = BASE.replace('{kind = "ks"}', '{kind = "energy", n_permutations = 999}')
    decode_config(permuted.encode())

    with pytest.raises(ConfigError, match=r"'main' can make no discovery: its lowest p-value"):
        decode_config((permuted + table).encode())
    decode_config(permuted.encode() + b"[false_discoveries]\nper_ms = 1000\n")


def test_storms_cannot_differ_between_models() -> None:
    with pytest.raises(ConfigError, match="cannot differ between models"):
        changed(make_config(storm={}), {"storm": {"models": 5}})


def test_ids_change_with_the_table_and_are_as_ever_without_it() -> None:
    long = {"per_ms": 1_000}
    tables = [{}, {"storm": {}}, {"storm": {"models": 5}}, {"false_discoveries": long}]

    versions = {config_version(make_config(**each)) for each in tables}  # type: ignore[arg-type]

    assert len(versions) == len(tables)
