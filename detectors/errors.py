"""Errors raised by the detectors.

DetectorError
├── InvalidSampleError      the rows handed in cannot be used
│   ├── ShapeError          wrong rank or wrong number of columns
│   ├── NonFiniteError      NaN or infinity where none is allowed
│   ├── TooFewRowsError     not enough rows for the method
│   └── IllConditionedError a confusion matrix that tells too little about the classes
├── InvalidParameterError   a parameter outside its range
├── NotFittedError          used before ``fit``
└── InvalidStateError       stored arrays that do not describe a detector
"""

from __future__ import annotations


class DetectorError(Exception):
    """Base of every error raised by :mod:`detectors`."""


class InvalidSampleError(DetectorError, ValueError):
    """A sample that the method cannot use."""


class ShapeError(InvalidSampleError):
    """A sample with the wrong rank or the wrong number of columns."""


class NonFiniteError(InvalidSampleError):
    """NaN or infinity where none is allowed."""


class TooFewRowsError(InvalidSampleError):
    """Fewer rows than the method needs."""


class IllConditionedError(InvalidSampleError):
    """A confusion matrix from which no class shares can be told."""


class InvalidParameterError(DetectorError, ValueError):
    """A parameter outside its range."""


class NotFittedError(DetectorError, RuntimeError):
    """A method that needs a reference was called before ``fit``."""


class InvalidStateError(DetectorError, ValueError):
    """Stored arrays that do not describe the object they should restore."""
