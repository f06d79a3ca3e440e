"""The samples and streams that every worker reads: one seeded ``.npz``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detectors.two_sample.kernels import median_bandwidth, squared_distances

N_DIMENSIONS = 32


def make_data(n_stream: int, seed: int = 0) -> dict[str, NDArray[np.float64]]:
    """All arrays.

    The second samples are moved a little, so that p-values lie well inside (0, 1) and a wrong one
    would show.

    Parameters
    ----------
    n_stream : int
        Rows in each of the streams.
    seed : int
        Seed of everything that is drawn.
    """
    rng = np.random.default_rng(seed)
    ks_ref, ks_test = rng.normal(size=(2, 1_000, N_DIMENSIONS))
    mmd_ref, mmd_test = rng.normal(size=(2, 500, N_DIMENSIONS))
    online_ref = rng.normal(size=(1_000, N_DIMENSIONS))
    return {
        "ks_ref": ks_ref,
        "ks_test": ks_test + np.linspace(0.0, 0.2, N_DIMENSIONS),
        "mmd_ref": mmd_ref,
        "mmd_test": mmd_test,
        "mmd_bandwidth": _bandwidth(np.concatenate([mmd_ref, mmd_test])),
        "online_ref": online_ref,
        "online_stream": rng.normal(size=(n_stream, N_DIMENSIONS)),
        "online_bandwidth": _bandwidth(online_ref),
        "sliding_ref": rng.normal(size=(1_000, 1)),
        "sliding_stream": rng.normal(loc=0.1, size=(n_stream, 1)),
    }


def write_data(path: Path, n_stream: int) -> Path:
    """Write the arrays to ``path`` and return it."""
    np.savez(path, **make_data(n_stream))
    return path


def _bandwidth(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array(median_bandwidth(squared_distances(rows)))
