"""Operators that programs define: their kernels, derivatives and batching, and how a call of one runs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import numpy as np

from ..amp.autocast_mode import state as autocast
from ..autograd.function import Function
from ..autograd.graph import increment_version
from ..autograd.modes import modes
from ..kernels.shape import owner
from ..ops.join import stack
from ..ops.overloads import OpOverload
from ..ops.registered import Namespace, namespace
from ..ops.views import select_at
from ..tensor import Tensor
from ..tree import flatten, tree_map
from .schema import Schema
from .values import given_back

OPERATORS: Final[dict[str, Operator]] = {}
# What runs the kernels of operators in their place, last one first: `around(operator, call, args, kwargs)`.
AROUND_KERNELS: Final[list[Callable[..., Any]]] = []
_CPU: Final = ("CPU", "CompositeExplicitAutograd", "CompositeImplicitAutograd")


class Operator:
    """One operator of a namespace.

    Args:
        schema: its name with the namespace, and what it takes and returns.
        kernel: what computes it, or None where that comes later.
        strict: whether results must not be operands, nor share memory with any.
    """

    def __init__(
        self, schema: Schema, kernel: Callable[..., Any] | None = None, strict: bool = False
    ) -> None:
        self.schema = schema
        self.strict = strict
        self.kernels: dict[str, Callable[..., Any]] = (
            {} if kernel is None else {"CompositeExplicitAutograd": kernel}
        )
        self.disabled: set[str] = set()
        self.fake: Callable[..., Any] | None = None
        self.backward: Callable[..., Any] | None = None
        self.setup: Callable[..., Any] | None = None
        self.batched: Callable[..., Any] | None = None
        place, _, own = schema.name.partition("::")
        self.name, _, form = own.partition(".")
        self.place, self.form = place, form or "default"
        self.function: Any = type(f"GeneratedBackwardFor_{place}_{self.name}_{self.form}", (_Recorded,), {})
        OPERATORS[schema.name] = self
        home = namespace(place)
        self.packet: Packet = vars(home).get(self.name) or Packet(place, self.name)
        self.packet.add(self)
        setattr(home, self.name, self.packet)

    def kernel(self) -> Callable[..., Any]:
        """What computes it here.

        Raises:
            NotImplementedError: if there is nothing.
        """
        for key in _CPU:
            if key in self.kernels and key not in self.disabled:
                return self.kernels[key]
        raise NotImplementedError(
            f"Could not run '{self.schema.name}' with arguments from the 'CPU' backend. This could be "
            "because the operator doesn't exist for this backend, or was omitted during the selective/custom "
            "build process (if using custom build)."
        )

    def _without_numbers(self) -> Callable[..., Any]:
        """What makes results on the device "meta".

        Raises:
            RuntimeError, NotImplementedError: if there is nothing.
        """
        if self.fake is not None:
            return self.fake
        if self.strict and self.schema.returns == "()":
            return lambda *args, **kwargs: None
        if self.strict:
            own = getattr(self.kernel(), "__name__", self.name)
            raise RuntimeError(
                f"There was no fake impl registered for <CustomOpDef({self.schema.name})>. This is necessary "
                f"for torch.compile/export/fx tracing to work. Please use `{own}.register_fake` to add "
                "an fake impl."
            )
        for key in _CPU[1:]:
            if key in self.kernels:
                return self.kernels[key]
        raise NotImplementedError(
            f"{self.schema.name}: attempted to run this operator with Meta tensors, but there was no fake "
            "impl or Meta kernel registered. You may have run into this message while using an operator with "
            "PT2 compilation APIs (torch.compile/torch.export); in order to use this operator with those "
            "APIs you'll need to add a fake impl. Please see the following for next steps:  "
            "https://pytorch.org/tutorials/advanced/custom_ops_landing_page.html"
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.call(*self.schema.bind(args, kwargs))

    def call(self, by_place: list[Any], by_name: dict[str, Any]) -> Any:
        """The operator of arguments that fit its schema."""
        cast = self.kernels.get("AutocastCPU")
        if cast is not None and autocast.enabled["cpu"]:
            return given_back(cast(*by_place, **by_name), self.schema.returns, self.schema.name)
        own = self.kernels.get("Autograd")
        if own is not None:
            return given_back(own(*by_place, **by_name), self.schema.returns, self.schema.name)
        tensors = [t for t in flatten((by_place, by_name))[0] if isinstance(t, Tensor)]
        mapped = any(t._level for t in tensors)
        wanted = modes.grad is not None and any(t._req for t in tensors)
        if mapped or (wanted and (self.strict or self.backward is not None)):
            call = _Call(self, by_place, by_name)
            return call.unpacked(self.function.apply(call, *tensors))
        return self.run(by_place, by_name)

    def run(self, by_place: Sequence[Any], by_name: dict[str, Any]) -> Any:
        """Call the kernel, or what stands for it on the device "meta", and count what it wrote."""
        given = flatten((by_place, by_name))[0]
        without = any(isinstance(t, Tensor) and t.is_meta for t in given)
        kernel = self._without_numbers() if without else self.kernel()
        if AROUND_KERNELS:
            made = AROUND_KERNELS[-1](self, lambda: kernel(*by_place, **by_name), by_place, by_name)
        else:
            made = kernel(*by_place, **by_name)
        made = given_back(made, self.schema.returns, self.schema.name)
        if self.strict:
            self._check(kernel, (by_place, by_name), made)
        for argument, value in zip(self.schema.arguments, (*by_place, *by_name.values()), strict=True):
            if argument.writes:
                tree_map(lambda t: increment_version(t) if isinstance(t, Tensor) else None, value)
        return made

    def _check(self, kernel: Callable[..., Any], given: Any, made: Any) -> None:
        seen = {_memory(t) for t in flatten(given)[0] if isinstance(t, Tensor)}
        for t in flatten(made)[0]:
            if not isinstance(t, Tensor):
                continue
            memory = _memory(t)
            if memory in seen:
                raise RuntimeError(
                    f"{self.name} (with implementation in {inspect.getmodule(kernel)}): The output of this "
                    "custom "
                    "operator (1) must not also be an input to this custom operator and (2) may not alias "
                    "any "
                    "inputs to this custom operator or other returns. The most common way to trigger this "
                    "error "
                    "is if we have y = custom_op(x) and y and x are the same Tensor. Please instead return a "
                    "clone of the offending output tensor(s) (e.g. return x.clone()) or refactor the custom "
                    "operator to not return y."
                )
            seen.add(memory)

    def overload(self) -> str:
        """The name as error texts have it."""
        return f"{self.place}.{self.name}.{self.form}"


def _memory(t: Any) -> int:
    return id(owner(t._data)) if isinstance(t._data, np.ndarray) else id(t)


class _Call:
    """One call of an operator: its arguments without tensors, and the form of its result."""

    def __init__(self, op: Operator, by_place: list[Any], by_name: dict[str, Any]) -> None:
        self.op = op
        self.leaves, self.spec = flatten((by_place, by_name))
        self.form: Any = None
        self.results: list[Any] = []

    def arguments(self, tensors: Sequence[Any], other: Any = None) -> tuple[list[Any], dict[str, Any]]:
        """The arguments with these in the places of tensors; `other` stands for what is no tensor."""
        given = iter(tensors)
        leaves = [next(given) if isinstance(x, Tensor) else other or x for x in self.leaves]
        found: tuple[list[Any], dict[str, Any]] = self.spec.unflatten(leaves)
        return found

    def packed(self, made: Any) -> tuple[Any, ...]:
        """The tensors of a result, whose form is remembered."""
        self.results, self.form = flatten(made)
        return tuple(t for t in self.results if isinstance(t, Tensor))

    def unpacked(self, tensors: tuple[Any, ...]) -> Any:
        """A result with these tensors."""
        given = iter(tensors)
        return self.form.unflatten([next(given) if isinstance(x, Tensor) else x for x in self.results])


class _Recorded(Function):
    """A call with tensors that require gradients, or of a transform."""

    @staticmethod
    def forward(call: _Call, *tensors: Any) -> Any:
        return call.packed(call.op.run(*call.arguments(tensors)))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        call, *tensors = inputs
        ctx._call = call
        if call.op.setup is None:
            return
        by_place, by_name = call.arguments(tensors)
        named = {"keyword_only_inputs": by_name} if any(a.keyword for a in call.op.schema.arguments) else {}
        call.op.setup(ctx=ctx, inputs=tuple(by_place), output=call.unpacked(output), **named)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        call: _Call = ctx._call
        op = call.op
        if op.backward is None:
            raise RuntimeError(
                f"Trying to backward through {op.overload()} but no autograd formula was registered. Please "
                "use "
                "register_autograd to add one."
            )
        flat = ctx.needs_input_grad
        needs, _ = call.arguments(flat[1:])
        whole = tree_map(lambda x: x is True, needs)
        ctx.needs_input_grad = tuple(whole)
        try:
            shown = call.unpacked(grads)
            made = op.backward(ctx, *(shown if isinstance(shown, tuple) else (shown,)))
        finally:
            ctx.needs_input_grad = flat
        made = made if isinstance(made, tuple) else (made,)
        return (None, *_fitted(ctx, call, made))

    @staticmethod
    def vmap(info: Any, in_dims: Any, call: _Call, *tensors: Any) -> Any:
        dims = in_dims[1:]
        if call.op.batched is not None:
            places, _ = call.arguments([_Dim(d) for d in dims], _Dim(None))
            by_place, by_name = call.arguments(tensors)
            over = tuple(tree_map(lambda d: d.dim, places))
            made, out = call.op.batched(info, over, *by_place, **by_name)
            found = call.packed(made)
            return found, tuple(_spread(out, made))
        parts = []
        for k in range(info.batch_size):
            one = [t if d is None else select_at(t, d, k) for t, d in zip(tensors, dims, strict=True)]
            by_place, by_name = call.arguments(one)
            parts.append(call.packed(call.op(*by_place, **by_name)))
        joined = tuple(stack(list(ts), 0) for ts in zip(*parts, strict=True))
        return joined, (0,) * len(joined)


class _Dim:
    """Where an argument's batch is; a leaf of the arguments' tree."""

    def __init__(self, dim: int | None) -> None:
        self.dim = dim


def _spread(out: Any, made: Any) -> Iterator[Any]:
    """The dimensions of the batch for each tensor of a result."""
    if isinstance(made, (tuple, list)):
        each = out if isinstance(out, (tuple, list)) else (out,) * len(made)
        for part, dim in zip(made, each, strict=True):
            yield from _spread(dim, part)
    elif isinstance(made, Tensor):
        yield out


def _fitted(ctx: Any, call: _Call, made: tuple[Any, ...]) -> Iterator[Any]:
    """A cotangent for each tensor among the arguments, from one for each argument."""
    places = call.spec.unflatten(call.leaves)[0]
    want = len(places)
    while len(made) > want and made[-1] is None:
        made = made[:-1]
    if len(made) != want:
        raise RuntimeError(
            f"function {ctx.name()} returned an incorrect number of gradients (expected {want}, got "
            f"{len(made)})"
        )
    for position, (value, g) in enumerate(zip(places, made, strict=True)):
        if isinstance(value, (list, tuple)):
            each = g if isinstance(g, (list, tuple)) else (None,) * len(value)
            yield from (part for part, x in zip(each, value, strict=True) if isinstance(x, Tensor))
        elif isinstance(value, Tensor):
            yield g
        elif g is not None:
            raise RuntimeError(
                f"function {ctx.name()} returned a gradient different than None at position {position + 1}, "
                "but "
                "the corresponding forward input was not a Variable"
            )
    yield from (None for x in flatten(call.spec.unflatten(call.leaves)[1])[0] if isinstance(x, Tensor))


class Packet:
    """`torch.ops.NAMESPACE.NAME`: all forms of an operator, each an attribute of its name or `default`."""

    def __init__(self, place: str, name: str) -> None:
        self.__name__ = name
        self._place = place
        self._forms: dict[str, Operator] = {}

    def add(self, op: Operator) -> None:
        """Another form."""
        self._forms[op.form] = op
        setattr(self, op.form, Overload(op, self))

    def remove(self, op: Operator) -> bool:
        """Forget a form; whether none is left."""
        if self._forms.get(op.form) is op:
            del self._forms[op.form]
            delattr(self, op.form)
        return not self._forms

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the first form, in the order of their definitions, whose schema the arguments fit."""
        if len(self._forms) == 1:
            return next(iter(self._forms.values()))(*args, **kwargs)
        errors = []
        for op in self._forms.values():
            try:
                bound = op.schema.bind(args, kwargs)
            except RuntimeError as error:
                errors.append(str(error))
            else:
                return op.call(*bound)
        raise RuntimeError(
            "Overloaded torch operator invoked from Python failed to match any schema:\n"
            + "".join(f"{text}\n\n" for text in errors)
        )

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"The underlying op of '{self}' has no overload name '{name}'")

    def overloads(self) -> list[str]:
        """The names of the forms."""
        return list(self._forms)

    def __str__(self) -> str:
        return f"{self._place}.{self.__name__}"

    def __repr__(self) -> str:
        return f"<OpOverloadPacket(op='{self}')>"


class Overload(OpOverload):
    """`torch.ops.NAMESPACE.NAME.FORM`; the form of no name is called `default`."""

    def __init__(self, op: Operator, overloadpacket: Packet) -> None:
        self.__module__ = f"torch._ops.{op.place}"
        self.overloadpacket: Any = overloadpacket
        self._op = op
        self._overloadname = op.form

    @property
    def namespace(self) -> str:
        """The place that its library has."""
        return self._op.place

    @property
    def __name__(self) -> str:
        return f"{self._op.name}.{self._op.form}"

    @property
    def _schema(self) -> Any:
        return self._op.schema

    def name(self) -> str:
        """The name with its namespace."""
        return self._op.schema.name

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self._op(*args, **kwargs)

    def __str__(self) -> str:
        return self._op.overload()

    def __repr__(self) -> str:
        return f"<OpOverload(op='{self._op.place}.{self._op.name}', overload='{self._op.form}')>"


def found(op: Any) -> Operator:
    """The operator of that name, definition or form.

    Raises:
        RuntimeError: if there is none.
    """
    if isinstance(op, Operator):
        return op
    if isinstance(op, Packet):
        op = op.default
    inner = getattr(op, "_op", None)
    if isinstance(inner, Operator):
        return inner
    if not isinstance(op, str):
        raise ValueError(f"Expected the name of an operator or an operator, got: got {type(op)}")
    if op not in OPERATORS:
        place, _, own = op.partition("::")
        packet = vars(namespace(place)).get(own)
        if isinstance(packet, Packet):  # all its forms have names
            return found(packet)
        raise RuntimeError(f"operator {op} does not exist")
    return OPERATORS[op]


@contextmanager
def switched(op: Operator, key: str, enabled: bool) -> Iterator[None]:
    """Do without the kernels of a device, or with them."""
    before = set(op.disabled)
    op.disabled.discard(key) if enabled else op.disabled.add(key)
    try:
        yield
    finally:
        op.disabled = before


def removed(op: Operator) -> None:
    """Forget an operator."""
    OPERATORS.pop(op.schema.name, None)
    home: Namespace = namespace(op.place)
    if op.packet.remove(op) and vars(home).get(op.name) is op.packet:
        delattr(home, op.name)
