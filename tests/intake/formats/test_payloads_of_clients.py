"""The committed payloads against what the clients make today, where these can be installed."""

from __future__ import annotations

import json
import os

import pytest

from scripts.bench.environments import PeerUnavailableError
from scripts.payloads.making import CLIENTS, FOLDER, payloads_of


@pytest.mark.integration
@pytest.mark.skipif(
    not os.environ.get("LOUDLY_CLIENTS"), reason="set LOUDLY_CLIENTS=1: it installs 400 MB"
)
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("environment", sorted(CLIENTS))
def test_the_clients_still_make_the_payloads_that_are_committed(environment):
    try:
        made = payloads_of(environment)
    except PeerUnavailableError as error:
        pytest.skip(str(error))

    assert made == json.loads((FOLDER / f"{environment}.json").read_text())
