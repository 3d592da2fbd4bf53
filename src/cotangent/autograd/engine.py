"""Backward: walking the recorded graph from the roots to the leaves.

The nodes that can be reached, sorted by descending creation number, are a topological order: a node's
inputs are older than itself. So there is no dependency counting and no recursion.

There are two loops. The *fast* one runs an ordinary backward - plain arrays, no hooks, no captured
inputs - and lets each node's generated `step` put its results straight into the table of pending
cotangents. The *careful* one does everything else: hooks, `inputs=`, retained gradients, anomaly
checks, and the second world, where cotangents are Tensors (`create_graph=True`, vmap, jvp, tracing).
A leaf is accumulated as soon as its last contribution is in, because post-accumulate hooks count on it
(where there are no others, inner nodes take the fast loop's steps).
"""

from __future__ import annotations

import operator
import weakref
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import numpy as np

from ..kernels.elementwise import times_one
from ..kernels.fperr import QUIET, reset_errors, set_errors
from ..kernels.shape import element_strides
from ..ops.table import TABLE
from .accumulate import accumulate_all, accumulate_array, accumulate_tensor, check_leaf
from .anomaly import watched
from .base import TensorBase, active, as_array
from .modes import made, modes, next_task, set_recording
from .node import FREED_TEXT, AccumulateGrad, Node, Port
from .notes import annotate, raised_at, recorded_at
from .recorded import OpNode
from .running import DEEPEST, call_back, check_hook_result, hook_name, in_thread
from .views import link_view
from .where import here

NOT_THERE: Final = "NotImplemented"  # the node of operations without a derivative: to run it is the mistake
_SEQ: Final = operator.attrgetter("seq")


def collect(roots: Sequence[Node]) -> tuple[list[Node], list[Node], int]:
    """(inner nodes in topological order, leaves, whether the careful loop is needed: 1 for leaves only)."""
    seen: set[Node] = set(roots)
    stack = list(seen)
    order: list[Node] = []
    leaves: list[Node] = []
    careful = 0
    while stack:
        node = stack.pop()
        if (hooks := node.hooks) is not None:
            careful |= 1 if node.__class__ is AccumulateGrad and hooks.only_after() else 2
        if node.__class__ is AccumulateGrad:
            leaves.append(node)
            continue
        order.append(node)
        for edge in node.edges:
            if edge is not None and edge not in seen:
                seen.add(edge)
                stack.append(edge)
    order.sort(key=_SEQ, reverse=True)
    return order, leaves, careful


def run(
    roots: Sequence[Node],
    cotangents: Sequence[Any],
    *,
    keep: bool,
    create_graph: bool,
    inputs: Sequence[Node] | None = None,
    accumulate: bool = True,
) -> list[Any]:
    """Run backward.

    Args:
        roots: nodes to start from (one per differentiated tensor).
        cotangents: Tensors, one per root.
        keep: whether the graph's saved values stay for another backward.
        create_graph: whether the run itself is recorded.
        inputs: where the run ends; None means all leaves.
        accumulate: whether gradients are added to `.grad` of the leaves (False: they are returned).

    Returns:
        for `accumulate=False` the cotangent of each input, None where none arrived.
    """
    if modes.depth >= DEEPEST:
        return in_thread(  # type: ignore[no-any-return]
            partial(
                run, roots, cotangents, keep=keep, create_graph=create_graph, inputs=inputs,
                accumulate=accumulate
            )
        )
    order, leaves, careful = collect(roots)
    tensors = create_graph or (active.absorbing and (modes.dispatch or active.dispatching))
    tensors = tensors or (active.masked and any(node.wants_tensors for node in order))
    arrays = not tensors and all(t._level == 0 and t._data.__class__ is np.ndarray for t in cotangents)
    before, inside, outer, task, given = modes.grad, modes.inside, modes.run, modes.task, modes.given
    was = modes.node, modes.keep, modes.callbacks, modes.extras.saved_hooks
    modes.given = tuple(cotangents)
    modes.task = next_task() if inputs is None else -next_task()
    modes.node, modes.keep, modes.callbacks, modes.extras.saved_hooks = None, keep, None, was[3][:]
    modes.depth += 1
    set_recording(create_graph)
    token = set_errors(QUIET)
    try:
        plain = arrays and careful < 2 and inputs is None and not (modes.extras.anomaly or active.absorbing)
        if plain and not careful:
            grads: dict[Any, Any] = {}
            for root, t in zip(roots, cotangents, strict=True):
                held = grads.get(root)
                grads[root] = t._data if held is None else held + t._data
            _fast(order, leaves, grads, keep)
            found: list[Any] = []
        else:
            modes.run = Careful(order, leaves, keep, not arrays, inputs, accumulate)
            found = modes.run.run(roots, cotangents, plain)
        if modes.callbacks:
            call_back()
        if not keep:
            modes.ran.appendleft((weakref.ref(roots[0]), *here()))
        return found
    finally:
        reset_errors(token)
        modes.node, modes.keep, modes.callbacks, modes.extras.saved_hooks = was
        modes.grad, modes.inside, modes.run, modes.task = before, inside, outer, task
        modes.given = given
        modes.depth -= 1


def run_scalar(root: Node, data: Any, keep: bool) -> bool:
    """The most frequent run of all: from one real scalar on plain arrays to all leaves.

    Args:
        root: the node of the scalar.
        data: its array.
        keep: whether the graph's saved values stay.

    Returns:
        False, with nothing done, if the run needs the careful loop.
    """
    if modes.extras.anomaly or root is None or modes.task or active.absorbing:
        return False
    order, leaves, careful = collect((root,))
    if careful or (active.masked and any(node.wants_tensors for node in order)):
        return False
    before = modes.grad
    modes.grad, modes.task, modes.keep = None, next_task(), keep
    token = set_errors(QUIET)
    try:
        _fast(order, leaves, {root: np.ones(data.shape, data.dtype)}, keep)
        if modes.callbacks:
            call_back()
        if not keep:
            modes.ran.appendleft((weakref.ref(root), *here()))
    finally:
        reset_errors(token)
        modes.grad, modes.task, modes.callbacks = before, 0, None
    return True


def _fast(order: list[Node], leaves: list[Node], grads: dict[Any, Any], keep: bool) -> None:
    take = grads.pop
    node: Any = None
    try:
        for node in order:
            g = take(node, None)
            if g is not None:
                node.step(g, grads, keep)
    except Exception as error:
        first = _refused_before(order, node, grads)
        explain(error, node)
        _deliver(order, node, leaves, grads)
        if first is not None:
            first.step(take(first), grads, keep)  # raises
        raise
    del order[:]
    g = None  # what the leaves get may be views of it, and is theirs alone
    accumulate_all(leaves, take)


def _refused_before(order: list[Node], failed: Node, grads: dict[Any, Any]) -> Any:
    """A node without derivative that is ready where another failed: PyTorch takes these first."""
    left = [] if failed.op and failed.op.node_name == NOT_THERE else order[order.index(failed) :]
    waited = {edge for node in left for edge in node.edges}
    ready = (n for n in left[1:] if n in grads and n not in waited)
    return next((n for n in ready if n.op and n.op.node_name == NOT_THERE), None)


def _deliver(order: list[Node], failed: Node, leaves: list[Node], grads: dict[Any, Any]) -> None:
    """After an error: accumulate into the leaves whose last contribution was in before it."""
    missing = {edge for node in order[order.index(failed) :] for edge in node.edges}
    accumulate_all([leaf for leaf in leaves if leaf not in missing], grads.pop)


def explain(error: Exception, node: Any) -> None:
    """Say in a note where the operation was recorded whose backward failed."""
    if hasattr(error, "__notes__"):
        return
    if str(error) == FREED_TEXT:
        annotate(error, "freed", recorded=recorded_at(node), first=_freed_by(node))
    elif isinstance(error, ValueError) and "to unpack" in str(error) and getattr(node, "_saved", None) == ():
        annotate(error, "function_unsaved", recorded=recorded_at(node), here=raised_at(error))
    else:
        annotate(error, "rule", recorded=recorded_at(node))


def _freed_by(node: Any) -> Any:
    """Where the backward was called that freed what `node` had saved, if that was one of the last ones."""
    gone = None
    for root, *spot in modes.ran:
        start = root()
        if start is None:
            gone = gone or spot
        elif node in collect((start,))[0]:
            return spot
    return gone


def _contributions(order: list[Node], leaves: list[Node]) -> dict[Node, int]:
    """How many edges lead into each leaf."""
    pending = dict.fromkeys(leaves, 0)
    for node in order:
        for edge in node.edges:
            if edge is not None and edge.__class__ is AccumulateGrad:
                pending[edge] += 1
    return pending


class Careful:
    """One run of the careful loop."""

    def __init__(
        self,
        order: list[Node],
        leaves: list[Node],
        keep: bool,
        tensors: bool,
        inputs: Sequence[Node] | None,
        accumulate: bool,
    ) -> None:
        self.order = order
        self.pending = _contributions(order, leaves)
        self.entering = dict(self.pending)
        self.keep = keep
        self.tensors = tensors
        self.accumulate = accumulate
        self.captured: dict[Node, Any] = {}
        self.inputs = inputs
        self.wanted: set[Node] | None = None if inputs is None else set(inputs)
        self.needed = self._needed()
        self.grads: dict[Any, Any] = {}
        self.only: Node | None = None  # the root, where there is one
        self.given: list[Any] = []  # the tensors that the run began with
        # id of an array -> the tensor that stands for it: one array, one tensor
        self.faces: dict[int, Any] = {}
        self.shares: dict[int, Any] = {}  # arrays by id: views here, but no views in PyTorch

    def comes_to(self, node: Node) -> bool:
        """Whether this run computes the cotangent of `node`."""
        return (node in self.order or node in self.pending) and self.needs(node)

    def _needed(self) -> set[Node] | None:
        """The nodes that are wanted inputs or lie on a way to one; None means all.

        A node with several outputs is needed, or not, with all of them.
        """
        if self.wanted is None:
            return None
        needed = {_whole(node) for node in self.wanted}
        for node in reversed(self.order):  # oldest first: inputs before users
            if node.__class__ is not Port and any(_whole(edge) in needed for edge in node.edges):
                needed.add(node)
        return needed

    def needs(self, node: Any) -> bool:
        """Whether the cotangent of `node` is asked for, or leads to one that is."""
        return self.needed is None or _whole(node) in self.needed

    def run(self, roots: Sequence[Node], cotangents: Sequence[Any], plain: bool = False) -> list[Any]:
        """Run all nodes, in the fast loop's steps if they are `plain`; the cotangents of wanted inputs."""
        self.only = roots[0] if len(roots) == 1 else None
        for number, (root, t) in enumerate(zip(roots, cotangents, strict=True)):
            check_shape(root, t, "", number)
            self.add(root, t if self.tensors else t._data)
            if not self.tensors:
                self.faces[id(t._data)] = t
                self.given.append(t)
        for root in roots:
            if root.__class__ is AccumulateGrad and not self.pending[root]:
                self.leaf(root)
        for node in self.order:
            if plain:
                self.quick(node)
            elif self.needs(node):
                self.node(node)
            else:
                self.passed(node, self.grads.pop(node, None))
        if self.inputs is None:
            return []
        return [self.captured.get(node) for node in self.inputs]

    def quick(self, node: Any) -> None:
        """Run an inner node that has no hooks, on arrays."""
        try:
            if node in self.grads:
                # The cotangent may become a leaf's gradient: leaves take what nobody else refers to.
                node.step(self.grads.pop(node), self.grads, self.keep)
        except Exception as error:
            explain(error, node)
            raise
        self.spent(node.edges)

    def add(self, node: Any, g: Any) -> None:
        """Add a cotangent to what is pending for `node`."""
        held = self.grads.get(node)
        if isinstance(g, np.generic):  # one array, one tensor
            g = np.asarray(g)
        if held is not None and g.__class__ is np.ndarray and g.dtype.kind == "c":
            g = times_one(g)
        self.grads[node] = g if held is None else held + g

    def spent(self, edges: tuple[Any, ...]) -> None:
        """Note that the edges have delivered; run leaves that got their last contribution."""
        for edge in edges:
            if edge is not None and edge.__class__ is AccumulateGrad:
                self.pending[edge] -= 1
                if not self.pending[edge]:
                    self.leaf(edge)

    def shown(self, g: Any) -> Any:
        """A cotangent as the Tensor a hook sees."""
        if self.tensors or g is None:
            return g
        face = self.faces.get(id(g))
        if face is None or face._data is not g:
            face = made(as_array(g))
            self.faces[id(face._data)] = face
        return face

    def seen_in(self, g: Any) -> Any:
        """The tensor whose memory the cotangent `g` looks into: another one that is shown, or None."""
        for face in self.faces.values():
            data = face._data
            if g.base is data:
                return face
            if data.base is not None and g.base is data.base and any(face is t for t in self.given):
                return face
        return None

    def looking(self, g: Any, base: Any) -> None:
        """Let what stands for `g` be a view of the tensor `base`, in whose memory it lies."""
        data = base._data
        statics = (g.shape, element_strides(g), (g.ctypes.data - data.ctypes.data) // g.itemsize, None)
        face = made(g)
        link_view(face, base, TABLE["as_strided_of"], statics)
        self.faces[id(g)] = face

    def expanded(self, g: Any) -> None:
        """Let what stands for `g`, one number seen many times, be a view, as PyTorch's expanded gradients."""
        if id(g) not in self.faces:
            face = TABLE["expand_to"].entry(made(g[(slice(1),) * g.ndim]), g.shape)
            face._data = g
            self.faces[id(g)] = face

    def taken(self, t: Any) -> Any:
        """A Tensor from a hook as a cotangent of this run."""
        return t if self.tensors or t is None else t._data

    def tensor_hooks(self, node: Any, hooks: Any, output: int, g: Any) -> Any:
        """Run the hooks of the tensor that is output `output` of `node` on its cotangent, even on none."""
        if hooks is None:
            return g
        given = hooks.tensor.get(output)
        for hook in () if given is None else given.all():
            result = hook(self.shown(g))
            if result is not None:
                if not isinstance(result, TensorBase):
                    raise TypeError(f"expected Variable, but hook returned '{type(result).__name__}'")
                if g is not None:
                    check_hook_result(hook, self.shown(g), result)
                g = self.taken(result)
        kept = hooks.retain.get(output)
        if kept is not None and g is not None:
            t = kept()
            if t is not None:
                value = TABLE["clone_for_grad"].entry(g) if self.tensors else made(as_array(g).copy())
                t._grad = value if t._grad is None else TABLE["add"].entry(t._grad, value)
        return g

    def capture(self, node: Any, g: Any) -> None:
        """Keep the cotangent of a wanted input."""
        if self.wanted is not None and node in self.wanted and g is not None and not self.accumulate:
            if not (self.tensors or g.__class__ is not np.ndarray or g.base is None or id(g) in self.faces):
                seen = self.seen_in(g)
                if seen is not None:
                    self.looking(g, seen)
                elif g.size and 0 in g.strides and id(g) in self.shares:
                    self.captured[node] = made(np.array(g))
                    return
                elif g.ndim and g.size and not any(g.strides):
                    self.expanded(g)
                elif g.base.ndim > g.ndim > 0 and g.base.shape == (1,) * (g.base.ndim - g.ndim) + g.shape:
                    self.looking(g, made(g.base))  # summed over dimensions that broadcasting had added
            self.captured[node] = self.shown(g)

    def leaf(self, node: Any) -> None:
        """Accumulate into a leaf: its last contribution is in."""
        g = self.grads.pop(node, None)
        if not self.needs(node):
            if self.only is not None and node is self.only:
                self.tensor_hooks(node, node.hooks, 0, g)
            return
        modes.node = node
        hooks = node.hooks
        g = self.tensor_hooks(node, hooks, 0, g)
        self.capture(node, g)
        if not self.accumulate or g is None or not check_leaf(node.variable):
            return
        if hooks is not None:
            (g,) = self.prehooks(hooks, (g,))
        variable = node.variable
        if not self.tensors:
            accumulate_array(variable, g, node.dtype)
        else:
            accumulate_tensor(variable, g)
        if hooks is not None:
            for hook in list(hooks.after_accumulate.values()):
                if (returned := hook(variable)) is None or returned is variable:
                    continue
                if isinstance(returned, TensorBase):
                    raise RuntimeError("Tensor post accumulate grad hooks should return None.")
                raise TypeError(f"expected Variable, but hook returned '{type(returned).__name__}'")
            for hook in list(hooks.post.values()):
                hook((), (self.shown(g),))

    def prehooks(self, hooks: Any, gs: tuple[Any, ...]) -> tuple[Any, ...]:
        """Run a node's prehooks on the cotangents of its outputs."""
        for hook in list(hooks.pre.values()):
            shown = tuple(self.shown(g) for g in gs)
            result = hook(shown)
            if result is not None:
                result = result if isinstance(result, tuple) else (result,)
                if len(result) != len(gs):
                    raise RuntimeError(
                        f"hook '{hook_name(hook)}' has returned an incorrect number of values "
                        f"(got {len(result)}, but expected {len(gs)})"
                    )
                gs = tuple(self.taken(r) for r in result)
        return gs

    def node(self, node: Any) -> None:
        """Run one inner node."""
        g = self.grads.pop(node, None)
        if node.__class__ is Port:
            self.port(node, g)
            return
        modes.node = node
        hooks = node.hooks
        # Tensors to accumulate into are run, though their results go nowhere, as PyTorch does: what they
        # saved is freed.
        ends = not any(edge is not None and self.needs(edge) for edge in node.edges)
        gs = cotangents_of(node, g)
        if not ends:
            self.capture_all(node, gs)  # before the hooks, as PyTorch has it for nodes inside the run
        gs = self.all_tensor_hooks(node, gs)
        if ends:
            self.capture_all(node, gs)
            if not (self.accumulate and any(_whole(wanted) is node for wanted in self.wanted or ())):
                self.spent(node.edges)
                return
        if hooks is not None and hooks.pre:
            gs = self.prehooks(hooks, gs)
        if all(value is None for value in gs) and not node.materialize:
            self.spent(node.edges)
            return
        hooked = node.hooks is not None and bool(node.hooks.post)
        try:
            if modes.extras.anomaly:
                values = watched(node, gs, self.tensors)
            elif self.wanted is not None and isinstance(node, OpNode) and node.op.node_name != NOT_THERE:
                asked = tuple(e if e is None or self.needs(e) else None for e in node.edges)
                values = node.apply(gs, self.tensors, asked)
            else:
                values = node.apply(gs, self.tensors)
        except Exception as error:
            explain(error, node)
            first = _refused_before(self.order, node, self.grads)
            if first is not None and self.needs(first):
                self.node(first)  # raises
            raise
        if self.wanted is not None and isinstance(node, OpNode) and node.op.public == "mean":
            self.shares.update((id(value), value) for value in values)
        hooks = node.hooks  # what was saved may have been unpacked by code that hooks this node
        if hooks is not None and hooks.post:
            values = self.posthooks(node, values, gs if hooked else (None,) * len(gs))
        if not self.keep:
            node.release()
        del g, gs
        for number, (edge, value) in enumerate(zip(node.edges, values, strict=True)):
            if edge is not None and value is not None and self.needs(edge):
                check_shape(edge, value, node, number)
                self.add(edge, value)
        del values
        self.spent(node.edges)

    def passed(self, node: Any, g: Any) -> None:
        """Pass by a node on no way to a wanted input: hooks of the only root are run."""
        if node.__class__ is Port:
            self.port(node, g)
        elif g is not None and self.only is not None:
            self.all_tensor_hooks(node, cotangents_of(node, g))
        self.spent(node.edges)

    def all_tensor_hooks(self, node: Any, gs: tuple[Any, ...]) -> tuple[Any, ...]:
        """Run the hooks of all tensors that are outputs of `node`."""
        hooks = node.hooks
        if hooks is None:
            return gs
        return tuple(self.tensor_hooks(node, hooks, output, g) for output, g in enumerate(gs))

    def capture_all(self, node: Any, gs: tuple[Any, ...]) -> None:
        """Keep the cotangents of those outputs of `node` that are wanted inputs."""
        if node.nout == 1:
            self.capture(node, gs[0])
            return
        for wanted in self.wanted or ():
            if wanted.__class__ is Port and wanted.parent is node:
                self.capture(wanted, gs[wanted.output])

    def port(self, node: Port, g: Any) -> None:
        """Hand the cotangent of one output to the node with several."""
        if g is None:
            return
        held = self.grads.get(node.parent)
        if held is None:
            held = self.grads[node.parent] = [None] * len(node.parent.outputs)  # type: ignore[attr-defined]
        held[node.output] = g if held[node.output] is None else held[node.output] + g

    def posthooks(self, node: Any, values: tuple[Any, ...], gs: tuple[Any, ...]) -> tuple[Any, ...]:
        """Run a node's hooks on (cotangents of inputs, cotangents of outputs)."""
        outputs = tuple(self.shown(g) for g in gs)
        places = node.differentiable(tuple(range(len(values))))
        for hook in list(node.hooks.post.values()):
            shown = tuple(self.shown(values[i]) for i in places)
            result = hook(shown, outputs)
            if result is None:
                continue
            result = result if isinstance(result, tuple) else (result,)
            if len(result) != len(shown):
                raise RuntimeError(
                    f"hook '{hook_name(hook)}' has returned an incorrect number of values "
                    f"(got {len(result)}, but expected {len(shown)})"
                )
            for old, fresh in zip(shown, result, strict=True):
                if old is not None and fresh is not None:
                    check_hook_result(hook, old, fresh)
            put = dict(zip(places, result, strict=True))
            values = tuple(self.taken(put[i]) if i in put else v for i, v in enumerate(values))
        return values


def check_shape(edge: Any, g: Any, node: Any, number: int) -> None:
    """Refuse a cotangent that has not the shape with which the tensor of `edge` was made.

    Args:
        edge: where the cotangent goes.
        g: the cotangent.
        node: where it comes from; "" for what the caller gave.
        number: which of the results or of the given ones it is.

    Raises:
        RuntimeError: with PyTorch's text.
    """
    whole, output = (edge.parent, edge.output) if edge.__class__ is Port else (edge, 0)
    if whole.hooks is None or not whole.hooks.shapes:
        return
    wanted, have = whole.hooks.shape_of(whole, output), tuple(g.shape)
    if wanted is None or wanted == have:
        return
    name = f"Function {node.name()} returned an invalid gradient" if node else "invalid gradient"
    raise RuntimeError(
        f"{name} at index {number} - got {list(have)} but expected shape compatible with {list(wanted)}"
    )


def _whole(node: Any) -> Any:
    """The node itself, or for one of several outputs the node that has them."""
    return node.parent if node.__class__ is Port else node


def cotangents_of(node: Any, g: Any) -> tuple[Any, ...]:
    """The cotangents of all outputs of `node` from what is pending for it."""
    if node.nout == 1:
        return (g,)
    return tuple(g) if g is not None else (None,) * max(1, len(getattr(node, "outputs", (None,))))
