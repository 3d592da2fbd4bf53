"""Small functions of the `torch` namespace that answer questions about the process or about dtypes."""

from __future__ import annotations

import itertools
import math
from typing import Any, Final

from . import dtypes
from .config import settings, warn_once
from .dtypes import dtype
from .errors import bad_argument, narrow_int
from .ops.arguments import REQUIRED, integers, missing
from .ops.table import TABLE
from .size import CPU, check_device, device, memory_format, places, strided
from .tensor import Tensor

_TENSOR_TYPE: Final = (
    "torch.set_default_tensor_type() is deprecated as of PyTorch 2.1, please use torch.set_default_dtype() "
    "and torch.set_default_device() as alternatives."
)
inf, nan, pi, e = math.inf, math.nan, math.pi, math.e
newaxis = None


def set_warn_always(b: bool, /) -> None:
    """Whether warnings that come once per process come every time.

    Args:
        b: whether they do.

    Raises:
        TypeError: if it is no bool.
    """
    if not isinstance(b, bool):
        raise TypeError(f"setWarnOnlyOnce expects a bool, but got {type(b).__name__}")
    settings.warn_always = b


def is_warn_always_enabled() -> bool:
    """Whether warnings that come once per process come every time.

    Example:
        >>> import cotangent as torch
        >>> torch.is_warn_always_enabled()
        False
    """
    return settings.warn_always


def get_num_threads() -> int:
    """How many threads kernels may use.

    Example:
        >>> import cotangent as torch
        >>> torch.get_num_threads() >= 1
        True
    """
    return settings.thread_count()


def set_num_threads(int: int, /) -> None:
    """Set how many threads kernels may use.

    Args:
        int: a positive number.

    Raises:
        TypeError: if it is no integer.
        RuntimeError: if it is not positive.
    """
    if isinstance(int, bool) or not hasattr(int, "__index__"):
        raise TypeError(f"set_num_threads expects an int, but got {type(int).__name__}")
    count = narrow_int(int)
    if count <= 0:
        raise RuntimeError("set_num_threads expects a positive integer")
    settings.threads = count
    if settings.on_threads is not None:
        settings.on_threads()


def get_num_interop_threads() -> int:
    """How many operations may run at once: one, in the calling thread."""
    return 1


def set_default_device(device: Any) -> None:
    """Set where new tensors live.

    Args:
        device: "cpu" or None; or "meta", where tensors have shapes and types and no numbers.

    Raises:
        RuntimeError, AssertionError: for any other device.
    """
    places[0] = CPU if device is None else check_device(device)


def get_default_device() -> device:
    """Where new tensors live.

    Example:
        >>> import cotangent as torch
        >>> torch.get_default_device()
        device(type='cpu')
    """
    return places[-1]


def set_default_tensor_type(t: Any) -> None:
    """Set the default dtype by a legacy tensor class or its name (deprecated by PyTorch).

    Args:
        t: such as `torch.DoubleTensor` or "torch.DoubleTensor".

    Raises:
        TypeError: for a type that is not floating-point.
    """
    warn_once(_TENSOR_TYPE)
    name = t.removeprefix("torch.") if isinstance(t, str) else getattr(t, "__name__", "")
    found = next((d for d in dtypes.ALL if d.type_name == name), None)
    if found is None or found.category != dtypes.FLOATING:
        raise TypeError("only floating-point types are supported as the default type")
    settings.default_dtype = found


def is_floating_point(input: Any = REQUIRED) -> bool:
    """Whether the elements are real floating-point numbers.

    Example:
        >>> import cotangent as torch
        >>> torch.is_floating_point(torch.ones(1))
        True
    """
    return _tensor("is_floating_point", input).is_floating_point()


def is_complex(input: Any = REQUIRED) -> bool:
    """Whether the elements are complex.

    Example:
        >>> import cotangent as torch
        >>> torch.is_complex(torch.ones(1))
        False
    """
    return _tensor("is_complex", input).is_complex()


def numel(input: Any = REQUIRED) -> int:
    """The number of elements.

    Example:
        >>> import cotangent as torch
        >>> torch.numel(torch.ones(2, 3))
        6
    """
    return _tensor("numel", input).numel()


def _tensor(function: str, value: Any) -> Tensor:
    if value is REQUIRED:
        missing(function, "input")
    if not isinstance(value, Tensor):
        bad_argument(function, "input", 1, "Tensor", value)
    return value


def result_type(tensor1: Any, tensor2: Any) -> dtype:
    """The dtype that arithmetic on two tensors or numbers would give.

    Args:
        tensor1: tensor or number.
        tensor2: tensor or number.

    Returns:
        a dtype.

    Example:
        >>> import cotangent as torch
        >>> torch.result_type(torch.ones(2, dtype=torch.int32), 1.5)
        torch.float32
    """
    dims: list[Any] = []
    zeros: list[Any] = []
    scalars: list[Any] = []
    for value in (tensor1, tensor2):
        if isinstance(value, Tensor):
            (dims if value.ndim else zeros).append(value.dtype)
        else:
            scalars.append(dtypes.scalar_dtype(value, settings.default_dtype))
    return dtypes.result_dtype(dims, zeros, scalars, settings.default_dtype)


# Modules that are files of their own only here -> the modules by whose names their classes go.
HOMES: Final = {
    f"torch.nn.modules.{here}": f"torch.nn.modules.{there}"
    for here, there in (
        ("_softmax", "activation"), ("attention", "activation"), ("_margin_losses", "loss"),
        ("_sequence_losses", "loss"), ("parameter_container", "container"),
    )
}  # fmt: skip


def typename(obj: Any, /) -> str:
    """The name of a value's type as PyTorch's messages give it.

    Args:
        obj: a value; of a class, the class itself is named.

    Returns:
        `torch.FloatTensor` and the like for tensors, `module.Class` for the rest.

    Example:
        >>> import cotangent as torch
        >>> torch.typename(torch.zeros(1)), torch.typename(3)
        ('torch.FloatTensor', 'int')
    """
    if isinstance(obj, Tensor):
        return f"torch.{obj.dtype.type_name}"
    named = obj if getattr(obj, "__qualname__", None) is not None else type(obj)
    module = getattr(named, "__module__", None) or ""
    # What stands in torch's place goes by torch's name.
    if module == "cotangent" or module.startswith("cotangent."):
        module = "torch" + module[len("cotangent") :]
        module = HOMES.get(module, module)
    return named.__qualname__ if module in ("", "builtins") else f"{module}.{named.__qualname__}"


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Ask for deterministic algorithms: those used here are.

    Args:
        mode: whether they are asked for.
        warn_only: warn instead of raising where there is none.

    Raises:
        TypeError: if `mode` is no bool.
    """
    if not isinstance(mode, bool):
        bad_argument("_set_deterministic_algorithms", "mode", 1, "bool", mode)
    if not isinstance(warn_only, bool):
        kind = type(warn_only).__name__
        raise TypeError(
            f"_set_deterministic_algorithms(): argument 'warn_only' must be bool, not {kind}"
        )
    settings.deterministic = mode
    settings.deterministic_warn_only = warn_only


def are_deterministic_algorithms_enabled() -> bool:
    """Whether deterministic algorithms were asked for."""
    return settings.deterministic


def is_signed(input: Any = REQUIRED) -> bool:
    """Whether the dtype has negative numbers.

    Example:
        >>> import cotangent as torch
        >>> torch.is_signed(torch.ones(1, dtype=torch.uint8))
        False
    """
    return _tensor("is_signed", input).is_signed()


def is_conj(input: Any = REQUIRED) -> bool:
    """Whether the tensor is a conjugate yet to be computed: never here."""
    return _tensor("is_conj", input).is_conj()


def is_neg(input: Any = REQUIRED) -> bool:
    """Whether the tensor is a negation yet to be computed: never here."""
    return _tensor("is_neg", input).is_neg()


def is_inference(input: Any = REQUIRED) -> bool:
    """Whether the tensor was made in inference mode."""
    return _tensor("is_inference", input).is_inference()


def is_nonzero(input: Any = REQUIRED) -> bool:
    """Whether the only element is not zero.

    Raises:
        RuntimeError: unless there is exactly one element.

    Example:
        >>> import cotangent as torch
        >>> torch.is_nonzero(torch.tensor([0.0]))
        False
    """
    return bool(_tensor("is_nonzero", input))


def get_device(input: Any = REQUIRED) -> int:
    """The number of the GPU that holds the tensor: -1, there is none.

    Example:
        >>> import cotangent as torch
        >>> torch.get_device(torch.ones(1))
        -1
    """
    _tensor("get_device", input)
    return -1


def detach(input: Any = REQUIRED) -> Tensor:
    """The same memory without history.

    Example:
        >>> import cotangent as torch
        >>> torch.detach(torch.ones(1, requires_grad=True)).requires_grad
        False
    """
    return _tensor("detach", input).detach()


def detach_(input: Any = REQUIRED) -> Tensor:
    """Cut a tensor off its history, in place."""
    return _tensor("detach_", input).detach_()


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """Whether missing determinism would only be warned of."""
    return settings.deterministic_warn_only


def dim_order(self: Tensor, *, ambiguity_check: Any = False) -> tuple[int, ...]:
    """The dimensions, from the widest step in memory to the narrowest.

    Args:
        ambiguity_check: refuse tensors of which other orders would tell the same; or memory formats, of which
            just one may be the tensor's.

    Raises:
        RuntimeError: if the order is not the only one.
        TypeError: for another kind of check.
    """
    if self.layout is not strided:
        raise AttributeError(
            f"Can't get dim order on sparse type: {self.type()} Use Tensor.to_dense() to convert to a dense "
            "tensor first."
        )
    formats = ambiguity_check if isinstance(ambiguity_check, list) else []
    named = all(isinstance(f, memory_format) for f in formats)
    if not isinstance(ambiguity_check, (bool, list)) or not named:
        raise TypeError("The ambiguity_check argument must be a bool or a list of memory formats.")
    steps = self.stride()
    found = tuple(sorted(range(self.ndim), key=lambda d: -steps[d]))
    sizes = self.shape
    pairs = list(itertools.pairwise(found))
    open_ = any(steps[a] == steps[b] or 1 in (sizes[a], sizes[b]) for a, b in pairs)
    fitting = sum(bool(self.is_contiguous(memory_format=f)) for f in formats)
    if (ambiguity_check is True and open_) or (formats and fitting != 1):
        raise RuntimeError(
            "The tensor does not have unique dim order, or cannot map to exact one of the given memory "
            "formats."
        )
    return found


def is_pinned(self: Tensor, device: Any = None) -> bool:
    """Whether the memory is locked for transfers to a GPU: never."""
    return False


def is_set_to(self: Tensor, tensor: Tensor) -> bool:
    """Whether both tensors are the same elements in the same memory."""
    mine, other = ((t.data_ptr(), t.shape, t.stride()) for t in (self, tensor))
    return mine == other and (self is tensor or bool(self.data_ptr()))


def sum_to_size(self: Tensor, *size: Any) -> Tensor:
    """The sum over all dimensions that broadcasting to this shape would have added or stretched.

    Args:
        size: a shape that broadcasts to the tensor's, separately or as one sequence.

    Returns:
        a tensor of that shape.

    Raises:
        RuntimeError: if the shape does not broadcast to the tensor's.

    Example:
        >>> import cotangent as torch
        >>> torch.ones(2, 3).sum_to_size(1, 3)
        tensor([[2., 2., 2.]])
    """
    shape = integers("sum_to_size", "size", size)
    mine = self.shape[len(self.shape) - len(shape) :]
    if len(shape) > self.ndim or any(n not in (1, m) for n, m in zip(shape, mine, strict=True)):
        raise RuntimeError(f"size {{{list(shape)}}} is not expandable to size {{{list(self.shape)}}}.")
    if shape != tuple(self.shape) or not shape:
        self = self.to(dtypes.int64) if self.dtype.category < dtypes.FLOATING else self
    return TABLE["sum_to_size"].entry(self, shape)  # type: ignore[no-any-return]


for _method in (dim_order, get_device, is_nonzero, is_pinned, is_set_to, sum_to_size):
    setattr(Tensor, _method.__name__, _method)
__all__ = [
    "are_deterministic_algorithms_enabled", "detach", "detach_", "e", "get_default_device", "get_device",
    "get_num_interop_threads", "get_num_threads", "inf", "is_complex", "is_conj",
    "is_deterministic_algorithms_warn_only_enabled", "is_floating_point", "is_inference", "is_neg",
    "is_nonzero", "is_signed", "is_warn_always_enabled", "nan", "newaxis", "numel", "pi", "result_type",
    "set_default_device", "set_default_tensor_type", "set_num_threads", "set_warn_always", "typename",
    "use_deterministic_algorithms",
]  # fmt: skip
