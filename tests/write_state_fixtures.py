"""Write state of the present version to ``tests/fixtures/state``, for tests to restore.

Run ``python -m tests.write_state_fixtures`` when the state, or what it depends on, has changed.
"""

from __future__ import annotations

import shutil

from flink_jobs.core.state.model_state import InMemoryEntries
from tests.state_fixtures import FOLDER, PHASES, write_state


def main() -> None:
    """Write the state of a model in each phase."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    for name, phase in PHASES.items():
        state = InMemoryEntries()
        phase.go_on(phase.before(), state)
        write_state(name, state)


if __name__ == "__main__":
    main()
