"""Digests of configurations: of all that changes a result, and of what state depends on."""

from __future__ import annotations

import hashlib

import msgspec

from flink_jobs.config.job import DriftJobConfig, InputTable
from flink_jobs.config.tables.detectors import OwnModelConfig, ReducerConfig
from flink_jobs.config.tables.references import FirstEvents, ReferenceTable, TrainingSet
from flink_jobs.config.tables.sequential import sequential_identity
from flink_jobs.config.views import View, views_of

# Heartbeats close windows of a quiet topic; what is in them does not change.
_NOT_JUDGED = ("format", "envelope", "messages", "max_rows", "schemas", "heartbeat_every_ms")


def config_version(config: DriftJobConfig) -> str:
    """Digest of all that can change a result: 16 hex digits, carried by every alert and score.

    Addresses, topics and the way the job runs are left out: the same stream gives the same alerts
    from another broker and at another parallelism. So are the format of events and the places in
    them where columns are found: the same values give the same alerts.
    """
    return _digest(
        config.version,
        _judged(config.input),
        config.panes,
        config.silence,
        config.sample,
        config.job.forget_after_ms,
        [(view.name, _view_parts(view), view.detectors) for view in views_of(config)],
        [view.reference for view in views_of(config)],
        *(each for each in (config.storm, config.false_discoveries) if each is not None),
        *([view.name, view.sequential] for view in views_of(config) if view.sequential),
    )


def view_fingerprint(config: DriftJobConfig, view: View) -> str:
    """Digest of what the state of a view depends on: a mismatch means a new reference."""
    return _digest(
        config.panes.width_ms,
        config.sample,
        _view_parts(view),
        _reference_identity(view.reference),
        [(each.name, each.window, each.test) for each in view.detectors],
        *((each.name, sequential_identity(each.table)) for each in view.sequential),
    )


def trained_key(view: View) -> str:
    """Digest of what the detectors of a view fitted to a training set depend on."""
    tests = [each.test for each in view.detectors]
    sequential = [sequential_identity(each.table) for each in view.sequential]
    return _digest(_view_parts(view), _reference_identity(view.reference), tests, *sequential)


def _judged(table: InputTable) -> dict[str, object]:
    """Return what of the input's table decides which events are used."""
    tree: dict[str, object] = msgspec.to_builtins(table)
    return {name: value for name, value in tree.items() if name not in _NOT_JUDGED}


def _view_parts(view: View) -> tuple[object, ...]:
    columns, carried = (
        [(c.name, c.type, c.role, c.size, c.may_be_missing, c.kind) for c in each]
        for each in (view.columns, view.carried)
    )
    return columns, _reducer_identity(view.reducer), view.seed, *((carried,) if carried else ())


def _reducer_identity(reducer: ReducerConfig) -> object:
    """Return the reducer's table; of a model its digest counts, wherever the file lies."""
    if not isinstance(reducer, OwnModelConfig):
        return reducer
    tree = msgspec.to_builtins(reducer)
    return {name: value for name, value in tree.items() if name != "path"}


def _reference_identity(reference: ReferenceTable) -> object:
    """Return what of the reference's table decides which events it is made of."""
    match reference:
        case TrainingSet():
            return reference.sha256
        case FirstEvents():
            return reference.n_events
        case _:
            names = {"on_config_change", "rebaseline", "overdue_after_ms"}
            tree = msgspec.to_builtins(reference)
            return {name: value for name, value in tree.items() if name not in names}


def _digest(*parts: object) -> str:
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:16]
