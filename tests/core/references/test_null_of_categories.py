"""Views of many categories, from texts to p-values, do not alarm where nothing has shifted."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from flink_jobs.config.views import views_of
from flink_jobs.core.references.fitted import ReferenceRows, fit_view
from tests.intake.examples import named_config

N_PAIRS = 80


@pytest.mark.parametrize("test", ["chi_square", "mixed"])
@pytest.mark.parametrize(
    ("n_categories", "power", "n_ref", "n_test"),
    [(10, 0.0, 500, 300), (300, 0.0, 6_000, 300), (300, 1.0, 2_000, 1_000), (5_000, 1.0, 500, 500)],
)
def test_windows_without_a_shift_alarm_as_rarely_as_the_level_says(
    test, n_categories, power, n_ref, n_test
):
    columns = {"plan": "category", "n": "number"} if test == "mixed" else {"plan": "category"}
    views = [{"name": "inputs", "columns": ["features"], "test": {"kind": test}}]
    (view,) = views_of(named_config({"features": columns}, views=views))
    shares = np.arange(1.0, n_categories + 1) ** -power
    random = np.random.default_rng(7)
    texts = {0: [f"t{number}" for number in random.permutation(n_categories)]}

    def drawn(n: int) -> NDArray[np.float64]:
        codes = random.choice(n_categories, size=n, p=shares / shares.sum()).astype(np.float64)
        return np.column_stack([codes, random.normal(size=n)][: len(columns)])

    p_values = []
    for _ in range(N_PAIRS):
        keys = random.integers(0, 2**63, n_ref, dtype=np.uint64)
        fitted = fit_view(view, ReferenceRows(drawn(n_ref), texts, keys), n_test)
        x_test = fitted.encoder.encode(drawn(n_test), texts)
        p_values.append(fitted.detectors[0].test(x_test, rng=random).p_value)

    for level in (0.01, 0.05, 0.2):
        n_alarms = int(np.sum(np.array(p_values) <= level))
        assert n_alarms <= stats.binom.ppf(1 - 1e-3, N_PAIRS, level), level
