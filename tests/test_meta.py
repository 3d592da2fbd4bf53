"""Tensors on the device "meta": shapes, types and histories without numbers."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

import cotangent as torch
from cotangent.func import functional_call, stack_module_state, vmap

nn = torch.nn


def _meta(*shape: int, **options: Any) -> Any:
    return torch.empty(*shape, device="meta", **options)


@pytest.mark.parametrize(
    "make",
    [
        lambda **o: torch.empty(2, 3, **o),
        lambda **o: torch.zeros(2, 3, **o),
        lambda **o: torch.full((2, 3), 1.5, **o),
        lambda **o: torch.randn(2, 3, **o),
        lambda **o: torch.randint(5, (2, 3), **o),
        lambda **o: torch.randperm(4, **o),
        lambda **o: torch.arange(1, 7, 2, **o),
        lambda **o: torch.linspace(0, 1, 5, **o),
        lambda **o: torch.eye(3, **o),
        lambda **o: torch.tensor([[1, 2], [3, 4]], **o),
        lambda **o: torch.as_tensor([1.5], **o),
        lambda **o: torch.scalar_tensor(2, **o),
        lambda **o: torch.tril_indices(3, 3, **o),
        lambda **o: torch.empty_strided((2, 3), (1, 2), **o),
        lambda **o: torch.zeros_like(torch.ones(2, 3).t(), **o),
        lambda **o: torch.rand_like(torch.ones(2, 3), **o),
        lambda **o: torch.ones(2).new_zeros(3, **o),
    ],
)
def test_they_are_made_like_others_and_nothing_is_drawn(make: Callable[..., Any]) -> None:
    like = make()
    state = torch.get_rng_state()
    for found in (make(device="meta"), _in_context(make)):
        assert (found.shape, found.dtype, found.stride()) == (like.shape, like.dtype, like.stride())
        assert found.is_meta is not found.is_cpu
        assert found.is_leaf
    assert make(device="meta").device == torch.device("meta")
    assert torch.equal(torch.get_rng_state(), state)


def _in_context(make: Callable[..., Any]) -> Any:
    with torch.device("meta"):
        return make()


def test_the_default_device() -> None:
    torch.set_default_device("meta")
    try:
        assert torch.ones(2).is_meta
        with torch.device("cpu"):
            assert torch.ones(2).is_cpu
        assert torch.get_default_device() == torch.device("meta")
    finally:
        torch.set_default_device(None)
    assert torch.ones(2).is_cpu


def test_operations_give_shapes_types_and_histories() -> None:
    a, b = _meta(2, 3, requires_grad=True), _meta(3, 4, dtype=torch.float32)
    c = (a @ b).relu() + 1
    assert (c.shape, c.dtype, c.is_meta) == ((2, 4), torch.float32, True)
    assert type(c.grad_fn).__name__ == "AddBackward0"
    assert (c > 0).dtype is torch.bool
    assert (a.double().sum(0) / 2).dtype is torch.float64
    assert torch.cat([a, a], 1).t().stride() == (1, 6)
    assert [t.shape for t in torch.linalg.qr(_meta(5, 3))] == [(5, 3), (3, 3)]
    c.sum().backward()
    assert a.grad.is_meta
    assert a.grad.shape == (2, 3)
    x = _meta(2, 3)
    version = x._version
    x.add_(1)
    x[0] = 3
    x[:, 1].uniform_()
    x.copy_(torch.ones(3))
    assert x._version == version + 4
    with pytest.raises(RuntimeError, match="broadcast shape"):
        x.add_(_meta(4, 2, 3))


@pytest.mark.parametrize(
    ("how", "error", "text"),
    [
        (lambda x: x.item(), RuntimeError, "6 elements cannot be converted"),
        (lambda x: x.sum().item(), RuntimeError, r"Tensor.item\(\) cannot be called on meta tensors"),
        (lambda x: bool(x.sum()), RuntimeError, "cannot be called on meta tensors"),
        (lambda x: x.tolist(), NotImplementedError, "no data"),
        (lambda x: x.numpy(), TypeError, "can't convert meta device type tensor to numpy"),
        (lambda x: x.cpu(), NotImplementedError, "Cannot copy out of meta tensor; no data!"),
        (lambda x: x.to("cpu"), NotImplementedError, "Cannot copy out of meta tensor; no data!"),
        (lambda x: torch.ones(2, 3).copy_(x), NotImplementedError, "Cannot copy out of meta tensor"),
        (lambda x: x + torch.ones(2, 3), RuntimeError, "not on the expected device meta"),
        (lambda x: x @ _meta(2, 2), RuntimeError, "shapes cannot be multiplied"),
    ],
)
def test_what_needs_numbers_is_refused(how: Callable[..., Any], error: Any, text: str) -> None:
    with pytest.raises(error, match=text):
        how(_meta(2, 3))


def test_how_they_print() -> None:
    assert str(_meta(2, 3)) == "tensor(..., device='meta', size=(2, 3))"
    assert str(_meta(2, dtype=torch.int64)) == "tensor(..., device='meta', size=(2,), dtype=torch.int64)"
    assert str(_meta((), requires_grad=True)) == "tensor(..., device='meta', size=(), requires_grad=True)"
    parameter = nn.Linear(3, 2, device="meta").weight
    assert str(parameter) == (
        "Parameter containing:\ntensor(..., device='meta', size=(2, 3), requires_grad=True)"
    )


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (
            lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2)),
            (2, 3, 4, 4),
        ),
        (lambda: nn.Sequential(nn.LayerNorm(6), nn.GELU(), nn.Dropout(0.5), nn.MaxPool1d(2)), (2, 5, 6)),
        (lambda: nn.TransformerEncoderLayer(6, 2, batch_first=True), (2, 5, 6)),
        (lambda: nn.LSTM(6, 4, bidirectional=True), (2, 5, 6)),
    ],
)
def test_modules(make: Callable[[], Any], shape: tuple[int, ...]) -> None:
    with torch.device("meta"):
        net = make()
    assert all(t.is_meta for t in net.state_dict().values())
    found, like = net(_meta(*shape)), make()(torch.randn(*shape))
    if isinstance(net, nn.LSTM):
        found, like = found[0], like[0]
    assert found.shape == like.shape
    assert type(found.grad_fn).__name__ == type(like.grad_fn).__name__


def test_parameters_come_to_a_module_that_has_none() -> None:
    like = nn.Linear(3, 2)
    net = nn.Linear(3, 2, device="meta")
    with pytest.warns(UserWarning, match="copying from a non-meta parameter"):
        net.load_state_dict(like.state_dict())
    assert net.weight.is_meta
    net.load_state_dict(like.state_dict(), assign=True)
    assert torch.equal(net(torch.ones(1, 3)), like(torch.ones(1, 3)))
    assert isinstance(net.weight, nn.Parameter)
    assert net.weight.requires_grad
    net = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)).to("meta")
    assert all(t.is_meta for t in net.state_dict().values())
    with pytest.raises(NotImplementedError, match="to_empty"):
        net.to("cpu")
    net.to_empty(device="cpu").load_state_dict(
        nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)).state_dict()
    )
    assert net(torch.randn(4, 3)).shape == (4, 2)


def test_an_ensemble_is_called_through_a_module_without_numbers() -> None:
    torch.manual_seed(0)
    models = [nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2)) for _ in range(3)]
    parameters, buffers = stack_module_state(models)
    base = copy.deepcopy(models[0]).to("meta")
    x = torch.randn(7, 4)
    found = vmap(lambda p, b: functional_call(base, (p, b), (x,)))(parameters, buffers)
    torch.testing.assert_close(found, torch.stack([m(x) for m in models]))


def test_memory_that_there_is_not() -> None:
    x = _meta(2, 3)
    assert (x.data_ptr(), x.storage_offset(), x.nbytes) == (0, 0, 24)
    assert x.untyped_storage().device == torch.device("meta")
    assert x.untyped_storage().nbytes() == 24
    assert _meta(1 << 50).numel() == 1 << 50


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda a, b: torch.addmm(a(2, 2), b(2, 2), a(2, 2)), "second"),
        (lambda a, b: torch.mv(a(2, 2), b(2)), "first"),
        (lambda a, b: torch.dot(a(2), b(2)), "first"),
        (lambda a, b: torch.cat([a(2), b(2)]), "first"),
        (lambda a, b: torch.stack([a(2), b(2)]), "first"),
        (lambda a, b: nn.functional.linear(a(2, 2), a(2, 2), b(2)), "first"),
        (lambda a, b: nn.functional.layer_norm(a(2, 2), (2,), b(2)), "first"),
        (lambda a, b: nn.functional.batch_norm(a(2, 2), b(2), b(2)), "first"),
        (lambda a, b: nn.functional.mse_loss(a(2), b(2)), "first"),
        (lambda a, b: nn.functional.huber_loss(a(2), b(2)), "first"),
        (lambda a, b: nn.functional.binary_cross_entropy(a(2), b(2)), "second"),
        (lambda a, b: a(2) + b(2), "first"),
        (lambda a, b: torch.where(a(2) > 0, b(2), b(2)), "first"),
        (lambda a, b: a(2).masked_fill(b(2) > 0, 0.0), "second"),
    ],
)
@pytest.mark.parametrize("kinds", [("meta", "cpu"), ("cpu", "meta")])
def test_operands_on_several_devices(
    call: Callable[..., Any], expected: str, kinds: tuple[str, str]
) -> None:
    def make(kind: str) -> Callable[..., Any]:
        return lambda *shape: torch.ones(*shape, device=kind)

    there = kinds[expected == "second"]
    other = kinds[expected == "first"]
    with pytest.raises(RuntimeError) as caught:
        call(make(kinds[0]), make(kinds[1]))
    assert str(caught.value) == f"Tensor on device {other} is not on the expected device {there}!"


def test_single_numbers_may_be_anywhere() -> None:
    assert (_meta(2) + torch.tensor(1.0)).is_meta
    assert torch.addmm(_meta(2, 2), _meta(2, 2), torch.ones(2, 2)).is_meta  # PyTorch does not look there
    with pytest.raises(RuntimeError, match=r"got query\.device: meta key\.device: cpu"):
        q = torch.ones(1, 1, 2, 2)
        nn.functional.scaled_dot_product_attention(q.to("meta"), q, q)
    with pytest.raises(RuntimeError, match=r"got \(self\) meta, \(index\) meta, and \(source\) cpu"):
        _meta(2, 2).index_add(0, torch.tensor([0, 1], device="meta"), torch.ones(2, 2))
