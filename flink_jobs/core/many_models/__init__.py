"""Decisions about the alerts of all models together, in the order of event time."""
