"""Compressed sparse layouts, eight-bit floats and quantised tensors: the same calls on both libraries."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import cotangent

X = [[0.0, 1.0, 2.0], [3.0, 0.0, 0.0]]
EIGHT = ("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu")


def x(t: Any) -> Any:
    return t.tensor(X, dtype=t.float64)


def csr(t: Any) -> Any:
    return x(t).to_sparse_csr()


def dense(t: Any, *shape: int) -> Any:
    return t.ones(*shape, dtype=t.float64)


def blocks(t: Any) -> Any:
    return t.kron(t.eye(2, dtype=t.float64), x(t)[:, :2] + 1)


def built(*parts: Any, **options: Any) -> Callable[[Any], Any]:
    return lambda t: t.sparse_csr_tensor(*parts, check_invariants=True, **options)


def gradient(through: Callable[[Any, Any], Any]) -> Callable[[Any], Any]:
    """The gradient of a weighted sum of what comes of a dense leaf."""

    def run(t: Any) -> Any:
        leaf = x(t).requires_grad_()
        out = through(t, leaf)
        (out * t.arange(1.0, out.numel() + 1, dtype=t.float64).reshape(out.shape)).sum().backward()
        return leaf.grad

    return run


def eight(use: Callable[[Any, Any], Any]) -> Callable[[Any], Any]:
    return lambda t: use(t, t.tensor([1.0, 2.0, 300.0, -0.1, 500.0]).to(t.float8_e5m2))


def quantised(use: Callable[[Any, Any], Any]) -> Callable[[Any], Any]:
    return lambda t: use(t, t.quantize_per_tensor(t.tensor(X) - 1, 0.1, 10, t.quint8))


CALLS: dict[str, Callable[[Any], Any]] = {
    "csr": csr,
    "csc": lambda t: x(t).to_sparse_csc(),
    "bsr": lambda t: blocks(t).to_sparse_bsr((2, 1)),
    "bsc": lambda t: blocks(t).to_sparse_bsc((2, 2)),
    "bsr with gaps": lambda t: blocks(t).to_sparse_bsr((1, 3)),
    "blocks that do not divide": lambda t: x(t).to_sparse_bsr((2, 2)),
    "layout by name": lambda t: x(t).to_sparse(layout=t.sparse_csc),
    "batch": lambda t: t.stack([x(t), 2 * x(t)]).to_sparse_csr(),
    "uneven batch": lambda t: t.stack([x(t), x(t) * 0]).to_sparse_csr(),
    "dense dimension": lambda t: dense(t, 2, 3, 2).to_sparse_csr(dense_dim=1),
    "batch to dense": lambda t: t.stack([x(t), 2 * x(t)]).to_sparse_csc().to_dense(),
    "blocks to dense": lambda t: blocks(t).to_sparse_bsc((2, 2)).to_dense(),
    "dense dimension to dense": lambda t: dense(t, 2, 3, 2).to_sparse_csr(dense_dim=1).to_dense(),
    "csr to csc": lambda t: csr(t).to_sparse_csc(),
    "csr to coo": lambda t: csr(t).to_sparse(),
    "csr to bsr": lambda t: csr(t).to_sparse_bsr((1, 1)),
    "bsr to csr": lambda t: blocks(t).to_sparse_bsr((2, 2)).to_sparse_coo().to_sparse_csr(),
    "coo to csr": lambda t: x(t).to_sparse().to_sparse_csr(),
    "parts": lambda t: (csr(t).crow_indices(), csr(t).col_indices(), csr(t).values(), csr(t)._nnz()),
    "columns' parts": lambda t: (x(t).to_sparse_csc().ccol_indices(), x(t).to_sparse_csc().row_indices()),
    "parts of another layout": lambda t: csr(t).ccol_indices(),
    "parts of a dense tensor": lambda t: x(t).crow_indices(),
    "indices": lambda t: csr(t).indices(),
    "copies": lambda t: (t.crow_indices_copy(csr(t)), t.values_copy(csr(t))),
    "what it says of itself": lambda t: (
        csr(t).is_sparse, csr(t).is_sparse_csr, repr(csr(t).layout), csr(t).sparse_dim(), csr(t).dense_dim()
    ),
    "strides": lambda t: csr(t).stride(),
    "numpy": lambda t: csr(t).numpy(),
    "constructed": built([0, 2, 3], [1, 2, 0], [1.0, 2, 3]),
    "constructed with a size": built([0, 2, 3], [1, 2, 0], [1.0, 2, 3], (2, 5)),
    "columns": lambda t: t.sparse_csc_tensor([0, 1, 2, 3], [1, 0, 0], [1.0, 2, 3], (2, 3)),
    "blocks": lambda t: t.sparse_bsr_tensor([0, 1, 2], [0, 1], t.arange(8.0).reshape(2, 2, 2)),
    "blocks of columns": lambda t: t.sparse_bsc_tensor([0, 1, 2], [0, 1], t.arange(8.0).reshape(2, 2, 2)),
    "any layout": lambda t: t.sparse_compressed_tensor([0, 1], [0], [2.0], layout=t.sparse_csr),
    "no layout": lambda t: t.sparse_compressed_tensor([0, 1], [0], [2.0]),
    "a layout that is not sparse": lambda t: t.sparse_compressed_tensor([0, 1], [0], [2.0], layout=t.strided),
    "too few values": built([0, 2, 3], [1, 2, 0], [1.0, 2]),
    "too few rows": built([0, 2], [1, 2, 0], [1.0, 2, 3], (2, 3)),
    "a wrong last count": built([0, 2, 4], [1, 2, 0], [1.0, 2, 3], (2, 3)),
    "a wrong first count": built([1, 2, 3], [1, 2, 0], [1.0, 2, 3], (2, 3)),
    "a column too far": built([0, 2, 3], [1, 5, 0], [1.0, 2, 3], (2, 3)),
    "a negative column": built([0, 2, 3], [1, -1, 0], [1.0, 2, 3], (2, 3)),
    "columns out of order": built([0, 2, 3], [2, 1, 0], [1.0, 2, 3], (2, 3)),
    "a column twice": built([0, 2, 3], [1, 1, 0], [1.0, 2, 3], (2, 3)),
    "ranks that differ": built([[0, 2, 3]], [1, 2, 0], [1.0, 2, 3], (2, 3)),
    "one dimension": built([0, 2, 3], [1, 2, 0], [1.0, 2, 3], (6,)),
    "three dimensions": built([0, 2, 3], [1, 2, 0], [1.0, 2, 3], (2, 3, 4)),
    "floats as places": built([0.0, 2, 3], [1, 2, 0], [1.0, 2, 3], (2, 3)),
    "add": lambda t: csr(t) + csr(t),
    "add to dense": lambda t: dense(t, 2, 3) + csr(t),
    "times a number": lambda t: csr(t) * 2,
    "times itself": lambda t: csr(t) * csr(t),
    "times dense": lambda t: csr(t) * x(t),
    "neg": lambda t: -csr(t),
    "sin": lambda t: csr(t).sin(),
    "abs": lambda t: csr(t).neg().abs(),
    "sum": lambda t: csr(t).sum(),
    "t": lambda t: csr(t).t(),
    "row": lambda t: csr(t)[0],
    "element": lambda t: csr(t)[0, 1],
    "to float32": lambda t: csr(t).to(t.float32),
    "zeros_like": lambda t: t.zeros_like(csr(t)),
    "ones_like": lambda t: t.ones_like(csr(t)),
    "zeros": lambda t: t.zeros(2, 3, layout=t.sparse_csr),
    "clone": lambda t: csr(t).clone(),
    "copy_": lambda t: csr(t).clone().copy_(csr(t) * 2),
    "add_": lambda t: csr(t).clone().add_(csr(t)),
    "zero_": lambda t: csr(t).clone().zero_(),
    "mask": lambda t: x(t).sparse_mask(csr(t)),
    "spdiags": lambda t: t.sparse.spdiags(t.ones(2), t.tensor([1]), (2, 2), layout=t.sparse_csr),
    "mm": lambda t: csr(t) @ dense(t, 3, 2),
    "mm from the left": lambda t: dense(t, 4, 2) @ csr(t),
    "mm of two": lambda t: csr(t) @ x(t).t().to_sparse_csr(),
    "mv": lambda t: csr(t) @ dense(t, 3),
    "addmm": lambda t: t.addmm(dense(t, 2, 2), csr(t), dense(t, 3, 2)),
    "sparse.mm": lambda t: t.sparse.mm(csr(t), dense(t, 3, 2)),
    "sparse.mm mean": lambda t: t.sparse.mm(csr(t), dense(t, 3, 2), "mean"),
    "sparse.mm amax": lambda t: t.sparse.mm(csr(t), dense(t, 3, 2), "amax"),
    "sampled_addmm": lambda t: t.sparse.sampled_addmm(csr(t), dense(t, 2, 2), dense(t, 2, 3)),
    "gradient through csr": gradient(lambda t, leaf: leaf.to_sparse_csr().to_dense()),
    "gradient through bsc": gradient(lambda t, leaf: leaf.to_sparse_bsc((2, 1)).to_dense()),
    "gradient of a product": gradient(lambda t, leaf: csr(t).t() @ leaf),
    "gradient of values": gradient(lambda t, leaf: leaf.to_sparse_csr().values()),
    "hspmm": lambda t: t.hspmm(x(t).to_sparse(), dense(t, 3, 2)),
    "native_norm": lambda t: t.native_norm(x(t).to_sparse(), 3),
    "sparse_resize_": lambda t: x(t).to_sparse().sparse_resize_((4, 5), 2, 0),
    "sparse_resize_ to less": lambda t: x(t).to_sparse().sparse_resize_((1, 1), 2, 0),
    "sparse_resize_ split anew": lambda t: x(t).to_sparse().sparse_resize_((4, 5), 1, 1),
    "sparse_resize_and_clear_": lambda t: x(t).to_sparse().sparse_resize_and_clear_((4, 5), 1, 1),
    "resize_as_sparse_": lambda t: t.resize_as_sparse_(x(t).to_sparse(), t.eye(4).to_sparse()),
    "eight bits": eight(lambda t, v: v),
    "eight bits as numbers": eight(lambda t, v: (v.tolist(), v[0].item(), v.float(), v.to(t.int32))),
    "eight bits of many": eight(lambda t, v: t.cat([v, v]).reshape(2, 5)[:, 1:]),
    "eight bits times": eight(lambda t, v: v * v),
    "eight bits equal": eight(lambda t, v: (v == v, v != 2.0, v.abs(), v.isnan())),
    "eight bits add": eight(lambda t, v: v + v),
    "eight bits sub": eight(lambda t, v: v - 1),
    "eight bits div": eight(lambda t, v: v / v),
    "eight bits neg": eight(lambda t, v: -v),
    "eight bits exp": eight(lambda t, v: v.exp()),
    "eight bits less": eight(lambda t, v: v < v),
    "eight bits with float": eight(lambda t, v: v + t.ones(5)),
    "eight bits written": eight(lambda t, v: v.clone().copy_(t.full((5,), 1e9))),
    "eight bits full": lambda t: t.full((2,), 1.7, dtype=t.float8_e4m3fn),
    "eight bits of too much": lambda t: t.tensor([1000.0, -1000.0], dtype=t.float8_e4m3fn),
    "eight bits numpy": eight(lambda t, v: v.numpy()),
    "eight bits type": eight(lambda t, v: (v.type(), v.element_size(), v.dtype.is_signed)),
    "quantised": quantised(lambda t, q: q),
    "quantised to numbers": quantised(lambda t, q: (q.dequantize(), q.int_repr(), q.q_scale())),
    "quantised turned": quantised(lambda t, q: (q.t(), q[0], q.reshape(6), q.clone(), q.permute(1, 0))),
    "quantised by slices": lambda t: t.quantize_per_channel(
        t.tensor(X), t.tensor([0.1, 0.2]), t.tensor([10, 0]), 0, t.quint8
    ),
    "quantised to fit": lambda t: t.quantize_per_tensor_dynamic(t.tensor(X) - 1, t.quint8, False),
    "quantised scales of slices": quantised(lambda t, q: q.q_per_channel_scales()),
    "quantised zero too large": lambda t: t.quantize_per_tensor(t.tensor(X), 0.1, 1000, t.quint8),
    "quantised doubles": lambda t: t.quantize_per_tensor(x(t), 0.1, 0, t.quint8),
}  # fmt: skip


def outcome(run: Callable[[Any], Any], xp: Any) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return repr(run(xp))
        except Exception as error:
            return f"{type(error).__name__}: {str(error).partition(' This could be because')[0]}"


@pytest.mark.parametrize("name", CALLS)
def test_call(name: str) -> None:
    assert outcome(CALLS[name], cotangent) == outcome(CALLS[name], torch)


@pytest.mark.parametrize("name", EIGHT)
@pytest.mark.parametrize("source", ("float32", "float64", "float16"))
def test_conversion_to_eight_bits(name: str, source: str) -> None:
    draw = np.random.default_rng(0)
    bits = draw.integers(0, 2**32, 20000, dtype=np.uint32).view(np.float32)
    with np.errstate(all="ignore"):
        values = np.concatenate((bits, draw.standard_normal(20000) * 300, [0.0, -0.0, 464.0])).astype(source)
    ours = cotangent.from_numpy(values.copy()).to(getattr(cotangent, name)).view(cotangent.uint8).numpy()
    theirs = torch.from_numpy(values).to(getattr(torch, name)).view(torch.uint8).numpy()
    assert (ours == theirs).all()


@pytest.mark.parametrize("name", EIGHT)
def test_limits_of_eight_bits(name: str) -> None:
    ours, theirs = cotangent.finfo(getattr(cotangent, name)), torch.finfo(getattr(torch, name))
    assert repr(ours) == repr(theirs)


GRADIENTS: dict[str, Callable[[Any], Any]] = {
    "csr": lambda t: t.to_sparse_csr().to_dense(),
    "bsr": lambda t: t.to_sparse_bsr((2, 1)).values(),
    "coordinates": lambda t: t.to_sparse_csc().to_sparse().to_dense(),
    "product": lambda t: t.to_sparse_csr() @ cotangent.arange(6.0, dtype=cotangent.float64).reshape(3, 2),
    "mean": lambda t: cotangent.sparse.mm(t.to_sparse_csr(), t.t().contiguous(), "mean"),
    "values": lambda t: cotangent.sparse_csr_tensor(
        [0, 3, 6], [0, 1, 2] * 2, t.reshape(6), (2, 3)
    ).to_dense(),
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients_are_those_of_differences(name: str) -> None:
    start = cotangent.arange(1.0, 7.0, dtype=cotangent.float64).reshape(2, 3).requires_grad_()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert cotangent.autograd.gradcheck(GRADIENTS[name], (start,))
        assert cotangent.autograd.gradgradcheck(GRADIENTS[name], (start,))
