"""The protocol `__torch_function__`: classes and modes that take over calls of PyTorch's functions.

Programs that have neither pay nothing: functions are as they are until the first class is defined that may
take over calls (a Tensor subclass, or any class with `__torch_function__`), or the first mode is entered.
Then `activate` exchanges the code of every public function for a few instructions that ask `call` first. The
function objects stay the same, so names bound earlier follow suit.
"""

from __future__ import annotations

import inspect
import sys
import threading
from collections.abc import Callable
from functools import lru_cache
from types import CodeType, FunctionType, TracebackType
from typing import Any, Final, NoReturn

from . import fft, functions, late, lazy, linalg, sparse, special
from .autograd.api import grad
from .autograd.base import TensorBase, not_taken_over
from .autograd.where import is_internal
from .checks import _assert
from .dispatched import stack
from .handed_on import handed_on
from .methods import OPERATORS
from .nn import functional, init
from .nn.functional import _namesakes
from .ops.overloads import AROUND
from .tensor import Tensor
from .tracked import Tracked

__all__: list[str] = []


class _State(threading.local):
    """What is switched on in this thread."""

    def __init__(self) -> None:
        self.modes: list[Any] = []  # entered modes, outermost first
        self.classes = True  # whether classes take over calls
        self.all = True  # whether anything does
        self.skip = False  # whether the next question whether a call is taken over is answered with no


state: Final = _State()


class DisableTorchFunctionSubclass:
    """While it is entered, classes take over no calls; modes do.

    Example:
        >>> import cotangent as torch
        >>> class Named(torch.Tensor): pass
        >>> with torch._C.DisableTorchFunctionSubclass():
        ...     type(torch.ones(1).as_subclass(Named) + 1).__name__
        'Tensor'
    """

    def __enter__(self) -> None:
        self.before = state.classes
        state.classes = False

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        state.classes = self.before


class _EnableTorchFunction:
    """While this object lives, calls are taken over again, whatever has been switched off."""

    def __init__(self) -> None:
        self.before = state.all, state.classes
        state.all = state.classes = True

    def __del__(self) -> None:
        state.all, state.classes = self.before


class DisableTorchFunction:
    """While it is entered, neither classes nor modes take over calls."""

    def __enter__(self) -> None:
        self.before = state.all
        state.all = False

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        state.all = self.before


# -- who takes over ---------------------------------------------------------------------------------------

_PLAIN, _TAKES, _HOLDS = 0, 1, 2
# What is known of classes: whether they take over calls, or hold values that may.
_KINDS: Final[dict[type, int]] = {
    Tensor: _PLAIN, int: _PLAIN, float: _PLAIN, bool: _PLAIN, str: _PLAIN, type(None): _PLAIN,
    list: _HOLDS, tuple: _HOLDS,
}  # fmt: skip


def _kind(cls: type) -> int:
    found = getattr(cls, "__torch_function__", None)
    if found is not None and found is not not_taken_over and cls is not Tensor:
        known = _TAKES
    else:
        known = _HOLDS if issubclass(cls, (list, tuple)) else _PLAIN
    _KINDS[cls] = known
    return known


def takes_over(value: Any) -> bool:
    """Whether calls with `value` go to its class."""
    cls = value.__class__
    kind = _KINDS.get(cls)
    return (_kind(cls) if kind is None else kind) == _TAKES


def overloaded(values: Any, found: list[Any] | None = None, depth: int = 0) -> list[Any]:
    """One value of each class among `values` that takes over calls, subclasses before their bases."""
    found = [] if found is None else found
    for value in values:
        cls = value.__class__
        kind = _KINDS.get(cls)
        if kind is None:
            kind = _kind(cls)
        if kind == _PLAIN:
            continue
        if kind == _HOLDS:
            if depth < 2:
                overloaded(value, found, depth + 1)
            continue
        if all(cls is not other.__class__ for other in found):
            at = next((k for k, other in enumerate(found) if issubclass(cls, other.__class__)), len(found))
            found.insert(at, value)
    return found


def call(function: Any, original: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A call of a public function: what the classes and modes do that take it over, else its own work."""
    if not state.all or not (state.classes or state.modes):
        return original(*args, **kwargs)
    taking = overloaded(args) if state.classes else []
    if kwargs and state.classes:
        overloaded(kwargs.values(), taking)
    if not taking and not state.modes:
        return original(*args, **kwargs)
    result = handle(function, taking, args, kwargs)
    return _refuse(function, taking) if result is NotImplemented else result


def _call_of_operator(
    function: Any, original: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """As `call` for Python's operators, which leave what all decline to the other operand."""
    taking = overloaded(args) if state.all and state.classes else []
    if not taking and not (state.all and state.modes):
        return original(*args, **kwargs)
    return handle(function, taking, args, kwargs)


def _call_of_factory(
    function: Any, original: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """As `call` for functions that make tensors of any values: classes do not take them over."""
    if not (state.all and state.modes):
        return original(*args, **kwargs)
    result = handle(function, [], args, kwargs)
    return _refuse(function, []) if result is NotImplemented else result


def _call_of_iter(
    function: Any, original: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """As `call` for `__iter__`, which is `unbind` to those who take calls over."""
    x = args[0]
    if state.all and (state.modes or (state.classes and takes_over(x))) and x.dim():
        return iter(x.unbind(0))
    return original(*args, **kwargs)


def _call_of_property(
    function: Any, original: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """As `call` for the properties of tensors: a mode hears of the tensor's class, whatever it is."""
    if not state.all or not (state.modes or (state.classes and takes_over(args[0]))):
        return original(*args, **kwargs)
    result = handle(function, [args[0]], args, kwargs)
    return _refuse(function, [args[0]]) if result is NotImplemented else result


def _call_of_grad(
    function: Any, original: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """As `call` for `torch.autograd.grad`: single tensors among its first two arguments become tuples."""
    if state.all and (state.modes or state.classes) and len(args) >= 2:
        pair = [(a,) if hasattr(a, "__torch_function__") else a for a in args[:2]]
        return call(function, original, (*pair, *args[2:]), kwargs)
    return original(*args, **kwargs)


class popped:
    """Without the innermost mode, which is given: its own calls go to those outside of it."""

    def __enter__(self) -> Any:
        self.mode = state.modes.pop()
        return self.mode

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        state.modes.append(self.mode)


def handle(function: Any, taking: list[Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Ask the innermost mode, then each of the values of `taking`, to do a call.

    Args:
        function: what was called.
        taking: values whose classes take over calls.
        args: the positional arguments.
        kwargs: the others.

    Returns:
        what the first of them returns that is not NotImplemented.

    Raises:
        RuntimeError: if the mode's `__torch_function__` is a classmethod.
    """
    types = tuple(value.__class__ for value in taking)
    args, kwargs = handed_on(names.get(function), function, args, kwargs)
    if state.modes:
        with popped() as mode:
            taken = mode.__torch_function__
            if getattr(taken, "__self__", None) is type(mode):
                raise RuntimeError(
                    "Defining your mode's `__torch_function__` as a classmethod is not supported, please "
                    "make it a plain method"
                )
            result = taken(function, types, args, kwargs)
        if result is not NotImplemented:
            return result
    for value in taking:
        result = value.__torch_function__(function, types, args, kwargs)
        if result is not NotImplemented:
            return result
    return NotImplemented


def _refuse(function: Any, taking: list[Any]) -> NoReturn:
    mode = state.modes[-1] if state.modes else None
    handlers = ([] if mode is None else [f"  - mode object {mode!r}\n"]) + [
        f"  - tensor subclass {type(value)}\n" for value in taking
    ]
    raise TypeError(
        f"Multiple dispatch failed for '{names.get(function, function)}'; all __torch_function__ handlers "
        "returned NotImplemented:\n\n" + "".join(handlers) + "\n"
        "For more information, try re-running with TORCH_LOGS=not_implemented"
    )


def default(
    cls: type, function: Any, types: tuple[type, ...], args: tuple[Any, ...], kwargs: dict[str, Any] | None
) -> Any:
    """What Tensor's own `__torch_function__` does: the function's work, its tensors made `cls`."""
    if not all(issubclass(cls, t) for t in types):
        return NotImplemented
    with DisableTorchFunctionSubclass():
        result = function(*args, **(kwargs or {}))
        if function in nowrap():
            return result
        return _converted(result, cls)


def _converted(result: Any, cls: type) -> Any:
    if cls is Tensor:
        return result
    if isinstance(result, Tensor) and not isinstance(result, cls):
        return result.as_subclass(cls)
    if isinstance(result, tuple):
        return tuple.__new__(type(result), [_converted(value, cls) for value in result])
    return type(result)(_converted(value, cls) for value in result) if isinstance(result, list) else result


def nowrap() -> set[Any]:
    """The functions whose results stay plain tensors: what reads `_base` and `grad`."""
    plain: Any = Tensor
    return {plain._base.__get__, plain.grad.__get__}


# -- the exchange -----------------------------------------------------------------------------------------

# Public functions that no class and no mode takes over: they are about the process, not about tensors.
_NEVER: Final = (
    "are_deterministic_algorithms_enabled autocast_decrement_nesting autocast_increment_nesting "
    "broadcast_shapes can_cast clear_autocast_cache compile doctor from_dlpack from_numpy frombuffer "
    "get_autocast_cpu_dtype get_autocast_dtype get_default_device get_default_dtype "
    "get_deterministic_debug_mode get_float32_matmul_precision get_num_interop_threads get_num_threads "
    "get_rng_state graph init_num_threads initial_seed is_anomaly_check_nan_enabled is_anomaly_enabled "
    "is_autocast_cache_enabled is_autocast_cpu_enabled is_autocast_enabled "
    "is_deterministic_algorithms_warn_only_enabled is_grad_enabled is_inference_mode_enabled is_storage "
    "is_tensor is_warn_always_enabled load manual_seed memory promote_types save seed set_anomaly_enabled "
    "set_autocast_cache_enabled set_autocast_dtype set_autocast_enabled set_default_device "
    "set_default_dtype set_default_tensor_type set_deterministic_debug_mode set_float32_matmul_precision "
    "set_num_interop_threads set_num_threads set_printoptions set_rng_state set_warn_always source "
    "sym_float sym_int sym_ite sym_max sym_min sym_not sym_sqrt sym_sum typename "
    "use_deterministic_algorithms vmap who_holds as_subclass"
)
NEVER: Final = frozenset(_NEVER.split())
# Functions of torch.nn.functional that call a method or another function, which is what others hear of.
_BY_OTHERS: Final = ("sigmoid", "tanh", "upsample", "upsample_bilinear", "upsample_nearest")
# Methods with two underscores that are taken over by their own names, and by those of other methods.
_BY_THEIR_NAMES: Final = (
    "rsub rdiv floordiv rfloordiv ifloordiv rmod rpow rmatmul eq and or xor rand ror rxor iand ior ixor "
    "lshift rshift rlshift rrshift ilshift irshift invert getitem setitem len bool float int complex "
    "index nonzero long repr format contains reversed array array_wrap deepcopy reduce_ex dlpack "
    "dlpack_device idiv"
)
_DUNDERS: Final[dict[str, str]] = {
    "__add__": "add", "__radd__": "add", "__iadd__": "add_", "__sub__": "sub", "__isub__": "sub_",
    "__mul__": "mul", "__rmul__": "mul", "__imul__": "mul_", "__truediv__": "div", "__itruediv__": "div_",
    "__div__": "div", "__mod__": "remainder", "__imod__": "remainder_", "__pow__": "pow", "__ipow__": "pow_",
    "__matmul__": "matmul", "__neg__": "neg", "__pos__": "positive", "__abs__": "abs", "__ne__": "ne",
    "__rtruediv__": "__rdiv__",
    "__lt__": "lt", "__le__": "le", "__gt__": "gt", "__ge__": "ge",
    **{f"__{name}__": "" for name in _BY_THEIR_NAMES.split()},
}  # fmt: skip
# Names with one underscore that are taken over like public ones.
_PRIVATE: Final = frozenset(
    ("_indices", "_values", "_nnz", "_dimI", "_dimV", "_coalesced_", "_base", "_version", "_grad", "_grad_fn")
)

_FACTORIES: Final = frozenset(("tensor", "as_tensor", "asarray", "sparse_coo_tensor"))

_OPERATORS: Final = frozenset(f"__{name}__" for name in (*OPERATORS, "matmul", "rmatmul"))

_done: Final[set[FunctionType]] = set()
_lock: Final = threading.RLock()
active = False
# Methods that have become functions of their own: (the function, which form of a primitive it is).
owned: Final[list[tuple[FunctionType, str]]] = []
# What `__torch_function__` is given -> its full name.
names: Final[dict[Any, str]] = {}


def _taken(*args: Any, _call: Any, _function: Any, _original: Any, **kwargs: Any) -> Any:
    return _call(_function, _original, args, kwargs)


_TAKEN: Final = """
def around({cells}):
    def taken(*args, _call, _function, _original, **kwargs):
        return _call(_function, _original, args, kwargs)
        {cells}
    return taken
"""


@lru_cache(maxsize=16)
def taken_code(cells: int) -> CodeType:
    """The code of `_taken`, with so many cells that it does not look at.

    The compiler has to put them in: a frame whose cells are not there crashes whoever reads its locals.
    """
    if not cells:
        return _taken.__code__
    scope: dict[str, Any] = {}
    names = [f"cell{k}" for k in range(cells)]
    exec(compile(_TAKEN.format(cells=", ".join(names)), _taken.__code__.co_filename, "exec"), scope)
    made: FunctionType = scope["around"](*names)
    return made.__code__.replace(co_firstlineno=_taken.__code__.co_firstlineno)


def twin_of(f: FunctionType) -> FunctionType:
    """Another function of the same code."""
    twin = FunctionType(f.__code__, f.__globals__, f.__name__, f.__defaults__, f.__closure__)
    twin.__kwdefaults__ = f.__kwdefaults__
    twin.__qualname__, twin.__module__, twin.__doc__ = f.__qualname__, f.__module__, f.__doc__
    twin.__annotations__ = f.__annotations__
    twin.__dict__.update(f.__dict__)
    return twin


def _exchange(f: FunctionType, named: Any, text: str, by: Callable[..., Any] = call) -> None:
    """Have calls of `f` ask `by` first, which hears of them as calls of `named`."""
    if f in _done:
        return
    _done.add(f)
    names.setdefault(named, text)
    original = twin_of(f)
    f.__defaults__ = None
    f.__kwdefaults__ = {"_call": by, "_function": named, "_original": original}
    # As many cells as before: a function's closure cannot be changed.
    cells = f.__code__.co_freevars
    f.__code__ = taken_code(len(cells)).replace(
        co_name=f.__code__.co_name, co_qualname=f.__qualname__, co_freevars=cells
    )
    f.__wrapped__ = original  # type: ignore[attr-defined]  # what `inspect` shows, and the engine generates


def is_exchanged(f: Any) -> bool:
    """Whether calls of a function ask first."""
    return f in _done


def _of_names(home: str, found: dict[str, Any]) -> None:
    for name, f in found.items():
        if name.startswith("_") or name in NEVER or not isinstance(f, FunctionType):
            continue
        if home == "torch.nn.functional" and name in _BY_OTHERS:
            continue
        _exchange(f, f, f"{home}.{name}", _call_of_factory if name in _FACTORIES else call)


def _own(owner: type, name: str, f: FunctionType) -> FunctionType:
    """The method `name` as a function of its own, if it is a function of `torch` as well."""
    if f in _done:
        op = f.__globals__.get("_op")
        form = next((form for form in ("entry", "operator", "writer") if f is getattr(op, form, None)), None)
        f = twin_of(f.__wrapped__)  # type: ignore[attr-defined]
        f.__name__ = f.__qualname__ = name
        setattr(owner, name, f)
        if form is not None:
            owned.append((f, form))
    elif f.__name__ in (f"written_{name}", name.strip("_")):
        f.__name__ = name
        if not f.__qualname__.endswith(f".{name}"):  # methods keep their class: errors name it
            f.__qualname__ = name
    return f


def _of_tensor(owner: type) -> None:
    """Exchange what a class in Tensor's line has: first methods, since operators are calls of them."""
    members = list(vars(owner).items())
    for name, f in members:
        if (
            isinstance(f, FunctionType)
            and (not name.startswith("_") or name in _PRIVATE)
            and name not in NEVER
        ):
            f = _own(owner, name, f)
            _exchange(f, f, f"torch.Tensor.{name}")
    for name, f in members:
        if isinstance(f, property):
            if not name.startswith("_") or name in _PRIVATE:
                _of_property(owner, name, f)
        elif name == "__iter__":
            _exchange(f, f, "torch.Tensor.__iter__", _call_of_iter)
        elif name in _DUNDERS and isinstance(f, FunctionType):
            known = _DUNDERS[name]
            f = _own(owner, name, f)
            by = _call_of_operator if name in _OPERATORS else call
            if known:
                _exchange(f, getattr(Tensor, known), f"torch.Tensor.{known}", by)
            else:
                f.__name__ = f.__qualname__ = name
                _exchange(f, f, f"torch.Tensor.{name}", by)


def _of_property(owner: type, name: str, p: property) -> None:
    get, put = p.fget, p.fset
    if isinstance(get, FunctionType) and get in _done:  # a function of `torch`, too
        get = twin_of(get.__wrapped__)  # type: ignore[attr-defined]
        p = property(get, put, p.fdel, p.__doc__)
        setattr(owner, name, p)
    for accessor, kind, bound in ((get, "get", p.__get__), (put, "set", p.__set__)):
        if isinstance(accessor, FunctionType):
            _exchange(accessor, bound, f"torch.Tensor.{name}.__{kind}__", _call_of_property)


def spaces() -> list[tuple[str, dict[str, Any]]]:
    """(name of a module, its functions) for all modules whose functions can be taken over."""
    package = vars(sys.modules[__package__])
    waiting = {name: late.function(name) for name in late.FUNCTIONS}
    listed = {name: vars(functions)[name] for name in functions.__all__}
    own = {name: f for name, f in package.items() if getattr(f, "__module__", "") != lazy.__name__}
    return [
        ("torch", {**listed, **waiting, **own, "sparse_coo_tensor": sparse.sparse_coo_tensor}),
        ("torch.linalg", {name: vars(linalg)[name] for name in linalg.__all__}),
        ("torch.fft", {name: vars(fft)[name] for name in fft.__all__}),
        ("torch.special", {name: vars(special)[name] for name in special.__all__}),
        ("torch.nn.functional", {name: vars(functional)[name] for name in functional.__all__}),
        ("torch.nn.init", {name: vars(init)[name] for name in init.__all__}),
        ("torch", dict(_namesakes.NAMES)),
    ]


def load_methods() -> None:
    """Load the methods that are loaded when they are first read."""
    for name in list(vars(Tensor)):
        getattr(Tensor, name)


def _around_overloads() -> None:
    """Have calls of operators by their names below autograd (`torch.ops.aten.mm.default`) ask first, too."""
    stack.install()
    inner = AROUND[0]

    def asked(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        asks = state.classes and state.all and not stack.here.depth
        if not (asks and (overloaded(args) or overloaded(kwargs.values()))):
            return inner(func, args, kwargs)
        return call(func, lambda *a, **k: inner(func, a, k), args, kwargs)

    AROUND[0] = asked


def activate() -> None:
    """Let classes and modes take over calls from now on."""
    global active
    with _lock:
        if active:
            return
        active = True
        load_methods()
        for home, found in spaces():
            _of_names(home, found)
        for owner in (Tensor, Tracked, TensorBase):
            _of_tensor(owner)
        assert isinstance(grad, FunctionType) and isinstance(_assert, FunctionType)
        _exchange(_assert, _assert, "torch._assert")
        _around_overloads()
        _exchange(grad, grad, "torch.autograd.grad", _call_of_grad)


# -- names that programs and this package both use -------------------------------------------------------


class _Shared:
    """A field of tensors whose name a program's subclass uses for an attribute of its own.

    Code of this package sees the field, other code the attribute.
    """

    __slots__ = ("field", "name")

    def __init__(self, field: Any, name: str) -> None:
        self.field = field
        self.name = name

    def __get__(self, obj: Any, owner: type) -> Any:
        if obj is None or is_internal(sys._getframe(1).f_code.co_filename):
            return self.field.__get__(obj, owner)
        try:
            return obj.__dict__[self.name + " of the program"]
        except KeyError:
            return self.field.__get__(obj, owner)

    def __set__(self, obj: Any, value: Any) -> None:
        if is_internal(sys._getframe(1).f_code.co_filename):
            self.field.__set__(obj, value)
        else:
            obj.__dict__[self.name + " of the program"] = value


_FIELDS: Final = frozenset(TensorBase.__slots__) - {"__dict__", "__weakref__"}


def subclassed(cls: type) -> None:
    """Let a program's subclass of Tensor take over calls, and name its attributes as it likes."""
    activate()
    used: set[str] = set()
    for member in vars(cls).values():
        code = getattr(getattr(member, "__func__", member), "__code__", None)
        used.update(() if code is None else code.co_names)
    for name in _FIELDS & used:
        setattr(cls, name, _Shared(inspect.getattr_static(cls, name), name))


def exchanged(f: Any) -> bool:
    """Whether calls of `f` can be taken over."""
    return isinstance(f, FunctionType) and f in _done


def begin(op: Any, tensors: tuple[Any, ...], statics: tuple[Any, ...]) -> Any:
    """A call of an operation with a value whose class is the first that is seen to take over calls."""
    activate()
    defaults = [eval(op.defaults[name]) if name in op.defaults else call for name in op.statics]
    given = list(statics)
    while given and given[-1] is defaults[len(given) - 1]:
        given.pop()
    return op.entry(*tensors, *given)


def untouched(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> Any:
    """A call that no class takes over."""
    with DisableTorchFunctionSubclass():
        return function(*args, **(kwargs or {}))
