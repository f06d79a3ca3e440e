"""References: what test windows are compared with."""
