"""Speed of the detectors against their peers: same numbers first, then ratios."""
