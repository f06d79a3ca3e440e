"""A backtest of real images of digits over four hours, as a report needs it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from detectors.shifts import image_shift, knock_out
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.loading import decode_config
from flink_jobs.demo.classifier import IMAGE_SHAPE, served_digits, softmax_outputs
from flink_jobs.histories.known_drifts.truth import DriftInterval
from flink_jobs.replay.engine import run_backtest
from flink_jobs.replay.result import BacktestResult

START_MS = 1_767_225_600_000
MINUTE_MS = 60_000
EVENTS_PER_MINUTE = 60
N_EVENTS = 240 * EVENTS_PER_MINUTE
HOSTILE = "<script>window.hacked = true</script>"

SCANNER, COURIER, STABLE, NIGHT = "scanner", "courier", "stable", "night-shift"

_CONFIG = """
version = 1

[job]
name = "digits"

[kafka]
bootstrap_servers = "127.0.0.1:9092"

[input]
n_features = 64
n_outputs = 10
max_out_of_orderness_ms = 5000

[panes]
width_ms = 60000

[window]
kind = "time"
size_ms = 600000
slide_ms = 120000
min_events = 100

[reference]
kind = "first_events"
n_events = 1200

[detector]
reducer = {kind = "softmax_outputs"}
test = {kind = "ks"}

[calibration]
kind = "level_per_window"
level = 0.0001

[policy]
windows_to_start = 1
windows_to_recover = 2
ongoing_every_ms = 600_000
flapping_after = 0
exemplars = 8
top_columns = 6

[silence]
after_ms = 900000

[evidence]
columns = ["features"]

[columns]
label = "digit"
"""


class Sample(NamedTuple):
    """The result, the Parquet file it comes from, and what is true."""

    result: BacktestResult
    history: Path
    truth: list[DriftInterval]


def digits_config() -> DriftJobConfig:
    """BBSDs with KS on windows of ten minutes."""
    return decode_config(_CONFIG.encode())


def run_digits(folder: Path, *, rename: dict[str, str] | None = None) -> Sample:
    """Replay four models of images of 8 x 8 pixels, with rows that cannot be used.

    The scanner's images are shifted twice; the courier gets mostly threes, and later fewer eights,
    which is hard to find; nothing changes in the stable one; the night shift is slow,
    begins with an unstable reference and falls silent.

    Parameters
    ----------
    folder : Path
        Receives ``result`` and ``history.parquet``.
    rename : dict of str to str, optional
        Other names for models.
    """
    names = {name: name for name in (SCANNER, COURIER, STABLE, NIGHT)} | (rename or {})
    rng = np.random.default_rng(7)
    tables = [
        _table(names[SCANNER], _scanner(rng)),
        _table(names[COURIER], _courier(rng)),
        _table(names[STABLE], _stable(rng)),
        _table(names[NIGHT], _night_shift(rng)),
    ]
    history = folder / "history.parquet"
    whole = pa.concat_tables(tables).sort_by("time_ms")
    pq.write_table(_with_bad_rows(whole), history)
    result = run_backtest(digits_config(), history, folder=folder / "result", processes=1)
    return Sample(result, history, _truth(names))


def _truth(names: dict[str, str]) -> list[DriftInterval]:
    intervals = [
        (SCANNER, 80, 125, "scanner tilted"),
        (SCANNER, 190, 210, "scanner tilted again"),
        (COURIER, 100, 150, "mostly threes"),
        (COURIER, 200, 230, "fewer eights"),
    ]
    return [
        DriftInterval(names[model], _minute(start), _minute(end), name)
        for model, start, end, name in intervals
    ]


def _minute(minute: float) -> int:
    return START_MS + round(minute * MINUTE_MS)


class Stream(NamedTuple):
    """When images came, which they are, and their pixels."""

    times_ms: NDArray[np.int64]
    images: NDArray[np.int64]
    pixels: NDArray[np.float64]


def _times(n: int = N_EVENTS) -> NDArray[np.int64]:
    return START_MS + np.arange(n) * (240 * MINUTE_MS // n)


def _during(times_ms: NDArray[np.int64], start: float, end: float) -> NDArray[np.intp]:
    return np.flatnonzero((times_ms >= _minute(start)) & (times_ms < _minute(end)))


def _drawn(rng: np.random.Generator, n: int = N_EVENTS) -> NDArray[np.int64]:
    return rng.integers(len(served_digits().labels), size=n)


def _stable(rng: np.random.Generator) -> Stream:
    return _stream(_times(), _drawn(rng))


def _scanner(rng: np.random.Generator) -> Stream:
    times_ms, images, pixels = _stream(_times(), _drawn(rng))
    for start, end in ((80, 125), (190, 210)):
        rows = _during(times_ms, start, end)
        pixels[rows] = image_shift(pixels[rows], "medium", image_shape=IMAGE_SHAPE, rng=rng)
    return Stream(times_ms, images, pixels)


def _courier(rng: np.random.Generator) -> Stream:
    times_ms, images, labels = _times(), _drawn(rng), served_digits().labels
    threes, fewer = np.flatnonzero(labels == 3), knock_out(labels, 8, share=0.25, rng=rng)
    rows = _during(times_ms, 100, 150)[::3]
    images[rows] = threes[rng.integers(len(threes), size=len(rows))]
    rows = _during(times_ms, 200, 230)
    images[rows] = fewer[rng.integers(len(fewer), size=len(rows))]
    return _stream(times_ms, images)


def _night_shift(rng: np.random.Generator) -> Stream:
    """Twenty events a minute: few in the third hour, none in half an hour of it."""
    times_ms, images = _times(N_EVENTS // 3), _drawn(rng, N_EVENTS // 3)
    labels = served_digits().labels
    early = np.arange(600)
    few = np.flatnonzero(labels < 5)
    images[early] = few[rng.integers(len(few), size=len(early))]
    is_sparse = (times_ms >= _minute(150)) & (times_ms < _minute(175))
    is_silent = (times_ms >= _minute(175)) & (times_ms < _minute(205))
    kept = ~is_silent & (~is_sparse | (np.arange(len(images)) % 4 == 0))
    return _stream(times_ms[kept], images[kept])


def _stream(times_ms: NDArray[np.int64], images: NDArray[np.int64]) -> Stream:
    return Stream(times_ms, images, served_digits().pixels[images])


def _table(model: str, stream: Stream) -> pa.Table:
    times_ms, images, pixels = stream
    outputs = softmax_outputs(pixels)
    return pa.table(
        {
            "model": [model] * len(times_ms),
            "time_ms": times_ms,
            "event_id": [f"{model[:40]}-{place:05}" for place in range(len(times_ms))],
            "features": list(pixels),
            "outputs": list(outputs),
            "digit": served_digits().labels[images],
        }
    )


def _with_bad_rows(table: pa.Table) -> pa.Table:
    """Some rows come too late, some outputs are not a distribution, and one has no model."""
    rows = table.to_pylist()
    for place in (9_000, 9_050, 21_000, 30_000, 30_001):
        rows[place]["time_ms"] -= 120_000
    for place in (15_000, 26_000):
        rows[place]["outputs"] = [0.5] * 10
    rows[28_000]["event_id"] = ""
    rows[33_000] |= {"model": None, "event_id": HOSTILE}
    return pa.Table.from_pylist(rows, schema=table.schema)
