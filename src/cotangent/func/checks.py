"""What the transforms of torch.func refuse, with PyTorch's texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import dtypes, tree
from ..autograd.base import TensorBase

VJP = "vjp(f, *primals)"
JVP = "jvp(f, primals, tangents)"
GRAD = "grad_and_value(f)(*args)"


def chosen(argnums: Any, args: tuple[Any, ...]) -> tuple[int, ...]:
    """The positions that `argnums` names.

    Raises:
        RuntimeError: if it is no int and no tuple of ints, or names a position twice, none, or one that
        `args`
            does not have.
    """
    if not isinstance(argnums, (int, tuple)):
        raise RuntimeError(f"argnums must be int or Tuple[int, ...], got: {type(argnums)}")
    found = tuple(_position(n, len(args)) for n in ((argnums,) if isinstance(argnums, int) else argnums))
    if not found:
        raise RuntimeError("argnums must be non-empty")
    if len(set(found)) != len(found):
        raise RuntimeError(f"argnums elements must be unique, got {found}")
    return found


def _position(argnum: Any, count: int) -> int:
    if not isinstance(argnum, int):
        raise RuntimeError(f"argnum must be int, got: {type(argnum)}")
    if not -count <= argnum < count:
        raise RuntimeError(f"Got argnum={argnum}, but only {count} positional inputs")
    return argnum % count


def pair(output: Any, api: str) -> tuple[Any, Any]:
    """What a function with `has_aux=True` returned, as (output, aux)."""
    if not (isinstance(output, tuple) and len(output) == 2):
        raise RuntimeError(f"{api}: output of function f should be a tuple: (output, aux) if has_aux is True")
    return output


def lowered(level: Any, value: Any) -> Any:
    """A tree of tensors one level down."""

    def below(leaf: Any) -> Any:
        if not isinstance(leaf, TensorBase):
            raise RuntimeError(f"Expected tensors, got unsupported type {type(leaf)}")
        return level.below(leaf) if level.owns(leaf) else leaf

    return tree.tree_map(below, value)


def check_outputs(outputs: list[Any], api: str) -> None:
    """Refuse a function that returns nothing, or something else than tensors."""
    if not outputs or (len(outputs) == 1 and outputs[0] is None):
        raise RuntimeError(
            f"{api}: Expected f to be a function that has non-empty output (got output = {outputs})"
        )
    for o in outputs:
        if not isinstance(o, TensorBase):
            raise RuntimeError(
                f"{api}: expected f(*primals) to return only tensors, got unsupported type {type(o)}"
            )


def check_floating(outputs: list[Any]) -> None:
    """Refuse outputs that have no derivative."""
    for o in outputs:
        if o.dtype.category < dtypes.FLOATING:
            raise RuntimeError(
                "vjp(f, ...): All outputs of f must be floating-point or complex Tensors, got Tensor with "
                f"dtype {o.dtype}"
            )


def check_scalar(output: Any) -> None:
    """Refuse an output that `grad` cannot start from."""
    if not isinstance(output, TensorBase):
        raise RuntimeError(f"{GRAD}: Expected f(*args) to return a Tensor, got {type(output)}")
    n = output.ndim  # type: ignore[attr-defined]
    if n:
        raise RuntimeError(
            f"{GRAD}: Expected f(*args) to return a scalar Tensor, got tensor with {n} dims. Maybe you "
            "wanted to use the vjp or jacrev APIs instead?"
        )


def check_real(api: str, leaves: Sequence[Any], what: str) -> None:
    """Refuse complex tensors among the inputs or outputs (`what`) of a Jacobian."""
    for i, leaf in enumerate(leaves):
        if isinstance(leaf, TensorBase) and leaf.dtype.is_complex:  # type: ignore[attr-defined]
            raise RuntimeError(
                f"{api}: Expected all {what} to be real but received complex tensor at flattened input idx: "
                f"{i}"
            )


def check_tensors(leaves: Sequence[Any], argument: str) -> None:
    """Refuse primals or tangents of `jvp` that are none, or no tensors."""
    if not leaves:
        raise RuntimeError(f"{JVP}: Expected {argument} to contain at least one Tensor.")
    for leaf in leaves:
        if not isinstance(leaf, TensorBase):
            raise RuntimeError(f"{JVP}: Expected {argument} to only contain Tensors, got {type(leaf)}")


def check_structure(primals: Any, tangents: Any) -> None:
    """Refuse tangents of `jvp` that are nested otherwise than the primals."""
    given, wanted = tree.spec(tangents), tree.spec(primals)
    if given != wanted:
        raise RuntimeError(
            f"{JVP}: Expected primals and tangents to have the same python structure. For example, if "
            f"primals is a tuple of 3 tensors, tangents also must be. Got primals with structure {wanted} "
            f"and tangents with structure {given}"
        )


def check_tangent(t: Any, move: Any) -> None:
    """Raise PyTorch's error for a tangent of another shape."""
    if tuple(t.shape) != tuple(move.shape):
        raise RuntimeError(
            "Trying to set a forward gradient that has a different size than that of the original Tensor, "
            f"this is not supported. Tensor is of size {list(t.shape)} while the given forward gradient is "
            f"of size {list(move.shape)}."
        )


def check_like(i: int, primal: Any, tangent: Any) -> None:
    """Refuse a tangent for the function that `linearize` returned if it is not like its primal."""
    for what in ("shape", "device", "dtype"):
        given, wanted = getattr(tangent, what), getattr(primal, what)
        if given != wanted:
            raise RuntimeError(
                f"tangent:{i} with {what} {given} in flattened pytree doesn't match the {what} {wanted} of "
                "the corresponding primal."
            )
