"""The page about the configuration names every key with its default."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple, get_args

import msgspec
import pytest

from flink_jobs.config.job import (
    DriftJobConfig,
    InputTable,
    JobTable,
    KafkaTable,
    OverrideTable,
    PaneTable,
    SampleTable,
    SchemaTable,
    SilenceTable,
)
from flink_jobs.config.tables.base import Table
from flink_jobs.config.tables.columns import ColumnsTable, FeatureTable, OutputTable
from flink_jobs.config.tables.detectors import DetectorTable, ReducerConfig, TestConfig
from flink_jobs.config.tables.evidence import EvidenceTable
from flink_jobs.config.tables.many_models import FalseDiscoveriesTable, StormTable
from flink_jobs.config.tables.policy import PolicyTable
from flink_jobs.config.tables.references import ReferenceTable
from flink_jobs.config.tables.sequential import SequentialTable
from flink_jobs.config.tables.watching import CalibrationTable, MoreDetectorTable, ViewTable
from flink_jobs.config.tables.windows import WindowTable

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "configuration.md").read_text()

# By the first cell of the header of the table on the page.
TABLES: dict[str, type[Table]] = {
    "the file": DriftJobConfig,
    "`job`": JobTable,
    "`kafka`": KafkaTable,
    "`input`": InputTable,
    "`input.schemas`": SchemaTable,
    "`panes`": PaneTable,
    "`silence`": SilenceTable,
    "`storm`": StormTable,
    "`false_discoveries`": FalseDiscoveriesTable,
    "`detector`": DetectorTable,
    "`detectors`": MoreDetectorTable,
    "`overrides`": OverrideTable,
    "`policy`": PolicyTable,
    "`sample`": SampleTable,
    "`evidence`": EvidenceTable,
    "`columns`": ColumnsTable,
    "`columns.features`": FeatureTable,
    "`columns.outputs`": OutputTable,
    "`views`": ViewTable,
}
TABLES |= {f"`window`, kind `{t.__struct_config__.tag}`": t for t in get_args(WindowTable)}
TABLES |= {f"`reference`, kind `{t.__struct_config__.tag}`": t for t in get_args(ReferenceTable)}
TABLES |= {
    f"`calibration`, kind `{t.__struct_config__.tag}`": t for t in get_args(CalibrationTable)
}
# Their tables have a row for each key of each kind, or one without a key.
KINDS = {
    "`reducer` of kind": get_args(ReducerConfig),
    "`test` of kind": get_args(TestConfig),
    "`sequential` of kind": get_args(SequentialTable),
}

# What a default means where it is another table or nothing of its own.
WORDS = {
    "all defaults",
    "as in `detector`",
    "as in `input`",
    "as in the file",
    "as `class_names`",
    "by the columns",
    "none",
}


class Row(NamedTuple):
    """A key on the page: the first cell of its table's header, and its cells."""

    header: str
    cells: list[str]


def rows() -> list[Row]:
    """The rows of all tables of the page."""
    found: list[Row] = []
    header = ""
    for before, line in zip(["", *PAGE.splitlines()], PAGE.splitlines(), strict=False):
        if not line.startswith("|"):
            continue
        cells = [cell.strip() for cell in line[1:-1].split("|")]
        if not before.startswith("|"):
            header = cells[0]
        elif not line.startswith("| ---"):
            found.append(Row(header, cells))
    return found


def keys_on_the_page() -> dict[str, dict[str, str]]:
    """The default of each key, by the header of its table and of each kind."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for header, cells in rows():
        if header in TABLES:
            found[header][cells[0].strip("`")] = cells[2].strip("`")
        elif header in KINDS:
            of_kind = found[f"{header} {cells[0]}"]
            if cells[1]:
                of_kind[cells[1].strip("`")] = cells[3].strip("`")
    return found


def structs() -> dict[str, type[Table]]:
    """Every table that a file may hold, by where the page describes it."""
    kinds = {
        f"{header} `{kind.__struct_config__.tag}`": kind
        for header, union in KINDS.items()
        for kind in union
    }
    return TABLES | kinds


def tables_of(config: type[Table]) -> set[type[Table]]:
    """A table's type and those of all tables below it."""
    below = {
        found
        for field in msgspec.structs.fields(config)
        for each in types_in(field.type)
        for found in tables_of(each)
    }
    return {config} | below


def types_in(annotation: Any) -> list[type[Table]]:
    if isinstance(annotation, type) and issubclass(annotation, Table):
        return [annotation]
    return [found for each in get_args(annotation) for found in types_in(each)]


def test_every_table_that_a_file_may_hold_has_its_place_on_the_page() -> None:
    assert set(structs().values()) == tables_of(DriftJobConfig)


@pytest.mark.parametrize("header", structs())
def test_every_key_is_named_with_its_default(header: str) -> None:
    fields = {field.encode_name: field for field in msgspec.structs.fields(structs()[header])}

    said = keys_on_the_page()[header]

    assert said.keys() == fields.keys()
    for key, text in said.items():
        assert is_default(text, fields[key]), (key, text)


def is_default(text: str, field: Any) -> bool:
    """Whether the page's word for a default is what the field has."""
    if text == "required":
        return bool(field.required)
    if field.required:
        return False
    default = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
    if text.replace("`", "") in {word.replace("`", "") for word in WORDS}:
        return default is None or isinstance(default, Table) or default == {}
    if isinstance(default, tuple):
        default = list(default)
    return bool(msgspec.toml.decode(f"x = {text}")["x"] == msgspec.to_builtins(default))
