"""DLPack: memory that two libraries share."""

import warnings

import numpy as np
import pytest

import cotangent

torch = pytest.importorskip("torch")


def outcome(call, library):
    try:
        return str(call(library))
    except Exception as error:
        return type(error).__name__, str(error)


def sparse(t):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return t.sparse_coo_tensor([[0]], [1], size=(1,))


CALLS = (
    lambda t: t.ones(2).__dlpack__(stream=object()),
    lambda t: t.ones(2).__dlpack__(stream=1),
    lambda t: type(t.ones(2).__dlpack__(stream=-1)).__name__,
    lambda t: t.ones(2, requires_grad=True).__dlpack__(),
    lambda t: t.utils.dlpack.from_dlpack(t.utils.dlpack.to_dlpack(t.ones(2, requires_grad=True))),
    lambda t: t.conj(t.ones(2, dtype=t.complex64)).__dlpack__(),
    lambda t: sparse(t).__dlpack__(),
    lambda t: t.ones(2).__dlpack_device__()[1],
    lambda t: t.from_dlpack(t.tensor([True])),
    lambda t: t.from_dlpack(t.arange(4.0).to(t.bfloat16)),
    lambda t: t.from_dlpack(t.rand(16)[::3][:1]).stride(),
    lambda t: t.from_dlpack(t.arange(6.0).view(2, 3).t()).stride(),
    lambda t: t.from_dlpack(t.empty(0, 3)),
    lambda t: t.from_dlpack(t.ones(2), device="cpu"),
    *[
        lambda t, d=d: t.from_dlpack(t.ones(2, dtype=getattr(t, d))).dtype
        for d in ("int8", "uint8", "int16", "int32", "int64", "float16", "float64", "complex64", "complex128")
    ],
)  # fmt: skip


@pytest.mark.parametrize("call", CALLS)
def test_calls(call):
    assert str(outcome(call, cotangent)) == str(outcome(call, torch))


@pytest.mark.parametrize("library", [cotangent, torch], ids=["cotangent", "torch"])
def test_memory_is_shared_and_may_be_written(library):
    for dtype in (library.float32, library.bfloat16):
        x = library.arange(6).to(dtype).view(2, 3)
        y = library.from_dlpack(x.t())
        y[0, 0] = 9
        capsule = library.utils.dlpack.to_dlpack(x)
        library.utils.dlpack.from_dlpack(capsule)[1, 1] = 7
        library.from_dlpack(x.__dlpack__())[1, 2] = 8
        assert x.tolist() == [[9, 1, 2], [3, 7, 8]]
        assert library.from_dlpack(x, copy=True).data_ptr() != x.data_ptr()
        with pytest.raises(RuntimeError, match="consumed only once"):
            library.utils.dlpack.from_dlpack(capsule)


def test_both_libraries_read_each_others_memory():
    for dtype in ("float32", "bfloat16", "bool", "complex64"):
        mine = cotangent.arange(6).to(getattr(cotangent, dtype))
        theirs = torch.from_dlpack(mine)
        assert str(theirs) == str(mine)
        theirs[0] = 1
        assert mine[0] == 1
        again = cotangent.from_dlpack(theirs)
        again[1] = 0
        assert str(theirs) == str(mine)
    assert cotangent.from_dlpack(np.arange(3)).tolist() == [0, 1, 2]
