"""Detectors of other libraries, each module run by the interpreter of its environment."""
