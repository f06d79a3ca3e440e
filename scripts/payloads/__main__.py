"""Write the fixtures anew: ``python -m scripts.payloads``."""

from __future__ import annotations

import json

from scripts.payloads.making import CLIENTS, FOLDER, payloads_of

if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for environment in CLIENTS:
        made = json.dumps(payloads_of(environment), indent=1, ensure_ascii=False)
        (FOLDER / f"{environment}.json").write_text(f"{made}\n")
