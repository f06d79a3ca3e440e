"""Operators of the job."""
