"""Reducers that need PyTorch: autoencoders.

Nothing else in :mod:`detectors` imports this package before one of its reducers is asked for.
"""
