"""Views: which tensor looks into whose memory, and what an in-place write does to their histories.

A view remembers its base and how to make it again from the base (a chain of view operations).
Writing in place with recording on *rebases* history: the base's new node is `CopySlices`, which sends
the cotangent of the written region through the writing operation and the rest straight on. All other
views of that base become stale: their node is made anew, from the base's new history, when next used.
"""

from __future__ import annotations

import weakref
from typing import Any, ClassVar, Final, NoReturn

import numpy as np

from ..kernels.shape import copied_in
from ..ops.table import TABLE, Primitive
from .base import (
    DETACHED,
    GivenCell,
    InferenceCell,
    TensorBase,
    UncountedCell,
    active,
    cell_of,
    count,
    holds_integers,
    wrap,
)
from .modes import modes
from .node import FREED, FREED_TEXT, Node, accumulator_of, next_seq
from .notes import annotate, recorded_at
from .where import here

# How a view came to be; decides what an in-place write through it may do.
DEFAULT, NO_GRAD, MULTI, INFERENCE, CUSTOM = (
    "default",
    "no_grad",
    "multi_output",
    "inference",
    "custom_function",
)

OVERLAP: Final = (
    "unsupported operation: more than one element of the written-to tensor refers to a single memory "
    "location. Please clone() the tensor before performing the operation."
)
# Views that are more than another way through the same elements.
_CHANGING: Final = frozenset(("conj_view", "neg_view", "view_as_real_of", "view_as_complex_of"))


class View:
    """How one tensor views another: `op(parent, *statics)[output]`."""

    __slots__ = (
        "base",
        "parent",
        "op",
        "statics",
        "output",
        "origin",
        "stale",
        "inherited",
        "producer",
        "version",
    )

    def __init__(
        self,
        base: TensorBase,
        parent: View | None,
        op: Any,
        statics: tuple[Any, ...],
        output: int,
        origin: str,
    ) -> None:
        self.base = base
        self.parent = parent
        self.op = op
        self.statics = statics
        self.output = output
        self.origin = origin
        self.stale = False
        # requires a gradient because its base does, but has no history: gradients end here
        self.inherited = False
        self.producer = ""
        self.version = 0  # of the memory, when the history was made

    def without_base(self) -> View:
        """The same view of anything: nodes keep this, for the base itself leads to the node."""
        parent = None if self.parent is None else self.parent.without_base()
        return View(None, parent, self.op, self.statics, self.output, self.origin)  # type: ignore[arg-type]

    def chain(self) -> list[View]:
        """The views from the base to this one."""
        links: list[View] = []
        link: View | None = self
        while link is not None:
            links.append(link)
            link = link.parent
        links.reverse()
        return links

    def replay(self, base: Any, on_arrays: bool) -> Any:
        """The same view of another base (an array or a Tensor)."""
        value = base
        for link in self.chain():
            made = (link.op.kernel if on_arrays else link.op.entry)(value, *link.statics)
            value = made[link.output] if link.op.nout != 1 else made
        return value

    def repeats(self, base_shape: tuple[int, ...]) -> bool:
        """Whether the view shows elements of its base more than once, by dimensions without a step."""
        if all(link.op.name != "expand_to" for link in self.chain()):
            return False
        seen = self.replay(np.empty(base_shape, np.int8), True)
        return bool(seen.size) and any(
            step == 0 and n > 1 for step, n in zip(seen.strides, seen.shape, strict=True)
        )

    def pull(self, g: Any, base_shape: tuple[int, ...], tensors: bool) -> Any:
        """Pullback of the view: a cotangent of the base's shape from one of the view's shape."""
        links = self.chain()
        changing = next((link.op.name for link in links if link.op.name in _CHANGING), "")
        kind = np.complex64 if changing in ("conj_view", "view_as_real_of") else np.float32
        dummy: Any = np.broadcast_to(np.empty((), kind), base_shape)
        shapes = []
        for link in links:
            shapes.append(dummy.shape)
            made = link.op.kernel(dummy, *link.statics)
            dummy = made[link.output] if link.op.nout != 1 else made
        for link, shape in zip(reversed(links), reversed(shapes), strict=True):
            op: Primitive = link.op
            name = op.tensors[0]
            known = dict(zip(op.statics, link.statics, strict=True)) | {f"{name}_shape": shape}
            rule = op.rules[name] if tensors else op.raw_rules[name]
            if op.nout != 1:
                count = len(op.kernel(np.broadcast_to(np.empty((), bool), shape), *link.statics))
                g = tuple(g if k == link.output else None for k in range(count))
            g = rule(g, *[known[argument] for argument in op.rule_arguments(name)])
        return g

    def scatter(self, base: Any, value: Any, tensors: bool) -> Any:
        """`base` with the viewed elements replaced by `value`, as a new array or Tensor."""
        if not tensors:
            out = base.copy()
            inside = self.replay(out, True)
            if np.may_share_memory(inside, out):
                inside[...] = value
                return out
        # A view of memory (as_strided) shares none with an array of another layout; nor do Tensors here.
        shape = tuple(base.shape)
        whole = value.dtype.is_complex if tensors else value.dtype.kind == "c"
        ones = np.full(tuple(value.shape), 1 + 1j if whole else 1, np.complex64 if whole else np.float32)
        shown = self.pull(ones, shape, False)
        put = self.pull(value, shape, tensors)
        parts = shown.dtype.kind == "c" and not whole  # real or imaginary parts, of which the other one stays
        if parts:
            shown = np.stack((shown.real, shown.imag), -1)
            as_real, as_complex = (TABLE[name] for name in ("parted", "joined"))
            part, join = (op.entry if tensors else op.kernel for op in (as_real, as_complex))
            put, base = part(put), part(base)
        if not tensors:
            found = np.where(shown != 0, put, base)
            return join(found) if parts else found
        mask = wrap(shown != 0)
        if hasattr(base._data, "beside"):  # where there are no numbers, there are none of the mask
            mask = base._data.beside(mask)
        found = TABLE["where"].entry(mask, put, base)
        return join(found) if parts else found


def link_view(
    t: Any, parent: Any, op: Primitive, statics: tuple[Any, ...], output: int = 0, origin: str | None = None
) -> None:
    """Note that the new tensor `t` is a view of `parent`."""
    if not op.rules:  # no derivative passes (the bits as another type): only the version is shared
        t._vc = cell_of(parent)
        return
    if isinstance(parent._vc, InferenceCell):  # tensors without history have no views to keep track of
        t._vc = parent._vc if parent._vc.__class__ is InferenceCell else InferenceCell((0, None, modes.off))
        return
    above = parent._view
    base = parent if above is None else above.base
    if origin is None:
        if above is not None and above.origin == INFERENCE:
            origin = INFERENCE
        elif modes.grad is None:
            origin = INFERENCE if modes.inference else NO_GRAD
        elif op.multi_view:
            origin = MULTI
        else:
            origin = DEFAULT if above is None else above.origin
    t._view = view = View(base, above, op, statics, output, origin)
    if t._req:
        view.producer = op.node_name
    elif base._req and modes.grad is None:
        t._req = view.inherited = True
    cell = cell_of(parent)
    view.version = cell[0]
    t._vc = cell
    members = list.__getitem__(cell, 1)
    if members is None:
        cell[1] = [weakref.ref(t)]
    else:
        if len(members) > 16 and len(members) & (len(members) - 1) == 0:
            members[:] = [m for m in members if m() is not None]
        members.append(weakref.ref(t))


def views_of(base: TensorBase) -> list[Any]:
    """The living views of `base`."""
    cell = base._vc
    members = None if cell is None else list.__getitem__(cell, 1)
    if not members:
        return []
    alive = [m() for m in members]
    return [v for v in alive if v is not None and v._view is not None and v._view.base is base]


def edge_of(t: Any) -> Any:
    """The node that collects the cotangent of `t`, which requires a gradient; None if that is lost."""
    node: Node | None = t._node
    if node is not None:
        return node
    view = t._view
    if view is None:  # accumulator_of written out: every operation on a parameter comes by
        known = t._accumulator
        node = None if known is None else known()
        return accumulator_of(t) if node is None else node
    if view.stale:
        if view.origin != DEFAULT:
            _refuse_view(view, t, "its base or another view of its base has been")
        view.stale = view.inherited = False
        view.version = t._vc[0]
        node = t._node = _anew(view, t)
        view.producer = view.producer or "AsStridedBackward0"
        if t._retains:
            node._hooks().retain[0] = weakref.ref(t)
        return node
    return None if view.inherited else accumulator_of(t)


def _anew(view: View, t: Any) -> Node:
    """The history of a view made anew: its own operation if that changes what the elements are."""
    if (view.op.name not in _CHANGING and not modes.view_replay) or not view.base._req:
        return AsStridedBackward0(view, t)
    base = wrap(view.base._data)
    base._req, base._node = True, edge_of(view.base)
    before = modes.grad
    modes.grad = True
    try:
        shown = view.replay(base, False)
        return edge_of(shown)  # type: ignore[no-any-return]
    finally:
        modes.grad = before


def inherit(x: Any, value: bool) -> bool:
    """Note that leaf `x` is about to require a gradient or not: so do its views, which have no history.

    Returns:
        whether `x` will require a gradient because its own base does.
    """
    cell = x._vc
    for ref in (None if cell is None else list.__getitem__(cell, 1)) or ():
        t: Any = ref()
        if t is None or t._view is None or t._view.base is not x or t._node is not None:
            continue
        view = t._view
        if view.stale:
            t._req = view.stale = value or bool(view.producer)
        elif value and t._req and (view.version - cell[0]) % DETACHED:
            view.stale = True
        elif view.inherited or not t._req:
            t._req = value
            # written since: the history is made anew
            view.stale = value and bool((view.version - cell[0]) % DETACHED)
            view.inherited = value and not view.stale
    if x._view is None:
        return False
    x._view.inherited = not value and x._view.base._req
    return x._view.inherited  # type: ignore[no-any-return]


def mark_stale(base: TensorBase, written: TensorBase) -> None:
    """After a write to the memory of `base`: its views' histories are to be remade from their bases."""
    cell = base._vc
    for ref in (None if cell is None else list.__getitem__(cell, 1)) or ():
        view: Any = ref()
        if view is None or view._view is None or (view is written and written is base):
            continue
        if not view._view.base._req and view._node is None:
            continue
        view._req = True
        if view._retains and view._node is not None:
            forget_retained(view)
        view._node = None
        view._view.stale = True


def forget_retained(t: Any) -> None:
    """Take from the old history of `t`, which retains its gradient, what collects it there."""
    node = t.grad_fn
    if node is not None and node.hooks is not None:
        node.hooks.retain.pop(t.output_nr, None)


def succeed(t: Any, node: Node) -> None:
    """Give `t` a new history; a retained gradient is collected there from now on."""
    if t._retains:
        forget_retained(t)
        node._hooks().retain[0] = weakref.ref(t)
    t._node = node
    t._req = True
    if holds_integers(t):
        active.ever = True  # what is computed from it is refused


def watched(cell: list[Any]) -> bool:
    """Whether a write to memory with this cell changes a view's history; forgets views that are gone."""
    members = [ref for ref in cell[1] if ref() is not None]
    cell[1] = members or None
    for ref in members:
        t = ref()
        if t is None:
            continue
        if t is ref:  # a keeper: somebody has to be told of writes
            return True
        if t._view is not None and (t._view.base._req or t._node is not None):
            return True
    return False


class _HandWritten(Node):
    """Nodes whose pullback is a method, run in either world."""

    __slots__ = ()

    def _born(self, edges: tuple[Any, ...]) -> None:
        self.edges = edges
        self.seq = next_seq()
        self.code, self.lasti = here()
        self.hooks = None
        self.fit = None

    def step(self, g: Any, grads: dict[Any, Any], keep: bool) -> None:
        for edge, value in zip(self.edges, self.apply((g,), False), strict=True):
            if edge is not None and value is not None:
                held = grads.get(edge)
                grads[edge] = value if held is None else held + value
        if not keep:
            self.release()


class AsStridedBackward0(_HandWritten):
    """History of a view whose base was written in place: the pullback of the whole view chain."""

    __slots__ = ("view", "base_shape")
    __module__ = "builtins"

    def __init__(self, view: View, t: Any) -> None:
        self._born((edge_of(view.base) if view.base._req else None,))
        self.view = view.without_base()
        self.base_shape = tuple(view.base._data.shape)

    def apply(self, grads: tuple[Any, ...], tensors: bool) -> tuple[Any, ...]:
        g = grads[0]
        if g is None:
            return (None,)
        if 0 in g.shape and not (tensors and g._level):  # nothing flows, not even a history
            kind = g.dtype.np if tensors else g.dtype
            nothing = np.zeros(self.base_shape, kind)
            return (wrap(nothing) if tensors else nothing,)
        made = self.view.pull(g, self.base_shape, tensors)
        if tensors:
            return (TABLE["alias"].entry(g) if made is g else made,)  # what is handed on is another tensor
        return (made.copy() if np.may_share_memory(made, g) else made,)  # PyTorch puts it into new memory


def _memory_order(base: Any) -> tuple[int, ...]:
    """The dimensions of `base` from the widest step in memory to the narrowest."""
    data = base._data
    steps = data.strides if isinstance(data, np.ndarray) else ()
    return tuple(sorted(range(len(data.shape)), key=lambda d: -abs(steps[d]) if steps else d))


class CopySlices(_HandWritten):
    """History of a base after a write through a view: `inner` is the writing operation's node."""

    __slots__ = ("view", "inner", "order", "places")
    __module__ = "builtins"
    materialize: ClassVar[bool] = False
    inner: Any

    def __init__(self, base_edge: Node | None, view: View, inner: Node) -> None:
        self._born((base_edge, *inner.edges[1:]))
        self.places = inner.differentiable(tuple(range(len(inner.edges))))
        self.view = view.without_base()
        self.inner = inner
        self.order = _memory_order(view.base)

    def apply(self, grads: tuple[Any, ...], tensors: bool) -> tuple[Any, ...]:
        g = grads[0]
        if self.inner is FREED:
            raise RuntimeError(FREED_TEXT)
        if g is None:
            return (None,) * len(self.edges)
        try:
            inside = self.view.replay(g, not tensors)
        except (ValueError, RuntimeError):  # a view of other memory: the cotangent takes on the base's layout
            if tensors:
                g = TABLE["ordered_clone"].entry(g, self.order)
            else:
                g = copied_in(g, self.order)
            inside = self.view.replay(g, not tensors)
        if not tensors:
            inside = inside.copy()
        first, *rest = self.inner.apply((inside,), tensors)
        if self.edges[0] is None:
            return (None, *rest)
        if first is None:
            first = TABLE["zeros_like"].entry(inside) if tensors else np.zeros_like(inside)
        elif self.view.repeats(tuple(g.shape)):
            raise RuntimeError(OVERLAP)
        return (self.view.scatter(g, first, tensors), *rest)

    def differentiable(self, per_edge: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(per_edge[i] for i in self.places)

    def release(self) -> None:
        self.inner = FREED


def rebase(x: Any, node: Node) -> None:
    """Give the tensor just written in place the history `node`."""
    view = x._view
    if view is None or view.origin in (NO_GRAD, INFERENCE):
        succeed(x, node)
        mark_stale(x, x)
        return
    base = view.base
    view.producer = view.producer or "AsStridedBackward0"
    slices = CopySlices(edge_of(base) if base._req else None, view, node)
    succeed(base, slices)
    mark_stale(base, x)


def inference_write(cell: InferenceCell | UncountedCell) -> NoReturn:
    """Raise what PyTorch raises once a tensor of inference mode has been written outside of it."""
    error = RuntimeError(
        "Inplace update to inference tensor outside InferenceMode is not allowed.You can make a clone to get "
        "a normal tensor before doing inplace update.See https://github.com/pytorch/rfcs/pull/17 for more "
        "details."
    )
    annotate(error, "inference_write", off=cell.entered, written=here())
    raise error


def count_write(t: Any) -> None:
    """Count a write to a tensor; inside inference mode tensors are written that have no count.

    Raises:
        RuntimeError: for a tensor of inference mode outside of it.
    """
    cell = cell_of(t)
    if isinstance(cell, GivenCell):
        count(cell)
    elif not isinstance(cell, (InferenceCell, UncountedCell)):
        cell[0] += 1
    elif not modes.inference:
        inference_write(cell)


def check_writable(x: Any) -> None:
    """Raise what PyTorch raises when `x` may not be written in place while recording."""
    if modes.grad is None:
        return
    view = x._view
    if view is not None:
        base = view.base
        if view.origin != DEFAULT:
            _refuse_view(view, x)
        if x._req and base._node is None and not (base._view is not None and base._view.stale):
            error = RuntimeError(
                "a view of a leaf Variable that requires grad is being used in an in-place operation."
            )
            annotate(error, "leaf_view", recorded=recorded_at(x._node), written=here())
            raise error
    # A view whose history was never made counts as a leaf here, even if its base has been written since.
    if x._req and x._node is None and not (view is not None and view.stale and view.producer):
        error = RuntimeError("a leaf Variable that requires grad is being used in an in-place operation.")
        annotate(error, "leaf", written=here())
        raise error


def _refuse_view(view: View, x: Any, modified: str = "is being") -> NoReturn:
    """Raise what PyTorch raises for a write that this view's history cannot follow."""
    name, _, overload = view.producer.rpartition("Backward")
    producer = name + overload.strip("0") if overload.isdigit() else view.producer
    inference = view.origin == INFERENCE
    mode, instead = (
        ("inference mode", "in normal mode") if inference else ("no_grad mode", "with grad mode enabled")
    )
    if producer and view.origin in (NO_GRAD, INFERENCE):
        what = (
            f"Output {view.output} of {producer} is a view of a view which was created in {mode} and "
            f"{modified} modified inplace {instead}."
        )
    elif producer:
        what = f"Output {view.output} of {producer} is a view and {modified} modified inplace."
    else:
        what = f"A view was created in {mode} and {modified} modified inplace {instead}."
    if view.origin == MULTI:
        why = (
            "This view is the output of a function that returns multiple views. Such functions do not allow "
            "the output views to be modified inplace. You should replace the inplace operation by an "
            "out-of-place one."
        )
    elif view.origin == CUSTOM:
        why = (
            "This view was created inside a custom Function (or because an input was returned as-is) and the "
            "autograd logic to handle view+inplace would override the custom backward associated with the "
            "custom Function, leading to incorrect gradients. This behavior is forbidden. You can fix this "
            "by cloning the output of the custom Function."
        )
    else:
        block = "inference_mode" if inference else "no_grad"
        why = (
            "Given that this use case is ambiguous and error-prone, it is forbidden. You can clarify your "
            f"code by moving both the view and the inplace either both inside the {block} block (if you "
            "don't want the inplace to be tracked) or both outside (if you want the inplace to be tracked)."
        )
    error = RuntimeError(f"{what} {why}")
    made = recorded_at(x._node) if x._node is not None else None if x._cut is None else x._cut[1:3]
    off = None if x._cut is None else x._cut[3]
    annotate(error, _KINDS[view.origin], off=off, made=made, written=here())
    raise error


# why a view may not be written -> which note says so
_KINDS: Final = {
    MULTI: "multi_view", CUSTOM: "custom_view", NO_GRAD: "no_grad_view", INFERENCE: "no_grad_view"
}  # fmt: skip
