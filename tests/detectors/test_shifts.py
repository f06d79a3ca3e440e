from __future__ import annotations

import numpy as np
import pytest

from detectors import (
    InvalidParameterError,
    InvalidSampleError,
    ShapeError,
    gaussian_noise,
    image_shift,
    knock_out,
)
from detectors.shifts import IMAGE_SHIFTS, NOISE_SCALES, ImageShift, _moved

INTENSITIES = ["small", "medium", "large"]


@pytest.fixture
def images(rng) -> np.ndarray:
    """30 grey images of 9 by 12 pixels in [0, 1], each with one bright block."""
    x = np.zeros((30, 9, 12))
    for image in x:
        top, left = rng.integers(1, 5), rng.integers(1, 7)
        image[top : top + 3, left : left + 4] = rng.uniform(0.5, 1.0, size=(3, 4))
    return x.reshape(30, -1)


def n_changed(before: np.ndarray, after: np.ndarray) -> int:
    return int((before != after).any(axis=1).sum())


@pytest.mark.parametrize("intensity", INTENSITIES)
@pytest.mark.parametrize(("share", "rows"), [(0.0, 0), (0.1, 3), (0.5, 15), (1.0, 30)])
def test_the_asked_share_of_the_rows_is_shifted(images, intensity, share, rows):
    noisy = gaussian_noise(images, intensity, share=share, rng=np.random.default_rng(1))
    moved = image_shift(
        images, intensity, image_shape=(9, 12), share=share, rng=np.random.default_rng(1)
    )

    assert n_changed(images, noisy) == rows
    assert n_changed(images, moved) == rows


@pytest.mark.parametrize("intensity", INTENSITIES)
def test_equal_seeds_give_equal_shifts_and_inputs_stay_untouched(images, intensity):
    before = images.copy()

    for shift in (
        lambda seed: gaussian_noise(images, intensity, rng=np.random.default_rng(seed)),
        lambda seed: image_shift(
            images, intensity, image_shape=(9, 12), rng=np.random.default_rng(seed)
        ),
    ):
        np.testing.assert_array_equal(shift(1), shift(1))
        assert (shift(1) != shift(2)).any()

    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize("intensity", INTENSITIES)
def test_pixels_stay_in_the_unit_interval(images, intensity, rng):
    for shifted in (
        gaussian_noise(images, intensity, rng=rng),
        image_shift(images, intensity, image_shape=(9, 12), rng=rng),
    ):
        assert shifted.min() >= 0.0
        assert shifted.max() <= 1.0


@pytest.mark.parametrize("intensity", INTENSITIES)
def test_noise_has_the_named_scale(intensity, rng):
    noise = gaussian_noise(np.full((50, 400), 0.5), intensity, rng=rng) - 0.5

    # Clipping at 0.5 does not reach the median: for a normal it is 0.6745 standard deviations.
    assert np.median(np.abs(noise)) / 0.6745 == pytest.approx(NOISE_SCALES[intensity], rel=0.03)


def test_stronger_image_shifts_move_images_further(images):
    distances = [
        np.abs(
            image_shift(images, intensity, image_shape=(9, 12), rng=np.random.default_rng(3))
            - images
        ).mean()
        for intensity in INTENSITIES
    ]

    assert distances == sorted(distances)
    assert distances[0] > 0.0


@pytest.mark.parametrize("intensity", ["small", "medium"])
def test_images_turn_about_their_centre_and_move_no_further_than_allowed(intensity, rng):
    height, width = 41, 61
    rows, columns = np.mgrid[:height, :width]
    blob = np.exp(-((rows - 20) ** 2 + (columns - 30) ** 2) / 4.0)

    moved = image_shift(
        np.tile(blob.ravel(), (40, 1)), intensity, image_shape=(height, width), rng=rng
    ).reshape(40, height, width)

    weight = moved.sum(axis=(1, 2))
    down = (moved * rows).sum(axis=(1, 2)) / weight - 20
    right = (moved * columns).sum(axis=(1, 2)) / weight - 30
    limits = IMAGE_SHIFTS[intensity]
    furthest = np.hypot(height, width) * limits.translation / (1.0 - limits.zoom)
    assert np.hypot(down, right).max() <= furthest
    assert np.hypot(down, right).max() > furthest / 4


def test_each_image_draws_its_own_transform():
    same = np.tile(np.random.default_rng(0).random(108), (20, 1))

    moved = image_shift(same, "small", image_shape=(9, 12), rng=np.random.default_rng(1))

    assert len(np.unique(moved, axis=0)) == 20


def test_an_image_of_one_colour_stays_as_it_is(rng):
    blank = np.full((5, 27), 0.25)

    moved = image_shift(blank, "large", image_shape=(3, 3, 3), rng=rng)

    np.testing.assert_allclose(moved, blank, atol=1e-12)


def test_the_channels_of_an_image_move_together(rng):
    grey = rng.random((4, 30))
    coloured = np.repeat(grey[:, :, np.newaxis], 3, axis=2).reshape(4, -1)

    moved = image_shift(coloured, "large", image_shape=(5, 6, 3), rng=np.random.default_rng(2))
    expected = image_shift(grey, "large", image_shape=(5, 6), rng=np.random.default_rng(2))

    for channel in range(3):
        np.testing.assert_array_equal(moved.reshape(4, 30, 3)[:, :, channel], expected)


@pytest.mark.parametrize(
    ("flips", "mirrored"),
    [
        ({"horizontal_flip": True}, [np.s_[:, ::-1]]),
        ({"vertical_flip": True}, [np.s_[::-1]]),
        (
            {"horizontal_flip": True, "vertical_flip": True},
            [np.s_[::-1], np.s_[:, ::-1], np.s_[::-1, ::-1]],
        ),
    ],
)
def test_flips_mirror_some_images_and_leave_others(flips, mirrored, rng):
    image = rng.random((4, 5, 1))
    only_flips = ImageShift(0.0, 0.0, 0.0, 0.0, **flips)

    seen = {_moved(image, only_flips, rng).tobytes() for _ in range(60)}

    assert seen == {image.tobytes()} | {image[mirror].tobytes() for mirror in mirrored}


def test_flips_come_with_medium_and_large_shifts_only():
    flips = [(s.horizontal_flip, s.vertical_flip) for s in IMAGE_SHIFTS.values()]

    assert flips == [(False, False), (True, False), (True, True)]


def test_pixels_outside_the_unit_interval_are_refused(rng):
    with pytest.raises(InvalidSampleError):
        gaussian_noise([[1.5]], "small", rng=rng)


def test_parameters_outside_their_range_are_refused(images, rng):
    with pytest.raises(InvalidParameterError, match="small, medium, large"):
        gaussian_noise(images, "huge", rng=rng)
    with pytest.raises(InvalidParameterError, match="share"):
        gaussian_noise(images, "small", share=1.5, rng=rng)
    with pytest.raises(InvalidParameterError, match="image_shape"):
        image_shift(images, "small", image_shape=(108,), rng=rng)
    with pytest.raises(ShapeError, match="99 columns"):
        image_shift(images, "small", image_shape=(9, 11), rng=rng)


@pytest.mark.parametrize(("share", "n_left"), [(0.0, 10), (0.1, 9), (0.5, 5), (1.0, 0)])
def test_the_asked_share_of_the_class_is_dropped_and_nothing_else(share, n_left, rng):
    labels = np.repeat([3, 0, 7], 10)

    kept = knock_out(labels, 0, share=share, rng=rng)

    assert (np.diff(kept) > 0).all()
    assert np.bincount(labels[kept], minlength=8)[[3, 0, 7]].tolist() == [10, n_left, 10]


def test_an_unknown_class_cannot_be_knocked_out(rng):
    with pytest.raises(InvalidSampleError, match="'cat'"):
        knock_out(["dog"], "cat", share=1.0, rng=rng)
