"""cotangent: PyTorch's define-by-run autograd as a Python library one can read and step through."""

from __future__ import annotations

from typing import Any as _Any

from . import (
    autograd,
    dtypes as _dtypes,
    functions as _functions,
    late as _late,
    random,
    toplevel as _toplevel,
)
from .autograd.anomaly import is_anomaly_check_nan_enabled, is_anomaly_enabled, set_anomaly_enabled
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
from .lazy import callable_module as _callable_module, deferred as _deferred, module as _module
from .namespaces import fill_autograd as _fill_autograd
from .ops.table import is_tensor
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
    sparse_coo,
    strided,
)  # fmt: skip
from .tensor import Tensor

__version__ = "0.1.0"

for _name, _value in _dtypes.BY_NAME.items():
    globals()[_name] = _value
for _name in _functions.__all__:
    globals()[_name] = getattr(_functions, _name)
for _name in _toplevel.__all__:
    globals()[_name] = getattr(_toplevel, _name)
_fill_autograd()
# Modules that much of a short program never touches: run when an attribute of theirs is first read.
amp = _deferred("cotangent.amp")
backends = _deferred("cotangent.backends")
compiler = _deferred("cotangent.compiler")
cpu = _deferred("cotangent.cpu")
cuda = _deferred("cotangent.cuda")
compile = _callable_module("cotangent.compile")
distributed = _deferred("cotangent.distributed")
fft = _deferred("cotangent.fft")
func = _deferred("cotangent.func")
linalg = _deferred("cotangent.linalg")
multiprocessing = _deferred("cotangent.multiprocessing")
nn = _deferred("cotangent.nn")
optim = _deferred("cotangent.optim")
profiler = _deferred("cotangent.profiler")
serialization = _deferred("cotangent.serialization")
storage = _module("cotangent.storage")
sparse = _deferred("cotangent.sparse")
signal = _deferred("cotangent.signal")
special = _deferred("cotangent.special")
utils = _deferred("cotangent.utils")
_namesakes = _module("cotangent.nn.functional._namesakes")
# Functions and classes of such modules that PyTorch offers here, too.
_ELSEWHERE: dict[str, _Any] = {
    "vmap": func,
    "sparse_coo_tensor": sparse,
    "save": serialization,
    "load": serialization,
}
_AUTOCAST = frozenset(
    (
        "autocast", "autocast_decrement_nesting", "autocast_increment_nesting", "clear_autocast_cache",
        "get_autocast_cpu_dtype", "get_autocast_dtype", "is_autocast_cache_enabled",
        "is_autocast_cpu_enabled", "is_autocast_enabled", "set_autocast_cache_enabled",
        "set_autocast_dtype", "set_autocast_enabled",
    )
)  # fmt: skip


def __getattr__(name: str) -> _Any:
    """What PyTorch offers here too but a short program never touches; found when first asked for."""
    if name in _late.FUNCTIONS:
        return _late.function(name)
    if name in _ELSEWHERE:
        return getattr(_ELSEWHERE[name], name)
    if name in _AUTOCAST:
        return getattr(amp.autocast_mode, name)
    if name.endswith("Storage"):
        return storage.CLASSES[name] if name in storage.CLASSES else getattr(storage, name)
    if not name.startswith("_") and name in _namesakes.NAMES:
        return _namesakes.NAMES[name]
    raise AttributeError(f"module 'cotangent' has no attribute {name!r}")
