"""The mix of classes in a window: what was predicted, and what is estimated to be true."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from plotly.graph_objects import Figure, Scatter

from detectors import BlackBoxShiftEstimator, LabelShift
from detectors.errors import DetectorError
from flink_jobs.records.shown import shown, shown_html
from flink_jobs.reports.charts import palette
from flink_jobs.reports.charts.figures import figure, points, short
from flink_jobs.reports.words import share

Floats = NDArray[np.float64]

_MOST_ROWS = 4_000
"""The bootstrap of BBSE draws all rows 200 times."""
_N_BOOTSTRAP = 200
_MOST_OF_A_NAME = 30
_MOST_DRAWN = 20
"""Classes that a chart has room for; the table has all."""
_MOST_UPRIGHT, _LONGEST_UPRIGHT, _LONGEST_LYING = 12, 8, 20
_ROW_PX, _FRAME_PX = 24, 44
_BASIS = (
    "An estimate by BBSE on two assumptions: only the shares of the classes have moved, and the "
    "reference's outputs are calibrated probabilities. The labels that it needs are drawn from "
    "these outputs; labels of the history are not read here. The ranges hold 95 % of the estimates "
    "from events drawn anew. They are not confidence intervals of the true shares or the true "
    "accuracy: an error in the drawn labels does not show in them."
)


class ClassMix(NamedTuple):
    """Shares of the classes.

    Attributes
    ----------
    reference, window : ndarray of float64, shape (n_classes,)
        Share of the events for which the class is predicted.
    shift : LabelShift or None
        BBSE's estimate for the window; None where it is refused.
    shares_ref : ndarray of float64, shape (n_classes,)
        Share of the class among the labels drawn for the reference.
    note : str
        What the estimate rests on, or why there is none.
    """

    reference: Floats
    window: Floats
    shift: LabelShift | None
    shares_ref: Floats
    note: str


_ELSE = " A share comes out clearly negative: something else than the shares has moved."
_CLEARLY = -0.02


def class_mix(outputs_ref: Floats, outputs_test: Floats, *, seed: int) -> ClassMix:
    """Compare the class mix of a window with that of its reference.

    Labels of a history are not read here. BBSE takes labels drawn from the reference's outputs:
    right as far as these are calibrated probabilities, since then a drawn label is distributed as
    the true one. Its ranges come from rows drawn anew with their drawn labels. They show sampling
    noise alone and are not confidence intervals of the true shares: where the outputs are not
    calibrated, more rows make them narrower around a wrong share.

    Parameters
    ----------
    outputs_ref, outputs_test : ndarray of float64, shape (n, n_classes)
        Softmax outputs; at least one row each.
    seed : int
        Of the labels drawn, and of the bootstrap.
    """
    outputs_ref, outputs_test = _some(outputs_ref), _some(outputs_test)
    n_classes = outputs_ref.shape[1]
    rng = np.random.default_rng(seed)
    labels = _drawn(outputs_ref, rng)
    shift, note = _estimate(outputs_ref, labels, outputs_test, rng)
    return ClassMix(
        reference=_shares(outputs_ref.argmax(axis=1), n_classes),
        window=_shares(outputs_test.argmax(axis=1), n_classes),
        shift=shift,
        shares_ref=_shares(labels.astype(np.intp), n_classes),
        note=note or _BASIS + _ELSE * _moved_otherwise(shift, labels),
    )


def chart(mix: ClassMix, names: Sequence[str] = ()) -> Figure:
    """Draw a column for each class: predicted before and now, and the estimate with its range.

    Of more than 20 classes those whose predicted share moved most are drawn. Names of many classes,
    or long ones, have room beside a chart and none below it.
    """
    drawn, known = _drawn_classes(mix), _names(mix, names)
    texts = [shown(known[place]) for place in drawn.tolist()]
    is_upright = len(texts) <= _MOST_UPRIGHT and max(map(len, texts)) <= _LONGEST_UPRIGHT
    axes = _Axes(list(map(shown_html, texts)), is_upright)
    before, now = mix.reference[drawn], mix.window[drawn]
    grey, blue = palette.REFERENCE_COLOUR, palette.STATISTIC_COLOUR
    traces = [
        axes.points(-0.22, before, "predicted, reference", "circle-open", grey),
        axes.points(0.0, now, "predicted, window", "diamond", blue),
    ]
    if mix.shift is not None:
        traces.append(_estimates(mix, drawn, axes))
    return figure(traces, **(_upright(texts) if is_upright else _lying(texts)))


class _Axes(NamedTuple):
    """Classes stand along one axis, their shares along the other."""

    texts: list[str]
    is_upright: bool

    def points(
        self, beside: float, shares: Floats, name: str, symbol: str, colour: str, **more: Any
    ) -> Scatter:
        places = np.arange(len(shares)) + beside
        x, y = (places, shares) if self.is_upright else (shares, places)
        return points(
            x=short(x),
            y=short(y),
            name=name,
            text=self.texts,
            hovertemplate=f"%{{text}}<br>{name}: %{{{self.of_shares}:.1%}}<extra></extra>",
            marker={
                "symbol": symbol,
                "size": 9,
                "color": colour,
                "line": {"width": 2, "color": colour},
            },
            **more,
        )

    @property
    def of_shares(self) -> str:
        return "y" if self.is_upright else "x"


def _upright(texts: Sequence[str]) -> dict[str, Any]:
    axis = {"tickvals": list(range(len(texts))), "ticktext": list(map(shown_html, texts))}
    return {
        "xaxis": axis | {"title": {"text": "class"}},
        "yaxis": {"tickformat": ".0%", "rangemode": "tozero"},
    }


def _lying(texts: Sequence[str]) -> dict[str, Any]:
    labels = [
        each if len(each) <= _LONGEST_LYING else f"{each[: _LONGEST_LYING - 1]}…" for each in texts
    ]
    return {
        "height": _FRAME_PX + _ROW_PX * len(texts),
        "xaxis": {"tickformat": ".0%", "rangemode": "tozero", "nticks": 4, "tickangle": 0},
        "yaxis": {
            "tickvals": list(range(len(texts))),
            "ticktext": list(map(shown_html, labels)),
            "range": [len(texts) - 0.4, -0.6],
        },
    }


def n_left_out(mix: ClassMix) -> int:
    """Count the classes that the chart has no room for."""
    return max(0, len(mix.reference) - _MOST_DRAWN)


def _drawn_classes(mix: ClassMix) -> NDArray[np.intp]:
    moves = -np.abs(mix.window - mix.reference)
    return np.sort(np.argsort(moves, kind="stable")[:_MOST_DRAWN])


def _estimates(mix: ClassMix, drawn: NDArray[np.intp], axes: _Axes) -> Scatter:
    assert mix.shift is not None  # noqa: S101 - asked for where there is an estimate
    low, high = (side[drawn] for side in resampled_range(mix))
    estimate, colour = mix.shift.class_shares[drawn], palette.DRIFT_COLOUR
    reach = {
        "type": "data",
        "symmetric": False,
        "array": short(np.maximum(high - estimate, 0)),
        "arrayminus": short(np.maximum(estimate - low, 0)),
        "thickness": 1.5,
        "width": 3,
        "color": colour,
    }
    error = {f"error_{axes.of_shares}": reach}
    return axes.points(0.22, estimate, "estimated share", "square", colour, **error)


def resampled_range(mix: ClassMix) -> tuple[Floats, Floats]:
    """Give the range of each share that 95 % of the resampled estimates keep to."""
    assert mix.shift is not None  # noqa: S101 - asked for where there is an estimate
    return mix.shift.weight_low * mix.shares_ref, mix.shift.weight_high * mix.shares_ref


def columns(mix: ClassMix) -> list[str]:
    """Name the columns of :func:`table`."""
    estimated = ["estimated share (range when resampled)"] if mix.shift else []
    return ["class", "predicted, reference", "predicted, window", *estimated]


def accuracy_words(mix: ClassMix) -> str:
    """Give the estimated accuracy; empty without one."""
    if mix.shift is None:
        return ""
    low, high = share(mix.shift.accuracy_low), share(mix.shift.accuracy_high)
    accuracy = share(mix.shift.estimated_accuracy)
    return f"Accuracy estimated for this window: {accuracy} ({low} to {high} when resampled)."


def table(mix: ClassMix, names: Sequence[str] = ()) -> list[tuple[str, ...]]:
    """Give a row for each class."""
    rows = []
    for place, name in enumerate(_names(mix, names)):
        row = [shown(name, _MOST_OF_A_NAME), share(mix.reference[place]), share(mix.window[place])]
        if mix.shift is not None:
            low, high = resampled_range(mix)
            reach = f"{share(low[place])} to {share(high[place])}"
            row.append(f"{share(mix.shift.class_shares[place])} ({reach})")
        rows.append(tuple(row))
    return rows


def _names(mix: ClassMix, names: Sequence[str]) -> Sequence[str]:
    n_classes = len(mix.reference)
    return names if len(names) == n_classes else [str(place) for place in range(n_classes)]


def _some(outputs: Floats) -> Floats:
    return outputs[:: -(-len(outputs) // _MOST_ROWS)]


def _drawn(outputs: Floats, rng: np.random.Generator) -> Floats:
    steps = outputs.cumsum(axis=1) / outputs.sum(axis=1, keepdims=True)
    places = (rng.random((len(outputs), 1)) > steps).sum(axis=1)
    return np.asarray(np.minimum(places, outputs.shape[1] - 1), dtype=np.float64)


def _shares(classes: NDArray[np.intp], n_classes: int) -> Floats:
    return np.asarray(np.bincount(classes, minlength=n_classes) / len(classes))


def _moved_otherwise(shift: LabelShift | None, labels: Floats) -> bool:
    if shift is None:
        return False
    shares = shift.raw_weights * _shares(labels.astype(np.intp), len(shift.classes))
    return bool(shares.min() < _CLEARLY)


def _estimate(
    out_ref: Floats, labels: Floats, out_test: Floats, rng: np.random.Generator
) -> tuple[LabelShift | None, str]:
    try:
        estimator = BlackBoxShiftEstimator().fit(out_ref, labels)
        return estimator.estimate(out_test, rng=rng, n_bootstrap=_N_BOOTSTRAP), ""
    except DetectorError as error:
        return None, f"No estimate of the true shares: {error}."
