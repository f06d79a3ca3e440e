"""Black-box shift detection with the user's own torch classifier as the reducer.

References
----------
Lipton, Wang, Smola: Detecting and Correcting for Label Shift with Black Box Predictors, ICML 2018,
doi:10.48550/arXiv.1802.03916
"""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from detectors.base import FloatArray, StateArrays
from detectors.checks import as_finite, as_rows, fitted, state_array
from detectors.errors import (
    InvalidParameterError,
    InvalidStateError,
)
from detectors.reducers import is_distribution
from detectors.reducers.neural.program import Program, exported
from detectors.reducers.neural.runtime import SafetensorError, load_file, nn, single_threaded, torch

OUTPUTS = ("logits", "probabilities")


class TorchSoftmax:
    """Softmax outputs of a torch classifier: black-box shift detection, soft.

    ``fit`` exports the model, and from then on the exported program is what runs, here and where
    the stored state is restored, which needs neither the model's class nor its weights' file. Rows
    are evaluated one at a time on one thread: see :meth:`transform`.

    Parameters
    ----------
    model : torch.nn.Module
        Maps a batch of inputs to a batch of outputs, one for each class. It is copied and put into
        evaluation mode; yours is left as it is. Row for row it must not depend on the batch.
    input_shape : tuple of int, optional
        The shape of one input, into which a row is arranged in C order; a row as it is by default.
    outputs : {"logits", "probabilities"}
        What the model gives; logits are turned into probabilities.

    Raises
    ------
    InvalidParameterError
        If a parameter is outside its range; from ``fit``, if torch cannot export the model, or what
        it gives contradicts ``outputs``.

    Examples
    --------
    >>> model = nn.Linear(2, 2, bias=False)
    >>> _ = model.load_state_dict({"weight": torch.zeros(2, 2)})
    >>> TorchSoftmax(model).fit([[0.0, 1.0], [1.0, 0.0]]).transform([[3.0, 4.0]])
    array([[0.5, 0.5]])
    """

    kind: ClassVar[str] = "torch_softmax"
    min_rows: ClassVar[int] = 1

    def __init__(
        self,
        model: nn.Module,
        *,
        input_shape: tuple[int, ...] | None = None,
        outputs: str = "logits",
    ) -> None:
        if not isinstance(model, nn.Module):
            raise InvalidParameterError(
                f"model must be a torch.nn.Module, not {type(model).__name__}: "
                "use from_program for a file that torch.export.save has written"
            )
        if input_shape is not None and not all(type(n) is int and n > 0 for n in input_shape):
            raise InvalidParameterError(f"input_shape must hold positive ints, not {input_shape}")
        self._set_up(outputs)
        self._model: nn.Module | None = model
        self._input_shape = None if input_shape is None else tuple(input_shape)

    def _set_up(self, outputs: str) -> None:
        if outputs not in OUTPUTS:
            raise InvalidParameterError(
                f"outputs must be one of {', '.join(OUTPUTS)}, not {outputs!r}"
            )
        self._outputs = outputs
        self._model = None
        self._data = b""
        self._program: Program | None = None
        self._is_fitted: bool | None = None

    @classmethod
    def from_weights(
        cls,
        model: nn.Module,
        path: str | Path,
        *,
        input_shape: tuple[int, ...] | None = None,
        outputs: str = "logits",
    ) -> Self:
        """Load weights from a ``.safetensors`` file into ``model``, which is changed.

        Raises
        ------
        InvalidParameterError
            If the file is of another type, damaged, or its names and shapes are not exactly those
            of the model. Files of ``torch.save`` are pickles, which can run code: convert them once
            where you trust them, with ``safetensors.torch.save_file(model.state_dict(), path)``.
        FileNotFoundError
            If there is no such file.
        """
        if Path(path).suffix != ".safetensors":
            raise InvalidParameterError(
                f"{Path(path).name} is not a .safetensors file, and nothing is unpickled here: "
                "convert it with safetensors.torch.save_file(model.state_dict(), path)"
            )
        try:
            model.load_state_dict(load_file(path), strict=True)
        except (SafetensorError, RuntimeError) as error:
            raise InvalidParameterError(f"weights that do not fit the model: {error}") from error
        return cls(model, input_shape=input_shape, outputs=outputs)

    @classmethod
    def from_program(cls, path: str | Path, *, outputs: str = "logits") -> Self:
        """Read a program that ``torch.export.save`` has written: ``.pt2``.

        It must take one row at a time: export it with an example of one row, or with a dynamic
        first dimension. The shape of the input is the program's.

        Raises
        ------
        InvalidParameterError
            If ``outputs`` is outside its range.
        InvalidStateError
            If the file is not a program as :class:`~detectors.reducers.neural.program.Program`
            describes it.
        FileNotFoundError
            If there is no such file.
        """
        return cls._from_bytes(Path(path).read_bytes(), outputs)

    @classmethod
    def _from_bytes(cls, data: bytes, outputs: str) -> Self:
        reducer = cls.__new__(cls)
        reducer._set_up(outputs)
        reducer._data, reducer._program = data, Program(data)
        reducer._input_shape = reducer._program.input_shape
        return reducer

    def fit(self, x_ref: FloatArray) -> Self:
        """Export the model for rows like those of ``x_ref``, and check what it gives for them.

        Raises
        ------
        InvalidParameterError
            If torch cannot export the model, or ``outputs`` does not fit it.
        InvalidSampleError
            If ``x_ref`` is not made of at least one finite row that fills the input.
        """
        rows = as_rows(x_ref, "x_ref", min_rows=self.min_rows, n_columns=self._n_features())
        if self._model is not None:
            shape = self._input_shape or (rows.shape[1],)
            if self._program is None or self._program.input_shape != shape:
                self._data = exported(self._model, shape)
                self._program = Program(self._data)
        self._check_outputs(self._evaluated(rows, "x_ref"))
        self._is_fitted = True
        return self

    def _n_features(self) -> int | None:
        return None if self._input_shape is None else math.prod(self._input_shape)

    def _check_outputs(self, outputs: FloatArray) -> None:
        if outputs.shape[1] < 2:
            raise InvalidParameterError("the model must have an output for each of 2 classes")
        are_probabilities = bool(is_distribution(outputs).all())
        if are_probabilities != (self._outputs == "probabilities"):
            given = "probabilities" if are_probabilities else "no probabilities"
            raise InvalidParameterError(f"the model's outputs are {given}: change `outputs`")

    def transform(self, x: FloatArray) -> FloatArray:
        """Probabilities of the classes for ``x``, shape (n, n_features), as (n, n_classes).

        Raises
        ------
        NotFittedError
            Before ``fit``.
        InvalidSampleError
            If ``x`` is not made of at least one finite row as wide as the reference, or the model
            gives NaN or infinity for it.
        """
        program = fitted(self._program if self._is_fitted else None, self)
        rows = as_rows(x, "x", n_columns=math.prod(program.input_shape))
        outputs = self._evaluated(rows, "x")
        if self._outputs == "logits":
            # Each row alone here too: vectorised exponentials may treat the last few numbers apart.
            return np.array([_softmax(row) for row in outputs])
        return outputs

    def _evaluated(self, rows: FloatArray, name: str) -> FloatArray:
        """Evaluate the model on each row alone."""
        # Torch rounds a row differently with its place in a batch and with the rows around it, even
        # in padded blocks of 64 for 3 of 7 small networks. That breaks ties between panes, and a
        # value with 30 % of the events then shows D = 0.3 of drift. Alone a row costs 132 µs
        # for a network of 784-256-10 instead of 6, and 265 for two convolutions instead of 72.
        program = fitted(self._program, self)
        inputs = torch.tensor(rows, dtype=program.dtype).reshape(-1, *program.input_shape)
        as_finite(inputs.double().numpy(), f"{name} in {program.dtype}")
        with single_threaded():
            # A slice would not be aligned as new memory is, and results may depend on that.
            outputs = [program.run(row.unsqueeze(0).clone()).double() for row in inputs]
        if outputs[0].ndim != 2 or len(outputs[0]) != 1:
            raise InvalidParameterError(
                f"the model must give (1, n_classes) for one row, not {tuple(outputs[0].shape)}"
            )
        return as_finite(torch.cat(outputs).numpy(), f"the model's outputs for {name}")

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """The exported program, its SHA-256 digest, and what it gives."""
        fitted(self._is_fitted, self)
        return {
            "program": np.frombuffer(self._data, dtype=np.uint8).copy(),
            "sha256": np.frombuffer(hashlib.sha256(self._data).digest(), dtype=np.uint8).copy(),
            "gives_logits": np.array(self._outputs == "logits"),
        }

    @classmethod
    def from_arrays(cls, arrays: StateArrays) -> Self:
        """Restore a reducer whose ``transform`` gives equal results, without the model's class.

        Raises
        ------
        InvalidStateError
            If an array is missing or damaged, or the program is not one that is run here.
        """
        data = state_array(arrays, "program", ndim=1, kind="u").tobytes()
        digest = state_array(arrays, "sha256", ndim=1, kind="u").tobytes()
        gives_logits = state_array(arrays, "gives_logits", ndim=0, kind="b").item()
        if hashlib.sha256(data).digest() != digest:
            raise InvalidStateError("stored array 'program' does not have its digest 'sha256'")
        reducer = cls._from_bytes(data, "logits" if gives_logits else "probabilities")
        reducer._is_fitted = True
        return reducer


def _softmax(logits: FloatArray) -> FloatArray:
    exponentials = np.exp(logits - logits.max())
    probabilities: FloatArray = exponentials / exponentials.sum()
    return probabilities


class TorchHardPredictions(TorchSoftmax):
    """Predicted classes of a torch classifier: black-box shift detection, hard.

    As :class:`TorchSoftmax`, but each row becomes the index of its most probable class, a category
    that a test for categories compares; of classes that are equally probable, the first.

    Examples
    --------
    >>> model = nn.Linear(2, 2, bias=False)
    >>> _ = model.load_state_dict({"weight": 2.0 * torch.eye(2)})
    >>> TorchHardPredictions(model).fit([[0.0, 1.0]]).transform([[3.0, 4.0], [4.0, 3.0]])
    array([[1.],
           [0.]])
    """

    kind: ClassVar[str] = "torch_hard_predictions"

    def transform(self, x: FloatArray) -> FloatArray:
        """Predicted classes for ``x``, shape (n, n_features), as numbers, shape (n, 1).

        Raises
        ------
        NotFittedError
            Before ``fit``.
        InvalidSampleError
            If ``x`` is not made of at least one finite row as wide as the reference, or the model
            gives NaN or infinity for it.
        """
        classes: FloatArray = super().transform(x).argmax(axis=1, keepdims=True).astype(np.float64)
        return classes
