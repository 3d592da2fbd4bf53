"""Products of matrices and vectors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .case import ALL, NUMBERS, REAL, Make, OpCase, S, Sample, Samples, V


def shapes(*given: tuple[tuple[int, ...], ...]) -> Samples:
    """Samples from the operands' shapes; the first again with every matrix transposed in memory."""

    def samples(make: Make) -> Iterator[Sample]:
        for operands in given:
            yield S(*(make(*shape) for shape in operands))
        yield S(*(make(*shape, layout="t" if len(shape) > 1 else "step") for shape in given[0]))
        yield V(*(make(*shape, layout="expand" if len(shape) > 1 else "offset") for shape in given[0]))

    return samples


def scaled(*given: tuple[tuple[int, ...], ...]) -> Samples:
    """Samples of `beta * input + alpha * product`."""

    def samples(make: Make) -> Iterator[Sample]:
        yield from shapes(*given)(make)
        operands = given[0]
        yield S(*(make(*shape) for shape in operands), beta=2, alpha=3)
        if make.inexact:
            yield S(*(make(*shape) for shape in operands), beta=0.5, alpha=-1.5)
            first = make(*operands[0])
            first[...] = float("nan")
            yield V(first, *(make(*shape) for shape in operands[1:]), beta=0)

    return samples


MATMUL = (
    ((2, 3), (3, 4)),
    ((3,), (3,)),
    ((2, 3), (3,)),
    ((3,), (3, 2)),
    ((2, 2, 3), (2, 3, 2)),
    ((2, 2, 3), (3, 2)),
    ((2, 3), (2, 3, 2)),
    ((2, 1, 2, 3), (3, 3, 2)),
    ((2, 2, 3), (3,)),
    ((3,), (2, 3, 2)),
    ((0, 3), (3, 2)),
    ((2, 0), (0, 3)),
    ((1, 3), (3, 1)),
    ((2, 0, 3), (3, 2)),
)


def _einsum(make: Make) -> Iterator[Sample]:
    yield S("ij,jk->ik", make(2, 3), make(3, 2))
    yield S("ij,ij->", make(2, 3), make(2, 3))
    yield S("bij,bjk", make(2, 2, 3), make(2, 3, 2))
    yield S("ii->i", make(3, 3))
    yield S("ii", make(3, 3))
    yield S("ij->ji", make(2, 3, layout="t"))
    yield S("i,j->ij", make(2), make(3))
    yield S("...ij,...jk->...ik", make(2, 2, 3), make(3, 2))
    yield S("ij,jk,kl->il", make(2, 3), make(3, 2), make(2, 2))
    yield S("bhid,bhjd->bhij", make(1, 2, 2, 3), make(1, 2, 2, 3))
    yield S("ij->", make(2, 3))
    yield S("ij,j->i", [make(2, 3), make(3)])
    yield S("i,i,i->i", make(3), make(3), make(3))
    yield V("ij,jk->ik", make(2, 0), make(0, 3))


def _tensordot(make: Make) -> Iterator[Sample]:
    yield S(make(2, 3, 2), make(3, 2, 2), 2)
    yield S(make(2, 3), make(3, 2), dims=1)
    yield S(make(2, 3), make(4, 2), dims=([0], [1]))
    yield S(make(2), make(3), 0)


def _multi_dot(make: Make) -> Iterator[Sample]:
    yield S([make(2, 3), make(3, 4), make(4, 2)])
    yield S([make(3), make(3, 2), make(2)])
    yield S([make(2, 3), make(3, 2)])


def _linear(make: Make) -> Iterator[Sample]:
    yield S(make(2, 3), make(4, 3), make(4))
    yield S(make(2, 3), make(4, 3))
    yield S(make(3), make(2, 3), make(2))
    yield S(make(2, 2, 3), make(2, 3), make(2))
    yield S(make(2, 3, layout="t"), make(4, 3, layout="t"), make(4))
    yield S(make(2, 3), make(3))
    yield V(make(0, 3), make(2, 3), make(2))


def _bilinear(make: Make) -> Iterator[Sample]:
    yield S(make(2, 3), make(2, 2), make(4, 3, 2), make(4))
    yield S(make(2, 3), make(2, 2), make(1, 3, 2))


def _cross(make: Make) -> Iterator[Sample]:
    yield S(make(2, 3), make(2, 3))
    yield S(make(3), make(3))
    yield S(make(3, 2), make(3, 2), dim=0)


def _power(make: Make) -> Iterator[Sample]:
    yield S(make(3, 3), 2)
    yield S(make(2, 2, 2), 3)
    yield V(make(2, 2), 0)
    yield S(make(2, 2), 1)


def contraction(name: str, samples: Samples, **flags: Any) -> OpCase:
    """A case for sums of products: half floats get room for another order of summation."""
    tolerance = {
        "float16": (1e-2, 2e-2),
        "bfloat16": (5e-2, 1e-1),
        "float32": (2e-5, 1e-5),
        "complex64": (4e-5, 2e-5),
    }
    return OpCase(name, samples, NUMBERS, **{"tolerance": tolerance, **flags})


CASES = [
    contraction(
        "mm", shapes(((2, 3), (3, 4)), ((1, 3), (3, 1)), ((0, 3), (3, 2)), ((2, 0), (0, 2))), out=True
    ),
    contraction(
        "bmm", shapes(((2, 2, 3), (2, 3, 2)), ((1, 2, 1), (1, 1, 3)), ((0, 2, 3), (0, 3, 2))), out=True
    ),
    contraction("mv", shapes(((2, 3), (3,)), ((1, 1), (1,)), ((0, 3), (3,)), ((2, 0), (0,))), out=True),
    contraction("dot", shapes(((3,), (3,)), ((1,), (1,)), ((0,), (0,))), out=True),
    contraction("vdot", shapes(((3,), (3,)), ((0,), (0,))), out=True),
    contraction("inner", shapes(((3,), (3,)), ((2, 3), (4, 3)), ((), (2, 2))), out=True),
    contraction("matmul", shapes(*MATMUL), out=True, aliases=("Tensor.__matmul__",), grad_fn=False),
    contraction(
        "addmm",
        scaled(
            ((2, 4), (2, 3), (3, 4)), ((4,), (2, 3), (3, 4)), ((), (2, 1), (1, 2)), ((2, 2), (2, 0), (0, 2))
        ),
        out=True,
        inplace=True,
    ),
    contraction(
        "addmv",
        scaled(((2,), (2, 3), (3,)), ((1,), (2, 3), (3,)), ((), (2, 2), (2,))),
        out=True,
        inplace=True,
    ),
    contraction("addbmm", scaled(((2, 3), (2, 2, 2), (2, 2, 3))), out=True, inplace=True),
    # In place PyTorch gives the tensor the result's shape here, if it owns its memory.
    contraction(
        "addbmm broadcast",
        scaled(((3,), (1, 2, 2), (1, 2, 3))),
        call=lambda xp, *a, **k: xp.addbmm(*a, **k),
        out=True,
    ),
    contraction(
        "baddbmm",
        scaled(((2, 2, 4), (2, 2, 3), (2, 3, 4)), ((4,), (2, 1, 3), (2, 3, 4)), ((), (1, 2, 2), (1, 2, 1))),
        out=True,
        inplace=True,
    ),
    OpCase(
        "addr",
        scaled(((2, 3), (2,), (3,)), ((3,), (2,), (3,)), ((), (1,), (2,))),
        NUMBERS,
        out=True,
        inplace=True,
    ),
    OpCase("outer", shapes(((2,), (3,)), ((0,), (2,))), ALL, out=True, aliases=("ger",)),
    OpCase("kron", shapes(((2, 3), (2, 2)), ((3,), (2, 2)), ((), (2,))), ALL, out=True, grad_fn=False),
    contraction("einsum", _einsum, grad_fn=False),
    contraction("tensordot", _tensordot, grad_fn=False),
    contraction("linalg.multi_dot", _multi_dot, out=True, grad_fn=False),
    contraction("nn.functional.linear", _linear, grad_fn=False),
    contraction("nn.functional.bilinear", _bilinear, grad_fn=False, grad_dtypes=REAL),
    contraction("linalg.matrix_power", _power, out=True, grad_fn=False),
    OpCase("linalg.cross", _cross, NUMBERS, out=True),
    OpCase(
        "linalg.vecdot",
        shapes(((2, 3), (2, 3)), ((3,), (2, 3))),
        ("float32", "float64", "complex64", "complex128"),
        out=True,
        grad_fn=False,
    ),
]
