"""State of one model, as own versioned bytes."""
