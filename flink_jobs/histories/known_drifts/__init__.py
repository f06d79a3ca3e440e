"""Known drifts of a history: simulated, labelled, or listed in a file."""
