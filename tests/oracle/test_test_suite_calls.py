"""Calls that PyTorch's own tests make and that once went wrong here: the same on both libraries."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from running import RunPython

import cotangent


def written(make: Callable[[Any], Any], write: Callable[[Any, Any], Any]) -> Callable[[Any], Any]:
    """A tensor after a write, whatever the write returned."""

    def run(t: Any) -> Any:
        target = make(t)
        write(t, target)
        return target

    return run


def zeros(t: Any) -> Any:
    return t.zeros(4, 4)


def below(t: Any) -> Any:
    return t.tensor([[1], [2]])


INF, NAN = float("inf"), float("nan")


def complex_sums(*values: Any) -> Callable[[Any], Any]:
    return lambda t: t.logcumsumexp(t.tensor(values, dtype=t.complex128), 0)


def sobol(dimension: int, **options: Any) -> Callable[[Any], Any]:
    def run(t: Any) -> Any:
        engine = t.quasirandom.SobolEngine(dimension, **options)
        drawn = [
            engine.draw(3),
            engine.draw(2, dtype=t.float64),
            engine.fast_forward(4).draw(),
            engine.num_generated,
        ]
        return [
            *drawn,
            engine,
            engine.reset().draw_base2(2),
            t.quasirandom.SobolEngine(2).fast_forward(5).draw(),
        ]

    return run


CALLS: dict[str, Callable[[Any], Any]] = {
    "scatter_ add": written(zeros, lambda t, x: x.scatter_(0, below(t), t.ones(2, 1), reduce="add")),
    "scatter_ multiply": written(
        lambda t: t.full((4, 4), 2.0), lambda t, x: x.scatter_(0, below(t), x[:2, :1] * 3, reduce="multiply")
    ),
    "scatter_ number": written(zeros, lambda t, x: x.scatter_(0, below(t), 3.0, reduce="add")),
    "bincount": lambda t: t.bincount(t.tensor([1, 2]), minlength=-1),
    "sorter beyond": lambda t: t.searchsorted(
        t.tensor([1.0, 3, 2]), t.tensor([1.0]), sorter=t.tensor([0, 1, 3])
    ),
    "weights of another dtype": lambda t: t.histogram(t.ones(3), 3, weight=t.ones(3, dtype=t.float64)),
    "weights of another shape": lambda t: t.histogramdd(t.ones(3, 2), [3, 3], weight=t.ones(4)),
    "weights": lambda t: t.histogram(t.tensor([[0.0, 1.0]]), 2, weight=t.tensor([[1.0, 2.0]])),
    "mode indices": lambda t: t.mode(t.ones(2), out=(t.empty(0), t.empty(0, dtype=t.int8))),
    "logcumsumexp inf": complex_sums(complex(INF), 1),
    "logcumsumexp -inf": complex_sums(complex(-INF, 2), complex(-INF, 1), 1),
    "logcumsumexp nan": complex_sums(complex(-INF, NAN), 1),
    "logcumsumexp phases": complex_sums(complex(INF, 1), complex(INF, 3)),
    "logcumsumexp": complex_sums(1, complex(-INF, 2), 3, 1 - 2j),
    "std out": lambda t: t.std(t.arange(3.0), None, True, False, out=t.empty(0)),
    "std out unbiased": lambda t: t.std(t.arange(3.0), unbiased=True, out=t.empty(0)),
    "var out dims": lambda t: t.var(t.arange(6.0).reshape(2, 3), [], unbiased=False, out=t.empty(0)),
    "fft2 dims": lambda t: t.fft.fft2(t.ones(3, 3), dim=(0, 0)),
    "rfftn complex": lambda t: t.fft.rfftn(t.ones(3, 3) + 0j),
    "ihfft2 complex": lambda t: t.fft.ihfft2(t.ones(3, 3) + 0j),
    "fftfreq out": lambda t: t.fft.fftfreq(10, out=t.empty(())),
    "rfftfreq out": lambda t: t.fft.rfftfreq(10, out=t.empty((2, 3))),
    "arange out": lambda t: t.arange(6, out=t.empty((2, 3))),
    "arange out of another size": lambda t: t.arange(10, out=t.empty((2, 3))),
    "log1p of small complex numbers": lambda t: t.log1p(
        t.tensor([1e-20j, 1e-19 + 1e-18j, 1e-10 + 1e-20j, 1e30 + 1e-30j, 0.3 - 2j], dtype=t.complex128)
    ),
    "hardshrink at the edge": lambda t: t.tensor([1, 0.5, 0.3, 0.6], dtype=t.bfloat16).hardshrink(0.3),
    "addcmul value": lambda t: t.tensor(3.0).addcmul(t.tensor(3.0), t.tensor(3.0), value=t.tensor(2.0)),
    "addcmul value with a gradient": lambda t: t.addcmul(
        t.ones(1), t.ones(1), t.ones(1), value=t.tensor(2.0, requires_grad=True)
    ),
    "addcdiv in the old order": lambda t: t.addcdiv(t.ones(2), 3.0, t.ones(2), t.full((2,), 2.0)),
    "cumulative_trapezoid of too few": lambda t: t.cumulative_trapezoid(t.ones(0, 2), t.ones(2), dim=0),
    "cumulative_trapezoid complex": lambda t: t.cumulative_trapezoid(t.ones(2, 3), dx=1j),
    "frexp out": lambda t: t.frexp(t.ones(2), out=(t.empty(2, dtype=t.float64), t.empty(2, dtype=t.int32))),
    "frexp exponents": lambda t: t.frexp(t.ones(2), out=(t.empty(2), t.empty(2, dtype=t.int64))),
    "out partly the input": lambda t: (lambda x: t.exp(x[:3], out=x[1:4]))(t.ones(6)),
    "out another operand": lambda t: (lambda x: t.mul(x[:3], x[2:5], out=x[1:4]))(t.ones(6)),
    "out the input itself": lambda t: (lambda x: t.exp(x[:3], out=x[:3]))(t.zeros(6)),
    "threads": lambda t: t.set_num_threads(2**65),
    "interop threads": lambda t: t.set_num_interop_threads(2**40),
    "segments": lambda t: t._segment_reduce(t.arange(4.0), "sum", lengths=t.tensor([1, 3])),
    "storage of nothing": lambda t: (
        lambda s: (s, s.nbytes(), s.data_ptr(), s.untyped().nbytes(), s.clone().device, s.resize_(10), len(s))
    )(t.storage.TypedStorage([1, 2, 3], device="meta", dtype=t.int16)),
    "an element of nothing": lambda t: t.UntypedStorage(3, device="meta")[0],
    "nothing on the CPU": lambda t: t.UntypedStorage(3, device="meta").cpu(),
    "tensor of a storage": lambda t: (
        t.tensor(t.ones(3).storage()), t.tensor(t.ones(3).untyped_storage(), dtype=t.int32)
    ),
    "tensor of another storage": lambda t: t.tensor(t.ones(3).storage(), dtype=t.int32),
    "set_ to another storage": lambda t: t.tensor([], dtype=t.int32).set_(t.ones(3).storage()),
    "storages' names": lambda t: sorted(
        name for name in t.storage._dtype_to_storage_type_map().values() if not name.startswith("Q")
    ),
    "storage_type": lambda t: (t.ones(1).storage_type(), t.ones(1, dtype=t.uint16).storage_type()),
    "a longer storage": lambda t: t.UntypedStorage([1, 2]).resize_(1).tolist(),
    "numbers in a buffer": lambda t: t.ShortStorage.from_buffer(bytearray([1, 2, 3, 4]), "big").tolist(),
    "dim_order": lambda t: (t.ones(2, 3).dim_order(ambiguity_check=True), t.ones(3, 2).t().dim_order()),
    "dim_order of ones": lambda t: t.ones(2, 1, 3).dim_order(ambiguity_check=True),
    "dim_order of formats": lambda t: t.ones(2, 3, 4, 5).dim_order(
        ambiguity_check=[t.contiguous_format, t.channels_last]
    ),
    "dim_order of a number": lambda t: t.ones(2, 3).dim_order(ambiguity_check=1),
    "cummax of a scalar": lambda t: t.tensor(1.0).cummax(1),
    "std of a word": lambda t: t.ones(2).std("hi"),
    "apply_ a word": lambda t: t.ones(2).apply_(lambda v: "str"),
    "_neg_view": lambda t: (t.ones(2)._neg_view(), t.ones(2)._neg_view().is_neg()),
    "_assert_async": lambda t: t._assert_async(t.tensor(0)),
    "_check_tensor_all": lambda t: t._check_tensor_all(t.tensor([True, False]), lambda: "not all"),
    "_check_tensor_all of numbers": lambda t: t._check_tensor_all(t.tensor([1, 0])),
    "overlaps": lambda t: [
        t._debug_has_internal_overlap(x) for x in (t.ones(2, 2), t.ones(1).expand(3), t.ones(4, 4)[::2])
    ],
    "grad_dtype": lambda t: (
        lambda x: (setattr(x, "grad_dtype", t.float64), (x * 2).sum().backward(), x.grad, x.grad_dtype)
    )(t.ones(2, requires_grad=True)),
    "grad_dtype that is none": lambda t: setattr(t.ones(2), "grad_dtype", 3),
    "any grad_dtype": lambda t: (
        lambda x: (setattr(x, "grad_dtype", None), setattr(x, "grad", t.ones(2, dtype=t.float64)), x.grad)
    )(t.ones(2, requires_grad=True)),
    "index_put_ of an expanded tensor": lambda t: t.zeros(1).expand(6).index_put_(
        (t.tensor([0]),), t.tensor(1.0)
    ),
    "index_fill_ of an expanded tensor": lambda t: t.zeros(1).expand(6).index_fill_(0, t.tensor([0]), 1.0),
    "masked_fill_ of an expanded tensor": lambda t: t.zeros(1).expand(2).masked_fill_(
        t.tensor([True, False]), 1.0
    ),
    "fill_ of an expanded tensor": lambda t: t.zeros(1).expand(2).fill_(1.0),
    "range written in a view": lambda t: (
        lambda x: (t.range(0, 3, out=x.narrow(1, 1, 2)), x)
    )(t.zeros(2, 3)),
    "memory of different numbers of elements": lambda t: (
        t.zeros(0).is_set_to(t.zeros(0)), (lambda x: x.is_set_to(x[:]))(t.ones(2))
    ),
    "sums over names of forms": lambda t: (
        t.ops.aten.sum.dim_IntList(t.ones(2, 2), [0]), t.ops.aten.add_(t.ones(2), t.ones(2)),
        t.ops.aten.slice_copy(t.ones(4, 4), 0, 0, 2).stride(), t.ops.aten.view.default(t.ones(4), [2, 2]),
        t.ops.aten.add.Tensor(self=t.ones(2), other=t.ones(2), alpha=2), t.ops.aten.expand(t.ones(1), [2]),
    ),
    "no such operation": lambda t: t.ops.aten.nothing_here,
    "bytes of an element": lambda t: [t._utils._element_size(d) for d in (t.int64, t.bfloat16, t.complex128)],
    "bytes of no dtype": lambda t: t._utils._element_size(3),
    "Storage": lambda t: (t.Storage, t.Storage(), t.Storage([1.5])),
    "sobol": sobol(5),
    "sobol scrambled": sobol(3, scramble=True, seed=7),
    "sobol too wide": lambda t: t.quasirandom.SobolEngine(30000),
    "sobol unbalanced": lambda t: t.quasirandom.SobolEngine(2).fast_forward(3).draw_base2(3),
}  # fmt: skip


ONCE = ("reduce argument", "index_reduce() is in beta", "TypedStorage is deprecated")


# Rows that there are not, counted from the end, or of nothing; other arguments that PyTorch refuses.
REFUSED = """
t.unravel_index(t.tensor([1]), t.tensor([1, 2, 3]))
t.unravel_index(t.tensor([1]), (1, 2.0))
t.cumulative_trapezoid(t.ones(2,2),dx=1j,dim=-1)
t.cumulative_trapezoid(t.ones(2,2),'a')
t.trapezoid(t.ones(2,2),'a')
t.cumulative_trapezoid(t.ones(2,2),x=t.ones(2),dx=1)
t.cumulative_trapezoid(t.ones(2,2),dim='a')
t.use_deterministic_algorithms(1)
t.use_deterministic_algorithms(mode='a')
t.histogram(t.ones(3), 0)
t.histogram(t.ones(3), -1)
t.histogram(t.ones(3), 3, range=(2.,1.))
t.histogram(t.ones(3), 3, range=(float('nan'),1.))
t.histogramdd(t.ones(3,1), [0])
t.histogramdd(t.ones(3,1), [2], range=[2.,1.])
t.histogramdd(t.ones(3,2), [2,2], range=[2.,3.,0.,float('inf')])
t.addr(t.ones(2,2),t.ones(2),t.ones(2),beta=True)
t.addr(t.ones(2,2),t.ones(2),t.ones(2),alpha=True)
t.frombuffer(bytearray(80),dtype=t.complex128,offset=15)
t.zeros(1).expand(2).random_()
t.zeros(1).expand(2).uniform_()
t.zeros(1).expand(2).normal_()
t.zeros(1).expand(2).bernoulli_()
t.zeros(1).expand(2).geometric_(0.5)
t.zeros(1).expand(2).exponential_()
t.zeros(1).expand(2).cauchy_()
t.zeros(1).expand(2).log_normal_()
t.zeros(1).expand(2).bernoulli_(t.ones(2) * 0.5)
t.zeros(3,2).index_copy_(0, t.tensor([-1]), t.ones(1,2))
t.zeros(3,2).index_copy_(0, t.tensor([-4]), t.ones(1,2))
t.zeros(3,2).index_copy_(0, t.tensor([5,3]), t.ones(2,2))
t.zeros(3,2).index_fill_(0, t.tensor([5,3]), 1)
t.zeros(3,2).index_fill_(0, t.tensor([-5,3]), 1)
t.zeros(3,2).index_fill_(0, t.tensor([-1]), 1)
t.zeros(3,2).index_add_(0, t.tensor([5,3]), t.ones(2,2))
t.zeros(3).index_add_(0, t.tensor([5,3]), t.ones(2))
t.zeros(3).index_copy_(0, t.tensor([-1]), t.ones(1))
t.zeros(3).index_fill_(0, t.tensor([-4]), 1.)
t.zeros(3,2).index_reduce_(0, t.tensor([-1]), t.ones(1,2), 'prod')
t.zeros(3).index_reduce_(0, t.tensor([-1]), t.ones(1), 'mean')
t.zeros(()).index_add_(0, t.tensor([1]), t.ones(()))
t.zeros(()).index_copy_(0, t.tensor([1]), t.ones(()))
t.zeros(()).index_fill_(0, t.tensor([1]), 1.)
t.zeros(()).index_select(0, t.tensor([1]))
t.index_select(t.zeros(3,0), 0, t.tensor([0,-1])).shape
""".strip().splitlines()


def outcome(run: Callable[[Any], Any], xp: Any) -> tuple[str, list[str]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = repr(run(xp))
        except Exception as error:
            found = f"{type(error).__name__}: {error}"
    told = [str(w.message).partition(" (Triggered")[0] for w in caught]
    # PyTorch says these once in a process.
    return found, [text for text in told if not any(once in text for once in ONCE)]


@pytest.mark.parametrize("name", CALLS)
def test_call(name: str) -> None:
    assert outcome(CALLS[name], cotangent) == outcome(CALLS[name], torch)


@pytest.mark.parametrize("call", REFUSED)
def test_refused(call: str) -> None:
    def run(t: Any) -> Any:
        return eval(call, {"t": t})

    assert outcome(run, cotangent) == outcome(run, torch)


def test_reports_of_the_configuration_begin_alike() -> None:
    for name, mark in (("show", "PyTorch built with:\n  - "), ("parallel_info", "get_num_threads() : ")):
        for t in (torch, cotangent):
            text = getattr(t.__config__, name)()
            assert mark in text and text.endswith("\n")


def test_a_program_may_begin_with_inner_names(run_python: RunPython) -> None:
    result = run_python("-c", "import cotangent as t; print(t._utils._rebuild_tensor_v2.__name__)")
    assert result.stdout.strip() == "rebuild_tensor_v2", result.stderr


def test_devices_are_contexts() -> None:
    def run(t: Any) -> Any:
        with t.device("cpu") as here:
            return here, t.ones(1).device

    assert outcome(run, cotangent) == outcome(run, torch)
    with pytest.raises(AssertionError, match="Torch not compiled"), cotangent.device("cuda"):
        pass


def test_sinc_has_a_slope_at_the_smallest_numbers() -> None:
    x = cotangent.tensor([0.0, 5e-324, 2.3e-308, 1.0], dtype=cotangent.float64, requires_grad=True)
    cotangent.sinc(x).sum().backward()
    y = torch.tensor([0.0, 5e-324, 2.3e-308, 1.0], dtype=torch.float64, requires_grad=True)
    torch.sinc(y).sum().backward()
    assert x.grad.tolist() == y.grad.tolist()
