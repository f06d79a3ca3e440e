"""Simulates the run times that ship with the package, for the settings that are common.

    python -m scripts.run_times.curves

To be run after a change of the simulation: about 50 minutes of one core. The same seed gives the
same file on every machine of one kind.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.progress import track

import detectors.calibration
from detectors.calibration.run_time_curves import TABLE, common_settings, simulated

_HERE = Path(detectors.calibration.__file__).parent


def main(
    processes: Annotated[int, typer.Option(min=1, help="processes that simulate")] = 2,
    output: Annotated[Path, typer.Option(help="where the table goes")] = _HERE / TABLE,
) -> None:
    """Simulate every common setting, and write one table."""
    settings = list(common_settings())
    with ProcessPoolExecutor(processes) as pool:
        curves = list(track(pool.map(simulated, settings), "Simulating", total=len(settings)))
    np.savez_compressed(output, log_run_times=np.array(curves, dtype=np.float32))


if __name__ == "__main__":
    typer.run(main)
