"""Detectors with a memory: statistics of a sliding window, and watches over a whole stream."""
