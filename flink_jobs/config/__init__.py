"""What a job's configuration may say; no I/O."""
