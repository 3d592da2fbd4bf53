"""What PyTorch calls functions and classes in the programs that it generates from graphs.

Public functions have the names by which `__torch_function__` knows them; which of them PyTorch keeps in its
extension modules is known from asking its functions for `__module__`.
"""

from __future__ import annotations

import builtins
import inspect
import sys
import types
from typing import Any, Final

from .. import overriding
from ..toplevel import HOMES

__all__ = ["is_from_torch", "package", "qualified_name", "short_name", "type_name"]

package: Final = sys.modules[__name__.partition(".")[0]]
_HOME: Final = package.__package__ or ""

# Functions of torch.nn.functional that PyTorch takes from its extension module.
_NATIVE: Final = frozenset(
    [
        "avg_pool2d",
        "avg_pool3d",
        "elu_",
        "gelu",
        "hardtanh_",
        "leaky_relu_",
        "linear",
        "one_hot",
        "scaled_dot_product_attention",
        "softplus",
        "softshrink",
    ]
)
# Functions of torch.nn.functional that are those of torch.
_TORCH: Final = frozenset(
    [
        "adaptive_avg_pool1d",
        "avg_pool1d",
        "bilinear",
        "celu_",
        "channel_shuffle",
        "conv1d",
        "conv2d",
        "conv3d",
        "conv_tbc",
        "conv_transpose1d",
        "conv_transpose2d",
        "conv_transpose3d",
        "cosine_similarity",
        "native_channel_shuffle",
        "pairwise_distance",
        "pixel_shuffle",
        "pixel_unshuffle",
        "rrelu_",
        "selu_",
        "threshold_",
    ]
)
# Functions of torch that PyTorch writes in Python.
_WRITTEN: Final = frozenset(
    [
        "atleast_1d",
        "atleast_2d",
        "atleast_3d",
        "block_diag",
        "broadcast_shapes",
        "broadcast_tensors",
        "cartesian_prod",
        "cdist",
        "chain_matmul",
        "einsum",
        "lu",
        "meshgrid",
        "norm",
        "split",
        "stft",
        "tensordot",
        "unique",
        "unique_consecutive",
        "unravel_index",
    ]
)
_OTHERS: Final = {
    "torch.layer_norm": "torch.nn.functional.layer_norm",
    "torch.nn.functional.log_sigmoid": "torch._C._nn.log_sigmoid",
    "torch.nn.functional.logsigmoid": "torch._C._nn.log_sigmoid",
    "torch.nn.functional.threshold": "torch.nn.functional._threshold",
    "torch.lobpcg": "torch._lobpcg.lobpcg",
    "torch.pca_lowrank": "torch._lowrank.pca_lowrank",
    "torch.svd_lowrank": "torch._lowrank.svd_lowrank",
    "torch.segment_reduce": "torch._segment_reduce",
}
_PREFIXED: Final = ("fft", "linalg", "special")


def _known(func: Any) -> str | None:
    """The name of a public function or method in PyTorch; None for others."""
    overriding.activate()
    try:
        text = overriding.names.get(func)
    except TypeError:  # cannot be hashed
        return None
    if text is None:
        return None
    home, _, name = text.rpartition(".")
    space = home.rpartition(".")[2]
    if text in _OTHERS:
        return _OTHERS[text]
    if space in _PREFIXED:
        return f"torch._C._{space}.{space}_{name}"
    if home == "torch.nn.functional" and name in _NATIVE:
        return f"torch._C._nn.{name}"
    if home == "torch.nn.functional" and name in _TORCH:
        return f"torch.{name}"
    if home == "torch" and name in _WRITTEN:
        return f"torch.functional.{name}"
    return text


def _module_of(obj: Any) -> str | None:
    """PyTorch's name of the module that an object is from."""
    module = getattr(obj, "__module__", None)
    if not isinstance(module, str):
        return None
    first, dot, rest = module.partition(".")
    if first != _HOME:
        return module
    name = getattr(obj, "__name__", "")
    elsewhere = name in package._ELSEWHERE and getattr(package, name)
    if vars(package).get(name, elsewhere) is obj:
        return "torch"
    known = f"torch{dot}{rest}"
    return HOMES.get(known, known)


def is_from_torch(obj: Any) -> bool:
    """Whether programs reach an object under `torch`.

    Args:
        obj: a function, class or other value.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.fx._names import is_from_torch
        >>> is_from_torch(torch.relu), is_from_torch(len)
        (True, False)
    """
    module = _module_of(obj)
    if module is None or isinstance(obj, types.ModuleType):
        return False
    return module.partition(".")[0] == "torch" and not module.startswith(
        ("torch._dynamo.", "torch._inductor.")
    )


def short_name(func: Any) -> str:
    """`__name__` of a function as PyTorch has it.

    Args:
        func: a function.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.fx._names import short_name
        >>> short_name(torch.linalg.norm)
        'linalg_norm'
    """
    known = _known(func)
    name: str = func.__name__ if known is None else known.rpartition(".")[2]
    return name


def qualified_name(func: Any) -> str:
    """The name of a function with its module, as PyTorch's generated programs say it.

    Args:
        func: a function or class.

    Returns:
        The name.

    Raises:
        RuntimeError: for a lambda whose source is not there.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.fx._names import qualified_name
        >>> qualified_name(torch.relu), qualified_name(torch.nn.functional.gelu)
        ('torch.relu', 'torch._C._nn.gelu')
    """
    builtin = getattr(builtins, func.__name__, None)
    if builtin is not None and builtin is func:
        return str(func.__name__)
    known = _known(func)
    if known is not None:
        return known
    name = func.__name__
    if name == "<lambda>":
        try:
            name = inspect.getsource(func).split("=")[0].strip()
        except Exception as error:
            raise RuntimeError("Unable to represent lambda") from error
    module = _module_of(func)
    if module is None:
        raise RuntimeError(f"cannot find module for {func}")
    return f"{module.replace('torch._ops', 'torch.ops')}.{name}"


def type_name(obj: Any) -> str:
    """A type as it is written in annotations of generated programs.

    Args:
        obj: a type, or what stands for one.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.fx._names import type_name
        >>> type_name(torch.Tensor), type_name(int), type_name(list[int])
        ('torch.Tensor', 'int', 'list[int]')
    """
    if isinstance(obj, type) and not isinstance(obj, types.GenericAlias):
        if obj.__module__ == "builtins":
            return obj.__qualname__
        return f"{_module_of(obj)}.{obj.__qualname__}"
    if obj is ...:
        return "..."
    return obj.__name__ if isinstance(obj, types.FunctionType) else repr(obj)
