"""torch.overrides: what programs need that take over calls of PyTorch's functions (`__torch_function__`)."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from types import FunctionType, TracebackType
from typing import Any, Final

from . import overriding
from .ops.arguments import REQUIRED
from .overriding import state
from .tensor import Tensor

__all__ = [
    "TorchFunctionMode",
    "enable_reentrant_dispatch",
    "get_default_nowrap_functions",
    "get_ignored_functions",
    "get_overridable_functions",
    "get_testing_overrides",
    "handle_torch_function",
    "has_torch_function",
    "has_torch_function_unary",
    "has_torch_function_variadic",
    "is_tensor_like",
    "is_tensor_method_or_property",
    "redispatch_function",
    "resolve_name",
    "wrap_torch_function",
]

overriding.activate()

# Functions that take no tensor whose class might take them over; modes see calls of most of them.
_IGNORED_TEXT: Final = (
    "arange as_strided as_tensor asarray bartlett_window blackman_window empty empty_permuted "
    "empty_strided eye fill full hamming_window hann_window kaiser_window linspace logspace normal ones "
    "rand rand_like randint randint_like randn randn_like randperm range result_type scalar_tensor "
    "sparse_coo_tensor tensor tril_indices triu_indices vander zeros fftfreq rfftfreq hardsigmoid "
    "hardswish sigmoid tanh upsample upsample_bilinear upsample_nearest"
)
_IGNORED: Final = frozenset(_IGNORED_TEXT.split())
_IGNORED_METHODS_TEXT: Final = (
    "__class__ __delitem__ __dir__ __hash__ __init_subclass__ __iter__ __new__ __subclasshook__ "
    "__torch_function__ as_subclass eig lstsq new new_empty new_empty_strided new_full new_ones "
    "new_tensor new_zeros reinforce solve stride symeig unflatten"
)
_IGNORED_METHODS: Final = frozenset(_IGNORED_METHODS_TEXT.split())


def has_torch_function(relevant_args: Iterable[Any]) -> bool:
    """Whether a call with these arguments is taken over by one of their classes, or by a mode.

    Args:
        relevant_args: the arguments that may take it over.

    Example:
        >>> import cotangent as torch
        >>> torch.overrides.has_torch_function((torch.ones(1),))
        False
    """
    if not hasattr(relevant_args, "__iter__"):
        raise TypeError("expected a sequence")
    if not state.all:
        return False
    if state.skip:  # this is the call that redispatch_function makes
        state.skip = False
        return False
    return bool(state.modes) or (state.classes and any(overriding.takes_over(a) for a in relevant_args))


def has_torch_function_unary(obj: Any) -> bool:
    """`has_torch_function` of one argument.

    Args:
        obj: the argument.
    """
    return has_torch_function((obj,))


def has_torch_function_variadic(*args: Any) -> bool:
    """`has_torch_function` of the arguments given.

    Args:
        args: the arguments.
    """
    return has_torch_function(args)


def _get_overloaded_args(
    relevant_args: Iterable[Any], get_type_fn: Callable[[Any], type] | None = None
) -> list[Any]:
    """One value of each class that takes over calls, subclasses before their bases."""
    if not (state.all and state.classes):
        return []
    return overriding.overloaded([a for a in relevant_args if overriding.takes_over(a)])


def handle_torch_function(
    public_api: Callable[..., Any], relevant_args: Iterable[Any], *args: Any, **kwargs: Any
) -> Any:
    """A call that is taken over, done by the mode or the class that does not decline it.

    Args:
        public_api: the function that was called.
        relevant_args: the arguments whose classes may take the call over.
        args: the positional arguments of the call.
        kwargs: its other arguments.

    Raises:
        TypeError: if all return NotImplemented.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.overrides import handle_torch_function, has_torch_function_unary
        >>> def double(x):
        ...     if has_torch_function_unary(x):
        ...         return handle_torch_function(double, (x,), x)
        ...     return x + x
        >>> class Wrapped:
        ...     @classmethod
        ...     def __torch_function__(cls, func, types, args, kwargs=None):
        ...         return func.__name__, [t.__name__ for t in types]
        >>> double(Wrapped())
        ('double', ['Wrapped'])
    """
    taking = _get_overloaded_args(relevant_args)
    result = overriding.handle(public_api, taking, args, kwargs)
    if result is NotImplemented:
        mode = f" nor in mode {state.modes[-1]}" if state.modes else ""
        raise TypeError(
            f"no implementation found for '{public_api.__module__}.{public_api.__name__}' on types that "
            f"implement __torch_function__: {[type(value) for value in taking]}{mode}"
        )
    return result


def wrap_torch_function(
    dispatcher: Callable[..., Iterable[Any]],
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator of functions that let the classes of their arguments take over.

    Args:
        dispatcher: returns the arguments that may do so; called with all arguments.

    Example:
        >>> import cotangent as torch
        >>> @torch.overrides.wrap_torch_function(lambda x: (x,))
        ... def half(x):
        ...     return x / 2
        >>> half(torch.ones(1))
        tensor([0.5000])
    """

    def inner(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            relevant = dispatcher(*args, **kwargs)
            if has_torch_function(relevant):
                return handle_torch_function(wrapped, relevant, *args, **kwargs)
            return function(*args, **kwargs)

        return wrapped

    return inner


def is_tensor_like(inp: Any) -> bool:
    """Whether functions of PyTorch take it for a tensor.

    Args:
        inp: any value.

    Example:
        >>> import cotangent as torch
        >>> torch.overrides.is_tensor_like(torch.ones(1)), torch.overrides.is_tensor_like(1.0)
        (True, False)
    """
    return type(inp) is Tensor or hasattr(inp, "__torch_function__")


def redispatch_function(
    func: Callable[..., Any], types: Iterable[type], args: tuple[Any, ...], kwargs: dict[str, Any] | None
) -> Any:
    """Call what a function does itself, while the functions that it calls are still taken over.

    Args:
        func: a public function, as `__torch_function__` gets it.
        types: as `__torch_function__` gets them; not used.
        args: the positional arguments.
        kwargs: the others.
    """
    if overriding.is_exchanged(func):
        own: Any = func.__wrapped__  # type: ignore[attr-defined]
        if overriding.names[func].startswith("torch.nn.functional."):
            return own(*args, **(kwargs or {}))
        with overriding.DisableTorchFunction():  # what PyTorch writes in C++ asks nobody inside
            return own(*args, **(kwargs or {}))
    state.skip = True  # a function of the program's own asks `has_torch_function`
    try:
        return func(*args, **(kwargs or {}))
    finally:
        state.skip = False


def get_default_nowrap_functions() -> set[Callable[..., Any]]:
    """The functions whose results stay as they are under Tensor's own `__torch_function__`."""
    return overriding.nowrap()


# -- modes ------------------------------------------------------------------------------------------------


class TorchFunctionMode:
    """While it is entered, calls of PyTorch's functions go to its `__torch_function__`, factories included.

    Example:
        >>> import cotangent as torch
        >>> class Names(torch.overrides.TorchFunctionMode):
        ...     def __torch_function__(self, func, types, args=(), kwargs=None):
        ...         print(func.__name__)
        ...         return func(*args, **(kwargs or {}))
        >>> with Names():
        ...     x = torch.ones(2) + 1
        ones
        add
    """

    inner: TorchFunctionMode

    def __init__(self) -> None:
        pass

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        raise NotImplementedError

    def __enter__(self) -> TorchFunctionMode:
        _push_mode(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _pop_mode()

    @classmethod
    def push(cls, *args: Any, **kwargs: Any) -> TorchFunctionMode:
        """An instance; the `with` statement enters it."""
        warnings.warn(
            "`Mode.push()` is no longer necessary and can be replaced with just `with Mode()`", stacklevel=2
        )
        return cls(*args, **kwargs)


class BaseTorchFunctionMode(TorchFunctionMode):
    """A mode that does what is called."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return func(*args, **(kwargs or {}))


def _push_mode(mode: TorchFunctionMode) -> None:
    state.modes.append(mode)


def _pop_mode() -> TorchFunctionMode:
    return state.modes.pop()  # type: ignore[no-any-return]


def _get_current_function_mode() -> TorchFunctionMode | None:
    return state.modes[-1] if state.modes else None


def _get_current_function_mode_stack() -> list[TorchFunctionMode]:
    return list(state.modes)


_pop_mode_temporarily = overriding.popped


@contextmanager
def _enable_torch_function() -> Iterator[None]:
    """Calls are taken over again, whatever has been switched off."""
    before = state.all, state.classes
    state.all = state.classes = True
    try:
        yield
    finally:
        state.all, state.classes = before


@contextmanager
def enable_reentrant_dispatch() -> Iterator[None]:
    """Calls from inside of functions are taken over again, by classes too."""
    with _enable_torch_function():
        yield


# -- which functions --------------------------------------------------------------------------------------


def get_ignored_functions() -> set[Callable[..., Any]]:
    """Public functions that no class takes over: they get no tensor, or are about the process."""
    ignored = _IGNORED | overriding.NEVER
    found = {
        f for _, space in overriding.spaces() for name, f in space.items() if name in ignored and callable(f)
    }
    return found | {getattr(Tensor, name) for name in _IGNORED_METHODS if hasattr(Tensor, name)}


@functools.cache
def _overridable() -> dict[str, list[Callable[..., Any]]]:
    """Functions that can be taken over, by the name of where they are."""
    ignored = get_ignored_functions()
    found: dict[str, list[Callable[..., Any]]] = {}
    for f, name in overriding.names.items():
        if f not in ignored and name != "torch.autograd.grad" and not name.endswith("__set__"):
            home = "torch.Tensor" if name.startswith("torch.Tensor.") else name.rpartition(".")[0]
            found.setdefault(home, []).append(f)
    return found


def get_overridable_functions() -> dict[Any, list[Callable[..., Any]]]:
    """The functions that classes and modes may take over, by module or class.

    Example:
        >>> import cotangent as torch
        >>> torch.Tensor.sum in torch.overrides.get_overridable_functions()[torch.Tensor]
        True
    """
    return {
        Tensor if name == "torch.Tensor" else import_module(name.replace("torch", __package__, 1)): list(
            found
        )
        for name, found in _overridable().items()
    }


def resolve_name(f: Callable[..., Any]) -> str | None:
    """The name of a function that `__torch_function__` is given; None if it is none of those.

    Args:
        f: the function.

    Example:
        >>> import cotangent as torch
        >>> torch.overrides.resolve_name(torch.Tensor.shape.__get__)
        'torch.Tensor.shape.__get__'
    """
    if isinstance(f, str):
        return f
    return overriding.names.get(f)


def is_tensor_method_or_property(func: Callable[..., Any]) -> bool:
    """Whether what `__torch_function__` is given is Tensor's.

    Args:
        func: a function, or the `__get__` of a property.

    Example:
        >>> import cotangent as torch
        >>> torch.overrides.is_tensor_method_or_property(torch.Tensor.add)
        True
        >>> torch.overrides.is_tensor_method_or_property(torch.eye)
        False
    """
    return (
        overriding.names.get(func, "").startswith("torch.Tensor.")
        or getattr(func, "__name__", "") == "__get__"
    )


@functools.cache
def get_testing_overrides() -> dict[Callable[..., Any], Callable[..., Any]]:
    """For each function that can be taken over one of the same parameters that returns -1.

    Example:
        >>> import cotangent as torch
        >>> import inspect
        >>> list(inspect.signature(torch.overrides.get_testing_overrides()[torch.dot]).parameters)
        ['input', 'tensor', 'out']
    """
    found = {}
    for listed in _overridable().values():
        for f in listed:
            found[f] = _dummy(f)
    return found


def _dummy(f: Any) -> Callable[..., Any]:
    """A function of the parameters of `f` that returns -1; those that may be left out are None."""
    if not isinstance(f, FunctionType):
        return lambda self: -1
    kept: list[inspect.Parameter] = []
    for p in inspect.signature(f).parameters.values():
        if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
            wanted = (p.default is p.empty or p.default is REQUIRED) and p.kind is not p.KEYWORD_ONLY
            wanted = wanted and not any(q.default is None for q in kept)
            p = p.replace(default=p.empty if wanted else None)
        kept.append(p.replace(annotation=p.empty))
    text = str(inspect.Signature(kept))[1:-1]
    dummy: Callable[..., Any] = eval(f"lambda {text}: -1")
    return dummy
