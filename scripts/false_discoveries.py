"""False discoveries among 1,000 models of which 50 drift: e-LOND, Bonferroni, a level per model.

``python -m scripts.false_discoveries`` prints a table. Each day has 24 windows of each model, of
which neighbours overlap by half, so that their p-values depend on each other; the second of two
days counts, and 50 models drift from its middle on. An incident starts with a drifting window
(``windows_to_start = 1``) or, as by default, with the second in a row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from detectors.discovery.e_values import ELond, e_value_of

N_MODELS, N_DRIFTING, N_WINDOWS, LEVEL = 1_000, 50, 24, 0.1
_N_STREAMS = 100
_PER_WINDOW = 0.001

Starts = Sequence[tuple[int, int, float]]
Method = Callable[[Starts], set[tuple[int, int]]]


def simulated(rng: np.random.Generator, shift: float, n_in_a_row: int) -> Starts:
    """Starts of incidents as (window, model, p-value), in the order of time, then model."""
    noise = rng.normal(size=(N_MODELS, 2 * N_WINDOWS + 1))
    z = (noise[:, 1:] + noise[:, :-1]) / np.sqrt(2.0)
    z[:N_DRIFTING, N_WINDOWS + N_WINDOWS // 2 :] += shift
    p: NDArray[np.float64] = norm.sf(z)
    starts = p <= _PER_WINDOW
    if n_in_a_row == 2:
        starts[:, 1:] &= starts[:, :-1].copy()
        starts[:, 0] = False
    starts[:, 1:] &= ~starts[:, :-1].copy()
    return [(w, m, float(p[m, w])) for w, m in zip(*np.nonzero(starts.T), strict=True)]


def level_per_model(starts: Starts) -> set[tuple[int, int]]:
    """Tell of all incidents."""
    return {(window, model) for window, model, _ in starts}


def bonferroni(starts: Starts) -> set[tuple[int, int]]:
    """Divide the level by all tests of a day."""
    most = LEVEL / (N_MODELS * N_WINDOWS)
    return {(window, model) for window, model, p in starts if p <= most}


def e_lond(starts: Starts) -> set[tuple[int, int]]:
    """Decide as the job does: a budget each day, all windows count."""
    found, day = set[tuple[int, int]](), -1
    decisions, n_counted = ELond(LEVEL), 0
    for window, model, p in starts:
        if window // N_WINDOWS != day:
            day, n_counted = window // N_WINDOWS, 0
            decisions = ELond(LEVEL, N_MODELS * N_WINDOWS if day else 0)
        n_tested = N_MODELS * (window % N_WINDOWS + 1)
        decisions.pass_over(n_tested - n_counted)
        n_counted = n_tested
        if decisions.decide(e_value_of(p)).is_discovery:
            found.add((window, model))
    return found


def figures(method: Method, shift: float, n_in_a_row: int) -> tuple[float, float, float, float]:
    """Mean share of false discoveries, its standard error, power, and false ones a day."""
    shares, powers, n_false = [], [], []
    for seed in range(_N_STREAMS):
        found = method(simulated(np.random.default_rng(seed), shift, n_in_a_row))
        today = {(window, model) for window, model in found if window >= N_WINDOWS}
        true = {
            model
            for window, model in today
            if model < N_DRIFTING and window >= N_WINDOWS + N_WINDOWS // 2
        }
        n_false.append(sum(m >= N_DRIFTING or w < 1.5 * N_WINDOWS for w, m in today))
        shares.append(n_false[-1] / max(1, len(today)))
        powers.append(len(true) / N_DRIFTING)
    error = float(np.std(shares, ddof=1) / np.sqrt(_N_STREAMS))
    return float(np.mean(shares)), error, float(np.mean(powers)), float(np.mean(n_false))


def main() -> None:
    """Print the table."""
    methods: dict[str, Method] = {
        "level 0.001 per model": level_per_model,
        "Bonferroni over the tests of a day": bonferroni,
        "e-LOND": e_lond,
    }
    print("| windows to start | shift (sd) | method | share of false ones | found | false a day |")
    print("| ---: | ---: | --- | ---: | ---: | ---: |")
    for n_in_a_row in (1, 2):
        for shift in (4.0, 5.0, 6.0, 8.0):
            for name, method in methods.items():
                share, error, power, n_false = figures(method, shift, n_in_a_row)
                cells = f"{name} | {share:.3f} ± {1.96 * error:.3f} | {power:.2f} | {n_false:.2f}"
                print(f"| {n_in_a_row} | {shift:g} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
