from __future__ import annotations

import numpy as np
import pytest

from detectors import is_distribution
from flink_jobs.demo.classifier import (
    N_TRAINING,
    served_accuracy,
    served_digits,
    softmax_outputs,
)
from flink_jobs.demo.streams import (
    LOST_CLASS,
    N_EARLY_IMAGES,
    ModelStream,
    interleave,
    make_lost_class,
    make_stable,
    make_streams,
)
from flink_jobs.demo.timing import DRIFT_FROM, END_MS, MINUTE_MS, N_REFERENCE, START_MS
from flink_jobs.intake.formats.base import Messages
from flink_jobs.intake.formats.json import encode_event
from flink_jobs.intake.layouts import Layout
from scripts.shared.offline_demo import demo_config
from tests.demo.conftest import Run


@pytest.fixture
def streams(offline_run: Run) -> dict[str, ModelStream]:
    return {stream.model: stream for stream in offline_run.streams}


def test_equal_seeds_give_equal_streams(offline_run: Run) -> None:
    again = make_streams(seed=0)

    for first, second in zip(offline_run.streams, again, strict=True):
        np.testing.assert_array_equal(first.features, second.features)
        np.testing.assert_array_equal(first.outputs, second.outputs)
        np.testing.assert_array_equal(first.times_ms, second.times_ms)


def test_another_seed_draws_other_images() -> None:
    first, second = (make_stable(np.random.default_rng(seed)).images for seed in (0, 1))

    assert (first != second).mean() > 0.9


def test_the_image_shift_begins_exactly_at_the_known_event(
    streams: dict[str, ModelStream],
) -> None:
    stream = streams["shifted-image"]
    originals = served_digits().pixels[stream.images]

    moved = (stream.features != originals).any(axis=1)

    assert not moved[:DRIFT_FROM].any()
    assert moved[DRIFT_FROM:].all()
    assert stream.drift_from == DRIFT_FROM


def test_the_lost_class_is_there_up_to_the_known_event_and_never_after(
    streams: dict[str, ModelStream],
) -> None:
    stream = streams["lost-class"]

    is_lost = served_digits().labels[stream.images] == LOST_CLASS

    assert is_lost[:DRIFT_FROM].mean() == pytest.approx(0.096, abs=0.02)
    assert not is_lost[DRIFT_FROM:].any()
    assert stream.drift_from == DRIFT_FROM


def test_the_other_classes_keep_coming() -> None:
    stream = make_lost_class(np.random.default_rng(0))

    after = served_digits().labels[stream.images[DRIFT_FROM:]]

    assert set(after.tolist()) == set(range(10)) - {LOST_CLASS}


def test_the_writers_go_on_in_their_order_each_image_once(
    streams: dict[str, ModelStream],
) -> None:
    images = streams["writer-order"].images

    assert images[:N_REFERENCE].max() < N_EARLY_IMAGES
    np.testing.assert_array_equal(
        images[N_REFERENCE:], np.arange(N_EARLY_IMAGES, len(served_digits().labels))
    )
    assert streams["writer-order"].drift_from == N_REFERENCE


def test_the_stable_model_has_no_moment_of_drift(streams: dict[str, ModelStream]) -> None:
    assert streams["stable"].drift_from is None
    assert streams["stable"].drift_ms is None


def test_the_simulated_drifts_begin_half_an_hour_after_the_start(
    streams: dict[str, ModelStream],
) -> None:
    drift_ms = START_MS + 30 * MINUTE_MS

    assert [streams[name].drift_ms for name in ("shifted-image", "lost-class")] == [drift_ms] * 2


def test_event_time_rises_and_stays_within_the_hour(offline_run: Run) -> None:
    for stream in offline_run.streams:
        assert stream.times_ms[0] == START_MS
        assert (np.diff(stream.times_ms) > 0).all()
        assert stream.times_ms[-1] < END_MS


def test_the_first_pane_is_aligned_with_the_epoch_in_all_its_parts() -> None:
    config = demo_config()

    assert START_MS % config.panes.width_ms == 0
    assert START_MS % 3_600_000 == 0


def test_events_are_what_the_job_takes(offline_run: Run) -> None:
    layout = Layout(demo_config())

    for stream in offline_run.streams:
        read = layout.decode(Messages([encode_event(stream.event(42))], list))
        assert read.unusable == {}
        assert read.event_ids == [f"{stream.model}-000042"]
        expected = np.concatenate([stream.features[42], stream.outputs[42]])
        np.testing.assert_allclose(read.x[0], expected)
        assert is_distribution(stream.outputs).all()
        assert stream.features.min() >= 0.0
        assert stream.features.max() <= 1.0


def test_the_outputs_are_the_classifiers_answer_to_the_pixels_of_the_same_event(
    streams: dict[str, ModelStream],
) -> None:
    stream = streams["shifted-image"]

    np.testing.assert_allclose(softmax_outputs(stream.features[-100:]), stream.outputs[-100:])


def test_interleaving_keeps_every_event_and_the_order_of_time(offline_run: Run) -> None:
    mixed = list(interleave(offline_run.streams))

    times_ms = [int(stream.times_ms[position]) for stream, position in mixed]
    assert times_ms == sorted(times_ms)
    for stream in offline_run.streams:
        positions = [position for each, position in mixed if each is stream]
        assert positions == list(range(len(stream)))


def test_the_served_digits_are_those_that_the_classifier_has_not_seen() -> None:
    assert N_TRAINING + len(served_digits().labels) == 1_797
    assert served_accuracy() == pytest.approx(0.93, abs=0.01)
