"""MaskedTensors: numbers of which a mask hides some, against PyTorch's, with their gradients and errors."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.masked.maskedtensor import binary, unary

import cotangent

SHOWN = [[True, False, True], [False, False, True]]


def numbers(t: Any) -> Any:
    return t.tensor([[0.25, 1.0, 2.0], [3.0, 4.0, 0.5]])


def mask(t: Any) -> Any:
    return t.tensor(SHOWN)


def made(t: Any, requires_grad: bool = False) -> Any:
    return t.masked.masked_tensor(numbers(t), mask(t), requires_grad)


def other(t: Any) -> Any:
    return t.masked.masked_tensor(numbers(t) + 1, mask(t))


# What a MaskedTensor x goes through; gradients flow back through each of these.
FUNCTIONS: dict[str, Callable[[Any, Any], Any]] = {
    **{
        name: (lambda t, x, name=name: getattr(x, name)())
        for name in "exp log sqrt sin cos abs neg square reciprocal rsqrt expm1 log1p asinh".split()  # noqa: SIM905
    },
    "pow": lambda t, x: x**2,
    "plus number": lambda t, x: 1 + x,
    "plus plain": lambda t, x: x + numbers(t),
    "plus row": lambda t, x: x + t.ones(3),
    "plus masked": lambda t, x: x + other(t),
    "minus": lambda t, x: x - other(t),
    "times": lambda t, x: x * x,
    "times plain": lambda t, x: numbers(t) * x,
    "over": lambda t, x: 1 / (x + 1),
    "over masked": lambda t, x: x / other(t),
    "sum": lambda t, x: x.sum(),
    "sum over rows": lambda t, x: t.sum(x, 0),
    "sum, kept": lambda t, x: x.sum(1, keepdim=True),
    "sum of two dimensions": lambda t, x: x.sum((0, 1)),
    "sum in float64": lambda t, x: x.sum(1, dtype=t.float64),
    "mean": lambda t, x: x.mean(),
    "mean over rows": lambda t, x: x.mean(1),
    "amax": lambda t, x: t.amax(x, 1),
    "amin": lambda t, x: x.amin(),
    "product": lambda t, x: x.prod(1),
    "variance": lambda t, x: x.var(1),
    "deviation": lambda t, x: t.std(x),
    "row": lambda t, x: x[0],
    "columns": lambda t, x: x[:, 1:],
    "turned": lambda t, x: x.t(),
    "transposed": lambda t, x: x.transpose(0, 1).contiguous(),
    "view": lambda t, x: x.view(6),
    "beside": lambda t, x: t.cat([x, x]),
    "stacked": lambda t, x: t.stack([x, x]),
    "copied": lambda t, x: x.clone(),
    "double": lambda t, x: x.double(),
    "softmax": lambda t, x: x.softmax(-1) * numbers(t),
    "softmax of a function": lambda t, x: t.nn.functional.softmax(x, dim=0).exp(),
    "chosen": lambda t, x: t.where(numbers(t) > 1.5, x, other(t).exp()),
    "not chosen": lambda t, x: t.where(numbers(t) > 1.5, other(t).exp(), x),
    "sparse": lambda t, x: x.to_sparse().to_dense(),
    "sparse rows": lambda t, x: x.to_sparse_csr().to_dense(),
    "numbers": lambda t, x: x.get_data(),
    "filled": lambda t, x: x.to_tensor(-1),
    "reduced in torch.masked": lambda t, x: t.masked.mean(x, 1, mask=mask(t)),
}
# Other things that are done, and their outcomes.
CALLS: dict[str, Callable[[Any], Any]] = {
    "one more": lambda t: made(t).unsqueeze(0),
    "expanded": lambda t: made(t).unsqueeze(0).expand(2, 2, 3),
    "split": lambda t: made(t).split(1)[1],
    "clamp": lambda t: made(t).clamp(0.5, 1.5),
    "rows by number": lambda t: made(t)[t.tensor([1, 0, 1])],
    "argmax": lambda t: made(t).argmax(1),
    "argmax of all": lambda t: t.argmax(made(t)),
    "argmin of sparse": lambda t: made(t).to_sparse().argmin(),
    "all": lambda t: [(made(t) > 0.5).all(), (made(t) > 0.5).all(1)],
    "compared": lambda t: [made(t) == other(t), made(t) < 1, made(t) >= numbers(t)],
    "is nan": lambda t: made(t).isnan(),
    "largest of two": lambda t: t.maximum(made(t), other(t)),
    "integers": lambda t: t.masked.masked_tensor(t.arange(3), t.tensor([True, False, True])),
    "bool": lambda t: made(t).bool(),
    "0-d": lambda t: t.masked.masked_tensor(t.tensor(3.0), t.tensor(False)),
    "3-d": lambda t: t.masked.masked_tensor(t.arange(8.0).view(2, 2, 2), t.arange(8).view(2, 2, 2) % 3 == 0),
    "wide": lambda t: made(t) * 1e6,
    "sparse": lambda t: made(t).to_sparse().exp() + made(t).to_sparse(),
    "sum of sparse": lambda t: made(t).to_sparse().sum(),
    "sum of sparse rows": lambda t: made(t).to_sparse().sum(1),
    "layouts": lambda t: [str(made(t).layout), made(t).is_sparse, made(t).to_sparse().is_sparse_coo()],
    "shape": lambda t: [list(made(t).shape), made(t).dim(), made(t).stride(), made(t).numel(), len(made(t))],
    "written": lambda t: made(t).exp_().add_(1).mul_(other(t)),
    "copied into": lambda t: made(t).copy_(other(t)),
    "item": lambda t: [made(t)[0, 0].item(), bool(made(t)[0, 0] > 0)],
    "hidden item": lambda t: made(t)[0, 1].item(),
    "list": lambda t: made(t).tolist(),
    "array": lambda t: made(t).numpy(),
    "ones": lambda t: t.ones_like(made(t)),
    "zeros": lambda t: t.zeros_like(made(t)),
    "copy": lambda t: copy.deepcopy(made(t)),
    "is one": lambda t: [t.masked.is_masked_tensor(made(t)), t.masked.is_masked_tensor(numbers(t))],
    "leaf": lambda t: [
        made(t, True).is_leaf,
        made(t, True).requires_grad,
        made(t, True).detach().requires_grad,
    ],
    "nodes": lambda t: [
        type(y.grad_fn).__name__ for x in [made(t, True)] for y in (x.exp(), x.sum(), x.view(6), x.get_data())
    ],
    "no relu": lambda t: made(t).relu(),
    "no median": lambda t: made(t).median(),
    "no norm of an order": lambda t: made(t).norm(2),
    "no squeezing": lambda t: made(t).squeeze(0),
    "masks differ": lambda t: made(t) + t.masked.masked_tensor(numbers(t), ~mask(t)),
    "copied from another mask": lambda t: made(t).copy_(t.masked.masked_tensor(numbers(t), ~mask(t))),
    "mask of floats": lambda t: t.masked.masked_tensor(numbers(t), numbers(t)),
    "mask of a row": lambda t: t.masked.masked_tensor(numbers(t), mask(t)[0]),
    "small mask": lambda t: t.masked.masked_tensor(numbers(t), mask(t)[:, :2]),
    "sparse mask": lambda t: t.masked.masked_tensor(numbers(t), mask(t).to_sparse()),
    "complex": lambda t: t.masked.masked_tensor(numbers(t).to(t.complex64), mask(t)),
    "no tensor": lambda t: t.masked.masked_tensor([1.0], mask(t)),
    "no mask": lambda t: t.masked.masked_tensor(numbers(t), [True]),
    "masked twice": lambda t: t.masked.masked_tensor(made(t), mask(t)),
    "rows of a cube": lambda t: made(t).unsqueeze(0).to_sparse_csr(),
    "requires grad": lambda t: t.masked.masked_tensor(t.ones(1, requires_grad=True), t.tensor([True])),
}


def shown(value: Any) -> Any:
    """A result as texts that both libraries print the same."""
    if isinstance(value, (list, tuple)):
        return [shown(v) for v in value]
    return repr(value).replace("-0.0000", " 0.0000") if hasattr(value, "dtype") else value


def outcome(call: Callable[[], Any]) -> Any:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            result = shown(call())
        except Exception as error:
            result = type(error).__name__, str(error).replace("cotangent.", "torch.")
    return result, list(dict.fromkeys(str(each.message).partition("(Triggered")[0].strip() for each in told))


def forth_and_back(t: Any, name: str) -> list[Any]:
    x = made(t, True)
    y = FUNCTIONS[name](t, x)
    # The node's name is no part of this: in PyTorch, too, it depends on how a reduction is put together.
    result = y.detach()
    y.sum().backward()
    return [result, x.grad, str(y.dtype).rpartition(".")[2]]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_and_their_gradients(name: str) -> None:
    ours, theirs = (outcome(lambda t=t: forth_and_back(t, name)) for t in (cotangent, torch))
    assert ours == theirs
    assert isinstance(theirs[0], list), theirs  # both did it


@pytest.mark.parametrize("name", CALLS)
def test_calls(name: str) -> None:
    ours, theirs = (outcome(lambda t=t: CALLS[name](t)) for t in (cotangent, torch))
    assert ours == theirs


def quiet(call: Callable[[Any], Any]) -> None:
    """A program, compared without its warnings."""
    assert outcome(lambda: call(cotangent))[0] == outcome(lambda: call(torch))[0]


def test_gradients_flow_on_to_the_numbers() -> None:
    def program(t: Any) -> Any:
        x = t.tensor([1.0, 2.0, 3.0], requires_grad=True)
        y = t.masked.as_masked_tensor(x * 2, t.tensor([True, False, True]))
        (y * y).sum().backward()
        return x.grad

    quiet(program)


def test_zero_and_nan_gradients_are_told_apart() -> None:
    """x/x where x is 0, chosen away: the gradient is hidden there, and not nan."""

    def program(t: Any) -> Any:
        x = t.tensor([-10.0, 0.0, 10.0, 0.0], requires_grad=True)
        low = t.masked.as_masked_tensor(x, x < 0)
        high = t.masked.as_masked_tensor(x, x > 0)
        y = t.where(x < 0, t.exp(low), t.masked.as_masked_tensor(t.ones(4), x > 0) / high)
        s = y.sum()
        s.backward()
        return [y.detach(), s.detach()]

    quiet(program)


def test_adagrad_of_few_gradients() -> None:
    """The update of Adagrad that touches only the parameters with gradients."""

    def program(t: Any) -> Any:
        i = t.tensor([[1, 3], [0, 2]])
        grad = t.sparse_coo_tensor(i, t.tensor([0.5, -1.0]), (4, 4)).to_dense()
        seen = t.masked.masked_tensor(grad, grad != 0)
        total = t.masked.masked_tensor(t.full((4, 4), 0.25), grad != 0) + seen.pow(2)
        update = seen / (total.sqrt() + 1e-10)
        return [total.get_data() * 1.0, (t.ones(4, 4) - 0.1 * update).to_tensor(1.0)]

    quiet(program)


@pytest.mark.filterwarnings("ignore")
def test_gradients_that_pytorch_has_not() -> None:
    x = made(cotangent, True)
    (x.sigmoid() + x.tanh()).sum().backward()
    seen = numbers(cotangent)
    plain = seen.sigmoid() * (1 - seen.sigmoid()) + 1 - seen.tanh() ** 2
    assert cotangent.allclose(x.grad.to_tensor(0), plain * mask(cotangent), atol=1e-6)


@pytest.mark.filterwarnings("ignore")
def test_second_derivatives_keep_their_mask() -> None:
    x = made(cotangent, True)
    (g,) = cotangent.autograd.grad((x * x * x).sum(), x, create_graph=True)
    (second,) = cotangent.autograd.grad(g.sum(), x)
    assert second.get_mask().tolist() == SHOWN
    assert cotangent.allclose(second.to_tensor(0), 6 * numbers(cotangent) * mask(cotangent))


NATIVE_INPLACE = sorted(
    {f.__name__ for f in (*unary.NATIVE_INPLACE_UNARY_FNS, *binary.NATIVE_INPLACE_BINARY_FNS)} - {"pow_"}
)


@pytest.mark.filterwarnings("ignore:The PyTorch API of MaskedTensors")
@pytest.mark.parametrize("dtype", ["float32", "int64", "bool"])
@pytest.mark.parametrize("name", NATIVE_INPLACE)
def test_in_place_forms_keep_the_dtype(name: str, dtype: str) -> None:
    def written(t: Any) -> str:
        x, y = (t.masked.masked_tensor(numbers(t).to(getattr(t, dtype)), mask(t)) for _ in range(2))
        operands = (y,) if name in {f.__name__ for f in binary.NATIVE_INPLACE_BINARY_FNS} else ()
        try:
            return repr(getattr(x, name)(*operands)) + repr(x)
        except Exception as error:
            return f"{type(error).__name__}: {error}".replace("cotangent.", "torch.")

    assert written(cotangent) == written(torch)
