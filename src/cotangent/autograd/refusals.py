"""What PyTorch refuses to do with a tensor because of its place in the graph, with the note that says why."""

from __future__ import annotations

import warnings
from typing import Any, Final, NoReturn

from .notes import annotate, no_gradient, recorded_at, returned_by
from .where import here

_NON_LEAF_GRAD: Final = (
    "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad attribute won't "
    "be populated during autograd.backward(). If you indeed want the .grad field to be populated for a "
    "non-leaf Tensor, use .retain_grad() on the non-leaf Tensor. If you access the non-leaf Tensor by "
    "mistake, make sure you access the leaf Tensor instead. See github.com/pytorch/pytorch/pull/30531 for "
    "more information."
)


def warn_of_no_gradient(t: Any) -> None:
    """Warn that a tensor which is no leaf keeps no gradient, in the name of who reads `grad`."""
    warning = UserWarning(_NON_LEAF_GRAD)
    annotate(warning, "nonleaf_grad", recorded=recorded_at(t.grad_fn), here=here())
    warnings.warn(warning, stacklevel=3)


def refuse_flag(t: Any, value: bool) -> NoReturn:
    """Raise for a change of `requires_grad` of a tensor that was computed."""
    text = "you can only change requires_grad flags of leaf variables."
    if not value:
        text += (
            " If you want to use a computed variable in a subgraph that doesn't require differentiation use "
            "var_no_grad = var.detach()."
        )
    error = RuntimeError(text)
    annotate(error, "nonleaf_requires", recorded=recorded_at(t._node), here=here())
    raise error


def refuse_hook(t: Any, text: str) -> NoReturn:
    """Raise for what only tensors that require a gradient can have, and say why this one does not."""
    error = RuntimeError(text)
    no_gradient(error, t)
    raise error


def refuse_copy(t: Any) -> NoReturn:
    """Raise for a deep copy of a tensor that was computed."""
    error = RuntimeError(
        "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the "
        "moment.  If you were attempting to deepcopy a module, this may be because of a "
        "torch.nn.utils.weight_norm usage, see https://github.com/pytorch/pytorch/pull/103001"
    )
    annotate(error, "deepcopy", recorded=recorded_at(t.grad_fn), here=here())
    raise error


def blame(node: Any, text: str, kind: str, count: int, **values: Any) -> NoReturn:
    """Raise for what the backward of a custom Function returned, `count` values."""
    error = RuntimeError(text)
    values["name"] = node.name().removesuffix("Backward")
    annotate(
        error, kind, values=values, recorded=recorded_at(node), returned=returned_by(node, count)
    )
    raise error
