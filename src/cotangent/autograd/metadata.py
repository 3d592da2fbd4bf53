"""In-place operations that change how a tensor looks at its memory, not what is there: `t_`, `squeeze_`, ...

The tensor becomes the view that the operation without the underscore would return. Of a tensor that owns
its memory the views made earlier must still find their elements: their way from the base begins, from
now on, with the step back to how the base looked before.
"""

from __future__ import annotations

import weakref
from typing import Any, Final

from ..kernels.shape import element_strides, storage_offset
from ..ops.table import TABLE, Primitive, emitter
from .base import InferenceCell, active, cell_of, count, holds_integers
from .dispatch import record, run_kernel
from .modes import modes
from .node import Port
from .recorded import alias
from .views import DEFAULT, View, edge_of, inference_write, mark_stale, views_of

# PyTorch numbers the in-place forms of view operations as overloads of their own.
_NODE_NAMES: Final = {
    "TransposeBackward0": "TransposeBackward1", "TBackward0": "TBackward1",
    "SqueezeBackward0": "SqueezeBackward3", "SqueezeBackward1": "SqueezeBackward4",
    "SqueezeBackward2": "SqueezeBackward5", "UnsqueezeBackward0": "UnsqueezeBackward1",
    "AsStridedBackward0": "AsStridedBackward1",
}  # fmt: skip
_classes: Final[dict[type, type]] = {}


def look_anew(op: Primitive, x: Any, statics: tuple[Any, ...], recording: bool) -> Any:
    """Make `x` the view that `op` gives of it, in place."""
    before = alias(x, edge_of(x) if recording else None)
    if not recording and x._req:
        _keep_shape(x)
    view = x._view
    data = run_kernel(op, (x._data,), statics)
    if view is None:
        _lead_back(x, data)
        x._data = data
    else:
        x._data = data
        x._view = View(view.base, view, op, statics, 0 if recording else view.output, view.origin)
        x._view.producer = view.producer
    if x._vc.__class__ is not InferenceCell:
        count(cell_of(x))
    elif not modes.inference:
        inference_write(x._vc)
    if recording:
        node = record(op, (before,), statics, [x], None, 0, modes.grad, written=x)
        node.__class__ = _in_place_class(node.__class__)
        mark_stale(x if view is None else view.base, x)
        # A retained gradient stays with the old node, as in PyTorch.
        x._node, x._req = node, True
        if holds_integers(x):
            active.ever = True
        if view is not None:
            x._view.stale, x._view.version = False, x._vc[0]
    elif list.__getitem__(cell_of(x), 1) is not None:
        mark_stale(x if view is None else view.base, x)
    return x


def _keep_shape(x: Any) -> None:
    """Have the history of `x` remember the shape that it was made with: cotangents have that one."""
    node = x._node
    if node is None:
        node = None if x._accumulator is None else x._accumulator()
    if node is not None:
        whole, output = (node.parent, node.output) if isinstance(node, Port) else (node, 0)
        whole._hooks().shapes.setdefault(output, (weakref.ref(whole), tuple(x._data.shape)))


def _lead_back(x: Any, data: Any) -> None:
    """Let the views of `x`, which will hold `data`, begin with the step back to what it holds now."""
    views = views_of(x)
    if not views:
        return
    old = x._data
    op = TABLE["as_strided_of"]
    emitter.emit(op)
    statics = (
        old.shape, element_strides(old), storage_offset(old) - storage_offset(data), element_strides(data)
    )  # fmt: skip
    back = View(x, None, op, statics, 0, DEFAULT)
    for first in {id(v._view.chain()[0]): v._view.chain()[0] for v in views}.values():
        first.parent = back


def _in_place_class(cls: type) -> type:
    """The node class under the name of the in-place form."""
    made = _classes.get(cls)
    if made is None:
        name = _NODE_NAMES.get(cls.__name__, cls.__name__)
        made = _classes[cls] = type(name, (cls,), {"__slots__": (), "__module__": "builtins"})
    return made
