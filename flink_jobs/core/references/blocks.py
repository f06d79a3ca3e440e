"""Reference blocks: fitted detectors as bytes, and the cache of those restored from them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from detectors import (
    DetectorError,
    DriftDetector,
    TwoSampleResult,
    arrays_to_bytes,
    bytes_to_arrays,
)
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.two_sample_tests import make_test
from flink_jobs.config.views import detectors_of
from flink_jobs.core.bounded_cache import BoundedCache
from flink_jobs.core.factory import make_detector
from flink_jobs.core.failures import DetectorFailedError, detector_code, failure_of, printable
from flink_jobs.records.alerts import MAIN_DETECTOR

# Restoring a detector of 1,000 events in 10 dimensions takes about 1 ms. Keeping it takes 170 kB:
# twice its arrays, for what is derived from them, and 10 kB for the objects.
_MAX_CACHED_BYTES = 256 * 1_024 * 1_024
_OBJECTS_BYTES = 10_000
# The halves of fewer events say next to nothing.
_FEWEST_TO_SPLIT = 40
_MORE = "more/"


class UnusableReferenceError(ValueError):
    """Events that the detectors cannot be fitted to."""


class FittedDetectors:
    """All detectors of a model, fitted to one reference.

    Those with the test of the main detector are the same object.

    Parameters
    ----------
    main : DriftDetector
    others : mapping of str to DriftDetector
        Detectors with a test of their own, by name.
    """

    def __init__(self, main: DriftDetector, others: Mapping[str, DriftDetector]) -> None:
        self.main = main
        self._others = others

    def named(self, name: str) -> DriftDetector:
        """The detector of this name."""
        return self._others.get(name, self.main)

    @property
    def n_bytes(self) -> int:
        """Size of the arrays that the detectors are made of."""
        detectors = (self.main, *self._others.values())
        return sum(a.nbytes for each in detectors for a in each.to_arrays().values())

    def to_block(self) -> bytes:
        """The reference block; arrays of further detectors have their names before their keys."""
        arrays = self.main.to_arrays()
        for name, detector in self._others.items():
            arrays |= {f"{_MORE}{name}/{key}": a for key, a in detector.to_arrays().items()}
        return arrays_to_bytes(arrays)

    @classmethod
    def from_block(cls, block: bytes) -> FittedDetectors:
        """Restore what :meth:`to_block` packed."""
        arrays = bytes_to_arrays(block)
        parts: dict[str, dict[str, NDArray[np.generic]]] = {}
        for key, array in arrays.items():
            prefix, name, rest = _split(key)
            parts.setdefault(name, {})[rest if prefix else key] = array
        main = DriftDetector.from_arrays(parts.pop(""))
        return cls(main, {n: DriftDetector.from_arrays(part) for n, part in parts.items()})


def fit_detectors(config: DriftJobConfig, x_ref: NDArray[np.float64]) -> FittedDetectors:
    """Fit new detectors to raw rows ``x_ref``, shape (n_ref, n_columns).

    Raises
    ------
    UnusableReferenceError
        When the events make no reference, for example when PCA finds them constant.
    DetectorFailedError
        When a detector fails in any other way.
    """
    try:
        main = make_detector(config).fit(x_ref)
        return FittedDetectors(main, _others(config, main, main.reduce(x_ref)))
    except Exception as error:
        raise _not_fitted(error) from error
        raise UnusableReferenceError(str(error)) from error


def refit_tests(
    config: DriftJobConfig, fitted: FittedDetectors, z_ref: NDArray[np.float64]
) -> FittedDetectors:
    """Fit the tests to rows that the reducer has reduced; the reducer stays as it was.

    Raises
    ------
    UnusableReferenceError
        When the rows make no reference.
    DetectorFailedError
        When a detector fails in any other way.
    """
    try:
        main = fitted.main.with_test(make_test(detectors_of(config)[0].test), z_ref)
        return FittedDetectors(main, _others(config, main, z_ref))
    except Exception as error:
        raise _not_fitted(error) from error


def fit_reference(config: DriftJobConfig, x_ref: NDArray[np.float64]) -> bytes:
    """The reference block of raw rows ``x_ref``; raises as :func:`fit_detectors`."""
    return fit_detectors(config, x_ref).to_block()


def compare_halves(
    config: DriftJobConfig, x_ref: NDArray[np.float64], rng: np.random.Generator
) -> tuple[TwoSampleResult, DriftDetector] | None:
    """Compare the second half of a reference with the first; None where they are too small.

    Raises
    ------
    DetectorFailedError
        When the first half makes no reference, or the test fails.
    """
    n_first = len(x_ref) // 2
    if len(x_ref) < _FEWEST_TO_SPLIT:
        return None
    with detector_code():
        detector = make_detector(config).fit(x_ref[:n_first])
        return detector.test(x_ref[n_first:], rng=rng), detector


def reference_fingerprint(block: bytes) -> str:
    """Digest of what the main detector learned: 16 hex digits.

    Further detectors with tests of their own do not show in it: it seeds the main detector's
    permutations, whose p-values a further detector must not change.
    """
    arrays = bytes_to_arrays(block)
    main = {key: array for key, array in arrays.items() if not key.startswith(_MORE)}
    data = block if len(main) == len(arrays) else arrays_to_bytes(main)
    return hashlib.sha256(data).hexdigest()[:16]


class References:
    """Restores detectors, from memory where they are at hand.

    The cache holds at most 256 MiB. It is keyed by the digest of what the detectors are made of,
    which the status of a model names: it can hold too much after a restore, and never anything
    wrong.
    """

    def __init__(self) -> None:
        self._fitted = BoundedCache(_MAX_CACHED_BYTES, _size_of)

    def restored(
        self, plan: str, fingerprint: str, read: Callable[[], bytes | None]
    ) -> FittedDetectors:
        """The detectors of a reference block; ``read`` is called when they are not at hand.

        Parameters
        ----------
        plan : str
            Fingerprint of the configuration, which says what detectors there are.
        fingerprint : str
            Of the reference.
        read : callable

        Raises
        ------
        RuntimeError
            When another block is read: the state is corrupt.
        DetectorFailedError
            When what the block holds cannot be restored.
        """

        def restore() -> FittedDetectors:
            block = read()
            if block is None or reference_fingerprint(block) != fingerprint:
                raise RuntimeError(f"the state does not hold the reference {fingerprint}")
            with detector_code():
                return FittedDetectors.from_block(block)

        return self.kept(f"{plan}-{fingerprint}", restore)

    def kept(self, key: str, make: Callable[[], FittedDetectors]) -> FittedDetectors:
        """What was made under this key, or is made now."""
        return self._fitted.get(key, make)


def _others(
    config: DriftJobConfig, main: DriftDetector, z_ref: NDArray[np.float64]
) -> dict[str, DriftDetector]:
    tests = {d.name: d.test for d in detectors_of(config)}
    own = {name: test for name, test in tests.items() if test and test != tests[MAIN_DETECTOR]}
    return {name: main.with_test(make_test(test), z_ref) for name, test in own.items()}


def _not_fitted(error: Exception) -> UnusableReferenceError | DetectorFailedError:
    """Tell a reference that the detectors refuse from an error in their code."""
    if isinstance(error, DetectorError | np.linalg.LinAlgError):
        return UnusableReferenceError(printable(str(error)))
    return failure_of(error)


def _size_of(fitted: FittedDetectors) -> int:
    return 2 * fitted.n_bytes + _OBJECTS_BYTES


def _split(key: str) -> tuple[str, str, str]:
    if not key.startswith(_MORE):
        return "", "", key
    prefix, name, rest = key.split("/", 2)
    return prefix, name, rest
