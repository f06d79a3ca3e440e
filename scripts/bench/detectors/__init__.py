"""Speed of the detectors beside their peers: same numbers first, then ratios."""
