"""Histories that lie side by side in time, read as one."""
