"""Records from PyTorch what the snippets of tests/error_cases answer, into tests/data/errors.json.

Run with an interpreter that has PyTorch 2.13 (the ``oracle`` extra): ``python tools/record_errors.py``.
``--show`` prints each outcome, ``--only FAMILY`` shows one family without writing.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import torch  # noqa: E402
from error_cases.runner import Case, read_cases, run_snippet  # noqa: E402

OUT = ROOT / "tests" / "data" / "errors.json"


def record(case: Case) -> dict[str, Any]:
    """Runs one case and its twin under PyTorch.

    Args:
        case: The case.

    Returns:
        The row of the table.
    """
    torch.set_num_threads(1)
    torch.set_warn_always(True)
    outcome = run_snippet(case.source, torch)
    row: dict[str, Any] = {
        "family": case.family,
        "name": case.name,
        "compare": case.compare,
        "source": case.source,
        "type": outcome["type"],
        "text": outcome["text"],
        "warnings": outcome["warnings"],
    }
    if case.ok is not None:
        twin = run_snippet(case.ok, torch)
        row["ok"] = {"source": case.ok, "result": twin["result"]}
        if twin["type"] is not None or twin["warnings"]:
            row["fault"] = f"twin: {twin['type']}: {twin['text']} {twin['warnings']}"
    if outcome["type"] is None and not outcome["warnings"]:
        row["fault"] = f"raises nothing and warns nothing: {outcome['result']}"
    if outcome["type"] in {"NameError", "SyntaxError"}:
        row["fault"] = "the snippet itself is at fault"
    if "expected one of:" in (outcome["text"] or "") and case.compare == "text":
        row["fault"] = "lists C++ signatures: mark it [first line]"
    told = "".join(warning[1] for warning in outcome["warnings"])
    if case.compare == "first line" and "\n" not in (outcome["text"] or "").strip() + told:
        row["fault"] = "is one line long: needs no [first line]"
    # What is not compared is not kept; a traceback names the files of the machine that recorded it.
    if case.compare == "first line":
        row["text"] = outcome["text"].partition("\n")[0]
        row["warnings"] = [[category, text.partition("\n")[0]] for category, text in outcome["warnings"]]
    if case.compare == "type":
        row["text"] = None
    return row


def main() -> int:
    """Records every case; refuses to write when a case is no case.

    Returns:
        The exit status.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", help="show one family, write nothing")
    parser.add_argument("--show", action="store_true", help="print each outcome")
    options = parser.parse_args()
    cases = read_cases(ROOT / "tests" / "error_cases")
    if options.only:
        cases = [case for case in cases if case.family == options.only]
    # One fresh process a case: no warning told once, default dtype or generator state leaks to the next.
    with multiprocessing.get_context("fork").Pool(1, maxtasksperchild=1) as pool:
        rows = pool.map(record, cases, chunksize=1)
    faults = 0
    for row in rows:
        fault = row.pop("fault", None)
        faults += fault is not None
        if fault or options.only or options.show:
            print(f"{row['family']}.{row['name']}  {row['type']}: {row['text']}")
            for told in row["warnings"]:
                print(f"    warns {told[0]}: {told[1]}")
            if fault:
                print(f"    !! {fault}")
    print(f"{len(rows)} cases, {faults} at fault")
    if faults or options.only:
        return int(faults > 0)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    table = {"torch": torch.__version__.split("+")[0], "cases": rows}
    OUT.write_text(json.dumps(table, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
