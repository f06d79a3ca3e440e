"""Shared parts of the scripts; tests use them as well."""
