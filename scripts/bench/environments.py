"""One virtual environment per peer under ``build/peers``, from exact versions."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

from scripts.bench.harness import ROOT

ENVIRONMENTS = ROOT / "build" / "peers"
REQUIREMENTS = Path(__file__).with_name("peers")
_TORCH = Path(__file__).with_name("peers") / "torch.txt"
_TIMEOUT_S = 1_800


class PeerUnavailableError(Exception):
    """A peer could not be installed."""


@dataclass(frozen=True)
class Peer:
    """A library to compare with.

    Attributes
    ----------
    name : str
        Name of its worker, of its requirements and of its environment.
    needs_torch : bool
        PyTorch is taken from the project's environment where that has it, for it fills 5 GB.
    own_environment : bool
        False for what runs in the project's own environment.
    """

    name: str
    needs_torch: bool = False
    own_environment: bool = True


OURS = Peer("ours", own_environment=False)
SCIPY = Peer("scipy", own_environment=False)
ALIBI = Peer("alibi", needs_torch=True)
RIVER = Peer("river")
FROUROS = Peer("frouros")
NANNYML = Peer("nannyml")


def python_of(peer: Peer) -> Path:
    """The interpreter that runs the peer's worker; its environment is made where it is missing.

    Raises
    ------
    PeerUnavailableError
        If the environment cannot be made.
    """
    if not peer.own_environment:
        return Path(sys.executable)
    folder = ENVIRONMENTS / peer.name
    python = folder / "bin" / "python"
    stamp = folder / ".installed"
    torch_home = _torch_home() if peer.needs_torch else None
    wanted = _fingerprint(peer, torch_home)
    if not stamp.exists() or stamp.read_text() != wanted:
        venv.create(folder, with_pip=True, clear=True)
        _install(python, peer, torch_home)
        stamp.write_text(wanted)
    return python


def _install(python: Path, peer: Peer, torch_home: Path | None) -> None:
    # --no-deps: the files are complete, and alibi-detect still asks for numpy < 2.
    _pip(python, "--no-deps", "-r", str(REQUIREMENTS / f"{peer.name}.txt"))
    if torch_home is not None:
        _link(python, torch_home)
    elif peer.needs_torch:
        _pip(python, "-r", str(_TORCH))


def _pip(python: Path, *arguments: str) -> None:
    command = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    try:
        subprocess.run(
            [*command, *arguments], check=True, capture_output=True, text=True, timeout=_TIMEOUT_S
        )
    except subprocess.CalledProcessError as error:
        raise PeerUnavailableError(error.stderr.strip()[-2_000:]) from error
    except subprocess.TimeoutExpired as error:
        raise PeerUnavailableError(f"pip took longer than {_TIMEOUT_S} s") from error


def _link(python: Path, torch_home: Path) -> None:
    """Let the environment see the project's packages, after its own."""
    (site_packages,) = python.parents[1].glob("lib/python*/site-packages")
    (site_packages / "torch-of-the-project.pth").write_text(f"{torch_home}\n")


def _torch_home() -> Path | None:
    """The site-packages folder with the project's PyTorch, if the project has it installed."""
    spec = importlib.util.find_spec("torch")
    return None if spec is None or spec.origin is None else Path(spec.origin).parents[1]


def torch_version() -> str:
    """The PyTorch that the peers which need one are given."""
    if _torch_home() is not None:
        return importlib.metadata.version("torch")
    return _TORCH.read_text().strip().removeprefix("torch==")


def _fingerprint(peer: Peer, torch_home: Path | None) -> str:
    parts = [(REQUIREMENTS / f"{peer.name}.txt").read_bytes()]
    if peer.needs_torch:
        parts.append(_TORCH.read_bytes() if torch_home is None else str(torch_home).encode())
    return hashlib.sha256(b"\0".join(parts)).hexdigest()
