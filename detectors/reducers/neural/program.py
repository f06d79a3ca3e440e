"""Exported torch programs, read and run without unpickling or compiling anything.

``torch.export.load`` is not for files of unknown origin. It unpickles weights that are marked so
and custom objects; it unpickles sample inputs without restrictions where the restricted way fails;
and it hands strings of the file to ``sympy.sympify``, which evaluates them. With torch 2.15 code
hidden in a weight, in the sample inputs or in the size of an input ran each time.

This module reads two kinds of entries of the archive, JSON and raw numbers, and calls the operators
that the JSON names where they stand on a list: they compute, and neither draw random numbers nor
open files. What remains to a hostile program is to waste time and memory, or a fault in one of
these operators.
"""

from __future__ import annotations

import copy
import io
import json
import math
import operator
import zipfile
from collections.abc import Mapping
from typing import Any

from detectors.arrays_io import UNREADABLE
from detectors.errors import InvalidParameterError, InvalidStateError
from detectors.reducers.neural.operators import DTYPES, argument_of, assign, filled, step_of
from detectors.reducers.neural.runtime import nn, torch

SCHEMA_MAJOR = 8
"""Of the JSON, which torch counts up when files of earlier versions no longer fit."""


class Program:
    """A program of one input and one output that takes one row at a time.

    Parameters
    ----------
    data : bytes
        What ``torch.export.save`` has written: ``.pt2``.

    Attributes
    ----------
    input_shape : tuple of int
        Of one row.
    dtype : torch.dtype
        Of the input.

    Raises
    ------
    InvalidStateError
        If ``data`` is damaged, holds anything that is pickled, calls an operator that is not
        allowed, was exported in training mode, or takes several rows and no other number of them.

    Examples
    --------
    >>> program = Program(exported(nn.Flatten(), (2, 3)))
    >>> program.run(torch.ones(1, 2, 3)).shape
    torch.Size([1, 6])
    """

    def __init__(self, data: bytes) -> None:
        try:
            self._read(data)
        except (*UNREADABLE, TypeError, IndexError, AttributeError) as error:
            if isinstance(error, InvalidStateError):
                raise
            raise InvalidStateError(f"not an exported torch program: {error!r}") from error

    def _read(self, data: bytes) -> None:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = _entries(archive)
            model = json.loads(entries["models/model.json"])
            weights = _tensors(entries, "weights", "model_weights_config.json")
            weights |= _tensors(entries, "constants", "model_constants_config.json")
        if model["schema_version"]["major"] != SCHEMA_MAJOR:
            raise InvalidStateError(
                f"the program was exported by torch {model['torch_version']} in another format: "
                f"export it again with torch {torch.__version__}"
            )
        graph = model["graph_module"]["graph"]
        self._values, inputs = _bound(model["graph_module"]["signature"]["input_specs"], weights)
        if len(inputs) != 1 or len(graph["outputs"]) != 1:
            raise InvalidStateError("the program must have one input and one output, both tensors")
        self._input = inputs[0]
        self._output = argument_of(graph["outputs"][0])
        self._steps = [step for node in graph["nodes"] if (step := step_of(node)) is not None]
        self.input_shape, self.dtype = _input_form(graph["tensor_values"][self._input])

    def run(self, row: torch.Tensor) -> torch.Tensor:
        """Apply the program to one row, shape (1, *input_shape).

        Raises
        ------
        InvalidStateError
            If an operator refuses its arguments, or the program changes its own weights.
        """
        values: dict[str, Any] = {**self._values, self._input: row}
        before = self._versions()
        try:
            with torch.no_grad():
                for function, arguments, named, outputs in self._steps:
                    result = function(*filled(arguments, values), **filled(named, values))
                    assign(outputs, result, values)
            output = values[self._output]
        except (RuntimeError, TypeError, ValueError, KeyError, IndexError) as error:
            raise InvalidStateError(f"the program cannot be run: {error}") from error
        if not isinstance(output, torch.Tensor) or self._versions() != before:
            raise InvalidStateError("the program changes its weights or gives no tensor")
        return output

    def _versions(self) -> int:
        return sum(weight._version for weight in self._values.values())


def exported(module: nn.Module, input_shape: tuple[int, ...]) -> bytes:
    """Export a module in evaluation mode for rows of ``input_shape``; it is left as it is.

    Raises
    ------
    InvalidParameterError
        If torch cannot export the module.

    Examples
    --------
    >>> Program(exported(nn.Linear(2, 3), (2,))).input_shape
    (2,)
    """
    floats = (tensor.dtype for tensor in module.parameters() if tensor.is_floating_point())
    example = torch.zeros(1, *input_shape, dtype=next(floats, torch.float32))
    buffer = io.BytesIO()
    try:
        # A copy, because evaluation mode and the move to the CPU would change the caller's module.
        program = torch.export.export(copy.deepcopy(module).eval().cpu(), (example,))
        for node in program.graph.nodes:
            # Stack traces would store the paths and source lines of the machine that exports.
            node.meta.pop("stack_trace", None)
        torch.export.save(program, buffer)
    except Exception as error:
        raise InvalidParameterError(
            f"torch cannot export this module for inputs of shape {tuple(example.shape)}: {error}. "
            "Check input_shape, take branches that depend on data out of forward, or export the "
            "model yourself and use from_program"
        ) from error
    return buffer.getvalue()


def _entries(archive: zipfile.ZipFile) -> dict[str, bytes]:
    """The entries this module reads, by their path within the archive."""
    stored: dict[str, bytes] = {}
    for info in archive.infolist():
        path = info.filename.partition("/")[2]
        if info.compress_type != zipfile.ZIP_STORED:
            # torch stores its entries; a compressed one may unpack to a thousand times the file.
            raise InvalidStateError(f"entry {info.filename!r} of the program is compressed")
        if path.startswith(("models/", "data/weights/", "data/constants/")):
            stored[path] = archive.read(info)
    return stored


def _tensors(entries: Mapping[str, bytes], folder: str, config: str) -> dict[str, torch.Tensor]:
    payloads = json.loads(entries[f"data/{folder}/{config}"])["config"]
    return {
        name: _tensor(name, payload, entries[f"data/{folder}/{payload['path_name']}"])
        for name, payload in payloads.items()
    }


def _tensor(name: str, payload: Mapping[str, Any], data: bytes) -> torch.Tensor:
    form = payload["tensor_meta"]
    if payload["use_pickle"] or form is None:
        raise InvalidStateError(
            f"{name!r} is pickled in this program, and nothing is unpickled here: export a model "
            "whose weights are plain tensors"
        )
    dtype = DTYPES[form["dtype"]]
    sizes, strides = ([size["as_int"] for size in form[key]] for key in ("sizes", "strides"))
    if math.prod(sizes) * dtype.itemsize > len(data):
        raise InvalidStateError(f"{name!r} claims more numbers than the program holds")
    if math.prod(sizes) == 0:
        return torch.zeros(sizes, dtype=dtype)
    numbers = torch.frombuffer(bytearray(data), dtype=dtype)
    # clone: torch aligns its own memory, and results may depend on alignment.
    return numbers.as_strided(sizes, strides, form["storage_offset"]["as_int"]).clone()


def _bound(
    specs: list[dict[str, Any]], weights: Mapping[str, torch.Tensor]
) -> tuple[dict[str, torch.Tensor], list[str]]:
    """The weights by the names the graph gives them, and the names of the user's inputs."""
    values, inputs = {}, []
    for spec in specs:
        ((kind, content),) = spec.items()
        if kind == "user_input":
            inputs.append(content["arg"]["as_tensor"]["name"])
        elif kind in ("parameter", "buffer", "tensor_constant"):
            values[content["arg"]["name"]] = weights[content[f"{kind}_name"]]
        else:
            raise InvalidStateError(f"the program has an input of kind {kind!r}, not a tensor")
    return values, inputs


def _input_form(form: Mapping[str, Any]) -> tuple[tuple[int, ...], torch.dtype]:
    n_rows, *sizes = form["sizes"]
    if n_rows.get("as_int", 1) != 1:
        raise InvalidStateError(
            f"the program takes {n_rows['as_int']} rows at a time: export it with an example of "
            "one row, or with a dynamic first dimension"
        )
    return tuple(operator.index(size["as_int"]) for size in sizes), DTYPES[form["dtype"]]
