"""Statistics of a sliding window, brought up to date by every event."""
