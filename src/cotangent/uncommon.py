"""Functions and methods that few programs call: files as memory, sparse sizes, questions, leftovers."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from typing import Any, Final, NoReturn

import numpy as np

from . import dtypes, lazy, tree
from .autograd.inplace import dense
from .config import settings
from .creation import born
from .errors import check_dim, narrow_int, noted
from .kernels import denormals
from .ops.complex import neg_view
from .ops.sections import as_strided
from .ops.table import is_tensor

named_dtypes: Final[Any] = lazy.module("cotangent.named_dtypes")
storage: Final[Any] = lazy.module("cotangent.storage")
_BACKEND: Final = (
    "Could not run 'aten::{name}' with arguments from the '{backend}' backend. This could be because the "
    "operator "
    "doesn't exist for this backend, or was omitted during the selective/custom build process (if using "
    "custom "
    "build)."
)


def no_backend(name: str, backend: str = "CPU") -> NotImplementedError:
    """PyTorch's error for an operation that a backend does not have."""
    return NotImplementedError(_BACKEND.format(name=name, backend=backend))


def _elsewhere(name: str) -> Callable[..., NoReturn]:
    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise no_backend(name)

    refuse.__name__ = refuse.__qualname__ = name
    refuse.__doc__ = f"What PyTorch's CPU has no `{name}` for, either: it belongs to batch norm between GPUs."
    return refuse


batch_norm_stats = _elsewhere("batch_norm_stats")
batch_norm_elemt = _elsewhere("batch_norm_elemt")
batch_norm_backward_reduce = _elsewhere("batch_norm_backward_reduce")
batch_norm_backward_elemt = _elsewhere("batch_norm_backward_elemt")
batch_norm_gather_stats = _elsewhere("batch_norm_gather_stats")
batch_norm_gather_stats_with_counts = _elsewhere("batch_norm_gather_stats_with_counts")

# -- the process -------------------------------------------------------------------------------------------

# LAPACK is SciPy's, products are NumPy's BLAS and kernels of our own, threads are our own.
has_lapack = True
has_spectral = True
has_mkl = False
has_openmp = False


def set_flush_denormal(mode: bool, /) -> bool:
    """Let the calling thread count denormal numbers as zero.

    Args:
        mode: whether it does.

    Returns:
        Whether the processor can.

    Raises:
        RuntimeError: if mode is no bool.

    Example:
        >>> import cotangent as torch
        >>> on = torch.set_flush_denormal(True)
        >>> zero = torch.tensor([1e-40]) * 1
        >>> off = torch.set_flush_denormal(False)
        >>> bool(zero == 0) == on
        True
    """
    if not isinstance(mode, bool):
        raise RuntimeError(f"flush_denormal expects a bool, but got {type(mode).__name__}")
    return denormals.flush(mode)


def sym_constrain_range(size: Any, *, min: int | None = None, max: int | None = None) -> None:
    """Refuse a number outside a range.

    Args:
        size: the number.
        min, max: the range's ends.

    Raises:
        RuntimeError: if it lies outside.
    """
    low = -(1 << 63) if min is None else min
    high = (1 << 63) - 1 if max is None else max
    if not low <= size <= high:
        raise RuntimeError(f"Invalid value range for {size} between [{low}, {high}].")


def sym_constrain_range_for_size(size: Any, *, min: int | None = None, max: int | None = None) -> None:
    """Refuse a number that is no size within a range."""
    sym_constrain_range(size, min=0 if min is None else min, max=max)


def sym_fresh_size(expr: Any) -> Any:
    """The number itself."""
    return expr


def cond(pred: Any, true_fn: Callable[..., Any], false_fn: Callable[..., Any], operands: Any = ()) -> Any:
    """The result of one of two functions, as a condition says.

    Args:
        pred: a bool, or a tensor of one element.
        true_fn: the function for True.
        false_fn: the other.
        operands: their arguments.

    Raises:
        RuntimeError: for other conditions, or what is no function.

    Example:
        >>> import cotangent as torch
        >>> torch.cond(torch.tensor(True), torch.sin, torch.cos, (torch.zeros(1),))
        tensor([0.])
    """
    if is_tensor(pred) and pred.numel() != 1:
        raise RuntimeError(f"Expected pred to be bool or single-element tensor, but got {pred}.")
    if not callable(true_fn) or not callable(false_fn):
        raise RuntimeError("Expect both branches to be callable.")
    leaves = tree.flatten(operands)[0]
    if not isinstance(operands, (tuple, list)) or not all(is_tensor(t) or type(t) is int for t in leaves):
        raise RuntimeError(
            "Expect operands to be a tuple of possibly nested dict/list/tuple that only consists of "
            "tensor leaves, "
            f"but got {operands}."
        )
    return (true_fn if bool(pred) else false_fn)(*operands)


def _no_torchscript(*_: Any, **__: Any) -> NoReturn:
    """Refuse: there is no TorchScript here.

    Raises:
        NotImplementedError: always.
    """
    raise NotImplementedError("cotangent has no TorchScript; see torch.jit and torch.compile")


import_ir_module = import_ir_module_from_buffer = parse_ir = parse_schema = _no_torchscript


# -- memory ------------------------------------------------------------------------------------------------


def from_file(
    filename: str, shared: bool | None = None, size: int | None = 0, *, dtype: Any = None, layout: Any = None,
    device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Any:  # fmt: skip
    """A tensor on the memory of a file.

    Args:
        filename: path.
        shared: whether writing to the tensor writes to the file, which is made and made longer where needed.
        size: how many elements.
        dtype: their type; the default dtype by default.
        layout, device, pin_memory: accepted for PyTorch's sake.
        requires_grad: whether gradients flow to it.

    Returns:
        tensor of that size.

    Raises:
        RuntimeError: if the file is not there, or too short.

    Example:
        >>> import tempfile
        >>> import cotangent as torch
        >>> with tempfile.NamedTemporaryFile() as file:
        ...     _ = file.write(b"abc"), file.flush()
        ...     torch.from_file(file.name, size=3, dtype=torch.uint8)
        tensor([97, 98, 99], dtype=torch.uint8)
    """
    d = dtype or settings.default_dtype
    count = narrow_int(size or 0)
    needed = count * d.itemsize
    try:
        handle = os.open(filename, os.O_RDWR | os.O_CREAT if shared else os.O_RDONLY)
    except OSError as error:
        mode = "read-write" if shared else "read-only"
        raise RuntimeError(
            f"unable to open file <{filename}> in {mode} mode: {error.strerror} ({error.errno})"
        ) from None
    try:
        there = os.fstat(handle).st_size
        if there < needed:
            if not shared:
                raise RuntimeError(
                    f"file <{filename}> size <{there}> is smaller than the required mapping size <{needed}>"
                )
            os.ftruncate(handle, needed)
        if not needed:
            return born(np.empty(0, d.np), requires_grad)
        access = mmap.ACCESS_WRITE if shared else mmap.ACCESS_COPY
        mapped = mmap.mmap(handle, needed, access=access)
    finally:
        os.close(handle)
    return born(np.ndarray((count,), d.np, np.frombuffer(mapped, np.uint8)), requires_grad)


def slice_inverse(
    input: Any, src: Any, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Any:
    """The tensor that `input` is a slice of: the shape, strides and offset of `src` on the memory of `input`.

    Args:
        input: a slice.
        src: what has the layout of the whole.
        dim, start, end, step: how the slice was taken; the layout says all of it.

    Example:
        >>> import cotangent as torch
        >>> whole = torch.arange(4.0)
        >>> torch.slice_inverse(whole[1:3], whole, 0, 1, 3)
        tensor([0., 1., 2., 3.])
    """
    check_dim(dim, src.ndim)
    return as_strided(input, tuple(src.shape), src.stride(), src.storage_offset())


def record_stream(self: Any, stream: Any) -> NoReturn:
    """Refuse: there are no streams of a GPU.

    Raises:
        AssertionError: always, with PyTorch's text.
    """
    raise noted(AssertionError("Torch not compiled with CUDA enabled"), "device")


# -- methods -----------------------------------------------------------------------------------------------


def chalf(self: Any, memory_format: Any = None) -> Any:
    """Refuse: NumPy has no complex numbers of 16-bit parts.

    Raises:
        NotImplementedError: always.
    """
    return self.to(named_dtypes.complex32)


def module_load(self: Any, other: Any, assign: bool = False) -> Any:
    """What a module puts in the place of this parameter when it loads `other`.

    Args:
        other: the tensor that is loaded.
        assign: whether the loaded tensor itself is put there, not its numbers.

    Example:
        >>> import cotangent as torch
        >>> torch.zeros(2).module_load(torch.ones(2))
        tensor([1., 1.])
    """
    return other.detach() if assign else self.copy_(other).detach()


def reinforce(self: Any, reward: Any) -> NoReturn:
    """Gone from PyTorch long ago.

    Raises:
        RuntimeError: always.
    """
    raise RuntimeError(
        "reinforce() was removed.\nUse torch.distributions instead.\n"
        "See https://pytorch.org/docs/main/distributions.html"
    )


def index(self: Any, positions: Any, dims: Any) -> NoReturn:
    """Refuse: there are no first-class dimensions (functorch.dim).

    Raises:
        NotImplementedError: always.
    """
    raise NotImplementedError(
        "Tensor.index binds dimensions to Dim objects of functorch.dim, which cotangent does not have; "
        "index with "
        "tensor[...]"
    )


def to_padded_tensor(self: Any, padding: float, output_size: Any = None, *, out: Any = None) -> NoReturn:
    """What PyTorch has for nested tensors only.

    Raises:
        NotImplementedError: always, with PyTorch's text.
    """
    raise no_backend("to_padded_tensor")


def choose_qparams_optimized(input: Any, numel: int, n_bins: int, ratio: float, bit_width: int) -> Any:
    """The range for quantising numbers that a greedy search finds best.

    The ends move inwards step by step, the better one first, and the range of the least squared error wins
    (Guan et al. 2019, https://arxiv.org/abs/1911.02079).

    Args:
        input: float32 numbers.
        numel: how many of them count.
        n_bins: into how many steps the range is divided.
        ratio: the share of the range that is searched.
        bit_width: bits of a quantised number.

    Returns:
        (upper end, lower end).

    Example:
        >>> import cotangent as torch
        >>> torch.choose_qparams_optimized(torch.arange(8.0), 8, 200, 0.16, 8)
        (tensor([7.]), tensor([0.]))
    """
    if not 0 <= numel <= input.numel():
        raise RuntimeError("numel is out of the bound of input tensor")
    x = input.detach()._data.reshape(-1)[:numel].astype(np.float32)
    low, high = x.min(), x.max()
    levels = np.float32(2**bit_width - 1)

    def loss(a: Any, b: Any) -> float:
        scale = (b - a) / levels
        if scale < 1e-8:
            scale = np.float32(1)
        rounded = np.clip(np.rint((x - a) * (np.float32(1) / scale)), 0, levels)
        return float(np.sum((x - (scale * rounded + a)) ** 2, dtype=np.float32))

    step = (high - low) / np.float32(n_bins)
    least = n_bins * (1.0 - ratio) * step
    found, best = loss(low, high), (low, high)
    a, b = low, high
    while a + step < b and (b - a) > least:
        from_low, from_high = loss(a + step, b), loss(a, b - step)
        if from_low < from_high:
            a = a + step
            now = from_low
        else:
            b = b - step
            now = from_high
        if now < found:
            found, best = now, (a, b)
    ends = [born(np.asarray([end], dtypes.float32.np)) for end in best[::-1]]
    return tuple(ends)


def _neg_view(self: Any) -> Any:
    """A view that negates what it shows; the negation is put off.

    Example:
        >>> import cotangent as torch
        >>> torch.ones(2)._neg_view().is_neg()
        True
    """
    return neg_view(self)


def storage_type(self: Any) -> Any:
    """PyTorch's storage class of the dtype; None where it has none."""
    return storage.CLASSES.get(storage.class_name(self.dtype))


def _assert_async(input: Any, assert_msg: str | None = None) -> None:
    """Raise a RuntimeError unless the one element is true.

    Args:
        input: tensor of one element.
        assert_msg: the error's text.
    """
    if not bool(input):
        raise RuntimeError(assert_msg or "Expected Tensor with single nonzero value, but got zero")


def _debug_has_internal_overlap(input: Any) -> int:
    """Whether elements share memory: 0 no, 1 yes, 2 not known.

    Args:
        input: tensor.
    """
    if input.is_contiguous() or dense(input._data):
        return 0
    pairs = zip(input.stride(), input.shape, strict=True)
    return 1 if any(step == 0 and size > 1 for step, size in pairs) else 2
