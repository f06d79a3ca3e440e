"""Right answers of a replay, counted as its events reach their panes."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from operator import eq
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from flink_jobs.config.columns import Column, answer_of, are_named
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.histories.errors import BacktestError
from flink_jobs.intake.event_columns import EventColumns
from flink_jobs.intake.layouts import Layout

COUNTS_SCHEMA = pa.schema(
    [
        ("model", pa.string()),
        ("start_ms", pa.int64()),
        ("n_labelled", pa.int64()),
        ("n_right", pa.int64()),
    ]
)
"""A row for each model and pane with labelled events."""
_TRUTH_VALUES = {"false": 0, "true": 1}
_EVEN = 0.5

Labels = Sequence[str | None]


class Judged(NamedTuple):
    """Labelled events, and how many of them were predicted right."""

    n_labelled: int = 0
    n_right: int = 0

    def and_also(self, other: Judged) -> Judged:
        """Add the counts of other events."""
        return Judged(self.n_labelled + other.n_labelled, self.n_right + other.n_right)


NONE_JUDGED = Judged()


class AccuracyCounts:
    """Counts, by pane, labelled events and those that were predicted right.

    Parameters
    ----------
    config : DriftJobConfig
        Its ``columns.label`` names the labels: names of the outputs, or their numbers, counted from
        0, or, of two outputs or of one probability, truth values; of an output that is a class, its
        text. Of several outputs the first that says a class is held against them.

    Attributes
    ----------
    is_counted : bool
        Whether there are labels and answers.
    needs_labels : bool
        Whether :meth:`judge` needs the labels, which panes do not carry.
    problem : str
        A label that is not one of the outputs: then nothing is counted. Of several the first by
        text, whatever the order of events.
    """

    def __init__(self, config: DriftJobConfig) -> None:
        self.is_counted = bool(config.columns.label) and answer_of(config) is not None
        self.needs_labels = self.is_counted and not are_named(config)
        self.problem = ""
        self._answers: dict[int, tuple[Layout, _Answers | None]] = {}
        self._codes: dict[str, int] = {}
        self._models, self._counts = array("i"), array("q")

    def judge(self, layout: Layout, events: EventColumns, labels: Labels | None) -> Judged:
        """Count labelled events, and those that were predicted right."""
        answers = self._answers_of(layout)
        if answers is None:
            return NONE_JUDGED
        try:
            return answers.judge(events, labels)
        except BacktestError as error:
            self.problem = min(filter(None, (self.problem, str(error))))
            return NONE_JUDGED

    def add(self, model: str, start_ms: int, counts: Judged) -> None:
        """Keep the counts of a pane that is closed."""
        if counts.n_labelled:
            self._models.append(self._codes.setdefault(model, len(self._codes)))
            self._counts.extend((start_ms, *counts))

    def table(self) -> pa.Table:
        """The counts of all panes, of :data:`COUNTS_SCHEMA`."""
        rows = np.array(self._counts, dtype=np.int64).reshape(-1, 3)
        names = pa.array(list(self._codes), pa.string())
        models = names.take(pa.array(np.array(self._models, dtype=np.int32)))
        return pa.Table.from_arrays([models, *map(pa.array, rows.T)], schema=COUNTS_SCHEMA)

    def _answers_of(self, layout: Layout) -> _Answers | None:
        # Layouts live as long as this does, so that their ids are theirs.
        if id(layout) not in self._answers:
            self._answers[id(layout)] = layout, _Answers.of(layout)
        return self._answers[id(layout)][1]


def write_counts(path: Path, tables: Iterable[pa.Table]) -> None:
    """Write the counts of all processes, unless there are none, in one order however many."""
    import pyarrow.parquet as pq

    whole = pa.concat_tables(tables)
    if len(whole):
        pq.write_table(whole.sort_by([("model", "ascending"), ("start_ms", "ascending")]), path)


def read_counts(path: Path) -> pa.Table:
    """Read what :func:`write_counts` wrote.

    Raises
    ------
    BacktestError
        When the file is damaged.
    """
    import pyarrow.parquet as pq

    try:
        return pq.read_table(path, schema=COUNTS_SCHEMA)
    except (pa.ArrowException, OSError) as error:
        raise BacktestError(f"{path} is damaged: {error}") from error


class _Answers:
    """The answers of the models of one layout, and the classes that labels stand for."""

    def __init__(self, answer: Column, first: int, label: int | None) -> None:
        self._answer = answer
        self._first = first
        self._label = label
        self._classes: dict[str, int | str] = {}

    @classmethod
    def of(cls, layout: Layout) -> _Answers | None:
        """Find the answer, and the label, among what panes carry."""
        columns = [slot.column for slot in layout.slots]
        answer = answer_of(layout.config)
        if answer not in columns:
            return None
        labels = [place for place, column in enumerate(columns) if column.role == "label"]
        return cls(answer, columns.index(answer), labels[0] if labels else None)

    def judge(self, events: EventColumns, labels: Labels | None) -> Judged:
        """Count; raises BacktestError for a label that is not one of the outputs."""
        if self._label is not None:
            labels = _texts(events, self._label)
        if labels is None:
            # A file whose true classes have not come yet has no column of them.
            return NONE_JUDGED
        known = [place for place, label in enumerate(labels) if label is not None]
        wanted = [self._class_of(label) for label in labels if label is not None]
        return Judged(len(known), sum(map(eq, self._predicted(events, known), wanted)))

    def _predicted(self, events: EventColumns, rows: Sequence[int]) -> Sequence[int | str | None]:
        """Return the class of each answer: the place of an output, or a text; -1 if missing."""
        if self._answer.kind == "class":
            texts = _texts(events, self._first)
            return [texts[row] for row in rows]
        x = events.x[rows, self._first : self._first + self._answer.size]
        places = x[:, 0] >= _EVEN if self._answer.kind == "probability" else x.argmax(axis=1)
        return np.where(np.isnan(x[:, 0]), -1, places).tolist()  # type: ignore[no-any-return]

    def _class_of(self, label: str) -> int | str:
        """Return the class that a label stands for."""
        if label not in self._classes:
            self._classes[label] = _class_of(self._answer, label)
        return self._classes[label]


def _texts(events: EventColumns, place: int) -> list[str | None]:
    texts = events.texts.get(place, ())
    return [None if code != code else texts[int(code)] for code in events.x[:, place].tolist()]


def _class_of(answer: Column, label: str) -> int | str:
    if answer.kind == "class":
        return label
    if label in answer.class_names:
        return answer.class_names.index(label)
    n_outputs = 2 if answer.kind == "probability" else answer.size
    if n_outputs == 2 and label in _TRUTH_VALUES:
        return _TRUTH_VALUES[label]
    if label.isdecimal() and int(label) < n_outputs:
        return int(label)
    raise BacktestError(
        f"the label {label!r} is not one of the {n_outputs} outputs: accuracy takes labels from 0 "
        f"to {n_outputs - 1}"
    )
