"""One-hot rows, bags of rows and packed sequences, run in onnxruntime."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import onnxruntime
import pytest

import cotangent as torch
from cotangent import nn
from cotangent.nn import functional as F
from cotangent.onnx.errors import UnsupportedOperatorError

MODES = ("sum", "mean", "max")


def check(model: Any, first: tuple[Any, ...], *others: tuple[Any, ...], **options: Any) -> None:
    """What is exported with the first arguments gives what the module gives, for the others as well."""
    file = io.BytesIO()
    names = [f"x{k}" for k in range(len(first))]
    torch.onnx.export(model.eval(), first, file, input_names=names, **options)
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 3
    run = onnxruntime.InferenceSession(file.getvalue(), settings, providers=["CPUExecutionProvider"])
    for args in (first, *others):
        wanted = model(*args)
        wanted = wanted if isinstance(wanted, tuple) else (wanted,)
        found = run.run(None, dict(zip(names, [t.numpy() for t in args], strict=True)))
        for a, b in zip(found, wanted, strict=True):
            assert a.dtype == b.detach().numpy().dtype and a.shape == tuple(b.shape)
            np.testing.assert_allclose(a, b.detach().numpy(), rtol=1e-5, atol=2e-6)


class OneHot(nn.Module):
    def forward(self, classes: Any) -> Any:
        return F.one_hot(classes, 4), F.one_hot(classes, 4).float() @ torch.arange(8.0).reshape(4, 2)


def test_one_hot() -> None:
    check(OneHot(), (torch.tensor([[0, 3], [2, 2]]),))
    free = {"x0": {0: "n"}}
    check(OneHot(), (torch.tensor([0, 3, 2]),), (torch.tensor([1]),), dynamic_axes=free, opset_version=13)


def test_the_number_of_classes_must_be_known() -> None:
    class Guessed(nn.Module):
        def forward(self, classes: Any) -> Any:
            return F.one_hot(classes)

    with pytest.raises(RuntimeError, match="must not depend on the numbers in a tensor"):
        torch.onnx.export(Guessed(), (torch.tensor([0, 1]),), io.BytesIO())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("padding", [None, 2])
def test_bags_of_one_size(mode: str, padding: int | None) -> None:
    bags = nn.EmbeddingBag(10, 3, mode=mode, padding_idx=padding)
    several, one = torch.tensor([[1, 2, 4, 5], [2, 2, 2, 2], [4, 3, 2, 9]]), torch.tensor([[7, 2, 0, 0]])
    check(bags, (several,))
    check(bags, (several,), (one,), dynamic_axes={"x0": {0: "n"}})


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("last", [False, True])
def test_bags_that_offsets_separate(mode: str, last: bool) -> None:
    bags = nn.EmbeddingBag(10, 3, mode=mode, include_last_offset=last)
    first = torch.tensor([1, 2, 4, 5, 4, 3, 2, 9]), torch.tensor([0, 3, 3, 5, 8][: 5 if last else 4])
    other = torch.tensor([1, 0, 9, 5]), torch.tensor([0, 1, 4])
    check(bags, first, other, dynamic_axes={"x0": {0: "n"}, "x1": {0: "b"}})


def test_bags_with_weights() -> None:
    class Weighted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bags = nn.EmbeddingBag(10, 3, mode="sum")

        def forward(self, rows: Any, offsets: Any, weights: Any) -> Any:
            return self.bags(rows, offsets, per_sample_weights=weights)

    check(Weighted(), (torch.tensor([1, 2, 4, 5, 4]), torch.tensor([0, 3]), torch.rand(5)))


def test_bags_need_a_newer_opset() -> None:
    with pytest.raises(UnsupportedOperatorError, match="needs opset 18 or later"):
        torch.onnx.export(
            nn.EmbeddingBag(4, 2, mode="max"), (torch.tensor([[0, 1]]),), io.BytesIO(), opset_version=17
        )


class Packed(nn.Module):
    def __init__(self, kind: Any, lengths: list[int], batch_first: bool) -> None:
        super().__init__()
        self.layer = kind(3, 4, 2, bidirectional=True, batch_first=batch_first)
        self.lengths, self.batch_first = lengths, batch_first

    def forward(self, x: Any) -> Any:
        packed = nn.utils.rnn.pack_padded_sequence(
            x, torch.tensor(self.lengths), batch_first=self.batch_first, enforce_sorted=False
        )
        out, state = self.layer(packed)
        whole, _ = nn.utils.rnn.pad_packed_sequence(out, self.batch_first, total_length=6)
        return whole, *(state if isinstance(state, tuple) else (state,))


@pytest.mark.parametrize("lengths", [[5, 3, 2], [2, 5, 4], [5, 5, 5]])
@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
def test_packed_sequences_of_fixed_lengths(kind: Any, lengths: list[int]) -> None:
    torch.manual_seed(0)
    check(Packed(kind, lengths, False), (torch.randn(5, 3, 3),))
    check(Packed(kind, lengths, True), (torch.randn(3, 5, 3),), opset_version=13)
