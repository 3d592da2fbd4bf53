"""Records what PyTorch prints for the cases of tests/printing_cases.py, into tests/data/printing.json.

Run with an interpreter that has PyTorch 2.13 (the ``oracle`` extra): ``python tools/record_printing.py``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

import numpy as np  # noqa: E402
import torch  # noqa: E402
from printing_cases import PICKED, PrintCase, drawn_case  # noqa: E402

OUT = ROOT / "tests" / "data" / "printing.json"
SEEDS = 300


def torch_tensor(case: PrintCase) -> torch.Tensor:
    """The case's tensor, with its node or subclass."""
    array = case.array.copy()  # PyTorch takes no negative strides
    if case.dtype_name == "bfloat16":
        tensor = torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    else:
        tensor = torch.from_numpy(array)
    if case.requires_grad:
        tensor.requires_grad_()
    if case.node is not None:

        def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
            return x.clone()

        members = {"forward": staticmethod(forward), "backward": staticmethod(lambda ctx, g: g)}
        tensor = type(case.node, (torch.autograd.Function,), members).apply(tensor)
    if case.subclass is not None:
        tensor = tensor.as_subclass(type(case.subclass, (torch.Tensor,), {}))
    return tensor


def torch_text(case: PrintCase) -> str:
    """What PyTorch prints for the case, or the exception it raises."""
    tensor = torch_tensor(case)
    torch.set_printoptions(profile="default")
    torch.set_printoptions(**case.options)
    torch.set_default_dtype(getattr(torch, case.default_dtype))
    try:
        return repr(tensor)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_printoptions(profile="default")


def main() -> None:
    """Writes the file."""
    texts = {
        "picked": [torch_text(case) for case in PICKED],
        "drawn": [torch_text(drawn_case(seed)) for seed in range(SEEDS)],
    }
    OUT.write_text(json.dumps(texts, indent=0, ensure_ascii=False) + "\n", encoding="utf-8")
    print(*(f"{len(rows)} {kind}" for kind, rows in texts.items()), sep=", ")


if __name__ == "__main__":
    main()
