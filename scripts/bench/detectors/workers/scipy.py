"""SciPy, in the project's own environment."""

from __future__ import annotations

from scipy.stats import ks_2samp

from scripts.bench.detectors.workers.protocol import Case, Data, serve


def ks(data: Data) -> Case:
    """``ks_2samp`` of all columns in one call."""
    return Case(
        lambda: ks_2samp(data["ks_ref"], data["ks_test"], axis=0, method="asymp"),
        lambda result: {
            "statistics": result.statistic.tolist(),
            "p_values": result.pvalue.tolist(),
        },
    )


if __name__ == "__main__":
    serve({"ks": ks})
