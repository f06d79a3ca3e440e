"""Panes per second of the job, and what a pane costs, with 1,000 to 20,000 models."""
