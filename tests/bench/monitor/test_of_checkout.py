import json

import numpy as np
import pytest

from scripts.bench.monitor import of_checkout
from scripts.bench.monitor.of_checkout import CountingState, cost, size


def test_what_is_written_counts_each_time_and_what_is_held_once():
    state = CountingState()

    state.put("a", b"four")
    state.put("a", b"two")
    state.put("b", b"three")
    state.delete("b")

    assert state.n_written == 4 + 3 + 5
    assert state.n_bytes() == 3
    assert (state.get("a"), state.get("b")) == (b"two", None)


def test_the_blocks_of_the_older_protocol_are_entries_too():
    state = CountingState()

    state.write_recent(b"recent")

    assert state.read_recent() == state.get("recent") == b"recent"
    assert state.read_reference() is None


def test_every_window_is_tested_and_has_the_statistic_of_scipy():
    found = cost(3, 1, 4)

    # The windows of the panes before, of those that warm up, and of those that are measured.
    assert found.n_windows == 1 + of_checkout._N_WARM_UP + 4
    assert found.objection == ""
    assert found.us_per_event > 0


def test_the_same_panes_give_the_same_digest_and_other_windows_another():
    assert cost(2, 1, 2).digest == cost(2, 1, 2).digest != cost(4, 1, 2).digest


def test_a_statistic_that_is_not_that_of_scipy_is_named(monkeypatch):
    class Other:
        statistic = 0.5

    monkeypatch.setattr(of_checkout, "ks_2samp", lambda *_, **__: Other)

    assert "SciPy: 400 events, D = 0.5" in cost(2, 1, 1).objection


def test_a_stretch_that_begins_anywhere_holds_as_many_windows_as_slides():
    assert cost(4, 2, 4).n_windows - cost(4, 2, 2).n_windows == 1


def test_a_state_that_passes_the_limit_is_read_no_further():
    found = size(100, 24, 200_000)

    assert not found.is_whole
    # The first window that is tested begins at one o'clock.
    assert found.n_hours < 2
    assert found.state_bytes > 200_000


def test_a_pool_of_panes_comes_again_and_single_panes_never_do():
    pooled, single = of_checkout._drawer(5, 2), of_checkout._drawer(5, 0)

    assert np.array_equal(pooled(0), pooled(2))
    assert not np.array_equal(single(0), single(2))


@pytest.mark.parametrize("arguments", [["cost", "2", "1", "1"], ["size", "100", "1", "1"]])
def test_the_child_answers_in_one_line_of_json(arguments, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["of_checkout.py", *arguments])

    of_checkout.main()

    assert json.loads(capsys.readouterr().out)
