"""The detectors of a view, fitted to a reference, as bytes and restored from them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors import (
    LEARNING_ROWS,
    ColumnShifts,
    DetectorError,
    DriftDetector,
    Needs,
    Reducer,
    StateArrays,
    StreamDependence,
    TwoSampleResult,
    arrays_to_bytes,
    bytes_to_arrays,
)
from detectors.arrays_io import arrays_below
from detectors.column_shifts import MOST_ROWS
from flink_jobs.config.tables.base import Table
from flink_jobs.config.tables.detectors import NoReductionConfig, TestConfig, scales_columns
from flink_jobs.config.views import View
from flink_jobs.core.bounded_cache import BoundedCache
from flink_jobs.core.factory import is_prepared, make_reducer, make_sequential, make_test
from flink_jobs.core.failures import DetectorFailedError, detector_code, failure_of, printable
from flink_jobs.core.references.fitted_sequential import FittedSequential
from flink_jobs.core.sampling import hash_of, smallest
from flink_jobs.core.views.encoding import Encoder
from flink_jobs.intake.event_columns import EventColumns
from flink_jobs.intake.texts import in_order_of_appearance

# Restoring a detector of 1,000 events in 10 dimensions takes about 1 ms. Keeping it takes 170 kB:
# twice its arrays, for what is derived from them, and 10 kB for the objects.
_MAX_CACHED_BYTES = 256 * 1_024 * 1_024
_OBJECTS_BYTES = 10_000
# The halves of fewer events say next to nothing.
_FEWEST_TO_SPLIT = 40
_DEPENDENCE = "dependence"
# The array of a reducer that holds the file of a model.
_MODEL = "reducer/model"


class UnusableReferenceError(ValueError):
    """Events that the detectors cannot be fitted to."""


class RawRows(NamedTuple):
    """Raw events: the floats of a view's columns, then those of columns that evidence shows.

    Attributes
    ----------
    x : ndarray of float64, shape (n, n_slots)
        NaN is missing; a category holds the code of its text.
    texts : mapping of int to sequence of str
        By place of a category: what its codes stand for.
    """

    x: NDArray[np.float64]
    texts: Mapping[int, Sequence[str]]


class ReferenceRows(NamedTuple):
    """The raw rows of a reference, as :class:`RawRows` has them.

    Attributes
    ----------
    x : ndarray of float64, shape (n_ref, n_slots)
    texts : mapping of int to sequence of str
        By place of a category: what its codes stand for.
    keys : ndarray of uint64, shape (n_ref,)
        The hashes by which a sample of them is chosen.
    """

    x: NDArray[np.float64]
    texts: Mapping[int, Sequence[str]]
    keys: NDArray[np.uint64]


def rows_of(events: EventColumns, keys: NDArray[np.uint64]) -> ReferenceRows:
    """Take events for a reference."""
    return ReferenceRows(events.x, events.texts, keys)


def rows_without_times(
    x: NDArray[np.float64], texts: Mapping[int, Sequence[str]], seed: int
) -> ReferenceRows:
    """Take rows that have neither times nor names, such as those of a training set."""
    places = np.arange(len(x), dtype=np.uint64)
    return ReferenceRows(x, texts, hash_of(places, places, seed))


@dataclass(frozen=True, eq=False)
class FittedView:
    """All detectors of a view, fitted to one reference.

    Attributes
    ----------
    encoder : Encoder
    detectors : tuple of DriftDetector
        One for each distinct test of the view, in the order of :func:`distinct_tests`. Those with
        equal reducers share one.
    sample : RawRows
        At most 1,000 of the reference, by which alerts say what moved and which evidence shows. In
        the order of their hashes: the first of them are a sample again.
    n_slots : int
        How many floats of a row the detectors see.
    n_ref : int
    dependence : tuple of StreamDependence or None
        By place of a detector: how much events depend on those before them, as its test sees them;
        None where they do not.
    sequential : tuple of FittedSequential
        One for each sequential detector of the view.
    """

    encoder: Encoder
    detectors: tuple[DriftDetector, ...]
    sample: RawRows
    n_slots: int
    n_ref: int
    dependence: tuple[StreamDependence | None, ...]
    sequential: tuple[FittedSequential, ...] = ()

    def encoded(self, rows: RawRows) -> NDArray[np.float64]:
        """Return what detectors see of raw rows, shape (n, n_slots)."""
        return self.encoder.encode(rows.x[:, : self.n_slots], rows.texts)

    @cached_property
    def shifts(self) -> ColumnShifts:
        """The measures of how far columns have moved, from the sample."""
        return self.shifts_from(self.sample)

    def shifts_from(self, rows: RawRows) -> ColumnShifts:
        """Return what tells how columns have moved from some rows."""
        return ColumnShifts(sorted(self.encoder.texts)).fit(self.encoded(rows))

    @property
    def n_bytes(self) -> int:
        """Size of the arrays that it is made of, and of what sequential detectors derive."""
        stored = sum(array.nbytes for array in self._arrays().values())
        return int(stored + sum(each.detector.derived_bytes for each in self.sequential))

    def to_block(self) -> bytes:
        """Return the entry of the state."""
        return arrays_to_bytes(self._arrays())

    def fingerprint(self) -> str:
        """Digest what the view's own detector learned: 16 hex digits.

        Further detectors do not show in it: it seeds the permutations of the first one, whose
        p-values a further detector must not change.
        """
        arrays = {"encoder": self.encoder.to_array(), **self.detectors[0].to_arrays()}
        return hashlib.sha256(arrays_to_bytes(_without_models(arrays))).hexdigest()[:16]

    @classmethod
    def from_block(cls, block: bytes) -> FittedView:
        """Restore what :meth:`to_block` packed."""
        arrays = bytes_to_arrays(block)
        n_tests, n_ref, n_slots = arrays["sizes"].tolist()
        detectors = [
            DriftDetector.from_arrays(arrays_below(f"{n}/", arrays)) for n in range(n_tests)
        ]
        n_sequential = sum(f"sequential/{n}/kinds" in arrays for n in range(len(arrays)))
        sequential = [
            FittedSequential.from_arrays(arrays_below(f"sequential/{n}/", arrays))
            for n in range(n_sequential)
        ]
        own = [detector.reducer for detector in detectors]
        reducers = _shared(own + [each.reducer for each in sequential])
        for detector, reducer in zip(detectors, reducers, strict=False):
            detector.reducer = reducer
        return cls(
            Encoder.from_array(arrays["encoder"].astype(np.uint8)),
            tuple(detectors),
            RawRows(arrays["sample"].astype(np.float64), _texts_of(arrays["texts"])),
            n_slots,
            n_ref,
            tuple(_dependence_of(arrays, place) for place in range(n_tests)),
            tuple(
                each._replace(reducer=reducer)
                for each, reducer in zip(sequential, reducers[n_tests:], strict=True)
            ),
        )

    def _arrays(self) -> dict[str, NDArray[np.generic]]:
        """All arrays but those of the user's own model, which lies in the job and not in state."""
        arrays: dict[str, NDArray[np.generic]] = {
            "sizes": np.array([len(self.detectors), self.n_ref, self.n_slots], dtype=np.int64),
            "encoder": self.encoder.to_array(),
            "sample": self.sample.x,
            "texts": np.frombuffer(msgspec.json.encode(self.sample.texts), dtype=np.uint8),
        }
        for place, detector in enumerate(self.detectors):
            arrays |= {f"{place}/{name}": array for name, array in detector.to_arrays().items()}
        for place, dependence in enumerate(self.dependence):
            if dependence is not None:
                parts = dependence.to_arrays().items()
                arrays |= {f"{_DEPENDENCE}/{place}/{name}": array for name, array in parts}
        for place, own in enumerate(self.sequential):
            stored = own.to_arrays().items()
            arrays |= {f"sequential/{place}/{name}": array for name, array in stored}
        return _without_models(arrays)


def fit_view(
    view: View, rows: ReferenceRows, sample_size: int, *, is_compared_once: bool = False
) -> FittedView:
    """Fit the detectors of a view to raw rows.

    Tests on rows keep a sample of the reference, of the size of that of a window. How much events
    depend on each other takes 0.5 s of 5,000 events in 200 columns; half of a reference, which is
    compared once, does without.

    Raises
    ------
    UnusableReferenceError
        When the events make no reference, for example when PCA finds them constant.
    DetectorFailedError
        When a detector fails in any other way.
    """
    try:
        x, n_slots = rows.x[:, : len(view.slots)], len(view.slots)
        encoder = Encoder.fit(view, x, rows.texts)
        x_ref = encoder.encode(x, rows.texts)
        of_tests = _Reduced(view, x_ref, x_ref)
        tests = _fit_tests(view, of_tests, rows.keys, sample_size)
        sequential = _fit_sequential(view, x_ref, rows.keys)
        depends = [
            None if is_compared_once else of_tests.dependence(each) for each in distinct_tests(view)
        ]
        return FittedView(
            encoder, tests, _sample_of(rows), n_slots, len(x_ref), tuple(depends), sequential
        )
    except Exception as error:
        raise _not_fitted(error) from error


def distinct_tests(view: View) -> list[TestConfig]:
    """List the distinct tests of a view, that of its own detector first."""
    return list(dict.fromkeys(detector.test for detector in view.detectors))


def test_places(view: View) -> dict[str, int]:
    """Return by the name of each detector the place of its test among the distinct ones."""
    tests = distinct_tests(view)
    return {detector.name: tests.index(detector.test) for detector in view.detectors}


def compare_halves(
    view: View, rows: ReferenceRows, sample_size: int, rng: np.random.Generator
) -> tuple[TwoSampleResult, FittedView] | None:
    """Compare the second half of a reference with the first; None where they are too small.

    Raises
    ------
    DetectorFailedError
        When the first half makes no reference, or the test fails.
    """
    n_first = len(rows.x) // 2
    if len(rows.x) < _FEWEST_TO_SPLIT:
        return None
    first, second = slice(None, n_first), slice(n_first, None)
    own = _with_own_test(view)
    with detector_code():
        half = ReferenceRows(rows.x[first], rows.texts, rows.keys[first])
        fitted = fit_view(own, half, sample_size, is_compared_once=True)
        x_test = fitted.encoded(RawRows(rows.x[second], rows.texts))
        detector = fitted.detectors[0]
        if detector.two_sample_test.needs is Needs.ROWS:
            x_test = x_test[smallest(rows.keys[second], sample_size)]
        return detector.test(x_test, rng=rng), fitted


class FittedViews:
    """Restores fitted views, from memory where they are at hand.

    The cache holds at most 256 MiB. It is keyed by the digest of what the detectors are made of,
    which the status of a model names: it can hold too much after a restore, and never anything
    wrong.
    """

    def __init__(self) -> None:
        self._fitted = BoundedCache(_MAX_CACHED_BYTES, _size_of)

    def restored(self, plan: str, fingerprint: str, read: Callable[[], bytes | None]) -> FittedView:
        """Return what a reference block holds; ``read`` is called when it is not at hand.

        Parameters
        ----------
        plan : str
            Fingerprint of the view's configuration, which says what detectors there are.
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

        def restore() -> FittedView:
            block = read()
            if block is None:
                raise RuntimeError(f"the state does not hold the reference {fingerprint}")
            with detector_code():
                fitted = FittedView.from_block(block)
            if fitted.fingerprint() != fingerprint:
                raise RuntimeError(f"the state does not hold the reference {fingerprint}")
            return fitted

        return self._fitted.get((plan, fingerprint), restore)

    def keep(self, plan: str, fingerprint: str, fitted: FittedView) -> None:
        """Have at hand what was just fitted: to restore it takes 5 ms, as long as three panes."""
        self._fitted.put((plan, fingerprint), fitted)

    def kept(self, key: tuple[str, ...], make: Callable[[], FittedView]) -> FittedView:
        """Return what was made under this key, or is made now."""
        return self._fitted.get(key, make)


def _sample_of(rows: ReferenceRows) -> RawRows:
    """Choose the rows with the smallest hashes, in their order, and the texts that they hold."""
    chosen = np.argsort(rows.keys, kind="stable")[:MOST_ROWS]
    x, texts = in_order_of_appearance(rows.x[chosen], rows.texts)
    return RawRows(x, {place: list(own) for place, own in texts.items()})


_texts_decoder = msgspec.json.Decoder(dict[int, list[str]])


def _texts_of(array: NDArray[np.generic]) -> dict[int, list[str]]:
    return _texts_decoder.decode(array.astype(np.uint8).tobytes())


def _dependence_of(arrays: StateArrays, place: int) -> StreamDependence | None:
    own = arrays_below(f"{_DEPENDENCE}/{place}/", arrays)
    return StreamDependence.from_arrays(own) if own else None


def _fit_tests(
    view: View, reduced: _Reduced, keys: NDArray[np.uint64], sample_size: int
) -> tuple[DriftDetector, ...]:
    detectors = []
    for each in distinct_tests(view):
        test, (reducer, z_ref) = make_test(each, view), reduced.by(each)
        rows = smallest(keys, sample_size) if test.needs is Needs.ROWS else slice(None)
        detectors.append(DriftDetector.of_reduced(reducer, test, z_ref[rows]))
    return tuple(detectors)


def _fit_sequential(
    view: View, x_ref: NDArray[np.float64], keys: NDArray[np.uint64]
) -> tuple[FittedSequential, ...]:
    sequential = []
    # In the order of hashes, which says nothing of what rows hold.
    by_chance = x_ref[np.argsort(keys, kind="stable")] if view.sequential else x_ref
    of_streams = _Reduced(view, by_chance, by_chance[LEARNING_ROWS])
    for own in view.sequential:
        reducer, z_ref = of_streams.by(own.table)
        detector = make_sequential(own.table, view).fit(z_ref)
        sequential.append(FittedSequential(reducer, detector))
    return tuple(sequential)


_ReducedBy = tuple[bool, bool]


class _Reduced:
    """A reference reduced for tables of detectors, once for all that reduce alike.

    The reducers learn from the rows ``x_fit`` alone.
    """

    def __init__(self, view: View, x_ref: NDArray[np.float64], x_fit: NDArray[np.float64]) -> None:
        self._view, self._x_ref, self._x_fit = view, x_ref, x_fit
        self._known: dict[_ReducedBy, tuple[Reducer, NDArray[np.float64]]] = {}
        self._dependence: dict[_ReducedBy, StreamDependence] = {}

    def dependence(self, table: Table) -> StreamDependence | None:
        """Say how much rows depend on those before them, as the detector sees them."""
        key = self._key(table)
        if key not in self._dependence:
            is_plain = isinstance(self._view.reducer, NoReductionConfig) and not key[0]
            categorical = self._view.categorical if is_plain else ()
            self._dependence[key] = StreamDependence.of(self.by(table)[1], categorical)
        found = self._dependence[key]
        return None if found.is_independent else found

    def _key(self, table: Table) -> _ReducedBy:
        return is_prepared(self._view, table), scales_columns(self._view.reducer, table)

    def by(self, table: Table) -> tuple[Reducer, NDArray[np.float64]]:
        """Return the reducer in front of a detector, and the reference as the detector sees it."""
        key = self._key(table)
        if key not in self._known:
            reducer = make_reducer(self._view, table).fit(self._x_fit)
            self._known[key] = reducer, reducer.transform(self._x_ref)
        return self._known[key]


def _with_own_test(view: View) -> View:
    return replace(view, detectors=view.detectors[:1], sequential=())


def _shared(reducers: Sequence[Reducer]) -> list[Reducer]:
    """The same reducers, of which equal ones are one object."""
    known: dict[bytes, Reducer] = {}
    return [known.setdefault(_identity(each), each) for each in reducers]


def _identity(reducer: Reducer) -> bytes:
    arrays = {f"reducer/{name}": array for name, array in reducer.to_arrays().items()}
    return reducer.kind.encode() + arrays_to_bytes(_without_models(arrays))


def _without_models(arrays: StateArrays) -> dict[str, NDArray[np.generic]]:
    """Leave out the files of users' own models, of which the digests stay."""
    return {name: array for name, array in arrays.items() if not name.endswith(_MODEL)}


def _not_fitted(error: Exception) -> UnusableReferenceError | DetectorFailedError:
    """Tell a reference that the detectors refuse from an error in their code."""
    if isinstance(error, DetectorError | np.linalg.LinAlgError):
        return UnusableReferenceError(printable(str(error)))
    return failure_of(error)


def _size_of(fitted: FittedView) -> int:
    return 2 * fitted.n_bytes + _OBJECTS_BYTES
