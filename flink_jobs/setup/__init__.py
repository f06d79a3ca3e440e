"""A first configuration from a sample of events, and the description of a sample."""
