"""How many floating-point operations products and convolutions take, by module: `FlopCounterMode`.

The counter listens to the operations of the table as the profiler does, so programs without one pay nothing.
It counts what PyTorch's counts, under the names of the same `aten` operations: a product of an (m, k) and a
(k, n) matrix as 2mkn, a convolution as one multiplication and one addition for each tap of each element of
its result, and in backward one such product for each operand that gets a gradient. Of recurrent layers, one
operation here, the products with the inputs are counted, those with the hidden state are not.
"""

from __future__ import annotations

import functools
import math
import warnings
import weakref
from collections import defaultdict
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any, Final

from ..autograd.calls import listen, stop_listening
from ..autograd.emit import emit, innermost
from ..autograd.recorded import OpNode
from ..ops import aten
from ..ops.overloads import OpOverloadPacket, packet
from ..ops.table import TABLE, Primitive
from ..tensor import Tensor
from ._pytree import tree_map
from .module_tracker import ModuleTracker

__all__ = ["FlopCounterMode", "register_flop_formula"]

Formula = Callable[..., int]
Shape = tuple[int, ...]


def get_shape(value: Any) -> Any:
    """The shape of a tensor; any other value as it is."""
    return value.shape if isinstance(value, Tensor) else value


def shape_wrapper(f: Formula) -> Formula:
    """A formula of shapes as one of tensors, with the result's shape as `out_shape`."""

    @functools.wraps(f)
    def of_tensors(*args: Any, out_val: Any = None, **kwargs: Any) -> int:
        args, kwargs, out_shape = tree_map(get_shape, (args, kwargs, out_val))
        return f(*args, out_shape=out_shape, **kwargs)

    return of_tensors


flop_registry: Final[dict[Any, Formula]] = {}


def _operation(target: Any) -> Any:
    """An operation of `torch.ops.aten` as the table counts it; some are functions there."""
    name = getattr(target, "__name__", None)
    if name is not None and vars(aten).get(name) is target:
        return packet(name)
    return target


def register_flop_formula(targets: Any, get_raw: bool = False) -> Callable[[Formula], Formula]:
    """Count an operation by a formula of one's own.

    Args:
        targets: `torch.ops.aten.NAME`, or a list of them.
        get_raw: whether the formula takes tensors and `out_val`, not shapes and `out_shape`.

    Returns:
        a decorator for `formula(*arguments, out_shape=...)`, which returns the number of operations.

    Raises:
        ValueError: if a target is no operation.
        RuntimeError: if it has a formula.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.utils.flop_counter import FlopCounterMode, flop_registry, register_flop_formula
        >>> @register_flop_formula(torch.ops.aten.tanh)
        ... def tanh_flop(shape, out_shape=None, **kwargs):
        ...     return 10 * shape.numel()
        >>> with FlopCounterMode(display=False) as counter:
        ...     _ = torch.ones(3).tanh()
        >>> counter.get_total_flops()
        30
        >>> del flop_registry[torch.ops.aten.tanh]
    """

    def register(flop_formula: Formula) -> Formula:
        formula = flop_formula if get_raw else shape_wrapper(flop_formula)
        for given in targets if isinstance(targets, (list, tuple)) else [targets]:
            target = _operation(given)
            if not isinstance(target, OpOverloadPacket):
                raise ValueError(
                    "register_flop_formula(targets): expected each target to be OpOverloadPacket (i.e. "
                    "torch.ops.mylib.foo), JitFunction, or HigherOrderOperator, got "
                    f"{target} which is of type {type(target)}"
                )
            if target in flop_registry:
                raise RuntimeError(f"duplicate registrations for {target}")
            flop_registry[target] = formula
        return formula

    return register


def mm_flop(a_shape: Any, b_shape: Any, *args: Any, out_shape: Any = None, **kwargs: Any) -> int:
    """Operations of a product of matrices."""
    (m, k), (_, n) = a_shape, b_shape
    return int(2 * m * k * n)


def addmm_flop(self_shape: Any, a_shape: Any, b_shape: Any, *args: Any, **kwargs: Any) -> int:
    """Those of a product that something is added to: the addition is not counted."""
    return mm_flop(a_shape, b_shape)


def bmm_flop(a_shape: Any, b_shape: Any, *args: Any, out_shape: Any = None, **kwargs: Any) -> int:
    """Operations of products of matrices, pair by pair."""
    return int(a_shape[0]) * mm_flop(a_shape[1:], b_shape[1:])


def baddbmm_flop(self_shape: Any, a_shape: Any, b_shape: Any, *args: Any, **kwargs: Any) -> int:
    """Those of products that something is added to."""
    return bmm_flop(a_shape, b_shape)


def conv_flop_count(x_shape: Any, w_shape: Any, out_shape: Any, transposed: bool = False) -> int:
    """Operations of a convolution.

    Args:
        x_shape: of the input.
        w_shape: of the weight.
        out_shape: of the result.
        transposed: whether it is a transposed one, where each element of the input meets every tap.
    """
    places = math.prod((x_shape if transposed else out_shape)[2:])
    return int(2 * x_shape[0] * places * math.prod(w_shape))


def conv_flop(
    x_shape: Any, w_shape: Any, bias: Any, stride: Any, padding: Any, dilation: Any, transposed: bool,
    *args: Any, out_shape: Any = None, **kwargs: Any,
) -> int:  # fmt: skip
    """Operations of `aten.convolution`."""
    return conv_flop_count(x_shape, w_shape, out_shape, transposed)


def conv_backward_flop(
    grad_out_shape: Any, x_shape: Any, w_shape: Any, bias: Any, stride: Any, padding: Any, dilation: Any,
    transposed: bool, output_padding: Any, groups: Any, output_mask: Any, *args: Any, **kwargs: Any,
) -> int:  # fmt: skip
    """Operations of `aten.convolution_backward`: one convolution for each gradient that is wanted."""
    count = 0
    if output_mask[0]:
        count += conv_flop_count(grad_out_shape, w_shape, x_shape, not transposed)
    if output_mask[1]:
        small, large = (x_shape, grad_out_shape) if transposed else (grad_out_shape, x_shape)
        count += 2 * large[1] * math.prod(w_shape[2:]) * small[1] * small[0] * math.prod(small[2:])
    return int(count)


_FORMULAS: Final[dict[str, Formula]] = {
    "mm": mm_flop, "addmm": addmm_flop, "bmm": bmm_flop, "baddbmm": baddbmm_flop, "convolution": conv_flop,
    "convolution_backward": conv_backward_flop,
}  # fmt: skip
flop_registry.update((packet(name), shape_wrapper(formula)) for name, formula in _FORMULAS.items())

# Operations of the table whose backward is products: the two factors, and what the products are counted as.
_FACTORS: Final = {
    "mm": ("input", "mat2", "mm"), "addmm_of": ("mat1", "mat2", "mm"), "bmm": ("input", "mat2", "bmm"),
    "baddbmm_of": ("batch1", "batch2", "bmm"),
}  # fmt: skip
_CONVOLUTIONS: Final = frozenset(("conv_of", "conv_transpose_of"))


def _shape_in(node: Any, name: str) -> Shape | None:
    """The shape of a tensor that a node keeps, if it is known."""
    kept = getattr(node, name, None)
    kept = getattr(node, f"{name}_shape", None) if kept is None else kept
    found = kept if kept is None or isinstance(kept, tuple) else getattr(kept, "shape", None)
    return None if found is None else tuple(found)


class FlopCounterMode:
    """Counts the floating-point operations of a `with` block.

    Args:
        mods: not needed any longer.
        depth: down to which modules within modules the table goes.
        display: whether the table is printed at the end.
        custom_mapping: `torch.ops.aten.NAME` to a formula of shapes, for this counter alone. Formulas get the
            operation's tensors before its other arguments.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.utils.flop_counter import FlopCounterMode
        >>> net = torch.nn.Linear(4, 2)
        >>> with FlopCounterMode(display=False) as counter:
        ...     net(torch.ones(3, 4)).sum().backward()
        >>> counter.get_flop_counts()["Linear"]
        {<OpOverloadPacket(op='aten.addmm')>: 48, <OpOverloadPacket(op='aten.mm')>: 48}
        >>> print(counter.get_table())
        Module           FLOP    % Total
        -------------  ------  ---------
        Linear             96    100.00%
         - aten.addmm      48     50.00%
         - aten.mm         48     50.00%
    """

    def __init__(
        self, mods: Any = None, depth: int = 2, display: bool = True,
        custom_mapping: dict[Any, Any] | None = None,
    ) -> None:  # fmt: skip
        if mods is not None:
            warnings.warn("mods argument is not needed anymore, you can stop passing it", stacklevel=2)
        self.flop_counts: dict[str, dict[Any, int]] = defaultdict(lambda: defaultdict(int))
        self.depth = depth
        self.display = display
        own = (custom_mapping or {}).items()
        self.flop_registry = dict(flop_registry)
        for target, formula in own:
            raw = getattr(formula, "_get_raw", False)
            self.flop_registry[_operation(target)] = formula if raw else shape_wrapper(formula)
        self.mod_tracker = ModuleTracker()
        self._forward: dict[CodeType, Primitive] = {}
        self._backward: dict[CodeType, Primitive | None] = {}
        self._inputs: weakref.WeakKeyDictionary[Any, Shape] = weakref.WeakKeyDictionary()
        self._inside: tuple[FrameType, Primitive, tuple[Any, ...]] | None = None

    def get_total_flops(self) -> int:
        """All that was counted."""
        return sum(self.flop_counts["Global"].values())

    def get_flop_counts(self) -> dict[str, dict[Any, int]]:
        """The numbers by module and operation."""
        return {name: dict(counts) for name, counts in self.flop_counts.items()}

    def get_table(self, depth: int | None = None) -> str:
        """The numbers as a table.

        Args:
            depth: down to which modules within modules; that of the counter by default.
        """
        depth = self.depth if depth is None else depth
        depth = 999999 if depth is None else depth
        total = self.get_total_flops()
        names = sorted(n for n in self.flop_counts if n != "Global" and n.count(".") < depth)
        whole = any(sum(self.flop_counts[n].values()) >= total for n in names)
        rows = [row for name in names for row in self._rows(name, name.count("."), total)]
        if "Global" in self.flop_counts and not whole:
            rows = [
                *self._rows("Global", 0, total),
                *((f" {first}", count, share) for first, count, share in rows),
            ]
        return _table(("Module", "FLOP", "% Total"), rows or [("Global", "0", "0%")])

    def _rows(self, name: str, depth: int, total: int) -> list[tuple[str, str, str]]:
        counts = self.flop_counts[name]
        lines = [(" " * depth + name, sum(counts.values()))]
        lines += [(f"{' ' * depth} - {op}", count) for op, count in counts.items()]
        return [(text, _scaled(count, total), _share(count, total)) for text, count in lines]

    def __enter__(self) -> FlopCounterMode:
        self.flop_counts.clear()
        wanted = {target.__name__ for target in self.flop_registry}
        for op in list(TABLE.values()):
            if op.public in wanted:
                emit(op)
                for form in (op.entry, op.operator):
                    if form is not None:
                        self._forward[innermost(form).__code__] = op
                if op.name in _FACTORS or op.name in _CONVOLUTIONS:
                    self._backward[op.node_class.step.__code__] = op
        self._backward[OpNode.apply.__code__] = None
        self.mod_tracker.__enter__()
        listen(self._called)
        return self

    def __exit__(self, *error: object) -> None:
        stop_listening(self._called)
        self.mod_tracker.__exit__(*error)
        if self.display:
            print(self.get_table(self.depth))

    # -- counting --------------------------------------------------------------------------------------

    def _called(self, frame: FrameType, event: str, value: Any) -> None:
        """What is called at every call and return."""
        if event == "call":
            if self._inside is None:
                op = self._forward.get(frame.f_code)
                if op is not None:
                    scope = frame.f_locals
                    self._inside = frame, op, tuple(scope[n] for n in (*op.tensors, *op.statics))
                elif frame.f_code in self._backward:
                    self._stepped(frame)
        elif event == "return" and self._inside is not None and self._inside[0] is frame:
            _, op, args = self._inside
            if args and value is not None and value is not NotImplemented:
                self._count(packet(op.public), _arguments(op, args), value)
                if op.name in _CONVOLUTIONS and value._node is not None:
                    self._inputs[value._node] = tuple(args[0].shape)
            self._inside = None

    def _count(self, target: Any, args: tuple[Any, ...], result: Any) -> None:
        formula = self.flop_registry.get(target)
        if formula is None:
            return
        count = formula(*args, out_val=result)
        for name in set(self.mod_tracker.parents):
            self.flop_counts[name][target] += count

    def _stepped(self, frame: FrameType) -> None:
        """Count a node's backward, whose rules are products."""
        scope = frame.f_locals
        node, op = scope["self"], scope["self"].op
        if op.name not in _FACTORS and op.name not in _CONVOLUTIONS:
            return
        self._inside = frame, op, ()  # what it computes is counted here
        g = scope["grads"][0] if "tensors" in scope else scope["g"]
        asked = scope.get("asked") or node.edges
        if g is None:
            return
        wanted = [edge is not None for edge in asked]
        if op.name in _CONVOLUTIONS:
            x, w = self._inputs.get(node) or _shape_in(node, "input"), _shape_in(node, "weight")
            if x and w:
                turned = op.name == "conv_transpose_of"
                rest = (None, None, None, None, turned, None, node.op, (*wanted[:2], False))
                self._count(packet("convolution_backward"), (tuple(g.shape), x, w, *rest), None)
            return
        left, right, name = _FACTORS[op.name]
        positions = [op.tensors.index(factor) for factor in (left, right)]
        b, a = _shape_in(node, right), _shape_in(node, left)
        if wanted[positions[0]] and b:
            self._count(packet(name), (tuple(g.shape), _turned(b)), None)
        if wanted[positions[1]] and a:
            self._count(packet(name), (_turned(a), tuple(g.shape)), None)


def _turned(shape: Shape) -> Shape:
    return (*shape[:-2], shape[-1], shape[-2])


def _arguments(op: Primitive, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments in the order of the `aten` operation, where formulas look at more than tensors."""
    if op.name not in _CONVOLUTIONS:
        return args
    x, w, bias = args[:3]
    stride, padding, dilation, groups = args[-4:]
    return x, w, bias, stride, padding, dilation, op.name == "conv_transpose_of", (0,), groups


_SUFFIXES: Final = ("", "K", "M", "B", "T")


def _scaled(count: int, total: int) -> str:
    """A count in the unit that suits the total."""
    power = max(0, min(len(_SUFFIXES) - 1, (len(str(total)) - 2) // 3))
    text = f"{count / 1000**power:.3f}"
    return (text + _SUFFIXES[power]) if power else f"{count}"


def _share(count: int, total: int) -> str:
    return f"{count / total:.2%}" if total else "0%"


def _table(head: tuple[str, ...], rows: list[tuple[str, str, str]]) -> str:
    """Rows under a ruled head, the first column to the left, the others to the right."""
    lines = [head, *rows]
    widths = [max(len(line[c]) + 2 * (line is head) for line in lines) for c in range(3)]
    shown = [
        "  ".join(
            [line[0].ljust(widths[0]), *(t.rjust(w) for t, w in zip(line[1:], widths[1:], strict=True))]
        )
        for line in lines
    ]
    shown.insert(1, "  ".join("-" * w for w in widths))
    return "\n".join(line.rstrip() for line in shown)
