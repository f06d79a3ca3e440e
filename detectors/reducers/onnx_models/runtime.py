"""ONNX Runtime as an optional part of the detectors, and how they run it."""

from __future__ import annotations

import re

from detectors.errors import InvalidParameterError

try:
    import onnxruntime
except ImportError as error:
    raise ImportError(
        "a model of your own needs ONNX Runtime, here and in the Python of a cluster's workers: in "
        "Loudly's folder run make setup, or pip install '.[onnx]'"
    ) from error

__all__ = ["onnxruntime", "reason_of", "session_of"]

# How an entry ``location`` of a tensor begins in the file: its numbers lie in another one.
_ELSEWHERE = b"\x0a\x08location\x12"
_NO_OPERATOR = re.compile(r"(\S+?)(?:\(-?\d+\))? is not a registered|No Op registered for (\S+)")
_MESSAGE = re.compile(r"^\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : ")


def session_of(data: bytes) -> onnxruntime.InferenceSession:
    """Load a model on one thread, without looking for anything beside it.

    More threads would split sums elsewhere, so that results depend on the number of cores.

    Raises
    ------
    InvalidParameterError
        If ``data`` is not a model that ONNX Runtime can run; says why.
    """
    if _ELSEWHERE in data:
        # ONNX Runtime would look for it in the folder in which the process happens to run.
        raise InvalidParameterError(
            "the model keeps its weights in another file: export it as one, in PyTorch by "
            "torch.onnx.export(..., external_data=False)"
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    # It would write to the standard error of a worker; all that matters is raised.
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise InvalidParameterError(_why_not_loaded(str(error))) from error


def reason_of(error: Exception) -> str:
    """Return what ONNX Runtime says of an error, without its codes.

    Examples
    --------
    >>> reason_of(ValueError("[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : Too wide."))
    'Too wide.'
    """
    return _MESSAGE.sub("", str(error)).strip()


def _why_not_loaded(message: str) -> str:
    if "INVALID_PROTOBUF" in message or "No graph was found" in message:
        return "not a model in ONNX format"
    if found := _NO_OPERATOR.search(message):
        return (
            f"the model uses the operator {found[1] or found[2]}, which ONNX Runtime "
            f"{onnxruntime.__version__} does not have: export it without custom operators"
        )
    reason = reason_of(ValueError(message))
    return f"ONNX Runtime {onnxruntime.__version__} cannot load the model: {reason}"
