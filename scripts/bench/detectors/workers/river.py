"""river's incremental Kolmogorov–Smirnov statistic."""

from __future__ import annotations

from river import stats  # type: ignore[import-not-found]

from scripts.bench.detectors.workers.protocol import Case, Data, serve, stream_case


def sliding_ks(data: Data, n_ref: int, window_size: int, n_events: int) -> Case:
    """``revert``, ``update`` and ``get`` for each event.

    It takes values in pairs, one of each sample, so that the reference has to be as large as the
    window: a place of the window and a row of the reference belong together and come in and out
    together.
    """
    if n_ref != window_size:
        raise ValueError("the reference must be as large as the window")
    reference = data["sliding_ref"][:n_ref, 0].tolist()
    distance = stats.KolmogorovSmirnov(statistic="ks")
    window: list[float] = []
    n_seen = 0

    def update(value: float) -> float:
        nonlocal n_seen
        slot = n_seen % window_size
        n_seen += 1
        if len(window) < window_size:
            window.append(value)
        else:
            distance.revert(reference[slot], window[slot])
            window[slot] = value
        distance.update(reference[slot], value)
        return float(distance.get())

    return stream_case(
        update,
        data["sliding_stream"][:, 0].tolist(),
        window_size,
        n_events,
        lambda results: {"statistics": results},
    )


if __name__ == "__main__":
    serve({"sliding_ks": sliding_ks})
