"""The four streams of the demonstration, made from real images.

Drawing with replacement makes a stream as long as it has to be. Two samples drawn so from one pool
come from the same distribution, so ``stable`` is a true null. For ``writer-order`` it is not
harmless: a stream that repeats the images of a few writers makes chance differences between those
writers look certain. Its reference is therefore drawn from the first 600 served images, and after
it every later image comes exactly once, in the order in which the writers handed them in.

Measured on the outputs with a shuffled order as control, which has no drift: with every image drawn
1, 2 or 4 times from its neighbours, the control alarmed at the demonstration's level in 6, 25 and
40 of 40 runs; with every later image once, in none of 240, while the true order was found in all of
240.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors import image_shift, knock_out
from flink_jobs.demo.classifier import DIGIT_NAMES, IMAGE_SHAPE, served_digits, softmax_outputs
from flink_jobs.demo.timing import (
    DRIFT_FROM,
    END_MS,
    EVENTS_PER_MINUTE,
    MINUTE_MS,
    N_EVENTS,
    N_REFERENCE,
    REFERENCE_END_MS,
    START_MS,
)
from flink_jobs.intake.formats.json import SCHEMA_VERSION, InferenceEvent

LOST_CLASS = 0
N_EARLY_IMAGES = 600
"""How many served images the reference of ``writer-order`` is drawn from."""


@dataclass(frozen=True, eq=False)
class ModelStream:
    """All events of one model, in the order of time.

    Attributes
    ----------
    model : str
        The model's name, and the key of its events.
    truth : str
        What is true of the model, for people.
    change : str
        What happens at the moment of drift; empty when nothing changes.
    drift_from : int or None
        Position of the first event after the change; None when nothing changes.
    images : ndarray of int64, shape (n,)
        Which served image each event shows.
    features : ndarray of float64, shape (n, 64)
        Pixels in [0, 1].
    outputs : ndarray of float64, shape (n, 10)
        The classifier's softmax outputs.
    times_ms : ndarray of int64, shape (n,)
        Event time.
    """

    model: str
    truth: str
    change: str
    drift_from: int | None
    images: NDArray[np.int64]
    features: NDArray[np.float64]
    outputs: NDArray[np.float64]
    times_ms: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.times_ms)

    @property
    def drift_ms(self) -> int | None:
        """Event time of the first event after the change."""
        return None if self.drift_from is None else int(self.times_ms[self.drift_from])

    def event(self, position: int) -> InferenceEvent:
        """One event as it goes to Kafka."""
        return InferenceEvent(
            schema_version=SCHEMA_VERSION,
            event_id=f"{self.model}-{position:06}",
            features={"pixels": self.features[position].tolist()},
            outputs={"digit": self.outputs[position].tolist()},
        )


def make_streams(seed: int) -> list[ModelStream]:
    """The four streams; equal seeds give equal streams.

    Examples
    --------
    >>> [(stream.model, stream.drift_from) for stream in make_streams(seed=0)]
    [('stable', None), ('shifted-image', 9000), ('lost-class', 9000), ('writer-order', 3000)]
    """
    # One generator for each model: a change to one stream leaves the others as they are.
    stable, shifted, lost, writers = np.random.default_rng(seed).spawn(4)
    return [
        make_stable(stable),
        make_shifted_image(shifted),
        make_lost_class(lost),
        make_writer_order(writers),
    ]


def make_stable(rng: np.random.Generator) -> ModelStream:
    """Nothing changes."""
    images = _draw(len(served_digits().labels), N_EVENTS, rng)
    return _stream("stable", "nothing changes", "", None, images)


def make_shifted_image(rng: np.random.Generator) -> ModelStream:
    """From a known event on every image is rotated, moved, zoomed and perhaps mirrored."""
    images = _draw(len(served_digits().labels), N_EVENTS, rng)
    pixels = served_digits().pixels[images]
    pixels[DRIFT_FROM:] = image_shift(
        pixels[DRIFT_FROM:], "medium", image_shape=IMAGE_SHAPE, rng=rng
    )
    # Four digits keep a record under 1 kB; the classifier sees what the record holds.
    truth, change = "medium image shift", "image shift begins"
    return _stream("shifted-image", truth, change, DRIFT_FROM, images, pixels.round(4))


def make_lost_class(rng: np.random.Generator) -> ModelStream:
    """From a known event on no image of one class comes any more."""
    labels = served_digits().labels
    before = _draw(len(labels), DRIFT_FROM, rng)
    kept = knock_out(labels, LOST_CLASS, share=1.0, rng=rng)
    after = kept[_draw(len(kept), N_EVENTS - DRIFT_FROM, rng)]
    name = DIGIT_NAMES[LOST_CLASS]
    truth, change = f"class {name} is lost", f"class {name} is knocked out"
    images = np.concatenate([before, after])
    return _stream("lost-class", truth, change, DRIFT_FROM, images)


def make_writer_order(
    rng: np.random.Generator, order: NDArray[np.int64] | None = None
) -> ModelStream:
    """After the reference the model goes on to the next writers; nobody simulated a drift.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws the reference.
    order : ndarray of int64, shape (1197,), optional
        Another order of the served images; a shuffled one is the control without drift.
    """
    order = np.arange(len(served_digits().labels)) if order is None else order
    reference = order[_draw(N_EARLY_IMAGES, N_REFERENCE, rng)]
    images = np.concatenate([reference, order[N_EARLY_IMAGES:]])
    truth, change = "goes on in writer order", "other writers begin"
    return _stream("writer-order", truth, change, N_REFERENCE, images)


def interleave(streams: list[ModelStream]) -> Iterator[tuple[ModelStream, int]]:
    """Each event of all streams as (stream, position), by time and then by the streams' order."""
    times_ms = np.concatenate([stream.times_ms for stream in streams])
    owners = np.repeat(np.arange(len(streams)), [len(stream) for stream in streams])
    positions = np.concatenate([np.arange(len(stream)) for stream in streams])
    for row in np.lexsort((owners, times_ms)).tolist():
        yield streams[owners[row]], int(positions[row])


def _draw(n: int, size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return rng.integers(n, size=size)


def _stream(
    model: str,
    truth: str,
    change: str,
    drift_from: int | None,
    images: NDArray[np.int64],
    pixels: NDArray[np.float64] | None = None,
) -> ModelStream:
    features = served_digits().pixels[images] if pixels is None else pixels
    return ModelStream(
        model=model,
        truth=truth,
        change=change,
        drift_from=drift_from,
        images=images,
        features=features,
        outputs=softmax_outputs(features),
        times_ms=_steady_times(len(images)),
    )


def _steady_times(n: int) -> NDArray[np.int64]:
    """A steady rate during the reference, and another one after it where fewer events remain."""
    reference = START_MS + np.arange(N_REFERENCE) * (MINUTE_MS // EVENTS_PER_MINUTE)
    later = REFERENCE_END_MS + np.arange(n - N_REFERENCE) * (
        (END_MS - REFERENCE_END_MS) / (n - N_REFERENCE)
    )
    return np.concatenate([reference, later.astype(np.int64)])
