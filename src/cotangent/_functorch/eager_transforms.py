"""The transforms, and how they choose and check arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..autograd.base import TensorBase
from ..func.checks import check_outputs, check_real, chosen
from ..func.surroundings import debug_unwrap, functionalize
from ..func.transforms import basis, grad, grad_and_value, hessian, jacfwd, jacrev, jvp, linearize, vjp
from ..utils._pytree import tree_leaves

__all__ = [
    "debug_unwrap", "functionalize", "grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp",
    "linearize", "vjp",
]  # fmt: skip

argnums_t = Any


def _slice_argnums(args: tuple[Any, ...], argnums: Any, as_tuple: bool = True) -> Any:
    """The arguments that `argnums` names."""
    found = tuple(args[n] for n in chosen(argnums, args))
    return found[0] if isinstance(argnums, int) and not as_tuple else found


def _construct_standard_basis_for(tensors: Sequence[Any], tensor_numels: Sequence[int]) -> tuple[Any, ...]:
    """Per tensor of n elements in all: (n, *shape), the standard basis of all together."""
    return tuple(basis(list(tensors)))


def _any_differentiable(tensor_or_tuple_of_tensors: Any) -> bool:
    """Whether one of the tensors requires a gradient."""
    return any(isinstance(t, TensorBase) and t._req for t in tree_leaves(tensor_or_tuple_of_tensors))


def error_if_complex(func_name: str, args: Any, is_input: bool) -> None:
    """Refuse complex tensors."""
    check_real(func_name, tree_leaves(args), "inputs" if is_input else "outputs")


assert_non_empty_tensor_output = check_outputs
