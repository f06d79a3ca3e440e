from __future__ import annotations

import io
import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import save_file

from detectors import InvalidParameterError, InvalidStateError, NonFiniteError, ShapeError
from detectors.reducers.neural.classifiers import TorchHardPredictions, TorchSoftmax
from detectors.reducers.neural.program import Program, exported
from detectors.reducers.neural.runtime import nn, torch


def network(seed: int = 3) -> nn.Sequential:
    """Odd widths and a transcendental function: what torch rounds differently in batches."""
    layers = nn.Sequential(nn.Linear(7, 5), nn.Tanh(), nn.Dropout(0.5), nn.Linear(5, 3))
    for parameter in layers.parameters():
        nn.init.normal_(parameter, generator=torch.Generator().manual_seed(seed))
    return layers


def convolutional() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(36, 3),
    )


class Custom(nn.Module):
    """A module whose ``forward`` is ``function(self, x)``."""

    def __init__(self, function):
        super().__init__()
        self.function = function
        self.layer = nn.Linear(7, 3)
        self.register_buffer("seen", torch.zeros(3))

    def forward(self, x):
        return self.function(self, x)


def rows(n: int = 41, n_columns: int = 7, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, n_columns))


def probabilities(model: nn.Module, x: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        logits = model.eval()(torch.from_numpy(x.astype(np.float32)))
        return torch.softmax(logits.double(), dim=1).numpy()


def saved_program(path: Path, model: nn.Module, n_rows: int = 1, **options) -> Path:
    example = (torch.zeros(n_rows, 7),)
    torch.export.save(torch.export.export(model.eval(), example, **options), path)
    return path


@pytest.fixture(scope="module", autouse=True)
def program_bytes() -> bytes:
    return exported(network(), (7,))


def test_it_gives_the_softmax_of_the_models_logits():
    expected = probabilities(network(), rows())

    reduced = TorchSoftmax(network()).fit(rows()).transform(rows())

    np.testing.assert_allclose(reduced, expected, atol=1e-6)
    np.testing.assert_allclose(reduced.sum(axis=1), 1.0, atol=1e-12)


def test_rows_are_arranged_as_images():
    model = convolutional()
    x = rows(9, 36)

    reduced = TorchSoftmax(model, input_shape=(1, 6, 6)).fit(x).transform(x)

    np.testing.assert_allclose(reduced, probabilities(model, x.reshape(9, 1, 6, 6)), atol=1e-6)


def test_the_users_model_stays_as_it_is():
    model = convolutional().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}

    TorchSoftmax(model, input_shape=(1, 6, 6)).fit(rows(9, 36)).transform(rows(9, 36))

    assert all(module.training for module in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("make", [TorchSoftmax, TorchHardPredictions])
def test_rows_keep_their_bits_whatever_rows_come_along(make, rng):
    reducer = make(network()).fit(rows())
    together = reducer.transform(rows())

    order = rng.permutation(41)
    np.testing.assert_array_equal(reducer.transform(rows()[order]), together[order])
    for n in (1, 2, 9, 40):
        np.testing.assert_array_equal(reducer.transform(rows()[-n:]), together[-n:])


def test_neither_threads_nor_the_global_generator_matter_or_change():
    before = torch.get_num_threads()
    reducer = TorchSoftmax(network()).fit(rows())
    expected = reducer.transform(rows())
    state = torch.get_rng_state()

    try:
        torch.set_num_threads(2)
        np.testing.assert_array_equal(reducer.transform(rows()), expected)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert torch.equal(torch.get_rng_state(), state)


def test_hard_predictions_are_the_most_probable_classes():
    reduced = TorchHardPredictions(network()).fit(rows()).transform(rows())

    assert reduced.shape == (41, 1)
    assert reduced.dtype == np.float64
    np.testing.assert_array_equal(
        reduced[:, 0], probabilities(network(), rows()).argmax(axis=1).astype(float)
    )


def test_probabilities_are_handed_through():
    model = nn.Sequential(*network(), nn.Softmax(dim=1))

    reduced = TorchSoftmax(model, outputs="probabilities").fit(rows()).transform(rows())

    np.testing.assert_allclose(reduced, probabilities(network(), rows()), atol=1e-6)


def test_outputs_that_are_not_what_was_said_are_refused():
    with pytest.raises(InvalidParameterError, match="outputs are probabilities"):
        TorchSoftmax(nn.Sequential(*network(), nn.Softmax(dim=1))).fit(rows())
    with pytest.raises(InvalidParameterError, match="outputs are no probabilities"):
        TorchSoftmax(network(), outputs="probabilities").fit(rows())


def test_weights_come_from_safetensors(tmp_path):
    save_file(network(seed=8).state_dict(), tmp_path / "weights.safetensors")

    reducer = TorchSoftmax.from_weights(network(), tmp_path / "weights.safetensors")

    np.testing.assert_array_equal(
        reducer.fit(rows()).transform(rows()),
        TorchSoftmax(network(8)).fit(rows()).transform(rows()),
    )


def test_weights_that_do_not_fit_or_could_run_code_are_refused(tmp_path):
    save_file({"0.weight": torch.zeros(5, 7)}, tmp_path / "few.safetensors")
    (tmp_path / "damaged.safetensors").write_bytes(b"\xff" * 40)
    torch.save(network().state_dict(), tmp_path / "pickled.pt")

    for name in ("few.safetensors", "damaged.safetensors"):
        with pytest.raises(InvalidParameterError, match="do not fit"):
            TorchSoftmax.from_weights(network(), tmp_path / name)
    with pytest.raises(InvalidParameterError, match="save_file"):
        TorchSoftmax.from_weights(network(), tmp_path / "pickled.pt")
    with pytest.raises(FileNotFoundError):
        TorchSoftmax.from_weights(network(), tmp_path / "none.safetensors")


@pytest.mark.parametrize("n_rows", [1, 2])
def test_a_program_of_one_row_or_of_any_number_of_rows_gives_equal_bits(tmp_path, n_rows):
    options = {} if n_rows == 1 else {"dynamic_shapes": ({0: torch.export.Dim("n", min=1)},)}
    path = saved_program(tmp_path / "model.pt2", network(), n_rows, **options)

    reducer = TorchSoftmax.from_program(path).fit(rows())

    np.testing.assert_array_equal(
        reducer.transform(rows()), TorchSoftmax(network()).fit(rows()).transform(rows())
    )


def test_a_program_that_takes_two_rows_at_a_time_is_refused(tmp_path):
    path = saved_program(tmp_path / "model.pt2", network(), n_rows=2)

    with pytest.raises(InvalidStateError, match="2 rows at a time"):
        TorchSoftmax.from_program(path)


def test_views_splits_and_operations_in_place_run_as_in_torch(tmp_path):
    def forward(self, x):
        y = self.layer(x.view(x.shape[0], -1, 7)).flatten(1)
        y += self.seen + torch.arange(3.0)
        first, others = y.split([1, 2], dim=1)
        return torch.cat([others, first.to(torch.float64).float()], dim=1) * x.shape[1]

    model = Custom(forward)
    path = saved_program(
        tmp_path / "model.pt2",
        model,
        n_rows=2,
        dynamic_shapes={"x": {0: torch.export.Dim("n", min=1)}},
    )

    reduced = TorchSoftmax.from_program(path).fit(rows()).transform(rows())

    np.testing.assert_allclose(reduced, probabilities(model, rows()), atol=1e-6)


def test_the_stored_state_needs_neither_the_class_nor_the_file():
    reducer = TorchSoftmax(Custom(lambda self, x: self.layer(x))).fit(rows())

    restored = TorchSoftmax.from_arrays(reducer.to_arrays())

    np.testing.assert_array_equal(restored.transform(rows()), reducer.transform(rows()))
    np.testing.assert_array_equal(restored.fit(rows()).transform(rows()), reducer.transform(rows()))
    assert set(reducer.to_arrays()) == {"program", "sha256", "gives_logits"}


def test_a_stored_program_does_not_tell_where_it_was_exported(program_bytes):
    assert str(Path(torch.__file__).parent).encode() not in program_bytes
    assert Path(__file__).name.encode() not in program_bytes


@pytest.mark.parametrize(
    "change",
    [
        {"program": np.zeros(9, dtype=np.uint8)},
        {"sha256": np.zeros(32, dtype=np.uint8)},
        {"gives_logits": np.array(1.0)},
    ],
)
def test_stored_arrays_of_another_form_are_refused(change):
    arrays = TorchSoftmax(network()).fit(rows()).to_arrays()

    with pytest.raises(InvalidStateError):
        TorchSoftmax.from_arrays({**arrays, **change})


def test_a_row_of_another_width_is_refused(tmp_path):
    path = saved_program(tmp_path / "model.pt2", network())

    with pytest.raises(ShapeError):
        TorchSoftmax.from_program(path).fit(rows(n_columns=8))
    with pytest.raises(ShapeError):
        TorchSoftmax(network(), input_shape=(7,)).fit(rows(n_columns=8))


def test_numbers_that_overflow_in_the_model_are_refused():
    reducer = TorchSoftmax(Custom(lambda self, x: self.layer(x) * 1e30)).fit(rows())

    with pytest.raises(NonFiniteError, match="outputs for x"):
        reducer.transform(np.full((1, 7), 1e30))


def test_numbers_that_the_models_precision_cannot_hold_are_refused():
    # The hyperbolic tangent of infinity is finite again.
    reducer = TorchSoftmax(network()).fit(rows())

    with pytest.raises(NonFiniteError, match=r"x in torch.float32 .* row 2"):
        reducer.transform(np.vstack([rows(2), np.full((1, 7), 1e300)]))


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda self, x: self.layer(x) if x.sum() > 0 else x[:, :3], "cannot export"),
        (lambda self, x: self.layer(x[:, :5]), "cannot export"),
        (lambda self, x: self.layer(x).sum(dim=1), "n_classes"),
        (lambda self, x: self.layer(x)[:, :1], "2 classes"),
    ],
)
def test_models_that_cannot_be_used_say_why(function, reason):
    with pytest.raises(InvalidParameterError, match=reason):
        TorchSoftmax(Custom(function)).fit(rows())


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda self, x: self.layer(x) + torch.rand_like(self.layer(x)), "rand_like"),
        (lambda self, x: nn.functional.dropout(self.layer(x), 0.5), "training mode"),
        (lambda self, x: self.layer(x) + self.seen.add_(1.0), "changes its weights"),
    ],
)
def test_models_whose_outputs_are_not_a_function_of_the_row_are_refused(function, reason):
    with pytest.raises(InvalidStateError, match=reason):
        TorchSoftmax(Custom(function)).fit(rows())


@pytest.mark.parametrize(
    "parameters",
    [{"outputs": "classes"}, {"input_shape": (0, 7)}, {"input_shape": (7.0,)}],
)
def test_parameters_outside_their_range_are_refused(parameters):
    with pytest.raises(InvalidParameterError):
        TorchSoftmax(network(), **parameters)


def test_a_path_is_no_model():
    with pytest.raises(InvalidParameterError, match="from_program"):
        TorchSoftmax("model.pt2")


class Payload:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return (Path.write_text, (self.path, "ran"))


def rewritten(data: bytes, path: str, change) -> bytes:
    """The archive with the content of one entry replaced by ``change`` of it."""
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(changed, "w") as new:
        assert f"archive/{path}" in old.namelist()
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, change(content) if name == f"archive/{path}" else content)
    return changed.getvalue()


def with_json(data: bytes, path: str, change) -> bytes:
    def edited(content: bytes) -> bytes:
        document = json.loads(content)
        change(document)
        return json.dumps(document).encode()

    return rewritten(data, path, edited)


MODEL = "models/model.json"
WEIGHTS = "data/weights/model_weights_config.json"


def test_the_payload_of_these_tests_runs_when_it_is_unpickled(tmp_path):
    pickle.loads(pickle.dumps(Payload(tmp_path / "marker")))

    assert (tmp_path / "marker").exists()


def test_a_pickled_weight_is_refused_and_does_not_run(program_bytes, tmp_path):
    payload = pickle.dumps(Payload(tmp_path / "marker"))
    data = rewritten(program_bytes, "data/weights/weight_0", lambda _: payload)
    data = with_json(data, WEIGHTS, lambda d: d["config"]["0.weight"].update(use_pickle=True))

    with pytest.raises(InvalidStateError, match="pickled"):
        Program(data)
    assert not (tmp_path / "marker").exists()


def test_pickled_sample_inputs_are_not_read(program_bytes, tmp_path):
    payload = pickle.dumps(Payload(tmp_path / "marker"))
    data = rewritten(program_bytes, "data/sample_inputs/model.pt", lambda _: payload)

    output = Program(data).run(torch.zeros(1, 7))

    assert torch.equal(output, Program(program_bytes).run(torch.zeros(1, 7)))
    assert not (tmp_path / "marker").exists()


def test_expressions_and_names_of_a_program_are_not_evaluated(program_bytes, tmp_path):
    code = f"__import__('pathlib').Path({str(tmp_path / 'marker')!r}).write_text('ran')"
    injected = json.dumps(f"x=({code})")[1:-1].encode()
    size = {"as_expr": {"expr_str": code, "hint": None}}
    data = with_json(
        program_bytes,
        MODEL,
        lambda d: d["graph_module"]["graph"]["tensor_values"]["input"]["sizes"].__setitem__(
            0, size
        ),
    )
    data = rewritten(data, MODEL, lambda content: content.replace(b'"input"', b'"%s"' % injected))

    assert Program(data).run(torch.zeros(1, 7)).shape == (1, 3)
    assert not (tmp_path / "marker").exists()


def first_call(document) -> dict:
    return document["graph_module"]["graph"]["nodes"][0]


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "posix.system",
        "torch.load",
        "torch.ops.aten.from_file.default",
        "torch.ops.aten.save.default",
        "torch.ops.aten.rand_like.default",
        "torch.ops.aten.linear.out",
        "torch.ops.aten.__class__.linear",
        "torch.ops.prim.Print.default",
        "torch.ops.higher_order.cond",
        "_operator.attrgetter",
        "linear",
    ],
)
def test_operators_that_are_not_on_the_list_are_refused_by_name(program_bytes, target):
    data = with_json(program_bytes, MODEL, lambda d: first_call(d).update(target=target))

    with pytest.raises(InvalidStateError, match="not allowed"):
        Program(data)


def larger(document) -> None:
    document["config"]["0.weight"]["tensor_meta"]["sizes"] = [{"as_int": 10**12}, {"as_int": 7}]


def repeated(document) -> None:
    form = document["config"]["0.bias"]["tensor_meta"]
    form.update(sizes=[{"as_int": 10**9}], strides=[{"as_int": 0}])


def beyond(document) -> None:
    document["config"]["0.bias"]["tensor_meta"]["storage_offset"] = {"as_int": 10**9}


@pytest.mark.parametrize("change", [larger, repeated, beyond, lambda d: d["config"].clear()])
def test_weights_that_claim_other_numbers_than_they_have_are_refused(program_bytes, change):
    with pytest.raises(InvalidStateError):
        Program(with_json(program_bytes, WEIGHTS, change))


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["schema_version"].update(major=99),
        lambda d: d.pop("graph_module"),
        lambda d: d["graph_module"]["graph"].update(outputs=[]),
        lambda d: d["graph_module"]["graph"].update(nodes=7),
        lambda d: d["graph_module"]["signature"]["input_specs"].append({"custom_obj": {}}),
        lambda d: first_call(d)["inputs"][0].update(arg={"as_graph": {"name": "g"}}),
        lambda d: first_call(d)["inputs"][0].update(arg={"as_scalar_type": 99}),
    ],
)
def test_programs_of_another_form_are_refused(program_bytes, change):
    with pytest.raises(InvalidStateError):
        Program(with_json(program_bytes, MODEL, change))


@pytest.mark.parametrize(
    "argument", [{"as_tensor": {"name": "later"}}, {"as_string": "x"}, {"as_int": 3}]
)
def test_calls_that_torch_refuses_are_errors_of_the_program(program_bytes, argument):
    data = with_json(
        program_bytes, MODEL, lambda d: first_call(d)["inputs"][0].update(arg=argument)
    )

    with pytest.raises(InvalidStateError, match="cannot be run"):
        Program(data).run(torch.zeros(1, 7))


def test_a_compressed_archive_is_refused_before_it_is_unpacked():
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/models/model.json", b" " * 10**6)

    with pytest.raises(InvalidStateError, match="compressed"):
        Program(data.getvalue())


@pytest.mark.parametrize("n_bytes", [0, 10, 1000, 5000])
def test_a_program_cut_short_is_refused(program_bytes, n_bytes):
    with pytest.raises(InvalidStateError):
        Program(program_bytes[:n_bytes])
