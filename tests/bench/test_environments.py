import re

import pytest

from scripts.bench import environments
from scripts.bench.environments import (
    ALIBI,
    FROUROS,
    REQUIREMENTS,
    RIVER,
    Peer,
    PeerUnavailableError,
    python_of,
)


@pytest.mark.parametrize("path", sorted(REQUIREMENTS.iterdir()), ids=lambda path: path.stem)
def test_every_requirement_is_one_exact_version(path):
    for line in path.read_text().splitlines():
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", line), line


@pytest.mark.parametrize(
    ("peer", "library"), [(ALIBI, "alibi-detect"), (RIVER, "river"), (FROUROS, "frouros")]
)
def test_the_requirements_of_a_peer_name_it(peer, library):
    lines = (REQUIREMENTS / f"{peer.name}.txt").read_text().splitlines()

    assert any(line.startswith(f"{library}==") for line in lines)


def test_a_peer_that_pip_refuses_is_reported_and_not_taken_for_installed(tmp_path, monkeypatch):
    monkeypatch.setattr(environments, "REQUIREMENTS", tmp_path)
    monkeypatch.setattr(environments, "ENVIRONMENTS", tmp_path)
    (tmp_path / "broken.txt").write_text("no version at all ==\n")

    with pytest.raises(PeerUnavailableError, match="Invalid requirement"):
        python_of(Peer("broken"))

    assert not (tmp_path / "broken" / ".installed").exists()
