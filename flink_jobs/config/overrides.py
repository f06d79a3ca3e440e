"""Other values for some models: changes to a configuration, by pattern or by command.

A *change* is a tree of tables with only the keys that differ. It is merged like a JSON merge patch
(RFC 7396), except that a table of another ``kind`` takes the place of the whole table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, Generic, TypeVar

import msgspec

from flink_jobs.config.checks import cross_check
from flink_jobs.config.errors import explain
from flink_jobs.config.job import DriftJobConfig, OverrideTable
from flink_jobs.config.tables.base import ConfigError, Problem

Change = Mapping[str, Any]
_Made = TypeVar("_Made")

# The JVM reads the rest of ``input`` before it knows the model, as the rest of ``columns`` is:
# a record's model and time are found before it is known of which model it is.
_COLUMN_KEYS = (
    "features", "outputs", "features_at", "outputs_at", "segments", "label",
)  # fmt: skip
_INPUT_KEYS = ("n_features", "n_outputs", "missing_features")
# Of a model that is not known all patterns are tried: 0.3 µs each.
_RUN_TIMES = frozenset({"windows", "events", "time_ms"})
_KNOWN_MODELS = 65_536
_TABLES = tuple(f.name for f in msgspec.structs.fields(OverrideTable) if f.name != "models")


def matches(pattern: str, model: str) -> bool:
    """Say whether ``*`` in the pattern can stand for text that makes it the model's name.

    Examples
    --------
    >>> matches("fraud-*", "fraud-eu"), matches("fraud-*", "anti-fraud-eu"), matches("a", "a")
    (True, False, True)
    """
    first, *middle = pattern.split("*")
    if not middle:
        return pattern == model
    last = middle.pop()
    if len(model) < len(first) + len(last) or not model.startswith(first):
        return False
    # Leftmost matches suffice. A regular expression would try all: 214 s for six stars and a model
    # name of 120 characters.
    place, end = len(first), len(model) - len(last)
    for part in middle:
        place = model.find(part, place, end)
        if place < 0:
            return False
        place += len(part)
    return model.endswith(last)


def config_of_model(config: DriftJobConfig, model: str) -> DriftJobConfig:
    """The configuration of one model: that of the job with the first matching override."""
    return _variant(config, _place_of(config.overrides, model))


def variants(config: DriftJobConfig) -> list[DriftJobConfig]:
    """Every configuration that a model of this job can start with."""
    return [_variant(config, place) for place in (None, *range(len(config.overrides)))]


class PerOverride(Generic[_Made]):
    """One value for the models of each override and one for the rest, made when first asked for.

    Models are unlimited and overrides are not: what depends on the override alone is kept for good.

    Parameters
    ----------
    config : DriftJobConfig
        Of the job.
    make : callable
        Makes the value from the configuration of the models that share it.
    """

    def __init__(self, config: DriftJobConfig, make: Callable[[DriftJobConfig], _Made]) -> None:
        self._config = config
        self._make = make
        self._made: dict[int | None, _Made] = {}
        self._place = lru_cache(_KNOWN_MODELS)(partial(_place_of, config.overrides))

    def of(self, model: str) -> _Made:
        """Return the value of a model."""
        place = self._place(model)
        if place not in self._made:
            self._made[place] = self._make(_variant(self._config, place))
        return self._made[place]


def changed(config: DriftJobConfig, change: Change) -> DriftJobConfig:
    """The configuration with a change applied, without overrides.

    Raises
    ------
    ConfigError
        When the result is not a configuration that could run.

    Examples
    --------
    >>> from flink_jobs.config.loading import decode_config
    >>> config = decode_config(b'''
    ... version = 1
    ... kafka = {bootstrap_servers = "127.0.0.1:9092"}
    ... input = {n_outputs = 10}
    ... panes = {width_ms = 10_000}
    ... window = {kind = "time", size_ms = 60_000, slide_ms = 10_000}
    ... reference = {kind = "first_events", n_events = 1000}
    ... ''')
    >>> changed(config, {"calibration": {"windows": 500}}).calibration.windows
    500.0
    """
    problems = _check_tables(change)
    if problems:
        raise ConfigError(problems)
    tree = msgspec.to_builtins(msgspec.structs.replace(config, overrides=[]))
    merged = _merged(tree, change)
    try:
        result = msgspec.convert(merged, DriftJobConfig)
    except msgspec.ValidationError as error:
        raise ConfigError([explain(str(error), merged)]) from error
    problems = cross_check(result)
    if problems:
        raise ConfigError(problems)
    return result


def check_overrides(config: DriftJobConfig) -> list[Problem]:
    """List the problems of each override, with the key under which it stands."""
    problems = []
    for place, override in enumerate(config.overrides):
        try:
            changed(config, _change_of(override))
        except ConfigError as error:
            problems += [
                msgspec.structs.replace(each, key=f"overrides[{place}].{each.key}")
                for each in error.problems
            ]
    return problems


def _place_of(overrides: Sequence[OverrideTable], model: str) -> int | None:
    """The place of the first override that matches."""
    places = (n for n, override in enumerate(overrides) if matches(override.models, model))
    return next(places, None)


def _variant(config: DriftJobConfig, place: int | None) -> DriftJobConfig:
    if place is None:
        return msgspec.structs.replace(config, overrides=[])
    return changed(config, _change_of(config.overrides[place]))


def _change_of(override: OverrideTable) -> Change:
    tree: dict[str, Any] = msgspec.to_builtins(override)
    # An empty table changes nothing; an empty list takes the further detectors away.
    return {name: tree[name] for name in _TABLES if tree[name] not in (None, {})}


def _check_tables(change: Change) -> list[Problem]:
    config_keys = DriftJobConfig.__struct_fields__
    problems = [
        Problem(
            name,
            "cannot differ between models" if name in config_keys else "is unknown",
            ", ".join(_TABLES),
        )
        for name in change
        if name not in _TABLES
    ]
    for table, keys in (("input", _INPUT_KEYS), ("columns", _COLUMN_KEYS)):
        given = change.get(table, {})
        problems += [
            Problem(f"{table}.{key}", "cannot differ between models", ", ".join(keys))
            for key in (given if isinstance(given, Mapping) else ())
            if key not in keys
        ]
    return problems


def _merged(tree: Any, change: Any) -> Any:
    if not isinstance(tree, dict) or not isinstance(change, Mapping):
        return change
    if change.get("kind", tree.get("kind")) != tree.get("kind"):
        return dict(change)
    # A run time in another unit takes the place of the one before.
    given = _RUN_TIMES if not _RUN_TIMES.isdisjoint(change) else frozenset()
    merged = {key: value for key, value in tree.items() if key not in given}
    for key, value in change.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merged(tree.get(key), value)
    return merged
