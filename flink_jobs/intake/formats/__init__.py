"""Formats of payloads."""
