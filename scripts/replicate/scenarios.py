"""Scenarios of the test split: every shift of the paper, in every share, and none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import numpy as np

from detectors.base import FloatArray
from detectors.shifts import Intensity, gaussian_noise, image_shift, knock_out
from scripts.replicate.data import Images
from scripts.replicate.label_classifier import LabelClassifier

CONTROL = "control"
KNOCKED_OUT = 0
"""The class that is knocked out, and the only one that 'only zeros' keeps."""


@dataclass(frozen=True)
class Scenario:
    """One shift in one share of the rows; a control has the share 0 and the number of its draw."""

    shift: str
    share: float
    repeat: int = 0


def scenarios(shares: tuple[float, ...], n_controls: int) -> list[Scenario]:
    """Every shift in every share, then the controls."""
    shifted = [Scenario(shift, share) for shift in SHIFTS for share in shares]
    return shifted + [Scenario(CONTROL, 0.0, repeat) for repeat in range(n_controls)]


Shift = Callable[[Images, float, LabelClassifier, np.random.Generator], FloatArray]


def _noise(
    intensity: Intensity,
    images: Images,
    share: float,
    _: LabelClassifier,
    rng: np.random.Generator,
) -> FloatArray:
    return gaussian_noise(images.x, intensity, share=share, rng=rng)


def _moved(
    intensity: Intensity,
    images: Images,
    share: float,
    _: LabelClassifier,
    rng: np.random.Generator,
) -> FloatArray:
    return image_shift(images.x, intensity, image_shape=images.image_shape, share=share, rng=rng)


def _knocked_out(
    images: Images, share: float, _: LabelClassifier, rng: np.random.Generator
) -> FloatArray:
    return images.x[knock_out(images.labels, KNOCKED_OUT, share=share, rng=rng)]


def _moved_and_knocked_out(
    images: Images, share: float, classifier: LabelClassifier, rng: np.random.Generator
) -> FloatArray:
    x = _moved("medium", images, 0.5, classifier, rng)
    return _knocked_out(Images(x, images.labels, images.image_shape), share, classifier, rng)


def _moved_zeros(
    images: Images, share: float, classifier: LabelClassifier, rng: np.random.Generator
) -> FloatArray:
    zeros = images.take(np.flatnonzero(images.labels == KNOCKED_OUT))
    return _moved("medium", zeros, share, classifier, rng)


def _adversarial(
    images: Images, share: float, classifier: LabelClassifier, rng: np.random.Generator
) -> FloatArray:
    rows = rng.choice(len(images), size=round(share * len(images)), replace=False)
    x = images.x.copy()
    x[rows] = classifier.adversarial(images.x[rows], images.labels[rows])
    return x


SHIFTS: Mapping[str, Shift] = MappingProxyType(
    {
        "s_gn": partial(_noise, "small"),
        "m_gn": partial(_noise, "medium"),
        "l_gn": partial(_noise, "large"),
        "s_img": partial(_moved, "small"),
        "m_img": partial(_moved, "medium"),
        "l_img": partial(_moved, "large"),
        "adv": _adversarial,
        "ko": _knocked_out,
        "m_img+ko": _moved_and_knocked_out,
        "oz+m_img": _moved_zeros,
    }
)
"""By the names of the paper's tables."""


def shifted(
    scenario: Scenario, images: Images, classifier: LabelClassifier, rng: np.random.Generator
) -> FloatArray:
    """The pixels of ``images`` under a scenario that is not a control."""
    return SHIFTS[scenario.shift](images, scenario.share, classifier, rng)
