"""alibi-detect with PyTorch on one thread."""

from __future__ import annotations

import numpy as np
import torch
from alibi_detect.cd import KSDrift, MMDDrift, MMDDriftOnline  # type: ignore[import-not-found]

from scripts.bench.detectors.workers.protocol import Case, Data, serve, stream_case


def ks(data: Data) -> Case:
    """``KSDrift.predict``."""
    detector = KSDrift(data["ks_ref"])
    return Case(
        lambda: detector.predict(data["ks_test"])["data"],
        lambda result: {
            "statistics": result["distance"].astype(float).tolist(),
            "p_values": result["p_val"].astype(float).tolist(),
        },
    )


def mmd(data: Data, n_permutations: int) -> Case:
    """``MMDDrift.predict`` at a given bandwidth, which spares it the median heuristic."""
    detector = MMDDrift(
        data["mmd_ref"],
        backend="pytorch",
        device="cpu",
        n_permutations=n_permutations,
        sigma=np.sqrt(data["mmd_bandwidth"] / 2.0).reshape(1),
        configure_kernel_from_x_ref=False,
    )
    return Case(
        lambda: detector.predict(data["mmd_test"])["data"],
        lambda result: {
            "statistics": [result["distance"]],
            "n_reaching": round(result["p_val"] * n_permutations),
            "n_permutations": n_permutations,
        },
    )


def online_mmd(data: Data, window_size: int, n_events: int, n_bootstraps: int, ert: float) -> Case:
    """``MMDDriftOnline.predict``. It sets a part of the reference aside: see ``ref_indices``."""
    detector = MMDDriftOnline(
        data["online_ref"],
        ert=ert,
        window_size=window_size,
        backend="pytorch",
        device="cpu",
        sigma=np.sqrt(data["online_bandwidth"] / 2.0).reshape(1),
        n_bootstraps=n_bootstraps,
        verbose=False,
    )
    ref_indices = detector._detector.ref_inds.tolist()
    return stream_case(
        detector.predict,
        data["online_stream"],
        window_size,
        n_events,
        lambda results: {"statistics": [result["data"]["test_stat"] for result in results]},
        {"ref_indices": ref_indices},
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.manual_seed(0)
    serve({"ks": ks, "mmd": mmd, "online_mmd": online_mmd})
