"""Named arrays as bytes and back: an npz archive in memory, never pickled.

Equal arrays give equal bytes. ``numpy.savez`` does not promise that: it writes the current time
into every entry of the archive.
"""

from __future__ import annotations

import io
import struct
import threading
import zipfile
import zlib

import numpy as np
from numpy.typing import NDArray

from detectors.base import StateArrays
from detectors.errors import InvalidStateError

EARLIEST_ZIP_DATE = (1980, 1, 1, 0, 0, 0)

UNREADABLE = (
    ValueError,
    KeyError,
    EOFError,
    OSError,
    RuntimeError,  # what zipfile raises for an entry flagged as encrypted
    NotImplementedError,  # and for an unknown compression method
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)

# NumPy reads an array's header by `ast.parse`, for which CPython 3.11 has one counter for all
# threads: two that load at once can end in "SystemError: AST constructor recursion depth mismatch".
_ONE_AT_A_TIME = threading.Lock()


def arrays_to_bytes(arrays: StateArrays) -> bytes:
    """Pack named arrays into one npz archive.

    Entries are stored uncompressed, about 240 bytes of overhead each, in the order of their names.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        Of any dtype but object.

    Raises
    ------
    InvalidStateError
        If an array holds Python objects.

    Examples
    --------
    >>> bytes_to_arrays(arrays_to_bytes({"mean": np.array([1.0, 2.0])}))
    {'mean': array([1., 2.])}
    """
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as entries:
        for name in sorted(arrays):
            content = io.BytesIO()
            array = np.asarray(arrays[name], order="C")
            try:
                np.save(content, array, allow_pickle=False)
            except ValueError as error:
                raise InvalidStateError(f"array {name!r} holds Python objects") from error
            entry = zipfile.ZipInfo(f"{name}.npy", EARLIEST_ZIP_DATE)
            entries.writestr(entry, content.getvalue())
    return archive.getvalue()


def bytes_to_arrays(data: bytes) -> dict[str, NDArray[np.generic]]:
    """Unpack what :func:`arrays_to_bytes` packed; checksums are verified.

    Raises
    ------
    InvalidStateError
        If ``data`` is damaged or is not an npz archive of plain arrays.
    """
    try:
        with _ONE_AT_A_TIME, zipfile.ZipFile(io.BytesIO(data)) as entries:
            return {
                name.removesuffix(".npy"): np.load(
                    io.BytesIO(entries.read(name)), allow_pickle=False
                )
                for name in entries.namelist()
            }
    except UNREADABLE as error:
        raise InvalidStateError(f"stored bytes are damaged: {error}") from error


def arrays_below(prefix: str, arrays: StateArrays) -> StateArrays:
    """The arrays whose names begin with ``prefix``, without it.

    Examples
    --------
    >>> arrays_below("test/", {"test/mean": np.array(1.0), "other": np.array(2.0)})
    {'mean': array(1.)}
    """
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }
