"""Configuration of a job: its tables, loading and checks; no I/O."""
