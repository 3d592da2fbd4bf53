"""Decorators of classes and methods of pipes."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, get_type_hints

from ._typing import TypedMeta
from .datapipe import IterDataPipe, MapDataPipe

__all__ = [
    "argument_validation",
    "functional_datapipe",
    "guaranteed_datapipes_determinism",
    "non_deterministic",
    "runtime_validation",
    "runtime_validation_disabled",
]


class functional_datapipe:
    """Make a class of pipes a method of all pipes.

    Args:
        name: the method's name.
        enable_df_api_tracing: accepted as in PyTorch.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.utils.data.datapipes.iter import IterableWrapper
        >>> @torch.utils.data.functional_datapipe("doubled")
        ... class Doubled(torch.utils.data.IterDataPipe):
        ...     def __init__(self, source):
        ...         self.source = source
        ...     def __iter__(self):
        ...         for x in self.source:
        ...             yield 2 * x
        >>> list(IterableWrapper([1, 2]).doubled())
        [2, 4]
    """

    def __init__(self, name: str, enable_df_api_tracing: bool = False) -> None:
        self.name = name
        self.enable_df_api_tracing = enable_df_api_tracing

    def __call__(self, cls: Any) -> Any:
        if isinstance(cls, type):
            kind = next((k for k in (IterDataPipe, MapDataPipe) if issubclass(cls, k)), None)
        elif isinstance(cls, non_deterministic) or isinstance(
            getattr(cls, "__self__", None), non_deterministic
        ):
            kind = IterDataPipe
        else:
            raise TypeError("`functional_datapipe` can only decorate IterDataPipe")
        if kind is not None:
            kind.register_datapipe_as_function(self.name, cls, self.enable_df_api_tracing)
        return cls


class _Switches:
    """What the context managers below switch."""

    determinism = False
    validation = True


class guaranteed_datapipes_determinism:
    """Pipes that are marked as non-deterministic cannot be made from here on, or inside a `with` block.

    Example:
        >>> import cotangent as torch
        >>> with torch.utils.data.guaranteed_datapipes_determinism():
        ...     pass
    """

    def __init__(self) -> None:
        self.prev = _Switches.determinism
        _Switches.determinism = True

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exception: object) -> None:
        _Switches.determinism = self.prev


class non_deterministic:
    """Mark a class of pipes as non-deterministic.

    Args:
        arg: the class; or a function that is called with the arguments of each pipe and tells of that one.

    Raises:
        TypeError: for anything else; when a pipe is made that `guaranteed_datapipes_determinism` forbids.

    Example:
        >>> import cotangent as torch
        >>> @torch.utils.data.non_deterministic
        ... class Noise(torch.utils.data.IterDataPipe):
        ...     def __iter__(self):
        ...         yield torch.rand(()).item()
        >>> len(list(Noise()))
        1
    """

    def __init__(self, arg: Any) -> None:
        self.cls: Any = None
        if isinstance(arg, type):
            if not issubclass(arg, IterDataPipe):
                raise TypeError(
                    "Only `IterDataPipe` can be decorated with `non_deterministic`"
                    f", but {arg.__name__} is found"
                )
            self.cls = arg
        elif callable(arg):
            self.deterministic_fn: Callable[..., bool] = arg
        else:
            raise TypeError(f"{arg} can not be decorated by non_deterministic")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.cls is not None:
            if _Switches.determinism:
                raise TypeError(
                    f"{self.cls.__name__} is non-deterministic, but you set "
                    "'guaranteed_datapipes_determinism'. You can turn off determinism for this DataPipe if "
                    "that is acceptable for your application"
                )
            return self.cls(*args, **kwargs)
        if not (isinstance(args[0], type) and issubclass(args[0], IterDataPipe)):
            raise TypeError(f"Only `IterDataPipe` can be decorated, but {args[0].__name__} is found")
        self.cls = args[0]
        return self.deterministic_wrapper_fn

    def deterministic_wrapper_fn(self, *args: Any, **kwargs: Any) -> IterDataPipe:
        """Make a pipe, after asking the function.

        Args:
            *args: of the pipe.
            **kwargs: of the pipe.
        """
        answer = self.deterministic_fn(*args, **kwargs)
        if not isinstance(answer, bool):
            raise TypeError(
                "deterministic_fn of `non_deterministic` decorator is required to return a boolean value, "
                f"but {type(answer)} is found"
            )
        if _Switches.determinism and answer:
            raise TypeError(
                f"{self.cls.__name__} is non-deterministic with the inputs, but you set "
                "'guaranteed_datapipes_determinism'. You can turn off determinism for this DataPipe if that "
                "is acceptable for your application"
            )
        made: IterDataPipe = self.cls(*args, **kwargs)
        return made


def argument_validation(f: Callable[..., Any]) -> Callable[..., Any]:
    """Check arguments that are annotated as pipes.

    Args:
        f: usually an `__init__`.

    Returns:
        A function that raises TypeError if such an argument is no pipe, or one of another type.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.utils.data import IterDataPipe
        >>> @torch.utils.data.argument_validation
        ... def first(pipe: IterDataPipe[int]):
        ...     return next(iter(pipe))
    """
    signature = inspect.signature(f)
    hints = get_type_hints(f)

    @functools.wraps(f)
    def checked(*args: Any, **kwargs: Any) -> Any:
        for name, value in signature.bind(*args, **kwargs).arguments.items():
            hint = hints.get(name)
            if not isinstance(hint, TypedMeta):
                continue
            if not isinstance(value, IterDataPipe):
                raise TypeError(f"Expected argument '{name}' as a IterDataPipe, but found {type(value)}")
            if not value.type.issubtype(hint.type):
                raise TypeError(
                    f"Expected type of argument '{name}' as a subtype of hint {hint.type}, but found "
                    f"{value.type}"
                )
        return f(*args, **kwargs)

    return checked


class runtime_validation_disabled:
    """`runtime_validation` checks nothing from here on, or inside a `with` block.

    Example:
        >>> import cotangent as torch
        >>> with torch.utils.data.runtime_validation_disabled():
        ...     pass
    """

    def __init__(self) -> None:
        self.prev = _Switches.validation
        _Switches.validation = False

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exception: object) -> None:
        _Switches.validation = self.prev


def runtime_validation(f: Callable[..., Any]) -> Callable[..., Any]:
    """Check what an `__iter__` gives against the type of its pipe.

    Args:
        f: the `__iter__`.

    Returns:
        An `__iter__` that raises RuntimeError for a sample of another type.

    Raises:
        TypeError: if `f` has another name.

    Example:
        >>> import cotangent as torch
        >>> class Ints(torch.utils.data.IterDataPipe[int]):
        ...     @torch.utils.data.runtime_validation
        ...     def __iter__(self):
        ...         yield from [1, 2]
        >>> list(Ints())
        [1, 2]
    """
    if f.__name__ != "__iter__":
        raise TypeError(f"Can not decorate function {f.__name__} with 'runtime_validation'")

    @functools.wraps(f)
    def checked(self: Any) -> Any:
        for sample in f(self):
            if _Switches.validation and not self.type.issubtype_of_instance(sample):
                raise RuntimeError(
                    f"Expected an instance as subtype of {self.type}, but found {sample}({type(sample)})"
                )
            yield sample

    return checked
