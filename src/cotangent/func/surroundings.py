"""What `torch.func` offers around its transforms: looking inside, and making modules fit them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..autograd.base import TensorBase, world

__all__ = ["debug_unwrap", "functionalize", "replace_all_batch_norm_modules_"]


def debug_unwrap(tensor: Any, *, recurse: bool = True) -> Any:
    """The tensor inside one that a transform has wrapped, to look at in a debugger.

    Args:
        tensor: any tensor.
        recurse: whether to go through all levels, or one.

    Returns:
        the tensor inside; an ordinary tensor itself.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.func import debug_unwrap, vmap
        >>> seen = []
        >>> _ = vmap(lambda x: seen.append(debug_unwrap(x).shape) or x)(torch.zeros(3, 2))
        >>> seen
        [torch.Size([3, 2])]
    """
    while isinstance(tensor, TensorBase) and tensor._owner is not None:
        inner = tensor._data
        inner = getattr(inner, "value", getattr(inner, "primal", inner))
        if not isinstance(inner, world.Tensor):
            return tensor
        tensor = inner
        if not recurse:
            break
    return tensor


def functionalize(func: Callable[..., Any], *, remove: str = "mutations") -> Callable[..., Any]:
    """A function with the same results. What it writes in place is followed by the transforms as it is.

    PyTorch removes writes and views for compilers that do not know them; the tape of this package knows both,
    so nothing has to be removed.

    Args:
        func: the function.
        remove: "mutations" or "mutations_and_views".

    Raises:
        RuntimeError: for anything else.

    Example:
        >>> import cotangent as torch
        >>> torch.func.functionalize(lambda x: x.clone().add_(1))(torch.zeros(1))
        tensor([1.])
    """
    if remove not in ("mutations", "mutations_and_views"):
        raise RuntimeError(
            f"functionalize(f, remove='mutations'): received invalid argument for remove={remove}. Valid "
            "options are:\n     remove='mutations': all inplace and out= operators will be removed from the "
            "program, and replaced with their out-of-place equivalents.\n     remove='mutations_and_views': "
            "In addition to the above, all aliasing operators {view} will be replaced with their "
            "non-aliasing counterparts, {view}_copy.\n"
        )

    @functools.wraps(func)
    def called(*args: Any, **kwargs: Any) -> Any:
        return func(*args, **kwargs)

    return called


def replace_all_batch_norm_modules_(root: Any) -> Any:
    """Let batch normalisation in a module keep no running statistics, which transforms could not update.

    Args:
        root: the module, which is changed.

    Returns:
        the module.

    Example:
        >>> import cotangent as torch
        >>> torch.func.replace_all_batch_norm_modules_(torch.nn.Linear(1, 1))
        Linear(in_features=1, out_features=1, bias=True)
    """
    for part in root.modules():
        if hasattr(part, "track_running_stats") and type(part).__name__.startswith(
            ("BatchNorm", "SyncBatchNorm")
        ):
            part.running_mean = None
            part.running_var = None
            part.num_batches_tracked = None
            part.track_running_stats = False
    return root
