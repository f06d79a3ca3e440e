"""Two-sample tests: each compares a test sample with the reference that it keeps."""
