"""Images that lie in memory by channels: layers give their results the layout that PyTorch gives them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import cotangent

# name -> a function of library, its `nn.functional`, and images (2, 8, 6, 6).
IMAGES: dict[str, Callable[[Any, Any, Any], Any]] = {
    "conv2d": lambda t, F, x: F.conv2d(x, t.ones(4, 8, 3, 3), t.ones(4), padding=1),
    "conv2d with a stride": lambda t, F, x: F.conv2d(x, t.ones(4, 8, 3, 3), stride=2),
    "conv2d of single places": lambda t, F, x: F.conv2d(x, t.ones(4, 8, 1, 1)),
    "conv2d in groups": lambda t, F, x: F.conv2d(x, t.ones(8, 1, 3, 3), groups=8),
    "conv_transpose2d": lambda t, F, x: F.conv_transpose2d(x, t.ones(8, 4, 3, 3)),
    "batch_norm": lambda t, F, x: F.batch_norm(x, None, None, training=True),
    "group_norm": lambda t, F, x: F.group_norm(x, 2),
    "group_norm with weights": lambda t, F, x: F.group_norm(x, 4, t.ones(8), t.zeros(8)),
    "group_norm's means": lambda t, F, x: t.native_group_norm(x, None, None, 2, 8, 36, 2, 1e-5),
    "pixel_shuffle": lambda t, F, x: F.pixel_shuffle(x, 2),
    "pixel_unshuffle": lambda t, F, x: F.pixel_unshuffle(x, 2),
    "channel_shuffle": lambda t, F, x: F.channel_shuffle(x, 2),
    "pad": lambda t, F, x: F.pad(x, (1, 1, 2, 1)),
    "pad, negative": lambda t, F, x: F.pad(x, (-1, 1)),
    "pad, reflected": lambda t, F, x: F.pad(x, (1, 1, 2, 1), mode="reflect"),
    "pad, replicated": lambda t, F, x: F.pad(x, (1, 1, 2, 1), mode="replicate"),
    "zeros around": lambda t, F, x: t.nn.ZeroPad2d(1)(x),
    "bilinear": lambda t, F, x: F.interpolate(x, size=(3, 5), mode="bilinear"),
    "bytes, bilinear": lambda t, F, x: F.interpolate(x.abs().byte(), size=(3, 5), mode="bilinear"),
    "bytes, bicubic": lambda t, F, x: F.interpolate(
        x.abs().byte(), size=(3, 5), mode="bicubic", antialias=True
    ),
    "bytes, nearest": lambda t, F, x: F.interpolate(x.abs().byte(), size=(3, 5)),
    "a residual block": lambda t, F, x: x + F.relu(F.conv2d(x, t.ones(8, 8, 3, 3), padding=1)),
}
VOLUMES: dict[str, Callable[[Any, Any, Any], Any]] = {
    "conv3d": lambda t, F, x: F.conv3d(x, t.ones(4, 8, 3, 3, 3)),
    "group_norm": lambda t, F, x: F.group_norm(x, 2),
    "pad": lambda t, F, x: F.pad(x, (1, 1, 2, 1, 1, 0)),
    "pad, reflected": lambda t, F, x: F.pad(x, (1, 1, 2, 1, 1, 0), mode="reflect"),
    "pad, replicated": lambda t, F, x: F.pad(x, (1, 1, 2, 1, 1, 0), mode="replicate"),
    "trilinear": lambda t, F, x: F.interpolate(x, scale_factor=2, mode="trilinear"),
}
CASES = [*((name, IMAGES, (2, 8, 6, 6)) for name in IMAGES)] + [
    *((name, VOLUMES, (2, 8, 4, 4, 4)) for name in VOLUMES)
]


def results(t: Any, call: Callable[[Any, Any, Any], Any], shape: tuple[int, ...], by_channels: bool) -> Any:
    x = t.arange(float(2 * 8 * 6 * 6 * 4))[: t.Size(shape).numel()].reshape(shape).sin() * 9
    if by_channels:
        x = x.contiguous(memory_format=t.channels_last if len(shape) == 4 else t.channels_last_3d)
    leaf = x.requires_grad_()
    made = call(t, t.nn.functional, leaf)
    made = made if isinstance(made, tuple) else (made,)
    found = [(tuple(out.shape), out.stride(), out.detach().double().numpy()) for out in made]
    if made[0].requires_grad:
        made[0].square().sum().backward()
        found.append((tuple(leaf.shape), leaf.grad.stride(), leaf.grad.double().numpy()))
    return found


@pytest.mark.parametrize("by_channels", [True, False])
@pytest.mark.parametrize("name, calls, shape", CASES, ids=[f"{len(s)}d {n}" for n, _, s in CASES])
def test_layouts_and_values(name: str, calls: Any, shape: tuple[int, ...], by_channels: bool) -> None:
    ours = results(cotangent, calls[name], shape, by_channels)
    theirs = results(torch, calls[name], shape, by_channels)
    assert [part[:2] for part in ours] == [part[:2] for part in theirs]
    for (_, _, a), (_, _, b) in zip(ours, theirs, strict=True):
        assert a == pytest.approx(b, rel=2e-4, abs=2e-3)


def test_weights_by_channels() -> None:
    for t in (torch, cotangent):
        layer = t.nn.Conv2d(4, 3, 3).to(memory_format=t.channels_last)
        assert layer(t.ones(2, 4, 6, 6)).stride() == (48, 1, 12, 3)


def test_rows_of_channels_are_a_view() -> None:
    for t in (torch, cotangent):
        x = t.ones(2, 8, 6, 6).contiguous(memory_format=t.channels_last)
        made = t.nn.functional.conv2d(x, t.ones(4, 8, 3, 3))
        assert made.permute(0, 2, 3, 1).view(-1, 4).shape == (32, 4)


def strides(call: Callable[[Any], Any]) -> None:
    """Compares the strides of the tensors that a call makes."""
    ours, theirs = ([tuple(x.stride()) for x in call(t)] for t in (cotangent, torch))
    assert ours == theirs


@pytest.mark.parametrize("shape", [(2, 1, 4, 4), (2, 3, 4, 4), (1, 1, 1, 1), (2, 3, 1, 1), (1, 3, 4, 4)])
def test_to_a_format(shape: tuple[int, ...]) -> None:
    def made(t: Any) -> list[Any]:
        x = t.ones(shape)
        y = x.to(memory_format=t.channels_last)
        plain, last = t.contiguous_format, t.channels_last
        wide = x.to(t.float64, memory_format=last), y.to(t.float64, memory_format=plain)
        return [x, y, y.to(memory_format=plain), x.contiguous(memory_format=last), *wide]

    strides(made)
    for t in (cotangent, torch):
        turned = t.ones(3, 2).t()
        assert turned.to(memory_format=t.contiguous_format) is turned


def test_random_numbers_in_the_order_of_another_tensor() -> None:
    for dtype in ("float32", "int64"):
        found = []
        for t in (cotangent, torch):
            t.manual_seed(0)
            x = t.ones(2, 3, 2, 2, dtype=getattr(t, dtype)).contiguous(memory_format=t.channels_last)
            for y in (x, x[..., 0].transpose(0, 1)):
                z = t.randint_like(y, -3, 4)
                found.append((z.stride(), str(z.dtype), z.tolist(), t.randint_like(y, 5).tolist()))
                same = t.randint_like(y, 9, memory_format=t.contiguous_format)
                found.append((same.stride(), same.tolist()))
        assert found[: len(found) // 2] == found[len(found) // 2 :]


@pytest.mark.parametrize("transposed", [False, True])
def test_one_channel_by_channels(transposed: bool) -> None:
    def made(t: Any) -> list[Any]:
        kind = t.nn.ConvTranspose2d if transposed else t.nn.Conv2d
        found = []
        for channels, size, kernel in ((1, 5, 3), (4, 3, 1), (4, 1, 1)):
            for by_channels in (False, True):
                layer = kind(channels, 4, kernel).to(memory_format=t.channels_last)
                x = t.ones(2, channels, size, size)
                x = x.to(memory_format=t.channels_last) if by_channels else x
                found.append(layer(x.requires_grad_()))
                x.grad = None
                found[-1].sum().backward()
                found.append(x.grad)
        return found

    strides(made)


def test_a_single_volume_by_channels() -> None:
    def made(t: Any) -> list[Any]:
        x = t.ones(1, 6, 4, 4, 4).contiguous(memory_format=t.channels_last_3d)
        pool = t.nn.MaxPool3d(2, return_indices=True)
        return [part for y in (x, x[0], x.contiguous()[0]) for part in pool(y)]

    strides(made)
