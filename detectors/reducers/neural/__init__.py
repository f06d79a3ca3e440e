"""Reducers that need PyTorch: autoencoders, and the user's own classifier.

Nothing else in :mod:`detectors` imports this package before one of its reducers is asked for.
"""
