"""`view_copy`, `transpose_copy`, ...: what the view of that name shows, as a copy.

Each primitive and each function of a view has a twin that copies: the same rule, the same argument
checks, the kernel's result copied.
"""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any, Final

import numpy as np

from ..errors import check_dim
from . import broadcast, order, sections, split, triangles, viewfronts, views
from .arguments import rank
from .table import Primitive, declare, deliver


def _copying(op: Primitive, node: str | None = None) -> Any:
    """The twin of a view primitive."""
    kernel = op.kernel
    if op.name == "view_as_shape":  # of a copy there is always such a view
        copied: Callable[..., Any] = lambda a, shape: np.array(a.reshape(shape))  # noqa: E731
    elif op.nout == 1:
        copied = lambda *args: kernel(*args).copy()  # noqa: E731 - three of one kind
    else:
        copied = lambda *args: tuple(part.copy() for part in kernel(*args))  # noqa: E731
    statics = ", ".join(op.statics)
    twin = Primitive(f"{op.name}_copy({', '.join(op.tensors)} | {statics})", copied, "linear", dict(op.rules))
    return declare(
        twin, node=node or f"{op.node_name}_copy", public=f"{op.public}_copy", nout=op.nout, batch=op.batch
    )


_TWINS: Final = {
    name: _copying(vars(module)[name].op)
    for module, names in (
        (views, ("view_as_shape", "view_bits", "permute_dims", "transpose_dims", "t_matrix", "expand_to",
                 "squeeze_all", "squeeze_dim", "squeeze_dims", "unsqueeze_at", "select_at", "slice_of",
                 "windows_of", "as_strided_of")),
        (split, ("split_by", "split_lengths", "unbind_dim")),
    )
    for name in names
}  # fmt: skip
alias_copied: Final = _copying(views.alias.op)
narrow_copied: Final = _copying(
    Primitive(
        "narrow_by(input | dim, start, stop, every)",
        views.slice_of.op.kernel,
        "linear",
        views.slice_of.op.rules,
    ),
    "NarrowCopyBackward0",
)


def _calling(front: Callable[..., Any], twins: dict[str, Any]) -> Callable[..., Any]:
    """A function of a view with other primitives under it."""
    plain: Any = front
    scope = dict(plain.__globals__)
    scope.update({name: twins[name] for name in plain.__code__.co_names if name in twins})
    for name in plain.__code__.co_names:
        inner: Any = scope.get(name)
        if inner is plain:
            continue
        ours = isinstance(inner, FunctionType) and inner.__module__ == plain.__module__ and name not in twins
        if ours and any(called in twins for called in inner.__code__.co_names):
            scope[name] = _calling(inner, twins)
    made = FunctionType(plain.__code__, scope, plain.__name__, plain.__defaults__, plain.__closure__)
    made.__kwdefaults__ = plain.__kwdefaults__
    scope.update({name: made for name in plain.__code__.co_names if scope.get(name) is plain})
    return made


def _copy_of(
    front: Callable[..., Any], call: str, result: str, twins: dict[str, Any] = _TWINS
) -> Callable[..., Any]:
    """The function `NAME_copy`, with `torch.CALL` and what that gives as the example in its docstring."""
    run = _calling(front, twins)
    name = call.partition("(")[0]

    def copy(input: Any, *args: Any, out: Any = None, **kwargs: Any) -> Any:
        return deliver(name, run(input, *args, **kwargs), out)

    copy.__name__ = copy.__qualname__ = name
    copy.__doc__ = (
        f"What `{front.__name__}` shows, as a copy.\n\n    Args:\n        input: tensor.\n        args: as "
        "those of "
        f"`{front.__name__}`.\n        out: tensor to store the result in.\n\n    Example:\n        >>> "
        "import "
        f"cotangent as torch\n        >>> torch.{call}\n        {result}\n    "
    )
    return copy


_diagonal: Final = _calling(sections.diagonal, {"diagonal_of": triangles.diagonal_copied})
view_copy = _copy_of(viewfronts.view, "view_copy(torch.arange(4), (2, 2)).shape", "torch.Size([2, 2])")
expand_copy = _copy_of(broadcast.expand, "expand_copy(torch.tensor([1]), (3,))", "tensor([1, 1, 1])")
permute_copy = _copy_of(order.permute, "permute_copy(torch.ones(2, 3), (1, 0)).stride()", "(2, 1)")
transpose_copy = _copy_of(order.transpose, "transpose_copy(torch.ones(2, 3), 0, 1).stride()", "(2, 1)")
t_copy = _copy_of(order.t, "t_copy(torch.ones(2, 3)).stride()", "(2, 1)")
squeeze_copy = _copy_of(broadcast.squeeze, "squeeze_copy(torch.tensor([[1, 2]]))", "tensor([1, 2])")
unsqueeze_copy = _copy_of(broadcast.unsqueeze, "unsqueeze_copy(torch.tensor([1, 2]), 0)", "tensor([[1, 2]])")
select_copy = _copy_of(sections.select, "select_copy(torch.tensor([[1, 2]]), 1, 0)", "tensor([1])")
unfold_copy = _copy_of(
    sections.unfold, "unfold_copy(torch.arange(4), 0, 3, 1).tolist()", "[[0, 1, 2], [1, 2, 3]]"
)
as_strided_copy = _copy_of(
    sections.as_strided, "as_strided_copy(torch.arange(4), (2,), (2,))", "tensor([0, 2])"
)
split_copy = _copy_of(split.split, "split_copy(torch.arange(3), 2)", "(tensor([0, 1]), tensor([2]))")
split_with_sizes_copy = _copy_of(
    split.split_with_sizes, "split_with_sizes_copy(torch.arange(3), (1, 2))", "(tensor([0]), tensor([1, 2]))"
)
unbind_copy = _copy_of(split.unbind, "unbind_copy(torch.tensor([1, 2]))", "(tensor(1), tensor(2))")
_narrow: Final = _calling(sections.narrow, {"slice_of": narrow_copied})


def narrow_copy(input: Any, dim: int, start: Any, length: int, *, out: Any = None) -> Any:
    """What `narrow` shows, as a copy.

    Args:
        input: tensor, also a sparse one, whose dimensions and places then count from the front only.
        dim: the dimension.
        start: the first place.
        length: how many.
        out: tensor to store the result in.

    Raises:
        RuntimeError: for a dimension or places that there are not.

    Example:
        >>> import cotangent as torch
        >>> torch.narrow_copy(torch.arange(4), 0, 1, 2)
        tensor([1, 2])
    """
    n = input.ndim
    if input.is_sparse:
        if not 0 <= dim < n:
            raise RuntimeError(f"Dimension {dim} out of range. Expecting 0 <= dim < {n}.")
        size = input.shape[dim]
        if length < 0:
            raise RuntimeError("narrow(): length must be non-negative.")
        if start < 0 or start + length > size:
            raise RuntimeError(
                "Invalid range to narrow. range(start, start+length) must be a subset of range(0, "
                f"{size})."
            )
    elif dim >= n > 0:
        raise RuntimeError(
            "Expected dim < static_cast<int64_t>(self_sizes.size()) to be true, but got false.  (Could this "
            "error message be improved?  If so, please report an enhancement request to PyTorch.)"
        )
    elif length < 0 and -n <= dim < n:
        raise RuntimeError(
            f"start ({int(start)}) + length ({length}) exceeds dimension size ({input.shape[dim]})."
        )
    return deliver("narrow_copy", _narrow(input, dim, start, length), out)


def diagonal_copy(input: Any, offset: int = 0, dim1: int = 0, dim2: int = 1, *, out: Any = None) -> Any:
    """What `diagonal` shows, as a copy.

    Args:
        input: tensor of at least two dimensions.
        offset: how far above (or, negative, below) the main diagonal.
        dim1: the rows.
        dim2: the columns.
        out: tensor to store the result in.

    Example:
        >>> import cotangent as torch
        >>> torch.diagonal_copy(torch.tensor([[1, 2], [3, 4]]))
        tensor([1, 4])
    """
    return deliver("diagonal_copy", _diagonal(input, offset, dim1, dim2), out)


def slice_copy(
    input: Any,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
    *,
    out: Any = None,
) -> Any:
    """A slice of a dimension, as a copy.

    Args:
        input: tensor.
        dim: the dimension.
        start: where the slice begins.
        end: where it ends.
        step: from one element to the next.
        out: tensor to store the result in.

    Example:
        >>> import cotangent as torch
        >>> torch.slice_copy(torch.arange(5), 0, 1, 4, 2)
        tensor([1, 3])
    """
    d = check_dim(dim, rank("slice_copy", input))
    first, last, every = slice(start, end, step).indices(input._data.shape[d])
    return deliver("slice_copy", _TWINS["slice_of"](input, d, first, max(first, last), every), out)


def alias_copy(input: Any, *, out: Any = None) -> Any:
    """A copy of a tensor.

    Args:
        input: tensor.
        out: tensor to store the result in.

    Example:
        >>> import cotangent as torch
        >>> torch.alias_copy(torch.tensor([1, 2]))
        tensor([1, 2])
    """
    return deliver("alias_copy", alias_copied(input), out)
