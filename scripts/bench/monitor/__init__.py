"""Cost of an event, and the size of the state, in the monitor itself, against another checkout."""
