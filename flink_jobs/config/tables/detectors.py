"""The tables of a configuration that choose a reducer and a two-sample test.

One struct for each kind of :mod:`detectors`; its tag is the kind.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta

from flink_jobs.config.tables.base import NonNegativeInt, PositiveInt, Sha256, Table
from flink_jobs.config.tables.columns import VectorSize


class NoReductionConfig(Table, frozen=True, kw_only=True, tag_field="kind", tag="none"):
    """Test the features as they are."""


class PCAConfig(Table, frozen=True, kw_only=True, tag_field="kind", tag="pca"):
    """Principal components fitted on the reference: a number of them or a share of variance."""

    n_components: PositiveInt | Annotated[float, Meta(gt=0.0, lt=1.0)] = 32
    scale_columns: bool = True


class SoftmaxOutputsConfig(
    Table, frozen=True, kw_only=True, tag_field="kind", tag="softmax_outputs"
):
    """BBSDs: test the softmax outputs that each event carries."""


class SparseRandomProjectionConfig(
    Table, frozen=True, kw_only=True, tag_field="kind", tag="sparse_random_projection"
):
    """Sparse random directions, drawn from a seed."""

    n_components: PositiveInt = 32
    seed: Annotated[int, Meta(ge=0)] = 0
    scale_columns: bool = True


class HardPredictionsConfig(
    Table, frozen=True, kw_only=True, tag_field="kind", tag="hard_predictions"
):
    """BBSDh: test the class that each event's softmax outputs predict."""


class OwnModelConfig(Table, frozen=True, kw_only=True):
    """A model in ONNX format that is evaluated on each event.

    Attributes
    ----------
    path : str
        The file. It is read where the job is submitted, and shipped with it.
    sha256 : str
        Of that file.
    output : str
        Which of the model's outputs is taken; empty where it has one alone.
    size : int
        Numbers of that output for one event.
    """

    path: str
    sha256: Sha256
    output: str = ""
    size: VectorSize


class OnnxEmbeddingConfig(
    OwnModelConfig, frozen=True, kw_only=True, tag_field="kind", tag="onnx_embedding"
):
    """Test what the model gives: an embedding, a score or any other numbers."""


class OwnClassifierConfig(OwnModelConfig, frozen=True, kw_only=True):
    """A classifier, with what its output holds."""

    gives: Literal["probabilities", "logits"] = "probabilities"


class OnnxSoftmaxConfig(
    OwnClassifierConfig, frozen=True, kw_only=True, tag_field="kind", tag="onnx_softmax"
):
    """BBSDs: test the class probabilities that the model gives."""


class OnnxHardPredictionsConfig(
    OwnClassifierConfig, frozen=True, kw_only=True, tag_field="kind", tag="onnx_hard_predictions"
):
    """BBSDh: test the class that the model predicts."""


PredictedClass = HardPredictionsConfig | OnnxHardPredictionsConfig
"""Reducers that leave the number of a class, a category."""

Cells = Annotated[int, Meta(ge=2, le=100_000)]


class KSConfig(Table, frozen=True, kw_only=True, tag_field="kind", tag="ks"):
    """Kolmogorov-Smirnov per dimension with Bonferroni correction.

    ``n_cells`` bounds the state: D is exact at this many quantiles of the reference, rather than at
    all its values. A reference that moves has 1,000 by default.
    """

    n_cells: Cells | None = None


class ChiSquareConfig(Table, frozen=True, kw_only=True, tag_field="kind", tag="chi_square"):
    """Chi-square of the categories' counts, with Bonferroni correction."""

    n_draws: Annotated[int, Meta(ge=99, le=1_000_000)] = 9_999


class MixedConfig(Table, frozen=True, kw_only=True, tag_field="kind", tag="mixed"):
    """Kolmogorov-Smirnov for numbers, chi-square for categories, Bonferroni over all.

    ``categorical_columns`` are places of numbers that stand for categories, for vectors without
    typed columns.
    """

    categorical_columns: tuple[NonNegativeInt, ...] = ()
    n_draws: Annotated[int, Meta(ge=99, le=1_000_000)] = 9_999
    n_cells: Cells | None = None


class BinomialConfig(Table, frozen=True, kw_only=True, tag_field="kind", tag="binomial"):
    """Test of whether a classifier tells held-out test events from reference events."""

    min_events: ClassVar[int] = 4
    n_fourier_features: PositiveInt = 100
    scale_columns: bool = True


class PermutedConfig(Table, frozen=True, kw_only=True):
    """A test with a permutation p-value."""

    n_permutations: Annotated[int, Meta(ge=19, le=1_000_000)] = 999


class MMDConfig(PermutedConfig, frozen=True, kw_only=True, tag_field="kind", tag="mmd"):
    """Maximum mean discrepancy."""

    bandwidth: Annotated[float, Meta(gt=0.0, le=1e140)] | Literal["median"] = "median"
    kernel: Literal["gaussian", "laplace"] = "gaussian"
    scale_columns: bool = True


class FourierMMDConfig(Table, frozen=True, kw_only=True, tag_field="kind", tag="mmd_features"):
    """Maximum mean discrepancy from sums of random features, of all events."""

    min_events: ClassVar[int] = 2
    n_features: Annotated[int, Meta(ge=2, le=65_536, multiple_of=2)] = 256
    bandwidth: Annotated[float, Meta(gt=0.0, le=1e140)] | Literal["median"] = "median"
    seed: Annotated[int, Meta(ge=0, lt=2**32)] = 0
    scale_columns: bool = True


class EnergyConfig(PermutedConfig, frozen=True, kw_only=True, tag_field="kind", tag="energy"):
    """Energy distance of whole events."""

    scale_columns: bool = True


class CramerVonMisesConfig(
    PermutedConfig, frozen=True, kw_only=True, tag_field="kind", tag="cramer_von_mises"
):
    """Cramér-von Mises per dimension."""


class WassersteinConfig(
    PermutedConfig, frozen=True, kw_only=True, tag_field="kind", tag="wasserstein"
):
    """Wasserstein distance per dimension, in standard deviations."""


class PSIConfig(PermutedConfig, frozen=True, kw_only=True, tag_field="kind", tag="psi"):
    """Population stability index per dimension, judged by its p-value."""

    n_bins: Annotated[int, Meta(ge=2, le=1_000)] = 10


class JensenShannonConfig(
    PermutedConfig, frozen=True, kw_only=True, tag_field="kind", tag="jensen_shannon"
):
    """Jensen-Shannon distance per dimension, judged by its p-value."""

    n_bins: Annotated[int, Meta(ge=2, le=1_000)] = 10


ReducerConfig = (
    NoReductionConfig
    | PCAConfig
    | SparseRandomProjectionConfig
    | SoftmaxOutputsConfig
    | HardPredictionsConfig
    | OnnxEmbeddingConfig
    | OnnxSoftmaxConfig
    | OnnxHardPredictionsConfig
)
TestConfig = (
    KSConfig
    | ChiSquareConfig
    | MixedConfig
    | BinomialConfig
    | MMDConfig
    | FourierMMDConfig
    | EnergyConfig
    | CramerVonMisesConfig
    | WassersteinConfig
    | PSIConfig
    | JensenShannonConfig
)


class DetectorTable(Table, frozen=True, kw_only=True):
    """A reducer and a two-sample test; by default those that suit the columns."""

    reducer: ReducerConfig | None = None
    test: TestConfig | None = None
    seed: Annotated[int, Meta(ge=0)] = 0


def kind_and_parameters(table: Table) -> tuple[str, dict[str, Any]]:
    """Take a table apart: its tag is the kind, and its keys are the names of the parameters.

    All but ``scale_columns``, which is a parameter of what goes before the reducer.
    """
    parameters = msgspec.structs.asdict(table)
    parameters.pop("scale_columns", None)
    return str(table.__struct_config__.tag), parameters


def scales_columns(reducer: ReducerConfig, test: Table) -> bool:
    """Tell whether a detector that prepares its columns also scales them: it does by default.

    The table that adds columns up says so: the reducer's where it projects, else the test's.
    """
    return bool(getattr(reducer, "scale_columns", getattr(test, "scale_columns", True)))
