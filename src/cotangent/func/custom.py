"""Custom Functions inside transforms: each level in turn runs the Function one level down.

    grad    records a node of the Function at its level; backward is the user's, on tensors of the level
    jvp     the user's `jvp` gives the tangents
    vmap    the user's `vmap`, or, with `generate_vmap_rule`, the Function written for one example runs on
            batches, forward and backward
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from .. import tree
from ..autograd.base import TensorBase, holds_integers, version_of
from ..autograd.dispatch import owner_of
from ..autograd.function import (
    TRANSFORMED,
    Function,
    FunctionCtx,
    FunctionMeta,
    finish_forward,
    forward_and_context,
)
from ..autograd.modes import modes, no_grad
from ..autograd.recorded import alias
from ..autograd.views import edge_of
from ..ops.table import TABLE
from .batched import VmapLevel, expanded, front
from .dual import JvpLevel
from .levels import GradLevel, Level

_SEE: Final = "For more details, please see https://pytorch.org/docs/main/notes/extending.func.html"


class VmapInfo(NamedTuple):
    """What a Function's `vmap` is told of the batch."""

    batch_size: int
    randomness: str


def apply_in_level(cls: Any, level: Level, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """`cls.apply(*args, **kwargs)`, where the highest level among the arguments is `level`."""
    if level.is_transform and cls.setup_context is Function.setup_context:
        raise RuntimeError(
            "In order to use an autograd.Function with functorch transforms (vmap, grad, jvp, jacrev, ...), "
            f"it must override the setup_context staticmethod. {_SEE}"
        )
    if isinstance(level, VmapLevel):
        return _vmapped(cls, level, args, kwargs)
    if kwargs:
        name = next(iter(kwargs))
        raise TypeError(f"custom_function_call_grad() got an unexpected keyword argument {name!r}")
    if isinstance(level, JvpLevel):
        return _pushed(cls, level, args)
    assert isinstance(level, GradLevel)
    return _recorded(cls, level, args)


def _each(result: Any) -> tuple[Any, ...]:
    return result if isinstance(result, tuple) else (result,)


def _like(result: Any, outputs: Any) -> Any:
    return tuple(outputs) if isinstance(result, tuple) else outputs[0]


def _recorded(cls: Any, level: GradLevel, args: tuple[Any, ...]) -> Any:
    """At a level of grad: run below, record here."""
    shown = [level.wrap(a) if isinstance(a, TensorBase) and not level.owns(a) else a for a in args]
    lowered = [level.lower(a) for a in shown]
    mode, modes.grad = modes.grad, level.outside
    try:
        result = cls.apply(*lowered)
    finally:
        modes.grad = mode
    outputs = []
    for out in _each(result):
        same = next((s for s, a in zip(shown, lowered, strict=True) if a is out), None)
        outputs.append(level.wrap(out) if same is None and isinstance(out, TensorBase) else same or out)
    ctx: Any = cls._generated_cls()
    inputs = [a for a in shown if isinstance(a, TensorBase)]
    ctx._is_tensor = tuple(isinstance(a, TensorBase) for a in shown)
    ctx.needs_input_grad = tuple(isinstance(a, TensorBase) and a._req for a in shown)
    with no_grad():
        cls.setup_context(ctx, tuple(shown), _like(result, outputs))
    recording = mode is not None and any(t._req for t in inputs)
    return _like(result, finish_forward(cls, ctx, inputs, tuple(outputs), recording, mode))


def _pushed(cls: Any, level: JvpLevel, args: tuple[Any, ...]) -> Any:
    """At a level of forward mode: run below, ask `jvp` for the tangents."""
    primals = tuple(_primal(level, a) if isinstance(a, TensorBase) else a for a in args)
    if owner_of(primals) is None:
        result, ctx = forward_and_context(cls, primals, {})
    else:
        result, ctx = cls.apply(*primals), cls._backward_cls()
        ctx._is_tensor = tuple(isinstance(a, TensorBase) for a in primals)
        ctx.needs_input_grad = tuple(isinstance(a, TensorBase) and a._req for a in primals)
        with no_grad():
            cls.setup_context(ctx, primals, result)
    tangents = []
    for a, primal in zip(args, primals, strict=True):
        t = level.tangent(a) if isinstance(a, TensorBase) else None
        empty = t is None and ctx.materialize_grads and isinstance(primal, TensorBase)
        if empty and not holds_integers(primal):
            t = TABLE["zeros_like"].entry(primal)
        tangents.append(t)
    before = [None if t is None or t._level else version_of(t) for t in tangents]
    with ctx.in_jvp():
        moved = _each(cls.jvp(ctx, *tangents))
    outs = _each(result)
    if len(moved) != len(outs):
        raise RuntimeError(
            f"Function's jvp returned an invalid number of forward gradients (expected {len(outs)} but got "
            f"{len(moved)})"
        )
    dirty = set(map(id, ctx.dirty_tensors or ()))
    outputs = []
    for i, (out, t) in enumerate(zip(outs, moved, strict=True)):
        _check_tangent(ctx, i, out, t)
        if not isinstance(out, TensorBase):
            outputs.append(out)
            continue
        given = next((k for k, primal in enumerate(primals) if primal is out), None)
        if id(out) in dirty and given is not None and level.owns(args[given]):
            if t is not tangents[given] or (t is not None and version_of(t) == before[given]):
                raise RuntimeError(_NOT_IN_PLACE)
            made = args[given]
            made._data.primal = out
        else:
            _check_view(out, t, primals, tangents)
            made = level.dual(out, t)
        if out._req and not level.is_transform:  # forward mode beside a recording: one history for both
            made._req, made._node = True, edge_of(out)
        outputs.append(made)
    if not level.is_transform and getattr(ctx, "_saved", None):
        _keep_tangents(ctx, level, dict(zip(map(id, primals), args, strict=True)), outputs)
    return _like(result, outputs)


def _primal(level: JvpLevel, t: Any) -> Any:
    """The primal of an operand; beside a recording with the history of the whole."""
    primal = level.primal(t)
    if level.is_transform or not level.owns(t) or not t._req:
        return primal
    return alias(primal, edge_of(t))


def _keep_tangents(ctx: Any, level: JvpLevel, given: dict[int, Any], outputs: list[Any]) -> None:
    """Let `backward` find the tangents of the operands and results that a Function saved."""

    def dual(entry: Any) -> Any:
        if entry is None:
            return None
        t, version, output, edge = entry
        if output is not None and level.owns(outputs[output]):
            shown = alias(outputs[output], None)
        elif output is None and level.owns(given.get(id(t))):
            shown = given[id(t)]
        else:
            return entry
        shown._vc = t._vc
        return shown, version, output, edge

    ctx._saved = tuple(dual(entry) for entry in ctx._saved)


_NOT_IN_PLACE: Final = (
    "An inplace custom Function is not modifying the forward mode gradients inplace. If the forward is "
    "modifying "
    "an input inplace, then the jvp function must modify the corresponding gradient inplace."
)
_NO_VIEW: Final = (
    "A custom Function's forward is returning a view (or an input as-is) but the jvp is not returning a view."
)
_OTHER_BASE: Final = (
    "A custom Function is returning a view but the jvp is not returning a view of the same base as the given "
    "grad input."
)
_OTHER_VIEW: Final = (
    "A custom Function is returning a view but the jvp is not returning a view of the given grad input."
)


def _check_tangent(ctx: Any, i: int, out: Any, t: Any) -> None:
    """Refuse what `jvp` may not return for output number `i`."""
    if t is None:
        return
    if not isinstance(t, TensorBase):
        raise RuntimeError(f"expected Variable or None (got {type(t).__name__}) for grad output {i}.")
    passive = any(out is x for x in ctx.non_differentiable)
    if passive or not isinstance(out, TensorBase) or holds_integers(out):
        raise RuntimeError(
            f"Function's jvp returned a gradient at position {i}, but  the corresponding forward output is "
            "not "
            "a differentiable Tensor.You should return None at that position instead."
        )
    shape, have = list(out.shape), list(t.shape)  # type: ignore[attr-defined]
    if shape != have:
        raise RuntimeError(
            "Trying to set a forward gradient that has a different size than that of the original Tensor, "
            f"this is not supported. Tensor is of size {shape} while the given forward gradient is of size "
            f"{have}."
        )


def _base_of(t: Any) -> Any:
    return t if t._view is None else t._view.base


def _check_view(out: Any, t: Any, primals: tuple[Any, ...], tangents: list[Any]) -> None:
    """Where `out` is a view of an input, the tangent has to be a view of that input's tangent."""
    if t is None or out._view is None:
        return
    for primal, tangent in zip(primals, tangents, strict=True):
        if isinstance(primal, TensorBase) and _base_of(primal) is out._view.base and tangent is not None:
            if t._view is None:
                raise RuntimeError(_NO_VIEW)
            if t._view.base is not _base_of(tangent):
                raise RuntimeError(_OTHER_VIEW if tangent._view is None else _OTHER_BASE)
            return


def _vmapped(cls: Any, level: VmapLevel, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """At a level of vmap: the Function's own rule, or the generated one."""
    if any(isinstance(value, TensorBase) for value in kwargs.values()):
        raise NotImplementedError(
            "Run vmap on autograd.Function with kwarg-only Tensor args. Please do not pass kwarg-only "
            f"Tensors to autograd.Function. Got: {kwargs}"
        )
    own = cls.vmap is not Function.vmap
    if cls.generate_vmap_rule and own:
        raise RuntimeError(
            f"You tried to vmap over {cls.__name__}, but it has both generate_vmap_rule=True and an "
            "overridden vmap staticmethod. Please set generate_vmap_rule=False or delete the overridden vmap "
            f"staticmethod to avoid ambiguity. {_SEE}"
        )
    if not own and not cls.generate_vmap_rule:
        raise RuntimeError(
            f"You tried to vmap over {cls.__name__}, but it does not have vmap support. Please override and "
            f"implement the vmap staticmethod or set generate_vmap_rule=True. {_SEE}"
        )
    leaves, structure = tree.flatten(args)
    pairs = [level.split(a) for a in leaves]
    values, dims = (tree.unflatten(structure, [p[i] for p in pairs]) for i in (0, 1))
    if own:
        returned = cls.vmap(VmapInfo(level.size, level.randomness), dims, *values, **kwargs)
        if not isinstance(returned, tuple) or len(returned) != 2:
            got = f"{len(returned)} returns" if isinstance(returned, tuple) else f"a {type(returned)}"
            raise RuntimeError(
                "Expected the vmap staticmethod to have two returns, an output and out_dims with pytree "
                f"structure compatible with the output. Got {got} instead"
            )
        result, where = returned
    else:
        rule = _Generated(cls, level.size, level.randomness, dims)
        result, where = rule.function.apply(*values), rule.out_dims
    outputs, shape = tree.flatten(result)
    out_dims = tree.broadcast(where, shape)
    if out_dims is None:
        raise RuntimeError(
            "The autograd.Function's vmap staticmethod returned an incompatible (output, out_dims) tuple. "
            f"Expected out_dims={where} to be compatible with the structure of `output`. out_dims has "
            f"structure {tree.spec(where)} but output has structure {shape}. {_SEE}"
        )
    given = {id(p[0]): a for p, a in zip(pairs, leaves, strict=True)}

    def batched(out: Any, dim: int | None) -> Any:
        if not isinstance(out, TensorBase):
            return out
        if id(out) in given:  # written in place, or passed on
            return given[id(out)]
        return out if dim is None else level.batch(out, dim)

    return tree.unflatten(shape, [batched(o, d) for o, d in zip(outputs, out_dims, strict=True)])


class _Example(FunctionCtx):
    """The context that a Function sees for one example."""

    def __init__(self, needs: tuple[bool, ...]) -> None:
        self.needs_input_grad = needs
        self.materialize_grads = True
        self.to_save: Any = None
        self.saved_for_forward: Any = None
        self.non_differentiable: tuple[Any, ...] = ()
        self.dirty_tensors: Any = None
        self.saved_tensors: tuple[Any, ...] = ()


class _Generated:
    """The Function over whole batches that belongs to `cls`, written for one example."""

    def __init__(self, cls: Any, size: int, randomness: str, dims: tuple[int | None, ...]) -> None:
        self.cls = cls
        self.size = size
        self.randomness = randomness
        self.dims = dims
        self.out_dims: Any = None
        body = {
            "forward": staticmethod(self.forward),
            "setup_context": staticmethod(self.setup_context),
            "backward": staticmethod(self.backward),
            "jvp": staticmethod(self.jvp),
            "generate_vmap_rule": True,
        }
        self.function: Any = FunctionMeta(f"Vmapped{cls.__name__}", (Function,), body)

    def level(self) -> VmapLevel:
        """A new level for the examples."""
        return VmapLevel(self.size, self.randomness)

    def inside(self, level: VmapLevel, values: Any, dims: Any) -> list[Any]:
        """Values of the batch as the examples see them."""
        return [
            v if d is None or v is None else level.batch(v, d) for v, d in zip(values, dims, strict=True)
        ]

    def forward(self, *values: Any) -> Any:
        """Run all examples."""
        with self.level() as level:
            result = self.cls.forward(*self.inside(level, values, self.dims))
            pairs = [level.split(out) for out in _each(result)]
        self.out_dims = _like(result, [p[1] for p in pairs])
        return _like(result, [p[0] for p in pairs])

    def setup_context(self, ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Let the Function fill its context; what it saves is saved as whole batches."""
        ctx.example = example = _Example(ctx.needs_input_grad)
        with self.level() as level:
            ins = self.inside(level, inputs, self.dims)
            outs = self.inside(level, _each(output), _each(self.out_dims))
            self.cls.setup_context(example, tuple(ins), _like(output, outs))
            given = dict(zip(map(id, (*ins, *outs)), (*inputs, *_each(output)), strict=True))

            def whole(t: Any) -> Any:
                return given[id(t)] if id(t) in given else level.split(t)[0]

            ctx.save_for_backward(*map(whole, example.to_save or ()))
            ctx.saved_dims = [level.split(t)[1] for t in example.to_save or ()]
            if example.saved_for_forward is not None:
                ctx.save_for_forward(*map(whole, example.saved_for_forward))
                ctx.forward_dims = [level.split(t)[1] for t in example.saved_for_forward]
            ctx.mark_non_differentiable(*map(whole, example.non_differentiable))
        ctx.set_materialize_grads(example.materialize_grads)

    def backward(self, ctx: Any, *cotangents: Any) -> Any:
        """The Function's backward for all examples."""
        with self.level() as level:
            ctx.example.saved_tensors = tuple(self.inside(level, ctx.saved_tensors, ctx.saved_dims))
            gs = self.inside(level, cotangents, _each(self.out_dims))
            backward = self.cls.backward if self.cls.vjp is Function.vjp else self.cls.vjp
            found = _each(backward(ctx.example, *gs))
            return tuple(self.settled(level, g, d) for g, d in zip(found, self.dims, strict=True))

    def settled(self, level: VmapLevel, g: Any, dim: int | None) -> Any:
        """The gradient of an input: of each example, or their sum if they share the input."""
        if g is None:
            return None
        value = front(g._data.value, g._data.bdim) if level.owns(g) else expanded(g, self.size)
        return value.sum(0) if dim is None else value.movedim(0, dim)

    def jvp(self, ctx: Any, *tangents: Any) -> Any:
        """The Function's jvp for all examples."""
        with self.level() as level:
            dims = getattr(ctx, "forward_dims", ctx.saved_dims)
            ctx.example.saved_tensors = tuple(self.inside(level, ctx.saved_tensors, dims))
            found = self.cls.jvp(ctx.example, *self.inside(level, tangents, self.dims))
            moved = [
                None if t is None else level.whole(t).movedim(0, d or 0) if d is not None else t
                for t, d in zip(_each(found), _each(self.out_dims), strict=True)
            ]
        return _like(found, moved)


TRANSFORMED.append(apply_in_level)
