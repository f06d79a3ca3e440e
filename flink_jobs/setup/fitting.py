"""Makes a proposal small enough for the state that a model may have, and tries it."""

from __future__ import annotations

from dataclasses import replace

from flink_jobs.config.loading import decode_config
from flink_jobs.config.tables.base import ConfigError
from flink_jobs.histories.errors import SourceError
from flink_jobs.setup.job_toml import job_toml
from flink_jobs.setup.proposal import Proposal
from flink_jobs.setup.reading import read_sample

_FEWEST_REFERENCE = 500
_N_CELLS = 1_000
_MOST_ATTEMPTS = 8


def fitted(proposal: Proposal) -> Proposal:
    """Return a proposal that is a valid configuration.

    Where the state of a model would be too large, tests on numbers get fewer cells, and then the
    reference becomes smaller.

    Raises
    ------
    ConfigError
        When something else is wrong.
    """
    for _ in range(_MOST_ATTEMPTS):
        try:
            decode_config(job_toml(proposal).encode())
        except ConfigError:
            if proposal.n_cells and proposal.timing.most_reference <= _FEWEST_REFERENCE:
                raise
            proposal = _smaller(proposal)
        else:
            return proposal
    decode_config(job_toml(proposal).encode())
    return proposal


def _smaller(proposal: Proposal) -> Proposal:
    if not proposal.n_cells:
        return replace(proposal, n_cells=_N_CELLS)
    timing = proposal.timing
    most = timing.most_reference // 2
    if timing.duration_ms:
        return replace(proposal, timing=replace(timing, max_events=most))
    return replace(proposal, timing=replace(timing, n_reference=most))


def proven(proposal: Proposal) -> Proposal:
    """Return a proposal by which the events of its sample can be read.

    Raises
    ------
    SourceError
        When a backtest would refuse the file, or every event of it.
    """
    read = read_sample(decode_config(job_toml(proposal).encode()), proposal.sample)
    if read.n_usable == 0:
        why = f": {read.problems[0]}" if read.problems else ""
        raise SourceError(
            f"{proposal.sample.source} holds no event that this configuration could use{why}"
        )
    return proposal
