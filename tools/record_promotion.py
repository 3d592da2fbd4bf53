"""Records PyTorch's type promotion in tests/data/promotion.json.

Usage: python tools/record_promotion.py   (needs the `oracle` extra)

For every pair of dtypes: the dtype of `a + b` for two tensors with dimensions, for one of them 0-d, and of
`a + number`, `a / b`, `a < b`; and what the in-place form says. Errors are recorded as "Type: text".
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from promotion_cases import table  # noqa: E402 - found on the path just entered

if __name__ == "__main__":
    path = ROOT / "tests" / "data" / "promotion.json"
    found = {"torch": torch.__version__.partition("+")[0], "table": table(torch)}
    path.write_text(json.dumps(found, indent=0, sort_keys=True) + "\n", encoding="utf-8")
    print(f"{len(found['table'])} answers in {path.relative_to(ROOT)}")
