"""Slices: runs of panes between window edges, reduced to summaries that add up."""
