"""Status records: what is known of a model, and when it is told."""
