"""Reads back, of a recorded history, only the events that a report draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.overrides import config_of_model
from flink_jobs.config.views import with_one_view
from flink_jobs.histories.batches import Batch, Names, Source
from flink_jobs.histories.input_files import InputFiles
from flink_jobs.histories.known_drifts.truth import NO_END_MS
from flink_jobs.histories.sources import open_source
from flink_jobs.intake.event_columns import pane_order
from flink_jobs.intake.layouts import Layout
from flink_jobs.intake.texts import joined

MOST_ROWS = 50_000
"""Of each span; a distribution looks no different with more."""


class Span(NamedTuple):
    """The events of a model in ``[start_ms, end_ms)``."""

    model: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, eq=False)
class Rows:
    """The events of a span that can be used, in the order in which panes hold them.

    Attributes
    ----------
    event_ids : list of str
    partitions, offsets, times_ms : ndarray of int64, shape (n,)
    x : ndarray of float64, shape (n, n_columns)
        What the reducer reads.
    features : ndarray of float64, shape (n, n_features) or (n, 0)
        Empty where they were not asked for.
    texts : mapping of int to sequence of str
        For each column of ``x`` that holds categories the texts of its codes.
    """

    event_ids: list[str]
    partitions: NDArray[np.int64]
    offsets: NDArray[np.int64]
    times_ms: NDArray[np.int64]
    x: NDArray[np.float64]
    features: NDArray[np.float64]
    texts: Mapping[int, Sequence[str]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.times_ms)

    def take(self, rows: Any) -> Rows:
        """The chosen rows."""
        places = np.arange(len(self))[rows]
        return Rows(
            [self.event_ids[place] for place in places.tolist()],
            self.partitions[places],
            self.offsets[places],
            self.times_ms[places],
            self.x[places],
            self.features[places],
            self.texts,
        )


def window_rows(
    history: str | InputFiles,
    config: DriftJobConfig,
    spans: Sequence[Span],
    *,
    with_features: bool = False,
) -> list[Rows]:
    """The events of each span, read in one pass over the history.

    Parameters
    ----------
    history : str or InputFiles
        As :func:`~flink_jobs.histories.sources.open_source` takes it.
    config : DriftJobConfig
    spans : sequence of Span
    with_features : bool
        Whether features are needed for pictures of images; takes a second pass then.

    Raises
    ------
    SourceError
        When the history cannot be read.
    """
    found = _one_pass(history, config, spans)
    if not with_features:
        return found
    of_features = _one_pass(history, with_one_view(config, ["features"]), spans)
    return [_with_features(*pair) for pair in zip(found, of_features, strict=True)]


def _one_pass(
    history: str | InputFiles, config: DriftJobConfig, spans: Sequence[Span]
) -> list[Rows]:
    layouts = [Layout(config_of_model(config, span.model)) for span in spans]
    parts: list[list[Rows]] = [[] for _ in spans]
    names, source = Names(), open_source(history, config)
    for batch in source.batches(names, NO_END_MS):
        for place, span in enumerate(spans):
            if sum(map(len, parts[place])) >= MOST_ROWS:
                continue
            inside = (batch.times_ms >= span.start_ms) & (batch.times_ms < span.end_ms)
            chosen = np.flatnonzero(inside & (batch.codes == names.get(span.model, -2)))
            if len(chosen):
                parts[place].append(_read(source, batch, chosen, layouts[place]))
    return [_joined(some, layout) for some, layout in zip(parts, layouts, strict=True)]


def _read(source: Source, batch: Batch, chosen: NDArray[np.intp], layout: Layout) -> Rows:
    def places() -> list[str]:
        pairs = zip(batch.partitions[chosen].tolist(), batch.offsets[chosen].tolist(), strict=True)
        return [source.place(*pair) for pair in pairs]

    read = batch.rows.read(layout, chosen, places)
    rows = chosen[read.message_of]
    return Rows(
        read.event_ids,
        batch.partitions[rows].astype(np.int64),
        batch.offsets[rows],
        batch.times_ms[rows],
        read.x,
        np.empty((len(rows), 0)),
        read.texts,
    )


def _joined(parts: list[Rows], layout: Layout) -> Rows:
    if not parts:
        none = np.empty(0, dtype=np.int64)
        return Rows([], none, none, none, np.empty((0, layout.n_slots)), np.empty((0, 0)))
    # Each batch numbers the texts of its categories anew.
    x, texts = joined([part.x for part in parts], [part.texts for part in parts])
    rows = Rows(
        [event_id for part in parts for event_id in part.event_ids],
        np.concatenate([part.partitions for part in parts]),
        np.concatenate([part.offsets for part in parts]),
        np.concatenate([part.times_ms for part in parts]),
        x,
        np.concatenate([part.features for part in parts]),
        texts,
    )
    return rows.take(
        pane_order(
            rows.times_ms,
            rows.partitions,
            rows.offsets,
            np.zeros(len(rows), dtype=np.int32),
            rows.event_ids,
        )
    )


def _with_features(rows: Rows, of_features: Rows) -> Rows:
    """Features by place in the history: what makes one of the two unusable may spare the other."""
    pairs = zip(of_features.partitions.tolist(), of_features.offsets.tolist(), strict=True)
    place_of = {pair: place for place, pair in enumerate(pairs)}
    features = np.full((len(rows), of_features.x.shape[1]), np.nan)
    for row, pair in enumerate(zip(rows.partitions.tolist(), rows.offsets.tolist(), strict=True)):
        if (place := place_of.get(pair)) is not None:
            features[row] = of_features.x[place]
    return replace(rows, features=features)
