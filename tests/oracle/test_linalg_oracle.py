"""Calls of linear algebra in both libraries: results with their types, errors with their texts, nodes."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from linalg_calls import calls, operands

import cotangent

# Old names warn once in a process, whichever test comes first.
pytestmark = pytest.mark.filterwarnings(r"ignore:torch\.\w+ is deprecated")

# Functions whose results are determined up to signs, phases or a basis of a null space.
NOT_UNIQUE = re.compile(r"(svd|svd_lowrank|pca_lowrank|lobpcg|eigh|eig|qr)\(")
# Where PyTorch's answer is none: inf in the inverse of a singular matrix, a condition number of rounding
# errors, exponentials in 16 bits.
VALUES_DIFFER = ("L.inv_ex(Z)", "L.cond(B)", "L.matrix_exp(H)", "torch.matrix_exp(H)")


def outcome(library: Any, call: str) -> tuple[Any, str]:
    """What the call returns, or the exception's type and text."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return eval(call, operands(library)), ""
        except Exception as error:  # whatever is raised is what is asked for
            return None, f"{type(error).__name__}: {error}"


def flat(result: Any) -> list[Any]:
    """The results of one call in order."""
    return [item for part in result for item in flat(part)] if isinstance(result, tuple) else [result]


def shown(value: Any) -> str:
    """A tensor's dtype and shape."""
    return f"{value.dtype} {list(value.shape)}"


@pytest.mark.parametrize("call", calls())
def test_call(call: str) -> None:
    expected, wrong = outcome(torch, call)
    if "INTERNAL ASSERT" in wrong:
        return  # a bug of PyTorch's is no answer
    actual, mine = outcome(cotangent, call)
    assert mine == wrong
    if wrong:
        return
    # With `out=` PyTorch's named results have classes of their own, `..._out`.
    assert type(actual).__name__ == type(expected).__name__.removesuffix("_out")
    ones, others = flat(actual), flat(expected)
    assert [shown(t) for t in ones] == [shown(t) for t in others]
    if NOT_UNIQUE.search(call) or call in VALUES_DIFFER:
        return
    for one, other in zip(ones, others, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=2e-4, atol=1e-5)


NODES = """
torch.logdet(a) | torch.det(a) | torch.slogdet(a) | torch.inverse(a) | L.eigvalsh(a) | L.svdvals(a)
L.eigh(a) | L.eig(a) | L.svd(a) | torch.svd(a) | torch.qr(a) | L.lu(a) | L.lu_factor(a)
L.cholesky(a) | torch.cholesky(a) | torch.matrix_exp(a) | torch.pinverse(a)
L.pinv(a, hermitian=True) | L.matrix_norm(a, 2) | L.matrix_norm(a, "nuc") | L.matrix_norm(a)
L.matrix_norm(a, 1) | L.norm(a) | L.cond(a) | L.cond(a, 1) | torch.cdist(a, a) | torch.pdist(a)
torch.renorm(a, 2, 0, 1) | torch.corrcoef(a) | L.lstsq(a, a) | L.vander(a) | L.matrix_power(a, -2)
L.solve(a, a) | torch.triangular_solve(a, a) | torch.cholesky_solve(a, a)
torch.cholesky_inverse(a) | L.inv_ex(a) | L.solve_ex(a, a) | torch.ormqr(a, torch.ones(2), a)
torch.orgqr(a, torch.ones(2)) | L.solve_triangular(a, a, upper=True) | torch.norm(a, "nuc")
torch.dist(a, a) | L.lu_solve(a, torch.tensor([1, 2], dtype=torch.int32), a)
torch.lu_unpack(a, torch.tensor([1, 2], dtype=torch.int32)) | L.vector_norm(a) | torch.geqrf(a)
"""


@pytest.mark.parametrize("call", [c.strip() for c in NODES.replace("\n", "|").split("|") if c.strip()])
def test_nodes_have_pytorchs_names(call: str) -> None:
    def nodes(library: Any) -> list[str]:
        a = library.eye(2, requires_grad=True)
        found = flat(eval(call, {**operands(library), "a": a}))
        return [type(t.grad_fn).__name__ for t in found]

    assert nodes(cotangent) == nodes(torch)


PRINTED = (
    "L.lu_factor(D + L.diagonal(D).diag())", "L.slogdet(2 * torch.eye(2))", "L.inv_ex(torch.eye(1))",
    "torch.slogdet(torch.eye(1))", "L.cholesky_ex(torch.eye(1))", "L.ldl_factor(torch.eye(1))",
    "torch.triangular_solve(torch.ones(1, 1), torch.eye(1))", "torch.lu_unpack(*torch.lu(torch.eye(1)))",
)  # fmt: skip


@pytest.mark.parametrize("call", PRINTED)
def test_named_results_print_the_same(call: str) -> None:
    assert repr(outcome(cotangent, call)[0]) == repr(outcome(torch, call)[0])


def ill_defined(library: Any) -> list[Callable[[Any], Any]]:
    """Losses that depend on the phases of complex vectors."""
    linalg = library.linalg
    return [
        lambda a: linalg.eigh(a + a.mH)[1].real.sum(),
        lambda a: linalg.eig(a)[1].real.sum(),
        lambda a: linalg.svd(a)[0].real.sum(),
        lambda a: linalg.svd(a)[2].imag.sum(),
        lambda a: linalg.qr(a[:, :2], mode="complete")[0].abs().sum(),
        lambda a: linalg.qr(a, mode="r")[1].abs().sum(),
    ]


@pytest.mark.parametrize("which", range(6))
def test_gradients_that_nothing_determines_are_refused(which: int) -> None:
    numbers = np.random.RandomState(1).randn(2, 3, 3)
    texts = []
    for library in (cotangent, torch):
        a = library.from_numpy(numbers[0] + 1j * numbers[1]).requires_grad_()
        with pytest.raises(RuntimeError) as caught:
            ill_defined(library)[which](a).backward()
        texts.append(str(caught.value))
    assert texts[0] == texts[1]
