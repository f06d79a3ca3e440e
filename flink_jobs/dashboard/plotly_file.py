"""The place of plotly.js, and the styles that it has to be allowed."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from importlib.resources import files
from pathlib import Path

# Maps, which no chart here is, bring a style sheet as text as soon as the script is loaded.
_STYLE = re.compile(rb"\.textContent='([^'\\]*)',document\.head\.appendChild")


def plotly_path() -> Path:
    """The file of the installed package."""
    return Path(str(files("plotly") / "package_data" / "plotly.min.js"))


@cache
def style_digests() -> tuple[str, ...]:
    """Sources for ``style-src``: these texts alone, and no other style in the page.

    plotly.js also makes an empty style element, which it fills by script.
    """
    texts = [b"", *_STYLE.findall(plotly_path().read_bytes())]
    digests = [base64.b64encode(hashlib.sha256(text).digest()).decode() for text in texts]
    return tuple(f"'sha256-{digest}'" for digest in digests)
