"""frouros' incremental Kolmogorov–Smirnov test."""

from __future__ import annotations

from frouros.detectors.data_drift import IncrementalKSTest  # type: ignore[import-not-found]

from scripts.bench.detectors.workers.protocol import Case, Data, serve, stream_case


def sliding_ks(data: Data, n_ref: int, window_size: int, n_events: int) -> Case:
    """``update``, which works out the p-value of every window."""
    detector = IncrementalKSTest(window_size=window_size)
    detector.fit(X=data["sliding_ref"][:n_ref, 0])
    return stream_case(
        lambda value: detector.update(value=value)[0],
        data["sliding_stream"][:, 0].tolist(),
        window_size,
        n_events,
        lambda results: {
            "statistics": [float(result.statistic) for result in results],
            "p_values": [float(result.p_value) for result in results],
        },
    )


if __name__ == "__main__":
    serve({"sliding_ks": sliding_ks})
