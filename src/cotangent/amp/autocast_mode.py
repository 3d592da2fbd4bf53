"""Mixed precision: inside `autocast`, products are computed in 16 bits and what needs more in float32.

Nothing in the package asks whether autocast is on. The first block that is entered puts a few lines in front
of the functions below: they cast the tensors among the arguments and call the function as it was. A program
without autocast never pays for it.
"""

from __future__ import annotations

import functools
import threading
import warnings
import weakref
from collections.abc import Callable
from types import FunctionType
from typing import Any, Final

from .. import lazy
from ..dtypes import FLOATING, bfloat16, dtype, float16, float32, float64
from ..ops.table import emitter
from ..size import device as _device
from ..tensor import Tensor

__all__ = ["autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]

# PyTorch's lists for the CPU, https://pytorch.org/docs/stable/amp.html.
_LOWER: Final = (
    "conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d conv_tbc bmm mm baddbmm addmm"
    " addbmm linear matmul einsum tensordot corrcoef cov chain_matmul linalg.multi_dot linalg.matrix_power"
    " scaled_dot_product_attention prelu linalg.vecdot"
)
_FULL: Final = (
    "avg_pool3d binary_cross_entropy grid_sample grid_sampler_2d grid_sampler_3d polar prod quantile"
    " nanquantile stft cdist trace view_as_complex cholesky cholesky_inverse cholesky_solve inverse"
    " lu_solve orgqr ormqr pinverse max_pool3d max_unpool1d max_unpool2d max_unpool3d adaptive_avg_pool3d"
    " mse_loss cosine_embedding_loss nll_loss hinge_embedding_loss poisson_nll_loss smooth_l1_loss"
    " cross_entropy l1_loss huber_loss margin_ranking_loss soft_margin_loss triplet_margin_loss"
    " multi_margin_loss ctc_loss kl_div multilabel_margin_loss binary_cross_entropy_with_logits"
    " fractional_max_pool2d fractional_max_pool3d adaptive_max_pool3d geqrf qr svd triangular_solve fft.fft"
    " fft.ifft fft.fft2 fft.ifft2 fft.fftn fft.ifftn fft.rfft fft.irfft fft.rfft2 fft.irfft2 fft.rfftn"
    " fft.irfftn fft.hfft fft.ihfft linalg.cond linalg.matrix_rank linalg.solve linalg.cholesky"
    " linalg.svdvals linalg.eigvals linalg.eigvalsh linalg.inv linalg.householder_product linalg.tensorinv"
    " linalg.tensorsolve linalg.qr linalg.cholesky_ex linalg.svd linalg.eig linalg.eigh linalg.lstsq"
    " linalg.inv_ex"
)
_WIDEST: Final = "stack cat index_copy"
_16_BITS: Final = (bfloat16, float16)

cotangent: Any = lazy.module("cotangent")
overriding: Any = lazy.module("cotangent.overriding")


class _State(threading.local):
    """What is on in this thread."""

    def __init__(self) -> None:
        self.enabled = {"cpu": False}
        self.dtypes: dict[str, dtype] = {"cpu": bfloat16}
        self.caching = True
        self.nesting = 0
        # id of a leaf -> (the leaf, its copy in 16 bits): weights are cast once in a block.
        self.cache: dict[int, tuple[weakref.ref[Any], Any]] = {}


state: Final = _State()


def _functions(names: str) -> list[Any]:
    """The functions of these names that there are, wherever PyTorch has them.

    A method is the function itself until classes may take calls over; they are asked before the cast.
    """
    found = []
    spaces = (cotangent, cotangent.nn.functional, Tensor)
    for name in names.split():
        home, _, last = name.rpartition(".")
        for space in (getattr(cotangent, home),) if home else spaces:
            value: Any = getattr(space, last, None)
            if overriding.exchanged(value):
                value = value.__wrapped__
            if isinstance(value, FunctionType) and value not in found:
                found.append(value)
    return found


@functools.cache
def install() -> None:
    """Put the casts in front of the functions; once."""
    for policy, names in (("lower", _LOWER), ("full", _FULL), ("widest", _WIDEST)):
        for function in _functions(names):
            _guard(function, policy)


def _guard(function: Any, policy: str) -> None:
    op = getattr(function, "op", None)
    if op is not None and op.node_class is None:
        emitter.emit(op)  # else its first call would replace the code that is put here
    inner = FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    inner.__kwdefaults__ = function.__kwdefaults__
    name = f"_before_autocast_{id(function)}"
    free = ", ".join(function.__code__.co_freevars)  # the new code must close over the same names
    lines = [
        f"def outer({free}):",
        f"    def {function.__name__}(*args, **kwargs):",
        f"        {free or 'pass'}",
        f"        return _run_cast({name}, {policy!r}, args, kwargs)",
        f"    return {function.__name__}",
    ]
    scope: dict[str, Any] = {}
    exec(compile("\n".join(lines), f"<cotangent autocast {function.__name__}>", "exec"), scope)
    function.__globals__[name] = inner
    function.__globals__["_run_cast"] = run
    function.__wrapped__ = inner  # where `inspect.signature` looks
    function.__code__ = scope["outer"](*function.__code__.co_freevars).__code__


def run(inner: Callable[..., Any], policy: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a function, with its tensors cast where autocast is on."""
    if not state.enabled["cpu"]:
        return inner(*args, **kwargs)
    if policy == "lower":
        to = state.dtypes["cpu"]
    elif policy == "full":
        to = float32
    else:
        to = float32 if float32 in _dtypes_of((args, kwargs)) else state.dtypes["cpu"]
    state.enabled["cpu"] = False  # what the function calls gets what it is given
    try:
        return inner(*(_cast(a, to) for a in args), **{key: _cast(a, to) for key, a in kwargs.items()})
    finally:
        state.enabled["cpu"] = True


def _dtypes_of(value: Any) -> set[Any]:
    if isinstance(value, Tensor):
        return {value.dtype}
    if isinstance(value, (list, tuple)):
        return set().union(*map(_dtypes_of, value))
    return _dtypes_of(list(value.values())) if isinstance(value, dict) else set()


def _cast(value: Any, to: dtype) -> Any:
    """A value with its tensors of floating-point dtypes cast; float64 stays."""
    if isinstance(value, Tensor):
        d = value.dtype
        if d is to or d is float64 or d.category != FLOATING:
            return value
        if to is float32 or not (state.caching and d is float32 and value.requires_grad and value.is_leaf):
            return value.to(to)
        known = state.cache.get(id(value))
        if known is None or known[0]() is not value:
            known = state.cache[id(value)] = weakref.ref(value), value.to(to)
        return known[1]
    if type(value) in (list, tuple):
        return type(value)(_cast(item, to) for item in value)
    return value


# -- what users call --------------------------------------------------------------------------------------


def _check_type(device_type: Any) -> str:
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
    return device_type


class autocast:
    """For a block, or a function: products in 16 bits, losses and what else needs it in float32.

    Args:
        device_type: "cpu"; for "cuda" it warns and does nothing.
        dtype: bfloat16 (the default on the CPU) or float16.
        enabled: whether to do anything.
        cache_enabled: whether weights are cast once in a block.

    Raises:
        ValueError: if `device_type` is no string.
        RuntimeError: if it names no device.

    Example:
        >>> import cotangent as torch
        >>> with torch.autocast("cpu"):
        ...     print((torch.ones(2, 2) @ torch.ones(2, 2)).dtype)
        torch.bfloat16
    """

    def __init__(
        self, device_type: str, dtype: Any = None, enabled: bool = True, cache_enabled: bool | None = None
    ) -> None:
        self.device = _check_type(device_type)
        if self.device != "cpu" and _device(self.device).type != "cpu" and enabled:
            warnings.warn("CUDA is not available or torch_xla is imported. Disabling autocast.", stacklevel=2)
            enabled = False
        self.fast_dtype = get_autocast_dtype(self.device) if dtype is None else dtype
        if self.device == "cpu" and enabled and self.fast_dtype not in _16_BITS:
            warnings.warn(
                "In CPU autocast, but the target dtype is not supported. Disabling autocast.\n"
                "CPU Autocast only supports dtypes of torch.bfloat16, torch.float16 currently.",
                stacklevel=2,
            )
            enabled = False
        self._enabled = enabled
        self._cache_enabled = state.caching if cache_enabled is None else cache_enabled
        self._before: list[Any] = []

    def __enter__(self) -> autocast:
        if self._enabled:
            install()
        self._before.append(
            (state.enabled.get(self.device, False), state.dtypes.get(self.device), state.caching)
        )
        state.enabled[self.device] = self._enabled
        state.dtypes[self.device] = self.fast_dtype
        state.caching = self._cache_enabled
        state.nesting += 1
        return self

    def __exit__(self, *_: object) -> None:
        state.nesting -= 1
        if not state.nesting:
            state.cache.clear()
        enabled, fast, state.caching = self._before.pop()
        state.enabled[self.device] = enabled
        if fast is None:
            state.dtypes.pop(self.device, None)
        else:
            state.dtypes[self.device] = fast

    def __call__(self, func: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(func)
        def called(*args: Any, **kwargs: Any) -> Any:
            with self:
                return func(*args, **kwargs)

        return called


def is_autocast_available(device_type: str) -> bool:
    """Whether PyTorch knows autocast for a device.

    Args:
        device_type: name of the device.

    Example:
        >>> import cotangent as torch
        >>> torch.amp.is_autocast_available("cpu")
        True
    """
    return _device(_check_type(device_type)).type in ("cpu", "cuda")


def is_autocast_enabled(device_type: str = "cuda") -> bool:
    """Whether autocast is on in this thread.

    Args:
        device_type: for which device.

    Example:
        >>> import cotangent as torch
        >>> torch.is_autocast_enabled("cpu")
        False
    """
    return bool(state.enabled.get(device_type, False))


def set_autocast_enabled(device_type: str, enabled: bool) -> None:
    """Switch autocast in this thread.

    Args:
        device_type: for which device.
        enabled: on or off.

    Example:
        >>> import cotangent as torch
        >>> torch.set_autocast_enabled("cpu", False)
    """
    if enabled:
        install()
    state.enabled[device_type] = enabled


def get_autocast_dtype(device_type: str) -> dtype:
    """The 16-bit dtype that autocast uses on a device.

    Args:
        device_type: name of the device.

    Example:
        >>> import cotangent as torch
        >>> torch.get_autocast_dtype("cpu")
        torch.bfloat16
    """
    return state.dtypes.get(device_type, float16)


def set_autocast_dtype(device_type: str, dtype: dtype) -> None:
    """Set the dtype that autocast uses on a device.

    Args:
        device_type: name of the device.
        dtype: the dtype.

    Example:
        >>> import cotangent as torch
        >>> torch.set_autocast_dtype("cpu", torch.bfloat16)
    """
    state.dtypes[device_type] = dtype


def is_autocast_cache_enabled() -> bool:
    """Whether autocast casts weights once in a block.

    Example:
        >>> import cotangent as torch
        >>> torch.is_autocast_cache_enabled()
        True
    """
    return state.caching


def set_autocast_cache_enabled(enabled: bool) -> None:
    """Set whether autocast casts weights once in a block.

    Args:
        enabled: on or off.

    Example:
        >>> import cotangent as torch
        >>> torch.set_autocast_cache_enabled(True)
    """
    state.caching = enabled


def clear_autocast_cache() -> None:
    """Forget the weights that were cast.

    Example:
        >>> import cotangent as torch
        >>> torch.clear_autocast_cache()
    """
    state.cache.clear()


def autocast_increment_nesting() -> int:
    """Count one block more; returns how many there are.

    Example:
        >>> import cotangent as torch
        >>> torch.autocast_increment_nesting() - torch.autocast_decrement_nesting()
        1
    """
    state.nesting += 1
    return state.nesting


def autocast_decrement_nesting() -> int:
    """Count one block less; returns how many there are.

    Example:
        >>> import cotangent as torch
        >>> torch.autocast_increment_nesting() - torch.autocast_decrement_nesting()
        1
    """
    state.nesting -= 1
    return state.nesting


def _deprecated(old: str, new: str) -> None:
    warnings.warn(
        f"torch.{old}() is deprecated. Please use torch.{new} instead.", DeprecationWarning, stacklevel=3
    )


def is_autocast_cpu_enabled() -> bool:
    """Old form of `is_autocast_enabled("cpu")`."""
    _deprecated("is_autocast_cpu_enabled", "is_autocast_enabled('cpu')")
    return is_autocast_enabled("cpu")


def set_autocast_cpu_enabled(enabled: bool, /) -> None:
    """Old form of `set_autocast_enabled("cpu", enabled)`."""
    _deprecated("set_autocast_cpu_enabled", "set_autocast_enabled('cpu', enabled)")
    set_autocast_enabled("cpu", enabled)


def is_autocast_xla_enabled() -> bool:
    """Whether autocast is on for a kind of device that there is not: no."""
    return False


def set_autocast_xla_enabled(enabled: bool, /) -> None:
    """Accepted for PyTorch's sake: there is no such device."""


is_autocast_ipu_enabled, set_autocast_ipu_enabled = is_autocast_xla_enabled, set_autocast_xla_enabled


def get_autocast_cpu_dtype() -> dtype:
    """Old form of `get_autocast_dtype("cpu")`."""
    _deprecated("get_autocast_cpu_dtype", "get_autocast_dtype('cpu')")
    return get_autocast_dtype("cpu")


def custom_fwd(fwd: Any = None, *, device_type: str, cast_inputs: dtype | None = None) -> Any:
    """Decorates `forward` of a custom Function: says in what precision it runs under autocast.

    Args:
        fwd: the method; without it a decorator is returned.
        device_type: "cpu".
        cast_inputs: dtype to cast tensors to; autocast is off inside then. None leaves all as it is.

    Raises:
        ValueError: if `device_type` is no string.

    Example:
        >>> import cotangent as torch
        >>> class Square(torch.autograd.Function):
        ...     @staticmethod
        ...     @torch.amp.custom_fwd(device_type="cpu", cast_inputs=torch.float32)
        ...     def forward(ctx, x):
        ...         return x * x
        >>> with torch.autocast("cpu"):
        ...     print(Square.apply(torch.ones(1, dtype=torch.bfloat16)).dtype)
        torch.float32
    """
    _check_type(device_type)
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    @functools.wraps(fwd)
    def decorated(*args: Any, **kwargs: Any) -> Any:
        ctx = args[0]
        ctx._dtype = get_autocast_dtype(device_type)
        on = is_autocast_enabled(device_type)
        if cast_inputs is None:
            ctx._fwd_used_autocast = on
            return fwd(*args, **kwargs)
        ctx._fwd_used_autocast = False
        if not on:
            return fwd(*args, **kwargs)
        with autocast(device_type, enabled=False):
            return fwd(
                *(_cast(a, cast_inputs) for a in args),
                **{key: _cast(a, cast_inputs) for key, a in kwargs.items()},
            )

    return decorated


def custom_bwd(bwd: Any = None, *, device_type: str) -> Any:
    """Decorates `backward` of a custom Function: it runs with autocast as `forward` did.

    Args:
        bwd: the method; without it a decorator is returned.
        device_type: "cpu".

    Raises:
        ValueError: if `device_type` is no string.

    Example:
        >>> import cotangent as torch
        >>> backward = torch.amp.custom_bwd(device_type="cpu")(lambda ctx, g: g)
    """
    _check_type(device_type)
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)

    @functools.wraps(bwd)
    def decorated(*args: Any, **kwargs: Any) -> Any:
        with autocast(device_type, enabled=args[0]._fwd_used_autocast, dtype=args[0]._dtype):
            return bwd(*args, **kwargs)

    return decorated
