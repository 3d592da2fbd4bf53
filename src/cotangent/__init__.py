"""cotangent: PyTorch's define-by-run autograd as a Python library one can read and step through."""

from __future__ import annotations

from importlib import import_module as _import_module
from typing import Any as _Any

# NumPy is imported from here although no line below names it: from the depth of the modules that do, its
# import took 13 ms longer with CPython 3.11, which gets and returns a piece of its stack at every call there.
import numpy as _numpy

from . import (
    autograd,
    dtypes as _dtypes,
    functions as _functions,
    late as _late,
    random,
    toplevel as _toplevel,
)
from .autograd.anomaly import is_anomaly_check_nan_enabled, is_anomaly_enabled, set_anomaly_enabled
from .autograd.base import world as _world
from .autograd.modes import (
    enable_grad,
    grad_enabled as is_grad_enabled,
    inference_mode,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)  # fmt: skip
from .config import get_default_dtype, set_default_dtype
from .dtypes import can_cast, dtype, finfo, iinfo, promote_types
from .lazy import callable_module as _callable_module, module as _lazy_module
from .namespaces import fill_autograd as _fill_autograd
from .ops.table import emitter as _emitter, is_tensor
from .printing import set_printoptions
from .size import (
    Size,
    channels_last,
    channels_last_3d,
    contiguous_format,
    device,
    layout,
    memory_format,
    preserve_format,
    sparse_bsc,
    sparse_bsr,
    sparse_coo,
    sparse_csc,
    sparse_csr,
    strided,
)  # fmt: skip
from .tensor import Tensor
from .version import __version__ as __version__

for _name, _value in _dtypes.BY_NAME.items():
    globals()[_name] = _value
for _name in _functions.__all__:
    globals()[_name] = getattr(_functions, _name)
for _name in _toplevel.__all__:
    globals()[_name] = getattr(_toplevel, _name)
_fill_autograd()
compile = _callable_module("cotangent.compile")
_emitter.package = _import_module(__name__)
_world.overriding = _lazy_module("cotangent.overriding")
_world.overrides = _lazy_module("cotangent.overrides")
_world.wrappers = _lazy_module("cotangent.dispatched.wrappers")
_world.meta = _lazy_module("cotangent.compile.meta")
# Modules that much of a short program never touches: imported when they are first asked for.
_MODULES = frozenset(
    (
        "__config__", "__future__",
        "_C", "_VF", "_functorch", "_jit_internal", "_ops", "_subclasses", "_utils", "_vmap_internals",
        "accelerator", "amp", "fx",
        "backends", "compiler", "cpu", "cuda", "distributed", "distributions", "fft", "func", "functional",
        "futures", "hub", "jit", "library", "linalg", "masked", "multiprocessing", "nested", "nn", "onnx",
        "optim", "overrides", "profiler", "quasirandom", "return_types", "serialization", "signal", "sparse",
        "special", "standalone", "storage", "testing", "torch_version", "types", "utils", "viz",
        "_dynamo", "monitor", "mps", "mtia", "xpu",
    )
)  # fmt: skip
# Functions and classes of such modules that PyTorch offers here, too.
_ELSEWHERE = {
    "GradScaler": "amp",
    **dict.fromkeys(
        (
            "_assert", "_check", "_check_index", "_check_is_size", "_check_not_implemented",
            "_check_tensor_all", "_check_type", "_check_value", "_check_with",
        ),
        "checks",
    ),
    "is_storage": "storage",
    "Future": "futures",
    "PyTorchFileReader": "serialization",
    **dict.fromkeys(("SymBool", "SymFloat", "SymInt"), "scalars"),
    **dict.fromkeys(("ScriptFunction", "ScriptModule"), "jit"),
    **dict.fromkeys(("Event", "Stream"), "streams"),
    **dict.fromkeys(("AcceleratorError", "FatalError", "OutOfMemoryError"), "device_errors"),
    **dict.fromkeys(("DisableTorchFunction", "DisableTorchFunctionSubclass"), "overriding"),
    "jagged": "size",
    "graph": "viz",
    "doctor": "look.doctor",
    "memory": "look.memory",
    "who_holds": "look.holders",
    "source": "standalone",
    "vmap": "func",
    **dict.fromkeys(("_is_all_true", "_is_any_true"), "ops.unmapped"),
    **dict.fromkeys(("sparse_coo_tensor", "_validate_sparse_coo_tensor_args"), "sparse"),
    "thread_safe_generator": "random",
    **dict.fromkeys(
        ("_log_softmax", "_log_softmax_backward_data", "_softmax", "_softmax_backward_data"), "softmaxes"
    ),
    "get_device_module": "accelerator",
    **dict.fromkeys(
        (
            "sparse_bsc_tensor", "sparse_bsr_tensor", "sparse_compressed_tensor", "sparse_csc_tensor",
            "sparse_csr_tensor", "_validate_sparse_compressed_tensor_args",
            "_validate_sparse_csr_tensor_args",
            "_validate_sparse_csc_tensor_args", "_validate_sparse_bsr_tensor_args",
            "_validate_sparse_bsc_tensor_args",
        ),
        "sparse_compressed",
    ),
    "fork": "jit",
    "wait": "jit",
    "save": "serialization",
    "load": "serialization",
    **dict.fromkeys(
        (
            "autocast", "autocast_decrement_nesting", "autocast_increment_nesting", "clear_autocast_cache",
            "get_autocast_cpu_dtype", "get_autocast_dtype", "is_autocast_cache_enabled",
            "is_autocast_cpu_enabled", "is_autocast_enabled", "set_autocast_cache_enabled",
            "is_autocast_ipu_enabled", "is_autocast_xla_enabled", "set_autocast_cpu_enabled",
            "set_autocast_dtype", "set_autocast_enabled", "set_autocast_ipu_enabled",
            "set_autocast_xla_enabled",
        ),
        "amp.autocast_mode",
    ),
}  # fmt: skip
_NAMED = frozenset(
    (
        "bit", "bits16", "bits1x8", "bits2x4", "bits4x2", "bits8", "chalf", "complex32", "float4_e2m1fn_x2",
        "qint32", "qint8", "quint2x4", "quint4x2", "quint8", "int1", "int2", "int3", "int4", "int5", "int6",
        "int7", "uint1", "uint2", "uint3", "uint4", "uint5", "uint6", "uint7",
    )
)  # fmt: skip


def __getattr__(name: str) -> _Any:
    """What PyTorch offers here too but a short program never touches; found when first asked for."""
    if name in _MODULES:
        return _import_module(f"cotangent.{name}")
    if name in _late.FUNCTIONS:
        found = globals()[name] = _late.function(name)
        return found
    if name in _NAMED:
        return _import_module("cotangent.named_dtypes").NAMED[name]
    if name in _ELSEWHERE:
        return getattr(_import_module(f"cotangent.{_ELSEWHERE[name]}"), name)
    if name == "torch":  # some programs say torch.torch
        return _emitter.package
    if name.endswith("Storage"):
        kinds = _import_module("cotangent.storage")
        if name == "Storage":  # that of the dtype of new tensors
            name = kinds.class_name(get_default_dtype())
        return kinds.CLASSES[name] if name in kinds.CLASSES else getattr(kinds, name)
    if not name.startswith("_"):
        namesakes = _import_module("cotangent.nn.functional._namesakes").NAMES
        if name in namesakes:
            return namesakes[name]
    raise AttributeError(f"module 'cotangent' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES, *_ELSEWHERE, *_late.FUNCTIONS})
