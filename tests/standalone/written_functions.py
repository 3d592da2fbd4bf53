"""Functions that are written as files of NumPy code, with example arguments."""

from collections.abc import Callable
from typing import Any

import cotangent as torch
from cotangent import nn

F = nn.functional
CASES: dict[str, Callable[[], tuple[Any, tuple[Any, ...]]]] = {}


def case(make: Callable[[], tuple[Any, tuple[Any, ...]]]) -> Any:
    """Enter a factory of (function, arguments)."""
    CASES[make.__name__] = make
    return make


def randn(*shape: int, dtype: Any = torch.float32) -> Any:
    return torch.randn(*shape, dtype=dtype)


def simple(name: str, function: Any, *shapes: tuple[int, ...], dtype: Any = torch.float32) -> None:
    """Enter a function of standard normal arrays."""
    CASES[name] = lambda: (function, tuple(randn(*s, dtype=dtype) for s in shapes))


def scalar_chain(x: Any, y: Any) -> Any:
    z = x * y + torch.sin(x)
    return torch.exp(z) / (1.0 + y**2)


def logistic_neuron(x: Any, w: Any, b: Any) -> Any:
    s = (x * w).sum() + b
    return 1 / (1 + torch.exp(-s))


def newton_residual(x: Any) -> Any:
    for _ in range(3):
        x = x - (x * x - 2.0) / (2.0 * x)
    return (x * x - 2.0) ** 2


simple("scalar_chain", scalar_chain, (), ())
simple("scalar_chain_in_double", scalar_chain, (), (), dtype=torch.float64)
simple("logistic_neuron", logistic_neuron, (5,), (5,), ())
simple("newton_residual", newton_residual, ())
simple("broadcasting", lambda a, b, c: ((a + b) * c - a / 3.0).sum(), (4, 1), (3,), (2, 4, 3))
simple("reductions", lambda a: a.mean() + a.sum(1).square().mean() + a.std() + a.var(0).sum(), (4, 5))
simple("extremes", lambda a: a.max() - a.min(1).values.sum() + a.amax(0).sum(), (4, 5))
simple("norms", lambda a: a.norm() + a.norm(dim=1).sum() + a.abs().sum(), (4, 5))
simple("logsumexp", lambda a: torch.logsumexp(a, 1).sum() + torch.softmax(a, 0).square().sum(), (4, 5))
simple("trigonometry", lambda a: (torch.sin(a) * torch.cos(a) + torch.tan(a) + torch.atan(a)).sum(), (7,))
simple("hyperbolic", lambda a: (torch.sinh(a) + torch.cosh(a) * torch.tanh(a) + torch.asinh(a)).sum(), (7,))
simple("logarithms", lambda a: (torch.log1p(a.abs()) + torch.log2(a.abs() + 1) + torch.expm1(a)).sum(), (7,))
simple("powers", lambda a, b: (a.abs() ** 2.5 + a.abs() ** b + 2.0**b + a**3).sum(), (6,), (6,))
simple("roots", lambda a: (torch.sqrt(a.abs() + 1) + torch.rsqrt(a * a + 1) + 1 / (a * a + 2)).sum(), (6,))
simple(
    "choosing",
    lambda a, b: torch.where(a > b, a * b, torch.maximum(a, b.clamp(-0.5, 0.5))).sum(),
    (3, 4),
    (3, 4),
)
simple(
    "activations", lambda a: (F.relu(a) + F.elu(a) + F.silu(a) + F.softplus(a) + F.leaky_relu(a)).sum(), (9,)
)
simple(
    "more_activations",
    lambda a: (F.hardtanh(a) + F.selu(a) + F.mish(a) + F.gelu(a, approximate="tanh")).sum(),
    (9,),
)
simple(
    "sigmoids", lambda a: (torch.sigmoid(a) * F.logsigmoid(a) + F.hardsigmoid(a) + F.hardswish(a)).sum(), (9,)
)
simple(
    "shapes", lambda a: (a.reshape(6, 2).T @ a.permute(2, 0, 1).reshape(6, 2)).flatten()[1:].sum(), (2, 3, 2)
)
simple(
    "indexing", lambda a: (a[1:, ::2] * a[:-1, 1::2]).sum() + a[0, 1] + a[[0, 2, 2]].square().sum(), (4, 4)
)
simple(
    "joining",
    lambda a, b: (torch.cat([a, b], 1) * torch.stack([a, a], 1).reshape(2, 6)[:, :5]).sum(),
    (2, 3),
    (2, 2),
)
simple("splitting", lambda a: sum((k + 1) * p.square().sum() for k, p in enumerate(a.chunk(3, 1))), (2, 6))
simple(
    "products",
    lambda a, b, v: (a @ b).sum() + (a @ v).square().sum() + v @ v + torch.outer(v, v).sum(),
    (3, 4),
    (4, 2),
    (4,),
)
simple(
    "batched_products",
    lambda a, b: torch.bmm(a, b).square().mean() + torch.einsum("bij,bjk->", a, b),
    (2, 3, 4),
    (2, 4, 3),
)
simple("cumulative", lambda a: (a.cumsum(1) * a.flip(0)).sum() + a.cumprod(0).sum(), (3, 4))
simple("triangles", lambda a: (a.tril() @ a.triu()).trace() + a.diagonal().sum(), (4, 4))
simple("mse", F.mse_loss, (4, 3), (4, 3))
simple(
    "l1_and_huber", lambda a, b: F.l1_loss(a, b) + F.huber_loss(a, b) + F.smooth_l1_loss(a, b), (4, 3), (4, 3)
)
simple("layer_norm", lambda a, w, b: (F.layer_norm(a, (5,), w, b) ** 3).sum(), (3, 5), (5,), (5,))
simple(
    "batch_norm", lambda a, w, b: (F.batch_norm(a, None, None, w, b, True) ** 3).sum(), (4, 3, 5), (3,), (3,)
)
simple("rms_norm", lambda a, w: F.rms_norm(a, (6,), w).square().sum(), (3, 6), (6,))
simple("group_norm", lambda a: (F.group_norm(a, 2) ** 3).mean(), (2, 4, 5))
simple(
    "convolution",
    lambda x, w, b: F.conv2d(x, w, b, padding=1).square().mean(),
    (2, 3, 7, 6),
    (4, 3, 3, 3),
    (4,),
)
simple(
    "strided_convolution",
    lambda x, w: F.conv2d(x, w, stride=2, dilation=2).tanh().sum(),
    (2, 2, 9, 9),
    (3, 2, 3, 3),
)
simple(
    "grouped_convolution",
    lambda x, w: F.conv1d(x, w, groups=2, padding=1).square().sum(),
    (2, 4, 8),
    (6, 2, 3),
)
simple("pointwise_convolution", lambda x, w: F.conv2d(x, w).relu().sum(), (2, 3, 4, 4), (5, 3, 1, 1))
simple(
    "transposed_convolution",
    lambda x, w: F.conv_transpose2d(x, w, stride=2).square().mean(),
    (1, 3, 4, 4),
    (3, 2, 3, 3),
)
simple("pooling", lambda x: F.max_pool2d(x, 2).sum() + F.avg_pool2d(x, 3, 2).square().sum(), (2, 2, 8, 8))
simple(
    "padding",
    lambda x: F.pad(x, (1, 2, 0, 1)).square().sum() + F.pad(x, (1, 1), mode="reflect").sum(),
    (2, 3, 4),
)
simple(
    "attention",
    lambda q, k, v: (torch.softmax(q @ k.transpose(1, 2) / 2.0, -1) @ v).square().mean(),
    (2, 3, 4),
    (2, 5, 4),
    (2, 5, 4),
)


@case
def softmax_cross_entropy() -> Any:
    def f(x: Any, w: Any, b: Any, y: Any) -> Any:
        return F.cross_entropy(x @ w + b, y)

    return f, (randn(6, 4), randn(4, 3), randn(3), torch.tensor([0, 2, 1, 1, 0, 2]))


@case
def weighted_cross_entropy_with_ignored_classes() -> Any:
    def f(logits: Any, y: Any, weight: Any) -> Any:
        return F.cross_entropy(logits, y, weight, ignore_index=1)

    return f, (randn(6, 3).requires_grad_(), torch.tensor([0, 2, 1, 1, 0, 2]), torch.tensor([1.0, 2.0, 0.5]))


@case
def label_smoothing() -> Any:
    def f(logits: Any, y: Any) -> Any:
        return F.cross_entropy(logits, y, label_smoothing=0.1)

    return f, (randn(6, 3), torch.tensor([0, 2, 1, 1, 0, 2]))


@case
def binary_cross_entropies() -> Any:
    def f(logits: Any, y: Any) -> Any:
        return F.binary_cross_entropy_with_logits(logits, y) + F.binary_cross_entropy(logits.sigmoid(), y)

    return f, (randn(8).requires_grad_(), torch.tensor([0.0, 1, 1, 0, 1, 0, 0, 1]))


@case
def an_embedding() -> Any:
    def f(table: Any, indices: Any) -> Any:
        return F.embedding(indices, table).square().sum()

    return f, (randn(5, 3), torch.tensor([[0, 1], [4, 1]]))


@case
def gathering() -> Any:
    def f(a: Any, index: Any) -> Any:
        return a.gather(1, index).square().sum() + torch.zeros(3, 4).scatter_add(1, index, a).tanh().sum()

    return f, (randn(3, 4), torch.tensor([[0, 1, 1, 3], [2, 2, 0, 1], [3, 1, 0, 0]]))


@case
def writes_in_place() -> Any:
    def f(a: Any) -> Any:
        b = a * 2.0
        b[0] = a[1] * a[2]
        b[:, 1] *= 3.0
        b.add_(a)
        return (b * b).sum()

    return f, (randn(3, 3),)


@case
def an_mlp() -> Any:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 3))

    def loss(x: Any, y: Any) -> Any:
        return F.cross_entropy(model(x), y)

    return loss, (randn(6, 4), torch.tensor([0, 2, 1, 1, 0, 2]))


@case
def a_convolutional_network() -> Any:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(24, 3),
    )  # fmt: skip

    def loss(x: Any, y: Any) -> Any:
        return F.cross_entropy(model(x), y)

    return loss, (randn(3, 1, 8, 8), torch.tensor([0, 2, 1]))


@case
def a_transformer_block() -> Any:
    torch.manual_seed(0)
    attention = nn.MultiheadAttention(8, 2, batch_first=True)
    norm = nn.LayerNorm(8)

    def loss(x: Any) -> Any:
        h = norm(x)
        return (x + attention(h, h, h)[0]).square().mean()

    return loss, (randn(2, 5, 8),)


@case
def a_module_itself() -> Any:
    class Quadratic(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Parameter(torch.eye(3) + 0.1)
            self.c = nn.Parameter(torch.tensor(0.5))

        def forward(self, x: Any) -> Any:
            return x @ self.a @ x + self.c

    return Quadratic(), (randn(3),)


@case
def a_gradient_penalty() -> Any:
    def f(x: Any, w: Any) -> Any:
        y = torch.tanh(x @ w).sum()
        (g,) = torch.autograd.grad(y, x, create_graph=True)
        return g.square().sum()

    return f, (randn(4, 3), randn(3, 2))
