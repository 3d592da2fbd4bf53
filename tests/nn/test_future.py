"""torch.__future__: what becomes of parameters when modules are converted and loaded."""

from collections.abc import Iterator

import pytest

import cotangent as torch

future = torch.__future__


@pytest.fixture(autouse=True)
def afterwards() -> Iterator[None]:
    yield
    future.set_overwrite_module_params_on_conversion(False)
    future.set_swap_module_params_on_conversion(False)


def net() -> torch.nn.Linear:
    made = torch.nn.Linear(2, 3)
    made(torch.ones(1, 2)).sum().backward()
    return made


def test_parameters_stay_by_default() -> None:
    assert not future.get_overwrite_module_params_on_conversion()
    assert not future.get_swap_module_params_on_conversion()
    made = net()
    weight, gradient = made.weight, made.weight.grad
    made.double()
    assert made.weight is weight and weight.grad is gradient and gradient.dtype is torch.float64


def test_parameters_are_made_anew() -> None:
    future.set_overwrite_module_params_on_conversion(True)
    made = net()
    weight, gradient = made.weight, made.weight.grad
    made.double()
    assert made.weight is not weight and weight.dtype is torch.float32 and gradient.dtype is torch.float32
    assert made.weight.grad.dtype is torch.float64
    assert isinstance(made.weight, torch.nn.Parameter) and made.weight.requires_grad


def test_parameters_are_exchanged() -> None:
    future.set_swap_module_params_on_conversion(True)
    made = net()
    weight, gradient = made.weight, made.weight.grad
    values = weight.tolist()
    made.double()
    assert made.weight is weight and weight.dtype is torch.float64 and weight.tolist() == values
    assert weight.grad is gradient and gradient.dtype is torch.float64


def test_what_cannot_be_exchanged_is_named() -> None:
    future.set_swap_module_params_on_conversion(True)
    made = net()
    kept = made(torch.ones(1, 2))  # its graph refers to the parameters
    with pytest.raises(RuntimeError, match=r"_apply\(\): Couldn't swap Linear\.weight"):
        made.double()
    assert kept.shape == (1, 3) and made.weight.grad is not None


@pytest.mark.parametrize("assign", [False, True])
def test_loading_exchanges_too(assign: bool) -> None:
    future.set_swap_module_params_on_conversion(True)
    made, other = torch.nn.Linear(2, 3), torch.nn.Linear(2, 3)
    weight = made.weight
    made.load_state_dict(other.state_dict(), assign=assign)
    assert made.weight is weight and weight.requires_grad and isinstance(weight, torch.nn.Parameter)
    assert torch.equal(weight, other.weight)


def test_a_class_that_loads_itself_is_refused() -> None:
    class Own(torch.Tensor):
        def module_load(self, other: torch.Tensor, assign: bool = False) -> torch.Tensor:
            return other

    future.set_swap_module_params_on_conversion(True)
    made = torch.nn.Linear(2, 3)
    made.register_buffer("extra", torch.zeros(2).as_subclass(Own))
    with pytest.raises(RuntimeError, match="module_load returned one of self or other"):
        made.load_state_dict(made.state_dict())
