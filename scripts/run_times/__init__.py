"""Run times until a false alarm: the curves that ship, and whether detectors keep the promise."""
