"""Gamma and Dirichlet numbers as results of their parameters, and the slopes that their gradients use."""

from __future__ import annotations

from typing import Any

from .. import lazy
from .noise import underivable
from .table import elementwise, general, is_tensor

k: Any = lazy.module("cotangent.kernels.gamma")


def _no_slope(g: Any) -> Any:
    raise NotImplementedError("the derivative for '_standard_gamma_grad' is not implemented.")


def _once(g: Any) -> Any:
    raise RuntimeError("trying to differentiate twice a function that was marked with @once_differentiable")


_standard_gamma_grad: Any = elementwise(
    "_standard_gamma_grad(input, output)",
    lambda input, output, out=None: k.gamma_grad(input, output),
    strict=("input", "output"),
    node="NotImplemented",
    public="_standard_gamma_grad",
    input=_no_slope,
    output=_no_slope,
)
_dirichlet_grad: Any = elementwise(
    "_dirichlet_grad(x, alpha, total)",
    lambda x, alpha, total, out=None: k.dirichlet_grad(x, alpha, total),
    strict=("x", "alpha", "total"),
    node="NotImplemented",
    public="_dirichlet_grad",
    x=underivable("_dirichlet_grad"),
    alpha=underivable("_dirichlet_grad"),
    total=underivable("_dirichlet_grad"),
)
gamma_around: Any = general(
    "gamma_around(numbers, input)",
    lambda numbers, input: numbers,
    node="StandardGammaBackward0",
    public="_standard_gamma",
    input=lambda g, input, out: g * _standard_gamma_grad(input, out),
)
dirichlet_around: Any = general(
    "dirichlet_around(numbers, input)",
    lambda numbers, input: numbers,
    node="NotImplemented",
    public="_sample_dirichlet",
    input=underivable("_sample_dirichlet"),
)
# The cotangent of the concentrations; PyTorch's own is marked to be differentiated once.
dirichlet_pull: Any = general(
    "dirichlet_pull(g, x, concentration)",
    lambda g, x, concentration: k.dirichlet_pull(g, x, concentration),
    g=_once,
    x=_once,
    concentration=_once,
)


def _moved(g: Any, concentration: Any, out: Any) -> Any:
    if is_tensor(g) and not g.requires_grad:
        # In PyTorch, too, nothing is recorded then, instead of an error for whoever does not differentiate.
        concentration, out = concentration.detach(), out.detach()
    return dirichlet_pull(g, out, concentration)


dirichlet_moved: Any = general(
    "dirichlet_moved(numbers, concentration)",
    lambda numbers, concentration: numbers,
    node="_DirichletBackward",
    concentration=_moved,
)
