"""Second derivatives by every nesting of transforms: all are PyTorch's Hessian, taken backward twice."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from samples.library import xp

FUNCTIONS = """
x[x > 1].pow(2).sum()+x.sum()**3
(lambda y: (y.__setitem__(x>1, 0.), y.pow(3).sum())[1])(x.clone())
x[t.nonzero(x>1)[:,0]].exp().sum()
(x[t.where(x > 1)]**3).sum()
t.where(x>1, x**3, x.sin()).sum()
(x.sort()[0]*t.arange(4.))[1:].pow(3).sum()
x.topk(2)[0].pow(3).sum()
x.max()**3+x.amax(0)*x.min()
x.median()**3
x.kthvalue(2)[0]**3
x.cummax(0)[0].pow(3).sum()
t.zeros(4,dtype=t.float64).index_put((t.tensor([0,0,2]),), x[:3]**2, accumulate=True).pow(2).sum()
t.zeros(4,dtype=t.float64).scatter_add(0,t.tensor([0,1,1,3]),x**2).pow(2).sum()
(lambda y: (y.__setitem__(slice(1,3), x[:2]*x[2:]), y.pow(2).sum())[1])(x.clone())
(lambda y: (y.fill_diagonal_(0.), (y@x).pow(2).sum())[1])(t.outer(x,x))
x.masked_fill(x>1, 0.).pow(3).sum()
x.clone().scatter_(0, t.tensor([1]), x[:1]**2).pow(2).sum()
x.repeat_interleave(2).pow(3).sum()
(x.roll(1)*x.flip(0)).pow(2).sum()
x.unfold(0,2,1).prod(1).pow(2).sum()
x.as_strided((2,2),(1,1)).pow(3).sum()
t.cat([x,x[:2]**2]).pow(2).prod()
t.stack([x,x.sin()]).prod()
x.norm()**3+x.norm(1)+x.norm(float('inf'))**2
t.det(t.outer(x,x)+t.eye(4))
t.linalg.inv(t.outer(x,x)+t.eye(4)).sum()
x.logsumexp(0)+x.softmax(0)[1]+x.log_softmax(0)[0]
t.nn.functional.layer_norm(x,(4,)).pow(3).sum()
t.nn.functional.gelu(x).pow(2).sum()+t.nn.functional.silu(x).prod()+t.nn.functional.elu(x-1).sum()
t.nn.functional.conv1d(x[None,None],x[None,None,:2]).pow(2).sum()
t.nn.functional.max_pool1d(x[None,None]**2,2).pow(2).sum()
x.cumprod(0).sum()
t.einsum('i,j,k->',x,x,x)
t.view_as_real((x+1j*x**2).exp()).pow(2).sum()
t.fft.fft(x**2).abs().pow(2).sum()
x.clamp(.5,2.).pow(3).sum()+x.clamp_min(1.).prod()
t.atan2(x[:2],x[2:]).pow(2).sum()
t.nn.functional.interpolate(x[None,None],8,mode='linear').pow(3).sum()
t.nn.functional.embedding(t.tensor([0,1,0]), x.view(2,2)).pow(3).sum()
(lambda y: (y.mul_(x), y.sin_(), y.add_(x, alpha=2), y[0].exp_(), y.sum())[4])(x.clone())
(x.detach()*x).pow(2).sum()
x.index_select(0,t.tensor([1,1,3])).pow(3).sum()
x.view(2,2).gather(1,t.tensor([[0,0],[1,0]])).pow(3).sum()
t.tril(t.outer(x,x)).pow(2).sum()
t.diag_embed(x).det()+t.outer(x,x).diagonal().pow(2).sum()
t.linalg.cholesky(t.outer(x,x)+3*t.eye(4)).sum()
t.nn.functional.pad(x[None,None],(1,1),mode='reflect').pow(3).sum()
x.var()*x.std()*x.mean()
x.prod()*x.prod(0,keepdim=True).sum()
t.nn.functional.huber_loss(x*2,x**2)+t.nn.functional.smooth_l1_loss(x,x**3)
(lambda z: (z.real.mul_(2), z.imag.add_(x), z.abs().pow(2).sum())[2])(t.complex(x, x**2))
(lambda z: (z.real[:1].mul_(x[1:2]), z.abs().pow(2).sum())[1])(t.complex(x, x**2))
(lambda z: (z[0].imag.mul_(x[1]), z.abs().pow(3).sum())[1])(t.complex(x, x**2) * 1)
(lambda z: (t.view_as_real(z)[0].mul_(x[:2]), z.abs().pow(2).sum())[1])(t.complex(x, x**2))
(lambda r: (t.view_as_complex(r).mul_(1 + 2j), r.pow(3).sum())[1])(t.stack((x, x**2), -1))
(lambda r: (t.view_as_complex(r).real.mul_(x), r.pow(3).sum())[1])(t.stack((x, x**2), -1) * 1)
""".strip().split("\n")
WAYS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "forward over reverse": lambda t, f, x: t.func.hessian(f)(x),
    "reverse over reverse": lambda t, f, x: t.func.jacrev(t.func.jacrev(f))(x),
    "forward over forward": lambda t, f, x: t.func.jacfwd(t.func.jacfwd(f))(x),
    "reverse over forward": lambda t, f, x: t.func.jacrev(t.func.jacfwd(f))(x),
    "batched": lambda t, f, x: t.autograd.functional.hessian(f, x, vectorize=True),
    "by hand": lambda t, f, x: t.autograd.functional.hessian(
        f, x, vectorize=True, outer_jacobian_strategy="forward-mode"
    ),
    "a batch": lambda t, f, x: t.func.vmap(t.func.hessian(f))(t.stack((x, x * 1.1)))[0],
    "of a batch": lambda t, f, x: t.func.jacrev(
        lambda v: t.func.grad(lambda w: t.func.vmap(f)(w).sum())(t.stack((v, v)))[0]
    )(x),
}
# Taking elements by a mask has another shape for each example.
UNMAPPED = ("[x > 1]", "where(x > 1)]", "nonzero(", "__setitem__(x>1")


@pytest.mark.parametrize("text", FUNCTIONS)
def test_all_ways_to_a_hessian_agree(text: str) -> None:
    functions = [eval(f"lambda x: {text}", {"t": t}) for t in (xp, torch)]
    numbers = [0.3, 1.2, 2.1, -0.7]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        x, given = (t.tensor(numbers, dtype=t.float64) for t in (xp, torch))
        expected = np.asarray(torch.autograd.functional.hessian(functions[1], given).tolist())
        for name, way in WAYS.items():
            if "batch" in name and name != "batched" and any(part in text for part in UNMAPPED):
                continue
            found = np.asarray(way(xp, functions[0], x).tolist())
            assert found == pytest.approx(expected, rel=1e-9, abs=1e-10), name
