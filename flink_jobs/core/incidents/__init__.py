"""Incidents: when drifting windows become alerts."""
