"""OpNode: what the generated node classes share, and recording on the general path.

The generated `step` is the fast form (arrays, equal dtypes). Everything else - Tensors instead of
arrays, complex numbers, mixed dtypes, lists of tensors, hooks - goes through `OpNode.apply`, which
reads the same declaration at run time.
"""

from __future__ import annotations

import sys
import weakref
from typing import Any, ClassVar, Final

import numpy as np

from ..kernels.elementwise import times_one
from ..kernels.halves import recast
from ..kernels.reduce import sum_
from ..kernels.sparse import Coo, by_values
from ..ops.refusals import NO_REAL_PART
from ..ops.table import TABLE, Primitive
from ..references import ARGUMENT, PARAMETER
from .absorbing import absorbed, absorbing
from .base import NUMBER, TensorBase, active, cell_of, new, world, wrap
from .modes import modes
from .node import FREED, FREED_TEXT, AccumulateGrad, Node, Port
from .saved_names import names_of, presented
from .stale import stale_value
from .views import edge_of

_references: Final = sys.getrefcount
_PENDING: Final = 2 + PARAMETER + ARGUMENT
_add: Final = np.add


class OpNode(Node):
    """A node of a table operation; generated subclasses add slots for what their rules save."""

    __slots__ = ("lengths", "level", "shown")

    op: ClassVar[Primitive]
    general: ClassVar[bool] = False
    lengths: tuple[int, ...]
    level: int  # set on the general path only; the fast one records at level 0
    shown: weakref.ref[Node]  # of a write through a view: the view's own history, which messages name
    guarded: ClassVar[tuple[tuple[str, str | None], ...]]  # saved tensors and the one input each serves

    def check(self, name: str) -> None:
        """Raise unless the saved tensors `name` are still there and as they were."""
        value, saved = getattr(self, name), getattr(self, name + "_v")
        if name not in self.op.tensors:
            cell = getattr(self, name + "_vc")
            if cell is FREED:
                raise RuntimeError(FREED_TEXT)
            if cell[0] != saved:
                stale_value(self, name)
            return
        several = name in self.op.lists and value is not FREED
        for t, version in zip(value, saved, strict=True) if several else ((value, saved),):
            if t is FREED:
                raise RuntimeError(FREED_TEXT)
            cell = t._vc if isinstance(t, (TensorBase, Packed)) else None
            if cell is not None and cell[0] != version:
                stale_value(self, name)

    def check_all(self) -> None:
        """Check all that is kept before any rule runs, as PyTorch does."""
        start, wanted = 0, set()
        for parameter, length in zip(self.op.tensors, self.span(), strict=True):
            if any(e is not None for e in self.edges[start : start + length]):
                wanted.add(parameter)
            start += length
        for name, served in self.guarded:
            if served is None or served in wanted:
                self.check(name)

    def saved(self, name: str, tensors: bool) -> Any:
        """The value a rule's parameter `name` stands for, in the wanted world."""
        op = self.op
        value = getattr(self, name)
        if name in op.tensors:
            self.check(name)
            if name in op.lists:
                return [self._tensor(name, v, tensors, k) for k, v in enumerate(value)]
            return None if value is None else self._tensor(name, value, tensors, 0)
        if name.startswith("out") and name in self.saved_names:
            self.check(name)
            if not tensors:
                return value._data if value.__class__ is Packed else value
            return self.output_tensor(name, value, getattr(self, name + "_vc"))
        return value

    def output_tensor(self, name: str, value: Any, cell: list[Any]) -> Any:
        """The saved output as a tensor with this node as its history."""
        if isinstance(value, TensorBase):  # recorded above level 0, where cycles are short-lived
            return value
        t = wrap(value._data if value.__class__ is Packed else value)
        number = int(name[3:] or 0)
        if number not in self.op.nondiff_outputs:
            t._req = True
            t._node = self if self.op.nout == 1 else port_of(self, number)
        t._vc = cell
        return t

    def _tensor(self, name: str, t: Any, tensors: bool, index: int) -> Any:
        if not isinstance(t, (TensorBase, Packed)):
            return t  # a Python number, above level 0
        if not tensors:
            return t._data
        if t.__class__ is Packed:
            t = t.unpack()
        edge = self.edges[self.position(name) + index]
        if edge is None:
            # What requires a gradient by now does so for PyTorch, too: it keeps the tensor itself. One of a
            # lower level is a constant here, but keeps its history down there.
            level = getattr(self, "level", 0)
            return t if not t._req or not level or t._level != level else alias(t, None)
        return t if t._req and edge_of(t) is edge else alias(t, edge)

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """Per differentiable input: the node its cotangent goes to and which output of it the input was."""
        edges = self.differentiable(self.edges)
        if self.op.name == "clone_for_grad":  # in PyTorch a copy into a new tensor, which is an input, too
            edges = (None, *edges)
        return tuple((e.parent, e.output) if e.__class__ is Port else (e, 0) for e in edges)

    def differentiable(self, per_edge: tuple[Any, ...]) -> tuple[Any, ...]:
        found: list[Any] = []
        start = 0
        for parameter, length in zip(self.op.tensors, self.span(), strict=True):
            if parameter in self.op.rules and (parameter != self.op.number or self.edges[start] is not None):
                found += per_edge[start : start + length]
            start += length
        return tuple(found)

    def position(self, name: str) -> int:
        """Index of the first edge of tensor parameter `name`."""
        start = 0
        for parameter, length in zip(self.op.tensors, self.span(), strict=True):
            if parameter == name:
                return start
            start += length
        raise KeyError(name)

    def span(self) -> tuple[int, ...]:
        """How many edges each tensor parameter has (more than one for lists)."""
        return self.lengths if self.op.lists else (1,) * len(self.op.tensors)

    def apply(
        self, grads: tuple[Any, ...], tensors: bool, asked: tuple[Node | None, ...] | None = None
    ) -> tuple[Any, ...]:
        """The cotangents of the inputs; of those only that are not None in `asked`, where that is given.

        A rule nobody asks for is not run: some only raise.
        """
        op = self.op
        asked = self.edges if asked is None else asked
        nothing = (None,) * len(self.edges)
        if all(g is None for g in grads):
            return nothing
        self.check_all()
        g = grads[0] if op.nout == 1 else grads
        absorbs = active.absorbing and op.kind == "elementwise" and absorbing()
        conj = op.kind == "elementwise" and self.general and self.fit[2] and op.analytic
        given = g
        if conj:
            g = conjugate(g, tensors)
        memo: dict[str, Any] = {}
        out: list[Any] = []
        start = 0
        for parameter, length in zip(op.tensors, self.span(), strict=True):
            edges = asked[start : start + length]
            rule = (op.rules if tensors else op.raw_rules).get(parameter)
            if rule is None or all(e is None for e in edges):
                out.extend([None] * length)
            else:
                arguments = []
                for name in op.rule_arguments(parameter):
                    if name == "needs":
                        arguments.append(tuple(e is not None for e in edges))
                        continue
                    if name not in memo:
                        memo[name] = self.saved(name, tensors)
                    arguments.append(memo[name])
                if isinstance(g, Coo) and op.kind == "elementwise":
                    value = by_values(rule, g, arguments)
                else:
                    value = rule(g, *arguments)
                if absorbs:
                    value = absorbed(g, value, tensors)
                values = list(value) if parameter in op.lists else [value]
                if not tensors and not (op.kind == "elementwise" and self.general):  # those are cast to fit
                    values = narrowed_list(values, g, memo.get(parameter), memo.get(f"{parameter}_dtype"))
                for k, v in enumerate(values):
                    if v is None or edges[k] is None:
                        out.append(None)
                        continue
                    if conj:  # what a rule hands on as it came stays the same tensor
                        v = given if v is g else conjugate(v, tensors)
                    out.append(v if self.fit is None else self._fitted(v, start + k, tensors))
            start += length
        return tuple(out)

    def _fitted(self, value: Any, index: int, tensors: bool) -> Any:
        """Sum and cast a cotangent to its input's shape and dtype."""
        if not self.general:
            shape, dtype = self.fit[index], None
        else:
            shape, dtype = self.fit[0][index], self.fit[1][index]
        if tensors:
            if tuple(value.shape) != shape:
                value = TABLE["sum_to_size"].entry(value, shape) if shape else TABLE["sum_all"].entry(value)
            if dtype is not None:
                if not self.op.takes_real_part and value.dtype.is_complex and dtype.kind != "c":
                    raise RuntimeError(NO_REAL_PART)
                value = TABLE["cast"].entry(value, dtype) if value.dtype.np != dtype else value
            return value
        if value.shape != shape:
            value = unbroadcast(value, shape)
        if dtype is not None and value.dtype != dtype:
            if not self.op.takes_real_part and value.dtype.kind == "c" and dtype.kind != "c":
                raise RuntimeError(NO_REAL_PART)
            value = cast_array(value, dtype)
        return value

    def public_names(self) -> dict[str, tuple[str, str]]:
        """PyTorch's names for what is kept, see saved_names.py."""
        return names_of(type(self).__name__, self.saved_names)

    def keeps_tensor(self, field: str) -> bool:
        """Whether a tensor (or a list of them) is kept under `field`, not a number or a shape."""
        return field in self.op.tensors or hasattr(self, field + "_vc")

    def __dir__(self) -> list[str]:
        found = []
        for name, (field, _) in self.public_names().items():
            found.append(f"_saved_{name}")
            if self.keeps_tensor(field):
                found.append(f"_raw_saved_{name}")
        return sorted([*super().__dir__(), *found])

    def kept(self, field: str, index: int | None) -> Any:
        """What is kept under `field`, as it is: a tensor or array, a Packed one, FREED or None."""
        if field not in self.op.tensors and getattr(self, field + "_vc") is FREED:
            return FREED
        value = getattr(self, field)
        return value if index is None or value is FREED else value[index]

    def pack(
        self, field: str, pack_hook: Any, unpack_hook: Any, index: int | None = None, made: Any = None
    ) -> None:
        """Put a saved tensor, or all or one of a list, through a pack hook, but not what stands for a number.

        The hook gets the tensor itself, with its history (of an output `made`, if that is known). Versions
        are not looked at any longer: what hooks bring back is what counts.
        """
        value = getattr(self, field, None)
        watched = field in self.op.tensors
        if value is None or not (watched or hasattr(self, field + "_vc")):
            return
        if isinstance(value, TensorBase) and value._vc is NUMBER:
            return
        self._hooks()  # what unpacks may register some: such a node is run with care
        if field in self.op.lists:
            packed = [
                t if t is None or index not in (None, k) else Packed(t, pack_hook, unpack_hook)
                for k, t in enumerate(value)
            ]
            pairs = zip(packed, getattr(self, field + "_v"), strict=True)
            versions = [0 if t.__class__ is Packed else v for t, v in pairs]
            setattr(self, field, tuple(packed))
            setattr(self, field + "_v", tuple(versions))
            return
        if isinstance(value, TensorBase):
            setattr(self, field, Packed(value, pack_hook, unpack_hook))
        else:
            t = self.output_tensor(field, value, getattr(self, field + "_vc")) if made is None else made
            setattr(self, field, Packed(t, pack_hook, unpack_hook))
        if not watched:
            setattr(self, field + "_vc", [0, None])
        setattr(self, field + "_v", 0)

    def step(self, g: Any, grads: dict[Any, Any], keep: bool) -> None:
        values = self.apply((g,) if self.op.nout == 1 else tuple(g), False)
        for edge, value in zip(self.edges, values, strict=True):
            if edge is not None and value is not None:
                held = grads.get(edge)
                grads[edge] = value if held is None else plus(held, value)
        if not keep:
            self.release()

    def __getattr__(self, name: str) -> Any:
        """`_saved_NAME` and `_raw_saved_NAME`, PyTorch's way to look at what a node keeps."""
        if name.startswith("_saved_"):
            source = self.public_names().get(name[7:])
            if source is not None:
                return presented(self, name[7:], self.saved(source[0], True), source[1])
        if name.startswith("_raw_saved_"):
            source = self.public_names().get(name[11:])
            if source is not None and self.keeps_tensor(source[0]):
                field, taken = source
                if field not in self.op.lists:
                    return handle_on(self, field)
                handles = [handle_on(self, field, k) for k in range(len(getattr(self, field)))]
                shown = presented(self, name[11:], handles, taken)
                return tuple(handle_on(_NOTHING, "") if h is None else h for h in shown)
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")


def port_of(node: Any, number: int) -> Port:
    """The node that stands for output `number` of a node with several."""
    port: Port | None = node.outputs[number]() if node.outputs[number] is not None else None
    if port is None:
        port = Port(node, number)
        refs = list(node.outputs)
        refs[number] = weakref.ref(port)
        node.outputs = tuple(refs)
    return port


class SavedTensor:
    """PyTorch's handle on one saved tensor; `register_hooks` packs it."""

    __slots__ = ("_node", "_field", "_index")
    __module__ = "torch._C._autograd"

    _node: Any
    _field: Any
    _index: int | None

    def __init__(self) -> None:
        raise RuntimeError("Trying to create a SavedTensor object from Python is forbidden.")

    @property
    def data(self) -> Any:
        """What is kept: the tensor, or what a pack hook made of it; None once it has been freed."""
        held = self._node.kept(self._field, self._index)
        return None if held is FREED else held.packed if held.__class__ is Packed else held

    @property
    def unpack_hook(self) -> Any:
        """The hook that brings the tensor back, None where there is none."""
        held = self._node.kept(self._field, self._index)
        return held.unpack_hook if held.__class__ is Packed else None

    def unpack(self) -> Any:
        """The tensor as backward gets it."""
        found = self._node.saved(self._field, True)
        return found if self._index is None else found[self._index]

    def register_hooks(self, *hooks: Any) -> None:
        """Replace the saved tensor by `pack_hook(tensor)`; `unpack_hook` brings it back when it is needed.

        Args:
            hooks: the two functions.

        Raises:
            TypeError: unless there are two functions.
            RuntimeError: if nothing is saved here, or there are hooks already.
        """
        if len(hooks) != 2 or not all(map(callable, hooks)):
            given = ", ".join(map(repr, (self, *hooks)))
            raise TypeError(
                "register_hooks(): incompatible function arguments. The following argument types are "
                "supported:\n"
                "    1. (self: torch._C._autograd.SavedTensor, arg0: collections.abc.Callable, arg1: "
                f"collections.abc.Callable) -> None\n\nInvoked with: {given}"
            )
        held = self._node.kept(self._field, self._index)
        if held is None:
            raise RuntimeError("Calling register_hooks on a saved tensor with value None is forbidden")
        if held is FREED:
            raise RuntimeError(
                "Calling register_hooks on a saved tensor after it has been freed. Saved intermediate values "
                "of "
                "the graph are freed when you call .backward() or autograd.grad(). Specify retain_graph=True "
                "if "
                "you need to backward through the graph a second time or if you need to access saved "
                "variables "
                "after calling backward."
            )
        if held.__class__ is Packed:
            raise RuntimeError(
                "Calling register_hooks on a saved tensor whose hooks have already been set. Hint: only one "
                "pair "
                "of hooks is allowed at a time."
            )
        self._node.pack(self._field, *hooks, index=self._index)


class _Nothing:
    """What an index keeps of a dimension that is not indexed."""

    def kept(self, field: str, index: int | None) -> None:
        """Nothing is kept."""

    def saved(self, field: str, tensors: bool) -> None:
        """Nothing was saved."""


_NOTHING: Final = _Nothing()


def handle_on(node: Any, field: Any, index: int | None = None) -> SavedTensor:
    """The handle on what `node` keeps under `field`, or on one tensor of a list there."""
    handle: SavedTensor = new(SavedTensor)
    handle._node, handle._field, handle._index = node, field, index
    return handle


class Packed:
    """A saved tensor that went through a pack hook."""

    __slots__ = ("packed", "unpack_hook", "_vc")

    def __init__(self, t: Any, pack_hook: Any, unpack_hook: Any) -> None:
        cell = cell_of(t)  # shared with what the hook gets
        version = list.__getitem__(cell, 0)
        self._vc = None
        before, modes.grad = modes.grad, None
        try:
            self.packed = pack_hook(alias(t, None) if t._level else t)
        finally:
            modes.grad = before
        if list.__getitem__(cell, 0) != version:
            raise RuntimeError(
                "A saved tensor pack hook is modifying its input in place. Tensors provided as input to pack "
                "hook cannot be modified by in-place operations as this can lead to unexpected "
                "side-effects. Please open an issue if you need to perform in-place operations on the input "
                "to a pack hook."
            )
        self.unpack_hook = unpack_hook

    def unpack(self) -> Any:
        """The tensor, brought back."""
        t = self.unpack_hook(self.packed)
        if not isinstance(t, TensorBase):
            raise TypeError(
                "Output of saved tensor unpack_hook expected to be a Tensor but got result of type "
                f"{type(t).__name__}"
            )
        return t

    @property
    def _data(self) -> Any:
        return self.unpack()._data

    @property
    def _req(self) -> bool:
        return False


def alias(t: Any, edge: Node | None) -> Any:
    """A tensor on the same memory with another history."""
    a = new(world.Tensor)
    a._data = t._data
    a._req = edge is not None
    if edge.__class__ is AccumulateGrad:  # still a leaf: the gradient goes where that of `t` goes
        a._accumulator = weakref.ref(edge)
        edge = None
    a._node = edge
    a._vc = t._vc
    a._view = None
    a._cut = None
    if t._level:
        a._level = t._level
        a._owner = t._owner
    return a


def conjugate(value: Any, tensors: bool) -> Any:
    """Complex conjugate in either world."""
    if value is None:
        return None
    return TABLE["conjugated"].entry(value) if tensors else np.conjugate(value)


def dtype_of(g: Any) -> Any:
    """The dtype of cotangents of one or several outputs."""
    first = next(part for part in g if part is not None) if isinstance(g, tuple | list) else g
    return first.dtype


def narrowed(d: Any, dtype: Any) -> Any:
    """A cotangent in its input's dtype, if that is bfloat16.

    NumPy knows it as a dtype of somebody's own, and gives float32 where a Python number stands beside it.
    """
    wanted, given = getattr(dtype, "np", dtype), getattr(d.dtype, "np", d.dtype)  # sparse ones have ours
    return cast_array(d, wanted) if wanted.kind == "V" and given.kind == "f" else d


def narrowed_list(values: list[Any], g: Any, inputs: Any, dtypes: Any) -> list[Any]:
    """`narrowed` cotangents of one parameter or of a list: of its arrays or dtypes, where they are known."""
    if dtype_of(g).itemsize != 2:
        return values
    known = dtypes if inputs is None else [None if a is None else a.dtype for a in as_list(inputs)]
    wanted = [dtype_of(g)] * len(values) if known is None else as_list(known)
    return [v if v is None or w is None else narrowed(v, w) for v, w in zip(values, wanted, strict=True)]


def as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, tuple | list) else [value]


def plus(held: Any, d: Any) -> Any:
    """The sum of two cotangent arrays, computed into the first where nobody else can see it.

    `held` comes from the table of pending cotangents: that entry and the caller's variable are two
    references, besides those that the question makes; any more and somebody else has it.
    """
    if held.__class__ is np.ndarray and held.dtype.kind == "c":
        d = times_one(d)
    if _references(held) == _PENDING and held.__class__ is np.ndarray and held.base is None:
        return _add(held, d, held)
    return held + d


def unbroadcast(value: Any, shape: tuple[int, ...]) -> Any:
    """Sum an array over the dimensions that broadcasting added or stretched."""
    if value.shape == shape:
        return value
    lead = value.ndim - len(shape)
    axes = tuple(range(lead)) + tuple(
        i + lead for i, n in enumerate(shape) if n == 1 and value.shape[i + lead] != 1
    )
    # Of dimensions that were added the sum is taken as a view of what has them still, as in PyTorch.
    if not axes:
        return value.reshape(shape)
    summed = sum_(value, axes, True)
    return summed.reshape(shape) if lead else summed


def cast_array(value: Any, dtype: Any) -> Any:
    """Cast a cotangent; a real input keeps the real part of a complex cotangent."""
    if isinstance(value, Coo):
        return value.astype(dtype)
    if value.dtype.kind == "c" and dtype.kind != "c":
        value = value.real
    return recast(value, dtype)
