"""Recorded histories, read in batches."""
