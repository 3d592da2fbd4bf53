"""Writes through views and changes of shape in place, against PyTorch: what every tensor is then.

Each program runs in both libraries. Compared are, for every variable: shape, strides, offset, version, base,
values, the names of its node and of the nodes before it, the refusals, and the gradients of `x`.
"""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from samples.library import xp

START = "x = torch.arange(6.0).view(2, 3).clone().requires_grad_()\na = x * 2\n"
NAMES = "xabvw"

PROGRAMS = {
    "t_": "a.t_()",
    "squeeze_ of a dim that stays": "a.squeeze_(1)",
    "squeeze_ of all": "b = a.unsqueeze(0) * 1\nb.squeeze_()",
    "squeeze_ of dims": "b = a[None, :, None] * 1\nb.squeeze_((0, 2))",
    "unsqueeze_": "a.unsqueeze_(1)",
    "transpose_": "a.transpose_(0, 1)",
    "swapdims_": "a.swapdims_(0, 1)",
    "as_strided_": "a.as_strided_((2, 2), (1, 2))",
    "t_ of a view": "v = a[:1]\nv.t_()",
    "t_ of a view, then a write": "v = a[:1]\nv.t_()\nv.mul_(3)",
    "t_ under a view": "v = a[0]\na.t_()",
    "t_ under a view, then a write to the base": "v = a[0]\na.t_()\na.mul_(2)",
    "t_ under a view, then a write to the view": "v = a[0]\na.t_()\nv.mul_(2)",
    "unsqueeze_ and t_ under views of views": (
        "v = a[0]\nw = v[1:]\na.unsqueeze_(1)\na.transpose_(0, 2)\nw.mul_(2)"
    ),
    "as_strided_ under a view": "v = a[1]\na.as_strided_((3, 2), (1, 3))\nv.mul_(2)",
    "t_ of a leaf": "x.t_()",
    "t_ of a leaf without recording": (
        "b = torch.ones(2, 3, requires_grad=True)\nwith torch.no_grad():\n    b.t_()"
    ),
    "t_ of a view without recording": "v = a[:1]\nwith torch.no_grad():\n    v.t_()",
    "t_ of what was viewed without recording": "with torch.no_grad():\n    v = a[:1]\nv.t_()",
    "t_ of a section": "v = a.split(1)[0]\nv.t_()",
    "t_ of three dims": "a.unsqueeze(0).t_()",
    "tril_": "a.tril_()",
    "tril_ of a view": "v = a[:, 1:]\nv.tril_()",
    "write to a section of a reshape": "v = a.view(6)\nv[2:4].mul_(5)",
    "write through expand": "v = a.expand(2, 2, 3)\nv.mul_(5)",
    "write through one row of expand": "v = a[:1].expand(2, 3)[0]\nv.mul_(5)",
    "write through windows": "v = a.unfold(1, 2, 2)\nv.mul_(5)",
    "write to a diagonal": "v = a.diagonal()\nv.mul_(5)",
    "write through strides": "v = a.as_strided((2, 2), (1, 2))\nv.mul_(5)",
    "write through strides of a transpose": "a = x.t() * 2\nv = a.as_strided((2, 2), (1, 2))\nv.mul_(5)",
    "write to a view of a flatten": "v = a.flatten()\nw = v.view(3, 2)\nw[0].mul_(0)",
    "write at the end of a chain": "v = a.unsqueeze(0).permute(2, 1, 0)\nw = v.squeeze()\nw[0].mul_(0)",
    "write to view_as": "v = a.view_as(a)\nv.mul_(2)",
    "write to movedim": "v = a.movedim(0, 1)\nv.mul_(2)",
    "write to narrow": "v = a.narrow(0, 0, 1)\nv.mul_(2)",
    "write to reshape": "v = a.reshape(6)\nv.mul_(2)",
    "write to a reshape that is no dense view": "v = a[:, 1:].reshape(1, 2, 2)\nv.mul_(2)",
    "write to a reshape that copies": "v = a.t().reshape(6)\nv.mul_(2)",
    "bits as another type": "a = torch.arange(6.0)\nv = a.view(torch.int32)\nv.mul_(0)",
    "write to unbind": "v = a.unbind()[0]\nv.mul_(2)",
    "write to a view of split": "v = a.split(1)[0][0]\nv.mul_(2)",
    "write to squeeze of split": "v = a.split(1)[0].squeeze(0)\nv.mul_(2)",
    "write under unbind, then use": "v, w = a.unbind()\na.mul_(2)\nb = v * 2",
    "write under unbind, then look": "v, w = a.unbind()\na.mul_(2)\nv.grad_fn",
    "silent write to a chunk, then look": (
        "v = a.chunk(2)[0]\nwith torch.no_grad():\n    v.mul_(2)\nv.grad_fn"
    ),
    "silent write to a view": "v = a[0]\nwith torch.no_grad():\n    v.mul_(2)",
    "write through a detached tensor": "v = a[0]\nb = a.detach()\nb.mul_(2)",
    "view without recording": "with torch.no_grad():\n    v = a[:1]",
    "view without recording, base written": "with torch.no_grad():\n    v = a[:1]\na.mul_(2)\nv.grad_fn",
    "view without recording, written": "with torch.no_grad():\n    v = a[:1]\nv.mul_(2)",
    "sections without recording, written": "with torch.no_grad():\n    v, w = a.unbind()\nv.mul_(2)",
    "view of a section without recording": (
        "with torch.no_grad():\n    v = a.split(1)[0]\nw = v[0]\nw.mul_(2)"
    ),
    "view in inference mode, written": "with torch.inference_mode():\n    v = a[0]\nv.mul_(2)",
    "view of an inference tensor": "with torch.inference_mode():\n    b = torch.ones(2, 2)\n    v = b[0]",
    "view of a constant, then recorded": "b = torch.ones(3)\nv = b[:1]\nv.mul_(x[0, 1:2])",
    "section of a constant, then recorded": "b = torch.ones(3)\nv = b.split(1)[0]\nv.mul_(x[0, 1:2])",
    "requires_grad_ under a view": "b = torch.ones(2, 2)\nv = b[0]\nb.requires_grad_()\nw = v * 2",
    "requires_grad_ under a view, written": "b = torch.ones(2, 2)\nv = b[0]\nb.requires_grad_()\nv.mul_(2)",
    "requires_grad_ there and back": (
        "b = torch.ones(2)\nv = b[:1]\nb.requires_grad_()\nb.requires_grad_(False)"
    ),
    "requires_grad of a computed tensor": "a.requires_grad = True",
    "as_strided outside": "v = a[1:]\nv.as_strided_((2, 2), (1, 2))",
    "resize_ to fewer": "a = torch.arange(6.0)\nv = a[1:3]\na.resize_(2, 2)",
    "resize_ of a view": "a = torch.arange(6.0).view(2, 3)\nv = a[1]\nv.resize_(2)",
    "resize_ of a transpose": "a = torch.arange(6.0).view(2, 3).t()\na.resize_(2, 3)",
    "resize_ to the same": "a = torch.arange(6.0).view(2, 3).t()\na.resize_(3, 2)",
    "resize_ with history": "a.resize_(3)",
    "resize_as_": "a = torch.arange(6.0)\na.resize_as_(torch.ones(2, 2))",
    "set_": "a = torch.arange(6.0)\nb = torch.ones(2, 2)\na.set_(b)\nb[0, 0] = 5",
    "set_ of a part": "a = torch.arange(6.0)\nb = torch.ones(2, 2)\na.set_(b, 1, (2,), (1,))",
    "set_ of nothing": "a = torch.arange(6.0)\na.set_()\na = a.sum()",
    "set_ of another dtype": "a = torch.arange(6.0)\na.set_(torch.arange(2))",
    "strides of empty tensors": "a = torch.ones(0, 3)\nb = torch.ones(3, 0)\nv = torch.ones(2, 0, 3)",
}


def described(library: Any, scope: dict[str, Any], name: str) -> dict[str, Any]:
    """What is compared of the variable `name`."""
    t = scope[name]
    seen: dict[str, Any] = {
        "shape": tuple(t.shape), "stride": tuple(t.stride()), "offset": t.storage_offset(),
        "values": t.tolist(),
        "requires_grad": t.requires_grad, "view": t._is_view(),
        "base": next((n for n in NAMES if t._base is not None and scope.get(n) is t._base), t._base is None),
    }  # fmt: skip
    if not t.is_inference():
        seen["version"] = t._version
    try:
        node = t.grad_fn
        before = () if node is None else [n for n, _ in node.next_functions if n is not None]
        seen["nodes"] = [type(node).__name__, *(type(n).__name__ for n in before)]
    except RuntimeError as error:
        seen["nodes"] = str(error)
    return seen


def gradients(library: Any, scope: dict[str, Any], name: str) -> Any:
    """The gradient of `x` from a weighted sum of the variable, or the refusal."""
    t = scope[name]
    weights = library.arange(1.0, 1.0 + t.numel()).view(t.shape)
    try:
        (found,) = library.autograd.grad(
            (t * weights).sum(), scope["x"], retain_graph=True, allow_unused=True
        )
    except RuntimeError as error:
        return str(error).partition("\n")[0]
    return None if found is None else found.tolist()


def outcome(library: Any, program: str) -> dict[str, Any]:
    """Everything there is to compare after a program."""
    scope: dict[str, Any] = {"torch": library}
    seen: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            exec(START + program, scope)
        except RuntimeError as error:
            seen["error"] = str(error)
        names = [n for n in NAMES if isinstance(scope.get(n), library.Tensor)]
        seen |= {n: described(library, scope, n) for n in names}
        seen |= {f"gradient from {n}": gradients(library, scope, n) for n in names if scope[n].requires_grad}
    return seen


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_views(program: str) -> None:
    assert outcome(xp, program) == outcome(torch, program)
