"""Large matrix products in eager mode: the generated kernels and NumPy's BLAS agree, whoever serves."""

import threading
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import cotangent as torch
from cotangent.config import settings
from cotangent.kernels import contract_eager, products, runtime

pytestmark = pytest.mark.skipif(not runtime.ready(), reason="no machine code here")

Array = np.ndarray[Any, Any]


def operands(
    rng: np.random.Generator, m: int, n: int, k: int, lead: tuple[int, ...] = ()
) -> tuple[Array, Array]:
    a, b = rng.standard_normal((*lead, m, k), np.float32), rng.standard_normal((*lead, k, n), np.float32)
    if rng.integers(2):
        a = np.ascontiguousarray(a.swapaxes(-1, -2)).swapaxes(-1, -2)
    if rng.integers(2):
        b = np.ascontiguousarray(b.swapaxes(-1, -2)).swapaxes(-1, -2)
    return a, b


def close(got: Array | None, expected: Array, k: int) -> None:
    assert got is not None
    bound = 2e-6 * k**0.5
    np.testing.assert_allclose(got, expected, rtol=bound, atol=bound)


@pytest.mark.parametrize("seed", range(4))
def test_products_and_accumulation(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for lead in ((), (3,), (2, 3)):
        m, n, k = (int(x) for x in rng.integers(20, 120, 3))
        a, b = operands(rng, m, n, k, lead)
        exact = a.astype(np.float64) @ b
        close(contract_eager.product(a, b), exact, k)
        for c_shape in ((), (n,), (m, 1), (m, n), (1, 1), (*lead, m, n)):
            c = rng.standard_normal(c_shape).astype(np.float32)
            for beta, alpha in ((1, 1), (0.5, 1), (1, -2), (3, 0.25)):
                close(contract_eager.product(a, b, c, beta, alpha), beta * c + alpha * exact, k)


def test_broadcast_batches_and_odd_strides() -> None:
    rng = np.random.default_rng(5)
    a, b = rng.standard_normal((4, 33, 40), np.float32), rng.standard_normal((40, 35), np.float32)
    close(contract_eager.product(a, b[None]), a.astype(np.float64) @ b, 40)
    close(
        contract_eager.product(a[::-1, ::-2], b[None, :, ::-1]),
        a[::-1, ::-2].astype(np.float64) @ b[:, ::-1],
        40,
    )
    swapped = a.transpose(1, 0, 2)
    other = rng.standard_normal((33, 40, 9), np.float32)
    close(contract_eager.product(swapped, other), swapped.astype(np.float64) @ other, 40)


def test_what_numpy_keeps() -> None:
    ones = np.ones
    for a, b in (
        (ones((1, 90)), ones((90, 90))),  # a vector
        (ones((90, 90)), ones((90, 3))),  # almost one
        (ones((90, 90), np.complex128), ones((90, 90), np.complex128)),
        (ones((90, 90), np.int64), ones((90, 90), np.int64)),
        (ones((2, 2, 2, 9, 9)), ones((2, 2, 2, 9, 9))),
        (ones((90, 90)), ones((90, 90), np.float32)),
    ):
        assert contract_eager.product(a, b) is None


def test_16_bit_floats_are_rounded_once() -> None:
    rng = np.random.default_rng(6)
    a, b = (rng.standard_normal((70, 70)).astype(ml_dtypes.bfloat16) for _ in range(2))
    c = rng.standard_normal(70).astype(ml_dtypes.bfloat16)
    found = contract_eager.product(a, b, c, 1, 1)
    assert found is not None and found.dtype == a.dtype
    exact = a.astype(np.float64) @ b.astype(np.float64) + c.astype(np.float64)
    np.testing.assert_allclose(found.astype(np.float64), exact, rtol=2**-8, atol=1e-4)


def test_numpy_and_generated_agree_through_the_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    """`linear` and its gradients with all products generated, and with none."""
    rng = np.random.default_rng(7)
    x0, w0, b0 = (rng.standard_normal(s, np.float32) for s in ((96, 80), (72, 80), (72,)))
    served: list[bool] = []
    real = contract_eager.product

    def watched(*args: Any) -> Any:
        found = real(*args)
        served.append(found is not None)
        return found

    def gradients(on: bool) -> list[Array]:
        monkeypatch.setattr(products, "worthwhile", lambda size: on)
        x, w, b = (torch.tensor(v, requires_grad=True) for v in (x0, w0, b0))
        y = torch.nn.functional.linear(x, w, b)
        (y * y).sum().backward()
        return [v.numpy() for v in (y.detach(), x.grad, w.grad, b.grad)]

    monkeypatch.setattr(products.generated, "product", watched)
    by_numpy = gradients(False)
    assert not served
    for got, expected in zip(gradients(True), by_numpy):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-2)
    assert served == [True] * 3


def test_threads_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(8)
    a, b = operands(rng, 200, 210, 190)
    found = []
    for n in (1, 2, 4):
        monkeypatch.setattr(settings, "threads", n)
        found.append(contract_eager.product(a, b))
    assert all((x == found[0]).all() for x in found)


def test_several_python_threads_at_once() -> None:
    rng = np.random.default_rng(9)
    pairs = [operands(rng, 150, 130, 140) for _ in range(4)]
    wrong: list[float] = []

    def work(a: Array, b: Array) -> None:
        expected = a.astype(np.float64) @ b
        for _ in range(20):
            found = contract_eager.product(a, b)
            assert found is not None
            wrong.append(float(abs(found - expected).max()))

    threads = [threading.Thread(target=work, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(wrong) == 80 and max(wrong) < 1e-3


def test_gradients_of_transposed_weights_lie_as_the_weights() -> None:
    """The product is computed in the order of memory that the leaf wants, and the leaf keeps it."""
    rng = np.random.default_rng(10)
    x0, w0 = rng.standard_normal((5, 4), np.float32), rng.standard_normal((3, 4), np.float32)
    for bias in (None, torch.zeros(3)):
        x, w = torch.tensor(x0, requires_grad=True), torch.tensor(w0, requires_grad=True)
        y = torch.nn.functional.linear(x, w, bias)
        (y**3).sum().backward()
        held = w.grad.numpy()
        seed = 3 * (x0 @ w0.T) ** 2
        np.testing.assert_allclose(held, seed.T @ x0, rtol=1e-4)
        assert held.flags.c_contiguous and held.base is not None and held.base.shape == (3, 4)
        np.testing.assert_allclose(x.grad.numpy(), seed @ w0, rtol=1e-4)
        # The gradient is the leaf's alone: writing to it changes nothing else.
        second = torch.autograd.grad(torch.nn.functional.linear(x, w, bias).sum(), w)[0].numpy().copy()
        w.grad.zero_()
        np.testing.assert_allclose(second, np.ones((5, 3), np.float32).T @ x0, rtol=1e-4)


def test_gradients_of_gradients_of_transposed_weights() -> None:
    x, w = (torch.rand(s, dtype=torch.float64, requires_grad=True) for s in ((3, 4), (2, 4)))
    assert torch.autograd.gradgradcheck(lambda x, w: torch.nn.functional.linear(x, w).tanh(), (x, w))
