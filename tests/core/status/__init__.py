"""Tests of status records."""
