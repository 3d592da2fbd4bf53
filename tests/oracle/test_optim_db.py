"""Every optimizer of PyTorch's `optim_db` moves parameters as PyTorch's, with each of PyTorch's settings."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from module_db import array, carried
from torch.testing._internal.common_optimizers import OptimizerInfo, optim_db

import cotangent

INFOS = {info.optim_cls.__name__: info for info in optim_db}
LIMITS = {"float64": (1e-9, 1e-11), "float32": (1e-4, 1e-6)}


def trained(xp: Any, info: OptimizerInfo, kwargs: dict[str, Any], dtype: str) -> list[tuple[str, Any]]:
    """Two parameters after ten steps, and the numbers in the optimizer's state."""

    def values(first: float, last: float) -> Any:
        return xp.tensor(np.linspace(first, last, 6).reshape(2, 3).tolist(), dtype=getattr(xp, dtype))

    parameters = [values(-1.0, 1.0).requires_grad_(), values(0.5, -2.0).requires_grad_()]
    goals = [values(0.3, 0.1), values(1.0, -1.0)]
    optimizer = getattr(xp.optim, info.optim_cls.__name__)(parameters, **carried(kwargs, xp))

    def closure() -> Any:
        optimizer.zero_grad()
        loss = sum(((p - goal) ** 2).sum() + p.cos().sum() for p, goal in zip(parameters, goals, strict=True))
        loss.backward()
        for parameter in parameters if info.only_supports_sparse_grads else ():
            parameter.grad = parameter.grad.to_sparse(1)
        return loss

    # LBFGS takes twenty steps in one, after which float32 leaves it nothing to find.
    for _ in range(1 if info.step_requires_closure else 10):
        closure()
        optimizer.step(closure) if info.step_requires_closure else optimizer.step()
    found = [("parameter", array(p)) for p in parameters]
    if info.step_requires_closure and dtype == "float32":
        return found  # its next direction is a difference of nearly equal gradients
    for parameter in parameters:
        for key, value in sorted(optimizer.state[parameter].items()):
            if hasattr(value, "detach"):
                found.append((key, array(value)))
            elif isinstance(value, (int, float)):
                found.append((key, np.asarray(value)))
    return found


@pytest.mark.parametrize("dtype", LIMITS)
@pytest.mark.parametrize("name", sorted(INFOS))
def test_an_optimizer_agrees_with_pytorch(name: str, dtype: str) -> None:
    info = INFOS[name]
    flags: list[dict[str, Any]] = [{}, *({flag: True} for flag in info.supported_impls if flag == "foreach")]
    for given in info.optim_inputs_func(device="cpu"):
        for flag in flags:
            kwargs = {**given.kwargs, **flag}
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                ours, theirs = (trained(xp, info, kwargs, dtype) for xp in (cotangent, torch))
            assert [key for key, _ in ours] == [key for key, _ in theirs], given.desc
            for (key, one), (_, other) in zip(ours, theirs, strict=True):
                # ASGD keeps the step length in float32 whatever the dtype, and PyTorch rounds it in two ways.
                limits = LIMITS["float32" if name == "ASGD" or other.dtype == np.float32 else dtype]
                if name == "Muon" and key == "parameter":
                    limits = (2e-3, 2e-3)  # its step is computed in bfloat16
                np.testing.assert_allclose(one, other, *limits, err_msg=f"{key}, {given.desc} {flag}")
                assert one.dtype == other.dtype or key == "t", (key, given.desc)


def test_no_optimizer_is_missing() -> None:
    assert [name for name in INFOS if not hasattr(cotangent.optim, name)] == []
