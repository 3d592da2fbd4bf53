"""Nested tensors of both layouts, as PyTorch's: values, gradients, texts, and what is refused."""

from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import cotangent

pytestmark = pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors:UserWarning")


def draw(t: Any, *shape: int, seed: int = 0) -> Any:
    return t.tensor(np.random.default_rng(seed).standard_normal(shape).tolist(), dtype=t.float64)


def examples(t: Any, *shapes: tuple[int, ...]) -> list[Any]:
    return [draw(t, *shape, seed=i) for i, shape in enumerate(shapes)]


THREE = ((2, 3), (4, 3), (1, 3))


def ragged(t: Any, *shapes: tuple[int, ...], grad: bool = True) -> Any:
    made = t.nested.nested_tensor(examples(t, *(shapes or THREE)), layout=t.jagged)
    return made.requires_grad_(grad)


def buffered(t: Any, *shapes: tuple[int, ...], grad: bool = True) -> Any:
    return t.nested.nested_tensor(examples(t, *(shapes or THREE)), requires_grad=grad)


def described(value: Any) -> Any:
    """What can be compared: the examples of nested tensors, numbers, texts without numbers of symbols."""
    if isinstance(value, (torch.Tensor, cotangent.Tensor)):
        if value.is_nested:
            kind = (
                re.sub(r"j\d+", "j", str(tuple(value.shape))) if "jagged" in str(value.layout) else "strided"
            )
            return [kind, str(value.dtype), value.requires_grad, *map(described, value.unbind())]
        return [str(value.dtype), tuple(value.shape), value.detach().double().numpy().round(9).tolist()]
    if isinstance(value, (list, tuple)) and not hasattr(value, "numel"):
        return [described(v) for v in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return re.sub(r"j\d+", "j", str(value))


def tried(call: Callable[[], Any]) -> Any:
    try:
        return described(call())
    except Exception as error:
        text = re.sub(r"j\d+", "j", str(error)).partition(" If you are")[0]
        return [type(error).__name__, text]


def both(make: Callable[[Any], Any], expressions: str) -> None:
    """Each line with `x`, a nested tensor, `t`, the library, and `F`, on both."""
    for line in filter(None, map(str.strip, expressions.splitlines())):
        results = []
        for t in (cotangent, torch):
            names = {"t": t, "F": t.nn.functional, "x": make(t), "draw": draw, "ragged": ragged}
            code = compile(line, line, "eval")
            results.append(tried(lambda code=code, names=names: eval(code, names)))
        assert results[0] == results[1], line


def test_ragged_shapes() -> None:
    both(
        ragged,
        """
        x
        [x.size(), x.size(0), x.size(-1), x.dim(), x.ndim, x.numel(), x.stride(), x.layout, x.dtype]
        [x.is_nested, x.is_contiguous(), x.is_leaf, x.requires_grad, x.values(), x.offsets(), x.lengths()]
        [len(x), list(x), x.element_size(), x.is_floating_point(), x.device, x.data_ptr()]
        x.size(5)
        [x.shape[1] == x.shape[1], x.shape[1] == 5, x.shape[1] >= 0, 2 * x.shape[1]]
        x.shape[1] > 2
        x.unbind(1)
        [x.transpose(1, 2), x.mT.is_contiguous(), x.transpose(1, 2).contiguous().transpose(1, 2)]
        x.transpose(0, 1)
        [x.mT, x.permute(0, 2, 1), x.unsqueeze(-1), x.unsqueeze(1), x.unsqueeze(1).squeeze(1)]
        x.unsqueeze(-1).squeeze(-1)
        x.permute(1, 0, 2)
        x.permute(0, 1)
        x.T
        x.unsqueeze(0)
        [x.view(3, -1, 3, 1), x.view(3, x.shape[1], 1, 3), x.reshape(3, -1, 1, 3), x.unflatten(-1, (3, 1))]
        x.view(9, 3)
        x.transpose(1, 2).view(3, 3, 1, -1)
        [x.unsqueeze(2).flatten(2), x.unsqueeze(2).flatten(2, 3)]
        x.flatten()
        x.flatten(1)
        [x.chunk(3, -1), x.chunk(2, 0), x.split(2, -1), x.split([1, 2], -1), x.narrow(2, 1, 2)]
        x.chunk(2, 1)
        x.narrow(0, 1, 2)
        [x[0], x[-1], x[1, :2], x[..., 0], x[..., 1:], x.select(2, 1)]
        x[0, 1, 2]
        x[:, 0]
        x[0:1]
        x.select(1, 0)
        [x.expand(3, -1, 3), x.unsqueeze(-1).expand(3, -1, 3, 2), x.expand_as(x.detach())]
        x.expand(3, 4, 3)
        [t.cat([x, x], -1), t.stack([x, 2 * x], -1), t.stack([x, x], 2)]
        t.cat([x, x])
        t.stack([x, x])
        t.stack([x, x.unsqueeze(-1)], -1)
        [x.to_padded_tensor(-1.0), x.to_padded_tensor(0.5, (3, 6, 3)), t.nested.to_padded_tensor(x, 2.0)]
        [x.transpose(1, 2).to_padded_tensor(0.0), x.unsqueeze(-1).to_padded_tensor(1.0)]
        [x.to(t.float32), x.float(), x.half().dtype, x.type(t.float32), x.clone(), x.detach(), x.contiguous()]
        [t.zeros_like(x), t.ones_like(x, dtype=t.int32), t.full_like(x, 2.0), t.empty_like(x).shape]
        [x.new_zeros(()), x.cpu()]
        x.new_ones(2)
        x.tolist()
        x.numpy()
        x.item()
        x.cumsum(1)
        x.norm()
        x.var(-1)
        x.sort()
        x.repeat(1, 1, 1)
        x.nonzero()
        """,
    )


def test_ragged_numbers() -> None:
    both(
        ragged,
        """
        [x * 2, 2 * x, x + x, 1 - x, x / 3, 2 / x, -x, x**2, x.abs(), x.sin(), x.exp(), x.clamp(0, 1), abs(x)]
        [x > 0, x == x, x.le(0.1), t.isnan(x), (x > 0).logical_not(), ~(x > 0), t.maximum(x, -x)]
        [F.relu(x), F.gelu(x), F.silu(x), F.leaky_relu(x), F.softplus(x), F.hardtanh(x), F.elu(x)]
        [x + draw(t, 3), x * draw(t, 3, 1, 3), x + draw(t, 1, 1, 3), draw(t, 3) - x, x + t.tensor(1.0)]
        x + draw(t, 2, 3)
        x + draw(t, 5, 1, 3)
        x + draw(t, 1, 3, 1, 3)
        x + ragged(t)
        [x.masked_fill(x > 0, 7.0), t.where(x > 0, x, -x), t.where(x > 0, x, 0.0), t.lerp(x, x * 2, 0.25)]
        [x.sum(), x.mean(), x.max(), x.min(), x.prod(), (x > 0).any(), (x == x).all(), x.argmax()]
        [x.sum(-1), x.sum(1), x.sum((0, 1)), x.sum((0, 1, 2)), x.sum(2, keepdim=True), x.sum(1, keepdim=True)]
        [x.mean(-1), x.mean(1), x.mean((0, 1)), x.mean(1, keepdim=True), x.transpose(1, 2).mean(1)]
        [x.amax(-1), x.amin(1), x.max(-1), x.min(1), x.argmax(-1), x.argmin(1), x.prod(1), x.prod(-1)]
        [(x > 0).any(1), (x > 0).all(-1), x.max(1, keepdim=True)]
        x.sum(0)
        x.sum((1, 2))
        x.mean(0)
        x.mean((1, 2))
        x.amax(0)
        [x.softmax(-1), x.softmax(1), F.softmax(x, dim=-1), t.log_softmax(x, -1), x.mT.softmax(1)]
        x.softmax(0)
        x.transpose(1, 2).softmax(2)
        t.log_softmax(x, 1)
        t.log_softmax(x, 0)
        [F.layer_norm(x, (3,)), F.layer_norm(x, (3,), draw(t, 3), draw(t, 3)), F.rms_norm(x, (3,))]
        F.layer_norm(x, (x.shape[1], 3))
        F.layer_norm(x, x.shape)
        F.layer_norm(x.sum(-1), (3,))
        F.rms_norm(x, (x.shape[1], 3))
        [x @ draw(t, 3, 2), x @ draw(t, 3, 3, 2), draw(t, 2, 3) @ x.mT, draw(t, 3, 2, 3) @ x.mT, x.mT @ x]
        [x.bmm(draw(t, 3, 3, 2)), x.unsqueeze(2) @ x.unsqueeze(3)]
        x @ x
        x @ draw(t, 3)
        x.bmm(draw(t, 3, 2))
        F.linear(x, draw(t, 4, 3), draw(t, 4))
        F.linear(x.mT, draw(t, 4, 3))
        F.embedding((x > 0).long(), draw(t, 3, 2))
        F.embedding((x > 0).long().mT, draw(t, 3, 2))
        [F.dropout(x, 0.0, True), F.dropout(x, 0.5, False)]
        x.detach().sum(-1).masked_select((x.detach() > 0).any(-1))
        x.masked_select(x > 0)
        [x.detach().add_(1), x.detach().mul_(x.detach()), x.detach().zero_(), x.detach().fill_(2.0)]
        x.detach().copy_(2 * x.detach())
        x.detach().copy_(ragged(t, (1, 3), (1, 3)).detach())
        """,
    )


def test_buffered() -> None:
    both(
        buffered,
        """
        x
        [x.dim(), x.size(0), x.size(2), x.numel(), x.is_nested, x.layout, x.is_contiguous(), x.values()]
        [x._nested_tensor_size(), x._nested_tensor_strides(), x.mT._nested_tensor_strides(), x.unbind()]
        x.size(1)
        x.shape
        x.size()
        x.stride()
        len(x)
        list(x)
        [x * 2, x + x, x - 1, x / x, x * t.tensor(2.0), x.add(x, alpha=3), 3 * x, x.neg(), x.abs(), x.sgn()]
        [x.sin(), x.cos(), x.tanh(), x.abs().sqrt(), x.relu(), F.gelu(x), F.silu(x), t.isnan(x)]
        x.logical_not()
        [x > 0, x.ge(0), x.masked_fill(x > 0, 0.0)]
        x == x
        x + draw(t, 3)
        draw(t, 3) + x
        x + x.mT
        x.exp()
        x.sigmoid()
        x.sum()
        1 - x
        x.pow(2)
        2 / x
        x.clamp(0, 1)
        t.log_softmax(x, -1)
        x.permute(0, 2, 1)
        t.stack([x, x])
        t.cat([x, x])
        t.where(x > 0, x, x)
        x.prod(-1)
        x.mean(1)
        [x.sum(-1, keepdim=True), x.softmax(-1), x.softmax(1)]
        x.sum(-1)
        x.sum(1)
        x.softmax(0)
        F.layer_norm(x, (3,), draw(t, 3), draw(t, 3))
        F.layer_norm(x, (3,))
        [x @ x.mT, x.bmm(x.mT), F.linear(x, draw(t, 4, 3), draw(t, 4)), F.linear(x, draw(t, 4, 3))]
        x @ draw(t, 3, 2)
        F.linear(x, draw(t, 4, 2))
        [x.transpose(1, 2), x.transpose(1, 2).is_contiguous(), x.transpose(1, 2).contiguous(), x.unsqueeze(1)]
        [x.unsqueeze(1).squeeze(1), x.view(3, -1, 3), x.reshape(3, -1, 3, 1), x.chunk(3, -1)]
        x.transpose(0, 1)
        x.unsqueeze(0)
        x.squeeze(0)
        x.squeeze()
        x.chunk(2, -1)
        x.chunk(2, 1)
        [x[0], x[1, :2], x[0, 0, 0], x.select(0, 1), x.select(2, 1)]
        x[0:1]
        x[:, 0]
        x.narrow(1, 0, 1)
        [x.to_padded_tensor(-1.0), x.to_padded_tensor(0.5, (3, 6, 5))]
        x.to_padded_tensor(0.0, (3, 2, 3))
        [x.to(t.float32), x.double(), x.clone(), x.detach(), t.zeros_like(x), t.ones_like(x)]
        x.is_same_size(x)
        F.embedding(t.nested.nested_tensor([t.tensor([0, 1]), t.tensor([2])]), draw(t, 3, 2))
        F.dropout(x, 0.0, True)
        [x.detach().add_(1), x.detach().mul_(2), x.detach().zero_(), x.detach().fill_(2.0)]
        [str(x * 2), str(x.detach()), str(x.float()), str(x.softmax(-1)), str(x.mT), str(x @ x.mT)]
        x.tolist()
        x.item()
        x.unbind(1)
        """,
    )


def made(t: Any) -> list[Any]:
    n = t.nested
    a, b = t.arange(4.0).reshape(2, 2), t.arange(6.0).reshape(3, 2)
    starts, lengths = t.tensor([0, 1, 2]), t.tensor([3, 2, 1])
    table = t.arange(30.0).reshape(3, 5, 2)
    values, offsets = t.arange(14.0).reshape(7, 2), t.tensor([0, 2, 3, 7])
    j = t.jagged
    calls = [
        lambda: n.nested_tensor([[1.0, 2.0], [3.0]], layout=j),
        lambda: n.nested_tensor([a, b], layout=j, dtype=t.float64, requires_grad=True),
        lambda: n.nested_tensor([a.mT, b.mT], layout=j).shape,
        lambda: n.nested_tensor([], layout=j),
        lambda: n.nested_tensor([a, a[0]], layout=j),
        lambda: n.nested_tensor([a, a.double()], layout=j),
        lambda: n.nested_tensor([t.ones(2, 3), t.ones(3, 2)], layout=j),
        lambda: n.nested_tensor([1.0, 2.0], layout=j),
        lambda: n.nested_tensor([a], layout=t.sparse_coo),
        lambda: n.as_nested_tensor(table, layout=j),
        lambda: n.as_nested_tensor(table),
        lambda: n.as_nested_tensor(a[0], layout=j),
        lambda: n.as_nested_tensor(3),
        lambda: n.as_nested_tensor(n.nested_tensor([a, b], layout=j), layout=j),
        lambda: n.as_nested_tensor(n.nested_tensor([a, b], layout=j)),
        lambda: n.nested_tensor_from_jagged(values, offsets),
        lambda: n.nested_tensor_from_jagged(values, lengths=t.tensor([3, 4])),
        lambda: n.nested_tensor_from_jagged(values, offsets, t.tensor([1, 1, 3])),
        lambda: n.nested_tensor_from_jagged(values.mT, offsets, jagged_dim=2),
        lambda: n.nested_tensor_from_jagged(values, offsets).to_padded_tensor(0.0),
        lambda: n.nested_tensor_from_jagged(values, offsets, max_seqlen=4).to_padded_tensor(0.0),
        lambda: n.nested_tensor_from_jagged(values),
        lambda: n.nested_tensor_from_jagged(values, offsets, jagged_dim=0),
        lambda: n.narrow(table, 1, starts, lengths, layout=j),
        lambda: n.narrow(table, 1, starts, lengths, layout=j).contiguous(),
        lambda: n.narrow(table, 1, starts, lengths, layout=j).numel(),
        lambda: n.narrow(table, 1, starts, lengths, layout=j).sum(-1),
        lambda: n.narrow(table, 1, starts, lengths, layout=j).sum(1),
        lambda: n.narrow(table, 1, starts, lengths, layout=j).to_padded_tensor(0.0),
        lambda: n.narrow(table, 1, starts, lengths, layout=j).chunk(2, -1),
        lambda: n.narrow(table, 1, 0, 5, layout=j),
        lambda: n.narrow(table, 1, 1, 3, layout=j),
        lambda: n.narrow(table, 0, 1, 2, layout=j),
        lambda: n.narrow(table, 1, starts, 3),
        lambda: n.narrow(table, 1, 1.5, 3),
        lambda: n.narrow(table, 1, t.tensor([0, 1]), 3, layout=j),
        lambda: n.narrow(table, 0, 0, 2),
        lambda: n.masked_select(values, values > 4),
        lambda: n.masked_select(values, t.tensor([True, False])),
        lambda: n.nested_tensor([]),
        lambda: n.nested_tensor([[1.0, 2.0], [3]]),
        lambda: n.nested_tensor([a, a[0]]),
        lambda: n.nested_tensor([a, b.int()], dtype=t.float64),
    ]
    return [tried(call) for call in calls]


def test_making() -> None:
    for i, (mine, theirs) in enumerate(zip(made(cotangent), made(torch), strict=True)):
        assert mine == theirs, i


def losses_of(t: Any) -> list[Callable[[Any], Any]]:
    """Losses of a nested tensor whose gradients PyTorch has."""
    F = t.nn.functional
    return [
        lambda x: (x * x).sum(),
        lambda x: (x.softmax(-1) * x).sum(),
        lambda x: F.layer_norm(x, (3,)).sin().sum(),
        lambda x: x.to_padded_tensor(0.0).sum(1).sin().sum() + x.amax(-1).sum() + x.mean(),
        lambda x: x.to_padded_tensor(2.0).sin().sum(),
        lambda x: (x.mT @ x).sin().sum(),
        lambda x: (x @ draw(t, 3, 3, 2)).sin().sum(),
        lambda x: t.cat([x, 2 * x], -1).unbind()[1].sin().sum(),
        lambda x: (
            (x.chunk(3, -1)[0] * x.chunk(3, -1)[2]).sum() + x.unflatten(-1, (3, 1)).flatten(2).exp().sum()
        ),
        lambda x: x.masked_fill(x > 0, 0.0).exp().sum() + x[1].sum(),
    ]


def more_losses(t: Any) -> list[Callable[[Any], Any]]:
    """Losses for which PyTorch has values only, or a gradient along another dimension."""
    F = t.nn.functional
    return [
        lambda x: (x.softmax(1) * x).sum() + x.sum(1).exp().sum(),
        lambda x: F.layer_norm(x, (x.shape[1], 3)).values().sin().sum(),
        lambda x: x.mean(1).sin().sum() + x.sum(-1).cos().mean() + x.mean(-1).values().square().sum(),
        lambda x: x[..., 1:].exp().sum() + x.narrow(2, 0, 2).sin().mean((0, 1)).sum(),
        lambda x: t.where(x > 0, x.sin(), x * 2).sum() + (x + draw(t, 3, 1, 3)).tanh().sum(),
        lambda x: (draw(t, 3, 2, 3) @ x.mT).sin().sum() + x.max(1).values.square().sum(),
    ]


def test_gradients_by_differences() -> None:
    t = cotangent
    offsets = t.tensor([0, 2, 6, 7])
    for loss in losses_of(t) + more_losses(t):
        values = draw(t, 7, 3, seed=5).requires_grad_()

        def of_values(v: Any, loss: Any = loss) -> Any:
            return loss(t.nested.nested_tensor_from_jagged(v, offsets, min_seqlen=1, max_seqlen=4))

        assert t.autograd.gradcheck(of_values, values)
        assert t.autograd.gradgradcheck(of_values, values)
    values = [
        tried(lambda loss=loss, t=t: loss(ragged(t))) for t in (cotangent, torch) for loss in more_losses(t)
    ]
    assert values[: len(values) // 2] == values[len(values) // 2 :]


def gradients(t: Any) -> list[Any]:
    F = t.nn.functional
    found: list[Any] = []
    for loss in losses_of(t):
        x = ragged(t)
        loss(x).backward()
        found.append(x.grad)
        y = ragged(t)
        found.append(t.autograd.grad(loss(y), y))
    parts = [p.requires_grad_() for p in examples(t, *THREE)]
    x = t.nested.as_nested_tensor(parts, layout=t.jagged)
    (x * x + x[0].sum()).sum().backward()
    found += [p.grad for p in parts]
    values = draw(t, 7, 3).requires_grad_()
    x = t.nested.nested_tensor_from_jagged(values, t.tensor([0, 2, 7]))
    found.append(x.is_leaf)
    x.sin().backward(t.ones_like(x))
    found.append(values.grad)
    seen: list[Any] = []
    x = ragged(t)
    x.register_hook(lambda g: seen.append(described(g)))
    y = x * 3
    y.retain_grad()
    y.sum().backward()
    found += [seen, y.grad]
    x = buffered(t)
    y = F.linear((x @ x.mT @ x).softmax(-1), draw(t, 2, 3)).transpose(1, 2).contiguous()
    y.to_padded_tensor(0.0).sin().sum().backward()
    found.append(x.grad)
    return [described(f) for f in found]


def test_gradients() -> None:
    for i, (mine, theirs) in enumerate(zip(gradients(cotangent), gradients(torch), strict=True)):
        assert mine == theirs, i


def attended(t: Any) -> list[Any]:
    F = t.nn.functional
    values = [draw(t, 7, 2, 4, seed=s).requires_grad_() for s in range(3)]
    offsets = t.tensor([0, 2, 3, 7])
    q, k, v = (t.nested.nested_tensor_from_jagged(x, offsets).transpose(1, 2) for x in values)
    out = F.scaled_dot_product_attention(q, k, v)
    found = [out, out.transpose(1, 2).is_contiguous()]
    out.transpose(1, 2).values().sin().sum().backward()
    found += [x.grad for x in values]
    found.append(F.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)))
    parts = [t.nested.nested_tensor(examples(t, (2, 3, 4), (2, 5, 4))) for _ in range(3)]
    found.append(F.scaled_dot_product_attention(*parts))
    return [described(f) for f in found] + [
        tried(lambda: F.scaled_dot_product_attention(q, k, values[2])),
        tried(lambda: F.scaled_dot_product_attention(q, k, v.float())),
        tried(lambda: F.scaled_dot_product_attention(q, k, v.transpose(1, 2))),
        tried(lambda: F.scaled_dot_product_attention(q, k, v, t.ones(2, 2) > 0)),
        tried(lambda: F.scaled_dot_product_attention(*parts, is_causal=True)),
        tried(lambda: F.scaled_dot_product_attention(*parts, t.ones(2, 2) > 0)),
    ]


def test_attention() -> None:
    assert attended(cotangent) == attended(torch)


def test_causal_attention() -> None:
    """PyTorch's CPU refuses it for nested tensors; here it is that of each example."""
    t = cotangent
    values, offsets = [draw(t, 7, 2, 4, seed=s) for s in range(3)], t.tensor([0, 2, 3, 7])
    q, k, v = (t.nested.nested_tensor_from_jagged(x, offsets).transpose(1, 2) for x in values)
    out = t.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    for one, *given in zip(out.unbind(), q.unbind(), k.unbind(), v.unbind(), strict=True):
        alone = torch.nn.functional.scaled_dot_product_attention(
            *(torch.tensor(x.tolist(), dtype=torch.float64)[None] for x in given), is_causal=True
        )
        np.testing.assert_allclose(one.numpy(), alone[0].numpy())


def trained(t: Any) -> list[float]:
    """A classifier of sequences of several lengths: embedding, attention, layers, SGD."""
    t.manual_seed(3)
    table, project = t.nn.Embedding(11, 8), t.nn.Linear(8, 24)
    norm, head = t.nn.LayerNorm(8), t.nn.Linear(8, 2)
    optimizer = t.optim.SGD([p for m in (table, project, norm, head) for p in m.parameters()], lr=0.3)
    tokens = [t.arange(n) * 3 % 11 for n in (3, 5, 2, 7)]
    labels, lengths = t.tensor([0, 1, 1, 0]), t.tensor([[3.0], [5.0], [2.0], [7.0]])
    losses = []
    for _ in range(4):
        x = table(t.nested.nested_tensor(tokens, layout=t.jagged))
        parts = (part.contiguous() for part in project(x).chunk(3, -1))
        q, k, v = (part.unflatten(-1, (2, 4)).transpose(1, 2) for part in parts)
        y = t.nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2)
        x = norm(x + y.contiguous().flatten(2))
        pooled = t.nn.functional.gelu(x).to_padded_tensor(0.0).sum(1) / lengths
        loss = t.nn.functional.cross_entropy(head(pooled), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_training() -> None:
    mine, theirs = trained(cotangent), trained(torch)
    np.testing.assert_allclose(mine, theirs, rtol=1e-4)
    assert mine[-1] < mine[0]


def layers(t: Any) -> list[Any]:
    """What attention and the encoder do with nested tensors: in evaluation only."""
    t.manual_seed(0)
    attention = t.nn.MultiheadAttention(8, 2, batch_first=True).eval()
    layer = t.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    encoder = t.nn.TransformerEncoder(layer, 2).eval()
    parts = [draw(t, 2, 8, seed=1).float(), draw(t, 3, 8, seed=2).float()]
    x, j = t.nested.nested_tensor(parts), t.nested.nested_tensor(parts, layout=t.jagged)
    late = t.nn.MultiheadAttention(8, 2).eval()
    odd = t.nn.MultiheadAttention(9, 3, batch_first=True).eval()
    words = t.nested.nested_tensor([t.ones(2, 3, 5), t.ones(1, 3, 5)], layout=t.jagged)
    found = [tried(lambda: attention(x, x, x)), tried(lambda: encoder(j)), tried(lambda: layer(x))]
    with t.no_grad():
        calls = (
            lambda: attention(x, x, x + 1),
            lambda: attention(x, x, x, key_padding_mask=t.zeros(2, 3) > 0),
            lambda: attention(j, j, j),
            lambda: attention(x.double(), x, x),
            lambda: late(x, x, x),
            lambda: odd(x, x, x),
            lambda: layer(x),
            lambda: encoder(j),
        )
        found += [tried(call) for call in calls]
        for average in (True, False):
            found += attention(x, x, x, average_attn_weights=average)
        found.append(attention(x, x, x, need_weights=False)[1])
        found += [encoder(x), t.nn.functional.conv1d(words, t.ones(4, 3, 2))]
    return [rounded(f) for f in found] + [str(x[0].shape in [p.shape for p in x.unbind()]), 7.0 in j, f"{x:}"]


def rounded(value: Any) -> Any:
    if isinstance(value, (torch.Tensor, cotangent.Tensor)):
        if value.is_nested:
            return [rounded(part) for part in value.unbind()]
        return value.detach().double().numpy().round(4).tolist()
    return value


def test_layers() -> None:
    for i, (mine, theirs) in enumerate(zip(layers(cotangent), layers(torch), strict=True)):
        if isinstance(mine, list) and not any(isinstance(v, str) for v in mine):
            for a, b in zip(mine, theirs, strict=True):
                np.testing.assert_allclose(a, b, atol=2e-4, err_msg=str(i))
        else:
            assert mine == theirs, i


def test_functional_gradients_and_compile() -> None:
    t = cotangent
    offsets = t.tensor([0, 2, 5])

    def loss(v: Any) -> Any:
        return (t.nested.nested_tensor_from_jagged(v, offsets) ** 3).sum()

    assert t.func.grad(loss)(t.arange(5.0)).tolist() == [0.0, 3.0, 12.0, 27.0, 48.0]
    with pytest.warns(UserWarning, match="makes a nested tensor"):
        assert t.compile(loss)(t.arange(5.0)).item() == 100.0


def test_second_order_and_copies() -> None:
    t = cotangent
    x = ragged(t)
    (first,) = t.autograd.grad((x**3).sum(), x, create_graph=True)
    (second,) = t.autograd.grad(first.sum(), x)
    assert described(second)[3:] == described(6 * x.detach())[3:]
    for again in (copy.deepcopy(x), pickle.loads(pickle.dumps(x)), buffered(t), copy.deepcopy(buffered(t))):
        assert again.is_leaf and again.requires_grad
        assert [p.tolist() for p in again.unbind()] == [p.tolist() for p in x.unbind()]


def test_nothing_is_loaded_before_it_is_used() -> None:
    assert cotangent.nested.__name__ == "cotangent.nested"
    assert cotangent.jagged is cotangent.size.jagged and str(cotangent.jagged) == "torch.jagged"
