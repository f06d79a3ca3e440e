"""Errors raised by the detectors.

DetectorError
├── InvalidSampleError      the rows handed in cannot be used
│   ├── ShapeError          wrong rank or wrong number of columns
│   ├── NonFiniteError      NaN or infinity where none is allowed
│   ├── TooFewRowsError     not enough rows for the method
│   ├── NotCategoricalError a column of categories that holds numbers or an identifier
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


class NotCategoricalError(InvalidSampleError):
    """A column of categories in which hardly any value repeats.

    Parameters
    ----------
    column : int
        Counted from 0.
    n_values : int
        Different values of the column.
    n_rows : int
        Rows of the reference.

    Attributes
    ----------
    column : int
        As handed in, for callers that know the column by another name.
    """

    def __init__(self, column: int, n_values: int, n_rows: int) -> None:
        super().__init__(
            f"column {column} of x_ref is not categorical: {n_values:,} different values in "
            f"{n_rows:,} rows, as of an identifier or a number, leave no shares to compare. Leave "
            "an identifier out of the tested columns; test numbers with another test, or as the "
            "numeric columns of 'mixed'"
        )
        self.column = column


class IllConditionedError(InvalidSampleError):
    """A confusion matrix from which no class shares can be told."""


class InvalidParameterError(DetectorError, ValueError):
    """A parameter outside its range."""


class NotFittedError(DetectorError, RuntimeError):
    """A method that needs a reference was called before ``fit``."""


class InvalidStateError(DetectorError, ValueError):
    """Stored arrays that do not describe the object they should restore."""
