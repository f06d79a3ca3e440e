"""Test windows: which events form one, and when it closes."""
