"""Functions and methods that stand in for others while a program is traced."""

from __future__ import annotations

import builtins
import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from .node import map_aggregate
from .proxy import Proxy

__all__ = ["Patcher", "patch_wrapped", "patches_of_autowrapped", "wrap"]

_ABSENT: Final = object()
_MARK: Final = "_is_fx_patch"

# (id of a module's names, name) -> the module's names: what `wrap` was told of.
_wrapped_fns_to_patch: Final[dict[tuple[int, str], dict[str, Any]]] = {}
# (class, name) of methods that are left as calls.
_wrapped_methods_to_patch: Final[list[tuple[type, str]]] = []


class Patcher:
    """Exchanges functions, and puts them back in the end."""

    def __init__(self) -> None:
        self.undo: list[Callable[[], None]] = []
        self.visited: set[int] = set()

    def patch(self, names: dict[str, Any], name: str, new: Callable[..., Any]) -> None:
        """Exchange a global function of a module.

        Args:
            names: the module's names.
            name: that of the function.
            new: what stands in.
        """
        before = names.get(name, _ABSENT)
        if getattr(before, _MARK, False):
            return
        setattr(new, _MARK, True)
        names[name] = new

        def undo() -> None:
            if before is _ABSENT:
                del names[name]
            else:
                names[name] = before

        self.undo.append(undo)

    def patch_method(self, cls: type, name: str, new: Callable[..., Any], once: bool = True) -> None:
        """Exchange a method of a class.

        Args:
            cls: the class.
            name: that of the method.
            new: what stands in.
            once: whether a method that is exchanged already is left alone.
        """
        if once and getattr(getattr(cls, name), _MARK, False):
            return
        before = vars(cls).get(name, _ABSENT)
        setattr(new, _MARK, once)
        setattr(cls, name, new)

        def undo() -> None:
            if before is _ABSENT:
                delattr(cls, name)
            else:
                setattr(cls, name, before)

        self.undo.append(undo)

    def visit_once(self, thing: Any) -> bool:
        """Whether this is the first call with that object.

        Args:
            thing: the object.
        """
        new = id(thing) not in self.visited
        self.visited.add(id(thing))
        return new


@contextmanager
def patching() -> Iterator[Patcher]:
    """A patcher that puts everything back at the end of the `with` statement."""
    patcher = Patcher()
    try:
        yield patcher
    finally:
        while patcher.undo:
            patcher.undo.pop()()


def _find_proxy(*values: Any) -> Proxy | None:
    found: list[Proxy] = []
    map_aggregate(values, lambda value: found.append(value) if isinstance(value, Proxy) else None)
    return found[-1] if found else None


def _as_call(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that becomes one node when it is called with a proxy."""

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        proxy = _find_proxy(args, kwargs)
        if proxy is None:
            return function(*args, **kwargs)
        made = proxy.tracer.create_proxy("call_function", function, args, kwargs)
        made.node.meta["is_wrapped"] = True
        return made

    return wrapped


def _as_method(cls: type, name: str) -> Callable[..., Any]:
    original = getattr(cls, name)

    @functools.wraps(original)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        proxy = _find_proxy(args, kwargs)
        if proxy is None:
            return original(*args, **kwargs)
        return proxy.tracer.create_proxy("call_method", name, args, kwargs)

    return wrapped


def patch_wrapped(patcher: Patcher) -> None:
    """Exchange what `wrap` was told of.

    Args:
        patcher: does it.
    """
    for (_module, name), names in [*_wrapped_fns_to_patch.items()]:
        if name not in names and not hasattr(builtins, name):
            if "." in name:  # generated programs say `wrap` of functions by their paths
                continue
            raise KeyError(name)
        patcher.patch(names, name, _as_call(names[name] if name in names else getattr(builtins, name)))
    for cls, name in _wrapped_methods_to_patch:
        patcher.patch_method(cls, name, _as_method(cls, name))


def patches_of_autowrapped(patcher: Patcher, names: dict[str, Any], ids: set[int]) -> None:
    """Exchange those functions among a module's names that are always left as calls.

    Args:
        patcher: does it.
        names: the module's names.
        ids: `id` of those functions.
    """
    if patcher.visit_once(names):
        for name, value in [*names.items()]:
            if not name.startswith("_") and callable(value) and id(value) in ids:
                patcher.patch(names, name, _as_call(value))


def wrap(fn_or_name: Any) -> Any:
    """Leave a function as a call in graphs, in the place of looking into it.

    To be called at the top level of the module whose function it is, or as a decorator there.

    Args:
        fn_or_name: the function or its name.

    Returns:
        What was given.

    Raises:
        RuntimeError: if it is neither.
        NotImplementedError: if it is called within a function.
    """
    if not callable(fn_or_name) and not isinstance(fn_or_name, str):
        raise RuntimeError("Unsupported type for global function! Must be either a callable or string name")
    name = fn_or_name if isinstance(fn_or_name, str) else fn_or_name.__name__
    frame = sys._getframe(1)
    if frame.f_code.co_name != "<module>":
        raise NotImplementedError("wrap must be called at the top level of a module")
    _wrapped_fns_to_patch[(id(frame.f_globals), name)] = frame.f_globals
    return fn_or_name
