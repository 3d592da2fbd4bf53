"""PyTorch's functions, modules and small values as cotangent has them."""

from __future__ import annotations

import contextlib
import functools
import types
from collections.abc import Callable
from typing import Any, Final

import torch
from samples.library import xp


class Missing(Exception):
    """cotangent has nothing of that name."""


# Where public functions live; the first place that holds an object names it.
_SPACES: Final = (
    "", "nn.functional", "linalg", "fft", "special", "signal.windows", "Tensor", "nn", "autograd", "utils",
)  # fmt: skip
_TESTING: Final = "torch.testing"


def _at(root: Any, path: str) -> Any:
    for part in filter(None, path.split(".")):
        root = getattr(root, part)
    return root


def _paths() -> dict[int, str]:
    found: dict[int, str] = {}
    for space in _SPACES:
        holder = _at(torch, space)
        for name in sorted(dir(holder), key=lambda n: n.startswith("_")):
            try:
                value = getattr(holder, name)
            except Exception:  # properties that want an instance, names that warn
                continue
            if callable(value) and not isinstance(value, type):
                found.setdefault(id(value), f"{space}.{name}".lstrip("."))
    return found


_PATHS: Final = _paths()


def find(path: str) -> Any:
    """cotangent's object at a dotted path below `torch`.

    Raises:
        Missing: if there is none.
    """
    try:
        return _at(xp, path)
    except AttributeError:
        raise Missing(f"torch.{path}") from None


def _seeded(library: Any) -> Callable[..., Any]:
    """What PyTorch's table calls `wrapper_set_seed`, for either library."""

    def call(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        library.manual_seed(42)
        return function(*args, **kwargs)

    return call


_OWN: Final[dict[str, Any]] = {
    "wrapper_set_seed": _seeded(xp),
    "freeze_rng_state": contextlib.nullcontext,
}


class _Waiting:
    """A module or function that is not there, which only matters if a sample asks for it."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise Missing(self.path)

    def __getattr__(self, name: str) -> Any:
        raise Missing(f"{self.path}.{name}")


def translated(value: Any) -> Any:
    """What stands in cotangent for an object of PyTorch; anything else is returned as it is.

    Functions that PyTorch's tests define are made anew, with translated globals.

    Raises:
        Missing: if cotangent has no such thing.
    """
    if isinstance(value, torch.dtype):
        return find(str(value).removeprefix("torch."))
    if isinstance(value, torch.device):
        return xp.device(str(value))
    if isinstance(value, torch.memory_format | torch.layout):
        return find(str(value).removeprefix("torch."))
    if isinstance(value, functools.partial):
        return functools.partial(translated(value.func), *value.args, **value.keywords)
    if isinstance(value, types.ModuleType):
        return _module(value)
    if id(value) in _PATHS and callable(value):
        return find(_PATHS[id(value)])
    if isinstance(value, types.MethodType) and isinstance(value.__self__, torch.nn.Module):
        return value
    if isinstance(value, torch.nn.Module):
        return find("nn." + type(value).__name__)()
    if isinstance(value, torch._ops.OpOverload | torch._ops.OpOverloadPacket):
        return find("ops." + ".".join(str(value).split(".")[:2]))
    if isinstance(value, types.FunctionType):
        return _rewired(value)
    if (
        isinstance(value, type)
        and value.__module__.startswith("torch.")
        and "testing" not in value.__module__
    ):
        return find(value.__name__)
    if value is torch.Tensor:
        return xp.Tensor
    return value


def _module(module: types.ModuleType) -> Any:
    name = module.__name__
    if name == "torch":
        return xp
    return find(name.removeprefix("torch.")) if name.startswith("torch.") else module


def _rewired(function: types.FunctionType) -> Any:
    if not (function.__module__ or "").startswith(_TESTING):
        return function if not (function.__module__ or "").startswith("torch") else _absent(function)
    names: set[str] = set()
    pending = [function.__code__]
    while pending:
        code = pending.pop()
        names.update(code.co_names)
        pending.extend(const for const in code.co_consts if isinstance(const, types.CodeType))
    scope: dict[str, Any] = {"__name__": __name__, "__builtins__": __builtins__}
    for name in names & function.__globals__.keys():
        scope[name] = _OWN[name] if name in _OWN else _or_waiting(function.__globals__[name])
    cells = tuple(types.CellType(_or_waiting(c.cell_contents)) for c in function.__closure__ or ())
    made = types.FunctionType(
        function.__code__, scope, function.__name__, function.__defaults__, cells or None
    )
    made.__kwdefaults__ = function.__kwdefaults__
    return made


def _absent(function: types.FunctionType) -> Any:
    raise Missing(f"{function.__module__}.{function.__name__}")


def _or_waiting(value: Any) -> Any:
    try:
        return translated(value)
    except Missing as missing:
        return _Waiting(str(missing))
