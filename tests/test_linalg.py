"""What the samples of linear algebra cannot ask: derivatives PyTorch lacks, singular matrices, errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import cotangent as torch
from cotangent.autograd import gradcheck, gradgradcheck


def matrix(seed: int, *shape: int, complex: bool = False, grad: bool = True) -> Any:
    """A random tensor in double precision."""
    rng = np.random.RandomState(seed)
    values = rng.uniform(-1, 1, shape)
    return torch.from_numpy(values + 1j * rng.uniform(-1, 1, shape) if complex else values).requires_grad_(
        grad
    )


KINDS = pytest.mark.parametrize("complex", [False, True], ids=["real", "complex"])


@KINDS
@pytest.mark.parametrize("shape", [(3, 2), (2, 2), (2, 3), (1, 2), (2, 2, 1), (3, 1), (1, 1)])
def test_the_packed_qr_has_derivatives(shape: tuple[int, ...], complex: bool) -> None:
    a = matrix(1, *shape, complex=complex)
    assert gradcheck(torch.geqrf, (a,))
    assert gradgradcheck(torch.geqrf, (a,), fast_mode=True)


@KINDS
@pytest.mark.parametrize("hermitian", [False, True])
@pytest.mark.parametrize("scale", [1.0, 0.01])
def test_symmetric_factors_have_derivatives(scale: float, hermitian: bool, complex: bool) -> None:
    a = matrix(12, 3, 3, complex=complex, grad=False)
    a.diagonal().mul_(scale)  # a small diagonal makes blocks of two
    b = matrix(13, 3, 1, complex=complex)

    def factors(a: Any) -> Any:
        return torch.linalg.ldl_factor(a + (a.mH if hermitian else a.mT), hermitian=hermitian)

    def solved(a: Any, b: Any) -> Any:
        return torch.linalg.ldl_solve(*factors(a), b, hermitian=hermitian)

    assert scale == 1 or factors(a).pivots.min() < 0
    a.requires_grad_()
    assert gradcheck(lambda a: factors(a).LD, (a,))
    assert gradcheck(solved, (a, b))
    for function, given in ((lambda a: factors(a).LD, (a,)), (solved, (a, b))):
        assert gradgradcheck(function, given, fast_mode=True)


@KINDS
@pytest.mark.parametrize("order", [1, -1, "fro", "nuc", float("inf"), float("-inf")])
def test_condition_numbers_by_the_inverse_have_derivatives(order: Any, complex: bool) -> None:
    a = matrix(2, 3, 3, complex=complex)
    assert gradcheck(lambda a: torch.linalg.cond(a, order), (a,))


@KINDS
@pytest.mark.parametrize("rank", [0, 1, 2, 3])
def test_determinants_have_two_derivatives_at_matrices_of_any_rank(rank: int, complex: bool) -> None:
    a = (matrix(3, 3, rank, complex=complex) @ matrix(4, rank, 3, complex=complex)).detach().requires_grad_()
    assert gradcheck(torch.linalg.det, (a,), atol=1e-7)
    assert gradgradcheck(torch.linalg.det, (a,), atol=1e-7)


@KINDS
def test_determinants_have_third_derivatives(complex: bool) -> None:
    a, b = matrix(5, 3, 3, complex=complex), matrix(6, 3, 3, complex=complex)

    def second(a: Any, b: Any) -> Any:
        (first,) = torch.autograd.grad(torch.linalg.det(a), a, torch.ones_like(b[0, 0]), create_graph=True)
        (found,) = torch.autograd.grad(first, a, b, create_graph=True)
        return found

    assert gradcheck(second, (a, b))
    assert gradgradcheck(second, (a, b))


@pytest.mark.parametrize("p", [0.0, 1.0, 1.5, 2.0, 3.0, float("inf")])
def test_points_that_coincide_get_no_gradient(p: float) -> None:
    a = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    b = a.detach().clone()
    torch.cdist(a, b, p).diagonal().sum().backward()
    assert torch.equal(a.grad, torch.zeros(2, 2))


@pytest.mark.parametrize("p", [1.0, 1.5, 2.0, 3.0])
def test_distances_have_second_derivatives(p: float) -> None:
    a, b = matrix(7, 3, 2), matrix(8, 2, 2)
    assert gradgradcheck(lambda a, b: torch.cdist(a, b, p), (a, b))
    assert gradgradcheck(lambda a: torch.pdist(a, p), (a,))


def many(function: Callable[..., Any], *tensors: Any) -> list[Any]:
    """The gradients of a scalar made of a function's results."""
    results = function(*tensors)
    results = results if isinstance(results, tuple) else (results,)
    total = sum((r * r).sum() for r in results if r.is_floating_point())
    return list(torch.autograd.grad(total, tensors))


@pytest.mark.parametrize(
    "function",
    [
        torch.linalg.inv,
        lambda a: torch.linalg.solve(a, torch.ones(3, dtype=a.dtype)),
        lambda a: torch.linalg.cholesky(a @ a.mT),
        lambda a: torch.linalg.svd(a)[1],
        lambda a: torch.linalg.eigvalsh(a + a.mT),
        lambda a: torch.linalg.qr(a)[1],
        torch.linalg.lu,
        torch.linalg.pinv,
        torch.matrix_exp,
        torch.linalg.slogdet,
    ],
)
def test_a_large_batch_is_the_same_as_its_matrices(function: Callable[..., Any]) -> None:
    a = matrix(9, 40, 3, 3)
    (whole,) = many(function, a)
    for k in (0, 17, 39):
        (one,) = many(function, a[k].detach().requires_grad_())
        assert torch.allclose(whole[k], one, atol=1e-9)


def test_the_error_of_singular_matrices_is_a_runtime_error_that_names_the_matrix() -> None:
    a = torch.eye(2).repeat(3, 1, 1)
    a[1] = 0.0
    with pytest.raises(
        torch.linalg.LinAlgError, match=r"\(Batch element 1\): The diagonal element 1 is zero"
    ):
        torch.linalg.inv(a)
    with pytest.raises(RuntimeError, match=r"torch\.linalg\.solve: \(Batch element 1\)"):
        torch.linalg.solve(a, torch.ones(4, 3, 2, 1))
    assert repr(torch.linalg.LinAlgError) == "<class 'torch._C._LinAlgError'>"
    assert torch.linalg.inv_ex(a).info.tolist() == [0, 1, 0]
    with pytest.raises(torch.linalg.LinAlgError, match="Batch element 1"):
        torch.func.vmap(torch.linalg.inv)(a)


def test_failures_leave_the_other_matrices_of_a_batch_alone() -> None:
    a = torch.eye(2).repeat(3, 1, 1)
    a[1] = 0.0
    for found in (
        torch.linalg.inv_ex(a).inverse,
        torch.linalg.solve_ex(a, torch.eye(2)).result,
        torch.linalg.cholesky_ex(a).L,
    ):
        assert torch.equal(found[0], torch.eye(2)) and torch.equal(found[2], torch.eye(2))


def test_a_traced_factorisation_says_what_fails_when_it_is_replayed() -> None:
    tape = torch.compile.trace(torch.linalg.inv, torch.eye(2))
    assert torch.equal(tape(2 * torch.eye(2)), torch.eye(2) / 2)
    with pytest.raises(torch.linalg.LinAlgError, match=r"linalg\.inv: The diagonal element 2 is zero"):
        tape(torch.tensor([[1.0, 0.0], [0.0, 0.0]]))


def test_scripts_use_methods_and_functions_that_load_late() -> None:
    a = torch.tensor([[2.0, 1.0], [1.0, 3.0]])
    assert torch.allclose(a.cholesky() @ a.cholesky().mT, a)
    assert torch.allclose(a.inverse() @ a, torch.eye(2), atol=1e-6)
    assert a.det() == pytest.approx(5.0) and torch.det(a) == pytest.approx(5.0)
    assert torch.allclose(a.lu_solve(*a.lu()), torch.eye(2), atol=1e-6)
    assert a.clone().renorm_(2, 0, 1.0).norm(dim=1).tolist() == pytest.approx([1.0, 1.0])


def test_a_few_eigenvalues_of_a_large_matrix_are_those_of_all_with_their_gradients() -> None:
    a = matrix(10, 12, 12, grad=False)
    a = (a @ a.mT + torch.diag(torch.arange(12.0).double())).requires_grad_()
    b = (torch.eye(12).double() * 2 + 0.1).requires_grad_()
    start = matrix(11, 12, 2, grad=False)
    weights = torch.arange(1.0, 13.0).double().unsqueeze(-1)

    def loss(values: Any, vectors: Any) -> Any:
        return (values**2).sum() + ((vectors * weights).sum(0) ** 2).sum()

    few = loss(*torch.lobpcg(a, X=start, tol=1e-11, largest=True))
    values, vectors = torch.linalg.eigh(a)
    all_of_them = loss(values[-2:].flip(0), vectors[:, -2:].flip(1))
    assert few.item() == pytest.approx(all_of_them.item(), rel=1e-8)
    one, other = (torch.autograd.grad(x, a)[0] for x in (few, all_of_them))
    assert torch.allclose(one, (other + other.mT) / 2, atol=1e-5)
    found, x = torch.lobpcg(a, B=b, X=start, tol=1e-11, largest=False)
    assert torch.allclose(a @ x, b @ x * found, atol=1e-6)
    assert all(g.isfinite().all() for g in torch.autograd.grad(loss(found, x), (a, b)))


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("batch", [(), (2,)])
def test_a_few_eigenvalues_have_slopes_of_symmetric_matrices(batch: tuple[int, ...], largest: bool) -> None:
    a = matrix(10, *batch, 6, 6, grad=False)
    a = (a @ a.mT / 10).requires_grad_()
    start = torch.eye(6, 1).double().expand(*batch, 6, 1)

    def turned(a: Any) -> Any:
        values, vectors = torch.lobpcg(a, X=start, largest=largest)
        return values, vectors * vectors.gather(-2, vectors.abs().max(-2, keepdim=True)[1]).sign()

    assert torch.autograd.gradcheck(turned, a, check_batched_grad=False)
