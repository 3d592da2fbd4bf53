"""Record what PyTorch answers to the table of sample inputs: `python tools/record_samples.py [--new]`.

With `--new` only cases that have no record yet are asked. Writes tests/data/op_results.json, which
tests/test_ops_recorded.py reads where PyTorch is not installed.
Needs the oracle extra. Run it again whenever tests/samples/ changes.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
TARGET = PROJECT / "tests" / "data" / "op_results.json"


def record(known: dict[str, Any]) -> dict[str, Any]:
    """For each case not `known`: `values` and `gradients`, by dtype, one list of summaries a sample."""
    os.environ["COTANGENT_TABLE_ON"] = "torch"
    sys.path.insert(0, str(PROJECT / "tests"))
    import torch
    from samples import TABLE
    from samples.digest import gradients, recorded, results

    warnings.simplefilter("ignore")
    table: dict[str, Any] = {}
    for case in TABLE:
        if case.name in known:
            table[case.name] = known[case.name]
            continue
        table[case.name] = {
            "values": {d: recorded(torch, case, d, results, grad=False) for d in case.dtypes},
            "gradients": {d: recorded(torch, case, d, gradients, grad=True) for d in case.gradient_dtypes()},
        }
    return {"pytorch": torch.__version__.partition("+")[0], "cases": table}


def main() -> None:
    only_new = "--new" in sys.argv[1:]
    found = record(json.loads(TARGET.read_text(encoding="utf-8"))["cases"] if only_new else {})
    lines = [
        f" {json.dumps(name)}: {json.dumps(case, separators=(',', ':'))}"
        for name, case in found["cases"].items()
    ]
    text = f'{{"pytorch": "{found["pytorch"]}", "cases": {{\n' + ",\n".join(lines) + "\n}}\n"
    TARGET.write_text(text, encoding="utf-8", newline="\n")
    print(f"{len(lines)} operators, {len(text) / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
