"""The file of Python code that is shipped to a Flink cluster with a job."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

from flink_jobs.version import __version__

PACKAGES = ("detectors", "flink_jobs")
_ROOT = Path(__file__).resolve().parents[2]
_SHIPPED_SUFFIXES = frozenset({".py", ".json", ".typed", ".npz"})
# The oldest time that a zip file can hold; a fixed one makes equal contents equal files.
_TIMESTAMP = (1980, 1, 1, 0, 0, 0)


def build_artefact(directory: Path, *, root: Path = _ROOT) -> Path:
    """Pack the packages ``detectors`` and ``flink_jobs`` as they are imported now.

    The packages are taken from where this module lies, a checkout or an installation alike, so
    what runs on the cluster is what runs here. The file's name carries version and digest of the
    contents; when it is there already, it is not written again.

    Parameters
    ----------
    directory : Path
        Where the file goes; made when missing.
    root : Path, optional
        The folder that holds both packages.

    Returns
    -------
    Path
        A zip file that Flink's ``-pyfs`` takes.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as scratch:
    ...     artefact = build_artefact(Path(scratch))
    ...     "flink_jobs/version.py" in zipfile.ZipFile(artefact).namelist()
    True
    """
    files = [file for package in PACKAGES for file in _shipped_files(root / package)]
    contents = [(file.relative_to(root).as_posix(), file.read_bytes()) for file in files]
    artefact = directory / f"loudly-{__version__}-{_digest(contents)}.zip"
    if not artefact.exists():
        directory.mkdir(parents=True, exist_ok=True)
        _write(artefact, contents)
    return artefact


def _shipped_files(package: Path) -> list[Path]:
    return sorted(
        file for file in package.rglob("*") if file.suffix in _SHIPPED_SUFFIXES and file.is_file()
    )


def _digest(contents: list[tuple[str, bytes]]) -> str:
    digest = hashlib.sha256()
    for name, data in contents:
        digest.update(f"{name}\0{len(data)}\0".encode())
        digest.update(data)
    return digest.hexdigest()[:12]


def _write(artefact: Path, contents: list[tuple[str, bytes]]) -> None:
    # Renamed when complete: an interrupted run must not leave half a file under the final name.
    partial = artefact.with_suffix(".partial")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in contents:
            archive.writestr(zipfile.ZipInfo(name, _TIMESTAMP), data, zipfile.ZIP_DEFLATED)
    partial.replace(artefact)
