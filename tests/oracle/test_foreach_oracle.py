"""The functions over lists of tensors, `torch._foreach_*`, against PyTorch's."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import cotangent

CALLS = """
t._foreach_add([t.ones(2), t.ones(1)], 1)
t._foreach_add([t.ones(2), t.ones(1)], [1, 2.5])
t._foreach_add([t.ones(2), t.ones(1)], [t.ones(2), t.ones(1)], alpha=2)
t._foreach_add([t.ones(2), t.ones(1)], t.tensor(3.))
t._foreach_add([t.ones(2), t.ones(1)], t.tensor(3.), alpha=2)
t._foreach_add([t.ones(2), t.ones(1)], [t.ones(2)])
t._foreach_add([t.ones(2), t.ones(1)], [1.])
t._foreach_add([], [])
t._foreach_add([], 1)
t._foreach_add([t.ones(2)], t.ones(2))
t._foreach_add(t.ones(2), 1)
t._foreach_add([1], 1)
t._foreach_add([t.ones(2)], 'a')
t._foreach_add([t.ones(2)], [t.ones(3)])
t._foreach_add_([t.ones(2,dtype=t.int32)], 1.5)
t._foreach_add([t.ones(2,dtype=t.int32)], 1.5)
t._foreach_add((t.ones(2),), 1)
t._foreach_add_([t.ones(2)], 1)
t._foreach_sub([t.ones(2)], 1)
t._foreach_sub([t.ones(2)], [t.ones(2)], alpha=2)
t._foreach_sub([t.ones(2)], t.tensor(1.))
t._foreach_div([t.ones(2)], t.tensor(2.))
t._foreach_mul([t.ones(2)], t.tensor([2.]))
t._foreach_mul([t.ones(2)], t.tensor([2.,3]))
t._foreach_pow([t.ones(2)*2], 3)
t._foreach_pow(2., [t.ones(2)*2])
t._foreach_pow([t.ones(2)*2], [3])
t._foreach_pow([t.ones(2)*2], [t.ones(2)])
t._foreach_norm([t.ones(2)*2, t.ones(3)])
t._foreach_norm([t.ones(2)*2], 1)
t._foreach_norm([t.ones(2)*2], float('inf'))
t._foreach_norm([t.ones(2).half()], 2, dtype=t.float32)
t._foreach_norm([t.ones(2,dtype=t.int32)], 2)
t._foreach_norm([t.ones(0)], 2)
t._foreach_norm([t.ones(0)], float('inf'))
t._foreach_norm([t.ones(2)*2], ord=1)
t._foreach_lerp([t.ones(2)], [t.zeros(2)], 0.5)
t._foreach_lerp([t.ones(2)], [t.zeros(2)], [0.5])
t._foreach_lerp([t.ones(2)], [t.zeros(2)], [t.tensor(.5)])
t._foreach_lerp_([t.ones(2)], [t.zeros(2)], weight=0.5)
t._foreach_addcmul([t.ones(2)], [t.ones(2)], [t.ones(2)*3], value=2)
t._foreach_addcmul([t.ones(2)], [t.ones(2)], [t.ones(2)*3], [2])
t._foreach_addcmul([t.ones(2)], [t.ones(2)], [t.ones(2)*3], t.tensor([2.]))
t._foreach_addcmul([t.ones(2)], [t.ones(2)], [t.ones(2)*3], 2)
t._foreach_addcmul([t.ones(2)], [t.ones(2)], [t.ones(2)*3], t.tensor([2.,3]))
t._foreach_addcmul([t.ones(2)], [t.ones(2)], [t.ones(2)*3], [2, 3])
t._foreach_addcmul([t.ones(2)], [], [t.ones(2)*3])
t._foreach_addcdiv([t.ones(2)], [t.ones(2)], [t.ones(2)*4])
t._foreach_addcdiv([t.ones(2,dtype=t.int32)], [t.ones(2,dtype=t.int32)], [t.ones(2,dtype=t.int32)*4])
t._foreach_copy_([t.ones(2)], [t.zeros(2)])
t._foreach_zero_([t.ones(2)])
(lambda a: (t._foreach_zero_(a), a))([t.ones(2)])
t._foreach_max([t.ones(2), t.zeros(3)])
t._foreach_exp([t.ones(2)])
t._foreach_sqrt([t.ones(2,dtype=t.int32)])
t._foreach_sqrt_([t.ones(2,dtype=t.int32)])
t._foreach_sqrt([])
t._foreach_sqrt([None])
t._foreach_maximum([t.ones(2)], 3)
t._foreach_maximum([t.ones(2)], [t.ones(2)*4])
t._foreach_minimum([t.ones(2)], [0.])
t._foreach_clamp_min([t.ones(2)], 3)
t._foreach_clamp_max([t.ones(2)], [t.ones(2)*4])
t._foreach_abs(tensors=[t.ones(2)])
t._foreach_abs(self=[t.ones(2)])
t._foreach_add(self=[t.ones(2)], other=[t.ones(2)])
t._foreach_add(self=[t.ones(2)], scalar=1)
t._foreach_lerp(self=[t.ones(2)], tensors1=[t.ones(2)], weight=.5)
t._foreach_addcmul(self=[t.ones(2)], tensor1=[t.ones(2)], tensor2=[t.ones(2)])
t._foreach_exp_([t.ones(2,requires_grad=True)])
t._foreach_sigmoid([t.zeros(2)])
t._foreach_sign([t.zeros(2)])
t._foreach_rsqrt([t.ones(2)])
t._foreach_powsum([t.ones(2)*2])
t._foreach_clone([t.ones(2)])
t._foreach_add([t.ones(2), t.ones(2)], [True, False])
t._foreach_sub([t.ones(2)], True)
t._foreach_sub([t.ones(2,dtype=t.bool)], 1)
t._foreach_neg([t.ones(2,dtype=t.bool)])
(lambda a: t._foreach_add_(a,1) is a)([t.ones(2)])
(lambda a: t._foreach_add_(a,1))((t.ones(2),))
(lambda a: t._foreach_exp_(a))((t.ones(2),))
t._foreach_mm([t.ones(2,2)],[t.ones(2,2)])
t._foreach_mm([t.ones(2,2)],[t.ones(2,2)],[1])
t._foreach_exp(1)
t._foreach_exp(t.ones(2,2))
t._foreach_exp([t.ones(2)], 3)
t._foreach_exp()
t._foreach_norm([t.ones(2)], 'a')
t._foreach_norm(t.ones(2))
t._foreach_pow(1, 1)
t._foreach_lerp([t.ones(2)],[t.ones(2)],'a')
t._foreach_lerp([t.ones(2)],[t.ones(2)])
t._foreach_copy_([t.ones(2)],[t.ones(2),t.ones(2)])
t._foreach_copy_([t.ones(2)],[t.ones(3)])
t._foreach_addcmul([t.ones(2)],[t.ones(2)],[t.ones(2)],'a')
t._foreach_addcmul([t.ones(2)],[t.ones(2)])
t._foreach_clamp_min([t.ones(2)], t.tensor(1.))
t._foreach_mul([t.ones(2)], t.ones(1,1))
t._foreach_maximum([t.tensor([float('nan'),1.])], 0)
t._foreach_maximum([t.ones(2,dtype=t.int32)], 1.5)
t._foreach_maximum([t.ones(2,dtype=t.int32)], [t.ones(2)*2])
t._foreach_maximum([t.ones(2,dtype=t.complex64)], 1)
t._foreach_exp([t.ones(2), t.ones(2,dtype=t.int64)])
t._foreach_clone([t.ones(2)], memory_format=t.contiguous_format)
t._foreach_powsum([t.ones(2)*2], 3, dtype=t.float64)
t._foreach_powsum([t.ones(2)*2], 0)
t._foreach_powsum([t.ones(2)*2], float('inf'))
t._foreach_max([t.ones(0)])
t._foreach_add([t.ones(2)], [2.], alpha=2)
t._foreach_add([t.ones(2)], [t.ones(2), 2])
t._foreach_add([t.ones(2)], [2, t.ones(2)])
t._foreach_add([t.ones(2)], [t.tensor(2)])
t._foreach_add([t.ones(2)], t.ones(2)[0])
t._foreach_pow([t.ones(2,dtype=t.int64)*2], -1)
t._foreach_round([t.ones(2)*1.5])
t._foreach_div([t.ones(2,dtype=t.int64)*3],[t.ones(2,dtype=t.int64)*2])
""".strip().splitlines()
NAMES = sorted(name for name in dir(torch) if name.startswith("_foreach_"))


def outcome(call: str, t: Any) -> str:
    try:
        return repr(eval(call, {"t": t}))
    except Exception as error:
        return f"{type(error).__name__}: {error}"


@pytest.mark.parametrize("call", CALLS)
def test_call(call: str) -> None:
    assert outcome(call, cotangent) == outcome(call, torch)


def test_all_are_there() -> None:
    assert [name for name in NAMES if not hasattr(cotangent, name)] == []


@pytest.mark.parametrize("name", [n for n in NAMES if not n.endswith(("_", "_powsum"))])
def test_forms_and_gradients(name: str) -> None:
    """Results, their gradients, and what the form that writes leaves, of the functions of one list."""
    results = []
    for t in (torch, cotangent):
        data = [[0.25, 0.5], [0.75]]
        given = [t.tensor(row, dtype=t.float64, requires_grad=True) for row in data]
        try:
            made = getattr(t, name)(given)
        except TypeError:
            return  # takes more than a list: among the calls above
        sum(part.sum() for part in made).backward()
        found = [part.tolist() for part in made], [x.grad.tolist() for x in given]
        write = getattr(t, name + "_", None)
        written = [x.detach().clone() for x in given]
        if write is not None:
            assert write(written) is written
        results.append((found, [x.tolist() for x in written]))
    (first, left), (second, our_left) = results
    for one, other in zip(first, second, strict=True):
        for row, our_row in zip(one, other, strict=True):
            assert our_row == pytest.approx(row, rel=1e-13)
    for row, our_row in zip(left, our_left, strict=True):
        assert our_row == pytest.approx(row, rel=1e-13)


def test_a_step_of_an_optimizer_written_with_lists() -> None:
    ends = []
    for t in (torch, cotangent):
        t.manual_seed(0)
        parameters = [t.randn(3, 2), t.randn(4)]
        gradients = [t.randn(3, 2), t.randn(4)]
        first = [t.zeros_like(p) for p in parameters]
        second = [t.zeros_like(p) for p in parameters]
        for _ in range(3):
            t._foreach_lerp_(first, gradients, 0.1)
            t._foreach_mul_(second, 0.999)
            t._foreach_addcmul_(second, gradients, gradients, 0.001)
            scale = t._foreach_sqrt(second)
            t._foreach_add_(scale, 1e-8)
            t._foreach_addcdiv_(parameters, first, scale, value=-0.01)
        ends.append([p.tolist() for p in parameters])
    for one, other in zip(*ends, strict=True):
        assert repr(cotangent.tensor(one)) == repr(cotangent.tensor(other))
