"""The tables of features and outputs, as a configuration writes them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from flink_jobs.config.paths import Path, path_text
from flink_jobs.setup.facts import Facts
from flink_jobs.setup.formats import Recognised
from flink_jobs.setup.outputs import Output
from flink_jobs.setup.roles import Feature, Roles
from flink_jobs.setup.values import classes_text, values_text

_UNREADABLE = re.compile(r'["\\\x00-\x1f]')
_LONGEST = 200
_ROLES = ("features", "outputs")
_TREES = ("json", "avro", "protobuf")


@dataclass(frozen=True)
class ColumnLine:
    """A line of ``[columns.features]`` or ``[columns.outputs]``.

    Attributes
    ----------
    name : str
    value : str or dict
    comment, unsure : str
    is_vector, is_category : bool
    n_slots : int
    """

    name: str
    value: Any
    comment: str
    unsure: str = ""
    is_vector: bool = False
    is_category: bool = False
    n_slots: int = 1


@dataclass(frozen=True)
class ColumnTables:
    """All that a configuration says of features and outputs.

    Attributes
    ----------
    features_at, outputs_at : str
        The object in which they lie; empty for the event.
    features, outputs : list of ColumnLine
    n_features, n_outputs : int
        Of vectors without names, in the place of lines.
    left_out : list of (Facts, str)
        What cannot be written.
    """

    features_at: str = ""
    outputs_at: str = ""
    features: list[ColumnLine] = field(default_factory=list)
    outputs: list[ColumnLine] = field(default_factory=list)
    n_features: int = 0
    n_outputs: int = 0
    left_out: list[tuple[Facts, str]] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """True if there is nothing to watch."""
        return not (self.features or self.outputs or self.n_features or self.n_outputs)

    @property
    def n_slots(self) -> int:
        """The numbers of an event."""
        named = sum(line.n_slots for line in (*self.features, *self.outputs))
        return named + self.n_features + self.n_outputs


def column_tables(recognised: Recognised, roles: Roles, is_table: bool) -> ColumnTables:
    """Give each feature and output a name, a type and a place."""
    features, outputs = roles.features, _split(roles.outputs, is_table)
    if (vectors := _unnamed(recognised, features, outputs)) is not None:
        return vectors
    namer = _Namer(recognised, is_table)
    features_at = namer.common([each.facts.path for each in features])
    outputs_at = namer.common([each.parts[0].path for each in outputs])
    left_out: list[tuple[Facts, str]] = []
    feature_lines, output_lines = [], []
    for feature in features:
        if why := namer.refuse(feature.facts.path):
            left_out.append((feature.facts, why))
        else:
            feature_lines.append(_feature_line(feature, namer, features_at))
    for output in outputs:
        if why := namer.refuse(output.parts[0].path):
            left_out.append((output.parts[0], why))
        else:
            output_lines.append(_output_line(output, namer, outputs_at))
    return ColumnTables(
        path_text(features_at),
        path_text(outputs_at),
        feature_lines,
        output_lines,
        left_out=left_out,
    )


def _unnamed(
    recognised: Recognised, features: Sequence[Feature], outputs: Sequence[Output]
) -> ColumnTables | None:
    """Take vectors without names for what they are: own events, rows of lists."""
    given = [each.facts for each in features] + [each.parts[0] for each in outputs]
    if not given:
        return None
    if any(each.path not in (("features",), ("outputs",)) or not each.role for each in given):
        return None
    if any(each.size < 2 for each in given):
        return None
    if any(output.kind != "class_probabilities" for output in outputs):
        return None
    sizes = {each.role: each.size for each in given}
    return ColumnTables(n_features=sizes.get("feature", 0), n_outputs=sizes.get("output", 0))


def _split(outputs: Sequence[Output], is_table: bool) -> list[Output]:
    """Probabilities in fields of their own are one column in tables, and several elsewhere."""
    if is_table:
        return list(outputs)
    split: list[Output] = []
    for output in outputs:
        if len(output.parts) == 1:
            split.append(output)
            continue
        why = f"one of {output.reason}"
        split += [Output(p.name, (p,), "probability", reason=why) for p in output.parts]
    return split


class _Namer:
    """Gives columns names of their own, and paths where names do not say where they lie."""

    def __init__(self, recognised: Recognised, is_table: bool) -> None:
        self._has_paths = is_table or recognised.format in _TREES
        self._is_own = recognised.format == "loudly" and not is_table
        self._taken: set[str] = set()

    def common(self, paths: Sequence[Path]) -> Path:
        """The object in which most of the paths end."""
        if not self._has_paths or not paths:
            return ()
        ((at, _),) = Counter(path[:-1] for path in paths).most_common(1)
        return at

    def refuse(self, path: Path) -> str:
        """Say why a name cannot be written; empty where it can."""
        if any(isinstance(step, str) and _UNREADABLE.search(step) for step in path):
            return "its name holds quotation marks, backslashes or control characters"
        if any(isinstance(step, str) and not step.strip() for step in path):
            return "its name is empty"
        if len(path_text(path)) > _LONGEST:
            return f"its name is longer than {_LONGEST} characters"
        return ""

    def name(self, path: Path, at: Path) -> tuple[str, str | None]:
        """Return the name of a column, and its path where the name does not say it."""
        if self._is_own:
            return str(path[-1]), None
        is_there = path[:-1] == at
        # A path may need quotation marks, which a name cannot have.
        whole = ".".join(map(str, path))
        name = str(path[-1]) if is_there else whole
        while name in self._taken or name in _ROLES:
            name, is_there = f"{whole}_", False
            whole = name
        self._taken.add(name)
        return name, None if is_there else path_text(path)


def _feature_line(feature: Feature, namer: _Namer, at: Path) -> ColumnLine:
    facts = feature.facts
    path = (*facts.path, 0) if facts.kind == "vector" and facts.size == 1 else facts.path
    name, text = namer.name(path, at)
    if len(path) > len(facts.path):
        name = str(facts.path[-1])
    more: dict[str, Any] = {}
    if feature.type == "vector":
        more["size"] = facts.size
    if text is not None:
        more["path"] = text
    if feature.unit:
        more["unit"] = feature.unit
    value: Any = {"type": feature.type, **more} if more else feature.type
    is_vector = feature.type == "vector"
    return ColumnLine(
        name,
        value,
        values_text(facts),
        feature.unsure,
        is_vector,
        feature.type in ("category", "boolean"),
        facts.size if is_vector else 1,
    )


def _output_line(output: Output, namer: _Namer, at: Path) -> ColumnLine:
    first = output.parts[0]
    is_one = len(output.parts) == 1
    more: dict[str, Any] = {}
    if is_one:
        path = (*first.path, 0) if first.kind == "vector" and output.size == 1 else first.path
        name, text = namer.name(path, at)
        if len(path) > len(first.path):
            name = str(first.path[-1])
        if first.kind == "vector" and output.size != 1:
            more["size"] = output.size
        if text is not None:
            more["path"] = text
    else:
        name = output.name
        more["class_names"] = [part.name for part in output.parts]
    if any(part.n_missing for part in output.parts):
        more["may_be_missing"] = True
    if output.unit:
        more["unit"] = output.unit
    value: Any = {"kind": output.kind, **more} if more else output.kind
    seen = ""
    if is_one:
        seen = classes_text(first) if output.kind == "class" else values_text(first)
    comment = "; ".join(filter(None, [output.reason, seen]))
    n_slots = (output.size or len(output.parts)) if more.get("size") or not is_one else 1
    unsure = "" if output.is_sure else output.reason
    return ColumnLine(name, value, seen if unsure else comment, unsure, n_slots > 1, False, n_slots)
