"""`grad(..., is_grads_batched=True)`: one backward for a batch of cotangents, under vmap."""

from __future__ import annotations

from typing import Any

from ..autograd.api import grad
from ..autograd.base import is_tensor
from ..ops.table import TABLE
from .batched import BatchLevel, expanded, front
from .mapping import mapped_inputs


def batched_grad(
    outputs: tuple[Any, ...], inputs: tuple[Any, ...], cotangents: tuple[Any, ...], *,
    materialize_grads: bool, **options: Any,
) -> tuple[Any, ...]:  # fmt: skip
    """Gradients for each of a batch of cotangents.

    Args:
        outputs: tensors to differentiate.
        inputs: tensors to differentiate by.
        cotangents: per output a tensor with the batch dimension in front of the output's own.
        materialize_grads: return zeros, without the batch dimension, for unused inputs.
        **options: what `grad` takes besides.

    Returns:
        per input the gradients with the batch dimension in front; None (or zeros) for unused inputs.
    """
    g: Any
    for i, (g, out) in enumerate(zip(cotangents, outputs, strict=True)):
        if is_tensor(g) and tuple(g.shape)[1:] != tuple(out.shape) and g.ndim:
            raise RuntimeError(
                "If `is_grads_batched=True`, we interpret the first dimension of each grad_output as the "
                "batch dimension. The sizes of the remaining dimensions are expected to match the shape of "
                f"corresponding output, but a mismatch was detected: grad_output[{i}] has a shape of "
                f"{g.shape[2:]} and output[{i}] has a shape of {out.shape}. If you only want some tensors in "
                "`grad_output` to be considered batched, consider using vmap."
            )
    given = [g for g in cotangents if g is not None]
    if not given:
        return grad(outputs, inputs, materialize_grads=materialize_grads, **options)
    _, _, _, size = mapped_inputs("vjp", 0, tuple(given))
    with BatchLevel(size) as level:
        seeds = [None if g is None else level.batch(g, 0) for g in cotangents]
        found = grad(outputs, inputs, seeds, **options)
    made = []
    for g, x in zip(found, inputs, strict=True):
        if g is not None:
            g = front(g._data.value, g._data.bdim) if level.owns(g) else expanded(g, size)
        elif materialize_grads:
            g = TABLE["zeros_like"].entry(x)
        made.append(g)
    return tuple(made)

