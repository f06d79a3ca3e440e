"""Makers of payloads, each in the environment of its client; they import nothing of ours."""
