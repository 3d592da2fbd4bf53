"""Record what PyTorch makes of the programs of tests/programs/found.py and found_edges.py.

    python tools/record_programs_found.py
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

TESTS = Path(__file__).resolve().parent.parent / "tests"
sys.path.insert(0, str(TESTS))

from programs.found import FOUND, outcome  # noqa: E402
from programs.found_edges import FOUND_EDGES  # noqa: E402

if __name__ == "__main__":
    seen = {name: outcome(torch, *program) for name, program in (FOUND | FOUND_EDGES).items()}
    path = TESTS / "data" / "programs_found.json"
    recorded = {"torch": torch.__version__.split("+")[0], "seen": seen}
    path.write_text(json.dumps(recorded, indent=1) + "\n", encoding="utf-8")
    print(f"{len(seen)} programs")
