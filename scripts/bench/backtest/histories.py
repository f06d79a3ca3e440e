"""The benchmark's histories: 32 features and 10 softmax outputs an event, several models."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.loading import decode_config

N_FEATURES, N_OUTPUTS, N_MODELS = 32, 10, 8
N_REFERENCE, WINDOW, SLIDE = 1_000, 1_000, 200
START_MS = 1_767_225_600_000
_ROW_GROUP = 131_072
# A second of event time, in which each model has as many events as a window.
EVENTS_PER_PANE, _PANE_MS = 1_000, 1_000

_JOB = f"""
version = 1
kafka = {{bootstrap_servers = "127.0.0.1:9092"}}
input = {{n_features = {N_FEATURES}, n_outputs = {N_OUTPUTS}}}
panes = {{width_ms = {_PANE_MS}}}
window = {{kind = "count", size = {WINDOW}, slide = {SLIDE}}}
reference = {{kind = "first_events", n_events = {N_REFERENCE}}}
"""
_COLUMNS = 'columns = {features = "f*", outputs = "p*"}\n'
PLANS = ("single", "family", "team", "none")
_NUMBERS_WATCHED = 8
_NAMED_JOB = f"""
version = 1
kafka = {{bootstrap_servers = "127.0.0.1:9092"}}
panes = {{width_ms = {_PANE_MS}}}
window = {{kind = "count", size = {WINDOW}, slide = {SLIDE}}}
reference = {{kind = "first_events", n_events = {N_REFERENCE}}}
[columns.features]
{"".join(f'f{n} = "number"{chr(10)}' for n in range(N_FEATURES))}
plan = "category"
active = "boolean"
[columns.outputs]
{"".join(f'p{n} = "probability"{chr(10)}' for n in range(N_OUTPUTS))}
[[views]]
name = "main"
columns = {[*(f"p{n}" for n in range(_NUMBERS_WATCHED)), "plan", "active"]}
"""


def config(*, has_columns: bool) -> DriftJobConfig:
    """BBSDs and KS on windows of 1,000 events sliding by 200."""
    return decode_config((_JOB + _COLUMNS * has_columns).encode())


def named_config() -> DriftJobConfig:
    """The mixed test on as many named columns: 8 numbers, a category and a boolean."""
    return decode_config(_NAMED_JOB.encode())


def write_parquet(path: Path, n_events: int, *, seed: int = 0, is_named: bool = False) -> Path:
    """Events of all models in turn; memory stays that of a row group.

    Those of a named history have a category and a boolean more.
    """
    rng = np.random.default_rng(seed)
    # As logs of floats are kept best: they neither repeat nor compress.
    schema = _named_schema() if is_named else _schema()
    texts = ["model", "plan"] if is_named else ["model"]
    with pq.ParquetWriter(path, schema, use_dictionary=texts, compression="none") as writer:
        for first in range(0, n_events, _ROW_GROUP):
            batch = _batch(rng, first, min(_ROW_GROUP, n_events - first))
            writer.write_batch(_with_names(rng, batch) if is_named else batch)
    return path


def write_json_lines(path: Path, n_events: int, *, seed: int = 0) -> Path:
    """The same events as JSON lines."""
    rng, encoder = np.random.default_rng(seed), msgspec.json.Encoder()
    with path.open("wb") as lines:
        for first in range(0, n_events, _ROW_GROUP):
            batch = _batch(rng, first, min(_ROW_GROUP, n_events - first))
            names, times, ids = (batch.column(place).to_pylist() for place in range(3))
            x = np.column_stack([batch.column(3 + n) for n in range(N_FEATURES + N_OUTPUTS)])
            for row, values in enumerate(x.tolist()):
                lines.write(
                    encoder.encode(
                        {
                            "schema_version": 1,
                            "model": names[row],
                            "time_ms": times[row],
                            "event_id": ids[row],
                            "features": values[:N_FEATURES],
                            "outputs": values[N_FEATURES:],
                        }
                    )
                )
                lines.write(b"\n")
    return path


def _schema() -> pa.Schema:
    floats = [f"f{n}" for n in range(N_FEATURES)] + [f"p{n}" for n in range(N_OUTPUTS)]
    return pa.schema(
        [("model", pa.string()), ("time_ms", pa.int64()), ("event_id", pa.string())]
        + [(name, pa.float64()) for name in floats]
    )


def _named_schema() -> pa.Schema:
    return pa.schema([*_schema(), ("plan", pa.string()), ("active", pa.bool_())])


def _with_names(rng: np.random.Generator, batch: pa.RecordBatch) -> pa.RecordBatch:
    plans = pa.array(PLANS).take(pa.array(rng.integers(0, len(PLANS), batch.num_rows)))
    active = pa.array(rng.random(batch.num_rows) < 0.7)
    return pa.record_batch([*batch.columns, plans, active], schema=_named_schema())


def _batch(rng: np.random.Generator, first: int, n_rows: int) -> pa.RecordBatch:
    places = np.arange(first, first + n_rows)
    logits = rng.normal(size=(n_rows, N_OUTPUTS))
    outputs = np.exp(logits)
    outputs /= outputs.sum(axis=1, keepdims=True)
    features = rng.normal(size=(n_rows, N_FEATURES))
    per_ms = N_MODELS * EVENTS_PER_PANE / _PANE_MS
    columns = [
        pa.array([f"model-{n}" for n in range(N_MODELS)]).take(pa.array(places % N_MODELS)),
        pa.array(START_MS + (places / per_ms).astype(np.int64)),
        pa.array([f"event-{n}" for n in places.tolist()]),
        *(pa.array(np.ascontiguousarray(features[:, n])) for n in range(N_FEATURES)),
        *(pa.array(np.ascontiguousarray(outputs[:, n])) for n in range(N_OUTPUTS)),
    ]
    return pa.record_batch(columns, schema=_schema())
