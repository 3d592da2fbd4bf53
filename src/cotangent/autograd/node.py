"""Nodes of the recorded graph.

`Node` is the base of the generated classes (`MulBackward0`, ...: see emit.py), of custom Functions'
nodes and of the few written by hand here: `AccumulateGrad` at the leaves, `Port` for the outputs of
operations that have several. A node holds

    edges   per tensor input the node to send its cotangent to, or None
    seq     creation number; inputs are older than outputs, so descending `seq` is a topological order
    code, lasti   the user's code object and instruction that recorded it (its source line, see where.py)
    hooks   None, or NodeHooks
    fit     None, or per input (shape, dtype) that its cotangent is summed and cast to
"""

from __future__ import annotations

import itertools
import weakref
from collections import OrderedDict
from collections.abc import Callable
from types import CodeType
from typing import Any, ClassVar, Final

from ..size import CPU
from .base import TensorBase

next_seq: Final = itertools.count().__next__


class RemovableHandle:
    """Removes the hook it was returned for.

    Example:
        >>> import cotangent as torch
        >>> x = torch.ones(1, requires_grad=True)
        >>> handle = x.register_hook(lambda g: g * 2)
        >>> handle.remove()
    """

    next_id: ClassVar[int] = 0

    def __init__(self, hooks: dict[int, Any], *, extra_dict: Any = None) -> None:
        self.hooks_dict_ref = weakref.ref(hooks)
        self.id = RemovableHandle.next_id
        RemovableHandle.next_id += 1
        extras = extra_dict if isinstance(extra_dict, list) else ([] if extra_dict is None else [extra_dict])
        self.extra_dict_ref = tuple(weakref.ref(d) for d in extras)

    def remove(self) -> None:
        """Take the hook away; a second call does nothing."""
        for ref in (self.hooks_dict_ref, *self.extra_dict_ref):
            hooks = ref()
            if hooks is not None and self.id in hooks:
                del hooks[self.id]

    def __getstate__(self) -> tuple[Any, ...]:
        return self.hooks_dict_ref(), self.id, tuple(ref() for ref in self.extra_dict_ref)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        hooks, self.id, extras = state
        self.hooks_dict_ref = weakref.ref(OrderedDict() if hooks is None else hooks)
        self.extra_dict_ref = tuple(weakref.ref(d) for d in extras)
        RemovableHandle.next_id = max(RemovableHandle.next_id, self.id + 1)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()


class InputMetadata:
    """What a cotangent is like."""

    __slots__ = ("shape", "dtype")
    __module__ = "torch._C._autograd"

    def __init__(self, shape: Any, dtype: Any) -> None:
        self.shape = shape
        self.dtype = dtype

    is_nested_tensor = is_cpp_nested_tensor = False
    device = CPU


class HookDict(OrderedDict[int, Any]):
    """An ordered dict that handles can refer to weakly; `shared` are dicts of others, run with it."""

    def __init__(self) -> None:
        super().__init__()
        self.shared: list[dict[int, Any]] = []

    def all(self) -> list[Any]:
        """The hooks, those of shared dicts last."""
        found = list(self.values())
        for more in self.shared:
            found += more.values()
        return found


class NodeHooks:
    """Hooks of one node; tensor hooks are kept per output, for that is the cotangent they see."""

    __slots__ = ("tensor", "pre", "post", "retain", "after_accumulate", "capture", "shapes")

    def __init__(self) -> None:
        self.tensor: dict[int, HookDict] = {}
        self.pre: HookDict = HookDict()
        self.post: HookDict = HookDict()
        self.retain: dict[int, weakref.ref[TensorBase]] = {}
        self.after_accumulate: HookDict = HookDict()
        # Of outputs whose tensor has got another shape since, unrecorded: (node, the shape it was made with).
        self.shapes: dict[int, tuple[weakref.ref[Node], tuple[int, ...]]] = {}

    def only_after(self) -> bool:
        """Whether there are none but those that run when a leaf has been accumulated into."""
        return not (self.tensor or self.pre or self.post or self.retain or self.shapes)

    def shape_of(self, node: Node, output: int) -> tuple[int, ...] | None:
        """The shape that an output of `node` was made with, if its tensor has another one now."""
        made, shape = self.shapes.get(output, (None, None))
        return shape if made is not None and made() is node else None

    def tensor_hooks(self, output: int) -> HookDict:
        """The hooks of the tensor that is output number `output`."""
        return self.tensor.setdefault(output, HookDict())


class Node:
    """Base class of all nodes (its public face is PyTorch's torch.autograd.graph.Node)."""

    __slots__ = ("edges", "seq", "code", "lasti", "hooks", "fit", "meta", "noted", "__weakref__")

    edges: tuple[Any, ...]
    seq: int
    code: CodeType | None
    lasti: int
    hooks: NodeHooks | None
    fit: Any
    meta: dict[str, Any] | None
    noted: dict[int, InputMetadata]  # of outputs that somebody asked the history of

    nout: ClassVar[int] = 1
    wants_tensors: ClassVar[bool] = False  # whether its rule cannot run on arrays
    op: ClassVar[Any] = None
    materialize: ClassVar[bool] = False
    saved_names: ClassVar[tuple[str, ...]] = ()

    def name(self) -> str:
        """The node's name, as PyTorch prints it."""
        name = type(self).__name__
        return f"torch::autograd::{name}" if name in ("CopySlices", "CopyBackwards") else name

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """Per input: the node its cotangent goes to and which output of that node the input was."""
        return tuple(
            (e.parent, e.output) if type(e) is Port else (e, 0) for e in self.differentiable(self.edges)
        )

    @property
    def metadata(self) -> dict[str, Any]:
        """A dict for the user's own notes on this node."""
        try:
            held = self.meta
        except AttributeError:
            held = None
        if held is None:
            held = self.meta = {}
        return held

    def _hooks(self) -> NodeHooks:
        if self.hooks is None:
            self.hooks = NodeHooks()
        return self.hooks

    def register_hook(self, fn: Callable[..., Any]) -> RemovableHandle:
        """Call `fn(grad_inputs, grad_outputs)` after this node ran; it may return new grad_inputs."""
        return _register(self._hooks().post, fn)

    def register_prehook(self, fn: Callable[..., Any]) -> RemovableHandle:
        """Call `fn(grad_outputs)` before this node runs; it may return new grad_outputs."""
        return _register(self._hooks().pre, fn)

    def _sequence_nr(self) -> int:
        return self.seq

    def _set_sequence_nr(self, number: int) -> None:
        self.seq = number

    @property
    def requires_grad(self) -> bool:
        """Whether any input needs a gradient: true of every recorded node."""
        return True

    def _register_hook_dict(self, hooks: dict[int, Any]) -> None:
        """Run the tensor hooks of a dict of the caller's, as it is by then, before this node."""
        self._hooks().tensor_hooks(0).shared.append(hooks)

    def note(self, output: int, t: Any) -> None:
        """Remember what the tensor `t`, output number `output`, is like."""
        try:
            noted = self.noted
        except AttributeError:
            noted = self.noted = {}
        if output not in noted:
            noted[output] = InputMetadata(t.shape, t.dtype)

    @property
    def _input_metadata(self) -> tuple[InputMetadata | None, ...]:
        """What the cotangents that this node takes are like; None for outputs that nobody looked at."""
        noted: dict[int, InputMetadata] = getattr(self, "noted", {})
        return tuple(noted.get(i) for i in range(self._wanted()))

    def _wanted(self) -> int:
        return 1 if self.nout == 1 else len(self.outputs)  # type: ignore[attr-defined]

    def __dir__(self) -> list[str]:
        """PyTorch's names; the engine's own fields stay out of a user's listing."""
        plain = [n for n in object.__dir__(self) if n.startswith("__")]
        return sorted(plain + _PUBLIC)

    # -- running -------------------------------------------------------------------------------

    def __call__(self, *grads: Any, **keywords: Any) -> Any:
        """Run this node alone on the cotangents of its outputs: those of its differentiable inputs."""
        if keywords:
            raise TypeError("keyword arguments are not supported")
        wanted = self._wanted()
        if len(grads) != wanted:
            raise TypeError(f"expected {wanted} arguments, got {len(grads)} instead")
        for i, g in enumerate(grads):
            if g is not None and not isinstance(g, TensorBase):
                raise TypeError(f"argument {i} is not a Variable")
        values = self.differentiable(self.apply(grads, True))
        return values[0] if len(values) == 1 else values

    def differentiable(self, per_edge: tuple[Any, ...]) -> tuple[Any, ...]:
        """Of one value per edge those that PyTorch has an edge for: of inputs that have a derivative."""
        return per_edge

    def step(self, g: Any, grads: dict[Any, Any], keep: bool) -> None:
        """Run on an array and add the results to `grads` per edge (generated; the fast loop's form)."""
        raise NotImplementedError

    def apply(self, grads: tuple[Any, ...], tensors: bool) -> tuple[Any, ...]:
        """Cotangents of the inputs from those of the outputs (`tensors`: which of the two worlds)."""
        raise NotImplementedError

    def release(self) -> None:
        """Drop what was saved for backward."""


_PUBLIC: Final = [
    "_input_metadata", "_register_hook_dict", "_sequence_nr", "_set_sequence_nr", "metadata", "name",
    "next_functions", "register_hook", "register_prehook", "requires_grad",
]  # fmt: skip

# How to add a Tensor to a leaf's gradient; the engine enters it.
ACCUMULATE: Final[list[Callable[[Any, Any], None]]] = []

# Our parameter names -> the names PyTorch's `_saved_*` attributes use.
PUBLIC_FIELD: Final = {"input": "self", "out": "result", "out0": "result0", "out1": "result1"}

Node.__module__ = "torch.autograd.graph"


def _register(hooks: HookDict, fn: Callable[..., Any]) -> RemovableHandle:
    handle = RemovableHandle(hooks)
    hooks[handle.id] = fn
    return handle


class AccumulateGrad(Node):
    """The leaf's end of the graph: adds the cotangent to `variable.grad`."""

    __slots__ = ("variable", "dtype")

    variable: TensorBase
    dtype: Any  # of the gradient: what the leaf holds may be exchanged later

    def __init__(self, variable: TensorBase) -> None:
        self.variable = variable
        data = variable._data
        self.dtype = getattr(data, "np_dtype", None) or data.dtype  # the first of what is traced
        self.edges = ()
        self.seq = next_seq()
        self.code = None
        self.lasti = 0
        self.hooks = variable._leaf_hooks
        self.fit = None

    def name(self) -> str:
        return "torch::autograd::AccumulateGrad"

    def apply(self, grads: tuple[Any, ...], tensors: bool) -> tuple[Any, ...]:
        """Add a cotangent to the leaf's gradient (a call by hand; the engine has its own ways)."""
        ACCUMULATE[0](self.variable, grads[0])
        return ()

    @property
    def _input_metadata(self) -> tuple[InputMetadata | None, ...]:
        leaf: Any = self.variable
        return (InputMetadata(leaf.shape, leaf.dtype),)

    def _hooks(self) -> NodeHooks:
        # Hooks belong to the tensor: a new accumulator, made for the next graph, finds them there.
        if self.hooks is None:
            self.hooks = leaf_hooks(self.variable)
        return self.hooks

    def __dir__(self) -> list[str]:
        return sorted([*super().__dir__(), "variable"])


AccumulateGrad.__module__ = "builtins"


class Port(Node):
    """Stands for one output of a node that has several; hands its cotangent on to that node."""

    __slots__ = ("parent", "output")

    def __init__(self, parent: Node, output: int) -> None:
        self.parent = parent
        self.output = output
        self.edges = (parent,)
        self.seq = next_seq()
        self.code = None
        self.lasti = 0
        self.hooks = None
        self.fit = None

    def _hooks(self) -> NodeHooks:
        return self.parent._hooks()

    def step(self, g: Any, grads: dict[Any, Any], keep: bool) -> None:
        held = grads.get(self.parent)
        if held is None:
            held = grads[self.parent] = [None] * len(self.parent.outputs)  # type: ignore[attr-defined]
        held[self.output] = g if held[self.output] is None else held[self.output] + g


def leaf_hooks(leaf: TensorBase) -> NodeHooks:
    """The hooks of a leaf tensor, kept on the tensor."""
    if leaf._leaf_hooks is None:
        leaf._leaf_hooks = NodeHooks()
        accumulator = leaf._accumulator() if leaf._accumulator is not None else None
        if accumulator is not None:
            accumulator.hooks = leaf._leaf_hooks
    hooks: NodeHooks = leaf._leaf_hooks
    return hooks


def accumulator_of(leaf: TensorBase) -> Node:
    """The leaf's AccumulateGrad: one for as long as any graph refers to it.

    The tensor refers to it weakly and it refers to the tensor strongly, so there is no cycle, and a
    graph keeps its leaves alive.
    """
    node = leaf._accumulator() if leaf._accumulator is not None else None
    if node is None:
        node = AccumulateGrad(leaf)
        leaf._accumulator = weakref.ref(node)
    return node


class _Freed:
    """Takes the place of saved tensors that were released; any use says what happened."""

    __slots__ = ()
    _vc = None

    @property
    def _data(self) -> Any:
        raise RuntimeError(FREED_TEXT)

    def __getitem__(self, index: object) -> Any:
        raise RuntimeError(FREED_TEXT)


FREED_TEXT: Final = (
    "Trying to backward through the graph a second time (or directly access saved tensors after they have "
    "already been freed). Saved intermediate values of the graph are freed when you call .backward() or "
    "autograd.grad(). Specify retain_graph=True if you need to backward through the graph a second time or "
    "if you need to access saved tensors after calling backward."
)
FREED: Final = _Freed()
