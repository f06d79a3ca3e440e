"""Makes payloads by the clients of MLServer, Triton, KServe and CloudEvents, of one small table."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from scripts.bench.environments import Peer, python_of

TABLE: dict[str, list[Any]] = {
    "age": [40.5, 23.0, 61.25],
    "visits": [3, 0, 12],
    "plan": ["pro", "basic", "é"],
    "senior": [False, False, True],
    "emb": [[0.5, -1.0], [2.0, 0.25], [0.0, 8.0]],
    "probs": [[0.25, 0.75], [0.5, 0.5], [1.0, 0.0]],
    "answer": ["dog", "cat", "cat"],
}
"""By column the value of each row; single precision holds all of them."""

FOLDER = Path(__file__).parents[2] / "tests" / "fixtures" / "payloads"
_WORKERS = Path(__file__).with_name("workers")
CLIENTS = {"mlserver": "mlserver_client", "kserve": "kserve_client"}
"""By environment the worker that runs in it."""
_TIMEOUT_S = 300


def payloads_of(environment: str) -> list[dict[str, Any]]:
    """Make the payloads of the clients in one environment.

    Parameters
    ----------
    environment : str
        A key of :data:`CLIENTS`; it is installed where it is missing.

    Returns
    -------
    list of dict
        Of each its ``name``, its ``payload`` in base64, and its ``headers``.

    Raises
    ------
    scripts.bench.environments.PeerUnavailableError
        If the environment cannot be made.
    """
    python = python_of(Peer(environment))
    worker = _WORKERS / f"{CLIENTS[environment]}.py"
    with tempfile.NamedTemporaryFile("w", suffix=".json") as table:
        json.dump(TABLE, table)
        table.flush()
        command = [str(python), "-W", "ignore", str(worker), table.name]
        done = subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=_TIMEOUT_S
        )
    made: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return made
