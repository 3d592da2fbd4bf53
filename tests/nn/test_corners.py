"""Corners of modules and functions that PyTorch's own tests look into."""

from __future__ import annotations

import pytest

import cotangent as torch


def test_padding_keeps_out_what_is_no_number() -> None:
    weight = torch.ones(3, 2, requires_grad=True)
    rows = torch.nn.functional.embedding(torch.tensor([1, 2]), weight, padding_idx=1)
    rows.backward(torch.tensor([[float("nan")] * 2, [1.0, 2.0]]))
    assert weight.grad.tolist() == [[0, 0], [0, 0], [1, 2]]


def test_channels_last_of_a_module_with_biases() -> None:
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4)).to(
        memory_format=torch.channels_last
    )
    assert net[0].weight.is_contiguous(memory_format=torch.channels_last)
    images = torch.ones(2, 3, 5, 5).contiguous(memory_format=torch.channels_last)
    larger = torch.nn.functional.interpolate(images, scale_factor=2)
    assert larger.is_contiguous(memory_format=torch.channels_last)


def test_a_call_with_other_tensors_leaves_no_names_behind() -> None:
    layer = torch.nn.Linear(1, 1)
    extra = torch.nn.Parameter(torch.ones(1))
    torch.func.functional_call(layer, {"extra": extra}, torch.ones(1))
    assert list(dict(layer.named_parameters())) == ["weight", "bias"]
    layer.itself = layer  # endlessly many names
    torch.func.functional_call(layer, {"itself.bias": torch.zeros(1)}, torch.ones(1), tie_weights=False)


def test_random_samples_of_fractional_pooling_must_fit() -> None:
    pool = torch.nn.functional.fractional_max_pool2d
    with pytest.raises(RuntimeError, match=r"Expect _random_samples\.size\(1\) equals to input channel size"):
        pool(torch.rand(1, 3, 5, 5), 2, output_size=2, _random_samples=torch.rand(1, 2, 2))
    with pytest.raises(RuntimeError, match="kernel_size must either be a single Int"):
        pool(torch.rand(1, 3, 5, 5), (1,), output_size=2)
    assert pool(torch.rand(2, 3, 5, 5), 2, output_size=(0, 1)).shape == (2, 3, 0, 1)
