"""`torch.library`: operators of one's own, which autograd and transforms take for one step each."""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final, NoReturn

from .. import lazy
from ..amp.autocast_mode import autocast
from ..dtypes import float64
from ..size import device
from ..tensor import Tensor
from ..tree import tree_map
from .operators import OPERATORS, Operator, Overload, found, removed, switched
from .schema import infer_schema, parsed, schema_of

_checking = lazy.module("cotangent.library.checking")  # it compiles

_KEYS: Final = {"cpu": "CPU", "meta": "Meta", "default": "CompositeExplicitAutograd"}
# The dispatch keys that kernels can be given by name; only some of them are ever asked for here.
_BACKENDS: Final = (
    "CPU", "CUDA", "HIP", "XLA", "MPS", "IPU", "XPU", "HPU", "VE", "Lazy", "MTIA", "MAIA", "PrivateUse1",
    "Meta",
)  # fmt: skip
_DISPATCH: Final = frozenset((
    *_BACKENDS, *(f"Autograd{name}" for name in _BACKENDS), "Autograd", "AutogradOther", "AutocastCPU",
    "AutocastCUDA", "BackendSelect", "CompositeExplicitAutograd", "CompositeExplicitAutogradNonFunctional",
    "CompositeImplicitAutograd", "Functionalize", "Python", "SparseCPU", "SparseCsrCPU",
))  # fmt: skip


class CustomOpDef:
    """An operator made by `custom_op`: call it, and register what belongs to it.

    Args:
        op: what it stands for.
        function: what computes it.
    """

    def __init__(self, op: Operator, function: Callable[..., Any]) -> None:
        self._op = op
        self._init_fn = function
        self._namespace, self._name = op.place, op.name
        self.__name__ = function.__name__
        self.__doc__ = function.__doc__

    @property
    def _qualname(self) -> str:
        return self._op.schema.name

    @property
    def _schema(self) -> str:
        return self._op.schema.text(False)[len(self._qualname) :]

    @property
    def _opoverload(self) -> Any:
        return self._op.packet.default

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._op(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<CustomOpDef({self._qualname})>"

    def register_kernel(self, device_types: Any, fn: Callable[..., Any] | None = None, /) -> Any:
        """Compute it by `fn` on these devices; without `fn`, a decorator."""
        return register_kernel(self, device_types, fn)

    def register_fake(self, fn: Callable[..., Any], /) -> Callable[..., Any]:
        """Say what shape and dtype results have; see `torch.library.register_fake`."""
        return register_fake(self, fn)  # type: ignore[no-any-return]

    def register_autograd(
        self, backward: Callable[..., Any], /, *, setup_context: Callable[..., Any] | None = None
    ) -> None:
        """Give it a derivative; see `torch.library.register_autograd`."""
        register_autograd(self, backward, setup_context=setup_context)

    def register_autocast(self, device_type: str, cast_inputs: Any) -> Callable[..., Any]:
        """Say what autocast casts its tensors to; see `torch.library.register_autocast`."""
        return _autocast(self._op, device_type, cast_inputs)

    def register_vmap(self, func: Callable[..., Any] | None = None) -> Any:
        """Say how it runs under vmap; see `torch.library.register_vmap`."""
        return register_vmap(self, func)

    def set_kernel_enabled(self, device_type: str, enabled: bool = True) -> AbstractContextManager[None]:
        """Do without the kernel of a device for a while, or with it."""
        return switched(self._op, _KEYS.get(device_type, device_type), enabled)


def custom_op(
    name: str, fn: Callable[..., Any] | None = None, /, *, mutates_args: str | Iterable[str],
    device_types: Any = None, schema: str | None = None, tags: Any = None,
) -> Any:  # fmt: skip
    """Make a function an operator, which autograd does not look into.

    Args:
        name: "namespace::name".
        fn: the function, with annotations; without it, a decorator.
        mutates_args: names of the arguments that it writes, or "unknown".
        device_types: where `fn` computes it; everywhere by default.
        schema: what it takes and returns, instead of the annotations.
        tags: changes nothing here.

    Returns:
        the operator.

    Raises:
        ValueError: for annotations that operators cannot have.

    Example:
        >>> import cotangent as torch
        >>> @torch.library.custom_op("docs::doubled", mutates_args=())
        ... def doubled(x: torch.Tensor) -> torch.Tensor:
        ...     return torch.from_numpy(x.numpy(force=True) * 2)
        >>> doubled.register_autograd(lambda ctx, g: g * 2)
        >>> x = torch.ones(2, requires_grad=True)
        >>> torch.ops.docs.doubled(x).sum().backward()
        >>> x.grad
        tensor([2., 2.])
    """

    def made(function: Callable[..., Any]) -> CustomOpDef:
        place, mark, own = name.partition("::")
        if not mark:
            raise ValueError(f"Expected `name` to be of the form `namespace::name`, got {name}")
        form = schema_of(function, mutates_args, name) if schema is None else parsed(f"{name}{schema}")
        form.name = f"{place}::{own}"
        op = Operator(form, function, strict=True)
        if device_types is not None:
            op.kernels.clear()
            register_kernel(op, device_types, function)
        return CustomOpDef(op, function)

    return made if fn is None else made(fn)


def register_kernel(
    op: Any, device_types: Any, func: Callable[..., Any] | None = None, /, *, lib: Any = None
) -> Any:
    """Compute an operator by `func` on these devices.

    Args:
        op: the operator or its name.
        device_types: a device or several; None for all.
        func: what computes it; without it, a decorator.
        lib: changes nothing here.

    Returns:
        `func`, or the decorator.

    Example:
        >>> import cotangent as torch
        >>> @torch.library.custom_op("docs::negated", mutates_args=(), device_types="cuda")
        ... def negated(x: torch.Tensor) -> torch.Tensor:
        ...     return -x
        >>> _ = torch.library.register_kernel("docs::negated", "cpu", lambda x: -x)
        >>> negated(torch.ones(1))
        tensor([-1.])
    """
    target = found(op)

    def entered(function: Callable[..., Any]) -> Callable[..., Any]:
        given = "default" if device_types is None else device_types
        for name in (given,) if isinstance(given, str) else given:
            _enter(target, _key_of(name), function)
        return function

    return entered if func is None else entered(func)


def _key_of(name: str) -> str:
    """The dispatch key of a device, or of that name."""
    if name in _KEYS or name in _DISPATCH:
        return _KEYS.get(name, name)
    if device(name).index is not None:
        raise RuntimeError(f"Expected device_type string to not have a device index; got {name}")
    return name


def _enter(op: Operator, key: str, kernel: Callable[..., Any]) -> None:
    if key == "Meta":
        op.fake = kernel
    else:
        op.kernels["Autograd" if key == "AutogradCPU" else key] = kernel


def register_fake(
    op: Any, func: Callable[..., Any] | None = None, /, *, lib: Any = None, **options: Any
) -> Any:
    """Say what shape and dtype an operator's results have: what it makes of tensors on the device "meta".

    Args:
        op: the operator or its name.
        func: a function that makes empty results; without it, a decorator.
        lib: changes nothing here.
        options: the same.

    Returns:
        `func`, or the decorator.

    Example:
        >>> import cotangent as torch
        >>> @torch.library.custom_op("docs::halved", mutates_args=())
        ... def halved(x: torch.Tensor) -> torch.Tensor:
        ...     return x / 2
        >>> @torch.library.register_fake("docs::halved")
        ... def _(x):
        ...     return torch.empty_like(x)
        >>> torch.ops.docs.halved(torch.ones(3, device="meta")).shape
        torch.Size([3])
    """
    target = found(op)

    def entered(function: Callable[..., Any]) -> Callable[..., Any]:
        target.fake = function
        return function

    return entered if func is None else entered(func)


impl_abstract = register_fake


def register_autograd(
    op: Any,
    backward: Callable[..., Any],
    /,
    *,
    setup_context: Callable[..., Any] | None = None,
    lib: Any = None,
) -> None:
    """Give an operator a derivative.

    Args:
        op: the operator or its name.
        backward: called with a context and a gradient for each result; returns one for each argument.
        setup_context: called with `ctx`, `inputs` and `output` (and `keyword_only_inputs` where there are
            any), to keep what `backward` reads.
        lib: changes nothing here.

    Raises:
        RuntimeError: if there is no such operator.

    Example:
        >>> import cotangent as torch
        >>> @torch.library.custom_op("docs::squared", mutates_args=())
        ... def squared(x: torch.Tensor) -> torch.Tensor:
        ...     return x * x
        >>> def keep(ctx, inputs, output):
        ...     ctx.save_for_backward(*inputs)
        >>> torch.library.register_autograd(
        ...     "docs::squared", lambda ctx, g: 2 * g * ctx.saved_tensors[0], setup_context=keep
        ... )
        >>> x = torch.tensor(3.0, requires_grad=True)
        >>> torch.autograd.grad(squared(x), x)
        (tensor(6.),)
    """
    target = found(op)
    if target.schema.is_mutable:
        shown = CustomOpDef(target, target.kernel()) if target.strict else target.packet.default
        raise RuntimeError(
            f"Cannot register autograd formula for non-functional operator {shown} with "
            "schema "
            f"{target.schema}. Please create a functional operator and register an autograd formula for that."
        )
    target.backward, target.setup = backward, setup_context


def register_vmap(op: Any, func: Callable[..., Any] | None = None, /, *, lib: Any = None) -> Any:
    """Say how an operator runs under vmap; without that it runs once for each example.

    Args:
        op: the operator or its name.
        func: called with (info, in_dims, *arguments); returns (result, where its batch is). Without it, a
            decorator.
        lib: changes nothing here.

    Returns:
        `func`, or the decorator.

    Example:
        >>> import cotangent as torch
        >>> @torch.library.custom_op("docs::cubed", mutates_args=())
        ... def cubed(x: torch.Tensor) -> torch.Tensor:
        ...     return x**3
        >>> _ = torch.library.register_vmap("docs::cubed", lambda info, dims, x: (cubed(x), dims[0]))
        >>> torch.vmap(cubed)(torch.tensor([1.0, 2.0]))
        tensor([1., 8.])
    """
    target = found(op)

    def entered(function: Callable[..., Any]) -> Callable[..., Any]:
        target.batched = function
        return function

    return entered if func is None else entered(func)


def register_autocast(
    op: Any, device_type: str, cast_inputs: Any, /, *, lib: Any = None
) -> Callable[..., Any] | None:
    """Say what an operator's tensors are cast to where autocast is on, which is off while it runs.

    Args:
        op: the operator or its name.
        device_type: a device with autocast, such as "cpu".
        cast_inputs: the dtype for floating-point tensors, but those of float64.
        lib: changes nothing here.

    Returns:
        what calls of an operator of `custom_op` go to; None for others.

    Raises:
        ValueError: for something else than an operator, or another device.

    Example:
        >>> import cotangent as torch
        >>> @torch.library.custom_op("docs::same", mutates_args=())
        ... def same(x: torch.Tensor) -> torch.Tensor:
        ...     return x.clone()
        >>> _ = torch.library.register_autocast("docs::same", "cpu", torch.bfloat16)
        >>> with torch.autocast("cpu"):
        ...     same(torch.ones(1)).dtype
        torch.bfloat16
    """
    if not isinstance(op, (str, CustomOpDef, Overload)):
        raise ValueError(f"register_autocast({op}): got unexpected type for op: {type(op)}")
    target = found(op)
    kernel = _autocast(target, device_type, cast_inputs)
    return kernel if target.strict else None


_AUTOCAST: Final = ("cpu", "cuda", "hpu", "ipu", "mps", "privateuseone", "xpu")


def _autocast(op: Operator, device_type: str, dtype: Any) -> Callable[..., Any]:
    kind = device(device_type).type
    if kind not in _AUTOCAST:
        raise ValueError(f"Device type '{kind}' does not support autocast.")

    def cast(value: Any) -> Any:
        if not isinstance(value, Tensor) or not value.is_floating_point() or value.dtype is float64:
            return value
        return value.to(dtype)

    def kernel(*args: Any, **kwargs: Any) -> Any:
        with autocast(kind, enabled=False):
            return op(*tree_map(cast, args), **tree_map(cast, kwargs))

    # The first one stays, as in PyTorch.
    found: Callable[..., Any] = op.kernels.setdefault(f"Autocast{kind.upper()}", kernel)
    return found


def fallthrough_kernel() -> NoReturn:
    """Stands for "as if there were no kernel" in `Library.impl`.

    Raises:
        NotImplementedError: always.
    """
    raise NotImplementedError("fallthrough_kernel() should never be called.")


class Library:
    """Operators of a namespace, defined by their schemas.

    Args:
        ns: the namespace.
        kind: "DEF" for a new one, "FRAGMENT" for more of one, "IMPL" for kernels of operators that exist.
        dispatch_key: what `impl` means by default.

    Example:
        >>> import cotangent as torch
        >>> lib = torch.library.Library("docs2", "DEF")
        >>> lib.define("scaled(Tensor x, float by=2.0) -> Tensor")
        'scaled'
        >>> lib.impl("scaled", lambda x, by=2.0: x * by, "CompositeImplicitAutograd")
        >>> torch.ops.docs2.scaled(torch.ones(2), by=3.0)
        tensor([3., 3.])
    """

    def __init__(self, ns: str, kind: str, dispatch_key: str = "") -> None:
        if kind not in ("IMPL", "DEF", "FRAGMENT"):
            raise ValueError(f"Unsupported kind: {kind}")
        if ns == "prim" and kind != "IMPL":
            raise ValueError(
                f"{ns} is a reserved namespace. Please try creating a library with another name."
            )
        self.ns, self.kind, self.dispatch_key = ns, kind, dispatch_key
        self._defined: list[Operator] = []
        self._gone = weakref.finalize(self, _forget, self._defined)

    def define(self, schema: str, alias_analysis: str = "", *, tags: Any = ()) -> str:
        """Make an operator of its schema; its name is returned.

        Raises:
            RuntimeError: if there is one of that name, or the library is for kernels only.
        """
        if alias_analysis not in ("", "FROM_SCHEMA", "CONSERVATIVE"):
            raise RuntimeError(f"Invalid alias_analysis type {alias_analysis}")
        form = parsed(schema)
        if self.kind == "IMPL":
            raise RuntimeError(
                f'def("{form.name}"): Cannot define an operator inside of a TORCH_LIBRARY_IMPL block.  All '
                "def()s should be placed in the (unique) TORCH_LIBRARY block for their namespace."
            )
        own = form.name
        form.name = f"{self.ns}::{own}"
        if form.name in OPERATORS:
            raise RuntimeError(
                f"Tried to register an operator ({form}) with the same name and overload name multiple "
                "times. "
                "Each overload's schema should only be registered with a single call to def()."
            )
        made = Operator(form)
        self._defined.append(made)
        for key, kernel in _EARLY.pop(form.name, ()):
            _enter(made, key, kernel)
        return own.partition(".")[0]

    def impl(
        self, op_name: Any, fn: Callable[..., Any], dispatch_key: str = "", *, with_keyset: bool = False,
        allow_override: bool = False,
    ) -> None:  # fmt: skip
        """Compute an operator by `fn` where that key says: a device, or "Autograd" for all of it."""
        if not callable(fn):
            raise TypeError(f"Input function is required to be a callable but found type {type(fn)}")
        if not isinstance(op_name, (str, Overload)):
            raise RuntimeError(
                "impl should be passed either a name or an OpOverload object as the first argument, got "
                f"{type(op_name)}"
            )
        name = op_name if isinstance(op_name, str) else op_name.name()
        name = name if "::" in name else f"{self.ns}::{name}"
        key = dispatch_key or self.dispatch_key or "CompositeImplicitAutograd"
        if key not in _DISPATCH:
            raise RuntimeError(f"could not parse dispatch key: {key}")
        if fn is fallthrough_kernel:
            return
        if name in OPERATORS:
            _enter(OPERATORS[name], key, fn)
        else:
            _EARLY.setdefault(name, []).append((key, fn))

    def __repr__(self) -> str:
        return f"Library(kind={self.kind}, ns={self.ns}, dispatch_key={self.dispatch_key})>"

    def _destroy(self) -> None:
        self._gone()


# Kernels of operators that are yet to be defined.
_EARLY: Final[dict[str, list[tuple[str, Callable[..., Any]]]]] = {}


def _forget(operators: list[Operator]) -> None:
    """What a library defined goes with it."""
    for op in operators:
        removed(op)
    operators.clear()


@contextmanager
def _scoped_library(ns: str, kind: str, dispatch_key: str = "") -> Iterator[Library]:
    made = Library(ns, kind, dispatch_key)
    try:
        yield made
    finally:
        made._destroy()


_KEPT: Final[dict[str, Library]] = {}  # the libraries of operators that `define` makes without one


def define(qualname: str, schema: str, *, lib: Library | None = None, tags: Any = ()) -> None:
    """Make an operator of a schema.

    Args:
        qualname: "namespace::name".
        schema: what it takes and returns, without the name.
        lib: where it is kept.
        tags: changes nothing here.

    Example:
        >>> import cotangent as torch
        >>> torch.library.define("docs::tripled", "(Tensor x) -> Tensor")
        >>> @torch.library.impl("docs::tripled", "cpu")
        ... def tripled(x):
        ...     return x * 3
        >>> torch.ops.docs.tripled(torch.ones(1))
        tensor([3.])
    """
    if not isinstance(qualname, str):
        raise ValueError(
            f"define(qualname, schema): expected qualname to be instance of str, got {type(qualname)}"
        )
    place, mark, own = qualname.partition("::")
    if not mark:
        raise ValueError(
            f'Expected `qualname` to be of the form "namespace::name", but got {qualname}. The qualname '
            "passed to the torch.library APIs must consist of a namespace and a name, e.g. aten::sin"
        )
    if not re.fullmatch(r"\(.*\) -> .*", schema):
        raise ValueError(
            'define(qualname, schema, ...): expected schema to look like e.g. "(Tensor x) -> Tensor" but got '
            f'"{schema}"'
        )
    if lib is None:
        lib = _KEPT.setdefault(place, Library(place, "FRAGMENT"))
    lib.define(own + schema)


def impl(qualname: str, types: Any, func: Callable[..., Any] | None = None, *, lib: Any = None) -> Any:
    """Compute an operator by `func` on devices; see `define`.

    Args:
        qualname: "namespace::name".
        types: a device or several, or names of dispatch keys.
        func: what computes it; without it, a decorator.
        lib: changes nothing here.

    Returns:
        None, or the decorator.
    """

    def entered(function: Callable[..., Any]) -> None:
        register_kernel(qualname, types, function)

    return entered if func is None else entered(func)


def __getattr__(name: str) -> Any:
    if name == "opcheck":
        return _checking.opcheck
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "CustomOpDef", "Library", "custom_op", "define", "fallthrough_kernel", "impl", "impl_abstract",
    "infer_schema", "opcheck", "register_autocast", "register_autograd", "register_fake",
    "register_kernel", "register_vmap",
]  # fmt: skip
