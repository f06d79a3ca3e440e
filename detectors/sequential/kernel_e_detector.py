"""Kernel two-sample testing by betting, over a whole stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detectors.base import FloatArray, StateArrays, StreamCost
from detectors.checks import as_rows, fitted, state_array, whole_number
from detectors.errors import InvalidStateError
from detectors.reducers.robust_scale import RobustScale
from detectors.sequential.e_detector import (
    LEARNING_ROWS,
    MEMORIES,
    RowsEDetector,
    Scheme,
    learning_and_held_out,
    refused_as_state,
)
from detectors.sequential.evidence_growth import NORMAL_PLACES, growth_of_bets
from detectors.sequential.linear_bets import LinearBets
from detectors.sequential.mean_bounds import upper_mean_bound
from detectors.sequential.whitening import REACH, Whitening, radius_of, within_radius
from detectors.two_sample.kernels import (
    Bandwidth,
    check_bandwidth,
    restored_bandwidth,
    stored_bandwidth,
)
from detectors.two_sample.random_features import (
    check_features,
    draw_frequencies,
    random_features,
    used_bandwidth,
)

# Rows that the median distance is taken of: 1,000 have 500,000 pairs.
_BANDWIDTH_ROWS = 1_000
# Rows of a reference that are turned into features at once: 2 MB for each 64 features.
_ROWS_AT_ONCE = 4_096


class KernelEDetector(RowsEDetector):
    """Bets on the witness of a kernel, and promises a time until the first false alarm.

    The promise: let rows be independent, and distributed as those of the reference for as long as
    nothing changes. Then with probability ``confidence``, which is about the reference, the
    expected weight until the first alarm is at least ``run_time``. It holds for this reference and
    not on average over references, for any distribution, with ties, and without any limit theorem.
    Rows that depend on each other, such as those of an autocorrelated stream, are not covered.

    The test of Shekhar and Ramdas bets that the next row of a stream has a larger value of a
    witness function than the next row of a second stream. A fixed reference is not a second stream:
    its rows run out, and rows that are used again are not independent of what was learned by them.
    So the reference's part is played by bounds. Rows become random Fourier features of a Gaussian
    kernel, and these their leading principal components and the squared distance from their space,
    scaled and clipped: a quarter of the reference decides how. The other rows bound the mean of
    each component under the reference, all at once. Before each update the past alone decides on
    the witness, a line in the components. A row wins its value of the witness, less the largest
    mean of the witness that the bounds allow. So a win has a mean of at most 0 while nothing
    changes, 1 plus the win is never negative, and the evidence that it multiplies grows only by
    the weight that passes, as :class:`detectors.sequential.e_detector.EDetector` says.

    The bounds are the price of a small reference: a shift that lies within them is never found,
    however long it lasts. With 1,500 rows held out and 64 components they are 0.1 standard
    deviations of a component wide on each side.

    Memory and the time of a row do not depend on the length of the stream, nor on the size of the
    reference. Columns are centred, scaled and clipped by their quartiles first, so that neither
    their units nor wild values matter.

    Parameters
    ----------
    run_time : float
        The expected weight until the first false alarm, at least; positive. Its unit is that of
        the weights: 1 for each update, the rows of an update, or its milliseconds.
    confidence : float
        In (0, 1).
    scheme : str
        ``shiryaev_roberts`` or ``cusum``.
    memories : sequence of float
        Rows that the recent past reaches back; each positive.
    n_features : int
        Random Fourier features; even and positive.
    n_components : int
        Principal components of them at most, at least 1; fewer where the reference is small.
    bandwidth : float or "median"
        Of the kernel, in squared distances of scaled rows; "median" is that of pairs of rows.
    seed : int
        Draws the frequencies; at least 0.

    Raises
    ------
    InvalidParameterError
        If a parameter lies outside its range.

    References
    ----------
    Shekhar, Ramdas: Nonparametric Two-Sample Testing by Betting, IEEE Transactions on Information
    Theory 2024, doi:10.48550/arXiv.2112.09162

    Shin, Ramdas, Rinaldo: E-detectors: A Nonparametric Framework for Sequential Change Detection,
    New England Journal of Statistics in Data Science 2023, doi:10.51387/23-NEJSDS51

    Rahimi, Recht: Random Features for Large-Scale Kernel Machines, NeurIPS 2007

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> detector = KernelEDetector(run_time=1_000).fit(rng.normal(size=(2_000, 3)))
    >>> for _ in range(20):
    ...     _ = detector.update(rng.normal(size=(50, 3)))
    >>> detector.is_alarm
    False
    >>> n_updates = 0
    >>> while not detector.is_alarm:
    ...     n_updates += 1
    ...     _ = detector.update(rng.normal(size=(50, 3)) + [0.8, 0.0, 0.0])
    >>> n_updates <= 10
    True
    """

    kind: ClassVar[str] = "kernel_e_detector"
    _has_dimensions: ClassVar[bool] = False

    def __init__(
        self,
        run_time: float,
        confidence: float = 0.9,
        scheme: Scheme = "shiryaev_roberts",
        memories: Sequence[float] = MEMORIES,
        n_features: int = 256,
        n_components: int = 64,
        bandwidth: Bandwidth = "median",
        seed: int = 0,
    ) -> None:
        super().__init__(run_time, confidence, scheme, memories)
        check_features(n_features, seed)
        self._n_features, self._seed = n_features, seed
        self._n_components = whole_number(n_components, "n_components", at_least=1)
        self._configured_bandwidth = check_bandwidth(bandwidth)
        self._map: _FeatureMap | None = None

    def fit(self, x_ref: ArrayLike) -> Self:
        """Learn from ``x_ref``, shape (n_ref, n_columns), which is not kept, and begin.

        Raises
        ------
        InvalidSampleError
            If ``x_ref`` is not made of at least 8 rows of finite numbers.
        """
        learning, held_out = learning_and_held_out(as_rows(x_ref, "x_ref", min_rows=self.min_rows))
        self._map = _FeatureMap.of(
            learning, self._n_features, self._n_components, self._configured_bandwidth, self._seed
        )
        held = [
            self._map.apply(held_out[start : start + _ROWS_AT_ONCE])
            for start in range(0, len(held_out), _ROWS_AT_ONCE)
        ]
        self._bounds = _bounds(np.concatenate(held), 1.0 - self._confidence)
        self.reset()
        return self

    def reset(self) -> None:
        """Forget all updates, as after an alarm that was attended to."""
        feature_map = fitted(self._map, self)
        self._n_columns = feature_map.frequencies.shape[1]
        lower, upper = self._bounds[:, np.newaxis, :]
        reach, radius = np.full(lower.shape, REACH), radius_of(lower.shape[1])
        self._bets = LinearBets(lower, upper, reach, radius, self._memories)
        self._begin(1)

    def cost(self, n_ref: int, n_dimensions: int) -> StreamCost:
        """Say what it takes, whatever the size of the reference. It need not be fitted."""
        n_components = n_dimensions + self._n_components
        memory = 8 * self._memories.size * (n_components + 2)
        of_features = n_dimensions * (self._n_features // 2 + self._n_features)
        of_maps = n_dimensions * (n_dimensions + 6) + self._n_features * (self._n_components + 1)
        return StreamCost(
            memory_bytes=memory,
            reference_bytes=8 * (of_features + of_maps + 2 * n_components + 50) + memory,
            update_us=250.0,
            row_us=5.0 + (1.5 + 0.0015 * n_components) * self._n_features / 64.0,
        )

    def _growth(self, shift: float, n_ref: int, n_dimensions: int) -> float:
        n_components = n_dimensions + self._n_components
        n_held_out = n_ref - len(range(*LEARNING_ROWS.indices(n_ref)))
        # About what the bounds of components of unit variance are.
        each = (1.0 - self._confidence) / (2 * n_components)
        upper = np.full(n_components, np.sqrt(-2.0 * np.log(each) / n_held_out))
        moved = np.clip(NORMAL_PLACES + shift, -REACH, REACH)[:, np.newaxis]
        reach = np.full(n_components, REACH)
        return growth_of_bets(moved, -upper, upper, reach, radius_of(n_components))

    def _learned(self) -> list[FloatArray]:
        return [self._bets.recent, self._bets.rows]

    def _go_on_from(self, learned: list[FloatArray]) -> None:
        self._bets = self._bets.resumed(*learned)

    def _play(self, rows: FloatArray) -> FloatArray:
        features = fitted(self._map, self).apply(rows)[:, np.newaxis, :]
        factors = self._bets.log_factors(features)
        self._bets.learn(features)
        return factors

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Everything needed to go on."""
        feature_map = fitted(self._map, self)
        return {
            **feature_map.to_arrays(),
            "bounds": self._bounds.copy(),
            "numbers": np.array([self._n_components, self._seed]),
            "bandwidth": np.array([stored_bandwidth(self._configured_bandwidth)]),
            **self._bets.to_arrays(),
            **self._evidence_arrays(),
        }

    @classmethod
    def from_arrays(cls, arrays: StateArrays) -> Self:
        """Restore a detector that goes on with equal values.

        Raises
        ------
        InvalidStateError
            If an array is missing or does not describe a detector.
        """
        common = cls._of_parameters(arrays)
        feature_map = _FeatureMap.from_arrays(arrays)
        numbers = state_array(arrays, "numbers", ndim=1, kind="i").tolist()
        bandwidth = state_array(arrays, "bandwidth", ndim=1, allow_missing=True).tolist()
        bounds = state_array(arrays, "bounds", ndim=2).astype(np.float64)
        if (
            bounds.shape != (2, feature_map.n_components)
            or len(numbers) != 2
            or len(bandwidth) != 1
        ):
            raise InvalidStateError("stored arrays of an e-detector do not agree")
        with refused_as_state():
            detector = cls(
                common.run_time,
                common._confidence,
                common._scheme,
                common._memories.tolist(),
                2 * len(feature_map.frequencies),
                numbers[0],
                restored_bandwidth(bandwidth[0]),
                numbers[1],
            )
        detector._map, detector._bounds = feature_map, bounds
        detector.reset()
        detector._bets.restore(arrays)
        detector._restore_evidence(arrays)
        return detector


@dataclass(frozen=True, eq=False)
class _FeatureMap:
    """The way from rows to components: whitened columns, then what they leave of the features."""

    scale: RobustScale
    columns: Whitening
    frequencies: FloatArray
    # The features that the columns explain, shape (n_columns, n_features).
    explained: FloatArray
    rest: Whitening

    @classmethod
    def of(
        cls, rows: FloatArray, n_features: int, n_components: int, bandwidth: Bandwidth, seed: int
    ) -> Self:
        """Learn it from rows, shape (n, n_columns)."""
        scale = RobustScale.of(rows)
        scaled = scale.apply(rows)
        used = used_bandwidth(scaled[:_BANDWIDTH_ROWS], bandwidth)
        columns = Whitening.aligned(scaled)
        frequencies = draw_frequencies(rows.shape[1], n_features, used, seed)
        features, white = random_features(scaled, frequencies), columns.apply(scaled)
        explained = white.T @ (features - features.mean(axis=0)) / len(rows)
        rest = Whitening.leading(features - white @ explained, n_components)
        return cls(scale, columns, frequencies, explained, rest)

    @property
    def n_components(self) -> int:
        """The number of components."""
        return self.columns.n_components + self.rest.n_components

    def apply(self, rows: FloatArray) -> FloatArray:
        """The components of rows, shape (n, n_components)."""
        scaled = self.scale.apply(rows)
        white = self.columns.apply(scaled)
        features = random_features(scaled, self.frequencies)
        rest = self.rest.apply(features - white @ self.explained)
        return within_radius(np.concatenate([white, rest], axis=1))

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Its arrays."""
        return {
            **self.scale.to_arrays("column_"),
            **self.columns.to_arrays("columns_"),
            **self.rest.to_arrays("rest_"),
            "frequencies": self.frequencies.copy(),
            "explained": self.explained.copy(),
        }

    @classmethod
    def from_arrays(cls, arrays: StateArrays) -> Self:
        """Restore it; InvalidStateError where the arrays do not fit."""
        scale = RobustScale.from_arrays(arrays, "column_")
        columns = Whitening.from_arrays(arrays, "columns_")
        rest = Whitening.from_arrays(arrays, "rest_")
        frequencies, explained = (
            state_array(arrays, name, ndim=2).astype(np.float64)
            for name in ("frequencies", "explained")
        )
        n_columns, n_features = scale.centres.size, rest.centre.size
        if not (
            columns.matrix.shape == (n_columns, n_columns)
            and explained.shape == (n_columns, n_features)
            and frequencies.shape == (n_features / 2, n_columns)
        ):
            raise InvalidStateError("stored arrays of features do not fit")
        return cls(scale, columns, frequencies, explained, rest)


def _bounds(components: FloatArray, risk: float) -> FloatArray:
    """Bounds of the means of all components at once, shape (2, n_components)."""
    each = risk / (2 * components.shape[1])
    below, above = (
        upper_mean_bound(sign * components, 1.0, REACH, 0.0, each) for sign in (-1.0, 1.0)
    )
    return np.stack([-below, above])
