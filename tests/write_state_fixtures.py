"""Write state of the present version to ``tests/fixtures/state``, for later versions to restore.

Run ``python -m tests.write_state_fixtures`` once for each state version, with the code that is
released with it.
"""

from __future__ import annotations

import msgspec

from flink_jobs.core.state.state import STATE_VERSION, InMemoryState
from tests.state_fixtures import FOLDER, PHASES, records, write_state


def main() -> None:
    """Write the state of a model in each phase, and what comes of the panes that follow."""
    folder = FOLDER / f"v{STATE_VERSION}"
    folder.mkdir(parents=True, exist_ok=True)
    for name, phase in PHASES.items():
        state = InMemoryState()
        phase.go_on(phase.before(), state)
        write_state(folder, name, state)
        expected = msgspec.json.encode(records(phase.go_on(phase.after(), state)))
        (folder / f"{name}.expected.json").write_bytes(msgspec.json.format(expected) + b"\n")


if __name__ == "__main__":
    main()
