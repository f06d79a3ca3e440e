"""A model in ONNX format, and how rows are fed to it.

The weights are data: nothing is unpickled, and no code comes with the file. What remains to a
hostile model is to waste time and memory, or a fault in one of ONNX Runtime's operators.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Self
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from detectors.base import FloatArray
from detectors.checks import as_finite
from detectors.errors import InvalidParameterError, InvalidSampleError
from detectors.reducers.onnx_models.feeds import Feed, Tensor, aligned, converted, feeds_of
from detectors.reducers.onnx_models.runtime import onnxruntime, reason_of, session_of

_OUTPUT_DTYPES: Mapping[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
}


class OnnxModel:
    """A model in ONNX format, loaded by ONNX Runtime on one thread.

    Parameters
    ----------
    data : bytes
        The file, with all of its weights.

    Attributes
    ----------
    data : bytes
    sha256 : str
        64 hex digits.
    inputs, outputs : tuple of Tensor

    Raises
    ------
    InvalidParameterError
        If ``data`` is not a model that ONNX Runtime can run: it is not in ONNX format, keeps its
        weights in another file, or uses operators that are not ONNX Runtime's own.

    Examples
    --------
    >>> from onnx.parser import parse_model
    >>> written = parse_model('''<ir_version: 8, opset_import: ["": 17]>
    ... twice (float[n, 2] x) => (float[n, 2] y) {y = Add(x, x)}''')
    >>> model = OnnxModel(written.SerializeToString())
    >>> print(model.inputs[0])
    'x', tensor(float) (n, 2)
    >>> model.bound({"age": 1, "income": 1})(np.array([[1.0, 2.0]]))
    array([[2., 4.]])
    """

    _known: ClassVar[WeakValueDictionary[str, OnnxModel]] = WeakValueDictionary()

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.sha256 = hashlib.sha256(data).hexdigest()
        self.session = session_of(data)
        self.inputs = _tensors(self.session.get_inputs())
        self.outputs = _tensors(self.session.get_outputs())
        self._bound: dict[tuple[object, ...], BoundModel] = {}
        # Restored reducers share what is loaded: each copy would take a few times the file.
        self._known[self.sha256] = self

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """Load a ``.onnx`` file; FileNotFoundError where there is none."""
        return cls(Path(path).read_bytes())

    @classmethod
    def known(cls, sha256: str) -> OnnxModel | None:
        """Return the model with this digest if some part of the process holds it."""
        return cls._known.get(sha256)

    def output(self, name: str) -> Tensor:
        """Find an output of numbers by its name; an empty name stands for the only output.

        Raises
        ------
        InvalidParameterError
            If there is none of this name, several and no name, or it does not hold floats.
        """
        by_name = {each.name: each for each in self.outputs}
        if not name and len(by_name) == 1:
            (name,) = by_name
        if name not in by_name:
            wrong = f"the model has no output {name!r}" if name else "it has several outputs"
            raise InvalidParameterError(f"{wrong}: name one of {', '.join(map(repr, by_name))}")
        output = by_name[name]
        if output.type not in _OUTPUT_DTYPES:
            raise InvalidParameterError(
                f"the output {output} does not hold floats: name another one, or export the model "
                "with one (in skl2onnx: options={'zipmap': False})"
            )
        return output

    def bound(self, columns: Mapping[str, int], output: str = "") -> BoundModel:
        """Tie the floats of a row to the inputs of the model.

        Parameters
        ----------
        columns : mapping of str to int
            How many floats of a row each column has, in their order. A model with several inputs
            has one for each column, of its name; the only input of a model takes the whole row.
        output : str
            Of what the model gives; empty where it gives one thing alone.

        Raises
        ------
        InvalidParameterError
            If inputs have other names than the columns or take no numbers, the output cannot be
            used, or the model does not take a single row, or gives other numbers for it again.
        ShapeError
            If an input takes another number of floats.
        """
        tensor = self.output(output)
        key = (tensor.name, *columns.items())
        if key not in self._bound:
            self._bound[key] = BoundModel(self.session, feeds_of(self.inputs, columns), tensor)
        return self._bound[key]


class BoundModel:
    """A model with what of a row goes where; it is called with rows.

    Attributes
    ----------
    n_columns : int
        Floats of a row.
    n_outputs : int
        Numbers that it gives for a row.
    output : Tensor
    """

    def __init__(
        self, session: onnxruntime.InferenceSession, feeds: Sequence[Feed], output: Tensor
    ) -> None:
        self.output = output
        self.n_columns = feeds[-1].places.stop
        self._session = session
        self._feeds = feeds
        given = self._probed()
        check_equal(given, self._probed())
        if given.shape[:1] != (1,) or not given.size:
            raise InvalidParameterError(
                f"the output {output} must have one row for a row, and for one it has the shape "
                f"{given.shape}"
            )
        self._shape, self.n_outputs = given.shape, given.size

    def __call__(self, rows: FloatArray, name: str = "x") -> FloatArray:
        """Evaluate the model on each row alone, shape (n, n_outputs).

        Raises
        ------
        InvalidSampleError
            If an input does not take what ``rows``, called ``name`` in the message, holds, or the
            model gives NaN or infinity.
        """
        # Kernels may treat the last few numbers of a batch apart, so that a row's bits depend on
        # the rows around it: that breaks ties between panes, and a value with 30 % of the events
        # then shows D = 0.3 of drift.
        inputs = [converted(rows[:, feed.places], feed, name) for feed in self._feeds]
        buffers = [aligned((1, *feed.shape), feed.dtype) for feed in self._feeds]
        given = aligned(self._shape, _OUTPUT_DTYPES[self.output.type])
        outputs = np.empty((len(rows), self.n_outputs))
        binding = self._bound(buffers, given)
        for place in range(len(rows)):
            for buffer, values in zip(buffers, inputs, strict=True):
                buffer[0] = values[place]
            self._run(binding)
            outputs[place] = given.reshape(-1)
        return as_finite(outputs, f"the model's outputs for {name}")

    def _bound(
        self, buffers: Sequence[NDArray[np.generic]], given: NDArray[np.generic]
    ) -> onnxruntime.IOBinding:
        binding = self._session.io_binding()
        for feed, buffer in zip(self._feeds, buffers, strict=True):
            place = buffer.ctypes.data
            binding.bind_input(feed.name, "cpu", 0, feed.dtype, buffer.shape, place)
        place = given.ctypes.data
        binding.bind_output(self.output.name, "cpu", 0, given.dtype, given.shape, place)
        return binding

    def _run(self, binding: onnxruntime.IOBinding) -> None:
        try:
            self._session.run_with_iobinding(binding)
        except Exception as error:
            raise InvalidSampleError(f"the model cannot be run: {reason_of(error)}") from error

    def _probed(self) -> NDArray[np.generic]:
        """Return what the model gives for a row of zeros."""
        row = {feed.name: np.zeros((1, *feed.shape), feed.dtype) for feed in self._feeds}
        try:
            (given,) = self._session.run([self.output.name], row)
        except Exception as error:
            raise InvalidParameterError(
                f"the model cannot be run on one row of zeros: {reason_of(error)}"
            ) from error
        return np.asarray(given)


def check_equal(given: NDArray[np.generic], again: NDArray[np.generic]) -> None:
    """Refuse a model that has given other numbers for the same rows."""
    if not np.array_equal(given, again, equal_nan=True):
        raise InvalidParameterError(
            "the model gives other numbers for the same row: export it in evaluation mode, without "
            "random numbers"
        )


def _tensors(arguments: Sequence[onnxruntime.NodeArg]) -> tuple[Tensor, ...]:
    try:
        return tuple(
            Tensor(each.name, each.type, tuple(n if type(n) is int else None for n in each.shape))
            for each in arguments
        )
    except UnicodeDecodeError as error:
        raise InvalidParameterError(f"not a model in ONNX format: {error}") from error
