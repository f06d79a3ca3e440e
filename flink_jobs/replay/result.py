"""The result of a backtest: a folder, so that memory stays flat however long the history is."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pyarrow as pa
from msgspec import Struct

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.histories.errors import BacktestError
from flink_jobs.records.alerts import Alert, Score
from flink_jobs.records.dead_letters import DeadLetter
from flink_jobs.records.evidence import Evidence
from flink_jobs.records.status import ModelStatus
from flink_jobs.replay import result_tables
from flink_jobs.replay.accuracy import read_counts

RESULT_VERSION = 1
CONFIG_FILE = "config.json"
SUMMARY_FILE = "summary.json"
SCORES_FILE = "scores.jsonl"
ALERTS_FILE = "alerts.jsonl"
DEAD_LETTERS_FILE = "dead_letters.jsonl"
STATUSES_FILE = "statuses.jsonl"
EVIDENCE_FILE = "evidence.jsonl"
ACCURACY_FILE = "accuracy.parquet"
MOST_DEAD_LETTERS = 1_000

_Record = TypeVar("_Record", Alert, Score, Evidence, "PlacedDeadLetter", "_OfAlert", ModelStatus)


class _OfAlert(Struct):
    """The part of evidence that tells whose it is."""

    alert_id: str


class PlacedDeadLetter(DeadLetter, frozen=True, kw_only=True):
    """A dead letter with the place in the history, ``file:row``, rows counted from 1.

    ``partition`` is the file's place in ``BacktestSummary.sources`` and ``offset`` its row counted
    from 0; of a topic they are what they always are, and ``where`` is ``topic[partition]:offset``.
    """

    where: str


class ModelSummary(Struct, frozen=True, kw_only=True):
    """The counts of one model.

    Attributes
    ----------
    n_used, n_dead_letters : int
        Its events.
    n_scores, n_tested, n_drifting : int
        Its windows, and how many of them were tested and drifted.
    untested : dict of str to int
        The number of its other windows by their :class:`~flink_jobs.records.alerts.ScoreStatus`.
    n_alerts, n_started : int
        All alerts, and those that began an incident of drift.
    """

    n_used: int = 0
    n_dead_letters: int = 0
    n_scores: int = 0
    n_tested: int = 0
    n_drifting: int = 0
    untested: dict[str, int] = msgspec.field(default_factory=dict)
    n_alerts: int = 0
    n_started: int = 0


class BacktestSummary(Struct, frozen=True, kw_only=True):
    """Everything that a backtest read and found.

    Attributes
    ----------
    source : str
        What was replayed, as it was named.
    start_ms, end_ms : int
        Event time of the first and the last event; 0 without events.
    n_events, n_used : int
        Rows of the history, and how many of them are neither dead letters nor duplicates.
    dead_letters : dict of str to int
        Their number by :class:`~flink_jobs.records.dead_letters.Reason`.
    n_by_model : dict of str to int
        Used events of each model.
    duration_s : float
        Wall-clock time that the backtest took.
    n_alerts, n_scores : int
        Lines of ``alerts.jsonl`` and ``scores.jsonl``.
    n_held_back : int or None
        Alerts of models that were held back; None where that is not known: nothing was decided
        over many models, or the job did so, of which the topic says only what went on.
    models : dict of str to ModelSummary
    n_duplicates : int
        Events that came again, with the time and the event id of another in their pane, and were
        counted once.
    sources : list of str
        The files, or the topic, in the order of ``partition`` in the records.
    warnings : list of str
        What a reader of the result should know, a sentence each.
    no_accuracy : str
        Why labels were not held against answers; empty where they were, or nobody named labels.
    notices : list of str
        The first of what the monitor had to say to a log, ``model: text``.
    """

    version: int = RESULT_VERSION
    source: str
    start_ms: int = 0
    end_ms: int = 0
    n_events: int = 0
    n_used: int = 0
    dead_letters: dict[str, int] = msgspec.field(default_factory=dict)
    n_by_model: dict[str, int] = msgspec.field(default_factory=dict)
    duration_s: float = 0.0
    n_alerts: int = 0
    n_scores: int = 0
    n_held_back: int | None = None
    models: dict[str, ModelSummary] = msgspec.field(default_factory=dict)
    n_duplicates: int = 0
    sources: list[str] = msgspec.field(default_factory=list)
    warnings: list[str] = msgspec.field(default_factory=list)
    no_accuracy: str = ""
    notices: list[str] = msgspec.field(default_factory=list)

    @property
    def n_tested(self) -> int:
        """The windows that were tested, of all models."""
        return sum(model.n_tested for model in self.models.values())


@dataclass(frozen=True, eq=False, repr=False)
class BacktestResult:
    """Opened by :meth:`open`; what it holds is read when it is asked for.

    Attributes
    ----------
    folder : Path
    config : DriftJobConfig
        What was replayed, without the clients' properties, which may hold secrets.
    summary : BacktestSummary
    """

    folder: Path
    config: DriftJobConfig
    summary: BacktestSummary

    @classmethod
    def open(cls, folder: str | Path) -> BacktestResult:
        """The result that lies in a folder.

        Raises
        ------
        BacktestError
            When there is none, or one of another version.
        """
        folder = Path(folder)
        config = _read(folder / CONFIG_FILE, DriftJobConfig)
        summary = _read(folder / SUMMARY_FILE, BacktestSummary)
        if summary.version != RESULT_VERSION:
            raise BacktestError(
                f"{folder} holds a result of version {summary.version}, expected {RESULT_VERSION}: "
                "run the backtest again"
            )
        return cls(folder, config, summary)

    def alerts(self) -> list[Alert]:
        """All alerts, ordered by model, view, detector and the end of their window."""
        return list(_records(self.folder / ALERTS_FILE, Alert))

    def scores(self) -> Iterator[Score]:
        """All scores, ordered by model, view, detector and the end of their window."""
        return _records(self.folder / SCORES_FILE, Score)

    def dead_letters(self) -> list[PlacedDeadLetter]:
        """The first 1,000 dead letters in the order of the history."""
        return list(_records(self.folder / DEAD_LETTERS_FILE, PlacedDeadLetter))

    def evidence(self, alert_ids: Collection[str]) -> dict[str, Evidence]:
        """The evidence of some alerts, by their ids; of those of which there is any.

        None where somebody took the file away, since it holds events.
        """
        path = self.folder / EVIDENCE_FILE
        if not path.exists():
            return {}
        decode = msgspec.json.Decoder(Evidence).decode
        return {
            each.alert_id: decode(line)
            for each, line in _lines(path, _OfAlert)
            if each.alert_id in alert_ids
        }

    def accuracy(self) -> pa.Table | None:
        """Labelled and right answers, of :data:`~flink_jobs.replay.accuracy.COUNTS_SCHEMA`."""
        path = self.folder / ACCURACY_FILE
        return read_counts(path) if path.exists() else None

    def statuses(self) -> list[ModelStatus]:
        """How each model was when the history was over, ordered by model.

        These are no records of a stream: they have neither an identity nor a number.
        """
        return list(_records(self.folder / STATUSES_FILE, ModelStatus))

    def scores_table(self) -> pa.Table:
        """The scores as a table of :data:`~flink_jobs.replay.result_tables.SCORES_SCHEMA`."""
        return result_tables.scores_table(self.scores())

    def alerts_table(self) -> pa.Table:
        """The alerts as a table of :data:`~flink_jobs.replay.result_tables.ALERTS_SCHEMA`."""
        return result_tables.alerts_table(_records(self.folder / ALERTS_FILE, Alert))

    def scores_frame(self) -> Any:
        """:meth:`scores_table` as a pandas data frame, with times beside milliseconds."""
        return result_tables.to_frame(self.scores_table())

    def alerts_frame(self) -> Any:
        """:meth:`alerts_table` as a pandas data frame, with times beside milliseconds."""
        return result_tables.to_frame(self.alerts_table())

    def _repr_html_(self) -> str:
        from flink_jobs.replay.result_html import summary_html

        return summary_html(self)

    def __repr__(self) -> str:
        summary = self.summary
        alerts = "alert" if summary.n_alerts == 1 else "alerts"
        return (
            f"<BacktestResult in {self.folder}: {summary.n_events:,} events, "
            f"{summary.n_scores:,} windows, {summary.n_tested:,} tested, "
            f"{summary.n_alerts:,} {alerts}>"
        )


def write_config(folder: Path, config: DriftJobConfig) -> None:
    """Write ``config.json``."""
    kafka = msgspec.structs.replace(config.kafka, properties={})
    shown = msgspec.structs.replace(config, kafka=kafka)
    (folder / CONFIG_FILE).write_bytes(_pretty(shown))


def write_statuses(folder: Path, statuses: Iterable[ModelStatus]) -> None:
    """Write ``statuses.jsonl``, the last status of each model."""
    ends = [
        msgspec.structs.replace(
            each, status_id="", number=0,
            # A job may have told it later, at the end of an interval.
            at_ms=each.at_ms if each.is_forgotten else each.settled_ms(),
        )
        for each in sorted(statuses, key=lambda status: status.model)
    ]  # fmt: skip
    (folder / STATUSES_FILE).write_bytes(msgspec.json.Encoder().encode_lines(ends))


def write_summary(folder: Path, summary: BacktestSummary) -> None:
    """Write ``summary.json``: last of all, so that a folder with one is complete."""
    (folder / SUMMARY_FILE).write_bytes(_pretty(summary))


def _pretty(struct: Struct) -> bytes:
    return msgspec.json.format(msgspec.json.encode(struct), indent=2) + b"\n"


_Whole = TypeVar("_Whole", DriftJobConfig, BacktestSummary)


def _read(path: Path, kind: type[_Whole]) -> _Whole:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except OSError as error:
        raise BacktestError(
            f"{path.parent} holds no result of a backtest: {path.name} cannot be read "
            f"({error.strerror})"
        ) from error
    except msgspec.DecodeError as error:
        raise BacktestError(f"{path} is damaged: {error}") from error


def _records(path: Path, kind: type[_Record]) -> Iterator[_Record]:
    return (record for record, _ in _lines(path, kind))


def _lines(path: Path, kind: type[_Record]) -> Iterator[tuple[_Record, bytes]]:
    decode = msgspec.json.Decoder(kind).decode
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    yield decode(line), line
                except msgspec.DecodeError as error:
                    raise BacktestError(f"{path}:{number} is damaged: {error}") from error
    except OSError as error:
        raise BacktestError(f"{path} cannot be read ({error.strerror})") from error
