"""What nested tensors of both layouts have in common: containers of a tensor that holds the numbers.

Calls with such a tensor are taken over by `__torch_function__` and done with the numbers; so gradients of
every order, transforms and casts are theirs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final, NoReturn

from .. import overriding
from ..autograd.api import grad as _grad
from ..autograd.base import wrap
from ..autograd.modes import modes
from ..tensor import Tensor, of_class

# Name of a function or method -> what does it for both layouts: called with the function, then its arguments.
SHARED: Final[dict[str, Callable[..., Any]]] = {}
# Overloads that PyTorch names in its refusals, where it is not `default`.
_OVERLOADS: Final = {
    "norm": "norm.ScalarOpt_dim", "var": "var.correction", "std": "std.correction",
}  # fmt: skip


class Payload:
    """The payload: it has a shape and a dtype, and computes nothing.

    Args:
        shape: the sizes.
        dtype: of the elements.
    """

    __slots__ = ("shape", "dtype")

    def __init__(self, shape: tuple[Any, ...], dtype: Any) -> None:
        self.shape, self.dtype = shape, dtype

    def apply_op(self, op: Any, payloads: tuple[Any, ...], statics: tuple[Any, ...]) -> NoReturn:
        """Refuse an operation that nobody has taken over."""
        raise NotImplementedError(f"aten.{op.public}.default")


def name_of(function: Any) -> str:
    """The name of what was called: `add` for `torch.add`, `Tensor.add` and `+`, `T` for the property.

    Args:
        function: what `__torch_function__` was given.
    """
    name: str = function.__name__
    if name in ("__get__", "__set__"):
        name = overriding.names[function].split(".")[-2]
    return name.strip("_") if name.startswith("__") else name


class Nested(Tensor):
    """A nested tensor of either layout."""

    is_nested = True
    handlers: ClassVar[dict[str, Callable[..., Any]]] = SHARED
    # The numbers.
    _values: Any

    def _like(self, values: Any) -> Any:
        """Other numbers in the same places."""
        raise NotImplementedError

    @classmethod
    def _refused(cls, name: str) -> Exception:
        """PyTorch's error for a function that there is none of."""
        return NotImplementedError(f"aten.{_OVERLOADS.get(name, f'{name}.default')}")

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Does a call with the numbers, or refuses it with PyTorch's error."""
        name = name_of(func)
        table = cls.handlers if name in cls.handlers else SHARED
        if name not in table:
            raise cls._refused(name)
        return table[name](func, *args, **(kwargs or {}))

    @property
    def dtype(self) -> Any:
        """The type of the elements."""
        return self._values.dtype

    @property
    def device(self) -> Any:
        """Where the elements live."""
        return self._values.device

    @property
    def requires_grad(self) -> bool:
        """Whether operations are recorded."""
        return bool(self._values.requires_grad)

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self._values.requires_grad = value

    @property
    def grad_fn(self) -> Any:
        """The node of the graph that made the numbers."""
        return self._values.grad_fn

    @property
    def is_leaf(self) -> bool:
        """Whether nothing recorded made the numbers."""
        return bool(self._values.is_leaf)

    @property
    def grad(self) -> Any:
        """The gradient, a nested tensor of the same sizes."""
        found = self._values.grad
        return None if found is None else self._like(found)

    @grad.setter
    def grad(self, value: Any) -> None:
        self._values.grad = None if value is None else value._values

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        found = self._like(self._values.detach().clone().requires_grad_(self.requires_grad))
        memo[id(self)] = found
        return found


def contained(cls: type, shape: tuple[Any, ...], values: Any) -> Any:
    """A nested tensor with its numbers, the rest of it to be entered.

    Args:
        cls: its class.
        shape: its sizes.
        values: the numbers.
    """
    if modes.tracer is not None:  # where examples begin is data, and would be a constant of the program
        modes.tracer.refuse("it makes a nested tensor")
    made = of_class(wrap(Payload(shape, values.dtype)), cls)
    made._values = values
    return made


def entering(table: dict[str, Callable[..., Any]]) -> Callable[..., Callable[[Any], Any]]:
    """A decorator that enters a function in a table, as what does the calls of functions of some names.

    Args:
        table: the table.
    """

    def handles(*names: str) -> Callable[[Any], Any]:
        def entered(function: Any) -> Any:
            table.update(dict.fromkeys(names, function))
            return function

        return entered

    return handles


_handles = entering(SHARED)


def is_tensor(value: Any) -> bool:
    """Whether a value is a tensor of any kind.

    Args:
        value: anything.
    """
    return isinstance(value, Tensor)


def bare(value: Any) -> Any:
    """The numbers of nested tensors, also in lists; anything else as it is.

    Args:
        value: anything.
    """
    if isinstance(value, (tuple, list)):
        return type(value)(map(bare, value))
    return value._values if isinstance(value, Nested) else value


@_handles(
    "is_floating_point", "is_complex", "is_signed", "element_size", "itemsize", "is_cuda", "is_meta",
    "is_sparse", "is_sparse_csr", "is_quantized", "is_mps", "is_cpu", "get_device", "storage_offset",
    "is_inference", "is_shared", "is_pinned", "is_conj", "is_neg", "names", "is_xpu", "nbytes",
)  # fmt: skip
def asked(func: Any, input: Nested, *args: Any, **kwargs: Any) -> Any:
    """What is asked of the numbers."""
    owner: Any = getattr(func, "__self__", None)
    ask: Any = owner.fget if isinstance(owner, property) else func
    return ask(input._values, *args, **kwargs)


@_handles("data")
def data(func: Any, input: Nested, *value: Any) -> Any:
    """The same numbers without a history."""
    return input._like(input._values.detach())


@_handles(
    "detach", "empty_like", "ones_like", "zeros_like", "rand_like", "randn_like", "full_like", "randint_like",
    "double", "float", "half", "bfloat16", "int", "long", "bool", "short", "char", "byte", "type", "type_as",
    "cpu", "conj", "resolve_conj", "resolve_neg", "to",
)  # fmt: skip
def of_values(func: Any, input: Nested, *args: Any, **kwargs: Any) -> Any:
    """The function of the numbers, in the same places."""
    kwargs.pop("layout", None)
    found = func(input._values, *map(bare, args), **kwargs)
    return input if found is input._values else input._like(found)


@_handles("requires_grad_")
def requires_grad_(func: Any, input: Nested, requires_grad: bool = True) -> Nested:
    """Say whether operations are recorded."""
    input._values.requires_grad_(requires_grad)
    return input


@_handles("retain_grad")
def retain_grad(func: Any, input: Nested) -> None:
    """Keep the gradient of what is no leaf."""
    input._values.retain_grad()


@_handles("register_hook")
def register_hook(func: Any, input: Nested, hook: Any) -> Any:
    """Call a function with the gradient, a nested tensor."""

    def with_nested(g: Any) -> Any:
        return bare(hook(input._like(g)))

    return input._values.register_hook(with_nested)


@_handles("backward")
def backward(func: Any, input: Any, gradient: Any = None, *args: Any, **kwargs: Any) -> None:
    """The gradients of all leaves."""
    func(bare(input), bare(gradient), *args, **kwargs)


@_handles("grad")
def grad(func: Any, outputs: Any, inputs: Any, grad_outputs: Any = None, *args: Any, **kwargs: Any) -> Any:
    """`torch.autograd.grad`."""
    wanted = (inputs,) if is_tensor(inputs) else tuple(inputs)
    found = _grad(bare(outputs), bare(wanted), bare(grad_outputs), *args, **kwargs)
    pairs = zip(wanted, found, strict=True)
    return tuple(x._like(g) if isinstance(x, Nested) and g is not None else g for x, g in pairs)


@_handles("format")
def formatted(func: Any, input: Nested, spec: str) -> str:
    """What f-strings write."""
    return format(str(input), spec)


@_handles("contains")
def contains(func: Any, input: Nested, value: Any) -> bool:
    """Whether any element equals a value."""
    return bool((input._values == value).any().item())


@_handles("item")
def item(func: Any, input: Nested) -> Any:
    """The only number."""
    count = input.numel()
    if count != 1:
        raise RuntimeError(f"a Tensor with {count} elements cannot be converted to Scalar")
    return input._values.item()
