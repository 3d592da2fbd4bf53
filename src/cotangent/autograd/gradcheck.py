"""gradcheck and gradgradcheck: derivatives compared with finite differences.

Besides the numbers (differences.py) a derivative is checked for what the engine asks of it: it is linear in
its cotangent, takes missing cotangents (tangents) for zeros, and works under vmap. A complex output is
checked as two real ones; in forward mode a complex input likewise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from .. import dtypes
from ..factories import zeros_like
from ..func.mapping import vmap
from ..ops.complex import complex as complex_of, imag, real
from ..ops.join import stack
from ..random import rand, randn_like
from ..size import strided
from .api import grad
from .base import TensorBase, wrap
from .differences import Check, GradcheckError, as_tuple, close, differentiable, differentiable_outputs
from .function import Function
from .where import warn

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]


_NOTES = 'Please look at "Notes about undefined output gradients" in "tools/autograd/derivatives.yaml"'
_BATCHED = (
    "gradcheck or gradgradcheck failed while testing batched gradient computation: the same derivatives "
    "under vmap "
    "and in a loop over the batch must agree."
)


class _NoCotangent(Function):
    """The identity, whose input gets no cotangent."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, g: Any) -> None:
        return None


def _warn_undefined() -> None:
    warn(
        "Backwards compatibility: New undefined gradient support checking feature is enabled by default, "
        "but it may break "
        'existing callers of this function. If this is true for you, you can call this function with '
        '"check_undefined_grad=False" to disable the feature'
    )


def _same_batch(output: int, index: int, found: Any, expected: Any) -> None:
    if not close(found._data, expected._data, 1e-5, 1e-8):
        raise GradcheckError(
            f"For output {output} and input {index}:\n\n{_BATCHED}\n\nGot:\n{found}\n\nExpected:\n{expected}"
        )


def _scales(check: Check) -> None:
    """Zero cotangents must give zero gradients."""
    wanted = [check.inputs[i] for i in differentiable(check.inputs)]
    outputs = differentiable_outputs(check.function(*check.inputs))
    zeros = [zeros_like(o.detach()) for o in outputs]
    for g, x in zip(grad(outputs, wanted, zeros, allow_unused=True) if outputs else (), wanted, strict=False):
        if g is None:
            continue
        if g.layout is not strided:
            _same_layout(g, x)
            g = g.to_dense()
        if g._data.any():
            raise GradcheckError("backward not multiplied by grad_output")


def _same_layout(g: Any, x: Any) -> None:
    """A sparse gradient must be laid out as its input is."""
    if g.layout is not x.layout:
        raise GradcheckError(f"grad is incorrect layout ({g.layout} is not {x.layout})")
    kind = str(g.layout).replace("torch.", "").replace("_coo", "")
    for name in ("sparse_dim", "dense_dim"):
        have, wanted = getattr(g, name)(), getattr(x, name)()
        if have != wanted:
            raise GradcheckError(f"grad is {kind} tensor, but has incorrect {name} {have}, expected {wanted}")


def _missing_cotangents(check: Check) -> None:
    """A backward must cope with outputs that get no cotangent: all of them, then one at a time."""
    wanted = [check.inputs[i] for i in differentiable(check.inputs)]
    count = len(differentiable_outputs(check.function(*check.inputs)))
    for cut in [set(range(count)), *([{i} for i in range(count)] if count > 1 else [])]:
        made = differentiable_outputs(check.function(*check.inputs))
        outputs = [_NoCotangent.apply(o) if i in cut else o for i, o in enumerate(made)]
        if not outputs:
            return
        try:
            grads = grad(outputs, wanted, [zeros_like(o.detach()) for o in outputs], allow_unused=True)
        except RuntimeError as error:
            _warn_undefined()
            raise GradcheckError(
                "Expected backward function to handle undefined output grads. " + _NOTES
            ) from error
        if any(g is not None and (g if g.layout is strided else g.to_dense())._data.any() for g in grads):
            _warn_undefined()
            raise GradcheckError(
                "Expected all input grads to be undefined or zero when all output grads are undefined or "
                "zero. " + _NOTES
            )


def _missing_tangents(check: Check) -> None:
    """An input without a tangent must count as one whose tangent is zero."""
    places = [i for i, o in enumerate(as_tuple(check.function(*check.inputs))) if o.requires_grad]
    chosen = differentiable(check.inputs)
    zeros = {i: zeros_like(check.inputs[i].detach()) for i in chosen}
    for left_out in chosen:
        some = check.tangents({i: z for i, z in zeros.items() if i != left_out}, places)
        for output, (t, full) in enumerate(zip(some, check.tangents(zeros, places), strict=True)):
            if any(v is not None and v._data.any() for v in (t, full)):
                raise GradcheckError(
                    "Mismatch in tangent values for output with index: ", output, " when input: ",
                    check.inputs[left_out], " has an undefined tangent value. ", " Got: ", t,
                    " but expected: ", full,
                )  # fmt: skip


def _batched_failure(error: RuntimeError) -> GradcheckError:
    text = str(error)
    if text.startswith("vmap: called random operation"):
        text = (
            "vmap: We do not yet support calling random operations inside of vmap. Please perform random "
            "operations outside of vmap as a workaround"
        )
    return GradcheckError(f"While computing batched gradients, got: {text}\n\n{_BATCHED}")


def _batched_cotangents(check: Check) -> None:
    """vmap over backward must give what a loop gives."""
    wanted = [check.inputs[i] for i in differentiable(check.inputs)]
    for number, output in enumerate(differentiable_outputs(check.function(*check.inputs))):
        seeds = [randn_like(output.detach()) for _ in range(10)]
        options = {"retain_graph": True, "allow_unused": True}
        loop = [grad(output, wanted, seed, **options) for seed in seeds]
        try:
            batched = grad(output, wanted, stack(seeds), is_grads_batched=True, **options)
            columns = [None if c[0] is None else stack(list(c)) for c in zip(*loop, strict=True)]
        except RuntimeError as error:
            raise _batched_failure(error) from error
        for k, (found, column) in enumerate(zip(batched, columns, strict=True)):
            if found is not None:
                _same_batch(number, k, found, column)


def _batched_tangents(check: Check) -> None:
    """vmap over forward mode must give what a loop gives."""
    places = [i for i, o in enumerate(as_tuple(check.function(*check.inputs))) if o.requires_grad]
    for k, index in enumerate(differentiable(check.inputs)):
        seeds = [randn_like(check.inputs[index].detach()) for _ in range(2)]

        def pushed(t: Any, index: int = index) -> tuple[Any, ...]:
            found = check.tangents({index: t}, places)
            return tuple(v for v in found if v is not None)

        loop = [pushed(seed) for seed in seeds]
        try:
            batched = vmap(pushed)(stack(seeds))
        except RuntimeError as error:
            raise _batched_failure(error) from error
        for found, column in zip(batched, zip(*loop, strict=True), strict=True):
            _same_batch(k, k, found, stack(list(column)))


def _check_inputs(inputs: tuple[Any, ...]) -> None:
    """Warn of and refuse inputs for which finite differences cannot work."""
    found = False
    for i in differentiable(inputs):
        x = inputs[i]
        found = True
        if x.dtype not in (dtypes.float64, dtypes.complex128):
            warn(
                f"Input #{i} requires gradient and is not a double precision floating point or complex. This "
                "check will likely fail if all the inputs are not of double precision floating point or "
                "complex. "
            )
        steps = zip(x.stride(), x.shape, strict=True) if x.layout is strided else ()
        if any(step == 0 and size > 1 for step, size in steps):
            raise RuntimeError(
                f"The {i}th input has a dimension with stride 0. gradcheck only supports inputs that are "
                "non-overlapping to be able to compute the numerical gradients correctly. You should call "
                ".contiguous on the input before passing it to gradcheck."
            )
    if not found:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of them have "
            "requires_grad=True."
        )


def _part_of_outputs(function: Callable[..., Any], part: Callable[[Any], Any]) -> Callable[..., Any]:
    def parted(*inputs: Any) -> tuple[Any, ...]:
        return tuple(part(o) if o.is_complex() else o for o in as_tuple(function(*inputs)))

    return parted


def _part_of_inputs(check: Check, at: Sequence[int], part: str) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """(the function of one part of its complex inputs, that part); the other part stays as it is."""
    whole = check.inputs
    parts = list(whole)
    for i in at:
        data = whole[i]._data
        parts[i] = wrap((data.real if part == "real" else data.imag).copy())
        parts[i]._req = whole[i]._req

    def parted(*inputs: Any) -> Any:
        given = list(inputs)
        for i in at:
            z = whole[i].detach()
            given[i] = complex_of(given[i], z.imag) if part == "real" else complex_of(z.real, given[i])
        return check.function(*given)

    return parted, tuple(parts)


def _check_all(check: Check, backward: bool, forward: bool, undefined: bool) -> None:
    """Run the numerical checks of the modes asked for."""
    given = as_tuple(check.function(*check.inputs))
    if backward:
        at = tuple(i for i, o in enumerate(differentiable_outputs(given)) if o.is_complex())
        if any(o.is_complex() for o in given):
            for part, take in (("imaginary", imag), ("real", real)):
                parted = _part_of_outputs(check.function, take)
                replace(check, function=parted, complex_at=at, part=part).run()
        else:
            check.run()
    if forward:
        ahead = replace(check, forward=True)
        at = tuple(i for i, x in enumerate(check.inputs) if isinstance(x, TensorBase) and x.is_complex())  # type: ignore[attr-defined]
        if at:
            for part in ("imaginary", "real"):
                function, inputs = _part_of_inputs(check, at, part)
                replace(ahead, function=function, inputs=inputs, complex_at=at, part=part).run()
        else:
            ahead.run()
        if undefined:
            _missing_tangents(ahead)


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Compare the derivatives of `func` with finite differences.

    Args:
        func: function of tensors that returns a tensor or a tuple of tensors.
        inputs: its arguments; those that require gradients are varied. They should be float64 or complex128.
        eps: step of the finite differences, in the units of the inputs.
        atol: absolute tolerance.
        rtol: relative tolerance.
        raise_exception: raise instead of returning False.
        nondet_tol: how far two runs of the same backward may differ.
        check_undefined_grad: also check that missing cotangents (tangents) count as zeros.
        check_grad_dtypes: also check the kind of the tangents.
        check_batched_grad: also check backward under vmap.
        check_batched_forward_grad: also check forward mode under vmap.
        check_forward_ad: check forward mode.
        check_backward_ad: check backward.
        fast_mode: compare along random directions only.
        masked: whether elements that sparse inputs do not store are constants; without effect on dense ones.

    Returns:
        True if every derivative agrees.

    Raises:
        GradcheckError: if one does not.
        ValueError: if no input requires a gradient.

    Example:
        >>> import cotangent as torch
        >>> x = torch.tensor([0.5, 1.0], dtype=torch.float64, requires_grad=True)
        >>> torch.autograd.gradcheck(torch.sin, (x,))
        True
    """
    if not (check_forward_ad or check_backward_ad):
        raise AssertionError("Expected at least one of check_forward_ad or check_backward_ad to be True")
    if check_batched_grad and not check_backward_ad:
        raise AssertionError("Setting check_batched_grad=True requires check_backward_ad to be True")
    if check_batched_forward_grad and not check_forward_ad:
        raise AssertionError("Setting check_batched_forward_grad=True requires check_forward_ad to be True")
    given = as_tuple(inputs)
    try:
        _check_inputs(given)
        check = Check(
            func, given, eps, atol, rtol, nondet_tol, check_grad_dtypes, fast_mode, masked=bool(masked)
        )
        _check_all(check, check_backward_ad, check_forward_ad, check_undefined_grad)
        if check_batched_forward_grad:
            _batched_tangents(check)
        if check_backward_ad:
            if check_batched_grad:
                _batched_cotangents(check)
            _scales(check)
            if check_undefined_grad:
                _missing_cotangents(check)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """Compare the derivatives of the gradients of `func` with finite differences of the gradients.

    Args:
        func: function of tensors that returns a tensor or a tuple of tensors.
        inputs: its arguments; those that require gradients are varied.
        grad_outputs: cotangents of the outputs, varied too where they require gradients; random if None.
        eps: step of the finite differences, in the units of the inputs.
        atol: absolute tolerance.
        rtol: relative tolerance.
        gen_non_contig_grad_outputs: make the random cotangents noncontiguous.
        raise_exception: raise instead of returning False.
        nondet_tol: how far two runs of the same backward may differ.
        check_undefined_grad: also check that missing cotangents count as zeros.
        check_grad_dtypes: also check the kind of the tangents.
        check_batched_grad: also check backward under vmap.
        check_fwd_over_rev: check forward mode over backward.
        check_rev_over_rev: check backward over backward.
        fast_mode: compare along random directions only.
        masked: whether elements that sparse inputs do not store are constants; without effect on dense ones.

    Returns:
        True if every derivative agrees.

    Raises:
        GradcheckError: if one does not.

    Example:
        >>> import cotangent as torch
        >>> x = torch.tensor([0.5, 1.0], dtype=torch.float64, requires_grad=True)
        >>> torch.autograd.gradgradcheck(torch.sin, (x,))
        True
    """
    if not (check_fwd_over_rev or check_rev_over_rev):
        raise AssertionError("Expected at least one of check_fwd_over_rev or check_rev_over_rev to be True")
    if check_undefined_grad and not check_rev_over_rev:
        raise AssertionError("Setting check_undefined_grad=True requires check_rev_over_rev to be True")
    if check_batched_grad and not check_rev_over_rev:
        raise AssertionError("Setting check_batched_grad=True requires check_rev_over_rev to be True")
    given = as_tuple(inputs)
    if grad_outputs is None:
        seeds = tuple(_seed(o, gen_non_contig_grad_outputs) for o in differentiable_outputs(func(*given)))
    else:
        seeds = as_tuple(grad_outputs)
    count = len(seeds)
    varied, varied_seeds = differentiable(given), differentiable(seeds)

    def gradients(*args: Any) -> tuple[Any, ...]:
        # Forward mode passes detached tensors in: what required gradients does so again.
        ins = [x.requires_grad_() if i in varied else x for i, x in enumerate(args[:-count])]
        gs = [g.requires_grad_() if i in varied_seeds else g for i, g in enumerate(args[-count:])]
        outputs = differentiable_outputs(func(*ins))
        found = grad(outputs, [ins[i] for i in varied], gs, create_graph=True, allow_unused=True)
        return tuple(g for g in found if g is not None)

    return gradcheck(
        gradients,
        given + seeds,
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        check_undefined_grad=check_undefined_grad,
        check_grad_dtypes=check_grad_dtypes,
        check_batched_grad=check_batched_grad,
        check_forward_ad=check_fwd_over_rev,
        check_backward_ad=check_rev_over_rev,
        fast_mode=fast_mode,
        masked=masked,
    )


def _seed(output: Any, noncontiguous: bool) -> Any:
    """A random cotangent between -1 and 1 for `output`."""
    seed = (rand(tuple(output.shape), dtype=output.dtype) * 2 - 1).detach()
    if noncontiguous and seed.numel() > 1:
        seed = stack([seed, seed], -1)[..., 0]
    return seed.detach().requires_grad_()


def get_numerical_jacobian(
    fn: Callable[..., Any], inputs: tuple[Any, ...], target: Any = None, eps: float = 1e-3, grad_out: float =
    1.0
) -> tuple[Any, ...]:
    """Deprecated: the Jacobians of the first output by finite differences.

    Args:
        fn: takes the tuple of inputs.
        inputs: its argument.
        target: the inputs to vary; all that require gradients if None.
        eps: step.
        grad_out: must be 1.

    Returns:
        for each input a matrix (elements of the input, elements of the output).

    Raises:
        ValueError: for another `grad_out`.
    """
    _private("get_numerical_jacobian")
    _one_cotangent("get_numerical_jacobian", grad_out)
    check = Check(lambda *given: fn(given), inputs, eps, 0.0, 0.0, 0.0, False, False)
    wanted = as_tuple(inputs if target is None else target)
    found = [check.numerical(i, [0])[0] for i, x in enumerate(inputs) if any(x is t for t in wanted)]
    return tuple(map(wrap, found))


def get_analytical_jacobian(
    inputs: tuple[Any, ...], output: Any, nondet_tol: float = 0.0, grad_out: float = 1.0
) -> tuple[Any, bool, bool, bool]:
    """Deprecated: the Jacobians of one output by backward passes.

    Args:
        inputs: tensors that require gradients.
        output: a tensor computed from them.
        nondet_tol: how far two runs may differ.
        grad_out: must be 1.

    Returns:
        for each input a matrix, whether two runs agree, whether shapes and types of the gradients are right.

    Raises:
        ValueError: for another `grad_out`.
    """
    _private("get_analytical_jacobian")
    _one_cotangent("get_analytical_jacobian", grad_out)
    check = Check(lambda *_: output, inputs, 0.0, 0.0, 0.0, nondet_tol, False, False)
    first, again = check.backward_rows(output), check.backward_rows(output)
    alike = all(not a.size or abs(a - b).max() <= nondet_tol for a, b in zip(first, again, strict=True))
    return tuple(map(wrap, first)), bool(alike), True, True


def _private(name: str) -> None:
    warn(
        f"`{name}` was part of PyTorch's private API and not meant to be exposed. We are deprecating it and "
        "it will "
        "be removed in a future version of PyTorch. If you have a specific use for this or feature request "
        "for this "
        "to be a stable API, please file us an issue at https://github.com/pytorch/pytorch/issues/new",
        FutureWarning,
    )


def _one_cotangent(name: str, grad_out: float) -> None:
    if grad_out != 1.0:
        raise ValueError(
            f"Expected grad_out to be 1.0. {name} no longer supports values of grad_out != 1.0."
        )
