"""Calls in which PyTorch's own tests found differences, in both libraries: results, gradients, exceptions."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from samples.library import xp

MASKED = """
t.masked.sum(t.tensor([1, 2, 3], dtype=t.int8), mask=t.tensor([True, False, True]))
t.masked.sum(t.ones(2, 3), mask=t.tensor([True, False, True]))
t.masked.sum(t.ones(2, 3), dim=(0, ), keepdim=True, mask=t.tensor([[True], [False]]))
t.masked.sum(t.ones(2, 3), dim=3)
t.masked.sum(t.ones(2, 3), dim=(0, 0))
t.masked.sum(t.ones(3), mask=t.ones(2, 3, dtype=t.bool))
t.masked.prod(t.tensor([[1., 2.], [3., 4.]]), dim=(0, 1), mask=t.tensor([[True, False], [True, True]]))
t.masked.amax(t.tensor([[1, 2], [3, 4]]), dim=1, mask=FEW)
t.masked.amin(t.tensor([[1, 2], [3, 4]]), dim=1, mask=FEW)
t.masked.amax(t.tensor([[True, False]]), dim=1, mask=t.tensor([[True, False]]))
t.masked.argmax(t.tensor([[1, 2], [3, 4]]), dim=1, mask=FEW)
t.masked.argmin(t.tensor([[1., 2], [3, 4]]), mask=FEW)
t.masked.mean(t.tensor([[1., 2], [3, 4]]), 1, mask=FEW)
t.masked.mean(t.tensor([[1, 2], [3, 4]]), 1)
t.masked.mean(t.tensor([[1, 2], [3, 4]]), 1, dtype=t.int32)
t.masked.mean(t.tensor([[1, 2], [3, 4]]), 1, dtype=t.float64)
t.masked.median(t.tensor([[1., 2], [3, 4]]), 1, mask=FEW)
t.masked.median(t.tensor([[1, 2], [3, 4]]), 1, mask=FEW)
t.masked.median(t.tensor([[1, 2], [3, 4]]), 1, mask=t.tensor([[True, False], [False, True]]))
t.masked.logsumexp(t.tensor([[1., 2], [3, 4]]), 1, mask=FEW)
t.masked.logaddexp(t.ones(2), X[:, 0], input_mask=t.tensor([True, False]), other_mask=FEW[1])
t.masked.norm(t.tensor([[3., 2], [3, 4]]), 2.0, 1, mask=t.tensor([[True, False], [True, True]]))
t.masked.norm(t.tensor([[3., 2], [3, 4]]), -np.inf, 1, mask=t.tensor([[True, False], [True, True]]))
t.masked.var(X, 1, mask=ROWS)
t.masked.std(t.tensor([[3, 2, 9], [3, 4, 2]]), 1, False, mask=ROWS)
t.masked.var(t.tensor([[3, 2 + 1j, 9], [3, 4, 2]]), None, correction=2, keepdim=True, mask=MASK)
t.masked.var(X, 1, True, correction=2)
t.masked.softmax(X, 1, mask=t.tensor([[True, False, True], [False, False, False]]))
t.masked.log_softmax(X, -1, mask=ROWS)
t.masked.softmin(X, -1, mask=ROWS, dtype=t.float64)
t.masked.normalize(X, 2.0, -1, mask=ROWS)
t.masked.cumsum(X, -1, mask=ROWS)
t.masked.cumprod(t.tensor([[3, 2, 9], [3, 4, 2]]), -1, mask=ROWS)
t.masked.sum(t.tensor([[3, 2, 9], [3, 4, 2]]), (), mask=t.tensor([[1, 0, 1]]))
t.masked._reduction_identity('sum', t.ones(1, dtype=t.int8))
t.masked._reduction_identity('norm', t.ones(1), -np.inf)
t.masked._output_mask(t.masked.sum, t.ones(2, 3), 1, keepdim=True, mask=t.tensor([[True], [False]]))
t.masked._output_mask(t.masked.norm, t.ones(2, 3), 2, 1, mask=t.tensor([[True], [False]]))
t.masked._output_mask(t.masked.softmax, t.ones(2, 3), 1, mask=t.tensor([[True], [False]]))
t.masked._output_mask(t.sum, t.ones(2, 3), 1, mask=t.tensor([[True], [False]]))
t.masked._output_mask('x', t.ones(2, 3))
t.masked._input_mask(t.ones(2, 3))
t.masked._input_mask(t.ones(2, 3), mask=t.ones(2, 2))
t.masked.mean(t.ones(2, 3), (), mask=t.tensor([[True], [False]]))
t.masked.var(t.ones(2, 3), (), mask=t.tensor([[True], [False]]))
grads(lambda x: t.masked.amax(x, 1, mask=MASK), [[1.0, 2, 2], [3, 4, 1]])
grads(lambda x: t.masked.prod(x, 1, mask=MASK), [[1.0, 2, 2], [3, 4, 1]])
grads(lambda x: t.masked.var(x, 1, mask=MASK), [[1.0, 2, 2], [3, 4, 1]])
grads(lambda x: t.masked.softmax(x, 1, mask=MASK)[:, 0], [[1.0, 2, 2], [3, 4, 1]])
grads(lambda x: t.masked.normalize(x, 2.0, 1, mask=MASK)[:, 0], [[1.0, 2, 2], [3, 4, 1]])
""".strip().split("\n")

VIEWS = """
t.ones(4, 4, 3)[:, :, 1:].view(t.float64)
t.ones(4, 4, 2)[:, :, 1:].view(t.float64)
t.ones(4, 4, 2).transpose(0, 2).view(t.float64)
t.ones(4, 4, 3)[:, :2, :2].view(t.float64)
t.ones(0, 5, 64).view(t.float64).stride(), t.ones(0, 5, 64).view(t.int16).stride()
t.ones(3, 0).view(t.float64)
t.ones(1, 5).t().view(t.int16)
t.ones(5, 2)[:, ::2].view(t.int16)
t.empty(()).resize_([0, 4, 2305843009213693952])
flags(t._neg_view(t.tensor([1 + 2j]).conj()))
flags(t._neg_view(t.tensor([1 + 2j])).conj())
flags(t._neg_view(t._neg_view(t.tensor([1 + 2j]).conj())))
flags(t._neg_view(t.tensor([1 + 2j]).conj()).conj())
flags(t._neg_view(t.tensor([1 + 2j]).conj()).exp_())
flags(t._neg_view(t.tensor([1 + 2j]).conj()).imag)
flags(t._neg_view(t.tensor([1 + 2j]).conj()).resolve_conj())
t._neg_view(t.tensor([1 + 2j]).conj()).numpy()
t.view_as_real(t._neg_view(t.tensor([1 + 2j]).conj()))
flags(t.tensor([[1 + 2j, 3]]).conj().transpose_(0, 1))
(x := t.tensor([[1 + 2j, 3]])), flags(x.conj().squeeze_(0).mul_(2)), x
(x := t.tensor([[1 + 2j, 3]])), flags(t._neg_view(x.conj()).mul_(2j)), x
""".strip().split("\n")

NUMBERS = """
t.arange(0, 2**60)
t.arange(0, 2**45)
t.arange(-(2**63) + 1, 2**63 - 1)
t.arange(0, 1e30)
t.arange(5, 0, -2), t.arange(0, 5, 2, dtype=t.int8), t.arange(1, 2.5, 0.5)
t.arange(7, 1, -2, dtype=t.float16)
t.var(t.ones(2, 3, dtype=t.complex64), 0, True, out=t.empty(0, dtype=t.complex64))
t.std(t.tensor([[1 + 2j, 3]]), 1, correction=0, out=t.empty(0, dtype=t.complex128))
t.var(t.ones(2, 3), 0, True, out=t.empty(0, dtype=t.complex64))
t.var(t.ones(2, 3), None, True, out=t.empty(0, dtype=t.complex64))
t.histogram(t.ones(()), 1, out=(t.empty(()), t.empty((), dtype=t.float64)))
t.histogram(t.ones(()), 1, out=(t.empty((), dtype=t.float64), t.empty(())))
t.linalg.pinv(t.ones(2, 2), rcond=t.ones(1, dtype=t.complex64))
t.linalg.pinv(t.ones(2, 2), rtol=t.ones(1, dtype=t.complex64))
t.pinverse(t.eye(2), t.tensor([1.0]))
t.pinverse(t.eye(2), t.tensor(0.5))
""".strip().split("\n")

SEGMENTS = """
grads(lambda x: t.segment_reduce(x, "max", lengths=LENGTHS, initial=None), NAN_INSIDE)
grads(lambda x: t.segment_reduce(x, "max", lengths=LENGTHS, initial=2.0), NAN_INSIDE)
grads(lambda x: t.segment_reduce(x, "max", lengths=LENGTHS, initial=5.0), NAN_INSIDE)
grads(lambda x: t.segment_reduce(x, "min", lengths=LENGTHS, initial=None), NAN_INSIDE)
grads(lambda x: t.segment_reduce(x, "min", lengths=LENGTHS, initial=2.0), NAN_INSIDE)
grads(lambda x: t.segment_reduce(x, "min", lengths=LENGTHS, initial=5.0), NAN_INSIDE)
grads(lambda x: t.segment_reduce(x, "sum", lengths=LENGTHS, initial=None), NAN_INSIDE)
grads(lambda x: t.segment_reduce(x, "sum", lengths=LENGTHS, initial=2.0), NAN_INSIDE)
grads(lambda x: t.segment_reduce(x, "sum", lengths=LENGTHS, initial=5.0), NAN_INSIDE)
grads(lambda x: t.segment_reduce(x, "mean", lengths=LENGTHS, initial=None), NAN_INSIDE)
grads(lambda x: t.segment_reduce(x, "mean", lengths=LENGTHS, initial=2.0), NAN_INSIDE)
grads(lambda x: t.segment_reduce(x, "mean", lengths=LENGTHS, initial=5.0), NAN_INSIDE)
grads(lambda x: t.segment_reduce(x, "prod", lengths=LENGTHS, initial=None), NAN_INSIDE)
grads(lambda x: t.segment_reduce(x, "prod", lengths=LENGTHS, initial=2.0), NAN_INSIDE)
grads(lambda x: t.segment_reduce(x, "prod", lengths=LENGTHS, initial=5.0), NAN_INSIDE)
""".strip().split("\n")


AXES = """
t.linalg.norm(t.ones(2, 2), axis=0)
t.linalg.norm(t.ones(2, 2), axis=0, keepdims=True)
t.linalg.vector_norm(t.ones(2, 2), axis=0)
t.linalg.matrix_norm(t.ones(2, 2), axis=(0, 1))
t.amax(t.ones(2, 2), axis=0)
t.argmax(t.ones(2, 2), axis=0)
t.softmax(t.ones(2, 2), axis=0)
t.cat([t.ones(2, 2)], axis=0)
t.stack([t.ones(2, 2)], axis=0)
t.squeeze(t.ones(2, 1), axis=1)
t.unsqueeze(t.ones(2, 1), axis=1)
t.chunk(t.ones(2, 1), 2, axis=0)
t.split(t.ones(2, 1), 1, axis=0)
t.tensor_split(t.ones(2, 1), 2, axis=0)
t.roll(t.ones(2, 1), 1, axis=0)
t.sort(t.ones(2, 1), axis=0)
t.topk(t.ones(2, 1), 1, axis=0)
t.gather(t.ones(2, 1), axis=0, index=t.zeros(1, 1, dtype=t.int64))
t.index_select(t.ones(2, 1), axis=0, index=t.zeros(1, dtype=t.int64))
t.norm(t.ones(2, 1), axis=0)
t.logsumexp(t.ones(2, 1), axis=0)
t.median(t.ones(2, 1), axis=0)
t.max(t.ones(2, 1), axis=0)
t.min(t.ones(2, 1), axis=0, keepdims=True)
t.all(t.ones(2, 1), axis=0)
t.any(t.ones(2, 1), axis=0, keepdims=True)
t.unbind(t.ones(2, 1), axis=0)
t.select(t.ones(2, 1), axis=0, index=1)
t.narrow(t.ones(2, 1), axis=0, start=0, length=1)
t.diff(t.ones(2, 1), axis=0)
t.var_mean(t.ones(2, 1), axis=0)
t.prod(t.ones(2, 1), axis=0)
t.mean(t.ones(2, 1), axis=0, keepdims=True)
t.quantile(t.ones(2, 1), 0.5, axis=0)
t.count_nonzero(t.ones(2, 1), axis=0)
t.cumprod(t.ones(2, 1), axis=0)
t.cummax(t.ones(2, 1), axis=0)
t.nansum(t.ones(2, 1), axis=0)
t.aminmax(t.ones(2, 1), axis=0)
t.log_softmax(t.ones(2, 2), axis=0)
t.argsort(t.ones(2, 2), axis=0)
t.argmin(t.ones(2, 2), axis=0, keepdims=True)
t.ones(2, 2).max(axis=0)
t.ones(2, 2).softmax(axis=0)
t.ones(2, 2).squeeze(axis=0)
t.ones(2, 2).unsqueeze(axis=0)
t.ones(2, 2).argmax(axis=0)
t.ones(2, 2).amin(axis=0, keepdims=True)
t.ones(2, 2).sort(axis=0)
t.logcumsumexp(t.ones(2, 1), axis=0)
t.nanmean(t.ones(2, 1), axis=0)
t.mode(t.ones(2, 1), axis=0)
t.kthvalue(t.ones(2, 1), 1, axis=0)
t.nanmedian(t.ones(2, 1), axis=0)
t.std_mean(t.ones(2, 1), axis=0)
t.take_along_dim(t.ones(2, 1), t.zeros(1, 1, dtype=t.int64), axis=0)
t.cross(t.ones(2, 3), t.ones(2, 3), axis=1)
t.repeat_interleave(t.ones(2, 3), 2, axis=1)
t.unflatten(t.ones(2, 4), axis=1, sizes=(2, 2))
t.trapezoid(t.ones(2, 4), axis=1)
t.nn.functional.softmax(t.ones(2, 4), axis=1)
t.nn.functional.cosine_similarity(t.ones(2, 4), t.ones(2, 4), axis=1)
t.concat([t.ones(2)], axis=0)
t.linalg.vecdot(t.ones(2, 2), t.ones(2, 2), axis=0)
t.linalg.cross(t.ones(2, 3), t.ones(2, 3), axis=1)
t.segment_reduce(t.ones(2), 'sum', lengths=t.tensor([2]), axis=0)
t.fft.rfft(t.arange(8.0).reshape(2, 4), axis=0)
t.nn.functional.cosine_similarity(t.eye(2), t.ones(2, 2), axis=0)
""".strip().split("\n")

PRODUCTS = """
t.mm(t.eye(2) + 1j, t.ones(2, 2) + 2j, out=t.zeros(2, 2, dtype=t.complex64).conj())
(x := t.zeros(2, 2, dtype=t.complex64)), t.exp(t.eye(2) + 1j, out=x.conj()), x
t.linalg.solve(t.eye(2), t.ones(0, 2, 2)).shape, t.linalg.solve(t.ones(2, 0, 5, 5), t.ones(5, 3)).shape
t._compute_linear_combination(t.ones(3, 2), t.tensor([[1.0, 2, 3], [0, 0, 1]]))
t._compute_linear_combination(t.ones(3, 2), t.tensor([[1.0, 2, 3], [0, 0, 1]]), out=t.ones(2, 2))
t._addmm_activation(t.ones(2), t.eye(2), -t.eye(2), beta=2, alpha=3)
t.lobpcg(t.diag(t.arange(1.0, 10)).to_sparse(), 2)[0].round(decimals=3)
t.pca_lowrank(t.diag(t.arange(1.0, 10)).to_sparse(), 2, niter=60)[1].round(decimals=3)
t.backends.cuda.preferred_linalg_library().name, t.backends.cuda.preferred_blas_library("default").name
t.backends.cuda.preferred_linalg_library("magma")
t.backends.cuda.preferred_linalg_library("else")
t.backends.cuda.preferred_linalg_library(t._C._LinalgBackend.Cusolver)
t.backends.cuda.preferred_blas_library(3)
""".strip().split("\n")

WRITES = """
t.ones(2).copy_(3.0), t.ones(2, dtype=t.int64).copy_(2.7), t.ones(2).copy_(True)
t.ones(2).copy_([1, 2])
t.ones(2).copy_()
t.ones(2).copy_(other=t.zeros(2))
(x := t.ones(2, requires_grad=True)), t.autograd.grad((x * 2).copy_(3.0).sum() + x.sum(), x)
(x := t.tensor([2, 1, 0])).index_fill_(0, x, 0)
(x := t.tensor([2, 1, 0])).put_(x, x.clone())
(x := t.tensor([2, 1, 0])).put_(x.clone(), x)
(x := t.ones(6)).put_(t.tensor([2, 1, 0]), x[:3])
(x := t.tensor([2, 1, 0])).index_put_((x,), x.clone())
(x := t.ones(9)), t.addcmul(x[1:4], x[:3], x[:3], out=x[:3])
(x := t.ones(9)), t.addcdiv(x[:3], x[1:4], x[:3], out=x[:3])
(x := t.tensor([2.0], requires_grad=True)), t.autograd.grad((x * 1).polygamma_(0).sum(), x)
t.normal(t.ones(120), t.ones(2, 3, 4, 5))
t.isclose(t.ones(1), t.ones(1), t.tensor(1.5), t.tensor(1.0, requires_grad=True))
t.isclose(t.ones(1), t.ones(1), t.tensor(1.5), t.tensor(1.0))
t.use_deterministic_algorithms(False, warn_only=1)
t.ones(5).new(size=(3, 4)).shape
t.ones(2, 2).to_sparse().dim_order()
t.ones(2, 2).to_sparse().type(), t.ones(2).type()
t.empty_like(t.ones(2, 2).to_sparse(), memory_format=t.preserve_format)
f"{t.tensor(1.5, device='meta')}"
t.UntypedStorage(3, device="meta").share_memory_()
t.mode(t.tensor([0, 1, 2, 255, 0], dtype=t.uint8).view(t.bool)).values
""".strip().split("\n")

CLOSE = """
t.testing.assert_close(t.eye(2).to_sparse_csr(), t.eye(2).to_sparse_csr())
t.testing.assert_close(t.eye(2).to_sparse_csr(), t.ones(2, 2).to_sparse_csr())
t.testing.assert_close(t.tensor([[0., 1], [1, 0]]).to_sparse_csr(), t.eye(2).to_sparse_csr())
t.testing.assert_close((2*t.eye(2)).to_sparse_csr(), t.eye(2).to_sparse_csr())
t.testing.assert_close(t.tensor([[1., 1], [0, 0]]).to_sparse_csr(), t.eye(2).to_sparse_csr())
t.testing.assert_close((2*t.eye(2)).to_sparse_csc(), t.eye(2).to_sparse_csc())
t.testing.assert_close(t.tensor([[1., 1], [0, 0]]).to_sparse_csc(), t.eye(2).to_sparse_csc())
t.testing.assert_close((2*t.eye(2)).to_sparse_bsr((1, 1)), t.eye(2).to_sparse_bsr((1, 1)))
t.testing.assert_close(t.tensor([[1., 1], [0, 0]]).to_sparse_bsc((1, 1)), t.eye(2).to_sparse_bsc((1, 1)))
t.testing.assert_close(t.ones(2, 3, 4).to_sparse(), t.ones(2, 3, 4).to_sparse(2))
t.testing.assert_close(t.ones(2, 3, 4).to_sparse(), 2*t.ones(2, 3, 4).to_sparse())
t.testing.assert_close(t.tensor(1.), t.quantize_per_tensor(t.tensor(1.), 1., 0, t.qint32))
t.testing.assert_close(t.empty(2, 2, device='meta'), t.empty(2, 2, device='meta'))
t.testing.assert_close(t.empty(2, 2, device='meta'), t.empty(2, 3, device='meta'))
t.testing.assert_close(t.eye(2), t.eye(2).to_sparse_csr(), check_layout=False)
t.testing.assert_close(t.eye(2).to_sparse(), t.eye(2).to_sparse_csr(), check_layout=False)
t.isclose(t.tensor([complex(1, 1)]), t.tensor([complex(1, 1+1e-8)]))
t.isclose(t.tensor([complex(0, np.inf)]), t.tensor([complex(0, np.inf)]))
t.isclose(t.tensor([complex(np.inf, np.nan)]), t.tensor([complex(np.inf, 1)]))
t.isclose(t.tensor([complex(1, np.nan)]), t.tensor([complex(1, np.nan)]), equal_nan=True)
t.isclose(t.tensor([complex(1, np.nan)]), t.tensor([complex(np.nan, 1)]), equal_nan=True)
t.isclose(t.tensor([complex(0, 1e-9)]), t.tensor([0j]))
t.isclose(t.tensor([complex(1e6, 0)]), t.tensor([complex(1e6, 9)]))
t.isclose(t.tensor([complex(1e6, 0)]), t.tensor([complex(1e6, 11)]))
t.isclose(t.tensor([complex(np.inf, 1)]), t.tensor([complex(np.inf, 2)]))
t.isclose(t.tensor([complex(np.inf, 1)]), t.tensor([complex(1, 1)]))
t.isclose(t.tensor([complex(-np.inf, 1)]), t.tensor([complex(np.inf, 1)]))
t.return_types.max((t.ones(1), t.zeros(1)))
t.return_types.max([1, 2])[1], t.return_types.max((1, 2)) == (1, 2)
t.return_types.max((1, 2, 3))
t.return_types.max(1)
t.return_types.max()
(x := t.ones(2)), hash(x) == id(x)
""".strip().split("\n")

# PyTorch's order of long ago, in which numbers stand among the tensors; programs of that time still use it.
OLD_ORDER = """
t.baddbmm(2, B, 3, B, B)
t.baddbmm(2, B, B, B)
B.baddbmm(2, 3, B, B)
B.baddbmm_(2, 3, B.clone(), B.clone())
B.baddbmm_(2, B.clone(), B.clone())
t.addbmm(2, M, 3, B, B)
M.addbmm(2, B, B)
M.addbmm_(2, 3, B, B)
t.addmm(2, M, 3, M, M)
t.addmm(2, M, M, M, out=t.empty(2, 2))
M.addmm_(2, 3, M.clone(), M.clone())
t.addmv(2, V, 3, M, V)
V.addmv_(2, M, V.clone())
t.addr(2, M, 3, V, V)
M.addr_(2, 3, V, V)
t.add(M, 2, M)
t.add(M, 2, M, out=t.empty(2, 2))
M.add_(-0.5, M.clone())
M.double().add_(-0.1, M.double())
t.sub(M, 2, M)
M.sub_(3, V)
M.addcmul_(2, M.clone(), M.clone())
M.addcdiv_(2, M.clone(), M.clone())
t.addcmul(M, 2, M, M)
(x := M.clone().requires_grad_()), t.autograd.grad((x * 1).add_(3, x * x).sum(), x)
t.add(M, M, alpha=M)
t.addmm(M, M, M, M, M)
""".strip().split("\n")

EMPTIES = """
t.empty(3), t.empty(2, dtype=t.int16), t.empty(2, dtype=t.bool), t.empty(1, dtype=t.complex64)
t.ones(2).resize_(4), t.empty_like(t.ones(2)), t.ones(1).new_empty(2), t.Tensor(2)
t.empty_strided((2, 2), (1, 3)), t.empty_permuted((1, 2), (1, 0)), t.empty(2, dtype=t.bfloat16)
""".strip().split("\n")


def outcome(library: Any, call: str) -> str:
    """What the call gives or raises."""

    def grads(function: Any, values: Any) -> Any:
        x = library.tensor(values, dtype=library.float64, requires_grad=True)
        y = function(x)
        return y.detach(), library.autograd.grad(y.sum(), x)

    def flags(x: Any) -> Any:
        return x, x.is_conj(), x.is_neg()

    mask = library.tensor([[True, False, True], [True, True, False]])
    scope = {"t": library, "np": np, "grads": grads, "flags": flags, "MASK": mask}
    scope |= {"LENGTHS": library.tensor([1, 2, 3, 0]), "NAN_INSIDE": [1, np.nan, 3, 4, 5, 5]}
    scope |= {"B": library.full((1, 2, 2), 2.0), "M": library.full((2, 2), 2.0), "V": library.ones(2)}
    scope["X"] = library.tensor([[3.0, 2, 9], [3, 4, 2]])
    scope["FEW"] = library.tensor([[True, False], [False, False]])
    scope["ROWS"] = library.tensor([[True, False, True], [False, True, False]])
    try:
        return repr(eval(call, scope))
    except Exception as error:
        return f"{type(error).__name__}: {error}"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("call", MASKED + VIEWS + NUMBERS + SEGMENTS + AXES + PRODUCTS + WRITES + CLOSE)
def test_a_call_does_what_it_does_in_pytorch(call: str) -> None:
    assert outcome(xp, call) == outcome(torch, call)


@pytest.mark.parametrize("call", OLD_ORDER)
def test_numbers_may_stand_before_the_last_tensors(call: str) -> None:
    found = []
    for library in (torch, xp):
        before = library.is_warn_always_enabled()
        library.set_warn_always(True)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            result = outcome(library, call)
        library.set_warn_always(before)
        said = [str(w.message).partition(" (Triggered")[0] for w in told]
        # A call tells nobody here whether it is a method's; methods are warned of as functions are.
        told_of = [text.partition(" is deprecated")[0] for text in said]
        found.append((result, told_of if call[0] in "BMV" and "_(" not in call else said))
    assert found[0][1] == found[1][1]
    assert found[0][0] == found[1][0] or ("Error" in found[0][0] and "Error" in found[1][0])


@pytest.mark.parametrize("call", EMPTIES)
def test_unwritten_memory_can_be_filled(call: str) -> None:
    found = []
    for library in (torch, xp):
        switch = importlib.import_module(f"{library.__name__}.utils.deterministic")
        assert switch.fill_uninitialized_memory is True
        library.use_deterministic_algorithms(True)
        try:
            found.append(outcome(library, call))
            switch.fill_uninitialized_memory = False
            assert "nan" not in outcome(library, "t.zeros(3).resize_(2), t.ones(1)")
        finally:
            switch.fill_uninitialized_memory = True
            library.use_deterministic_algorithms(False)
    assert found[0] == found[1]
