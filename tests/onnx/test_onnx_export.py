"""Exported modules, run in onnxruntime."""

from __future__ import annotations

import io
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from running import PROJECT

import cotangent as torch
from cotangent import nn
from cotangent.nn import functional as F

OPSETS = (13, 17, 18, 20, 21)


def session(program: Any) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    data = program if isinstance(program, bytes) else program.model_proto.SerializeToString()
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def tensors(results: Any) -> list[Any]:
    if isinstance(results, torch.Tensor):
        return [results]
    return [t for r in results for t in tensors(r)]


def agrees(program: Any, model: Any, args: tuple[Any, ...], rtol: float = 1e-5) -> None:
    """The model in onnxruntime gives what the module gives."""
    if isinstance(model, nn.Module):
        model.eval()
    with torch.no_grad():
        expected = tensors(model(*args))
    run = session(program)
    names = [entry.name for entry in run.get_inputs()]
    found = run.run(None, dict(zip(names, [t.numpy() for t in tensors(args)], strict=True)))
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        b = b.detach().numpy()
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=rtol, atol=2e-6)


def x(*shape: int) -> Any:
    torch.manual_seed(7)
    return torch.randn(*shape)


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU())
        self.outer = nn.Conv2d(4, 3, 1)

    def forward(self, x: Any) -> Any:
        return F.avg_pool2d(x + self.outer(self.inner(x)), 2)


def trained_norm(module: nn.Module, *shape: int) -> nn.Module:
    """A normalization that has seen numbers."""
    module.train()
    module(x(*shape) * 2 + 1)
    return module


MODULES: list[tuple[Callable[[], nn.Module], tuple[int, ...]]] = [
    (lambda: nn.Linear(3, 2), (4, 3)),
    (lambda: nn.Linear(3, 2, bias=False), (2, 4, 3)),
    (lambda: nn.Linear(3, 2), (3,)),
    (lambda: nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Dropout(), nn.Linear(8, 2), nn.Softmax(1)), (4, 3)),
    (lambda: nn.Conv1d(2, 3, 3, stride=2, padding=1), (2, 2, 9)),
    (lambda: nn.Conv2d(4, 6, (3, 2), dilation=(2, 1), groups=2), (2, 4, 8, 7)),
    (lambda: nn.Conv2d(2, 2, 3, padding="same", padding_mode="reflect"), (1, 2, 5, 5)),
    (lambda: nn.Conv3d(2, 3, 2), (1, 2, 4, 4, 4)),
    (lambda: nn.ConvTranspose1d(2, 3, 3, 2), (1, 2, 5)),
    (lambda: nn.ConvTranspose2d(2, 4, 3, 2, 1, 1, groups=2), (2, 2, 5, 4)),
    (Residual, (2, 3, 6, 6)),
    (lambda: trained_norm(nn.BatchNorm1d(3), 5, 3), (4, 3)),
    (lambda: trained_norm(nn.BatchNorm2d(3), 5, 3, 4, 4), (2, 3, 4, 4)),
    (lambda: trained_norm(nn.BatchNorm2d(3, affine=False), 5, 3, 4, 4), (2, 3, 4, 4)),
    (lambda: nn.BatchNorm2d(3, track_running_stats=False), (2, 3, 4, 4)),
    (lambda: nn.InstanceNorm2d(3, affine=True), (2, 3, 4, 4)),
    (lambda: nn.GroupNorm(2, 4), (2, 4, 3, 3)),
    (lambda: nn.LayerNorm(5), (2, 3, 5)),
    (lambda: nn.LayerNorm((3, 5), elementwise_affine=False), (2, 3, 5)),
    (lambda: nn.LayerNorm(5, bias=False), (2, 3, 5)),
    (lambda: nn.RMSNorm(5), (2, 3, 5)),
    (lambda: nn.LocalResponseNorm(2), (2, 4, 3, 3)),
    (lambda: nn.MaxPool1d(2), (2, 3, 6)),
    (lambda: nn.MaxPool2d(3, 2, 1, ceil_mode=True), (2, 3, 7, 8)),
    (lambda: nn.MaxPool2d(2), (3, 6, 6)),
    (lambda: nn.MaxPool3d(2), (2, 3, 4, 4, 4)),
    (lambda: nn.AvgPool1d(2), (2, 3, 6)),
    (lambda: nn.AvgPool2d(3, 2, 1, count_include_pad=False), (2, 3, 7, 8)),
    (lambda: nn.AdaptiveAvgPool2d(1), (2, 3, 5, 7)),
    (lambda: nn.AdaptiveAvgPool2d((2, 3)), (2, 3, 4, 6)),
    (lambda: nn.AdaptiveAvgPool2d((3, 2)), (2, 3, 5, 7)),
    (lambda: nn.AdaptiveAvgPool1d(2), (2, 3, 5)),
    (lambda: nn.Upsample(scale_factor=2), (1, 2, 3, 4)),
    (lambda: nn.Upsample(size=(5, 7), mode="nearest-exact"), (1, 2, 3, 4)),
    (lambda: nn.Upsample(scale_factor=2, mode="bilinear"), (1, 2, 3, 4)),
    (lambda: nn.Upsample(size=(5, 7), mode="bilinear", align_corners=True), (1, 2, 3, 4)),
    (lambda: nn.Upsample(scale_factor=2, mode="bicubic"), (1, 2, 3, 4)),
    (lambda: nn.Upsample(size=7, mode="linear"), (1, 2, 3)),
    (lambda: nn.PixelShuffle(2), (1, 8, 2, 3)),
    (lambda: nn.PixelUnshuffle(2), (1, 2, 4, 6)),
    (lambda: nn.ChannelShuffle(2), (1, 4, 2, 2)),
    (lambda: nn.ReflectionPad2d((1, 2, 0, 1)), (1, 2, 4, 4)),
    (lambda: nn.ReplicationPad1d(2), (1, 2, 4)),
    (lambda: nn.ZeroPad2d((1, -1, 0, 2)), (1, 2, 4, 4)),
    (lambda: nn.ConstantPad1d(1, 3.5), (1, 2, 4)),
    (lambda: nn.RNN(3, 4, 2), (5, 2, 3)),
    (lambda: nn.RNN(3, 4, nonlinearity="relu", bidirectional=True, batch_first=True), (2, 5, 3)),
    (lambda: nn.LSTM(3, 4, 2), (5, 2, 3)),
    (lambda: nn.LSTM(3, 4, bidirectional=True, batch_first=True), (2, 5, 3)),
    (lambda: nn.LSTM(3, 4, bias=False), (5, 2, 3)),
    (lambda: nn.LSTM(3, 4), (5, 3)),
    (lambda: nn.GRU(3, 4, 2, bidirectional=True), (5, 2, 3)),
    (lambda: nn.GRU(3, 4, bias=False), (5, 2, 3)),
    (lambda: nn.LSTMCell(3, 4), (2, 3)),
    (lambda: nn.GRUCell(3, 4), (2, 3)),
    (lambda: nn.RNNCell(3, 4), (2, 3)),
    (lambda: nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), (2, 5, 8)),
    (lambda: nn.TransformerEncoderLayer(8, 2, 16, norm_first=True, activation="gelu"), (5, 2, 8)),
    (lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2), (2, 5, 8)),
    (lambda: nn.Flatten(), (2, 3, 4)),
    (lambda: nn.Unflatten(1, (3, 2)), (2, 6)),
    (lambda: nn.PReLU(3), (2, 3, 4)),
    (lambda: nn.RReLU(), (2, 3)),
    (lambda: nn.GLU(1), (2, 4)),
    (lambda: nn.Softmax2d(), (1, 2, 3, 3)),
    (lambda: nn.utils.parametrizations.weight_norm(nn.Linear(3, 2)), (4, 3)),
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(MODULES)))
def test_modules(case: int) -> None:
    make, shape = MODULES[case]
    torch.manual_seed(case)
    model = make()
    program = torch.onnx.export(model, (x(*shape),))
    agrees(program, model, (x(*shape),))


ACTIVATIONS = [
    "ReLU", "ReLU6", "LeakyReLU", "ELU", "SELU", "CELU", "GELU", "SiLU", "Mish", "Softplus", "Softsign",
    "Tanh", "Tanhshrink", "Sigmoid", "LogSigmoid", "Hardtanh", "Hardsigmoid", "Hardswish", "Hardshrink",
    "Softshrink", "Softmax", "LogSoftmax", "Softmin", "Identity",
]  # fmt: skip


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name: str) -> None:
    model = getattr(nn, name)(**({"dim": 1} if name.endswith(("max", "min")) else {}))
    agrees(torch.onnx.export(model, (x(4, 5) * 3,)), model, (x(4, 5) * 3,))


def written(x: Any) -> Any:
    y = x.clone()
    y[:, 0] = 1.5
    y[0] *= 2
    y += x.mean()
    return y.clamp_(-1, 1.25)


FUNCTIONS: list[Callable[[Any], Any]] = [
    lambda x: 2 * x + 1 - x / 3 + (1 - x) * -x,
    lambda x: x.exp() + (x.abs() + 1).log() + x.abs().sqrt(),
    lambda x: x.sin() + x.cos() + x.tan() + x.sinh() + x.cosh() + x.tanh() + x.asinh() + x.atan(),
    lambda x: x.square() + x**3 + 2**x + x.abs() ** x + x.abs().rsqrt() + x.reciprocal(),
    lambda x: x.expm1() + (x * x).log1p() + x.exp2() + (x * x + 1).log2() + (x * x + 1).log10(),
    lambda x: x.ceil() + x.floor() + x.round() + x.trunc() + x.sign() + x.erf(),
    lambda x: torch.maximum(x, x * x) + torch.minimum(x, -x),
    lambda x: x.clamp(-0.5, 0.5) + x.clamp(min=0) + x.clamp(max=1),
    lambda x: (x > 0, x >= 1, x < 0, x <= 0, x == x, x != 0),
    lambda x: ((x > 0) & (x < 1)) | ~(x > -1) ^ (x == 0),
    lambda x: torch.where(x > 0, x, -1.0) + x.masked_fill(x < 0, 0.5),
    lambda x: x // 0.3 + x % 0.7 + x.fmod(0.4),
    lambda x: ((x * 10).long() // 3, (x * 10).int() % 4, (x > 0).float() + 1),
    lambda x: torch.lerp(x, x * 2, 0.3) + torch.addcmul(x, x, x, value=0.5) + torch.addcdiv(x, x, x * x + 1),
    lambda x: (x.sum(), x.mean()),
    lambda x: (x.sum(1), x.mean((0, 2)), x.sum(-1, keepdim=True), x.amax(1)),
    lambda x: (x.max(), x.amin((1, 2)), *x.max(1), *x.min(-1, keepdim=True), x.prod()),
    lambda x: (x.prod(1), x.logsumexp(1)),
    lambda x: (x.argmax(), x.argmin(1), x.argmax(2, keepdim=True)),
    lambda x: ((x > 0).any(), (x > 0).all(1), (x > 9).any(2), x.min()),
    lambda x: (x.var(1), x.std(), x.var((0, 2), correction=0), *torch.var_mean(x, 1, keepdim=True)),
    lambda x: (x.norm(), x.norm(1, 2), x.norm(float("inf"), 1), F.normalize(x, dim=-1)),
    lambda x: (x.cumsum(1), *x.topk(2), *x.sort(dim=1, descending=True), *x.topk(1, largest=False)),
    lambda x: (x.reshape(6, -1), x.flatten(), x.view(2, 12), x.unsqueeze(1), x[:1].squeeze(0), x.squeeze()),
    lambda x: (x.permute(2, 0, 1), x.transpose(0, 2), x.mT, x.expand(2, 2, 3, 4), x.repeat(2, 1, 3)),
    lambda x: (x[0], x[:, -1], x[..., 1:3], x[:, ::2], x[1, 2, 3], x[:, None], x[:, 1:, :2]),
    lambda x: (x[:, torch.tensor([0, 2])], x[torch.tensor([1, 0]), torch.tensor([2, 1])]),
    lambda x: x[:, torch.tensor([[0], [2]]), torch.tensor([1, 3])],
    lambda x: x[torch.tensor([1, 0]), :, torch.tensor([2, 1])],
    lambda x: (x.flip(1), x.flip((0, 2)), x.roll(1, 1), x.roll((1, -2), (0, 2)), x.roll(3)),
    lambda x: (x.tril(), x.triu(1)),
    lambda x: (torch.cat([x, x * 2], 1), torch.stack([x, -x], 1), *x.split(2, 2), *x.chunk(2), *x.unbind(1)),
    lambda x: x.gather(1, torch.tensor([[[0, 1, 2, 0]], [[1, 1, 0, 2]]])),
    lambda x: x.index_select(2, torch.tensor([3, 0])),
    lambda x: (x @ x.mT, x @ torch.ones(4, 2), torch.einsum("bij,bkj->bik", x, x), torch.bmm(x, x.mT)),
    lambda x: (x[0] @ x[1].T, x[0].mv(torch.ones(4))),
    lambda x: torch.addmm(x[0, :, :3], x[0], x[1].T, beta=0.5, alpha=2),
    lambda x: (torch.zeros_like(x) + x, torch.full_like(x, 2), x.new_ones(3, 4) * x, torch.ones_like(x[0])),
    lambda x: (x.double(), x.long(), x.isnan(), x.isinf()),
    lambda x: F.scaled_dot_product_attention(x, x, x),
    lambda x: F.scaled_dot_product_attention(x, x, x, is_causal=True),
    lambda x: F.scaled_dot_product_attention(x, x, x, attn_mask=torch.ones(3, 3).tril(-1).bool()),
    lambda x: F.scaled_dot_product_attention(x, x, x, attn_mask=torch.ones(3, 3)),
    lambda x: F.softmax(x.masked_fill(torch.ones(3, 4).triu(1).bool(), float("-inf")), -1),
    lambda x: F.interpolate(x, scale_factor=2) + F.pad(x, (1, 1), value=2).mean(),
    lambda x: F.cosine_similarity(x, x * 2 + 1, 2),
    lambda x: (x[0, :3, :3].diagonal(), torch.outer(x[0, 0], x[1, 1])),
    written,
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(FUNCTIONS)))
def test_functions(case: int) -> None:
    function = FUNCTIONS[case]
    agrees(torch.onnx.export(function, (x(2, 3, 4),)), function, (x(2, 3, 4),))


class GPT(nn.Module):
    """Attention written by hand, with a mask in a buffer, as nanoGPT and minGPT have it."""

    def __init__(self, by_hand: bool) -> None:
        super().__init__()
        self.by_hand = by_hand
        self.tokens, self.places = nn.Embedding(11, 8), nn.Embedding(16, 8)
        self.norm, self.qkv, self.out = nn.LayerNorm(8), nn.Linear(8, 24), nn.Linear(8, 11, bias=False)
        self.register_buffer("mask", torch.tril(torch.ones(16, 16)).view(1, 1, 16, 16))

    def forward(self, tokens: Any) -> Any:
        batch, length = tokens.shape
        x = self.tokens(tokens) + self.places(torch.arange(length))
        q, k, v = (
            part.view(batch, length, 2, 4).transpose(1, 2) for part in self.qkv(self.norm(x)).split(8, dim=2)
        )
        if self.by_hand:
            scores = q @ k.transpose(-2, -1) * 0.5
            scores = scores.masked_fill(self.mask[:, :, :length, :length] == 0, float("-inf"))
            seen = F.softmax(scores, dim=-1) @ v
        else:
            seen = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(F.gelu(x + seen.transpose(1, 2).reshape(batch, length, 8)))


@pytest.mark.parametrize("by_hand", [False, True])
@pytest.mark.parametrize("opset", OPSETS)
def test_gpt_with_dynamic_batch_and_length(by_hand: bool, opset: int) -> None:
    model = GPT(by_hand)
    tokens = torch.randint(11, (2, 8))
    axes = {"tokens": {0: "batch", 1: "length"}, "scores": {0: "batch", 1: "length"}}
    program = torch.onnx.export(
        model,
        (tokens,),
        input_names=["tokens"],
        output_names=["scores"],
        dynamic_axes=axes,
        opset_version=opset,
    )
    for shape in ((2, 8), (1, 1), (3, 16), (5, 7)):
        agrees(program, model, (torch.randint(11, shape),))
    graph = program.model_proto.graph
    assert [d.dim_param or d.dim_value for d in graph.output[0].type.tensor_type.shape.dim] == [
        "batch",
        "length",
        11,
    ]
    assert [d.dim_param for d in graph.input[0].type.tensor_type.shape.dim] == ["batch", "length"]


def flattened() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(18, 2))


def transformer() -> nn.Module:
    return nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)


DYNAMIC: list[tuple[Callable[[], nn.Module], tuple[int, ...], dict[int, str], list[tuple[int, ...]]]] = [
    (lambda: nn.Linear(3, 2), (2, 4, 3), {0: "n", 1: "m"}, [(1, 1, 3), (5, 2, 3)]),
    (flattened, (1, 1, 5, 5), {0: "n"}, [(7, 1, 5, 5)]),
    (Residual, (1, 3, 8, 8), {0: "n", 2: "h", 3: "w"}, [(2, 3, 6, 10), (1, 3, 16, 4)]),
    (lambda: nn.LSTM(3, 4, 2), (5, 2, 3), {0: "t", 1: "n"}, [(1, 1, 3), (9, 4, 3)]),
    (lambda: nn.GRU(3, 4, bidirectional=True, batch_first=True), (2, 5, 3), {0: "n"}, [(1, 5, 3), (6, 5, 3)]),
    (transformer, (2, 6, 8), {0: "n", 1: "t"}, [(1, 3, 8), (4, 9, 8)]),
    (lambda: nn.Upsample(scale_factor=2), (1, 1, 4, 4), {2: "h"}, [(1, 1, 7, 4)]),
    (lambda: nn.GroupNorm(2, 4), (2, 4, 6), {0: "n", 2: "l"}, [(1, 4, 3)]),
    (lambda: nn.AdaptiveAvgPool2d(1), (2, 3, 6, 6), {2: "h", 3: "w"}, [(2, 3, 5, 9)]),
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(DYNAMIC)))
def test_dynamic_sizes(case: int) -> None:
    make, shape, axes, others = DYNAMIC[case]
    model = make()
    program = torch.onnx.export(model, (x(*shape),), input_names=["x"], dynamic_axes={"x": axes})
    for other in [shape, *others]:
        agrees(program, model, (x(*other),))


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("case", [3, 11, 16, 17, 51, 56, 57, 59])
def test_older_and_newer_operators(case: int, opset: int) -> None:
    make, shape = MODULES[case]
    model = make()
    program = torch.onnx.export(model, (x(*shape),), opset_version=opset)
    assert program.model_proto.opset_import[0].version == opset
    agrees(program, model, (x(*shape),))


def from_example(name: str) -> Any:
    """The names of an example, whose `import torch` is ours."""
    text = (PROJECT / f"examples/{name}.py").read_text()
    for theirs, ours in (("import torch\n", "import cotangent as torch\n"), ("from torch", "from cotangent")):
        text = text.replace(theirs, ours)
    module = ModuleType(name)
    exec(compile(text, f"{name}.py", "exec"), module.__dict__)
    return module


def test_networks_of_the_examples() -> None:
    gpt = from_example("char_gpt").CharGPT(block=8, layers=2, heads=2, width=16)
    characters = torch.randint(90, (2, 8))
    axes = {"characters": {0: "n", 1: "t"}}
    agrees(torch.onnx.export(gpt, (characters,), dynamic_axes=axes), gpt, (characters[:1, :5],))

    words = from_example("lstm_language_model").Model(20, 8, 2, 0.1)
    text, state = torch.randint(20, (5, 2)), (x(2, 2, 8), x(2, 2, 8))
    agrees(torch.onnx.export(words, (text, state)), words, (text, state))

    cnn = from_example("cnn_digits").network(4)
    agrees(torch.onnx.export(cnn, (x(3, 1, 8, 8),)), cnn, (x(3, 1, 8, 8),))

    club = from_example("gcn_karate")
    gcn, graph = club.GCN(4, 3, 0.1), club.normalised([(0, 1), (1, 2), (2, 3)], 4)
    agrees(torch.onnx.export(lambda f: gcn.eval()(f, graph), (x(4, 4),)), lambda f: gcn(f, graph), (x(4, 4),))

    vae = from_example("vae").VAE(4, 8)
    agrees(torch.onnx.export(vae.decoder, (x(3, 4),)), vae.decoder, (x(3, 4),))
    agrees(torch.onnx.export(vae.encoder, (x(3, 64),)), vae.encoder, (x(3, 64),))

    student = from_example("distillation").network(6)
    agrees(torch.onnx.export(student, (x(3, 64),)), student, (x(3, 64),))

    vectors = from_example("graph_embeddings").SkipGram(7, 4)
    chosen = (torch.tensor([1, 2]), torch.tensor([3, 0]), torch.tensor([[1, 2], [4, 6]]))
    agrees(torch.onnx.export(vectors, chosen), vectors, chosen)


def test_names_parameters_and_sources() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    graph = torch.onnx.export(model, (x(2, 3),)).model_proto.graph
    assert [entry.name for entry in graph.input] == ["input"]
    assert [entry.name for entry in graph.output] == ["output"]
    assert [entry.name for entry in graph.initializer] == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert [node.op_type for node in graph.node] == ["Gemm", "Relu", "Gemm"]
    assert all(node.doc_string.startswith("test_onnx_export.py:") for node in graph.node)
    np.testing.assert_array_equal(
        onnx.numpy_helper.to_array(graph.initializer[0]), model[0].weight.detach().numpy()
    )


def test_parameters_as_inputs() -> None:
    model = nn.Linear(3, 2)
    bare = torch.onnx.export(model, (x(2, 3),), export_params=False).model_proto.graph
    assert [entry.name for entry in bare.input] == ["input", "weight", "bias"]
    assert not bare.initializer
    both = torch.onnx.export(model, (x(2, 3),), keep_initializers_as_inputs=True).model_proto.graph
    assert [entry.name for entry in both.input] == ["input", "weight", "bias"]
    assert len(both.initializer) == 2


@pytest.mark.parametrize("make", [lambda: nn.LSTM(3, 4), lambda: nn.GRU(3, 4)])
def test_recurrent_weights_as_inputs(make: Callable[[], nn.Module]) -> None:
    model = make()
    run = session(torch.onnx.export(model, (x(5, 2, 3),), export_params=False))
    feed = {name: p.detach().numpy() for name, p in model.named_parameters()}
    found = run.run(None, {"input": x(5, 2, 3).numpy(), **feed})
    np.testing.assert_allclose(found[0], model(x(5, 2, 3))[0].detach().numpy(), rtol=1e-5, atol=1e-6)


def test_files_and_what_is_returned(tmp_path: Path) -> None:
    model = nn.Linear(3, 2)
    program = torch.onnx.export(model, (x(2, 3),), tmp_path / "a.onnx", verify=True)
    agrees((tmp_path / "a.onnx").read_bytes(), model, (x(2, 3),))
    program.save(str(tmp_path / "b.onnx"))
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()
    file = io.BytesIO()
    assert torch.onnx.export(model, x(2, 3), file, dynamo=False) is None
    agrees(file.getvalue(), model, (x(2, 3),))
    (result,) = program(x(2, 3))
    assert torch.allclose(result, model(x(2, 3)))


def test_several_inputs_and_outputs() -> None:
    class Model(nn.Module):
        def forward(self, first: Any, pair: Any, scale: float = 2.0, *, last: Any = None) -> Any:
            return {"sum": first + pair[0] * scale, "rest": [pair[1] - last]}

    model = Model()
    args = (x(2, 3), (x(2, 3), x(3)))
    program = torch.onnx.export(model, args, kwargs={"last": x(3)})
    graph = program.model_proto.graph
    assert [entry.name for entry in graph.input] == ["first", "pair_0", "pair_1", "last"]
    assert [entry.name for entry in graph.output] == ["output_0", "output_1"]
    found = program(*args, last=x(3))
    expected = model(*args, last=x(3))
    assert torch.equal(found[0], expected["sum"]) and torch.equal(found[1], expected["rest"][0])


def test_dynamic_shapes() -> None:
    model = nn.Linear(3, 2)
    program = torch.onnx.export(model, (x(2, 3),), dynamic_shapes={"input": {0: "batch"}})
    agrees(program, model, (x(5, 3),))
    assert program.model_proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"


def test_the_module_stays_as_it_was() -> None:
    model = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5))
    before = {k: v.clone() for k, v in model.state_dict().items()}
    torch.manual_seed(3)
    torch.onnx.export(model, (x(4, 3),))
    assert model.training and model[1].training
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    assert model(x(4, 3)).requires_grad


def fft_filter(x: Any) -> Any:
    return torch.fft.fft(x).abs()  # this line is named


def test_an_operator_without_translation_is_named_with_its_line() -> None:
    line = fft_filter.__code__.co_firstlineno + 1
    with pytest.raises(torch.onnx.errors.UnsupportedOperatorError) as caught:
        torch.onnx.export(fft_filter, (x(4),))
    text = str(caught.value)
    assert "fft" in text
    assert f"test_onnx_export.py:{line}" in text
    assert "this line is named" in text


def test_random_numbers_are_refused_with_their_line() -> None:
    state = torch.get_rng_state()
    with pytest.raises(torch.onnx.OnnxExporterError, match=r"test_onnx_export.py:\d+ draws random numbers"):
        torch.onnx.export(lambda x: x + torch.randn_like(x), (torch.ones(2),))
    with pytest.raises(torch.onnx.OnnxExporterError, match="draws random numbers"):
        torch.onnx.export(nn.Dropout(), (torch.ones(2),), training=torch.onnx.TrainingMode.TRAINING)
    assert torch.equal(state, torch.get_rng_state())


def test_decisions_by_numbers_are_refused_with_their_line() -> None:
    with pytest.raises(RuntimeError, match=r"must not depend on the numbers.*test_onnx_export.py"):
        torch.onnx.export(lambda x: x if x.sum() > 0 else -x, (torch.ones(2),))


def test_another_program_at_other_sizes_is_refused() -> None:
    def model(x: Any) -> Any:
        return x * 2 if len(x) == 4 else x + 1

    with pytest.raises(torch.onnx.OnnxExporterError, match="'n' cannot be dynamic"):
        torch.onnx.export(model, (torch.ones(4),), dynamic_shapes={"x": {0: "n"}})


def test_numbers_made_for_one_size_are_refused() -> None:
    with pytest.raises(torch.onnx.OnnxExporterError, match="made for one dynamic size"):
        torch.onnx.export(
            lambda x: x * torch.arange(len(x)) ** 2, (torch.ones(4),), dynamic_shapes={"x": {0: "n"}}
        )


def test_bad_arguments() -> None:
    with pytest.raises(torch.onnx.OnnxExporterError, match="opset_version must be between 13 and"):
        torch.onnx.export(nn.ReLU(), (x(2),), opset_version=9)
    with pytest.raises(torch.onnx.OnnxExporterError, match=r"number of input names provided \(2\) exceeded"):
        torch.onnx.export(nn.ReLU(), (x(2),), input_names=["a", "b"])
    with pytest.raises(torch.onnx.OnnxExporterError, match=r"number of output names provided \(2\) exceeded"):
        torch.onnx.export(nn.ReLU(), (x(2),), output_names=["a", "b"])


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["cotangent.onnx.export"], "find_spec", lambda name: None)
    with pytest.raises(torch.onnx.OnnxExporterError, match="Module onnx is not installed!"):
        torch.onnx.export(nn.ReLU(), (x(2),))


def test_is_in_onnx_export() -> None:
    seen = []
    assert torch.onnx.is_in_onnx_export() is False

    def model(x: Any) -> Any:
        seen.append(torch.onnx.is_in_onnx_export())
        return x + 1

    with warnings.catch_warnings():
        torch.onnx.export(model, (x(2),))
    assert seen == [True]
    assert torch.onnx.is_in_onnx_export() is False
