"""A job on a real broker and a real cluster that are started for it on this machine."""
