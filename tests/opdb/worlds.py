"""One operator of PyTorch's table in every world a derivative rule has to live in; cotangent alone is asked.

The derivatives are held against finite differences along random directions, in float64 and complex128; vmap
against one call a lane, a tape against the call itself. `docs/derivatives.md` is what comes of it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Final

import numpy as np
import torch
from samples.compare import as_array, dtype_name
from samples.gradients import random_array
from samples.library import xp

from .carry import array_of, lifted, places, put, tensors
from .catalogue import label
from .judge import Sample, samples, seed
from .translate import Missing, translated

KINDS: Final = (
    "backward", "double backward", "forward mode", "forward over reverse", "vmap", "vmap of grad", "trace",
)  # fmt: skip
# What of PyTorch's table says that PyTorch has that derivative.
_THEIRS: Final = {
    "backward": "supports_autograd",
    "double backward": "supports_gradgrad",
    "forward mode": "supports_forward_ad",
    "forward over reverse": "supports_fwgrad_bwgrad",
}
YES, ALONE, NOT, NO = "yes", "yes*", "-", "**no**"
# Samples with more numbers than this are left alone: the smallest ones tell as much.
_FEW: Final = 150
_STEP: Final = 1e-6
# The step for results in less than double precision: conversions, which are linear.
_WIDE_STEP: Final = 0.25
_BATCH: Final = 2
# Results larger than this leave nothing of a finite difference.
_HUGE: Final = 1e4
# Arguments by position that are targets: gradients do not flow to them although PyTorch's samples say so.
_FIXED: Final = {"nn.functional.hinge_embedding_loss": (1,), "nn.functional.cosine_embedding_loss": (2,)}
# Options with which an operator writes to its argument.
_WRITES: Final = {"nn.functional.embedding": ("max_norm",), "nn.functional.embedding_bag": ("max_norm",)}

# Operators to whose results a world cannot apply, and why; PyTorch refuses the same.
SHAPE_OF_VALUES: Final = "the shape of the result depends on values"
PYTHON: Final = "the result is no tensor but a Python value"
MEMORY: Final = "it is about memory, which values under a transform do not have"
UNDEFINED: Final = "the values are whatever the memory held"
IN_PLACE: Final = "it writes to its argument"
RANDOM: Final = "random numbers of a lane or of a tape are another draw"
STATISTICS: Final = "running statistics that are not mapped are written in place"
ONE_OF_SEVERAL: Final = "indices repeat in PyTorch's samples; the variant with :grad is checked"
COMPLEX32: Final = "the result is complex32, a type NumPy does not have"
FLOAT8: Final = "the arguments are 8-bit floats, which cotangent does not have; PyTorch's function is private"
DISPATCHER: Final = "an entry of PyTorch's dispatcher that programs do not call; native_batch_norm is checked"
SPARSE: Final = "the result is sparse, and no transform of PyTorch takes sparse tensors"
STEPS: Final = "constant by pieces: PyTorch refuses to differentiate it, and so does cotangent"
REFUSED: Final = "PyTorch refuses to differentiate it, and so does cotangent"
KINKS: Final = "PyTorch's samples are at the norm's kink"
_TRANSFORMS: Final = ("vmap", "vmap of grad", "trace")
_RAN: Final = ("backward", "double backward", "forward mode", "forward over reverse", *_TRANSFORMS)


def _apart(kinds: tuple[str, ...], reason: str, *names: str) -> dict[str, dict[str, str]]:
    return {name: dict.fromkeys(kinds, reason) for name in names}


NOT_APPLICABLE: Final[dict[str, dict[str, str]]] = {
    **_apart(("vmap", "trace"), PYTHON, "item", "allclose", "equal"),
    **_apart(
        ("vmap", "trace"), SHAPE_OF_VALUES, "nonzero", "argwhere", "bincount",
        "masked_select", "linspace:tensor_overload", "logspace:tensor_overload", "repeat_interleave",
        "nn.functional.one_hot", "narrow", "index_put",
    ),
    **{
        name: dict.fromkeys((*_RAN[:4], "vmap of grad"), REFUSED)
        | dict.fromkeys(("vmap", "trace"), SHAPE_OF_VALUES)
        for name in ("unique", "unique_consecutive")
    },
    **_apart(_TRANSFORMS, UNDEFINED, "empty_like", "new_empty", "new_empty_strided"),
    **_apart(_RAN, RANDOM, "normal", "normal:number_mean", "normal:in_place", "bernoulli", "multinomial"),
    **_apart(_RAN, IN_PLACE, "resize_", "resize_as_"),
    **_apart(_RAN, MEMORY, "as_strided:partial_views"),
    **_apart(_RAN, COMPLEX32, "chalf"),
    **_apart(_RAN, DISPATCHER, "_batch_norm_with_update"),
    **_apart(_RAN, FLOAT8, "torch._scaled_mm", "torch._scaled_mm_v2"),
    **_apart(_TRANSFORMS, SPARSE, "to_sparse"),
    **_apart(
        ("vmap of grad",), STATISTICS, "native_batch_norm", "nn.functional.batch_norm",
        "nn.functional.batch_norm:without_cudnn", "nn.functional.instance_norm",
    ),
    **_apart((*_RAN[:4], "vmap of grad"), STEPS, "floor_divide", "heaviside"),
    **_apart(_RAN[:4], KINKS, "linalg.norm:subgradients_at_zero"),
    **_apart(
        _RAN[:4], ONE_OF_SEVERAL, "nn.functional.max_unpool1d",
        "nn.functional.max_unpool2d", "nn.functional.max_unpool3d",
    ),
}  # fmt: skip


class Call:
    """A sample as a function of some of its tensors, without side effects.

    Args:
        op: the entry of PyTorch's table.
        function: the operator in cotangent.
        sample: its arguments.
        every: take all tensors for arguments, not only those that gradients flow to.
    """

    def __init__(self, op: Any, function: Callable[..., Any], sample: Sample, *, every: bool) -> None:
        self.op = op
        self.operator = function
        self.sample = sample
        self.every = every
        fixed = {id(sample.args[k]) for k in _FIXED.get(op.name, ())}
        self.places = [
            c
            for c in places((sample.args, sample.kwargs))
            if every or (c.requires_grad and id(c) not in fixed)
        ]
        wrapper = translated(op.gradcheck_wrapper)
        self.function = lambda *args, **kwargs: wrapper(function, *args, **kwargs)
        self.kept: list[int] | None = None
        if not every:
            results = _quietly(lambda: self._results([t.requires_grad_() for t in self.given()]))
            self.kept = [k for k, t in enumerate(results) if t.requires_grad]

    def given(self) -> list[Any]:
        """New tensors for the arguments."""
        return [xp.from_numpy(array_of(c)) for c in self.places]

    def _results(self, given: Any) -> list[Any]:
        made = {id(c): t for c, t in zip(self.places, given, strict=True)}
        args = lifted(xp, self.sample.args, made, grad=False)
        kwargs = lifted(xp, self.sample.kwargs, made, grad=False)
        found = self.function(*args, **kwargs)
        results = tensors(xp, found if self.every else self.sample.processed(xp, found))
        return [t.to_dense() if t.layout is not xp.strided else t for t in results]

    def __call__(self, *given: Any) -> tuple[Any, ...]:
        found = self._results(given)
        return tuple(found if self.kept is None else [found[k] for k in self.kept])

    @property
    def precise(self) -> bool:
        """Whether the results are in double precision, so that small steps show in them."""
        results = _quietly(lambda: self(*self.given()))
        return all(dtype_name(t) in ("float64", "complex128") for t in results)


def _small(op: Any, found: list[Sample], count: int) -> list[Sample]:
    """Some of the samples that hold a few numbers; the smallest one if all hold many."""
    sized = []
    for s in found:
        sizes = [int(np.prod(c.shape)) for c in places((s.args, s.kwargs))]
        if sizes and min(sizes) > 0 and not any(s.kwargs.get(name) for name in _WRITES.get(op.name, ())):
            sized.append((sum(sizes), s.position, s))
    sized.sort(key=lambda entry: entry[:2])
    few = [entry for entry in sized if entry[0] <= _FEW]
    # The very smallest are 0-d or of one element; those in the middle show more.
    picked = [few[k][2] for k in sorted({len(few) // 2, len(few) // 4})] if few else [s[2] for s in sized[:1]]
    return picked[:count]


def _tamed(call: Call) -> Call:
    """The call with positive or smaller numbers, if it gives nan or huge numbers as it is."""

    def sound(result: Any) -> bool:
        array = as_array(xp, result)
        return array.dtype.kind not in "fc" or bool((np.abs(array) < _HUGE).all())

    sample, given = call.sample, call.places
    for change in (
        None, np.abs, lambda a: a * 0.2, lambda a: np.abs(a) * 0.1 + 0.05, lambda a: np.abs(a) + 1.5
    ):  # fmt: skip
        if change is not None:
            made = {
                id(c): replace(c, storage=np.asarray(change(c.storage)).astype(c.storage.dtype))
                for c in given
            }
            args, kwargs = put((sample.args, sample.kwargs), made)
            call = Call(call.op, call.operator, replace(sample, args=args, kwargs=kwargs), every=call.every)
        if all(map(sound, _quietly(lambda c=call: c(*c.given())))):
            break
    return call


def curved(call: Callable[..., tuple[Any, ...]]) -> Callable[..., Any]:
    """A real number made of the results, curved even where the operator is linear."""

    def scalar(*given: Any) -> Any:
        total = 0
        for result in call(*given):
            power = (result * result.conj()).real if result.is_complex() else result * result
            weights = np.linspace(0.5, 1.5, max(result.numel(), 1))[: result.numel()]
            total = total + (power * xp.from_numpy(weights.reshape(tuple(result.shape)))).sum()
        return total

    return scalar


def _inner(ones: Any, others: Any) -> float:
    pairs = zip(ones, others, strict=True)
    return float(sum(np.sum(as_array(xp, a) * np.conj(as_array(xp, b))).real for a, b in pairs))


def _near(one: float, other: float, what: str, scale: float, precise: bool = True) -> None:
    relative, absolute = (2e-4, 1e-6) if precise else (2e-2, 1e-2)
    if not abs(one - other) <= relative * max(abs(one), abs(other)) + absolute * max(scale, 1.0):
        raise AssertionError(f"{what}: {one!r}, expected {other!r}")


def _close(one: Any, other: Any, what: str) -> None:
    a, b = as_array(xp, one), as_array(xp, other)
    assert dtype_name(one) == dtype_name(other), f"{what}: {one.dtype}, expected {other.dtype}"
    assert a.shape == b.shape, f"{what}: shape {a.shape}, expected {b.shape}"
    if a.dtype.kind not in "fc":
        assert np.array_equal(a, b), f"{what}: other values"
    elif a.size:
        scale = float(np.max(np.abs(b[np.isfinite(b)]), initial=1.0))
        assert np.allclose(a, b, rtol=1e-6, atol=1e-8 * scale, equal_nan=True), f"{what}: other values"


def _quietly(call: Callable[[], Any]) -> Any:
    seed(xp)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return call()


def _directions(call: Call, start: int) -> list[Any]:
    """A random direction for each argument, of length about one."""
    return [xp.from_numpy(random_array(start + k, c.shape, c.dtype)) for k, c in enumerate(call.places)]


def _moved(call: Call, directions: list[Any], step: float) -> list[Any]:
    return [t + d * step for t, d in zip(call.given(), directions, strict=True)]


def _gradient(call: Call, given: list[Any]) -> Any:
    whole = tuple(range(len(given)))
    return _quietly(lambda: xp.func.grad(curved(call), argnums=whole)(*given))


def backward(call: Call) -> None:
    """The gradient of a curved function of the results, against the slope along a direction."""
    u = _directions(call, 1)
    gradient = _gradient(call, call.given())
    scalar = curved(call)
    step = _STEP if call.precise else _WIDE_STEP
    above, below = (float(_quietly(lambda s=s: scalar(*_moved(call, u, s)))) for s in (step, -step))
    _near(_inner(gradient, u), (above - below) / (2 * step), "gradient", abs(above), call.precise)


def _hessian(call: Call, u: list[Any]) -> list[Any]:
    """The Hessian of the curved function times a direction, through two reverse passes."""
    given = [t.requires_grad_() for t in call.given()]

    def twice() -> Any:
        value = curved(call)(*given)
        first = xp.autograd.grad(value, given, create_graph=True, materialize_grads=True)
        # What is constant by pieces has gradients that depend on nothing.
        pairs = [(g, d) for g, d in zip(first, u, strict=True) if g.requires_grad]
        if not pairs:
            return [xp.zeros_like(t) for t in given]
        curves, along = zip(*pairs, strict=True)
        return xp.autograd.grad(curves, given, along, materialize_grads=True)

    return list(_quietly(twice))


def _hessian_slope(call: Call, u: list[Any], w: list[Any]) -> tuple[float, float]:
    step = _STEP if call.precise else _WIDE_STEP
    above, below = (_inner(_gradient(call, _moved(call, u, s)), w) for s in (step, -step))
    return (above - below) / (2 * step), max(abs(above), abs(below))


def double_backward(call: Call) -> None:
    """The Hessian times a direction, against the slope of the gradient along it."""
    u, w = _directions(call, 1), _directions(call, 31)
    slope, scale = _hessian_slope(call, u, w)
    _near(_inner(_hessian(call, u), w), slope, "second derivative", scale, call.precise)


def forward_mode(call: Call) -> None:
    """The push-forward of a direction, against the pull-back of cotangents."""
    u = _directions(call, 1)
    results, pushed = _quietly(lambda: xp.func.jvp(call, tuple(call.given()), tuple(u)))
    again, pull = _quietly(lambda: xp.func.vjp(call, *call.given()))
    v = [xp.from_numpy(random_array(50 + k, tuple(r.shape), dtype_name(r))) for k, r in enumerate(again)]
    for one, other in zip(results, again, strict=True):
        _close(one, other, "value under jvp")
    _near(_inner(pushed, v), _inner(pull(tuple(v)), u), "tangent", 1.0, call.precise)


def forward_over_reverse(call: Call) -> None:
    """The push-forward of the gradient, against its slope."""
    u, w = _directions(call, 1), _directions(call, 31)
    whole = tuple(range(len(u)))
    gradient = xp.func.grad(curved(call), argnums=whole)
    _, pushed = _quietly(lambda: xp.func.jvp(gradient, tuple(call.given()), tuple(u)))
    slope, scale = _hessian_slope(call, u, w)
    _near(_inner(pushed, w), slope, "derivative of the gradient", scale, call.precise)


def _lane(call: Call, k: int) -> list[Any]:
    """The arguments with their elements in other places; a little smaller where that leaves the domain."""
    dense = [np.array(array_of(c), order="C") for c in call.places]
    rolled = [np.roll(a.reshape(-1), k).reshape(a.shape) for a in dense]
    try:
        _quietly(lambda: call(*map(xp.from_numpy, rolled)))
    except Exception:
        rolled = [a * 0.97**k if a.dtype.kind in "fc" else a for a in dense]
    return [xp.from_numpy(np.asarray(a)) for a in rolled]


def _mapped(call: Call, run: Callable[..., Any]) -> None:
    """`run` mapped over a batch of rearranged arguments, against one call a lane."""
    lanes = [_lane(call, k) for k in range(_BATCH)]
    batch = [xp.stack([lane[i] for lane in lanes]) for i in range(len(call.places))]
    found = _quietly(lambda: xp.func.vmap(run, randomness="same")(*batch))
    loop = [_quietly(lambda lane=lane: run(*lane)) for lane in lanes]
    for i, result in enumerate(found):
        _close(result, xp.stack([lane[i] for lane in loop]), "vmap")


def vmap(call: Call) -> None:
    """The operator under vmap."""
    _mapped(call, call)


def vmap_of_grad(call: Call) -> None:
    """The gradient under vmap."""
    whole = tuple(range(len(call.places)))
    _mapped(call, xp.func.grad(curved(call), argnums=whole))


def trace(call: Call) -> None:
    """A tape of the operator, replayed on rearranged arguments, against the operator on those."""
    tape = _quietly(lambda: xp.compile.trace(call, *call.given()))
    others = _lane(call, 1)
    found, expected = _quietly(lambda: tape(*others)), _quietly(lambda: call(*others))
    for one, other in zip(found, expected, strict=True):
        _close(one, other, "tape")


_CHECKS: Final[dict[str, Callable[[Call], None]]] = {
    "backward": backward,
    "double backward": double_backward,
    "forward mode": forward_mode,
    "forward over reverse": forward_over_reverse,
    "vmap": vmap,
    "vmap of grad": vmap_of_grad,
    "trace": trace,
}


def _calls(op: Any, function: Callable[..., Any], *, every: bool) -> Iterator[Call]:
    supported = op.supported_dtypes("cpu")
    if every:
        first = next((d for d in (torch.float64, torch.int64, torch.bool) if d in supported), None)
        wanted = [(first or d, 2) for d in sorted(supported, key=str)[:1]]
    else:
        wanted = [(torch.float64, 2), (torch.complex128, 1)]
    for dtype, count in wanted:
        if dtype in supported:
            for sample in _small(op, samples(op, dtype, 40, grad=not every), count):
                call = Call(op, function, sample, every=every)
                if call.places and (every or call.kept):
                    yield call if every else _tamed(call)


def row(op: Any) -> tuple[dict[str, str], dict[str, str]]:
    """(cell of each kind, text of each failure) for an operator."""
    cells: dict[str, str] = {}
    failures: dict[str, str] = {}
    apart = NOT_APPLICABLE.get(label(op), {})
    if apart.keys() == set(KINDS):
        return dict.fromkeys(KINDS, NOT), {}
    try:
        function = translated(op.op)
        smooth = list(_calls(op, function, every=False))
        plain = list(_calls(op, function, every=True))
    except Exception as error:
        if isinstance(error, Missing):
            return dict.fromkeys(KINDS, NO), {"missing": str(error)}
        return dict.fromkeys(KINDS, NO), {"call": f"{type(error).__name__}: {error}"}
    for kind in KINDS:
        calls = plain if kind in ("vmap", "trace") else smooth
        if not calls or kind in apart:
            cells[kind] = NOT
            continue
        try:
            for call in calls:
                _CHECKS[kind](call)
        except Exception as error:
            failures[kind] = f"{call.sample!r}: {type(error).__name__}: {error}"
            cells[kind] = NO
        else:
            theirs = kind not in _THEIRS or getattr(op, _THEIRS[kind])
            cells[kind] = YES if theirs else ALONE
    return cells, failures
