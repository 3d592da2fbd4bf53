"""Functions that make, fill or read tensors and are no operations of the table, as modes see them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Final

from ..autograd.base import TensorBase
from ..autograd.inplace import write
from ..autograd.modes import modes
from ..ops.arguments import REQUIRED
from ..ops.table import TABLE, emitter
from ..size import device, preserve_format
from ..tracked import Tracked
from .names import overload
from .stack import asked, present

DETACH: Any = overload("detach.default")
CLONE: Any = overload("clone.default")
ONES_LIKE: Any = overload("ones_like.default")
PRESERVE: Final = preserve_format
_CPU: Final = device("cpu")

Front = tuple[Any, Callable[..., Any], Any]


def _sizes(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """Sizes, given one by one or as one, as a list."""
    if "size" in kwargs:
        args = (kwargs.pop("size"), *args)
    return (list(args[0]) if len(args) == 1 and not hasattr(args[0], "__index__") else list(args),)


def _asked(values: Any = ()) -> bool:
    """Whether somebody takes a call over, and no trace or batch stands between, which have their own ways."""
    return asked(values) and modes.tracer is None and not modes.vmaps


def _made(name: Any, twin: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A new tensor of given sizes or numbers."""
    if not _asked() or kwargs.get("out") is not None or any(a is REQUIRED for a in args):
        return twin(*args, **kwargs)
    kwargs = dict(kwargs)
    name, normal = name
    requires_grad = kwargs.pop("requires_grad", False)
    try:
        found = normal(args, kwargs)
    except (TypeError, IndexError):
        return twin(*args, **kwargs)  # raises
    full = name(found) if callable(name) else name
    made = present(overload(full), found, {**kwargs, "device": _CPU, "pin_memory": False})
    return made.requires_grad_() if requires_grad else made


def _alike(name: Any, twin: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A new tensor like another one."""
    name, sized = name
    if not _asked(args) or not args or not isinstance(args[0], TensorBase) or args[0]._level:
        return twin(*args, **kwargs)
    kwargs = {k: v for k, v in kwargs.items() if v is not None}
    requires_grad = kwargs.pop("requires_grad", False)
    given = (args[0], *_sizes(args[1:], kwargs)) if sized else args
    made = present(overload(name), given, {**kwargs, "pin_memory": False})
    return made.requires_grad_() if requires_grad else made


def _lifted(name: Any, twin: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A tensor of given values."""
    if not _asked():
        return twin(*args, **kwargs)
    stack, modes.dispatch = modes.dispatch, None
    try:
        made = twin(*args, **kwargs)
    finally:
        modes.dispatch = stack
    if args and made is args[0]:
        return made
    found = present(overload("lift_fresh.default"), (made,))
    return found if found is made or not made._req else found.requires_grad_()


def _called(name: Any, twin: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A function of a tensor under its own name."""
    if not _asked(args) or not args or not isinstance(args[0], TensorBase) or args[0]._level:
        return twin(*args, **kwargs)
    if kwargs.get("out") is not None:
        return twin(*args, **kwargs)
    return present(overload(name), args, {k: v for k, v in kwargs.items() if v is not None})


def _fills(name: Any, twin: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A tensor filled with random numbers."""
    if not _asked(args) or not args or args[0]._level or (modes.grad is not None and args[0]._req):
        return twin(*args, **kwargs)
    if name == "bernoulli_":
        p = args[1] if len(args) > 1 else kwargs.get("p")
        name += ".Tensor" if isinstance(p, TensorBase) else ".float"
    elif name == "random_":
        name += (".from" if len(args) > 2 else ".to") if len(args) > 1 else ".default"
    present(overload(name), args, {k: v for k, v in kwargs.items() if v is not None})
    return args[0]


def _zeroed(name: Any, twin: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return write(TABLE["zeroed"], args, ()) if asked(args) else twin(*args)


def _number(kind: Any, twin: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The one element of a tensor."""
    (x,) = args
    if not _asked(args) or x._level or x.numel() != 1:
        return twin(*args)
    found = present(overload("_local_scalar_dense.default"), (x,))
    return found if kind is None else kind(found)


def _data(_: Any, twin: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """`x.data`: detached, and counting its own writes."""
    (x,) = args
    if not _asked(args) or x._level:
        return twin(*args)
    found = present(DETACH, (x,))
    if found is x or not isinstance(found, TensorBase):
        return twin(*args)
    found._vc = None
    return found


def _ranged(found: tuple[Any, ...]) -> str:
    return f"arange.{('default', 'start', 'start_step')[len(found) - 1]}"


def _plain(*names: str) -> Callable[[tuple[Any, ...], dict[str, Any]], tuple[Any, ...]]:
    """Arguments in order, those of these names among the options, too."""

    def normal(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        return (*args, *(kwargs.pop(name) for name in names[len(args) :] if name in kwargs))

    return normal


def _filled(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    size, value = _plain("size", "fill_value")(args, kwargs)
    return list(size), value


def _integers(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    *bounds, size = _plain("low", "high", "size")(args, kwargs)
    return (*bounds, list(size))


_SIZED: Final = {
    "ones": "ones.default", "zeros": "zeros.default", "empty": "empty.memory_format",
    "randn": "randn.default", "rand": "rand.default",
}  # fmt: skip
_OTHERS: Final[dict[str, tuple[Any, Any]]] = {
    "full": ("full.default", _filled),
    "arange": (_ranged, _plain("start", "end", "step")),
    "linspace": ("linspace.default", _plain("start", "end", "steps")),
    "eye": ("eye.default", _plain("n", "m")),
    "randperm": ("randperm.default", _plain("n")),
    "randint": (lambda found: "randint.low" if len(found) == 3 else "randint.default", _integers),
}
_LIKE: Final = (
    "zeros_like", "ones_like", "empty_like", "full_like", "rand_like", "randn_like", "randint_like",
)  # fmt: skip
_NEW: Final = ("new_zeros", "new_ones", "new_empty")
_FILLS: Final = (
    "uniform_", "normal_", "random_", "bernoulli_", "exponential_", "cauchy_", "log_normal_", "geometric_",
)  # fmt: skip
_CALLED: Final = ("bernoulli", "multinomial", "nonzero", "poisson")


def fronts() -> list[Front]:
    """(function, what stands in front of it, what that is told) for all of them."""
    package, tensor = emitter.package, emitter.package.Tensor
    found: list[Front] = [(getattr(package, name), _made, (full, _sizes)) for name, full in _SIZED.items()]
    found += [(getattr(package, name), _made, how) for name, how in _OTHERS.items()]
    found += [(getattr(package, name), _alike, (f"{name}.default", False)) for name in _LIKE]
    found += [(getattr(tensor, name), _alike, (f"{name}.default", True)) for name in _NEW]
    found += [(getattr(package, name), _lifted, None) for name in ("tensor", "as_tensor")]
    for name in _CALLED:
        homes = [home for home in (package, tensor) if hasattr(home, name)]
        found += [(getattr(home, name), _called, f"{name}.default") for home in homes]
    found += [(getattr(tensor, name), _fills, name) for name in _FILLS]
    found += [(tensor.detach, _called, "detach.default"), (tensor.zero_, _zeroed, None)]
    kinds = ((tensor.item, None), (tensor.__bool__, bool), (tensor.__float__, float), (tensor.__int__, int))
    found += [(f, _number, kind) for f, kind in kinds]
    return [*found, (inspect.getattr_static(Tracked, "data").fget, _data, None)]
