"""Build the pages as a searchable site that needs no network: ``python -m scripts.docs_site``.

The pages keep the places that they have in the repository, so that one link serves both. Whatever
else they link to, such as schemas and pictures, goes along.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from scripts.shared.pages import ROOT, links, pages

_SOURCES = ROOT / "build" / "site-source"
_SETTINGS = ROOT / "zensical.toml"
_ASSETS = ROOT / "docs" / "assets"


def main() -> None:
    """Build ``build/site``; a link that leads nowhere ends it."""
    stage(_SOURCES)
    build = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    done = subprocess.run([*build, "--config-file", str(_SETTINGS)], check=False)
    if done.returncode != 0:
        raise SystemExit(done.returncode)
    print(f"The site is {ROOT / 'build' / 'site' / 'index.html'}: open it in a browser.")


def stage(folder: Path) -> None:
    """Copy the pages, and the files that they link to, into an empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    linked = {link.path for page in pages() for link in links(page)}
    for path in sorted({*pages(), *linked, *_ASSETS.iterdir()}):
        if path.is_file():
            copy = folder / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)


if __name__ == "__main__":
    main()
