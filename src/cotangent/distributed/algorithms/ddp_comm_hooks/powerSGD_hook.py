"""PowerSGD: gradients travel as products of two thin matrices.

Vogels, Karimireddy and Jaggi, 2019, https://arxiv.org/abs/1905.13727, algorithms 1 and 2. One step of power
iteration, started from the last step's matrix, finds the factors of the sum over all ranks; what they miss is
added to the next gradient.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ....futures import Future
from ... import rings
from ...group import Work, resolve
from .default_hooks import allreduce_hook

__all__ = ["PowerSGDState", "batched_powerSGD_hook", "powerSGD_hook"]


class PowerSGDState:
    """What the hooks keep between iterations.

    Args:
        process_group: the ranks; all by default.
        matrix_approximation_rank: width of the thin matrices.
        start_powerSGD_iter: up to this iteration gradients are averaged as they are.
        min_compression_rate: a gradient travels as it is unless this many times less is sent.
        use_error_feedback: whether what was missed is added to the next gradient.
        warm_start: whether to start from the last factors.
        orthogonalization_epsilon: added to lengths that are divided by.
        random_seed: of the first factors.
        compression_stats_logging_frequency: accepted as in PyTorch.
        batch_tensors_with_same_shape: accepted as in PyTorch.

    Raises:
        ValueError: if it is to start before the third iteration though it feeds back or starts warm.
    """

    def __init__(
        self,
        process_group: Any,
        matrix_approximation_rank: int = 1,
        start_powerSGD_iter: int = 1000,
        min_compression_rate: float = 2,
        use_error_feedback: bool = True,
        warm_start: bool = True,
        orthogonalization_epsilon: float = 0,
        random_seed: int = 0,
        compression_stats_logging_frequency: int = 10000,
        batch_tensors_with_same_shape: bool = False,
    ) -> None:
        if (use_error_feedback or warm_start) and start_powerSGD_iter <= 1:
            raise ValueError(
                "Expect `start_powerSGD_iter` > 1 if `use_error_feedback` or `warm_start` is enabled, because"
                " PowerSGD can only be applied after the first two iterations in DDP."
            )
        self.process_group = process_group
        self.matrix_approximation_rank = matrix_approximation_rank
        self.start_powerSGD_iter = start_powerSGD_iter
        self.min_compression_rate = min_compression_rate
        self.use_error_feedback = use_error_feedback
        self.warm_start = warm_start
        self.orthogonalization_epsilon = orthogonalization_epsilon
        self.rng = np.random.RandomState(random_seed)
        self.iter = 0
        self.total_numel_before_compression = 0
        self.total_numel_after_compression = 0
        self.error_dict: dict[int, Any] = {}
        self.q_memory_dict: dict[tuple[int, int], Any] = {}

    def compression_stats(self) -> tuple[float, int, int]:
        """How many times less was sent, and the numbers of elements before and after."""
        before, after = self.total_numel_before_compression, self.total_numel_after_compression
        return (before / after if after else 0.0), before, after

    def first(self, key: tuple[int, int], rows: int, rank: int, dtype: Any) -> Any:
        """The matrix that an iteration starts from, the same on all ranks."""
        held = self.q_memory_dict.get(key) if self.warm_start else None
        if held is None:
            held = self.rng.standard_normal((rows, rank)).astype(dtype)
        return held

    def orthogonal(self, matrix: Any) -> Any:
        """The columns made orthogonal and of length 1 (Gram and Schmidt)."""
        for k in range(matrix.shape[1]):
            column = matrix[:, k]
            length = np.linalg.norm(column) + self.orthogonalization_epsilon
            if length > 0:
                column /= length
            matrix[:, k + 1 :] -= np.outer(column, column @ matrix[:, k + 1 :])
        return matrix


def _factored(state: PowerSGDState, link: Any, matrices: list[tuple[tuple[int, int], Any]]) -> None:
    """Replace each matrix by the low-rank mean over all ranks."""
    size = link.size
    starts = []
    for key, m in matrices:
        rank = min(*m.shape, state.matrix_approximation_rank)
        starts.append(state.orthogonal(state.first(key, m.shape[1], rank, m.dtype).copy()))
    ps = _summed(link, [m @ q for (_, m), q in zip(matrices, starts, strict=True)])
    ps = [state.orthogonal(p) for p in ps]
    qs = _summed(link, [m.T @ p for (_, m), p in zip(matrices, ps, strict=True)])
    for (key, m), p, q in zip(matrices, ps, qs, strict=True):
        q /= size
        state.q_memory_dict[key] = q
        np.matmul(p, q.T, out=m)
        state.total_numel_after_compression += p.size + q.size


def _summed(link: Any, arrays: list[Any]) -> list[Any]:
    """The sums over all ranks; the arrays travel together."""
    if not arrays:
        return []
    flat = np.concatenate([a.reshape(-1) for a in arrays])
    rings.all_reduce(link, flat, "SUM")
    ends = np.cumsum([a.size for a in arrays])[:-1]
    return [part.reshape(a.shape) for part, a in zip(np.split(flat, ends), arrays, strict=True)]


def _in_lane(state: PowerSGDState, bucket: Any, reduce: Any) -> Future[Any]:
    """Run a reduction of a bucket in the group's lane, with what was missed before fed back."""
    group = resolve(state.process_group)
    if state.iter < state.start_powerSGD_iter:
        _count(state, bucket)
        return allreduce_hook(group, bucket)
    buffer, index = bucket.buffer(), bucket.index()
    flat = buffer._data.reshape(-1)

    def run() -> None:
        if state.use_error_feedback:
            if index in state.error_dict:
                flat[...] += state.error_dict[index]
            own = flat.copy()
        state.total_numel_before_compression += flat.size
        reduce(group.link)
        if state.use_error_feedback:
            state.error_dict[index] = own - flat

    _count(state, bucket)
    work = group.submit(run, True, "POWER_SGD", [buffer])
    assert isinstance(work, Work)
    return work.get_future().then(lambda done: done.value()[0])


def _count(state: PowerSGDState, bucket: Any) -> None:
    if bucket.is_last():
        state.iter += 1


def powerSGD_hook(state: PowerSGDState, bucket: Any) -> Future[Any]:
    """Each gradient with two dimensions or more, that is worth it, travels as two thin matrices.

    Args:
        state: kept between iterations.
        bucket: the gradients.
    """
    index = bucket.index()

    def reduce(link: Any) -> None:
        thin, others = [], []
        for number, gradient in enumerate(bucket.gradients()):
            data = gradient._data
            if data.ndim >= 2 and data.size:
                m = data.reshape(data.shape[0], -1)
                rank = min(*m.shape, state.matrix_approximation_rank)
                if sum(m.shape) * rank * state.min_compression_rate < m.size:
                    thin.append(((index, number), m))
                    continue
            others.append(data)
        for data, total in zip(others, _summed(link, others), strict=True):
            np.divide(total, link.size, out=data)
            state.total_numel_after_compression += data.size
        _factored(state, link, thin)

    return _in_lane(state, bucket, reduce)


def batched_powerSGD_hook(state: PowerSGDState, bucket: Any) -> Future[Any]:
    """All gradients of a bucket travel as the factors of one square matrix: faster, and less exact.

    Args:
        state: kept between iterations.
        bucket: the gradients.
    """
    flat = bucket.buffer()._data.reshape(-1)

    def reduce(link: Any) -> None:
        side = math.ceil(math.sqrt(flat.size))
        square = np.zeros(side * side, flat.dtype)
        square[: flat.size] = flat
        _factored(state, link, [((bucket.index(), 0), square.reshape(side, side))])
        flat[...] = square[: flat.size]

    return _in_lane(state, bucket, reduce)
