from __future__ import annotations

import numpy as np
import pytest

from detectors import KSTest
from flink_jobs.cli.summary import lowest_p_value, summarise
from tests.flink_jobs.builders import make_config


def text_of(name: str, **tables: object) -> str:
    return dict(summarise(make_config(**tables), None))[name]


@pytest.mark.parametrize(("n_ref", "n_test"), [(30, 2), (30, 20), (3_000, 200)])
def test_the_lowest_p_value_is_that_of_samples_that_do_not_overlap(n_ref: int, n_test: int) -> None:
    config = make_config(window={"min_events": n_test})
    test = KSTest().fit(np.zeros((n_ref, 3)))

    extreme = test.test(np.ones((n_test, 3)), rng=np.random.default_rng(0))

    assert lowest_p_value(config, n_ref) == extreme.p_value


def test_the_lowest_p_value_of_mmd_comes_from_its_permutations() -> None:
    config = make_config(detector={"test": {"kind": "mmd", "n_permutations": 199}})

    assert lowest_p_value(config, 30) == 1 / 200


def test_count_windows_are_counted_in_events() -> None:
    text = text_of("window", window={"kind": "count", "size": 2000, "slide": 100})

    assert text == "2,000 events, every 100 events"


def test_the_state_of_count_windows_is_known_in_advance() -> None:
    text = text_of("state", window={"kind": "count", "size": 2000, "slide": 100})

    assert text == "per model 720 B for the reference and 48 kB for recent panes"


def test_the_state_of_time_windows_is_bounded_by_the_most_events_of_a_pane() -> None:
    text = text_of("state", panes={"max_events": 1000})

    assert "24 B for each event of a window, at most 72 kB" in text


def test_principal_components_are_what_is_kept() -> None:
    reducer = {"reducer": {"kind": "pca", "n_components": 2}}

    assert "16 B for each event" in text_of("state", detector=reducer)
