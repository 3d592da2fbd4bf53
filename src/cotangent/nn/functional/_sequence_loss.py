"""The loss of sequences of labels without an alignment."""

from __future__ import annotations

from typing import Any

from ...dtypes import FLOATING, INTEGRAL, int64
from ...functions import tensor
from ...ops.ctc import ctc
from ...ops.refusals import unsupported
from .._reduction import get_enum

__all__ = ["ctc_loss"]

_WHERE = " (while checking arguments for ctc_loss_allocate_outputs)"


def _lengths(name: str, given: Any, batch: int) -> Any:
    """Lengths as int64 (N,).

    Raises:
        RuntimeError: if they are no integers or of another number.
    """
    lengths = given if hasattr(given, "dtype") else tensor(list(given), dtype=int64)
    if lengths.dtype.category != INTEGRAL:
        raise RuntimeError(f"{name} must be integral")
    lengths = lengths.reshape(-1).to(int64)
    if lengths.shape[0] != batch:
        raise RuntimeError(f"{name} must be of size batch_size")
    return lengths


def _bounded(name: str, numbers: list[int], most: int | None) -> None:
    for n in numbers:
        if n < 0:
            raise RuntimeError(f"Expected {name} to have value at least 0, but got value {n}{_WHERE}")
        if most is not None and n > most:
            raise RuntimeError(f"Expected {name} to have value at most {most}, but got value {n}{_WHERE}")


def _rows(targets: Any, numbers: list[int]) -> Any:
    """The labels as (N, S), from (N, S) or from (sum of the numbers,)."""
    targets = targets.to(int64)
    most = max(numbers, default=0)
    if targets.dim() == 2:
        if targets.shape[1] < most:
            raise RuntimeError(
                f"Expected tensor to have size at least {most} at dimension 1, but got size "
                f"{targets.shape[1]} for argument #2 'targets'{_WHERE}"
            )
        return targets[:, :most]
    if targets.shape[0] != sum(numbers):
        raise RuntimeError(
            f"Expected tensor to have size {sum(numbers)} at dimension 0, but got size {targets.shape[0]} "
            f"for argument #2 'targets'{_WHERE}"
        )
    places, first = [], 0
    for n in numbers:
        places.append([min(first + i, max(first + n - 1, 0)) for i in range(most)])
        first += n
    if not targets.shape[0]:
        return targets.new_zeros((len(numbers), 0))
    return targets[tensor(places, dtype=int64).clamp_max(targets.shape[0] - 1)]


def ctc_loss(
    log_probs: Any,
    targets: Any,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Any:
    """Negative log-likelihood of labels, summed over all their alignments with the input.

    Args:
        log_probs: logarithms of probabilities of the classes, (T, N, C) or (T, C).
        targets: labels, (N, S), or those of all examples one after the other.
        input_lengths: how many of the T steps count, (N,).
        target_lengths: how many labels there are, (N,).
        blank: the class that stands for no label.
        reduction: "mean" (of the losses over the numbers of labels), "sum" or "none".
        zero_infinity: whether infinite losses, of inputs too short for their labels, count as 0.

    Returns:
        the reduced loss, or the losses (N,).

    Raises:
        RuntimeError: for lengths or classes that do not fit.

    Source: https://www.cs.toronto.edu/~graves/icml_2006.pdf

    Example:
        >>> import cotangent as torch
        >>> log_probs = torch.full((2, 1, 2), 0.5).log()
        >>> torch.nn.functional.ctc_loss(log_probs, torch.tensor([[1]]), [2], [1])
        tensor(0.2877)
    """
    number = get_enum(reduction)
    if log_probs.dim() == 2:
        found = ctc_loss(
            log_probs.unsqueeze(1),
            targets.unsqueeze(0) if targets.dim() == 1 else targets,
            input_lengths,
            target_lengths,
            blank,
            reduction,
            zero_infinity,
        )
        return found.squeeze(0) if number == 0 else found
    if log_probs.dtype.category != FLOATING or log_probs.dtype.itemsize == 2:
        raise unsupported("ctc_loss_cpu", log_probs.dtype)
    if not log_probs.numel():
        raise RuntimeError("log_probs tensor must not be empty")
    steps, batch, classes = log_probs.shape
    if not 0 <= blank < classes:
        raise RuntimeError("blank must be in label range")
    times = _lengths("input_lengths", input_lengths, batch)
    ends = _lengths("target_lengths", target_lengths, batch)
    numbers = ends.tolist()
    _bounded("target_lengths", numbers, None)
    labels = _rows(targets, numbers)
    _bounded("input_lengths", times.tolist(), steps)
    losses, _ = ctc(log_probs, labels, times, ends, blank, zero_infinity)
    if number == 1:
        return (losses / ends.clamp_min(1).to(losses.dtype)).mean()
    return losses.sum() if number == 2 else losses
