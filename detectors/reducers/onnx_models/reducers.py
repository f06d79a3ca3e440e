"""The user's own model as the reducer: black-box shift detection, and embeddings.

References
----------
Lipton, Wang, Smola: Detecting and Correcting for Label Shift with Black Box Predictors, ICML 2018,
doi:10.48550/arXiv.1802.03916
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from detectors.base import FloatArray, StateArrays
from detectors.checks import as_rows, fitted, state_array
from detectors.errors import InvalidParameterError, InvalidStateError, ShapeError
from detectors.reducers.onnx_models.model import BoundModel, OnnxModel, check_equal
from detectors.reducers.softmax import SoftmaxOutputs, is_distribution

GIVES = ("probabilities", "logits")

MODEL = "model"
"""The stored array with the file itself. It may be left out where the model is loaded already."""

# More would take a second of a model that needs 10 ms for a row.
_MOST_CHECKED = 100


class OnnxEmbedding:
    """Numbers that a model gives for each row: an embedding, a score or anything else.

    Rows are evaluated one at a time on one thread, so that a row is reduced to the same bits
    whatever rows come with it. A small network takes 4 to 10 µs a row.

    Parameters
    ----------
    model : OnnxModel
        It must take single rows without missing values.
    output : str
        The name of one of its outputs; empty where it has one alone.
    columns : mapping of str to int, optional
        How many floats of a row each column has. Only a model with several inputs needs it.
    size : int, optional
        How many numbers the model must give for a row; any number by default.

    Raises
    ------
    InvalidParameterError
        If the output does not exist or does not hold floats. From ``fit``: if the inputs do not fit
        the rows, or the model gives other numbers for the same row again.

    Examples
    --------
    >>> from onnx.parser import parse_model
    >>> written = parse_model('''<ir_version: 8, opset_import: ["": 17]>
    ... linear (float[n, 2] x) => (float[n, 2] y) <float[2, 2] w = {1, 2, 0, 1}>
    ... {y = MatMul(x, w)}''')
    >>> model = OnnxModel(written.SerializeToString())
    >>> OnnxEmbedding(model).fit([[0.0, 1.0], [1.0, 0.0]]).transform([[3.0, 4.0]])
    array([[ 3., 10.]])
    """

    kind: ClassVar[str] = "onnx_embedding"
    min_rows: ClassVar[int] = 1

    def __init__(
        self,
        model: OnnxModel,
        *,
        output: str = "",
        columns: Mapping[str, int] | None = None,
        size: int | None = None,
    ) -> None:
        if not isinstance(model, OnnxModel):
            raise InvalidParameterError(
                f"model must be an OnnxModel, not {type(model).__name__}: use OnnxModel.from_file"
            )
        self._model = model
        self._output = model.output(output).name
        self._columns = dict(columns or {})
        self._size = size
        self._bound: BoundModel | None = None

    @property
    def n_outputs(self) -> int:
        """The numbers that the model gives for a row; NotFittedError before ``fit``."""
        return fitted(self._bound, self).n_outputs

    def fit(self, x_ref: FloatArray) -> Self:
        """Tie the columns of ``x_ref``, shape (n_ref, n_features), to the model's inputs.

        Raises
        ------
        InvalidParameterError
            If the inputs of the model do not fit, or what it gives is not what was said.
        InvalidSampleError
            If ``x_ref`` is not made of at least one finite row that fills the inputs.
        """
        self._bound = None
        rows = as_rows(x_ref, "x_ref", min_rows=self.min_rows)
        bound = self._bound_to(rows.shape[1])
        checked = rows[:_MOST_CHECKED]
        outputs = bound(checked, "x_ref")
        # Dropout of zeros, by which the model was bound, is zeros each time.
        check_equal(outputs, bound(checked, "x_ref"))
        self._check_outputs(outputs)
        self._bound = bound
        return self

    def _bound_to(self, width: int) -> BoundModel:
        columns = self._columns or {"x": width}
        bound = self._model.bound(columns, self._output)
        if bound.n_columns != width:
            raise ShapeError(f"columns have {bound.n_columns} numbers, and rows have {width}")
        if self._size not in (None, bound.n_outputs):
            raise InvalidParameterError(
                f"size is {self._size}, and the model gives {bound.n_outputs} numbers for a row"
            )
        return bound

    def _check_outputs(self, outputs: FloatArray) -> None:
        """Accept any numbers."""

    def transform(self, x: FloatArray) -> FloatArray:
        """Evaluate the model on ``x``, shape (n, n_features), to shape (n, n_outputs).

        Raises
        ------
        NotFittedError
            Before ``fit``.
        InvalidSampleError
            If ``x`` is not made of at least one finite row as wide as the reference, or the model
            gives NaN or infinity for it.
        """
        bound = fitted(self._bound, self)
        return bound(as_rows(x, "x", n_columns=bound.n_columns), "x")

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """The file of the model, its SHA-256 digest, and how rows are fed to it."""
        form = {
            "n_columns": fitted(self._bound, self).n_columns,
            "output": self._output,
            "columns": list(self._columns.items()),
            "size": self._size,
            **self._parameters(),
        }
        return {
            MODEL: np.frombuffer(self._model.data, dtype=np.uint8),
            "sha256": np.frombuffer(bytes.fromhex(self._model.sha256), dtype=np.uint8),
            "form": np.frombuffer(json.dumps(form).encode(), dtype=np.uint8),
        }

    def _parameters(self) -> dict[str, str]:
        return {}

    @classmethod
    def from_arrays(cls, arrays: StateArrays) -> Self:
        """Restore a reducer whose ``transform`` gives equal results.

        A model that the process has loaded is shared, and the array ``model`` may be missing then.

        Raises
        ------
        InvalidStateError
            If an array is missing or damaged, or the model is not one that can be run here.
        """
        model = _stored_model(arrays)
        try:
            form = json.loads(state_array(arrays, "form", ndim=1, kind="u").tobytes())
            width, columns = int(form.pop("n_columns")), dict(form.pop("columns"))
            reducer = cls(model, columns=columns, **form)
            reducer._bound = reducer._bound_to(width)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InvalidStateError(f"the stored form does not fit the model: {error}") from error
        return reducer


def _stored_model(arrays: StateArrays) -> OnnxModel:
    sha256 = state_array(arrays, "sha256", ndim=1, kind="u").tobytes().hex()
    if (model := OnnxModel.known(sha256)) is not None:
        return model
    if MODEL not in arrays:
        raise InvalidStateError(f"the model with the SHA-256 digest {sha256} is not loaded here")
    data = state_array(arrays, MODEL, ndim=1, kind="u").tobytes()
    if hashlib.sha256(data).hexdigest() != sha256:
        raise InvalidStateError("stored array 'model' does not have its digest 'sha256'")
    try:
        return OnnxModel(data)
    except InvalidParameterError as error:
        raise InvalidStateError(f"stored array 'model': {error}") from error


class OnnxSoftmax(OnnxEmbedding):
    """Class probabilities that a classifier gives: black-box shift detection, soft.

    Parameters
    ----------
    model, output, columns, size
        As for :class:`OnnxEmbedding`.
    gives : {"probabilities", "logits"}
        What the output holds; logits are turned into probabilities.

    Raises
    ------
    InvalidParameterError
        As :class:`OnnxEmbedding`, and if what the model gives contradicts ``gives``.

    Examples
    --------
    >>> from onnx.parser import parse_model
    >>> written = parse_model('''<ir_version: 8, opset_import: ["": 17]>
    ... undecided (float[n, 2] x) => (float[n, 2] y) {y = Sub(x, x)}''')
    >>> model = OnnxModel(written.SerializeToString())
    >>> OnnxSoftmax(model, gives="logits").fit([[0.0, 1.0]]).transform([[3.0, 4.0]])
    array([[0.5, 0.5]])
    """

    kind: ClassVar[str] = "onnx_softmax"

    def __init__(
        self,
        model: OnnxModel,
        *,
        output: str = "",
        columns: Mapping[str, int] | None = None,
        size: int | None = None,
        gives: str = "probabilities",
    ) -> None:
        if gives not in GIVES:
            raise InvalidParameterError(f"gives must be one of {', '.join(GIVES)}, not {gives!r}")
        super().__init__(model, output=output, columns=columns, size=size)
        self._gives = gives

    def _parameters(self) -> dict[str, str]:
        return {"gives": self._gives}

    def _check_outputs(self, outputs: FloatArray) -> None:
        if outputs.shape[1] < 2:
            raise InvalidParameterError(
                "the model gives one number for a row, and a classifier one for each of 2 classes "
                "or more: take a score as it is, by onnx_embedding"
            )
        are_probabilities = bool(is_distribution(outputs).all())
        if are_probabilities != (self._gives == "probabilities"):
            given = "probabilities" if are_probabilities else "not probabilities"
            raise InvalidParameterError(
                f"the model's outputs are {given}: set `gives` to "
                f"{'probabilities' if are_probabilities else 'logits'!r}, or name another output"
            )

    def transform(self, x: FloatArray) -> FloatArray:
        """Probabilities of the classes for ``x``, shape (n, n_features), as (n, n_classes).

        Raises
        ------
        NotFittedError
            Before ``fit``.
        InvalidSampleError
            If ``x`` is not made of at least one finite row as wide as the reference, or the model
            gives NaN, infinity or, where it should, no probabilities for it.
        """
        outputs = super().transform(x)
        if self._gives == "logits":
            # Each row alone here too: vectorised exponentials may treat the last few numbers apart.
            return np.array([_softmax(row) for row in outputs])
        return SoftmaxOutputs().fit(outputs).transform(outputs)


def _softmax(logits: FloatArray) -> FloatArray:
    exponentials = np.exp(logits - logits.max())
    probabilities: FloatArray = exponentials / exponentials.sum()
    return probabilities


class OnnxHardPredictions(OnnxSoftmax):
    """Classes that a classifier predicts: black-box shift detection, hard.

    As :class:`OnnxSoftmax`, but each row becomes the index of its most probable class, a category
    that a test for categories compares; of classes that are equally probable, the first.

    Examples
    --------
    >>> from onnx.parser import parse_model
    >>> written = parse_model('''<ir_version: 8, opset_import: ["": 17]>
    ... twice (float[n, 2] x) => (float[n, 2] y) {y = Add(x, x)}''')
    >>> model = OnnxModel(written.SerializeToString())
    >>> reducer = OnnxHardPredictions(model, gives="logits").fit([[0.0, 1.0]])
    >>> reducer.transform([[3.0, 4.0], [4.0, 3.0]])
    array([[1.],
           [0.]])
    """

    kind: ClassVar[str] = "onnx_hard_predictions"

    def transform(self, x: FloatArray) -> FloatArray:
        """Predicted classes for ``x``, shape (n, n_features), as numbers, shape (n, 1).

        Raises
        ------
        NotFittedError
            Before ``fit``.
        InvalidSampleError
            If ``x`` is not made of at least one finite row as wide as the reference, or the model
            gives NaN, infinity or, where it should, no probabilities for it.
        """
        classes: FloatArray = super().transform(x).argmax(axis=1, keepdims=True).astype(np.float64)
        return classes
