"""Autocast and GradScaler: dtypes, gradients, scales and errors are PyTorch's."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from running import RunPython

import cotangent


def outcome(run: Callable[[Any], Any], xp: Any) -> list[Any]:
    """What a program gives as text, or its error, and its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found: Any = run(xp)
        except Exception as error:
            found = [type(error).__name__, str(error)]
    texts = [(w.category.__name__, str(w.message).partition(" (Triggered")[0]) for w in caught]
    return [repr(found), texts]


def made(xp: Any, dtype: str, *shape: int) -> Any:
    count = 1
    for n in shape:
        count *= n
    return (xp.arange(float(count)) * 0.37).cos().reshape(shape).to(getattr(xp, dtype))


CALLS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "matmul": lambda xp, a, b: a @ b,
    "mm": lambda xp, a, b: xp.mm(a, b),
    "addmm": lambda xp, a, b: xp.addmm(a, a, b),
    "bmm": lambda xp, a, b: xp.bmm(a[None], b[None]),
    "baddbmm": lambda xp, a, b: xp.baddbmm(a[None], a[None], b[None]),
    "linear": lambda xp, a, b: xp.nn.functional.linear(a, b, b[0]),
    "mul": lambda xp, a, b: a * b,
    "add": lambda xp, a, b: a + b,
    "softmax": lambda xp, a, b: a.softmax(0),
    "sum": lambda xp, a, b: a.sum(),
    "prod": lambda xp, a, b: a.prod(),
    "mse_loss": lambda xp, a, b: xp.nn.functional.mse_loss(a, b),
    "l1_loss": lambda xp, a, b: xp.nn.functional.l1_loss(a, b),
    "cross_entropy": lambda xp, a, b: xp.nn.functional.cross_entropy(a, xp.tensor([0, 1, 2])),
    "kl_div": lambda xp, a, b: xp.nn.functional.kl_div(a, b, reduction="batchmean"),
    "layer_norm": lambda xp, a, b: xp.nn.functional.layer_norm(a, (3,)),
    "gelu": lambda xp, a, b: xp.nn.functional.gelu(a),
    "cat": lambda xp, a, b: xp.cat([a, b.float()]),
    "stack": lambda xp, a, b: xp.stack([a, a]),
    "trace": lambda xp, a, b: xp.trace(a),
    "fft": lambda xp, a, b: xp.fft.fft(a),
    "inv": lambda xp, a, b: xp.linalg.inv(a.float() + xp.eye(3)),
    "cdist": lambda xp, a, b: xp.cdist(a, b),
    "two products": lambda xp, a, b: (a @ b).relu() @ b,
    "einsum": lambda xp, a, b: xp.einsum("ij,jk->ik", a, b),
    "attention": lambda xp, a, b: xp.nn.functional.scaled_dot_product_attention(a[None], b[None], b[None]),
}


@pytest.mark.parametrize("source", ["float32", "bfloat16", "float64"])
@pytest.mark.parametrize("fast", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", CALLS)
def test_dtypes(name: str, source: str, fast: str) -> None:
    def kind(xp: Any) -> str:
        a, b = made(xp, source, 3, 3), made(xp, source, 3, 3).t()
        with xp.autocast("cpu", dtype=getattr(xp, fast)):
            return str(CALLS[name](xp, a, b).dtype)

    theirs = outcome(kind, torch)
    if "RuntimeError" in theirs[0]:
        pytest.skip("PyTorch has no such kernel in this dtype")
    assert outcome(kind, cotangent) == theirs


def train(xp: Any) -> Any:
    xp.manual_seed(0)
    model = xp.nn.Sequential(xp.nn.Linear(3, 8), xp.nn.ReLU(), xp.nn.Linear(8, 4))
    optimizer = xp.optim.SGD(model.parameters(), lr=0.5)
    found = []
    for _ in range(5):
        with xp.autocast("cpu"):
            loss = xp.nn.functional.cross_entropy(
                model(made(xp, "float32", 5, 3)), xp.tensor([0, 1, 2, 3, 0])
            )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(round(loss.item(), 2))
    return found, {str(p.grad.dtype) for p in model.parameters()}


def scaled(xp: Any) -> Any:
    p = xp.nn.Parameter(xp.ones(2))
    optimizer = xp.optim.SGD([p], lr=0.1)
    scaler = xp.amp.GradScaler("cpu", init_scale=4.0, growth_interval=2)
    found: list[Any] = []
    for step in range(6):
        optimizer.zero_grad()
        scaler.scale((p * p).sum()).backward()
        if step == 2:
            p.grad[0] = float("inf")
        if step == 3:
            scaler.unscale_(optimizer)
            found.append(p.grad.tolist())
        scaler.step(optimizer)
        scaler.update(3.0 if step == 4 else None)
        found.append((scaler.get_scale(), scaler._get_growth_tracker(), p.tolist()))
    other = xp.amp.GradScaler("cpu")
    other.load_state_dict(scaler.state_dict())
    return found, scaler.state_dict(), other.get_scale()


def scaler_error(*steps: str) -> Callable[[Any], Any]:
    """A program that calls methods of a scaler in that order."""

    def program(xp: Any) -> Any:
        p = xp.nn.Parameter(xp.ones(2))
        optimizer, scaler = xp.optim.SGD([p], lr=0.1), xp.amp.GradScaler("cpu")
        for step in steps:
            if step == "backward":
                scaler.scale(p.sum()).backward()
            elif step == "update":
                scaler.update()
            else:
                getattr(scaler, step)(optimizer)

    return program


def scaling_itself(xp: Any, takes_scaler: bool) -> Any:
    """A step whose optimizer divides gradients on its own."""
    seen: list[Any] = []

    class Plain(xp.optim.Optimizer):  # type: ignore[misc,name-defined]
        _step_supports_amp_scaling = True

        def step(self, closure: Any = None) -> Any:
            seen.append((self.grad_scale.item(), self.found_inf.item()))
            if not self.found_inf:
                (p,) = self.param_groups[0]["params"]
                p.data.sub_(p.grad / self.grad_scale * self.param_groups[0]["lr"])

    class Given(Plain):
        def step(self, closure: Any = None, *, grad_scaler: Any = None) -> Any:
            seen.append((grad_scaler.get_scale(), hasattr(self, "grad_scale")))

    p = xp.nn.Parameter(xp.ones(2))
    optimizer = (Given if takes_scaler else Plain)([p], {"lr": 0.1})
    scaler = xp.amp.GradScaler("cpu", init_scale=4.0)
    for value in (1.0, float("inf")):
        optimizer.zero_grad()
        scaler.scale((p * value).sum()).backward()
        scaler.step(optimizer)
        seen.append((p.tolist(), hasattr(optimizer, "grad_scale")))
        if takes_scaler:
            break
        scaler.update()
    return seen, scaler.get_scale()


def largest(xp: Any) -> Any:
    """A factor that would grow beyond float32, and one that is loaded before it is used."""
    p = xp.nn.Parameter(xp.ones(1))
    optimizer = xp.optim.SGD([p], lr=0.1)
    scaler = xp.amp.GradScaler("cpu", init_scale=2.0**120, growth_factor=2.0**16, growth_interval=1)
    scaler.scale(p.sum() * 1e-30).backward()
    scaler.step(optimizer)
    scaler.update()
    other = xp.amp.GradScaler("cpu")
    other.load_state_dict({**scaler.state_dict(), "_growth_tracker": 5})
    return scaler.get_scale(), other._get_growth_tracker(), other._init_growth_tracker


def custom(xp: Any, cast: Any) -> Any:
    seen = []

    class Product(xp.autograd.Function):  # type: ignore[misc,name-defined]
        @staticmethod
        @xp.amp.custom_fwd(device_type="cpu", cast_inputs=cast and getattr(xp, cast))  # type: ignore[untyped-decorator]
        def forward(ctx: Any, x: Any, y: Any) -> Any:
            seen.append((str(x.dtype), xp.is_autocast_enabled("cpu")))
            ctx.save_for_backward(x, y)
            return x @ y

        @staticmethod
        @xp.amp.custom_bwd(device_type="cpu")  # type: ignore[untyped-decorator]
        def backward(ctx: Any, g: Any) -> Any:
            x, y = ctx.saved_tensors
            seen.append(xp.is_autocast_enabled("cpu"))
            return g.float() @ y.float().T, x.float().T @ g.float()

    x = xp.ones(2, 2, requires_grad=True)
    with xp.autocast("cpu"):
        out = Product.apply(x, xp.ones(2, 2))
    out.float().sum().backward()
    return seen, str(out.dtype), str(x.grad.dtype)


def nested(xp: Any) -> Any:
    a = xp.ones(2, 2)
    found = [xp.is_autocast_enabled("cpu")]
    with xp.autocast("cpu"):
        found += [str((a @ a).dtype), xp.is_autocast_enabled("cpu"), xp.is_autocast_enabled()]
        with xp.autocast("cpu", enabled=False):
            found.append(str((a @ a).dtype))
        with xp.autocast("cpu", dtype=xp.float16):
            found.append(str((a @ a).dtype))
        found.append(str((a @ a).dtype))
    decorated = xp.autocast("cpu")(lambda: str((a @ a).dtype))
    return [*found, decorated(), str((a @ a).dtype), str(xp.get_autocast_dtype("cuda"))]


PROGRAMS: dict[str, Callable[[Any], Any]] = {
    "training": train,
    "scaler": scaled,
    "optimizer that scales": lambda xp: scaling_itself(xp, False),
    "optimizer that takes the scaler": lambda xp: scaling_itself(xp, True),
    "largest factor": largest,
    "custom": lambda xp: custom(xp, None),
    "custom, cast": lambda xp: custom(xp, "float32"),
    "nested": nested,
    "cuda": lambda xp: bool(xp.autocast("cuda")._enabled),
    "bad device": lambda xp: xp.autocast("foo"),
    "no device": lambda xp: xp.autocast(3),
    "bad dtype": lambda xp: bool(xp.autocast("cpu", dtype=xp.int32)._enabled),
    "old": lambda xp: [xp.is_autocast_cpu_enabled(), str(xp.get_autocast_cpu_dtype())],
    "cpu.amp": lambda xp: bool(xp.cpu.amp.autocast()._enabled),
    "cuda.amp": lambda xp: [xp.cuda.amp.GradScaler().is_enabled(), bool(xp.cuda.amp.autocast()._enabled)],
    "scaler without a device": lambda xp: xp.amp.GradScaler().is_enabled(),
    "disabled": lambda xp: [xp.amp.GradScaler("cpu", enabled=False).state_dict()],
    "unscaled twice": scaler_error("backward", "unscale_", "unscale_"),
    "stepped twice": scaler_error("backward", "step", "step"),
    "unscaled after step": scaler_error("backward", "step", "unscale_"),
    "not scaled": scaler_error("step"),
    "no update": scaler_error("update"),
    "growth": lambda xp: xp.amp.GradScaler("cpu", growth_factor=0.5),
    "backoff": lambda xp: xp.amp.GradScaler("cpu", backoff_factor=2.0),
    "empty state": lambda xp: xp.amp.GradScaler("cpu").load_state_dict({}),
    "scale of lists": lambda xp: xp.amp.GradScaler("cpu").scale([xp.ones(1), (xp.ones(1),)]),
    "scale of a number": lambda xp: xp.amp.GradScaler("cpu").scale(3),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name: str) -> None:
    assert outcome(PROGRAMS[name], cotangent) == outcome(PROGRAMS[name], torch)


def test_nothing_stands_in_front_of_functions_before_the_first_block(run_python: RunPython) -> None:
    code = (
        "import torch, inspect\nbefore = [torch.mm.__code__, torch.matmul.__code__]\nimport"
        " torch.amp\ntorch.autocast('cpu', enabled=False).__enter__()\nprint(before == [torch.mm.__code__,"
        " torch.matmul.__code__])\nwith torch.autocast('cpu'): torch.ones(2, 2) @ torch.ones(2,"
        " 2)\nprint(before == [torch.mm.__code__, torch.matmul.__code__],"
        " inspect.signature(torch.mm).parameters.keys())\n"
    )
    result = run_python("-c", ALIAS + code)
    assert result.stdout == "True\nFalse odict_keys(['input', 'mat2', 'out'])\n", result.stderr


ALIAS = "from cotangent.torch_alias import install; install()\n"
