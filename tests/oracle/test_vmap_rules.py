"""Operations that vmap computes for the whole batch at once: as PyTorch's vmap, and without a loop."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import cotangent
from cotangent.func.batched import VmapLevel

# Of x and y (3, 5), v (5), m (3, 3), s (3, 2), i (2) up to 2, j (2) up to 4, each example has its own; v0, i0
# and so on are shared by all, and so is x0 (3, 3, 5).
CALLS = """
x[i]
x[:, j]
x[i, j]
x[i0]
x[:, i0]
x[i0, j0]
x[None, i0]
x[None].expand(3, 3, 5)[i0, :, j0]
x[None].expand(3, 3, 5)[:, i0, j0]
x[None].expand(3, 3, 5)[i, :, j]
x[None].expand(3, 3, 5)[:, i, j]
x[:, j0, None]
x[i0, :, None]
x0[i]
x0[:, i]
x0[:, :, j]
x0[i, :, j]
x0[i, i]
x[i, j0]
x.index_select(0, i)
x.index_select(1, j)
x.index_select(1, j0)
x0.index_select(2, j)
x0.index_select(0, i)
x.index_add(1, j, s)
x.index_add(1, j0, s, alpha=2.5)
x.index_add(1, j, s, alpha=2.5)
x0[0].index_add(1, j, s)
x.index_add(1, j0, s0)
x.index_copy(1, j0, s)
x.index_copy(1, k0, s)
x.index_fill(1, j0, 2.0)
x.index_put((i0, j0), v[:2])
x.index_put((i, j), v[:2])
x.index_put((i, j), v[:2], accumulate=True)
x.index_put((i,), v, accumulate=True)
x.index_put((i,), v0, accumulate=True)
x.index_put((i0,), v)
x0[0].index_put((i,), v)
x.index_put((i, j), v[0])
x[None].expand(3, 3, 5).clone().index_put((i0, t.arange(3)[:, None], j0), v[:2])
x.gather(1, j.expand(3, 2))
x.scatter_reduce(1, j.expand(3, 2), s, 'amax')
x.scatter_reduce(1, j.expand(3, 2), s, 'mean', include_self=False)
x.scatter_add(1, j.expand(3, 2), s)
(x > 0).any()
(x > 0).any(0)
(x > 0).all(-1, keepdim=True)
(x > 0).any((0, 1))
(x[0, 0] > 0).any()
x.max()
x.min()
x[0, 0].max()
x.argmax()
x.argmin(1)
x.argmax(0, keepdim=True)
x.prod()
m.trace()
t.vdot(v, v0)
t.vdot(v, x[0])
t.addbmm(m, x[None, :, :3], m[None] + y0[:, :3])
t.addbmm(v[:3], x[None, :, :3].expand(2, 3, 3), m[None].expand(2, 3, 3), beta=0.5, alpha=2)
t.addbmm(m0, x[None, :, :3], m0[None], beta=0)
t.addr(m, v[:3], v0[:3])
t.addr(v[:3], v[:3], x[0, :3], beta=2, alpha=0.5)
t.linalg.cross(m, m0)
t.linalg.cross(x, y, dim=0)
t.searchsorted(v0.sort().values, x)
t.searchsorted(v.sort().values, x)
t.searchsorted(v.sort().values, v0, right=True)
t.searchsorted(x.sort().values, y)
t.bucketize(x, v0.sort().values)
x.take(i + j)
x0.take(i + j)
x.take(j0)
t.fft.fft(x, n=7, dim=0).abs()
t.fft.irfft(x, n=4)
t.fft.irfft(t.fft.rfft(x, dim=0), n=3, dim=0)
t.fft.irfft2(x)
t.fft.ifft2(x, s=(2, 6)).real
x.clone().copy_(v)
x.clone().copy_(v0)
x.clone().copy_(x[:, :1])
x.clone().zero_()
x.clone().fill_(2.0)
x.norm(dim=1)
x.norm()
x.cross(y, 0)
""".strip().splitlines()  # fmt: skip


def arrays() -> dict[str, Any]:
    rng = np.random.default_rng(5)
    found: dict[str, Any] = {name: rng.normal(size=(4, 3, 5)) for name in "xy"}
    found |= {"v": rng.normal(size=(4, 5)), "m": rng.normal(size=(4, 3, 3)), "s": rng.normal(size=(4, 3, 2))}
    found |= {"i": rng.integers(0, 3, (4, 2)), "j": rng.integers(0, 5, (4, 2))}
    return found


def run(call: str, t: Any) -> Any:
    """The results and the gradients of what was mapped over."""
    made = {name: t.tensor(a, requires_grad=a.dtype.kind == "f") for name, a in arrays().items()}
    shared = {f"{n}0": made[n][0].detach() for n in ("x", "y", "v", "i", "j", "m", "s")}
    shared |= {"k0": t.tensor([3, 0]), "x0": made["y"].detach()[:3], "t": t}
    names = list(made)
    mapped = t.func.vmap(lambda *values: eval(call, {**shared, **dict(zip(names, values, strict=True))}))
    result = mapped(*made.values())
    found = [np.asarray(result.detach().numpy())]
    if result.requires_grad:
        weights = np.random.default_rng(1).normal(size=tuple(result.shape))
        (result * t.tensor(weights)).sum().backward()
        found += [made[n].grad.numpy() for n in names if made[n].grad is not None]
    return found


# PyTorch's own vmap loops over `take`, and copies what searchsorted is given.
@pytest.mark.filterwarnings("ignore:There is a performance drop", "ignore:torch.searchsorted")
@pytest.mark.parametrize("call", CALLS)
def test_as_pytorch(call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = run(call, torch)

    def loop(self: Any, op: Any, *rest: Any) -> Any:
        raise AssertionError(f"{op.name} has no batching rule")

    monkeypatch.setattr(VmapLevel, "loop", loop)
    found = run(call, cotangent)
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape and one.dtype == other.dtype
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)


def test_rows_of_numbers() -> None:
    for t in (torch, cotangent):
        found = t.func.vmap(lambda x, i: x.index_select(0, i))(t.arange(3.0), t.tensor([[0], [0], [0]]))
        assert found.tolist() == [0.0, 1.0, 2.0]


def test_per_sample_gradients_of_an_embedding() -> None:
    """Each example has indices of its own into a table that all share."""
    results = []
    for t in (torch, cotangent):
        table = t.arange(12.0, dtype=t.float64).reshape(4, 3)
        index = t.tensor([[0, 1, 1], [3, 3, 2]])
        loss = lambda w, i, t=t: (t.nn.functional.embedding(i, w) ** 2).sum() + w[i].prod()  # noqa: E731
        results.append(t.func.vmap(t.func.grad(loss), in_dims=(None, 0))(table, index).tolist())
    np.testing.assert_allclose(results[1], results[0])


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN", "LSTM of projections"])
def test_sequences_run_side_by_side(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Layers over batches of examples, in both directions, and the gradients of each example alone."""
    name, _, projected = kind.partition(" of ")
    options: dict[str, Any] = {"proj_size": 2} if projected else {}
    t = cotangent
    t.manual_seed(3)
    layer = getattr(t.nn, name)(3, 4, num_layers=2, bidirectional=True, dtype=t.float64, **options)
    x = t.randn(5, 6, 2, 3, dtype=t.float64)
    whole, alone = layer(x.movedim(0, 1).reshape(6, 10, 3)), [layer(part) for part in x]
    shared = {key: p.detach() for key, p in layer.named_parameters()}

    def loss(parameters: Any, part: Any) -> Any:
        return (t.func.functional_call(layer, parameters, (part,))[0] ** 2).sum()

    expected = [t.func.grad(loss)(shared, part) for part in x]

    def loop(self: Any, op: Any, *rest: Any) -> Any:
        raise AssertionError(f"{op.name} has no batching rule")

    monkeypatch.setattr(VmapLevel, "loop", loop)
    found = t.func.vmap(layer)(x)
    t.testing.assert_close(found[0], t.stack([out for out, _ in alone]))
    t.testing.assert_close(found[0].movedim(0, 1).reshape(6, 10, -1), whole[0])
    states = found[1] if isinstance(found[1], tuple) else (found[1],)
    for k, state in enumerate(states):
        t.testing.assert_close(state, t.stack([s[k] if isinstance(s, tuple) else s for _, s in alone]))
    (found[0] ** 2).sum().backward()
    per_sample = t.func.vmap(t.func.grad(loss), in_dims=(None, 0))(shared, x)
    for key, p in layer.named_parameters():
        t.testing.assert_close(per_sample[key], t.stack([g[key] for g in expected]))
        t.testing.assert_close(p.grad, per_sample[key].sum(0))


AT_A_NUMBER = (
    "x[i]", "x[i, :]", "x[:, i]", "x[i, i]", "x[i, 0]", "x[..., i]", "x[None, i]", "x[i, None]",
    "x[i, [0, 1]]", "x[[0, 1], i]", "x[i, 1:]", "put(y, i)", "put(y, (i, 1))", "put(x, i)",
)  # fmt: skip


@pytest.mark.parametrize("text", AT_A_NUMBER)
def test_each_example_has_a_number_as_its_index(text: str) -> None:
    def put(x: Any, key: Any) -> Any:
        x = x.clone()
        x[key] = 9.0
        return x

    def told(t: Any) -> Any:
        x, y = t.arange(12.0).reshape(3, 4), t.arange(36.0).reshape(3, 3, 4)
        try:
            f = lambda i, y: eval(text, {"x": x, "y": y, "i": i, "put": put})  # noqa: E731
            return t.func.vmap(f)(t.tensor([0, 2, -1]), y).tolist()
        except RuntimeError as error:
            return str(error)

    assert told(cotangent) == told(torch)
