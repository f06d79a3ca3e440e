from __future__ import annotations

import gc
import io
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest
from numpy.typing import NDArray

from detectors import InvalidStateError, arrays_to_bytes, bytes_to_arrays
from detectors.drift_detector import HEADER_DTYPE

ARRAYS = {
    "test/columns": np.arange(12.0).reshape(3, 4),
    "n": np.array(7),
    "kinds": np.array(["pca", "ks"]),
    "record": np.array((b"pca", b"ks", 9), dtype=HEADER_DTYPE),
    "empty": np.empty((0, 3), dtype=np.float32),
}


@contextmanager
def other_threads_at_every_collection() -> Iterator[None]:
    """Collect garbage all the time, and let another thread go on whenever it is done."""
    before = gc.get_threshold()

    def give_way(phase: str, info: dict[str, int]) -> None:
        time.sleep(1e-5)

    gc.callbacks.append(give_way)
    gc.set_threshold(50)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(give_way)


def test_arrays_come_back_with_their_dtypes_and_shapes():
    restored = bytes_to_arrays(arrays_to_bytes(ARRAYS))

    assert restored.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert restored[name].dtype == array.dtype
        assert restored[name].shape == array.shape
        np.testing.assert_array_equal(restored[name], array)


def test_equal_arrays_give_equal_bytes_at_any_time_in_any_order(monkeypatch):
    first = arrays_to_bytes(ARRAYS)
    shuffled = {
        name: np.asfortranarray(ARRAYS[name]) if ARRAYS[name].ndim else ARRAYS[name]
        for name in reversed(ARRAYS)
    }
    monkeypatch.setattr(time, "time", lambda: 2e9)

    assert arrays_to_bytes(shuffled) == first


def test_numpy_reads_the_bytes():
    with np.load(io.BytesIO(arrays_to_bytes(ARRAYS)), allow_pickle=False) as archive:
        np.testing.assert_array_equal(archive["test/columns"], ARRAYS["test/columns"])


def test_python_objects_are_neither_written_nor_read():
    objects = np.array([{"a": 1}], dtype=object)
    pickled = io.BytesIO()
    np.savez(pickled, objects=objects)

    with pytest.raises(InvalidStateError, match="Python objects"):
        arrays_to_bytes({"objects": objects})
    with pytest.raises(InvalidStateError, match="damaged"):
        bytes_to_arrays(pickled.getvalue())


def test_an_entry_that_is_no_array_is_refused():
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as entries:
        entries.writestr("notes.txt", "not an array")

    with pytest.raises(InvalidStateError):
        bytes_to_arrays(archive.getvalue())


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"nonsense" * 100, b"\x93NUMPY\x01\x00"])
def test_bytes_that_are_no_archive_are_refused(data):
    with pytest.raises(InvalidStateError):
        bytes_to_arrays(data)


def test_an_archive_cut_anywhere_is_refused():
    data = arrays_to_bytes(ARRAYS)

    for end in range(0, len(data), 7):
        with pytest.raises(InvalidStateError):
            bytes_to_arrays(data[:end])


def test_a_changed_byte_is_noticed_or_harmless():
    data = arrays_to_bytes(ARRAYS)
    n_noticed = 0
    for position in range(len(data)):
        for flip in (0x01, 0x80):
            damaged = bytearray(data)
            damaged[position] ^= flip
            try:
                restored = bytes_to_arrays(bytes(damaged))
            except InvalidStateError:
                n_noticed += 1
                continue
            # dates and attributes of the archive carry no meaning
            for name, array in restored.items():
                np.testing.assert_array_equal(array, ARRAYS[name])

    assert n_noticed > len(data)


def unpack_at_depth(n_frames: int, data: bytes) -> dict[str, NDArray[np.generic]]:
    return unpack_at_depth(n_frames - 1, data) if n_frames else bytes_to_arrays(data)


def test_threads_may_unpack_at_the_same_time() -> None:
    fields = [(f"field_{n}", "<f8") for n in range(60)]
    data = arrays_to_bytes({f"array_{n}": np.zeros(1, dtype=fields) for n in range(50)})

    with other_threads_at_every_collection(), ThreadPoolExecutor(8) as pool:
        unpacked = list(pool.map(lambda n: unpack_at_depth(n, data), range(16)))

    assert all(len(arrays) == 50 for arrays in unpacked)
