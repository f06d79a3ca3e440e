"""The detectors whose run times are measured, and the streams that they watch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from detectors import (
    PCA,
    BinnedEDetector,
    ChiSquareTest,
    ClassifierEDetector,
    ConformalEDetector,
    CramerVonMisesTest,
    EnergyTest,
    FourierMMDTest,
    IncidentRule,
    KernelEDetector,
    KSTest,
    MixedTest,
    MMDTest,
    PSITest,
    Reducer,
    TwoSampleTest,
)
from detectors.base import FloatArray

N_PERMUTATIONS = 499
"""The lowest p-value is 0.002, which the levels of run times of 100 windows stay above."""

TWO_IN_A_ROW, AT_ONCE = IncidentRule(2, 2, 3), IncidentRule(1, 1, 1)


@dataclass(frozen=True)
class Sizes:
    """Rows and windows of a case.

    Attributes
    ----------
    n_test : int
        Rows of a window.
    overlap : int
        Windows to which a row belongs; a window begins every ``n_test // overlap`` rows.
    references : tuple of int
        Lengths of references, in windows.
    target : float
        The promised run time, in windows.
    """

    n_test: int = 100
    overlap: int = 5
    references: tuple[int, ...] = (20,)
    target: float = 100.0

    @property
    def slide(self) -> int:
        """Rows from one window to the next."""
        return self.n_test // self.overlap


@dataclass(frozen=True)
class Windowed:
    """A two-sample test of sliding windows, with a level from the promised run time.

    Attributes
    ----------
    test : callable
        Makes the test, not fitted.
    reducer : callable or None
    rule : IncidentRule
    categorical : tuple of int
        Columns that hold codes of categories, as the test sees them.
    """

    test: Callable[[], TwoSampleTest]
    reducer: Callable[[], Reducer] | None = None
    rule: IncidentRule = TWO_IN_A_ROW
    categorical: tuple[int, ...] = ()


class EvidenceDetector(Protocol):
    """A detector with a proof, as :class:`detectors.sequential.e_detector.RowsEDetector` is."""

    def fit(self, x_ref: FloatArray, /) -> object:
        """Take a reference."""

    def update(self, x: FloatArray, /, weight: float) -> float:
        """Take rows, and return the evidence."""

    def reset(self) -> None:
        """Forget all updates."""


@dataclass(frozen=True)
class Sequential:
    """An e-detector, which takes the rows of a slide at once.

    Attributes
    ----------
    make : callable
        Makes the detector from a promised run time.
    """

    make: Callable[[float], EvidenceDetector]


@dataclass(frozen=True)
class OfPeer:
    """A detector of another library, in an environment of its own.

    Attributes
    ----------
    peer : str
        Names a worker in ``scripts/run_times/workers``.
    kind : str
        One of those that the worker offers.
    promises : bool
        Whether it promises a run time.
    """

    peer: str
    kind: str
    promises: bool = True


@dataclass(frozen=True)
class Case:
    """A detector and its stream.

    Attributes
    ----------
    stream : str
        One of ``scripts.run_times.streams.STREAMS``.
    detector : Windowed, Sequential or OfPeer
    sizes : Sizes
    """

    stream: str
    detector: Windowed | Sequential | OfPeer
    sizes: Sizes = Sizes()


_ALL = Sizes(references=(2, 5, 20, 100))
_LONG = Sizes(references=(20, 100), target=1_000.0)
_SHORT = Sizes(n_test=20)
"""A permutation test of 420 rows takes 9 ms, one of 2,100 rows 220."""

CASES: Mapping[str, Case] = MappingProxyType(
    {
        "ks, 1": Case("normal 1", Windowed(KSTest), _ALL),
        "ks, 1, long": Case("normal 1", Windowed(KSTest), _LONG),
        "ks, 10": Case("normal 10", Windowed(KSTest), Sizes(references=(20, 100))),
        "ks, 10 correlated": Case("correlated 10", Windowed(KSTest)),
        "ks, 32": Case("normal 32", Windowed(KSTest)),
        "ks, heavy tails": Case("heavy", Windowed(KSTest)),
        "ks, rounded": Case("rounded", Windowed(KSTest)),
        "ks, missing": Case("missing", Windowed(KSTest)),
        "ks, constants": Case("constants", Windowed(KSTest)),
        "ks, AR(1) 0.5": Case("ar 0.5", Windowed(KSTest), Sizes(references=(20, 100))),
        "ks, AR(1) 0.9": Case("ar 0.9", Windowed(KSTest), Sizes(references=(20, 100))),
        "ks, AR(1) 0.5, long": Case("ar 0.5", Windowed(KSTest), _LONG),
        "ks, AR(1) 0.9, long": Case("ar 0.9", Windowed(KSTest), _LONG),
        "ks, slow": Case("slow", Windowed(KSTest), Sizes(references=(20, 100))),
        "mixed, dependent": Case(
            "dependent", Windowed(lambda: MixedTest([0]), categorical=(0,)), Sizes()
        ),
        "pca, ks": Case("correlated 32", Windowed(KSTest, lambda: PCA(10))),
        "chi_square": Case("categories", Windowed(ChiSquareTest, categorical=(0,))),
        "mixed": Case("mixed", Windowed(lambda: MixedTest([0]), categorical=(0,))),
        "psi": Case("normal 1", Windowed(lambda: PSITest(N_PERMUTATIONS))),
        "mmd_features, 1": Case("normal 1", Windowed(FourierMMDTest)),
        "mmd_features, 10": Case("normal 10", Windowed(FourierMMDTest)),
        "mmd_features, 32": Case("normal 32", Windowed(FourierMMDTest)),
        "cramer_von_mises": Case(
            "normal 1", Windowed(lambda: CramerVonMisesTest(N_PERMUTATIONS)), _SHORT
        ),
        "mmd": Case("normal 10", Windowed(lambda: MMDTest(N_PERMUTATIONS)), _SHORT),
        "energy": Case("normal 10", Windowed(lambda: EnergyTest(N_PERMUTATIONS)), _SHORT),
        "counts_e_detector, 1": Case("normal 1", Sequential(BinnedEDetector)),
        "counts_e_detector, 10": Case("normal 10", Sequential(BinnedEDetector)),
        "counts_e_detector, missing": Case("missing", Sequential(BinnedEDetector)),
        "KernelEDetector, 10": Case("normal 10", Sequential(KernelEDetector)),
        "ConformalEDetector, 10": Case("normal 10", Sequential(ConformalEDetector)),
        "ClassifierEDetector, 10": Case("normal 10", Sequential(ClassifierEDetector)),
    }
)

_EVERY_ROW = Sizes(n_test=20, overlap=20)
"""Windows of 20 rows, one with each row: what alibi-detect's detectors do, and its promise."""

PEER_CASES: Mapping[str, Case] = MappingProxyType(
    {
        "ours: ks, 1": Case("normal 1", Windowed(KSTest, rule=AT_ONCE), _EVERY_ROW),
        "ours: ks, 10": Case("normal 10", Windowed(KSTest, rule=AT_ONCE), _EVERY_ROW),
        "ours: mmd_features, 10": Case(
            "normal 10", Windowed(FourierMMDTest, rule=AT_ONCE), _EVERY_ROW
        ),
        "ours: counts_e_detector, 1": Case("normal 1", Sequential(BinnedEDetector), _EVERY_ROW),
        "ours: KernelEDetector, 10": Case("normal 10", Sequential(KernelEDetector), _EVERY_ROW),
        "alibi-detect: CVMDriftOnline, 1": Case("normal 1", OfPeer("alibi", "cvm"), _EVERY_ROW),
        "alibi-detect: MMDDriftOnline, 10": Case("normal 10", OfPeer("alibi", "mmd"), _EVERY_ROW),
        "alibi-detect: LSDDDriftOnline, 10": Case("normal 10", OfPeer("alibi", "lsdd"), _EVERY_ROW),
        "river: ADWIN, 1": Case("normal 1", OfPeer("river", "adwin", promises=False), _EVERY_ROW),
        "river: PageHinkley, 1": Case(
            "normal 1", OfPeer("river", "page_hinkley", promises=False), _EVERY_ROW
        ),
        "river: KSWIN, 1": Case("normal 1", OfPeer("river", "kswin", promises=False), _EVERY_ROW),
    }
)
