"""Shifts that nobody simulated: other writers, and digits scanned by other people."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import zoom

from detectors.base import FloatArray
from scripts.replicate.data import Images, generator, load
from scripts.replicate.label_classifier import LabelClassifier
from scripts.replicate.methods import METHODS, Reducers
from scripts.replicate.results import Configuration, NaturalAccuracy, NaturalRecord, NaturalResults

SAMPLE_SIZES = (10, 20, 50, 100, 190)
NATURAL_METHODS = ("ks-none", "ks-pca", "ks-bbsds", "mmd-pca")

Rows = NDArray[np.int64]

MARGIN = 4
"""MNIST centres a digit of 20 × 20 pixels in 28 × 28."""

BITMAP = 32
BLOCK = 4
"""The digits of scikit-learn count the set pixels in blocks of 4 × 4 of a bitmap of 32 × 32."""


def as_digits(mnist: Images) -> Images:
    """MNIST drawn the way scikit-learn's digits were: the counts of set pixels in 8 × 8 blocks.

    The digit is cropped, enlarged to 32 × 32 and cut at half of full ink.
    """
    cropped = mnist.x.reshape(-1, 28, 28)[:, MARGIN:-MARGIN, MARGIN:-MARGIN]
    scale = BITMAP / cropped.shape[1]
    bitmaps = np.stack([zoom(image, scale, order=1) >= 0.5 for image in cropped])
    side = BITMAP // BLOCK
    counts = bitmaps.reshape(-1, side, BLOCK, side, BLOCK).sum(axis=(2, 4))
    return Images(counts.reshape(len(counts), -1) / BLOCK**2, mnist.labels, (side, side))


def measure(configuration: Configuration) -> NaturalResults:
    """Test for both natural shifts, and for their shuffled controls."""
    records: list[NaturalRecord] = []
    accuracies: list[NaturalAccuracy] = []
    for name, train, reference, test in _comparisons(configuration.n_images):
        classifier = LabelClassifier(0, configuration.epochs).fit(train)
        accuracies.append(
            NaturalAccuracy(name, classifier.accuracy(reference), classifier.accuracy(test))
        )
        keys = {METHODS[method].key for method in NATURAL_METHODS}
        reducers = Reducers(train, classifier, 0, keys)
        pair = reducers.reduce(reference.x), reducers.reduce(test.x)
        records += [
            _decision(name, method, size, repeat, pair)
            for method in NATURAL_METHODS
            for size in SAMPLE_SIZES
            for repeat in range(configuration.n_natural_repeats)
        ]
    return NaturalResults(records, accuracies)


def _comparisons(n_mnist: int | None) -> Iterator[tuple[str, Images, Images, Images]]:
    """Name, training images, reference and test images of each comparison."""
    digits = load("digits")
    third = len(digits) // 3
    first, last = np.arange(third), np.arange(len(digits) - third, len(digits))
    yield "digits, first third → last third", *_held_out(digits, first, last)
    shuffled = generator("digits", "shuffled").permutation(len(digits))
    yield "digits, thirds after shuffling", *_held_out(digits, shuffled[first], shuffled[last])
    mnist = load("mnist")
    rows = generator("mnist", "natural").permutation(len(mnist))[:n_mnist]
    mnist, rows = as_digits(mnist.take(rows)), np.arange(len(rows))
    train, reference, rest = np.split(rows, [len(rows) // 2, len(rows) * 3 // 4])
    halves = mnist.take(train), mnist.take(reference)
    yield "MNIST → digits", *halves, digits
    yield "MNIST → other MNIST", *halves, mnist.take(rest)


def _held_out(digits: Images, first: Rows, last: Rows) -> tuple[Images, Images, Images]:
    """Two thirds of the first rows to learn from, the others as the reference."""
    order = generator("digits", "held out").permutation(first)
    train, reference = np.split(order, [len(order) * 2 // 3])
    return digits.take(train), digits.take(reference), digits.take(last)


def _decision(
    comparison: str,
    method: str,
    sample_size: int,
    repeat: int,
    pair: tuple[dict[str, FloatArray], dict[str, FloatArray]],
) -> NaturalRecord:
    rng = generator(comparison, method, sample_size, repeat)
    x_ref, x_test = (
        rng.permutation(reduced[METHODS[method].key])[:sample_size] for reduced in pair
    )
    p_value = METHODS[method].make_test().fit(x_ref).test(x_test, rng=rng).p_value
    return NaturalRecord(comparison, method, sample_size, repeat, p_value)
