"""Reads the files that describe a job, where it is checked or submitted."""
