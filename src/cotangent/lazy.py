"""Modules that are imported when they are first used.

`import cotangent` has to cost little more than `import numpy`, so SciPy, llvmlite and rich are named at
module level through `module()` and loaded by the first attribute that anybody reads from them.
"""

import sys
from importlib import import_module
from importlib.util import LazyLoader, find_spec, module_from_spec
from types import ModuleType

__all__ = ["callable_module", "deferred", "module"]


class _Unloaded(ModuleType):
    """A module that nobody has asked anything of yet."""

    def __getattr__(self, name: str) -> object:
        if name == "__wrapped__":  # inspect and doctest ask it of any value: no reason to load
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        loaded = import_module(self.__name__)
        # From here on this object is a plain module with the same contents (a module-level `__getattr__`
        # among them), so that later reads take the interpreter's fast path for modules and no hook.
        self.__dict__.update(loaded.__dict__)
        self.__class__ = ModuleType  # type: ignore[assignment]  # CPython allows it between module classes
        return getattr(loaded, name)


def module(name: str) -> ModuleType:
    """Return a stand-in for the module `name` that imports it on the first attribute access.

    The stand-in holds the names that the module has at that moment; a name that somebody assigns in the real
    module later is not seen through it.

    Args:
        name: absolute name of the module, such as "scipy.special".

    Returns:
        An object that behaves like the module. It costs under a microsecond to make, and after the first
        access its attributes are as cheap as those of the module itself.

    Raises:
        ModuleNotFoundError: on the first attribute access, when there is no such module.

    Example:
        >>> from cotangent import lazy
        >>> fractions = lazy.module("fractions")
        >>> fractions.Fraction(1, 3) + 1
        Fraction(4, 3)
    """
    return _Unloaded(name)


def deferred(name: str) -> ModuleType:
    """Put the module `name` in `sys.modules` without running it yet: the first attribute access does.

    Unlike `module` this gives the one and only module object, so `import cotangent.nn` later finds the same.

    Args:
        name: absolute name of a module of this package.

    Returns:
        The module.

    Raises:
        ModuleNotFoundError: if there is no such module.

    Example:
        >>> from cotangent import lazy
        >>> lazy.deferred("cotangent.optim").SGD.__name__
        'SGD'
    """
    if name in sys.modules:
        return sys.modules[name]
    spec = find_spec(name)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    loader = LazyLoader(spec.loader)
    spec.loader = loader
    made = module_from_spec(spec)
    sys.modules[name] = made
    loader.exec_module(made)
    return made


class _Callable(ModuleType):
    """A module that is also the function of its name, and runs when it is first used as either."""

    def __getattr__(self, name: str) -> object:
        own = self.__dict__
        if own.get("__ran__") or self.__spec__ is None or self.__spec__.loader is None:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        own["__ran__"] = True
        self.__spec__.loader.exec_module(self)
        return getattr(self, name)

    def __call__(self, *args: object, **kwargs: object) -> object:
        return getattr(self, self.__name__.rpartition(".")[2])(*args, **kwargs)


def callable_module(name: str) -> ModuleType:
    """Put the package `name` in `sys.modules`, run at first use; called, it is its function of that name.

    Args:
        name: absolute name of a package of this package that defines a function of its own last name.

    Returns:
        The module.

    Raises:
        ModuleNotFoundError: if there is no such module.

    Example:
        >>> from cotangent import lazy
        >>> compile = lazy.callable_module("cotangent.compile")
        >>> compile(abs, disable=True)(-1)
        1
    """
    if name in sys.modules:
        return sys.modules[name]
    spec = find_spec(name)
    if spec is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    made = _Callable(name)
    made.__spec__, made.__file__, made.__package__ = spec, spec.origin, name
    made.__path__ = list(spec.submodule_search_locations or ())
    made.__loader__ = spec.loader
    sys.modules[name] = made
    return made
