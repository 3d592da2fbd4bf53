"""Generated kernels in eager mode agree with the NumPy kernels they stand in for."""

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from running import PROJECT, RunPython

import cotangent as torch
from cotangent.kernels import activation, eager, elementwise, ordering, runtime, sized
from cotangent.kernels.forms import form_of

# Statics of kernels that have some.
STATICS: dict[str, tuple[Any, ...]] = {
    "elu": (1.3, 1.1, 0.9), "elu_backward": (1.3, 1.1, 0.9), "gelu": ("none",), "gelu_backward": ("tanh",),
    "leaky_relu": (0.1,), "leaky_relu_backward": (0.1,), "hardtanh": (-1.0, 1.0),
    "hardtanh_backward": (-1.0, 1.0), "softplus": (2.0, 3.0), "softplus_backward": (2.0, 3.0),
    "threshold_backward": (0.5,),
}  # fmt: skip
KERNELS = {
    name: k for name, k in vars(activation).items() if hasattr(k, "__wrapped__") and form_of(k) is not None
}


@pytest.fixture
def generated(monkeypatch: pytest.MonkeyPatch) -> None:
    assert runtime.ready()
    monkeypatch.setattr(sized._state, "on", True)


def operands(name: str, shape: tuple[int, ...], dtype: Any) -> list[Any]:
    rng = np.random.default_rng(len(name))
    count = 2 if name == "prelu" or name.endswith("backward") else 1
    arrays = [(rng.standard_normal(shape) * 2).astype(dtype) for _ in range(count)]
    if name == "sigmoid_backward":
        arrays[1] = rng.random(shape).astype(dtype)
    for a in arrays:
        a[0, :6] = 0.0, -0.0, np.inf, -np.inf, np.nan, 30.0
    return arrays


def close(found: Any, expected: Any, dtype: Any, name: str = "") -> None:
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    scale = float(np.finfo(dtype).eps)
    # NumPy's gelu cancels: 1 + erf and 1 - tanh ** 2, times up to x ** 3.
    error = 512 * scale if name.startswith("gelu") else 4 * scale
    np.testing.assert_allclose(
        found.astype(np.float64), expected.astype(np.float64), rtol=8 * scale, atol=error
    )


def test_the_kernels_are_those_there_should_be() -> None:
    assert len(KERNELS) == 24


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")
def test_large_arrays(generated: None, name: str, dtype: Any) -> None:
    kernel, statics = KERNELS[name], STATICS.get(name, ())
    arrays = operands(name, (300, 301), dtype)
    expected = kernel.__wrapped__(*arrays, *statics)
    if name == "mish_backward":  # inf * 0 in NumPy's order of operations
        arrays = [np.nan_to_num(a, posinf=9.0, neginf=-9.0) for a in arrays]
        expected = kernel.__wrapped__(*arrays, *statics)
    close(kernel(*arrays, *statics), expected, dtype, name)
    into = np.empty_like(arrays[0])
    assert kernel(*arrays, *statics, out=into) is into
    close(into, expected, dtype, name)
    turned = [np.asfortranarray(a) for a in arrays]
    result = kernel(*turned, *statics)
    close(result, expected, dtype, name)
    assert result.flags.f_contiguous
    every_second = [np.repeat(a, 2, axis=1)[:, ::2] for a in arrays]
    close(kernel(*every_second, *statics), expected, dtype, name)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize("name", ["sigmoid", "sigmoid_backward", "silu_backward", "log_sigmoid"])
@pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")
def test_16_bit_floats_are_rounded_once(generated: None, name: str, dtype: Any) -> None:
    arrays = [np.clip(a, -8, 8) for a in operands(name, (100, 100), np.float32)]
    arrays = [a.astype(dtype) for a in arrays]
    statics = STATICS.get(name, ())
    found = KERNELS[name](*arrays, *statics)
    expected = KERNELS[name].__wrapped__(*arrays, *statics)
    assert found.dtype == expected.dtype == dtype
    wide = [x.astype(np.float64) for x in (found, expected)]
    np.testing.assert_allclose(*wide, rtol=float(ml_dtypes.finfo(dtype).eps), atol=1e-4)
    assert (wide[0] == wide[1])[~np.isnan(wide[1])].mean() > 0.99


def test_small_arrays_keep_to_numpy_bit_for_bit(generated: None) -> None:
    x = np.linspace(-4, 4, 63, dtype=np.float32)
    for name in ("gelu", "sigmoid", "mish"):
        statics = STATICS.get(name, ())
        same = KERNELS[name](x, *statics) == KERNELS[name].__wrapped__(x, *statics)
        assert same.all()


def test_results_that_overlap_operands(generated: None) -> None:
    x = np.linspace(-4, 4, 100_001, dtype=np.float32)
    expected = activation.sigmoid(x[:-1].copy())
    activation.sigmoid(x[:-1], out=x[1:])
    close(x[1:], expected, np.float32)


def test_broadcasting_and_numbers(generated: None) -> None:
    axpy = eager.Fused(lambda x, y, a: x * a + y)
    x = np.arange(60_000, dtype=np.float64).reshape(200, 300)
    row, column, one = x[0].copy(), x[:, :1].copy(), np.array(3.0)
    for y in (row, column, one):
        assert (axpy((x, y, 2.0)) == x * 2.0 + y).all()
    assert (axpy((x.T, row[:, None], 0.5)) == x.T * 0.5 + row[:, None]).all()


def test_the_first_large_operations_stay_with_numpy(run_python: RunPython) -> None:
    code = """
import sys
import numpy as np
from cotangent.kernels import activation
x = np.zeros(500_000, np.float32)
for i in range(6):
    activation.sigmoid(x)
    print("llvmlite" in sys.modules, end=" ")
"""
    for setting, expected in (("", "F F F F T T"), ("1", "T T T T T T"), ("0", "F F F F F F")):
        result = run_python("-c", code, env={"COTANGENT_KERNELS": setting})
        assert "".join(word[0] + " " for word in result.stdout.split()).strip() == expected


@pytest.mark.parametrize("ufunc", list(sized.LARGE), ids=lambda u: u.__name__)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")
def test_ufuncs_of_large_arrays(generated: None, ufunc: Any, dtype: Any) -> None:
    assert form_of(ufunc) is not None
    arrays = [np.random.default_rng(i).uniform(-3, 3, 20_000).astype(dtype) for i in range(ufunc.nin)]
    for a in arrays:
        a[:5] = 0.0, np.inf, -np.inf, np.nan, 1.0
    close(sized.large(ufunc)(*arrays), ufunc(*arrays), dtype)


def test_rules_of_large_arrays(generated: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gradients by fused rules are those of the steps one by one; rules without a form keep to NumPy."""
    for name, bounds in (("tanh", 3), ("atan", 3), ("log1p", 0.5), ("sin", 3), ("sqrt", 3), ("lgamma", 3)):
        x = torch.tensor(np.random.default_rng(0).uniform(0.1, bounds, 50_000).astype(np.float32))
        x.requires_grad_()
        results = []
        for on in (False, True):
            monkeypatch.setattr(sized._state, "on", on)
            monkeypatch.setattr(sized._state, "off", not on)
            x.grad = None
            (getattr(torch, name)(x) * 2.0).sum().backward()
            results.append(x.grad.numpy())
        close(results[1], results[0], np.float32)


def test_broadcast_operands_of_a_rule(generated: None) -> None:
    torch.manual_seed(0)
    x = torch.randn(300, 200, dtype=torch.float64, requires_grad=True)
    y = torch.rand(200, dtype=torch.float64) + 1
    y.requires_grad_()
    (x / y).backward(torch.ones(300, 200, dtype=torch.float64))
    np.testing.assert_allclose(
        x.grad.numpy(), np.broadcast_to(1 / y.detach().numpy(), (300, 200)), rtol=1e-15
    )
    expected = -(x.detach().numpy() / y.detach().numpy() ** 2).sum(0)
    np.testing.assert_allclose(y.grad.numpy(), expected, rtol=1e-12, atol=1e-12)


def test_comparisons_in_rules(generated: None) -> None:
    """`x == 0` in a rule is a comparison of elements, and its truth values count as 0 and 1."""
    x, y = torch.zeros(50_000, requires_grad=True), torch.zeros(50_000, requires_grad=True)
    torch.atan2(x, y).sum().backward()
    assert not x.grad.numpy().any() and not y.grad.numpy().any()
    fused = eager.Fused(lambda a: (a == 0.0) + a + (a != 0.0) + ~(a == 0.0))
    a = np.array([0.0, 1.0, -0.0, 2.0] * 5000)
    assert (fused((a,)) == np.array([1.0, 3.0, 1.0, 4.0] * 5000)).all()


def test_recorded_results_with_kernels_for_arrays_of_any_size(run_python: RunPython) -> None:
    """The gradients of the sample table, against PyTorch's recorded ones (dropout draws, and is left out)."""
    tests = str(PROJECT / "tests" / "test_ops_recorded.py")
    result = run_python(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "gradients and not dropout", tests,
        env={"COTANGENT_KERNELS": "all"}, cwd=PROJECT,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout[-3000:]


def test_without_llvmlite_everything_works_with_one_notice(run_python: RunPython) -> None:
    code = """
import sys, warnings
sys.modules["llvmlite"] = None
import cotangent as torch
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    x = torch.zeros(3_000_000, requires_grad=True)
    for _ in range(3):
        torch.softmax(torch.nn.functional.gelu(x), 0).sum().backward()
    w = torch.nn.Parameter(torch.zeros(100_000))
    w.grad = torch.ones(100_000)
    torch.optim.AdamW([w], lr=0.5).step()
print(len(seen), "llvmlite" in str(seen[0].message), round(w.sum().item()))
"""
    result = run_python("-c", code)
    assert (result.stdout, result.stderr) == ("1 True -50000\n", "")


def test_forked_children_and_threads_compute_the_same(run_python: RunPython) -> None:
    code = """
import os, threading, warnings
import cotangent as torch
warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads, from Python 3.12 on
torch.set_num_threads(3)
torch.manual_seed(0)
start = torch.randn(300, 1000)
def work():
    x = start.clone().requires_grad_()
    (torch.softmax(torch.tanh(x), 1) * torch.sigmoid(x)).sum().backward()
    return x.grad.numpy().tobytes()
expected = work()
results = []
threads = [threading.Thread(target=lambda: results.extend(work() for _ in range(5))) for _ in range(3)]
for t in threads:
    t.start()
for _ in range(5):
    pid = os.fork()
    if not pid:
        os._exit(work() != expected)
    results.append(expected if os.waitpid(pid, 0)[1] == 0 else None)
for t in threads:
    t.join()
print(len(results), all(r == expected for r in results))
"""
    result = run_python("-c", code, env={"COTANGENT_KERNELS": "1"}, timeout=100)
    assert (result.stdout, result.stderr) == ("20 True\n", "")


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("kind", ["f4", "f8", "i8", "u1"])
def test_topk_of_long_rows_is_the_beginning_of_a_stable_sort(kind: str, largest: bool) -> None:
    rng = np.random.default_rng(4)
    for most in (3, 40, 250):  # many equal elements, and few
        a = rng.integers(0, most, (7, 150, 5)).astype(kind)
        if kind[0] == "f":
            a[rng.random(a.shape) < 0.03] = np.nan
        values, places = ordering.topk(a, 20, 1, largest, True)
        expected, order = ordering.sort(a, 1, largest)
        np.testing.assert_array_equal(values, expected[:, :20])
        np.testing.assert_array_equal(places, order[:, :20])


def test_division_with_remainder_of_many_is_that_of_few() -> None:
    special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -3.0, 0.5, 7.25, 1e30])
    a, b = (x.astype(np.float32).ravel() for x in np.meshgrid(special, special))
    a, b = np.tile(a, 20), np.tile(b, 20)
    with np.errstate(all="ignore"):
        found, expected = elementwise.floor_div(a, b), np.floor_divide(a, b)
    np.testing.assert_array_equal(found, expected)
    both = ~np.isnan(expected)
    assert (np.signbit(found) == np.signbit(expected))[both].all()
