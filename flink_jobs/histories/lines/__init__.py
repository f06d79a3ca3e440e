"""Histories of JSON lines."""
