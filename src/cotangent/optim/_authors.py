"""Small functions that authors of optimizers import from `torch.optim.optimizer`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ..config import get_default_dtype
from ..dtypes import dtype, float32, float64
from ..functions import view_as_real
from ..tensor import Tensor

__all__ = [
    "_capturable_doc", "_default_to_fused_or_foreach", "_differentiable_doc", "_foreach_doc", "_fused_doc",
    "_get_scalar_dtype", "_get_value", "_maximize_doc", "_params_doc", "_stack_if_compiling", "_to_scalar",
    "_view_as_real",
]  # fmt: skip

# Lines for docstrings.
_params_doc: Final = "params (iterable): parameters, pairs of names and parameters, or groups of them"
_foreach_doc: Final = "foreach (bool, optional): whether to go through lists of tensors; accepted"
_fused_doc: Final = "fused (bool, optional): whether one kernel does the whole step; accepted"
_capturable_doc: Final = "capturable (bool, optional): whether the step can be recorded on a GPU; accepted"
_differentiable_doc: Final = "differentiable (bool, optional): whether autograd records the step"
_maximize_doc: Final = "maximize (bool, optional): whether to climb instead of to descend"


def _get_value(x: Any) -> Any:
    """The number that a step counter holds.

    Args:
        x: a tensor of one element, or a number.
    """
    return x.item() if isinstance(x, Tensor) else x


def _to_scalar(x: Any) -> Any:
    """A tensor of one element without dimensions; a number as it is.

    Args:
        x: a learning rate.
    """
    return x.squeeze() if isinstance(x, Tensor) and x.dim() else x


def _stack_if_compiling(x: Any) -> Any:
    """A list as it is: compiled steps here go through lists.

    Args:
        x: the list.
    """
    return x


def _default_to_fused_or_foreach(
    params: Sequence[Any], differentiable: bool, use_fused: bool = False
) -> tuple[bool, bool]:
    """Which implementation is the default, (fused, foreach): neither on the CPU.

    Args:
        params: the parameters.
        differentiable: whether autograd records the step.
        use_fused: whether the fused one may be chosen.
    """
    return False, False


def _get_scalar_dtype(is_fused: bool | None = None) -> dtype:
    """The dtype of step counters.

    Args:
        is_fused: whether they are for a fused step.
    """
    return float64 if not is_fused and get_default_dtype() is float64 else float32


def _view_as_real(params: list[Any], *state_and_grads: list[Any]) -> None:
    """Put the real views of complex parameters, and of what belongs to them, in their place in lists.

    Args:
        params: the parameters.
        state_and_grads: lists that go with them.
    """
    for number, p in enumerate(params):
        if p.is_complex():
            for held in (params, *state_and_grads):
                held[number] = view_as_real(held[number])
