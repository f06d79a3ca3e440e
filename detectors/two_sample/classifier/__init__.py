"""Tests by a domain classifier."""
