from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from detectors import InvalidParameterError
from detectors.errors import DetectorError
from detectors.reducers.onnx_models.model import OnnxModel
from tests.onnx_files import layers_of, network_file, parsed

DATA = network_file(layers_of((7, 5, 3)))


class Payload:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return (Path.write_text, (self.path, "ran"))


def test_a_model_says_what_it_takes_and_gives(tmp_path):
    (tmp_path / "model.onnx").write_bytes(DATA)

    model = OnnxModel.from_file(tmp_path / "model.onnx")

    assert [str(each) for each in model.inputs] == ["'inputs', tensor(float) (n, 7)"]
    assert [str(each) for each in model.outputs] == ["'outputs', tensor(float) (n, 3)"]
    assert model.data == DATA


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.onnx"):
        OnnxModel.from_file(tmp_path / "none.onnx")


@pytest.mark.parametrize("data", [b"", b"not a model", b"PK\x03\x04" + bytes(100), DATA[:90]])
def test_a_file_that_is_not_onnx_is_refused(data):
    with pytest.raises(InvalidParameterError, match="not a model in ONNX format"):
        OnnxModel(data)


def test_a_pickle_is_refused_and_does_not_run(tmp_path):
    with pytest.raises(InvalidParameterError, match="not a model in ONNX format"):
        OnnxModel(pickle.dumps(Payload(tmp_path / "marker")))

    assert not (tmp_path / "marker").exists()


@given(st.integers(0, len(DATA) - 1), st.integers(0, 255))
@example(DATA.rindex(b"inputs"), 0x80)
@example(DATA.rindex(b"outputs"), 0xFF)
@settings(max_examples=100, deadline=None)
def test_a_damaged_file_is_refused_or_runs(place, value):
    data = bytearray(DATA)
    data[place] = value

    # Anything else that is raised, or the end of the process, fails the test.
    with contextlib.suppress(DetectorError):
        outputs = OnnxModel(bytes(data)).bound({"x": 7})(np.zeros((2, 7)))
        assert outputs.shape[0] == 2


@pytest.mark.parametrize(
    ("text", "opsets", "name"),
    [
        ("mine (float[n, 2] x) => (float[n, 2] y) {y = com.mine.Fold(x)}", '"com.mine": 1', "Fold"),
        ("mine (float[n, 2] x) => (float[n, 2] y) {y = Fold(x)}", '"": 17', "Fold"),
    ],
)
def test_an_operator_that_onnx_runtime_does_not_have_is_named(text, opsets, name):
    with pytest.raises(InvalidParameterError, match=f"operator .*{name}, which ONNX Runtime"):
        OnnxModel(parsed(text, opsets))


def test_a_model_of_a_later_standard_is_refused_with_the_reason():
    with pytest.raises(InvalidParameterError, match=r"cannot load the model: .*opset"):
        OnnxModel(parsed("later (float[n, 2] x) => (float[n, 2] y) {y = Abs(x)}", '"": 9999'))


def test_weights_in_another_file_are_refused_even_where_that_file_is_at_hand(tmp_path):
    onnx.save_model(
        onnx.load_from_string(DATA),
        tmp_path / "model.onnx",
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=0,
    )
    before = Path.cwd()

    os.chdir(tmp_path)
    try:
        with pytest.raises(InvalidParameterError, match="external_data=False"):
            OnnxModel.from_file("model.onnx")
    finally:
        os.chdir(before)


WITHOUT_ONNX_RUNTIME = """
import sys
sys.modules["onnxruntime"] = None
from detectors import reducer_of_kind
try:
    reducer_of_kind("onnx_softmax")
except ImportError as error:
    print(error)
"""


def test_without_onnx_runtime_the_import_names_the_extra_that_brings_it():
    command = [sys.executable, "-c", WITHOUT_ONNX_RUNTIME]

    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert "pip install '.[onnx]'" in printed
