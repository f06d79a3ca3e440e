from __future__ import annotations

from itertools import product

from scripts.replicate.rates import Decisions, Rate
from scripts.replicate.results import Record
from scripts.replicate.scenarios import SHIFTS
from scripts.replicate.verdicts import Verdict, verdicts


def record(
    shift: str,
    sample_size: int,
    detected: bool,
    method: str = "ks-bbsds",
    share: float = 1.0,
    run: int = 0,
) -> Record:
    p_value = 0.01 if detected else 0.5
    return Record("digits", run, shift, share, 0, method, sample_size, p_value, detected, 0.0)


def test_an_interval_holds_the_rate_and_stays_within_0_and_1():
    for n_detected in (0, 3, 10):
        rate = Rate(n_detected, 10)
        low, high = rate.interval

        assert 0.0 <= low <= rate.value <= high <= 1.0


def test_a_rate_of_no_decisions_prints_as_a_dash():
    assert str(Rate(0, 0)) == "–"


def test_only_zeros_keeps_its_last_decision_where_zeros_run_out():
    decisions = Decisions(
        [
            record("oz+m_img", 10, False),
            record("oz+m_img", 20, True),
            *(record("ko", size, False) for size in (10, 20, 50, 100)),
        ]
    )

    found = [decisions.power("ks-bbsds", size).n_detected for size in (10, 20, 50, 100)]
    counted = [decisions.power("ks-bbsds", size).n for size in (10, 20, 50, 100)]

    assert found == [0, 1, 1, 1]
    assert counted == [2, 2, 2, 2]


def test_controls_count_as_false_alarms_and_not_as_power():
    decisions = Decisions([record("control", 10, True, share=0.0), record("ko", 10, False)])

    assert decisions.power("ks-bbsds", 10) == Rate(0, 1)
    assert decisions.false_alarms("ks-bbsds") == Rate(1, 1)


def everywhere(found: set[tuple[str, str]]) -> list[Record]:
    """One decision per method, shift, share and size; a shift where ``found`` says so."""
    shifted = [
        record(shift, size, (method, shift) in found, method, share)
        for method, shift, size, share in product(
            ("ks-none", "ks-bbsds"), SHIFTS, (10, 20), (0.1, 0.5, 1.0)
        )
    ]
    controls = [
        record("control", 10, False, method, 0.0, run)
        for method in ("ks-none", "ks-bbsds")
        for run in range(50)
    ]
    return shifted + controls


def test_verdicts_follow_the_numbers():
    bbsds_finds = {("ks-bbsds", shift) for shift in SHIFTS if shift not in ("ko", "s_gn", "m_gn")}
    good = verdicts(Decisions(everywhere(bbsds_finds)))
    bad = verdicts(Decisions(everywhere({("ks-none", "ko"), ("ks-bbsds", "ko")})))

    def reached(found: list[Verdict], about: str) -> bool:
        (one,) = [each.reached for each in found if about in each.claim]
        return one

    for about in ("best reduction", "more intense", "knock-out is the hardest", "No method"):
        assert reached(good, about)
    for about in ("more intense", "knock-out is the hardest"):
        assert not reached(bad, about)


def test_too_many_false_alarms_are_said():
    alarms = [record("control", 10, True, share=0.0, run=run) for run in range(20)]
    decisions = Decisions(everywhere(set()) + alarms)

    (verdict,) = [each for each in verdicts(decisions) if each.claim.startswith("No method")]

    assert not verdict.reached
    assert "Above the level: KS BBSDs" in verdict.numbers
