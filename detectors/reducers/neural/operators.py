"""The calls of an exported torch program: which operators are allowed, and what JSON stands for."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from detectors.errors import InvalidStateError
from detectors.reducers.neural.runtime import torch

ALLOWED_OPERATORS = frozenset(
    """
    _log_softmax _native_batch_norm_legit_no_training _softmax _to_copy _unsafe_view abs add add_
    adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d
    adaptive_max_pool2d addmm alias alpha_dropout amax amin any arange argmax avg_pool1d avg_pool2d
    avg_pool3d baddbmm batch_norm bitwise_and bitwise_not bitwise_or bmm cat ceil celu chunk clamp
    clamp_ clamp_max clamp_min clone constant_pad_nd contiguous conv1d conv2d conv3d
    conv_transpose1d conv_transpose2d convolution copy cos cumsum detach detach_ div div_ dropout
    dropout_ einsum elu elu_ embedding eq erf exp expand expand_as feature_dropout fill flatten
    flip floor floor_divide full full_like gather ge gelu glu group_norm gru gt hardsigmoid
    hardsigmoid_ hardswish hardswish_ hardtanh hardtanh_ index index_select instance_norm
    layer_norm le leaky_relu leaky_relu_ lift_fresh_copy linalg_vector_norm linear log log1p
    log_softmax logical_and logical_not logical_or lstm lt masked_fill matmul max max_pool1d
    max_pool2d max_pool3d maximum mean min minimum mish mish_ mm mul mul_ narrow native_group_norm
    native_layer_norm ne neg new_full new_ones new_zeros norm ones ones_like pad permute pow prelu
    reciprocal relu relu6 relu6_ relu_ remainder repeat repeat_interleave reshape rms_norm rnn_relu
    rnn_tanh roll rsqrt rsub scalar_tensor scaled_dot_product_attention select selu selu_ sigmoid
    sigmoid_ sign silu silu_ sin slice softmax softplus split split_with_sizes sqrt square
    squeeze stack std sub sub_ sum swapaxes sym_numel sym_size t tanh tanh_ threshold threshold_
    tile to transpose tril triu type_as unbind unflatten unsqueeze upsample_bilinear2d
    upsample_nearest1d upsample_nearest2d var var_mean view view_as where zeros zeros_like
    """.split()  # noqa: SIM905 - as a list it would take 175 lines
)

INTEGER_OPERATORS: Mapping[str, Callable[..., Any]] = {
    f"_operator.{name}": getattr(operator, name)
    for name in ("add", "sub", "mul", "floordiv", "mod", "neg", "eq", "ne", "ge", "gt", "le", "lt")
}

ASSERTIONS = ("torch.ops.aten._assert_", "torch.ops.aten.sym_constrain_range")
"""What export adds to check sizes and devices; one that failed would not change a result."""

EVALUATION: Mapping[str, list[dict[str, Any]]] = {
    "train": [{"as_bool": False}],
    "training": [{"as_bool": False}],
    "dropout_p": [{"as_float": 0.0}],
}
"""What arguments of these names are in a model that was exported in evaluation mode."""

DTYPES: Mapping[int, torch.dtype] = {
    1: torch.uint8,
    2: torch.int8,
    3: torch.int16,
    4: torch.int32,
    5: torch.int64,
    6: torch.float16,
    7: torch.float32,
    8: torch.float64,
    12: torch.bool,
    13: torch.bfloat16,
}
MEMORY_FORMATS: Mapping[int, torch.memory_format] = {
    1: torch.contiguous_format,
    2: torch.channels_last,
    3: torch.channels_last_3d,
    4: torch.preserve_format,
}


Step = tuple[Callable[..., Any], list[Any], dict[str, Any], Any]
"""Operator, positional and named arguments, and the names of what it gives."""


class Name(str):
    """The name of an earlier value, in place of an argument."""


def step_of(node: Mapping[str, Any]) -> Step | None:
    """One call of the graph, None for an assertion."""
    if node["target"].startswith(ASSERTIONS):
        return None
    named = {item["name"]: argument_of(item["arg"]) for item in node["inputs"] if item["kind"] == 2}
    arguments = [argument_of(item["arg"]) for item in node["inputs"] if item["kind"] != 2]
    for item in node["inputs"]:
        if item["arg"] not in EVALUATION.get(item["name"], [item["arg"]]):
            raise InvalidStateError("the program was exported in training mode: call eval() first")
    outputs = [argument_of(output) for output in node["outputs"]]
    single = len(outputs) == 1
    return _function(node["target"]), arguments, named, outputs[0] if single else outputs


def _function(target: str) -> Callable[..., Any]:
    if target in INTEGER_OPERATORS:
        return INTEGER_OPERATORS[target]
    packet, _, overload = target.rpartition(".")
    namespace, _, name = packet.rpartition(".")
    if namespace != "torch.ops.aten" or name not in ALLOWED_OPERATORS or "out" in overload:
        raise InvalidStateError(f"the program calls {target!r}, which is not allowed here")
    function: Callable[..., Any] = getattr(getattr(torch.ops.aten, name), overload)
    return function


def argument_of(argument: Mapping[str, Any]) -> Any:
    """A literal of the JSON as a Python value, the name of an earlier value as a ``Name``."""
    ((kind, content),) = argument.items()
    match kind:
        case "as_none":
            return None
        case "as_tensor":
            return Name(content["name"])
        case "as_tensors":
            return [Name(item["name"]) for item in content]
        case "as_optional_tensor" | "as_sym_int" | "as_sym_bool" | "as_sym_float":
            return argument_of(content)
        case "as_optional_tensors" | "as_sym_ints" | "as_sym_bools" | "as_sym_floats":
            return [argument_of(item) for item in content]
        case "as_name":
            return Name(content)
        case "as_int" | "as_float" | "as_bool" | "as_string":
            return float(content) if kind == "as_float" else content
        case "as_ints" | "as_bools" | "as_strings":
            return list(content)
        case "as_floats":
            return [float(item) for item in content]
        case "as_scalar_type":
            return DTYPES[content]
        case "as_memory_format":
            return MEMORY_FORMATS[content]
        case "as_layout":
            return torch.strided
        case "as_device":
            return torch.device("cpu")
    raise InvalidStateError(f"the program has an argument of kind {kind!r}, which is not allowed")


def filled(argument: Any, values: Mapping[str, Any]) -> Any:
    """``argument`` with names replaced by their values."""
    if isinstance(argument, Name):
        return values[argument]
    if isinstance(argument, list):
        return [filled(item, values) for item in argument]
    if isinstance(argument, dict):
        return {name: filled(item, values) for name, item in argument.items()}
    return argument


def assign(names: Any, result: Any, values: dict[str, Any]) -> None:
    """Store what an operator gave under the names of its outputs."""
    if isinstance(names, Name):
        values[names] = result
    elif isinstance(names, list):
        for name, item in zip(names, result or (), strict=True):
            assign(name, item, values)
