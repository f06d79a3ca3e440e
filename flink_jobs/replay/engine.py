"""Runs backtests: models spread over processes, results merged into one folder."""

from __future__ import annotations

import heapq
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.loading import load_config
from flink_jobs.config.tables.base import ConfigError
from flink_jobs.core.artefacts import read_artefacts
from flink_jobs.core.many_models.stage import decides_over_models
from flink_jobs.histories.batches import Source
from flink_jobs.histories.errors import BacktestError, SourceError
from flink_jobs.histories.exchange import bytes_on_disk
from flink_jobs.histories.in_memory import at_hand, is_table
from flink_jobs.histories.known_drifts.shift_table import Shift, check_shifts, read_shifts
from flink_jobs.histories.shards import require_room
from flink_jobs.histories.sources import open_source
from flink_jobs.records.dead_letters import DeadLetter
from flink_jobs.replay.accuracy import write_counts
from flink_jobs.replay.many_models import Decided, decide_over_models
from flink_jobs.replay.processes import run_parts
from flink_jobs.replay.result import (
    ACCURACY_FILE,
    ALERTS_FILE,
    DEAD_LETTERS_FILE,
    EVIDENCE_FILE,
    MOST_DEAD_LETTERS,
    SCORES_FILE,
    BacktestResult,
    BacktestSummary,
    PlacedDeadLetter,
    write_config,
    write_statuses,
    write_summary,
)
from flink_jobs.replay.result_folder import PARTS, fresh_folder
from flink_jobs.replay.result_warnings import (
    accuracy_warning,
    duplicate_warning,
    event_warnings,
    reference_warning,
    shift_warning,
    storm_warnings,
    unseen_warning,
)
from flink_jobs.replay.sorted_records import merge
from flink_jobs.replay.worker import Order, PartResult
from flink_jobs.times import NEVER_MS

_MOST_NOTICES = 100


class Progress(NamedTuple):
    """How far a backtest has come: rows read, and how much of ``total``."""

    n_events: int
    done: int
    total: int


def run_backtest(
    config: DriftJobConfig | str | Path,
    source: str | Path | Any,
    *,
    folder: str | Path | None = None,
    processes: int | None = None,
    progress: Callable[[Progress], None] | None = None,
    shifts: Sequence[Shift] | str | Path = (),
) -> BacktestResult:
    """Replay a history through the drift monitor.

    Parameters
    ----------
    config : DriftJobConfig, str or Path
        The job's configuration, or its file; the table ``columns`` says where the history keeps
        what.
    source : str, Path, pyarrow.Table or pandas.DataFrame
        A file or folder of JSON lines, CSV or Parquet, ``kafka://host:port/topic?from=...&to=...``,
        or a table: :func:`~flink_jobs.histories.in_memory.write_table` says which.
    folder : str or Path, optional
        Where the result goes; a new folder under the system's one for temporary files if left out.
        A result that lies there is replaced.
    processes : int, optional
        Between how many the models are divided; as many as there are cores if left out. With 1 all
        happens in this process. The result is the same.
    progress : callable, optional
        Told now and then how far the backtest has come.
    shifts : sequence of Shift, str or Path, optional
        Simulated shifts of the recorded events, see
        :mod:`flink_jobs.histories.known_drifts.simulator`, or a file of them.

    Returns
    -------
    BacktestResult
        ``folder`` holds it; nothing but the folder is kept in memory.

    Raises
    ------
    SourceError
        When the history cannot be read or holds no event.
    ConfigError
        When a shift, or a file that the configuration names, cannot be used.
    BacktestError
        When the folder cannot be written or a process dies.

    Examples
    --------
    >>> import numpy as np, pyarrow as pa
    >>> from flink_jobs.config.loading import decode_config
    >>> config = decode_config(b'''
    ... version = 1
    ... kafka = {bootstrap_servers = "127.0.0.1:9092"}
    ... input = {n_features = 1}
    ... panes = {width_ms = 1000}
    ... window = {kind = "count", size = 100, slide = 50}
    ... reference = {kind = "first_events", n_events = 200}
    ... detector = {reducer = {kind = "none"}}
    ... columns = {model_name = "fraud", time = "t", event_id = "", features = ["x"]}
    ... ''')
    >>> x = np.random.default_rng(0).normal(size=1000) + np.repeat([0, 2], [700, 300])
    >>> table = pa.table({"t": np.arange(1000) * 100, "x": x})
    >>> result = run_backtest(config, table, processes=1)
    >>> [alert.kind.value for alert in result.alerts()][0], result.summary.n_used
    ('started', 1000)
    """
    begin_s = time.monotonic()
    if not isinstance(config, DriftJobConfig):
        config = load_config(Path(config))
    if isinstance(shifts, str | Path):
        shifts = read_shifts(Path(shifts))
    if problems := check_shifts(shifts):
        raise ConfigError(problems)
    if is_table(source):
        with at_hand(source, [config]) as files:
            return run_backtest(
                config, files, folder=folder, processes=processes, progress=progress, shifts=shifts
            )
    opened = open_source(str(source) if isinstance(source, Path) else source, config)
    artefacts = read_artefacts(config)
    horizon_ms = int(time.time() * 1000) + config.input.max_future_ms
    n_parts = processes or len(os.sched_getaffinity(0))
    folder = None if folder is None else Path(folder)
    require_room(folder, bytes_on_disk(opened, n_parts))
    with fresh_folder(folder) as target:
        with tempfile.TemporaryDirectory(prefix=PARTS, dir=target) as scratch:
            order = Order(config, opened, Path(scratch), artefacts, horizon_ms, tuple(shifts))
            parts = run_parts(order, n_parts, _teller(progress, opened.total, n_parts))
            _refuse_disagreement(opened, parts)
            # First of all: by it a folder is known as one of results, should this be killed.
            write_config(target, config)
            alerts = [s for part in parts for s in part.alerts]
            scores = [s for part in parts for s in part.scores]
            decided = None
            if decides_over_models(config):
                decided = decide_over_models(config, alerts, scores, Path(scratch))
            merge(alerts if decided is None else decided.segments, target / ALERTS_FILE)
            merge(scores, target / SCORES_FILE)
            merge([s for part in parts for s in part.evidence], target / EVIDENCE_FILE)
        if not any(part.no_accuracy for part in parts):
            write_counts(target / ACCURACY_FILE, [part.accuracy for part in parts])
        write_dead_letters(target, opened, _first_letters(parts))
        write_statuses(target, [status for part in parts for status in part.statuses])
        summary = _summary(config, opened, parts, shifts, time.monotonic() - begin_s)
        if decided is not None:
            summary = _as_decided(summary, decided)
        write_summary(target, summary)
    return BacktestResult.open(target)


def write_dead_letters(folder: Path, source: Source, letters: Iterable[DeadLetter]) -> None:
    """Write ``dead_letters.jsonl``, with the place of each in the history."""
    encoder = msgspec.json.Encoder()
    with (folder / DEAD_LETTERS_FILE).open("wb") as lines:
        for letter in letters:
            where = source.place(letter.partition, letter.offset)
            placed = PlacedDeadLetter(**msgspec.structs.asdict(letter), where=where)
            lines.write(encoder.encode(placed) + b"\n")


def _teller(
    progress: Callable[[Progress], None] | None, total: int, n_parts: int
) -> Callable[[int, int, int], None]:
    """All parts read everything: the slowest says how far they are."""
    reached = dict.fromkeys(range(n_parts), (0, 0))

    def tell(part: int, n_rows: int, done: int) -> None:
        reached[part] = (done, n_rows)
        if progress is not None:
            least, n_least = min(reached.values())
            progress(Progress(n_least, least, total))

    return tell


def _refuse_disagreement(source: Source, parts: Sequence[PartResult]) -> None:
    """Each process has read everything, and each row was somebody's, or a heartbeat."""
    n_read = {part.n_read for part in parts}
    n_counted = sum(part.n_events + part.n_heartbeats for part in parts)
    if n_read != {n_counted}:
        raise SourceError(
            f"{source.name} changed while it was read: its {len(parts)} readers found "
            f"{', '.join(f'{n:,}' for n in sorted(n_read))} rows"
        )
    if not sum(part.n_events for part in parts):
        raise SourceError(f"{source.name} holds no event")


def _first_letters(parts: Sequence[PartResult]) -> list[DeadLetter]:
    """The first dead letters of the history, whatever the number of processes."""
    letters = heapq.merge(
        *(part.dead_letters for part in parts), key=lambda d: (d.partition, d.offset, d.row)
    )
    return list(islice(letters, MOST_DEAD_LETTERS))


def _summary(
    config: DriftJobConfig,
    source: Source,
    parts: Sequence[PartResult],
    shifts: Sequence[Shift],
    duration_s: float,
) -> BacktestSummary:
    reasons = sum((Counter(part.n_by_reason) for part in parts), Counter[str]())
    models = dict(sorted((n, m) for part in parts for n, m in part.models.items()))
    n_events = sum(part.n_events + part.n_further_events for part in parts)
    n_used = sum(model.n_used for model in models.values())
    n_duplicates = sum(part.n_duplicates for part in parts)
    has_events = any(part.end_ms > NEVER_MS for part in parts)
    start_ms = min(part.start_ms for part in parts) if has_events else 0
    end_ms = max(part.end_ms for part in parts) if has_events else 0
    if not shifts and n_events != n_used + n_duplicates + reasons.total():
        raise BacktestError(
            f"{n_events:,} events make {n_used:,} used ones, {n_duplicates:,} that came again and "
            f"{reasons.total():,} dead letters: this is an error of Loudly"
        )
    missing = {n: k for part in parts for n, k in part.references_missing.items()}
    unusable = {n: k for part in parts for n, k in part.references_unusable.items()}
    # The same, whatever process found it first.
    no_accuracy = min((part.no_accuracy for part in parts if part.no_accuracy), default="")
    warnings = [
        *source.warnings,
        *event_warnings(
            config,
            source,
            reasons,
            n_events=n_events,
            n_used=n_used,
            start_ms=start_ms if has_events else None,
            latest_ms=max(part.latest_ms for part in parts),
            models=models,
            letters=_first_letters(parts),
        ),
        *unseen_warning(
            set[str]().union(*(part.columns_seen for part in parts)),
            set[str]().union(*(part.columns_unseen for part in parts)),
        ),
        *duplicate_warning(n_duplicates),
        *accuracy_warning(no_accuracy),
        *reference_warning(missing, unusable),
        *shift_warning(shifts, set[int]().union(*(part.effective_shifts for part in parts))),
    ]
    return BacktestSummary(
        source=source.name,
        start_ms=start_ms,
        end_ms=end_ms,
        n_events=n_events,
        n_used=n_used,
        dead_letters=dict(sorted(reasons.items())),
        n_by_model={name: model.n_used for name, model in models.items()},
        duration_s=duration_s,
        n_alerts=sum(part.n_alerts for part in parts),
        n_scores=sum(part.n_scores for part in parts),
        models=models,
        n_duplicates=n_duplicates,
        sources=source.sources,
        warnings=warnings,
        no_accuracy=no_accuracy,
        notices=sorted(notice for part in parts for notice in part.notices)[:_MOST_NOTICES],
    )


def _as_decided(summary: BacktestSummary, decided: Decided) -> BacktestSummary:
    """Count the alerts that lie in the result."""
    return msgspec.structs.replace(
        summary,
        n_alerts=decided.n_alerts,
        n_held_back=decided.n_held_back,
        warnings=[*summary.warnings, *storm_warnings(decided.storms)],
        models={name: decided.summary(name, each) for name, each in summary.models.items()},
    )
