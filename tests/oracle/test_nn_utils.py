"""Normalisations, parametrizations and pruning train, print and fail as PyTorch's from the same seed."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.utils.prune
from module_db import array

import cotangent

Seen = Iterator[Any]


def trained(xp: Any, module: Any) -> Seen:
    """How a module prints, its state, and both with its outputs after five steps."""
    yield repr(module)
    yield list(module.state_dict())
    x = xp.tensor(np.linspace(-1.0, 1.0, 12).reshape(4, 3), dtype=xp.float64)
    module = module.double()
    optimizer = xp.optim.SGD(module.parameters(), lr=0.05)
    for _ in range(5):
        optimizer.zero_grad()
        (module(x) ** 2).sum().backward()
        optimizer.step()
    yield array(module(x))
    yield type(module).__name__
    yield from (array(value) for value in module.state_dict().values())


def error(call: Callable[[], Any]) -> str:
    """What a call that must fail says."""
    try:
        call()
    except (AttributeError, ValueError, RuntimeError, TypeError, IndexError, NotImplementedError) as error:
        return f"{type(error).__name__}: {error}"
    return "no error"


def weight_norms(xp: Any) -> Seen:
    utils = xp.nn.utils
    for dim in (0, 1, None):
        yield from trained(xp, utils.weight_norm(xp.nn.Linear(3, 5), dim=dim))
        yield from trained(xp, utils.parametrizations.weight_norm(xp.nn.Linear(3, 5), dim=dim))
    yield from trained(xp, utils.remove_weight_norm(utils.weight_norm(xp.nn.Linear(3, 5))))
    older = utils.weight_norm(xp.nn.Linear(3, 5)).state_dict()
    newer = utils.parametrizations.weight_norm(xp.nn.Linear(3, 5))
    yield str(newer.load_state_dict(older))
    yield from trained(xp, newer)
    yield error(lambda: utils.remove_weight_norm(xp.nn.Linear(3, 5)))
    yield error(lambda: utils.weight_norm(utils.weight_norm(xp.nn.Linear(3, 5))))
    yield repr(utils.parametrizations.weight_norm(xp.nn.LSTM(2, 3), "weight_hh_l0"))


def spectral_norms(xp: Any) -> Seen:
    utils = xp.nn.utils
    for steps in (1, 3):
        yield from trained(xp, utils.spectral_norm(xp.nn.Linear(3, 5), n_power_iterations=steps))
        new = utils.parametrizations.spectral_norm(xp.nn.Linear(3, 5), n_power_iterations=steps)
        yield from trained(xp, new)
    old = utils.spectral_norm(xp.nn.Linear(3, 5))
    yield array(old.eval()(xp.ones(2, 3)))
    yield from trained(xp, utils.remove_spectral_norm(old))
    yield from trained(xp, utils.parametrizations.spectral_norm(xp.nn.Linear(3, 5), "bias"))
    yield error(lambda: utils.remove_spectral_norm(xp.nn.Linear(3, 5)))
    yield error(lambda: utils.parametrizations.spectral_norm(xp.nn.Linear(2, 2), n_power_iterations=0))
    yield error(lambda: utils.parametrizations.spectral_norm(xp.nn.Linear(2, 2), dim=2))


def orthogonals(xp: Any) -> Seen:
    orthogonal = xp.nn.utils.parametrizations.orthogonal
    for name in ("matrix_exp", "cayley", "householder"):
        for size in (3, 5, 2):
            for around in (True, False):
                net = xp.nn.Linear(3, size)
                orthogonal(net, orthogonal_map=name, use_trivialization=around)
                yield from trained(xp, net)
                yield error(lambda net=net, size=size: setattr(net, "weight", xp.eye(size, 3).double()))
                yield array(net.weight)
    yield error(lambda: orthogonal(xp.nn.Linear(2, 2), "bias"))
    yield error(lambda: orthogonal(xp.nn.Linear(2, 2), "weight", "another"))


def parametrizations(xp: Any) -> Seen:
    parametrize = xp.nn.utils.parametrize

    class Symmetric(xp.nn.Module):  # type: ignore[misc,name-defined]
        def forward(self, x: Any) -> Any:
            return x.triu() + x.triu(1).transpose(-1, -2)

        def right_inverse(self, x: Any) -> Any:
            return x.triu()

    net = xp.nn.Linear(3, 3)
    parametrize.register_parametrization(net, "weight", Symmetric())
    yield from trained(xp, net)
    parametrize.register_parametrization(net, "weight", Symmetric())
    yield repr(net)
    net.weight = xp.arange(9.0).view(3, 3).double()
    yield array(net.weight)
    yield array(net.parametrizations.weight.original)
    with parametrize.cached():
        yield net.weight is net.weight
    yield net.weight is net.weight
    yield parametrize.is_parametrized(net), parametrize.is_parametrized(net, "bias")
    yield parametrize.type_before_parametrizations(net).__name__
    other = xp.nn.Linear(3, 3)
    parametrize.transfer_parametrizations_and_params(net, other)
    yield repr(other)
    yield array(other.weight)
    yield type(copy.deepcopy(other)).__name__
    yield error(lambda: other.__getstate__())
    parametrize.remove_parametrizations(net, "weight")
    yield repr(net)
    yield array(net.weight)
    yield from trained(xp, net)
    yield error(lambda: parametrize.register_parametrization(xp.nn.Linear(2, 2), "none", Symmetric()))
    yield error(lambda: parametrize.remove_parametrizations(xp.nn.Linear(2, 2), "weight"))
    yield error(lambda: parametrize.register_parametrization(xp.nn.Linear(2, 3), "weight", xp.nn.Flatten(0)))
    two = xp.nn.utils.parametrizations.weight_norm(xp.nn.Linear(2, 2))
    yield error(lambda: parametrize.remove_parametrizations(two, "weight", leave_parametrized=False))
    yield repr(parametrize.remove_parametrizations(two, "weight"))


def pruning(xp: Any) -> Seen:
    prune = xp.nn.utils.prune
    net = xp.nn.Sequential(xp.nn.Linear(3, 4), xp.nn.Linear(4, 2))
    first, second = net
    prune.random_unstructured(first, "weight", 0.3)
    prune.l1_unstructured(first, "weight", 2)
    prune.ln_structured(first, "weight", 0.25, 2, 0)
    prune.random_structured(second, "weight", 1, 1)
    prune.identity(first, "bias")
    yield from trained(xp, net)
    yield prune.is_pruned(net), [type(hook).__name__ for hook in first._forward_pre_hooks.values()]
    yield array(first.weight)
    prune.remove(first, "weight")
    yield list(first.state_dict())
    yield array(first.weight)
    both = [(xp.nn.Linear(3, 4), "weight"), (xp.nn.Linear(4, 2), "weight")]
    prune.global_unstructured(both, prune.L1Unstructured, amount=0.4)
    yield from (array(module.weight_mask) for module, _ in both)
    plain = xp.nn.Linear(2, 2)
    for amount in (9, 1.5, "a", -1):
        yield error(lambda amount=amount: prune.l1_unstructured(plain, "weight", amount))
    yield list(plain.state_dict())
    yield error(lambda: prune.ln_structured(plain, "bias", 1, 2, 0))
    yield error(lambda: prune.ln_structured(plain, "weight", 1, 2, 3))
    yield error(lambda: prune.remove(plain, "weight"))
    yield array(prune.L1Unstructured(2).prune(xp.tensor([3.0, -1.0, 2.0, 0.5])))


def first_values(xp: Any) -> Seen:
    xp.nn.utils.skip_init(xp.nn.Linear, 3, 2)
    yield array(xp.rand(3))
    yield error(lambda: xp.nn.utils.skip_init(xp.nn.ReLU))


PROGRAMS = (weight_norms, spectral_norms, orthogonals, parametrizations, pruning, first_values)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_it_does_what_pytorch_does(program: Callable[[Any], Seen]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        seen = []
        for xp in (cotangent, torch):
            xp.manual_seed(1)
            seen.append(list(program(xp)))
    assert len(seen[0]) == len(seen[1])
    for position, (one, other) in enumerate(zip(*seen, strict=True)):
        if isinstance(other, np.ndarray):
            # First values, bases of orthogonal matrices among them, are computed in float32.
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5, err_msg=str(position))
            assert one.dtype == other.dtype
        else:
            assert one == other, position
