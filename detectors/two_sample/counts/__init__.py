"""Tests whose samples are counts in cells: summaries that can be added up."""
