"""Reducers that need ONNX Runtime: the user's own model.

Nothing else in :mod:`detectors` imports this package before one of its reducers is asked for.
"""
