"""Small models in ONNX format, written for tests, and the outputs that they should have."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from onnx.parser import parse_model

_FLOAT = 1
_OPSET = 17
_IR_VERSION = 8


class Layer(NamedTuple):
    """A dense layer: weights of shape (n_in, n_out) and a bias of shape (n_out,)."""

    weights: NDArray[np.float64]
    bias: NDArray[np.float64]


def layers_of(widths: Sequence[int], seed: int = 3) -> list[Layer]:
    """Random dense layers between some widths, in single precision as the file holds them."""
    rng = np.random.default_rng(seed)
    return [
        Layer(_single(rng.normal(size=(n_in, n_out))), _single(rng.normal(size=n_out)))
        for n_in, n_out in itertools.pairwise(widths)
    ]


def network_file(
    layers: Sequence[Layer],
    *,
    softmax: bool = False,
    input_shape: Sequence[int | str] | None = None,
    output: str = "outputs",
) -> bytes:
    """A network of dense layers with tanh between them, as ``torch.onnx.export`` writes one."""
    nodes, weights, last = [], [], "inputs"
    for place, layer in enumerate(layers):
        weights += [
            numpy_helper.from_array(layer.weights.astype(np.float32), f"w{place}"),
            numpy_helper.from_array(layer.bias.astype(np.float32), f"b{place}"),
        ]
        nodes.append(helper.make_node("Gemm", [last, f"w{place}", f"b{place}"], [f"z{place}"]))
        last = f"z{place}"
        if place < len(layers) - 1:
            nodes.append(helper.make_node("Tanh", [last], [f"a{place}"]))
            last = f"a{place}"
    nodes.append(helper.make_node("Softmax" if softmax else "Identity", [last], [output]))
    n_in, n_out = layers[0].weights.shape[0], layers[-1].weights.shape[1]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("inputs", _FLOAT, input_shape or ["n", n_in])],
        [helper.make_tensor_value_info(output, _FLOAT, ["n", n_out])],
        weights,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION
    )
    return bytes(model.SerializeToString())


def network_outputs(layers: Sequence[Layer], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute what the same network gives by NumPy, in double precision."""
    for layer in layers[:-1]:
        x = np.tanh(x @ layer.weights + layer.bias)
    return np.asarray(x @ layers[-1].weights + layers[-1].bias)


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities of the classes, row by row."""
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))


def parsed(text: str, opsets: str = f'"": {_OPSET}') -> bytes:
    """A model from the text form of ONNX: ``name (inputs) => (outputs) {nodes}``."""
    model = parse_model(f"<ir_version: {_IR_VERSION}, opset_import: [{opsets}]>\n{text}")
    return bytes(model.SerializeToString())


def _single(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return x.astype(np.float32).astype(np.float64)


def large_file(n_rows: int, n_in: int = 2, n_out: int = 3) -> bytes:
    """A classifier of 4 · n_out · n_rows bytes that is quick: a table from which it takes a row."""
    table = np.random.default_rng(4).normal(size=(n_rows, n_out)).astype(np.float32)
    layer = layers_of((n_in, n_out))[0]
    weights = {"w": layer.weights.astype(np.float32), "table": table}
    weights["columns"] = np.array([1], dtype=np.int64)
    nodes = [
        helper.make_node("MatMul", ["inputs", "w"], ["z"]),
        helper.make_node("ReduceSum", ["inputs", "columns"], ["sum"], keepdims=0),
        helper.make_node("Abs", ["sum"], ["size"]),
        helper.make_node("Cast", ["size"], ["place"], to=7),
        helper.make_node("Gather", ["table", "place"], ["row"]),
        helper.make_node("Add", ["z", "row"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["outputs"]),
    ]
    graph = helper.make_graph(
        nodes,
        "large",
        [helper.make_tensor_value_info("inputs", _FLOAT, ["n", n_in])],
        [helper.make_tensor_value_info("outputs", _FLOAT, ["n", n_out])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION
    )
    return bytes(model.SerializeToString())
