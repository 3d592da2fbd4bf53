"""Custom operations: `Function` with a forward and a backward of the user's own.

The context object that forward and backward receive *is* the node of the graph, as in PyTorch: every
subclass of Function gets a node class `NAMEBackward`.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import warnings
import weakref
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Final

import numpy as np

from ..ops.table import TABLE
from .base import TensorBase, as_array, cell_of, is_tensor, not_taken_over, version_of, world, wrap
from .dispatch import owner_of
from .extras import after_record
from .modes import modes, no_grad
from .node import FREED, FREED_TEXT, Node, Port, next_seq
from .recorded import Packed, alias, handle_on, port_of
from .refusals import blame
from .refusing import refusing_where_recorded
from .returned import refuse_saved
from .stale import stale_value
from .views import CUSTOM, count_write, edge_of, rebase
from .where import here, warn


class FunctionCtx:
    """What forward, setup_context and backward may do with their context."""

    to_save: tuple[Any, ...] | None
    saved_for_forward: tuple[Any, ...] | None
    dirty_tensors: tuple[Any, ...] | None
    non_differentiable: tuple[Any, ...]
    materialize_grads: bool

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep tensors (or None) for backward; at most once, from forward or setup_context."""
        self.to_save = tensors

    def save_for_forward(self, *tensors: Any) -> None:
        """Keep tensors for jvp."""
        self.saved_for_forward = tensors

    def mark_dirty(self, *args: Any) -> None:
        """Name the inputs that forward wrote in place; they must be returned."""
        self.dirty_tensors = args

    def mark_non_differentiable(self, *args: Any) -> None:
        """Name the outputs that carry no gradient."""
        self.non_differentiable = args

    def set_materialize_grads(self, value: bool) -> None:
        """Whether missing cotangents arrive as zeros (the default) or as None."""
        self.materialize_grads = value

    def mark_shared_storage(self, *pairs: Any) -> None:
        """Deprecated; does nothing."""
        warnings.warn(
            "mark_shared_storage is deprecated. Tensors with shared storages are automatically tracked. Note "
            "that calls to `set_()` are not tracked",
            FutureWarning,
            stacklevel=2,
        )


class BackwardCFunction(Node, FunctionCtx):
    """Base of the nodes of custom Functions."""

    __slots__ = ("__dict__",)
    materialize = True
    _pushing = False
    _materialize_non_diff_grads = True
    _forward_cls: ClassVar[Any]
    needs_input_grad: tuple[bool, ...]
    _is_tensor: tuple[bool, ...]
    _inputs: list[tuple[tuple[int, ...], Any]]

    def __init__(self) -> None:
        self.edges = ()
        self.seq = -1
        self.code, self.lasti = None, 0
        self.hooks = None
        self.fit = None
        self.materialize_grads = True
        self.non_differentiable = ()
        self.dirty_tensors = self.to_save = self.saved_for_forward = None
        self._saved: Any = ()
        self._outputs: list[tuple[tuple[int, ...], Any] | None] = []
        self._passive: frozenset[int] = frozenset()

    def name(self) -> str:
        return type(self).__name__

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self.__dict__, *dir(FunctionCtx), "saved_tensors"} - _PRIVATE)

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """The tensors given to save_for_backward; inside `jvp` those given to save_for_forward."""
        if self._pushing:
            return self.saved_for_forward or ()
        if self._saved is None:
            raise RuntimeError(FREED_TEXT)
        if not self._saved and self.to_save is not None and self.seq < 0:
            return self.to_save
        return tuple(self._unpacked(i, entry) for i, entry in enumerate(self._saved))

    @property
    def saved_variables(self) -> tuple[Any, ...]:
        """Old name of `saved_tensors`."""
        warnings.warn(
            "'saved_variables' is deprecated; use 'saved_tensors'", DeprecationWarning, stacklevel=2
        )
        return self.saved_tensors

    @contextlib.contextmanager
    def in_jvp(self) -> Iterator[None]:
        """For a block: the user's `jvp` runs."""
        self._pushing = True
        try:
            yield
        finally:
            self._pushing = False

    def _unpacked(self, index: int, entry: Any) -> Any:
        if entry is None:
            return None
        t, version, output, edge = entry
        if version_of(t) != version:
            stale_value(_SavedAt(self, t, version, output, edge), "tensor")
        if t.__class__ is Packed:
            t = t.unpack()
        if output is not None:
            return alias(t, self if self.nout == 1 else port_of(self, output))
        if edge is None:
            return t if not t._req else alias(t, None)
        return t if t._req and edge_of(t) is edge else alias(t, edge)

    def kept(self, index: int, _: None) -> Any:
        """What is kept of tensor number `index`, as it is; FREED once it is gone."""
        if self._saved is None:
            return FREED
        entry = self._saved[index]
        return None if entry is None else entry[0]

    def saved(self, index: int, _: bool) -> Any:
        """Saved tensor number `index`."""
        return self.saved_tensors[index]

    def pack(self, field: int, pack_hook: Any, unpack_hook: Any, index: int | None = None) -> None:
        """Put saved tensor number `field` through a pack hook."""
        entries = list(self._saved)
        if entries[field] is None:
            return
        self._hooks()  # what unpacks may register some: such a node is run with care
        t, _, *source = entries[field]
        entries[field] = (Packed(t, pack_hook, unpack_hook), 0, *source)
        self._saved = tuple(entries)

    @property
    def _raw_saved_tensors(self) -> tuple[Any, ...]:
        """Handles on the saved tensors."""
        if self._saved is None:
            raise RuntimeError(FREED_TEXT)
        return tuple(handle_on(self, i) for i in range(len(self._saved)))

    def release(self) -> None:
        self._saved = None
        self.to_save = None

    def apply(self, grads: Any, tensors: Any = None) -> Any:
        """Run backward on cotangents; the engine passes (tuple, world), users may call it with Tensors."""
        if not isinstance(grads, tuple) or not isinstance(tensors, bool):
            given = (grads,) if tensors is None else (grads, tensors)
            return self._user_backward()(self, *given)
        shown = [None if g is None else (g if tensors else wrap(as_array(g))) for g in grads]
        if self.materialize_grads:
            for i, kind in enumerate(self._outputs):
                if i in self._passive and not self._materialize_non_diff_grads:
                    continue
                if shown[i] is None and kind is not None:
                    shown[i] = wrap(np.zeros(*kind))
        before, modes.node = modes.node, self
        try:
            result = self._user_backward()(self, *shown)
        finally:
            modes.node = before
        return self._checked(result if isinstance(result, (tuple, list)) else (result,), tensors)

    def step(self, g: Any, grads: dict[Any, Any], keep: bool) -> None:
        values = self.apply((g,) if len(self._outputs) == 1 else tuple(g), False)
        for edge, value in zip(self.edges, values, strict=True):
            if edge is not None and value is not None:
                held = grads.get(edge)
                grads[edge] = value if held is None else held + value
        if not keep:
            self.release()

    def _user_backward(self) -> Callable[..., Any]:
        cls = self._forward_cls
        backward, vjp = cls.backward, cls.vjp
        if backward is not Function.backward and vjp is not Function.vjp:
            raise RuntimeError(
                "Implementing both 'backward' and 'vjp' for a custom Function is not allowed. You should "
                "only implement one of them."
            )
        chosen: Callable[..., Any] = vjp if vjp is not Function.vjp else backward
        return chosen

    def _checked(self, values: Any, tensors: bool) -> tuple[Any, ...]:
        name = self.name()
        want = len(self._is_tensor)
        given = list(values)
        while len(given) > want and given[-1] is None:
            given.pop()
        if len(given) != want:
            have = len(given)
            text = f"function {name} returned an incorrect number of gradients (expected {want}, got {have})"
            blame(self, text, "function_count", have, want=want, have=have)
        out: list[Any] = []
        for position, (value, taken) in enumerate(zip(given, self._is_tensor, strict=True)):
            if not taken:
                if value is not None:
                    raise RuntimeError(
                        f"function {name} returned a gradient different than None at position "
                        f"{position + 1}, but the corresponding forward input was not a Variable"
                    )
                continue
            if value is not None and not isinstance(value, TensorBase):
                raise RuntimeError(f"expected Variable or None (got {type(value).__name__})")
            out.append(value)
        for i, value in enumerate(out):
            if value is not None and self.edges[i] is not None:
                out[i] = self._fitted(i, value, tensors)
        return tuple(out)

    def _fitted(self, index: int, value: Any, tensors: bool) -> Any:
        shape, dtype = self._inputs[index]
        have = tuple(value.shape)
        if have != shape:
            lead = len(have) - len(shape)
            fits = lead >= 0 and all(n in (1, m) for n, m in zip(shape, have[lead:], strict=True))
            if not fits:
                text = (
                    f"Function {self.name()} returned an invalid gradient at index {index} - got "
                    f"{list(have)} but expected shape compatible with {list(shape)}"
                )
                count = len(self._is_tensor)
                blame(self, text, "function_shape", count, index=index, want=list(shape), have=list(have))
            value = TABLE["sum_to_size"].entry(value, shape)
        if value.dtype is not dtype:
            value = TABLE["cast"].entry(value, dtype.np)
        if not tensors and value._owner is not None and value._owner.writes:
            value = value._owner.below(value)  # of a dual tensor only the primal goes on among arrays
        return value if tensors else value._data


_PRIVATE = frozenset(
    (
        "_saved", "_outputs", "_inputs", "_is_tensor", "outputs", "edges", "seq", "code", "lasti", "hooks",
        "fit", "meta", "nout", "op", "materialize", "saved_names", "step", "release", "_unpacked", "_checked",
        "_fitted", "_user_backward", "_hooks",
    )
)  # fmt: skip  # fmt: skip


class _SavedAt:
    """Shape of a node holding one saved tensor, for the stale-value error."""

    saved_names = ()

    def __init__(self, node: Any, t: Any, version: int, output: int | None, edge: Any) -> None:
        self.tensor = t
        self.tensor_v = version
        self.edges = (node if output is not None else edge,)

    def position(self, field: str) -> int:
        """Index of the only edge."""
        return 0


class FunctionMeta(type):
    """Gives every Function its node class."""

    def __init__(cls, name: str, bases: tuple[type, ...], attrs: dict[str, Any]) -> None:
        for field, suffix in (("_backward_cls", "Backward"), ("_generated_cls", "GeneratedBackward")):
            node = type(name + suffix, (BackwardCFunction,), {"__slots__": (), "_forward_cls": cls})
            node.__module__ = "torch.autograd.function"
            setattr(cls, field, node)
        super().__init__(name, bases, attrs)


class Function(FunctionCtx, metaclass=FunctionMeta):
    """Base class of custom differentiable operations.

    Subclasses define static methods: `forward(ctx, *args)`, or `forward(*args)` with
    `setup_context(ctx, inputs, output)`; and `backward(ctx, *grad_outputs)` (or its synonym `vjp`), which
    returns one gradient (or None) per input of forward. `jvp` serves forward mode, `vmap` vectorisation.

    Example:
        >>> import cotangent as torch
        >>> class Cube(torch.autograd.Function):
        ...     @staticmethod
        ...     def forward(ctx, x):
        ...         ctx.save_for_backward(x)
        ...         return x * x * x
        ...     @staticmethod
        ...     def backward(ctx, g):
        ...         (x,) = ctx.saved_tensors
        ...         return g * 3 * x * x
        >>> x = torch.tensor([2.0], requires_grad=True)
        >>> Cube.apply(x).backward()
        >>> x.grad
        tensor([12.])
    """

    _backward_cls: ClassVar[type[BackwardCFunction]]
    _generated_cls: ClassVar[type[BackwardCFunction]]  # inside transforms of torch.func
    generate_vmap_rule: ClassVar[bool] = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        warnings.warn(
            f"{type(self)} should not be instantiated. Methods on autograd functions are all static, so you "
            "should invoke them on the class itself. Instantiating an autograd function will raise an error "
            "in a future version of PyTorch.",
            DeprecationWarning,
            stacklevel=2,
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(
            "Legacy autograd function with non-static forward method is deprecated. Please use new-style "
            "autograd function with static forward method. (Example: "
            "https://pytorch.org/docs/stable/autograd.html#torch.autograd.Function)"
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """The operation; runs without recording."""
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> Any:
        """Fill the context from inputs and output, when forward does not take it."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """Gradients of the inputs from those of the outputs."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function to use "
            "it with backward mode AD."
        )

    vjp = backward

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        """Tangents of the outputs from those of the inputs."""
        raise NotImplementedError(
            "You must implement the jvp function for custom autograd.Function to use it with forward mode AD."
        )

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> Any:
        """The operation on a batch: `(output, out_dims)`."""
        raise NotImplementedError(
            "To use autograd.Function with vmap, you must either override the vmap staticmethod or set "
            "generate_vmap_rule=True."
        )

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run forward and record this operation."""
        if cls.setup_context is not Function.setup_context:
            bound = inspect.signature(cls.forward).bind(*args, **kwargs)
            bound.apply_defaults()
            args, kwargs = bound.args, bound.kwargs
        owner = owner_of(args)
        if owner is not None:
            return TRANSFORMED[0](cls, owner, args, kwargs)
        return forward_and_context(cls, args, kwargs)[0]


# How a Function runs inside func transforms; entered by func/, one floor up.
TRANSFORMED: list[Callable[..., Any]] = []


def forward_and_context(cls: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
    """Run a Function's forward on plain tensors and record its node.

    Args:
        cls: the Function.
        args: of its forward.
        kwargs: the same.

    Returns:
        the result, and the context.
    """
    ctx: Any = cls._backward_cls()
    inputs = [a for a in args if isinstance(a, TensorBase)]
    ctx._is_tensor = tuple(isinstance(a, TensorBase) for a in args)
    ctx.needs_input_grad = tuple(isinstance(a, TensorBase) and a._req for a in args)
    recording = modes.grad is not None and any(t._req for t in inputs)
    before = modes.grad
    with no_grad():
        if cls.setup_context is not Function.setup_context:
            result = cls.forward(*args, **kwargs)
            cls.setup_context(ctx, args, result)
        else:
            result = cls.forward(ctx, *args, **kwargs)
    if not isinstance(result, tuple):
        outputs: tuple[Any, ...] = (result,)
    else:
        outputs = result
    made = finish_forward(cls, ctx, inputs, outputs, recording, before)
    return made if isinstance(result, tuple) else made[0], ctx


_DIRTY_OUTSIDER: Final = (
    "ctx.mark_dirty() received a tensor that was not an input. Only input Tensors that have been mutated "
    "should be "
    "passed to ctx.mark_dirty()."
)
_DIRTY_VIEW: Final = (
    "If your Function modifies inplace an input that is a view of another Tensor, your Function cannot "
    "return more "
    "than one Tensor. This is not supported by the current autograd engine. You should either make sure the "
    "input is "
    "not a view (using .clone() for example) or make your Function only return one Tensor (potentially "
    "splitting it "
    "into two Functions: one doing the inplace that returns a single Tensor and a second one that does the "
    "other "
    "operations). You can ask on the forum https://discuss.pytorch.org/ if you need help to do this change."
)


def finish_forward(
    cls: Any, ctx: Any, inputs: list[Any], outputs: tuple[Any, ...], recording: bool, mode: Any
) -> tuple[Any, ...]:
    """The outputs of a forward that has filled `ctx`, with the context as their node if it is recorded."""
    for i, t in enumerate(ctx.to_save or ()):
        if t is not None and not isinstance(t, TensorBase):
            raise TypeError(
                f"save_for_backward can only save variables, but argument {i} is of type {type(t).__name__}"
            )
    if (recording or modes.levels) and cls.setup_context is not Function.setup_context:
        refuse_saved(ctx, inputs, outputs)
    dirty = set(map(id, ctx.dirty_tensors or ()))
    if any(not _among(t, inputs) for t in ctx.dirty_tensors or ()):
        warn(_DIRTY_OUTSIDER)
    for t in ctx.dirty_tensors or ():
        written = _among(t, inputs) and _among(t, outputs)
        if t._view is not None and len(outputs) > 1 and recording and written:
            raise RuntimeError(_DIRTY_VIEW)
    if any(id(t) not in set(map(id, outputs)) for t in ctx.dirty_tensors or ()):
        raise RuntimeError(
            "Some elements marked as dirty during the forward method were not returned as output. The inputs "
            "that are modified inplace must all be outputs of the Function."
        )
    passive = set(map(id, ctx.non_differentiable))
    for t in ctx.dirty_tensors or ():
        count_write(t)
    if not recording:
        with no_grad():
            shown = tuple(
                _alias_view(o, cls, None)
                if isinstance(o, TensorBase) and _among(o, inputs) and id(o) not in dirty
                else o
                for o in outputs
            )
        for o in shown:
            if isinstance(o, TensorBase) and o._view is not None and id(o) not in dirty:
                o._view.origin = CUSTOM
        return shown
    ctx.edges = tuple(edge_of(t) if t._req else None for t in inputs)
    ctx._inputs = [(tuple(t.shape), t.dtype) for t in inputs]
    ctx._outputs = [(tuple(o.shape), o.dtype.np) if is_tensor(o) else None for o in outputs]
    ctx._passive = frozenset(i for i, o in enumerate(outputs) if id(o) in passive)
    ctx.seq = next_seq()
    ctx.code, ctx.lasti = here()
    single = len(outputs) == 1
    ctx.nout = len(outputs)
    # The outputs hold their ports; the node refers to them weakly, or it would never be freed by count.
    ports = [] if single else [Port(ctx, i) for i in range(len(outputs))]
    ctx.outputs = tuple(weakref.ref(p) for p in ports)
    # An input that is returned as it is stays an input: what is returned is a view of it.
    own = [None if _among(o, inputs) and id(o) not in dirty else o for o in outputs]
    saved_inputs = [
        None if t is None else (t, version_of(t), _index(t, own), edge_of(t) if t._req else None)
        for t in ctx.to_save or ()
    ]
    made: list[Any] = []
    for i, o in enumerate(outputs):
        if not isinstance(o, TensorBase):
            made.append(o)
            continue
        node = ctx if single else ports[i]
        if id(o) in passive or o.dtype.category < 2:  # type: ignore[attr-defined]
            made.append(o if not o._req else alias(o, None))
        elif id(o) in dirty:
            if o._req and o._node is None and not (o._view is not None and o._view.stale):
                raise RuntimeError(
                    "a leaf Variable that requires grad has been used in an in-place operation."
                )
            rebase(o, node)
            made.append(o)
        elif _among(o, inputs):
            made.append(_alias_view(o, cls, node))
        else:
            if o._view is not None:
                o._view.origin = CUSTOM
                o._view.producer = cls.__name__
                o._view.output = i
            o._req = True
            o._node = node
            made.append(o)
    ctx._saved = tuple(
        None
        if entry is None
        else (entry[0] if entry[2] is None else _kept(entry[0]), version_of(entry[0]), *entry[2:])
        for entry in saved_inputs
    )
    ctx.to_save = None
    if mode is not True:
        after_record(mode, ctx, tuple(inputs), tuple(made))
    return tuple(made)


def _kept(t: Any) -> Any:
    """An output as the node keeps it: without the reference back to the node."""
    kept = alias(t, None)
    kept._vc = cell_of(t)
    return kept


def _among(t: Any, tensors: Any) -> bool:
    return any(t is other for other in tensors)


def _index(t: Any, tensors: Any) -> int | None:
    return next((i for i, other in enumerate(tensors) if other is t), None)


def _alias_view(t: Any, cls: Any, node: Any) -> Any:
    """An input returned as it is: a view of it (in its class) with the Function's own history."""
    own = type(t) is world.Tensor or type(t).__torch_function__ is not_taken_over
    out: Any = TABLE["alias"].entry(t) if own else t.view_as(t)
    if node is not None:
        out._req = True
        out._node = node
        out._view.origin, out._view.producer = CUSTOM, cls.__name__
    return out


_TWICE = "trying to differentiate twice a function that was marked with @once_differentiable"


def once_differentiable(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a backward whose result cannot be differentiated again.

    Args:
        fn: the `backward` static method.

    Returns:
        a backward that runs without recording and whose results raise when differentiated.
    """

    @functools.wraps(fn)
    def wrapper(ctx: Any, *args: Any) -> Any:
        with no_grad():
            outputs = fn(ctx, *args)
        many = isinstance(outputs, tuple)
        each = outputs if many else (outputs,)
        results = refusing_where_recorded(_TWICE, each, owner_of(args), args, modes.grad)
        return results if many else results[0]

    return wrapper


InplaceFunction = Function


class NestedIOFunction(Function):
    """PyTorch's Function over nested containers; tensors are found inside lists and tuples."""

