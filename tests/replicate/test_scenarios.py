from __future__ import annotations

import numpy as np
import pytest

from scripts.replicate.data import Splits, generator, load, split
from scripts.replicate.label_classifier import LabelClassifier
from scripts.replicate.natural import as_digits
from scripts.replicate.scenarios import SHIFTS, Scenario, scenarios, shifted


@pytest.fixture(scope="module")
def splits() -> Splits:
    return split(load("digits"), generator("tests"))


@pytest.fixture(scope="module")
def classifier(splits: Splits) -> LabelClassifier:
    return LabelClassifier(seed=0, epochs=8).fit(splits.train)


def test_the_splits_share_no_image_and_lose_none(splits: Splits):
    sizes = [len(images) for images in (splits.train, splits.validation, splits.test)]

    assert sizes == [898, 449, 450]
    pooled = np.concatenate([splits.train.x, splits.validation.x, splits.test.x])
    whole = load("digits").x
    assert np.array_equal(np.sort(pooled.sum(axis=1)), np.sort(whole.sum(axis=1)))


def test_the_label_classifier_is_good_and_the_same_for_the_same_seed(
    splits: Splits, classifier: LabelClassifier
):
    again = LabelClassifier(seed=0, epochs=8).fit(splits.train)

    assert classifier.accuracy(splits.validation) > 0.9
    assert np.array_equal(again.outputs(splits.test.x), classifier.outputs(splits.test.x))


@pytest.mark.parametrize("shift", SHIFTS)
def test_every_shift_gives_pixels_and_moves_some(
    shift: str, splits: Splits, classifier: LabelClassifier
):
    x = shifted(Scenario(shift, 1.0), splits.test, classifier, generator(shift))

    assert x.min() >= 0.0
    assert x.max() <= 1.0
    assert x.shape != splits.test.x.shape or not np.array_equal(x, splits.test.x)


def test_adversarial_images_are_mistaken_and_only_so_many_are_touched(
    splits: Splits, classifier: LabelClassifier
):
    x = shifted(Scenario("adv", 0.5), splits.test, classifier, generator("adv"))

    touched = (x != splits.test.x).any(axis=1)
    mistaken = classifier.outputs(x).argmax(axis=1) != splits.test.labels
    assert touched.mean() <= 0.5
    assert mistaken[touched].all()
    assert touched.mean() > 0.3


def test_a_full_knock_out_leaves_no_zero(splits: Splits, classifier: LabelClassifier):
    n_zeros = int((splits.test.labels == 0).sum())

    kept = shifted(Scenario("ko", 1.0), splits.test, classifier, generator("ko"))
    only_zeros = shifted(Scenario("oz+m_img", 1.0), splits.test, classifier, generator("oz"))

    assert len(kept) == len(splits.test) - n_zeros
    assert len(only_zeros) == n_zeros


def test_controls_come_on_top_of_every_shift_in_every_share():
    found = scenarios((0.1, 1.0), n_controls=3)

    assert len(found) == 2 * len(SHIFTS) + 3
    assert len(set(found)) == len(found)


def test_mnist_drawn_as_digits_has_their_size_and_their_16_levels():
    drawn = as_digits(load("mnist").take(np.arange(0, 5000, 500)))

    assert drawn.x.shape == (10, 64)
    assert np.array_equal(drawn.x * 16, np.round(drawn.x * 16))
    assert drawn.x.min() == 0.0
    assert drawn.x.max() == 1.0
