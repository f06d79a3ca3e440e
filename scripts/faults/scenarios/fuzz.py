"""Hostile payloads through packer and monitor: the whole of ``make fuzz`` as one line."""

from __future__ import annotations

from scripts.faults.outcome import Options, Outcome
from scripts.faults.promises import BrokenPromiseError as _BrokenPromise
from scripts.faults.stage import Teller
from scripts.fuzz.fuzzer import PROFILES, BrokenPromiseError, Fuzzer

NAME = "fuzz"
_NOTES = """\
Packer and monitor alone, without broker and cluster, in each of {n_profiles} configurations.
`make fuzz` prints reasons, rates and memory of each.
"""


def play(options: Options, teller: Teller) -> Outcome:
    """Every configuration takes its share of the payloads."""
    n_each = options.payloads // len(PROFILES)
    n_used = n_refused = 0
    for profile in PROFILES:
        fuzzer = Fuzzer(profile, options.seed)
        try:
            fuzzer.run(n_each)
        except BrokenPromiseError as error:
            raise _BrokenPromise(f"{profile}: {error}") from error
        n_used += fuzzer.totals.used
        n_refused += fuzzer.totals.reasons.total()
        teller.say(f"{NAME}: {profile}: {fuzzer.totals.payloads:,} payloads")
        teller.advance(1 / len(PROFILES))
    return Outcome(
        name=NAME,
        command=f"--only {NAME} --payloads {options.payloads} --seed {options.seed}",
        fault="hostile payloads: cut, nested, enormous, of wrong types and numbers",
        events=n_each * len(PROFILES),
        runs=1,
        result=f"{n_used:,} used, {n_refused:,} dead letters with their reasons, none lost, "
        "no other exception",
        notes=_NOTES.format(n_profiles=len(PROFILES)),
    )
