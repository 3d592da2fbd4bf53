"""The work that `step.py` times beside the networks of its own: one class a case, the same for every library.

A case makes its numbers with NumPy, so that all libraries start from the same, and gives a step in the words
of PyTorch (for cotangent and PyTorch) and one in JAX's. A step returns one number, by which the results are
compared.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

# The type of all numbers; `step.py --double` makes it float64.
REAL: Any = np.float32
Step = Callable[[], float]
Wrap = Callable[..., Any]


def _normal(seed: int, *shape: int, scale: float = 1.0) -> Any:
    return (np.random.default_rng(seed).standard_normal(shape) * scale).astype(REAL)


def adamw(jax: Any, loss: Callable[..., Any], p: dict[str, Any]) -> Callable[..., float]:
    """A step of AdamW in JAX with PyTorch's defaults (lr 0.001, weight decay 0.01)."""
    jnp = jax.numpy

    def update(state: Any, *data: Any) -> Any:
        p, m, v, t = state
        value, g = jax.value_and_grad(loss)(p, *data)
        t = t + 1
        c1, c2 = 1 - 0.9**t, 1 - 0.999**t
        m = {k: 0.9 * m[k] + 0.1 * g[k] for k in p}
        v = {k: 0.999 * v[k] + 0.001 * g[k] * g[k] for k in p}
        p = {k: p[k] * (1 - 1e-5) - 1e-3 * (m[k] / c1) / (jnp.sqrt(v[k] / c2) + 1e-8) for k in p}
        return value, (p, m, v, t)

    call = jax.jit(update, donate_argnums=0)
    p = {k: jnp.asarray(v) for k, v in p.items()}
    held = [
        (p, {k: jnp.zeros_like(v) for k, v in p.items()}, {k: jnp.zeros_like(v) for k, v in p.items()}, 0.0)
    ]

    def step(*data: Any) -> float:
        value, held[0] = call(held[0], *data)
        return float(value)

    return step


class Training:
    """A case with parameters, a loss and AdamW: subclasses say which."""

    count = 10

    def parameters(self) -> dict[str, Any]:
        """Starting values by name."""
        raise NotImplementedError

    def data(self) -> tuple[Any, ...]:
        """Arrays that every step is given."""
        raise NotImplementedError

    def loss(self, torch: Any, p: dict[str, Any], *data: Any) -> Any:
        """The loss in PyTorch's words."""
        raise NotImplementedError

    def jax_loss(self, jax: Any, p: dict[str, Any], *data: Any) -> Any:
        """The loss in JAX's words."""
        raise NotImplementedError

    def torch(self, torch: Any, wrap: Wrap) -> Step:
        """A step of cotangent or PyTorch; `wrap` compiles it or not."""
        p = {name: torch.from_numpy(v).requires_grad_() for name, v in self.parameters().items()}
        data = [torch.from_numpy(a) for a in self.data()]
        optimizer = torch.optim.AdamW(p.values(), lr=1e-3)

        def step(*data: Any) -> Any:
            optimizer.zero_grad()
            loss = self.loss(torch, p, *data)
            loss.backward()
            optimizer.step()
            return loss.detach()

        return _running(wrap(step), data)

    def jax(self, jax: Any) -> Step:
        """A step of JAX."""
        data = [jax.numpy.asarray(a) for a in self.data()]
        step = adamw(jax, lambda p, *d: self.jax_loss(jax, p, *d), self.parameters())
        return lambda: step(*data)


def _running(whole: Any, data: Any) -> Step:
    run = lambda: float(whole(*data))  # noqa: E731
    run.compiled = whole  # type: ignore[attr-defined]
    return run


class ResidualBlock(Training):
    """Two 3x3 convolutions of 64 channels with batch norm, 16 images of 32x32."""

    def parameters(self) -> dict[str, Any]:
        made = {f"w{k}": _normal(k, 64, 64, 3, 3, scale=1 / 24) for k in (0, 1)}
        for k in (0, 1):
            made[f"g{k}"], made[f"b{k}"] = np.ones(64, REAL), np.zeros(64, REAL)
        return made

    def data(self) -> tuple[Any, ...]:
        return _normal(7, 16, 64, 32, 32), _normal(8, 16, 64, 32, 32)

    def loss(self, torch: Any, p: dict[str, Any], x: Any, y: Any) -> Any:
        F = torch.nn.functional
        h = F.conv2d(x, p["w0"], padding=1)
        h = F.relu(F.batch_norm(h, None, None, p["g0"], p["b0"], training=True))
        h = F.batch_norm(F.conv2d(h, p["w1"], padding=1), None, None, p["g1"], p["b1"], training=True)
        return F.mse_loss(F.relu(h + x), y)

    def jax_loss(self, jax: Any, p: dict[str, Any], x: Any, y: Any) -> Any:
        jnp = jax.numpy

        def conv(x: Any, w: Any) -> Any:
            return jax.lax.conv_with_general_padding(x, w, (1, 1), ((1, 1), (1, 1)), (1, 1), (1, 1))

        def norm(x: Any, g: Any, b: Any) -> Any:
            t = x - x.mean((0, 2, 3), keepdims=True)
            t = t * jax.lax.rsqrt((t * t).mean((0, 2, 3), keepdims=True) + 1e-5)
            return t * g[:, None, None] + b[:, None, None]

        h = jax.nn.relu(norm(conv(x, p["w0"]), p["g0"], p["b0"]))
        h = jax.nn.relu(norm(conv(h, p["w1"]), p["g1"], p["b1"]) + x)
        return jnp.mean((h - y) ** 2)


class Lstm(Training):
    """An LSTM from 64 to 256 over 64 steps, batch 32, and a linear readout of every step."""

    def parameters(self) -> dict[str, Any]:
        return {
            "weight_ih_l0": _normal(0, 1024, 64, scale=1 / 16),
            "weight_hh_l0": _normal(1, 1024, 256, scale=1 / 16),
            "bias_ih_l0": np.zeros(1024, REAL),
            "bias_hh_l0": np.zeros(1024, REAL),
            "out": _normal(2, 64, 256, scale=1 / 16),
        }

    def data(self) -> tuple[Any, ...]:
        return _normal(7, 64, 32, 64), _normal(8, 64, 32, 64)

    def torch(self, torch: Any, wrap: Wrap) -> Step:
        made = self.parameters()
        lstm = torch.nn.LSTM(64, 256)
        out = torch.nn.Parameter(torch.from_numpy(made.pop("out")))
        with torch.no_grad():
            for name, value in made.items():
                getattr(lstm, name).copy_(torch.from_numpy(value))
        data = [torch.from_numpy(a) for a in self.data()]
        optimizer = torch.optim.AdamW([*lstm.parameters(), out], lr=1e-3)

        def step(x: Any, y: Any) -> Any:
            optimizer.zero_grad()
            loss = torch.nn.functional.mse_loss(torch.nn.functional.linear(lstm(x)[0], out), y)
            loss.backward()
            optimizer.step()
            return loss.detach()

        return _running(wrap(step), data)

    def jax_loss(self, jax: Any, p: dict[str, Any], x: Any, y: Any) -> Any:
        jnp = jax.numpy
        inputs = x @ p["weight_ih_l0"].T + p["bias_ih_l0"] + p["bias_hh_l0"]

        def cell(state: Any, row: Any) -> Any:
            h, c = state
            i, f, g, o = jnp.split(row + h @ p["weight_hh_l0"].T, 4, -1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h

        zero = jnp.zeros((32, 256))
        hidden = jax.lax.scan(cell, (zero, zero), inputs)[1]
        return jnp.mean((hidden @ p["out"].T - y) ** 2)


class GraphConvolution(Training):
    """Two graph convolutions, 64 to 64 to 16 features, on 20,000 nodes and 200,000 edges."""

    nodes, edges = 20_000, 200_000

    def parameters(self) -> dict[str, Any]:
        return {"w0": _normal(0, 64, 64, scale=1 / 8), "w1": _normal(1, 64, 16, scale=1 / 8)}

    def data(self) -> tuple[Any, ...]:
        rng = np.random.default_rng(5)
        ends = rng.integers(self.nodes, size=(2, self.edges))
        degree = np.bincount(ends[1], minlength=self.nodes) + 1
        weight = (1 / np.sqrt(degree[ends[0]] * degree[ends[1]])).astype(REAL)
        labels = rng.integers(16, size=self.nodes)
        return _normal(7, self.nodes, 64), ends[0], ends[1], weight[:, None], labels

    def loss(
        self, torch: Any, p: dict[str, Any], x: Any, source: Any, target: Any, weight: Any, y: Any
    ) -> Any:
        def spread(h: Any) -> Any:
            return torch.zeros_like(h).index_add(0, target, h[source] * weight)

        h = torch.relu(spread(x @ p["w0"]))
        return torch.nn.functional.cross_entropy(spread(h @ p["w1"]), y)

    def jax_loss(
        self, jax: Any, p: dict[str, Any], x: Any, source: Any, target: Any, weight: Any, y: Any
    ) -> Any:
        jnp = jax.numpy

        def spread(h: Any) -> Any:
            return jnp.zeros_like(h).at[target].add(h[source] * weight)

        h = jax.nn.relu(spread(x @ p["w0"]))
        logits = jax.nn.log_softmax(spread(h @ p["w1"]))
        return -jnp.take_along_axis(logits, y[:, None], 1).mean()


class BlackScholes:
    """Prices of a million options and four Greeks of each."""

    count = 5

    def data(self) -> tuple[Any, ...]:
        """Spot, strike, volatility, time, rate."""
        rng = np.random.default_rng(3)
        spans = ((80, 120), (80, 120), (0.1, 0.5), (0.2, 2.0), (0.01, 0.05))
        return tuple(rng.uniform(low, high, 1_000_000).astype(REAL) for low, high in spans)

    def torch(self, torch: Any, wrap: Wrap) -> Step:
        """A step of cotangent or PyTorch."""
        data = [torch.from_numpy(a).requires_grad_() for a in self.data()]

        def step(s: Any, k: Any, v: Any, t: Any, r: Any) -> Any:
            deviation = v * t.sqrt()
            d1 = (torch.log(s / k) + (r + v * v / 2) * t) / deviation
            d2 = d1 - deviation
            cdf = lambda d: 0.5 * (1 + torch.erf(d * math.sqrt(0.5)))  # noqa: E731
            price = s * cdf(d1) - k * torch.exp(-r * t) * cdf(d2)
            delta, vega, theta, rho = torch.autograd.grad(price.sum(), (s, v, t, r))
            return price.detach().mean() + (delta + vega + theta + rho).mean()

        return _running(wrap(step), data)

    def jax(self, jax: Any) -> Step:
        """A step of JAX."""
        jnp = jax.numpy
        data = [jnp.asarray(a) for a in self.data()]

        def price(s: Any, k: Any, v: Any, t: Any, r: Any) -> Any:
            deviation = v * jnp.sqrt(t)
            d1 = (jnp.log(s / k) + (r + v * v / 2) * t) / deviation
            cdf = lambda d: 0.5 * (1 + jax.lax.erf(d * math.sqrt(0.5)))  # noqa: E731
            found = s * cdf(d1) - k * jnp.exp(-r * t) * cdf(d1 - deviation)
            return found.sum(), found

        def step(*data: Any) -> Any:
            greeks, found = jax.grad(price, (0, 2, 3, 4), has_aux=True)(*data)
            return found.mean() + sum(greeks).mean()

        call = jax.jit(step)
        return lambda: float(call(*data))


class Optimizer:
    """AdamW alone, on ten parameters of a million numbers."""

    count = 10

    def torch(self, torch: Any, wrap: Wrap) -> Step:
        """A step of cotangent or PyTorch."""
        p = [torch.from_numpy(_normal(k, 1000, 1000)).requires_grad_() for k in range(10)]
        for k, t in enumerate(p):
            t.grad = torch.from_numpy(_normal(20 + k, 1000, 1000))
        optimizer = torch.optim.AdamW(p, lr=1e-3)

        def step(probe: Any) -> Any:
            optimizer.step()
            return p[9].detach()[0] @ probe

        return _running(wrap(step), [torch.ones(1000)])

    def jax(self, jax: Any) -> Step:
        """A step of JAX; the gradients are given, as they are to the others."""
        jnp = jax.numpy
        p = {str(k): _normal(k, 1000, 1000) for k in range(10)}
        g = {str(k): jnp.asarray(_normal(20 + k, 1000, 1000)) for k in range(10)}
        held = [
            (
                {k: jnp.asarray(v) for k, v in p.items()},
                *({k: jnp.zeros((1000, 1000)) for k in p} for _ in "mv"),
                0.0,
            )
        ]

        def update(state: Any, g: Any) -> Any:
            p, m, v, t = state
            t = t + 1
            c1, c2 = 1 - 0.9**t, 1 - 0.999**t
            m = {k: 0.9 * m[k] + 0.1 * g[k] for k in p}
            v = {k: 0.999 * v[k] + 0.001 * g[k] * g[k] for k in p}
            p = {k: p[k] * (1 - 1e-5) - 1e-3 * (m[k] / c1) / (jnp.sqrt(v[k] / c2) + 1e-8) for k in p}
            return p["9"][0].sum(), (p, m, v, t)

        call = jax.jit(update, donate_argnums=0)

        def step() -> float:
            value, held[0] = call(held[0], g)
            return float(value)

        return step


class CrossEntropy:
    """Softmax and cross-entropy of 4096 rows of 1000, forward and backward."""

    count = 20

    def data(self) -> tuple[Any, Any]:
        """Logits and labels."""
        return _normal(0, 4096, 1000), np.random.default_rng(1).integers(1000, size=4096)

    def torch(self, torch: Any, wrap: Wrap) -> Step:
        """A step of cotangent or PyTorch."""
        x, y = (torch.from_numpy(a) for a in self.data())
        x.requires_grad_()

        def step(x: Any, y: Any) -> Any:
            loss = torch.nn.functional.cross_entropy(x, y)
            (g,) = torch.autograd.grad(loss, x)
            return loss.detach() + g[0, 0]

        return _running(wrap(step), [x, y])

    def jax(self, jax: Any) -> Step:
        """A step of JAX."""
        jnp = jax.numpy
        x, y = (jnp.asarray(a) for a in self.data())

        def loss(x: Any, y: Any) -> Any:
            return -jnp.take_along_axis(jax.nn.log_softmax(x), y[:, None], 1).mean()

        def step(x: Any, y: Any) -> Any:
            # The gradient is returned: it would be computed for one element only otherwise.
            value, g = jax.value_and_grad(loss)(x, y)
            return value + g[0, 0], g

        call = jax.jit(step)
        return lambda: float(call(x, y)[0])


class Hessian:
    """The full Hessian of a function of 200 numbers."""

    count = 5

    def data(self) -> tuple[Any, Any]:
        """The matrix inside the function, and where."""
        return _normal(0, 300, 200, scale=0.1), _normal(1, 200)

    def torch(self, torch: Any, wrap: Wrap) -> Step:
        """A step of cotangent or PyTorch."""
        w, x = (torch.from_numpy(a) for a in self.data())

        def step(w: Any, x: Any) -> Any:
            f = lambda x: torch.logsumexp(torch.tanh(w @ x) * 3, 0) + (x**4).sum() / 100  # noqa: E731
            return torch.func.hessian(f)(x).sum()

        return _running(wrap(step), [w, x])

    def jax(self, jax: Any) -> Step:
        """A step of JAX."""
        jnp = jax.numpy
        w, x = (jnp.asarray(a) for a in self.data())

        def step(w: Any, x: Any) -> Any:
            f = lambda x: jax.nn.logsumexp(jnp.tanh(w @ x) * 3) + (x**4).sum() / 100  # noqa: E731
            return jax.hessian(f)(x).sum()

        call = jax.jit(step)
        return lambda: float(call(w, x))


class PerSample:
    """The gradient of each of 256 samples through a 64-128-10 network."""

    count = 20

    def data(self) -> tuple[Any, ...]:
        """Two weights, samples, labels."""
        labels = np.random.default_rng(3).integers(10, size=256)
        return (
            _normal(0, 128, 64, scale=1 / 8),
            _normal(1, 10, 128, scale=1 / 11),
            _normal(2, 256, 64),
            labels,
        )

    def torch(self, torch: Any, wrap: Wrap) -> Step:
        """A step of cotangent or PyTorch."""
        data = [torch.from_numpy(a) for a in self.data()]

        def loss(w0: Any, w1: Any, x: Any, y: Any) -> Any:
            return torch.nn.functional.cross_entropy((torch.relu(x @ w0.T) @ w1.T)[None], y[None])

        def step(*data: Any) -> Any:
            each = torch.func.vmap(torch.func.grad(loss, argnums=(0, 1)), in_dims=(None, None, 0, 0))(*data)
            return sum((g * g).sum() for g in each)

        return _running(wrap(step), data)

    def jax(self, jax: Any) -> Step:
        """A step of JAX."""
        data = [jax.numpy.asarray(a) for a in self.data()]

        def loss(w0: Any, w1: Any, x: Any, y: Any) -> Any:
            return -jax.nn.log_softmax(jax.nn.relu(x @ w0.T) @ w1.T)[y]

        def step(*data: Any) -> Any:
            each = jax.vmap(jax.grad(loss, (0, 1)), (None, None, 0, 0))(*data)
            return sum((g * g).sum() for g in each)

        call = jax.jit(step)
        return lambda: float(call(*data))


WORKLOADS: dict[str, Any] = {
    "residual block": ResidualBlock,
    "lstm": Lstm,
    "gcn": GraphConvolution,
    "black-scholes": BlackScholes,
    "adamw 10M": Optimizer,
    "cross-entropy": CrossEntropy,
    "hessian 200": Hessian,
    "per-sample": PerSample,
}
