"""Forward mode: tensors that carry a tangent.

A tensor of a jvp level holds `Dual(primal, tangent)`, both tensors of the level below; `tangent` is
None where it is zero. The tangent of an operation follows from its kind:

    elementwise   the sum of its rules at the inputs' tangents (a rule is g * f'(x), its own jvp)
    linear        the operation itself on the tangents
    bilinear      the sum over the inputs, each in turn replaced by its tangent
    declared jvp  as written
    any other     the pullback is linear in its cotangent; transposing it gives the jvp (the
                  double-vjp construction, https://j-towns.github.io/2017/06/12/A-new-trick.html)
"""

from __future__ import annotations

from typing import Any, Final

from ..autograd.absorbing import absorbed, absorbing
from ..autograd.base import TensorBase, active
from ..autograd.dispatch import finish, promoted
from ..autograd.engine import run
from ..autograd.modes import modes, no_grad
from ..autograd.views import edge_of
from ..ops.table import TABLE, Primitive
from .levels import GradLevel, Level


class Dual:
    """A primal value and its tangent."""

    __slots__ = ("primal", "tangent")

    def __init__(self, primal: Any, tangent: Any) -> None:
        self.primal = primal
        self.tangent = tangent

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the primal."""
        return tuple(self.primal.shape)

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return int(self.primal.ndim)

    @property
    def dtype(self) -> Any:
        """The element type."""
        return self.primal.dtype

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return int(self.primal.itemsize)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        """The numbers, for what looks at them only: positions of masks, distinct values."""
        return self.primal.__array__(dtype)


class JvpLevel(Level):
    """Propagates tangents."""

    def dual(self, primal: Any, tangent: Any) -> Any:
        """A tensor of this level."""
        return self.wrap(Dual(primal, tangent))

    def below(self, t: Any) -> Any:
        return t._data.primal

    def detached(self, t: Any) -> Any:
        return self.dual(t._data.primal.detach(), None)

    def primal(self, value: Any) -> Any:
        """The primal of an operand (of each of a list)."""
        if isinstance(value, (list, tuple)):
            return [self.primal(v) for v in value]
        return value._data.primal if self.owns(value) else value

    def tangent(self, value: Any) -> Any:
        """The tangent of an operand (of each of a list), None where it has none."""
        if isinstance(value, (list, tuple)):
            found = [self.tangent(v) for v in value]
            return found if any(f is not None for f in found) else None
        return value._data.tangent if modes.tangents and self.owns(value) else None

    def run(self, op: Primitive, tensors: tuple[Any, ...], statics: tuple[Any, ...]) -> Any:
        primals = tuple(self.primal(t) for t in tensors)
        tangents = tuple(
            self.tangent(t) if name in op.rules else None for name, t in zip(op.tensors, tensors, strict=True)
        )
        out = op.entry(*primals, *statics)
        if all(t is None for t in tangents):
            moved: Any = None
        else:
            moved = tangent_of(op, primals, tangents, statics, out)
        if op.nout == 1:
            result: Any = Dual(out, moved)
        else:
            pairs = zip(out, moved or (None,) * len(out), strict=True)
            result = tuple(Dual(o, None if i in op.nondiff_outputs else t) for i, (o, t) in enumerate(pairs))
        # Dual tensors may require gradients themselves: forward mode over backward.
        compute = promoted(op, tensors, statics)[0] if op.kind == "elementwise" else None
        return finish(op, tensors, statics, result, compute, self)


def tangent_of(
    op: Primitive, primals: tuple[Any, ...], tangents: tuple[Any, ...], statics: tuple[Any, ...], out: Any
) -> Any:
    """The tangent of `out = op(*primals, *statics)`; a tuple if there are several outputs."""
    try:
        return _tangent_of(op, primals, tangents, statics, out)
    except (RuntimeError, NotImplementedError) as error:
        text = str(error)
        if text.startswith("the derivative for "):
            raise NotImplementedError(f"{_NO_FORMULA.format(op.public)} {_NOT_YET}") from error
        if text.startswith("derivative for aten::"):
            raise NotImplementedError(_NO_FORMULA.format(text.split()[2]) + ".") from error
        raise


_NO_FORMULA: Final = "Trying to use forward AD with {} that does not support it"
_NOT_YET: Final = (
    "because it has not been implemented yet.\n"
    "Please file an issue to PyTorch at https://github.com/pytorch/pytorch/issues/new?template="
    "feature-request.yml so that we can prioritize its implementation or submit a PR adding the "
    "implementation "
    "to derivatives.yaml"
)


def _tangent_of(
    op: Primitive, primals: tuple[Any, ...], tangents: tuple[Any, ...], statics: tuple[Any, ...], out: Any
) -> Any:
    if op.tangent is not None:
        return op.tangent(tangents, (*primals, *statics), out)
    if op.kind == "elementwise":
        return _elementwise(op, primals, tangents, statics, out)
    if op.kind == "linear":
        filled = [
            p if name not in op.rules else _filled(p, t)
            for name, p, t in zip(op.tensors, primals, tangents, strict=True)
        ]
        return op.entry(*filled, *statics)
    if op.kind == "bilinear":
        total = None
        for i, t in enumerate(tangents):
            if t is None:
                continue
            part = op.entry(*primals[:i], t, *primals[i + 1 :], *statics)
            total = part if total is None else total + part
        return total
    return _transposed(op, primals, tangents, statics, out)


def _filled(primal: Any, tangent: Any) -> Any:
    """The tangent with zeros where there is none."""
    if isinstance(primal, list):
        given = tangent or [None] * len(primal)
        return [_filled(p, t) for p, t in zip(primal, given, strict=True)]
    if tangent is not None or primal is None:
        return tangent
    return TABLE["zeros_like"].entry(primal)


def known_values(
    op: Primitive, primals: tuple[Any, ...], statics: tuple[Any, ...], out: Any
) -> dict[str, Any]:
    """What rules may read, by the names they use."""
    known: dict[str, Any] = dict(zip(op.statics, statics, strict=True))
    outs = (out,) if op.nout == 1 else out
    known["out"] = out
    for i, o in enumerate(outs):
        known[f"out{i}"] = o
    for name, value in zip(op.tensors, primals, strict=True):
        if not isinstance(value, (TensorBase, list)) and value is not None:
            value = TABLE["full_like"].entry(outs[0], value) if not isinstance(value, TensorBase) else value
        known[name] = value
        if isinstance(value, TensorBase):
            known[f"{name}_shape"] = tuple(value.shape)  # type: ignore[attr-defined]
            known[f"{name}_dtype"] = value.dtype.np  # type: ignore[attr-defined]
            known[f"{name}_turned"] = False
        elif isinstance(value, list):
            known[f"{name}_shape"] = [tuple(v.shape) for v in value]
    return known


def _elementwise(
    op: Primitive, primals: tuple[Any, ...], tangents: tuple[Any, ...], statics: tuple[Any, ...], out: Any
) -> Any:
    known = known_values(op, primals, statics, out)
    shape = tuple(out.shape)
    total = None
    for name, t in zip(op.tensors, tangents, strict=True):
        if t is None:
            continue
        part = op.rules[name](t, *[known[a] for a in op.rule_arguments(name)])
        if active.absorbing and absorbing():
            part = absorbed(t, part, True)
        if tuple(part.shape) != shape:
            part = TABLE["expand_to"].entry(part, shape)
        total = part if total is None else total + part
    if total is not None and total.dtype is not out.dtype:
        total = TABLE["cast"].entry(total, out.dtype.np)
    return total


def _transposed(
    op: Primitive, primals: tuple[Any, ...], tangents: tuple[Any, ...], statics: tuple[Any, ...], out: Any
) -> Any:
    """The jvp as the pullback of the pullback."""
    known = known_values(op, primals, statics, out)
    outs = (out,) if op.nout == 1 else tuple(out)
    outer = modes.grad
    with GradLevel() as level:
        level.outside = outer
        live = [i for i in range(len(outs)) if i not in op.nondiff_outputs]
        cotangents = {i: level.leaf(TABLE["zeros_like"].entry(outs[i])) for i in live}
        g: Any = cotangents[0] if op.nout == 1 else tuple(cotangents.get(i) for i in range(len(outs)))
        roots, seeds = [], []
        for name, t in zip(op.tensors, tangents, strict=True):
            if t is None:
                continue
            values = op.rules[name](
                g, *[_needs(op, tangents) if a == "needs" else known[a] for a in op.rule_arguments(name)]
            )
            pairs = zip(values, t, strict=True) if name in op.lists else [(values, t)]
            for value, seed in pairs:
                if value is not None and seed is not None and level.owns(value) and value._req:
                    roots.append(edge_of(value))
                    seeds.append(level.wrap(seed))
        if not roots:
            found: list[Any] = [None] * len(live)
        else:
            found = run(
                roots, seeds, keep=False, create_graph=False, inputs=[edge_of(cotangents[i]) for i in live],
                accumulate=False,
            )  # fmt: skip
        moved: dict[int, Any] = {i: level.lower(f) for i, f in zip(live, found, strict=True)}
    with no_grad():
        for i in live:
            if moved[i] is None:
                moved[i] = TABLE["zeros_like"].entry(outs[i])
    return moved[0] if op.nout == 1 else tuple(moved.get(i) for i in range(len(outs)))


def _needs(op: Primitive, tangents: tuple[Any, ...]) -> tuple[bool, ...]:
    return tuple(t is not None for t in tangents)
