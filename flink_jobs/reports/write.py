"""Writes the report of a backtest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from flink_jobs.config.digests import trained_key
from flink_jobs.config.overrides import config_of_model, variants
from flink_jobs.config.views import views_of
from flink_jobs.evaluation.accuracy import accuracy_table
from flink_jobs.evaluation.evaluate import evaluate_result
from flink_jobs.histories.errors import BacktestError
from flink_jobs.histories.known_drifts.truth import DriftInterval
from flink_jobs.replay.result import BacktestResult
from flink_jobs.reports import page, pages, verdict
from flink_jobs.reports.charts.images import Shape
from flink_jobs.reports.incidents import incidents
from flink_jobs.reports.page import Contents
from flink_jobs.reports.streams import read_streams


def gather(
    result: BacktestResult,
    *,
    truth: Sequence[DriftInterval] | None = None,
    tolerance_ms: int = 0,
    image_shape: Shape | None = None,
) -> Contents:
    """Everything a report shows.

    Parameters
    ----------
    result : BacktestResult
    truth : sequence of DriftInterval, optional
        The labelled drifts; None where nothing is known, which differs from an empty list.
    tolerance_ms : int
        See :func:`~flink_jobs.evaluation.evaluate.evaluate`.
    image_shape : (int, int), optional
        Rows and columns, where the features are images.

    Raises
    ------
    BacktestError
        When the result is damaged.
    """
    views = read_streams(result.scores(), result.alerts())
    evaluation = None
    if truth is not None:
        evaluation = evaluate_result(result, truth, tolerance_ms=tolerance_ms)
    # The worst first: of many incidents not all are shown.
    ranked = [views[line.place] for line in verdict.lines(evaluation, views)]
    return Contents(
        result=result,
        views=views,
        drifts=list(truth or []),
        evaluation=evaluation,
        incidents=incidents(ranked, result, image_shape=image_shape),
        tolerance_ms=tolerance_ms,
        accuracy=_accuracy(result),
    )


def _accuracy(result: BacktestResult) -> pa.Table | str:
    """Accuracy over time; why there is none, or nothing where nobody named labels."""
    if not result.config.columns.label:
        return ""
    try:
        return accuracy_table(result)
    except BacktestError as error:
        return str(error)


def training_sizes(contents: Contents) -> dict[str, int]:
    """Events of each training set, by :func:`~flink_jobs.config.digests.trained_key`.

    Of one that no model of the history was compared with nothing is known: it counts as the
    smallest of the others.
    """
    config = contents.result.config
    known = {
        trained_key(each): summary.n_events
        for view in contents.views
        for each in views_of(config_of_model(config, view.model))
        if each.name == view.view
        for summary in view.references.values()
    }
    least = min(known.values(), default=1)
    keys = [trained_key(each) for variant in variants(config) for each in views_of(variant)]
    return dict.fromkeys(keys, least) | known


def write_html(contents: Contents, path: Path) -> None:
    """Write the report as one HTML file."""
    pages.write(page.render(contents), path)
