"""Cost of an event after a million others, for every detector of streams."""
