"""The paper's reducers and tests, each as the library offers it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from detectors.base import FloatArray, Reducer, TwoSampleTest
from detectors.reducers import PCA, NoReduction, SoftmaxOutputs
from detectors.reducers.neural.autoencoders import TrainedAutoencoder, UntrainedAutoencoder
from detectors.reducers.neural.training import Training
from detectors.reducers.random_projection import SparseRandomProjection
from detectors.reducers.softmax import HardPredictions
from detectors.two_sample.chi_square.chi_square import ChiSquareTest
from detectors.two_sample.classifier.binomial import BinomialTest
from detectors.two_sample.ks.ks import KSTest
from detectors.two_sample.mmd import MMDTest
from scripts.replicate.data import Images
from scripts.replicate.label_classifier import LabelClassifier

N_COMPONENTS = 32
N_PERMUTATIONS = 199
"""Enough at level 0.05: the p-values are multiples of 0.005."""

TRAINING = Training(learning_rate=3e-3, batch_size=64, max_epochs=30, patience=5)
"""Of the trained autoencoder: at most a minute on one core for 2,500 images of MNIST."""

ReducerFactory = Callable[[tuple[int, int], int], Reducer]


@dataclass(frozen=True)
class Reduction:
    """Ways in which the rows that a test sees come about.

    Attributes
    ----------
    make : callable
        Makes the reducer from the images' shape and a seed.
    of_softmax : bool
        Whether it reduces softmax outputs of the label classifier instead of pixels.
    """

    make: ReducerFactory
    of_softmax: bool = False


REDUCTIONS: Mapping[str, Reduction] = MappingProxyType(
    {
        "none": Reduction(lambda shape, seed: NoReduction()),
        "pca": Reduction(lambda shape, seed: PCA(N_COMPONENTS)),
        "srp": Reduction(lambda shape, seed: SparseRandomProjection(N_COMPONENTS, seed=seed)),
        "uae": Reduction(
            lambda shape, seed: UntrainedAutoencoder(N_COMPONENTS, image_shape=shape, seed=seed)
        ),
        "tae": Reduction(
            lambda shape, seed: TrainedAutoencoder(
                N_COMPONENTS, image_shape=shape, seed=seed, training=TRAINING
            )
        ),
        "bbsds": Reduction(lambda shape, seed: SoftmaxOutputs(), of_softmax=True),
        "bbsdh": Reduction(lambda shape, seed: HardPredictions(), of_softmax=True),
    }
)


@dataclass(frozen=True)
class Method:
    """A reduction and a test.

    Attributes
    ----------
    name : str
        As in the results, ``test-reduction``.
    test, reduction : str
        As in the paper's tables.
    key : str
        Of :data:`REDUCTIONS`.
    make_test : callable
        Makes a test that is not yet fitted.
    """

    name: str
    test: str
    reduction: str
    key: str
    make_test: Callable[[], TwoSampleTest]


_KS_AND_MMD = {
    "none": "NoRed",
    "pca": "PCA",
    "srp": "SRP",
    "uae": "UAE",
    "tae": "TAE",
    "bbsds": "BBSDs",
}


def _methods() -> list[Method]:
    mmd = partial(MMDTest, N_PERMUTATIONS)
    reductions = [(key, name) for key, name in _KS_AND_MMD.items() if key in REDUCTIONS]
    return [
        *(Method(f"ks-{key}", "KS", name, key, KSTest) for key, name in reductions),
        Method("chi2-bbsdh", "χ²", "BBSDh", "bbsdh", ChiSquareTest),
        Method("binomial-classif", "Bin", "Classif", "none", BinomialTest),
        *(Method(f"mmd-{key}", "MMD", name, key, mmd) for key, name in reductions),
    ]


METHODS: Mapping[str, Method] = MappingProxyType({each.name: each for each in _methods()})
"""In the order of the paper's Table 1a."""


class Reducers:
    """All reducers of one run, fitted to the training split.

    Parameters
    ----------
    train : Images
    classifier : LabelClassifier
        Already trained on the same images.
    seed : int
    keys : set of str
        Of :data:`REDUCTIONS`.
    """

    def __init__(
        self, train: Images, classifier: LabelClassifier, seed: int, keys: set[str]
    ) -> None:
        self._classifier = classifier
        views = self._views(train.x)
        self._reducers = {
            key: reduction.make(train.image_shape, seed).fit(views[reduction.of_softmax])
            for key, reduction in REDUCTIONS.items()
            if key in keys
        }

    def reduce(self, x: FloatArray) -> dict[str, FloatArray]:
        """Every reduction of the pixels ``x``, shape (n, n_features)."""
        views = self._views(x)
        return {
            key: reducer.transform(views[REDUCTIONS[key].of_softmax])
            for key, reducer in self._reducers.items()
        }

    def _views(self, x: FloatArray) -> dict[bool, FloatArray]:
        return {False: x, True: self._classifier.outputs(x)}
