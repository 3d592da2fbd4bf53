"""`torch.jit`: programs that script or trace their functions and modules run them as they are.

There is no TorchScript here. `script` and `trace` give an object with PyTorch's attributes that calls the
very function or module it was made of, so results, gradients and parameters are the same; what makes a
program faster is `torch.compile`. Files of TorchScript are not written and not read.
"""

from __future__ import annotations

import copy
import functools
import inspect
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NoReturn, TypeVar

from .autograd.modes import no_grad
from .futures import Future
from .nn.modules.module import Module
from .nn.parameter import is_lazy
from .ops.table import is_tensor

__all__ = [
    "annotate", "Attribute", "enable_onednn_fusion", "Error", "export", "export_opnames", "Final", "fork",
    "freeze", "fuser", "Future", "ignore", "interface", "is_scripting", "is_tracing", "isinstance",
    "last_executed_optimized_graph", "load", "onednn_fusion_enabled", "optimize_for_inference",
    "optimized_execution", "run_frozen_optimizations", "save", "script", "script_if_tracing",
    "script_method", "ScriptFunction", "ScriptModule", "set_fusion_strategy", "strict_fusion",
    "TopLevelTracedModule", "trace", "trace_module", "TracerWarning", "unused", "wait",
]  # fmt: skip

F = TypeVar("F")
_is = isinstance
_NO_FILES: Final = (
    "cotangent has no TorchScript: torch.jit.{name} cannot {verb} such a file. Keep the parameters with "
    "torch.save(module.state_dict(), path) and module.load_state_dict(torch.load(path)); torch.onnx.export "
    "writes a program that other systems run."
)
_NO_GRAPH: Final = (
    "cotangent has no TorchScript graph: torch.compile.trace(function, *examples) gives a tape that prints"
)


class Error(RuntimeError):
    """What PyTorch raises for a program that it cannot script."""


class TracerWarning(Warning):
    """What PyTorch warns of while it traces."""

    @staticmethod
    def ignore_lib_warnings() -> None:
        """Nothing to silence."""


class Attribute:
    """A value and its type, for an attribute of a module.

    Args:
        value: the value.
        type: its type.
    """

    def __init__(self, value: Any, type: Any) -> None:
        self.value, self.type = value, type


class _Scripted:
    """What scripted functions and modules do not have."""

    @property
    def graph(self) -> NoReturn:
        """There is none.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError(_NO_GRAPH)

    def save(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse to write a file.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError(_NO_FILES.format(name="save", verb="write"))

    save_to_buffer = save


class ScriptFunction(_Scripted):
    """A function that was scripted or traced; calling it calls the function.

    Args:
        function: the function.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self._function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._function(*args, **kwargs)

    def __get__(self, obj: Any, owner: Any = None) -> Any:
        return self if obj is None else functools.partial(self._function, obj)

    def __repr__(self) -> str:
        return f"<torch.jit.ScriptFunction {self.__qualname__}>"  # type: ignore[attr-defined]

    @property
    def name(self) -> str:
        """The function's name."""
        return str(self.__name__)  # type: ignore[attr-defined]

    @property
    def qualified_name(self) -> str:
        """The function's name with its module."""
        return f"__torch__.{self.__module__}.{self.__name__}"  # type: ignore[attr-defined]

    @property
    def code(self) -> str:
        """The function's text."""
        return inspect.getsource(self._function)


class ScriptModule(_Scripted, Module):
    """A module that was scripted: the same parameters, buffers and methods as the one it was made of."""

    @property
    def original_name(self) -> str:
        """The name of the class of the module it was made of."""
        return next(
            (c.__name__ for c in type(self).__mro__ if not issubclass(c, _Scripted)), type(self).__name__
        )

    @property
    def code(self) -> str:
        """The text of `forward`."""
        return inspect.getsource(type(self).forward)


RecursiveScriptModule = ScriptModule


class TopLevelTracedModule(ScriptModule):
    """A module that was traced."""


def _wrapped(module: Module, kind: type[ScriptModule]) -> Any:
    """The module as one of the class `kind`, with the same parameters; submodules, too, if scripted."""
    if _is(module, kind):
        return module
    made = copy.copy(module)
    made.__dict__ = dict(module.__dict__)
    for held in ("_parameters", "_buffers", "_modules"):
        if held in made.__dict__:
            made.__dict__[held] = copy.copy(made.__dict__[held])
    cls = type(module)
    made.__class__ = type(cls.__name__, (kind, cls), {"__module__": cls.__module__, "__doc__": cls.__doc__})
    return made


def script(
    obj: Any,
    optimize: Any = None,
    _frames_up: int = 0,
    _rcb: Any = None,
    example_inputs: Any = None,
) -> Any:
    """A function or module as PyTorch's scripted one: calling it calls the original.

    Args:
        obj: a function, a module, or a class.
        optimize: accepted for PyTorch's sake.
        example_inputs: accepted for PyTorch's sake.

    Returns:
        a ScriptFunction, a ScriptModule with the same parameters, or the class itself.

    Raises:
        RuntimeError: for what cannot be called.

    Example:
        >>> import cotangent as torch
        >>> double = torch.jit.script(lambda x: x * 2)
        >>> double(torch.ones(2))
        tensor([2., 2.])
    """
    if optimize is not None:
        warnings.warn(
            "`optimize` is deprecated and has no effect. Use `with torch.jit.optimized_execution()` instead",
            FutureWarning,
            stacklevel=2,
        )
    if _is(obj, (ScriptFunction, ScriptModule)) or inspect.isclass(obj):
        return obj
    if _is(obj, Module):
        _check_sizes(obj)
        return _wrapped(obj, ScriptModule)
    if _is(obj, (dict, list)):
        return obj
    if not callable(obj):
        raise RuntimeError(f"expected a function, a module or a class to script, got {type(obj).__name__}")
    return ScriptFunction(obj)


def _check_sizes(module: Module) -> None:
    """Refuse modules with parameters or buffers whose sizes are not known yet."""
    for each in module.modules():
        for kind, tensors in (("parameters", each._parameters), ("buffers", each._buffers)):
            for name, value in tensors.items():
                if is_lazy(value):
                    home = f"{type(each).__module__.replace('cotangent', 'torch', 1)}.{type(each).__name__}"
                    raise RuntimeError(
                        f"'{home}' has uninitialized {kind} {name}. Did you forget to run a forward pass?"
                    )


def trace(
    func: Any,
    example_inputs: Any = None,
    optimize: Any = None,
    check_trace: bool = True,
    check_inputs: Any = None,
    check_tolerance: float = 1e-5,
    strict: bool = True,
    _force_outplace: bool = False,
    _module_class: Any = None,
    _compilation_unit: Any = None,
    example_kwarg_inputs: dict[str, Any] | None = None,
    _store_inputs: bool = True,
) -> Any:
    """A function or module as PyTorch's traced one: it is run on the examples, and calling it calls it.

    In PyTorch what Python decides during the run is decided for ever; here it is decided at each call.

    Args:
        func: a function of tensors, or a module.
        example_inputs: a tensor, or a tuple of arguments.
        check_trace, check_inputs, check_tolerance, strict, optimize: accepted for PyTorch's sake.
        example_kwarg_inputs: arguments by name instead.

    Returns:
        a ScriptFunction, or a module with the same parameters.

    Raises:
        RuntimeError: without examples.

    Example:
        >>> import cotangent as torch
        >>> traced = torch.jit.trace(torch.nn.Linear(2, 1), torch.ones(1, 2))
        >>> traced(torch.ones(3, 2)).shape
        torch.Size([3, 1])
    """
    if example_inputs is None and example_kwarg_inputs is None:
        raise RuntimeError("example_kwarg_inputs should be a dict")
    given = (example_inputs,) if is_tensor(example_inputs) else tuple(example_inputs or ())
    made = _wrapped(func, TopLevelTracedModule) if _is(func, Module) else ScriptFunction(func)
    with no_grad():
        func(*given, **(example_kwarg_inputs or {}))
    return made


def trace_module(mod: Module, inputs: dict[str, Any], *_: Any, **__: Any) -> Any:
    """A module as PyTorch's traced one, after a run of the methods that `inputs` names.

    Args:
        mod: the module.
        inputs: for each method's name its argument, or a tuple of them.

    Returns:
        a module with the same parameters.

    Raises:
        AttributeError: if inputs is no dictionary.
    """
    if not _is(inputs, dict):
        raise AttributeError("expected a dictionary of (method_name, input) pairs")
    with no_grad():
        for name, given in inputs.items():
            getattr(mod, name)(*((given,) if is_tensor(given) else tuple(given)))
    return _wrapped(mod, TopLevelTracedModule)


def load(f: Any, map_location: Any = None, *_: Any, **__: Any) -> NoReturn:
    """Refuse to read a file of TorchScript.

    Raises:
        NotImplementedError: always.
    """
    raise NotImplementedError(_NO_FILES.format(name="load", verb="read"))


def save(m: Any, f: Any, _extra_files: Any = None) -> NoReturn:
    """Refuse to write a file of TorchScript.

    Raises:
        NotImplementedError: always.
    """
    raise NotImplementedError(_NO_FILES.format(name="save", verb="write"))


def ignore(drop: Any = False, **kwargs: Any) -> Any:
    """A decorator that leaves a function as it is; without an argument, the decorator's result.

    Args:
        drop: a function, or an option of PyTorch's.
    """
    return drop if callable(drop) else lambda fn: fn


def unused(fn: F) -> F:
    """The function as it is."""
    return fn


def export(fn: F) -> F:
    """The function as it is."""
    return fn


def script_method(fn: F) -> F:
    """The method as it is."""
    return fn


def interface(obj: F) -> F:
    """The class as it is."""
    return obj


def script_if_tracing(fn: F) -> F:
    """The function as it is: nothing is traced."""
    return fn


def is_scripting() -> bool:
    """Whether the code that asks is TorchScript: never.

    Example:
        >>> import cotangent as torch
        >>> torch.jit.is_scripting()
        False
    """
    return False


def is_tracing() -> bool:
    """Whether PyTorch's tracer watches the code that asks: never."""
    return False


def annotate(the_type: Any, the_value: F) -> F:
    """The value, whose type PyTorch's compiler would take from the first argument."""
    return the_value


def isinstance(obj: Any, target_type: Any) -> bool:
    """Whether an object is of a type, which may be a container of the typing module.

    Args:
        obj: anything.
        target_type: a type, `List[int]`, `Optional[...]` and so on, or a tuple of these.

    Example:
        >>> import cotangent as torch
        >>> torch.jit.isinstance([1, 2], list[int]), torch.jit.isinstance([1, "a"], list[int])
        (True, False)
    """
    if _is(target_type, tuple):
        return any(isinstance(obj, each) for each in target_type)
    origin = getattr(target_type, "__origin__", None)
    inner: tuple[Any, ...] = getattr(target_type, "__args__", ())
    if origin is None and not inner:
        return target_type is Any or _is(obj, type(None) if target_type is None else target_type)
    if origin in (list, set, frozenset):
        return _is(obj, origin) and all(isinstance(each, inner[0]) for each in obj)
    if origin is dict:
        return _is(obj, dict) and all(
            isinstance(k, inner[0]) and isinstance(v, inner[1]) for k, v in obj.items()
        )
    if origin is tuple:
        if len(inner) == 2 and inner[1] is Ellipsis:
            return _is(obj, tuple) and all(isinstance(each, inner[0]) for each in obj)
        return _is(obj, tuple) and len(obj) == len(inner) and all(map(isinstance, obj, inner))
    return any(isinstance(obj, each) for each in inner)


def fork(func: Callable[..., Any], *args: Any, **kwargs: Any) -> Future[Any]:
    """A call's result as a Future; the call is made at once.

    Args:
        func: the function.
        args, kwargs: its arguments.

    Returns:
        a Future that is done.

    Example:
        >>> import cotangent as torch
        >>> torch.jit.wait(torch.jit.fork(torch.add, torch.ones(1), 1))
        tensor([2.])
    """
    made: Future[Any] = Future()
    try:
        made.set_result(func(*args, **kwargs))
    except Exception as error:  # it belongs to whoever waits
        made.set_exception(error)
    return made


def wait(future: Future[Any]) -> Any:
    """The result of a `fork`."""
    if future is None:
        raise RuntimeError("Future can't be None")
    return future.wait()


_fork, _wait = fork, wait


def freeze(mod: Any, preserved_attrs: Any = None, optimize_numerics: bool = True) -> Any:
    """A scripted module in evaluation mode, as it is.

    Args:
        mod: a ScriptModule.
        preserved_attrs, optimize_numerics: accepted for PyTorch's sake.

    Raises:
        RuntimeError: unless the module is scripted and in evaluation mode.
    """
    if not _is(mod, ScriptModule):
        raise RuntimeError(
            "Freezing expects a ScriptModule as input. Please use torch.jit.script or torch.jit.trace to "
            "script "
            "your 'nn.Module'."
        )
    if mod.training:
        raise RuntimeError(
            "Freezing is currently only implemented for modules in eval mode. Please call .eval() on "
            "your module "
            "before freezing."
        )
    return mod


def optimize_for_inference(mod: Any, other_methods: Any = None) -> Any:
    """The module as it is."""
    return mod


def run_frozen_optimizations(mod: Any, optimize_numerics: bool = True, preserved_methods: Any = None) -> None:
    """Nothing to optimise."""


def export_opnames(m: Any) -> NoReturn:
    """Refuse to list operators.

    Raises:
        NotImplementedError: always.
    """
    raise NotImplementedError(_NO_GRAPH)


def last_executed_optimized_graph() -> NoReturn:
    """Refuse to show a graph.

    Raises:
        NotImplementedError: always.
    """
    raise NotImplementedError(_NO_GRAPH)


@contextmanager
def optimized_execution(should_optimize: bool) -> Iterator[None]:
    """A block in which PyTorch's executor optimises or not; here nothing changes."""
    yield


@contextmanager
def fuser(name: str) -> Iterator[None]:
    """A block with another fuser of PyTorch's; here nothing changes."""
    yield


class strict_fusion:
    """A block in which PyTorch warns of what it does not fuse; here nothing changes."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass


def set_fusion_strategy(strategy: Any) -> Any:
    """The strategy, which changes nothing."""
    return strategy


_fusion: Final = {"onednn": False}


def enable_onednn_fusion(enabled: bool) -> None:
    """Keep whether fusion with oneDNN is wanted; it changes nothing."""
    _fusion["onednn"] = bool(enabled)


def onednn_fusion_enabled() -> bool:
    """What `enable_onednn_fusion` was last given."""
    return _fusion["onednn"]
