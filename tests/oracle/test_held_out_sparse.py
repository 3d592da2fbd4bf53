"""Calls with sparse tensors in which PyTorch's own tests found differences: results and exceptions."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from samples.library import xp

CALLS = """
t.ones(3).to_sparse().copy_(t.ones(3))
t.ones(3).copy_(t.ones(3).to_sparse())
t.zeros(4, 4).to_sparse(1).copy_(t.ones(4, 4).to_sparse(2))
t.zeros(2, 3).to_sparse().copy_(t.ones(3).to_sparse())
t.ones(3).to_sparse().asin()
t.ones(3).to_sparse().asin_().coalesce().values()
TWICE.clone().asin_()
TWICE.clone().asin()
TWICE.clone().log1p_()
TWICE.clone().neg_()
TWICE.clone().sin_()
TWICE.clone().sqrt_()
TWICE.clone().abs_()
t.tensor([1, 2], dtype=t.int16).to_sparse().asin_()
t.tensor([1, 2], dtype=t.int16).to_sparse().log1p_()
t.tensor([1, 2], dtype=t.int16).to_sparse().asin()
t.asin(t.tensor([1.]).to_sparse(), out=t.tensor([1]).to_sparse())
t.div(t.tensor([1., 2]).to_sparse(), 2, rounding_mode='floor')
t.div(t.tensor([1., -2]).to_sparse(), 2, rounding_mode='trunc')
t.tensor([1., 2]).to_sparse().div(t.tensor(2.), rounding_mode='floor')
t.cat([t.ones(2, 3).to_sparse(1), t.ones(2, 3).to_sparse(2)])
t.cat([t.ones(2, 3).to_sparse(), t.ones(2, 3)])
t.cat([t.ones(2, 3).to_sparse(), t.ones(2, 4).to_sparse()])
TWICE.clone().clone().is_coalesced()
TWICE.clone().clone().is_coalesced())(ONCE.coalesce())
ONCE.new(t.tensor([[0]]), t.tensor([1.]), t.Size([3]))
ONCE.new(2, 3)
ONCE.new()
ONCE.new(t.tensor([[0]]), t.tensor([1.]))
t.full((2, 2), 0., layout=t.sparse_coo)
t.empty((2, 2), layout=t.sparse_coo)
t.ones((2, 2), layout=t.sparse_coo)
t.zeros((2, 2), layout=t.sparse_coo)
t.ones(2, 2).to_sparse().new_empty((2, 2))
t.ones(2, 2).to_sparse().new_empty((2, 2), layout=t.strided).layout
t.ones(2, 2).to_sparse().new_zeros((2, 2))
t.sparse.FloatTensor(t.tensor([[0]]), t.tensor([1.]), t.Size([2]))
t.sparse.FloatTensor(2, 2)
t.sparse.DoubleTensor()
t.sparse.FloatTensor(t.tensor([[0]]), t.tensor([1.]))
t.mv(t.ones(10, 100).to_sparse(), t.ones(10))
t.mv(t.ones(2, 3).to_sparse(), t.ones(3, 1))
t.ones(2, 3).to_sparse().norm(dim=0)
t.ones(2, 3).to_sparse().norm(p=0.5)
t.ones(2, 3).to_sparse().norm()
t.ones(2, 3).to_sparse().norm(p=None)
t.ones(2, 3).to_sparse().norm(keepdim=True)
t.ones(2, 3).to_sparse(1).permute(1, 0)
t.ones(2, 3).to_sparse(1).transpose(1, 0)
t.ones(2, 3).to_sparse(1)+t.ones(2, 3).to_sparse(2)
t.ones(2, 3).to_sparse()+t.ones(2, 3)
t.ones(2, 3)+t.ones(2, 3).to_sparse()
t._sparse_broadcast_to(t.ones(2, 1).to_sparse(), (2, 3))
t._sparse_broadcast_to(t.ones(2, 1).to_sparse(), (4, 2, 3)).shape
t.ones(2, 1).to_sparse().broadcast_to((2, 3))
t.ones(2, 1).to_sparse().expand(2, 3)
t.ones(2, 3).to_sparse()*t.ones(2, 3)
(t.ones(2, 3).to_sparse(1)*t.ones(2, 3))
(t.ones(2, 3).to_sparse()*t.tensor(2.))
(t.tensor(2.)*t.ones(2, 3).to_sparse())
(t.ones(2, 3).to_sparse()*t.ones(3))
(t.ones(2, 3).to_sparse()*t.ones(4, 2, 3)).shape
(t.ones(2, 3).to_sparse(1)*t.ones(4, 2, 3)).shape
(t.ones(2, 3).to_sparse(1)*t.ones(2, 1)).shape
(t.ones(2, 1).to_sparse(1)*t.ones(2, 3)).shape
(t.ones(3, dtype=t.complex64).to_sparse()*t.ones(3))
(t.tensor([1, 2], dtype=t.uint8).to_sparse()*t.tensor([1, 255], dtype=t.uint8).to_sparse())
t.tensor([1, 2], dtype=t.uint8).to_sparse()-t.tensor([1, 255], dtype=t.uint8).to_sparse()
t.tensor([1, 2], dtype=t.uint8).to_sparse()-t.tensor([1.5, 2])
t.tensor([1, 2.]).to_sparse().sub(t.tensor([1., 2]).to_sparse(), alpha=2)
t.tensor([1, 2.]).to_sparse()/t.tensor([1., 2]).to_sparse()
t.tensor([1, 2.]).to_sparse()/t.tensor(2.)
t.tensor([1, 2.]).to_sparse()/t.tensor([1., 2])
t.tensor([1, 2.])/t.tensor([1., 2]).to_sparse()
t.tensor([1, 2]).to_sparse()/t.tensor(2.).to_sparse()
t.sparse.spdiags(t.ones(0, 3), t.zeros(0, dtype=t.int64), (3, 3))
t.sparse.spdiags(t.ones(1, 0), t.zeros(1, dtype=t.int64), (3, 3))
t.sparse.sum(t.ones(2, 3).to_sparse(), dim=5)
t.sparse.sum(t.ones(2, 3).to_sparse(), dim=(0, 0))
t.sparse.sum(t.ones(2, 3).to_sparse(), dim=-5)
t.zeros_like(t.ones(2, 3).to_sparse(), memory_format=t.preserve_format)
t.zeros(2, 3, out=t.ones(2, 3).to_sparse())
t.zeros((2, 3), dtype=t.float64, layout=t.sparse_coo, out=t.ones(2, 3, dtype=t.float64).to_sparse())
t.ones(2, 3).to_sparse(0)
t.ones(2, 3).to_sparse(3)
t.ones(2, 3).to_sparse().to_sparse(1)
t.ones(2, 3).to_sparse().to_sparse(2).shape
t.ones(2, 3).to_sparse().to_sparse().layout
t.ones(2, 3).to_sparse_csr().to_sparse(1)
t.ones(2, 3).to_sparse_csr().to_sparse(2).layout
t.ones(2, 3).to_sparse(layout=t.sparse_csr, blocksize=(1, 1))
t.ones(2, 3).to_sparse_csr().to_sparse(layout=t.sparse_csr, blocksize=(1, 1))
t.ones(2, 3).to_sparse(layout=t.strided)
t.ones(2, 4).to_sparse_bsr((1, 2)).to_sparse(1)
t.ones(3, 2).to_sparse().resize_as_(t.ones(2, 2).to_sparse())
t.ones(3, 2).to_sparse()[0]
t.ones(3, 2).to_sparse().sparse_mask(t.ones(3, 2).to_sparse()).is_coalesced()
t.arange(6.).view(3, 2).sparse_mask(t.sparse_coo_tensor(t.tensor([[0, 0], [1, 1]]), t.ones(2), (3, 2)))
t.cat([t.ones(2, 3).to_sparse(), t.ones(2, 4).to_sparse()])
t.ones(4, 2).to_sparse().copy_(t.ones(1, 2).to_sparse())
t.ones(4, 2).to_sparse().norm(p="fro", dtype=t.float64)
t.ones(4, 2).to_sparse().norm(p=0, dtype=t.float64)
t.zeros_like(t.ones(2, 3), layout=t.sparse_coo).layout
t.zeros_like(t.ones(2, 3).to_sparse(), layout=t.strided)
t.zeros(2, out=t.ones(2), requires_grad=True).requires_grad
t.sparse_coo_tensor((2, 3)).permute(1, 0).is_coalesced()
t.ones(2, 3, 4).to_sparse().permute(0, 2, 1).is_coalesced()
t.sparse.spdiags(t.ones(2, 3), t.tensor([0, 0]), (3, 3))
t.sparse.spdiags(t.ones(1, 3), t.tensor([0]), (3, 3), t.strided)
gradient(lambda x: x.sparse_mask(TWICE).to_dense(), [1.0, 2, 3])
""".strip().split("\n")


def outcome(library: Any, call: str) -> str:
    """What the call gives or raises."""

    def gradient(function: Any, values: Any) -> Any:
        x = library.tensor(values, dtype=library.float64, requires_grad=True)
        return library.autograd.grad((function(x) ** 2).sum(), x)

    scope = {"t": library, "gradient": gradient}
    scope["TWICE"] = library.sparse_coo_tensor([[0, 0]], [0.1, 0.2], (3,), check_invariants=True)
    scope["ONCE"] = library.sparse_coo_tensor([[0, 1]], [0.1, 0.2], (3,), check_invariants=True)
    try:
        text = repr(eval(call, scope))
    except NotImplementedError as error:
        text = f"NotImplementedError: {str(error)[:20]}"
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
    return text


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("call", CALLS)
def test_a_call_does_what_it_does_in_pytorch(call: str) -> None:
    assert outcome(xp, call) == outcome(torch, call)


def test_what_is_broadcast_gets_the_sum_of_the_gradients() -> None:
    x = xp.tensor([[1.0, 2.0]], dtype=xp.float64, requires_grad=True)
    y = xp._sparse_broadcast_to(x.to_sparse(), (2, 3, 2)).to_dense()
    assert xp.autograd.grad((y**2).sum(), x)[0].tolist() == [[12.0, 24.0]]
