"""Layers at the edges of what they take (nothing in them, other dtypes, bad sizes): the same on both."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch

import cotangent


def numbers(value: Any) -> Any:
    """What can be compared: tensors as dtype, shape and numbers, anywhere in a result."""
    if isinstance(value, (torch.Tensor, cotangent.Tensor)):
        plain = value.detach()
        return str(value.dtype), tuple(value.shape), plain.reshape(-1).double().nan_to_num(-99.0).tolist()
    return type(value)(map(numbers, value)) if isinstance(value, (list, tuple)) else value


def tried(*calls: Callable[[], Any]) -> list[Any]:
    """Results, or exceptions with their texts, of several calls."""
    found: list[Any] = []
    for call in calls:
        try:
            found.append(call())
        except Exception as error:
            found.append((type(error).__name__, str(error).partition("\n")[0]))
    return found


def leaf(t: Any, *values: float) -> Any:
    return t.tensor(values, requires_grad=True)


def cells(t: Any) -> list[Any]:
    x, h = t.ones(3, 10), t.zeros(3, 0)
    return [t.nn.RNNCell(10, 0)(x, h), t.nn.GRUCell(10, 0)(x, h), *t.nn.LSTMCell(10, 0)(x, (h, h))]


def bad_cells(t: Any) -> list[Any]:
    x, h, ok = t.ones(3, 4), t.ones(3, 2), t.ones(8, 4)
    b = t.ones(8)
    return tried(
        lambda: t.lstm_cell(x, (h, h), t.ones(7, 4), t.ones(8, 2), b, b),
        lambda: t.lstm_cell(x, (h, h), ok, t.ones(7, 2), b, b),
        lambda: t.lstm_cell(x, (h, h), ok, t.ones(8, 2), t.ones(7), b),
        lambda: t.gru_cell(x, h, t.ones(7, 4), t.ones(6, 2), t.ones(6), t.ones(6)),
        lambda: t.rnn_tanh_cell(x, h, t.ones(3, 4), t.ones(2, 2), t.ones(2), t.ones(2)),
        lambda: t.gru_cell(x, h, t.ones(6, 4), t.ones(6, 2), t.ones(6), t.ones(6)),
    )


def placed(t: Any) -> list[Any]:
    with t.device("cpu") as where:
        made = t.ones(2)
    return [str(where), str(made.device), type(where).__name__]


def padded(t: Any, mode: str) -> Any:
    x = t.zeros(1, 3, 4, 4)
    t.nn.functional.pad(x, (0, 0, 0, 0), mode=mode).fill_(4)
    return x.sum()


def statistics(t: Any, d: str, kind: str) -> Any:
    layer = getattr(t.nn, kind)(3, dtype=t.float32, **({"affine": True} if "Inst" in kind else {}))
    x = t.arange(24.0).sin().reshape(2, 3, 2, 2).to(getattr(t, d))
    return tried(lambda: layer(x), lambda: layer.eval()(x))


def lazy(t: Any) -> list[Any]:
    found = []
    for make in (lambda: t.nn.LazyLinear(2), lambda: t.nn.LazyConv2d(3, 1), lambda: t.nn.LazyBatchNorm2d()):
        layer = make().to("cpu").double().to(t.device("cpu"), t.float64)
        made = layer(t.ones(2, 3, 4, 4, dtype=t.float64))
        found.append([made.shape == layer.cpu().float()(t.ones(2, 3, 4, 4)).shape, str(made.dtype)])
    return found


def no_channels(t: Any, d: int) -> list[Any]:
    layer = getattr(t.nn, f"Conv{d}d")(0, 4, 2, stride=2)
    layer.bias.data.fill_(1.0)
    x = t.ones(2, 0, *(5, 6, 7)[:d], requires_grad=True)
    y = layer(x)
    y.sum().backward()
    return [y, layer.weight.grad, layer.bias.grad, x.grad, type(y.grad_fn).__name__]


def refused_backwards(t: Any, name: str, *numbers: float, **options: Any) -> Any:
    """In place, a negative slope hides the sign of the input: the derivative is refused."""
    x = leaf(t, -1.0, 1.0)
    y = getattr(t.nn.functional, name)(x.clone(), *numbers, **options)
    return [y, *tried(lambda: y.sum().backward())]


def with_tangents(t: Any, norm: Callable[..., Any]) -> list[Any]:
    """Running statistics that carry a tangent, with and without an input that does."""
    ahead = t.autograd.forward_ad

    def at(places: tuple[int, ...]) -> Any:
        with ahead.dual_level():
            given = [t.ones(4, 2, 3), t.zeros(2), t.ones(2)]
            for k in places:
                given[k] = ahead.make_dual(given[k], t.ones_like(given[k]))
            return tuple(norm(*given).shape)

    warnings.simplefilter("ignore")  # of TorchScript, which PyTorch's forward mode loads
    return [str(tried(partial(at, places))) for places in ((0,), (1,), (0, 1), (0, 2), (1, 2))]


def batches_counted_nowhere(t: Any) -> list[Any]:
    found = []
    for assign in (False, True):
        with t.device("meta"):
            layer = t.nn.BatchNorm2d(3)
        layer.load_state_dict({}, strict=False, assign=assign)
        found.append(str(layer.num_batches_tracked))
    return found


def converted(t: Any, overwrite: bool, swap: bool) -> list[Any]:
    """What stays the same object where a module is converted or loaded."""
    future = t.__future__
    future.set_overwrite_module_params_on_conversion(overwrite)
    future.set_swap_module_params_on_conversion(swap)
    try:
        layer = t.nn.Linear(2, 1)
        layer.weight.grad = t.ones(1, 2)
        weight, grad = layer.weight, layer.weight.grad
        layer.double()
        state = {"weight": t.full((1, 2), 3.0, dtype=t.float64), "bias": t.zeros(1, dtype=t.float64)}
        found = [layer.weight is weight, layer.weight.grad is grad, str(layer.weight.dtype), str(grad.dtype)]
        held = layer.weight
        layer.load_state_dict(state)
        found += [layer.weight is held, layer.weight.tolist(), layer.weight.requires_grad]
        layer.load_state_dict(state, assign=True)
        return [*found, layer.weight is held, type(layer.weight).__name__, layer.weight.requires_grad]
    finally:
        future.set_overwrite_module_params_on_conversion(False)
        future.set_swap_module_params_on_conversion(False)


def made_sparse(t: Any) -> list[Any]:
    layer = t.nn.Linear(2, 1)
    layer.weight.grad = t.ones(1, 2)
    weight, grad = layer.weight, layer.weight.grad
    layer._apply(lambda x: x.to_sparse())
    kinds = [str(x.layout) for x in (weight, grad, layer.weight, layer.weight.grad, layer.bias)]
    return [*kinds, layer.weight is weight, type(layer.weight).__name__, layer.weight.requires_grad]


def skipped(t: Any) -> list[Any]:
    t.manual_seed(1)
    layer = t.nn.utils.skip_init(t.nn.Linear, 50, 2)
    drawn = t.rand(1)
    t.manual_seed(1)
    usual = t.nn.Linear(50, 2)
    return [tuple(layer.weight.shape), str(layer.weight.device), drawn, t.equal(layer.weight, usual.weight)]


def far_places(t: Any) -> list[Any]:
    """A volume sampled at a place that is infinitely far."""
    found = []
    for dtype in (t.float16, t.float32, t.float64):
        volume = t.arange(27.0).reshape(1, 1, 3, 3, 3).to(dtype)
        grid = t.nn.functional.affine_grid(t.eye(3, 4)[None], (1, 1, 3, 3, 3), align_corners=False).to(dtype)
        grid[:, 1, 1, 1, 0] = float("inf")
        found.append(t.nn.functional.grid_sample(volume, grid, align_corners=False)[0, 0, 1].reshape(-1))
    return found


CALLS: dict[str, Callable[[Any], Any]] = {
    "cells without units": cells,
    "cells, bad weights": bad_cells,
    "a device as a context": placed,
    "cross entropy of no classes": lambda t: t.nn.CrossEntropyLoss()(t.ones(5, 0), t.ones(5, 0)),
    "cross entropy of no classes, sum": lambda t: t.nn.CrossEntropyLoss(reduction="sum")(
        t.ones(5, 0), t.ones(5, 0)
    ),
    "batch norm of nothing": lambda t: t.batch_norm_update_stats(t.ones(0, 1), t.ones(1), t.ones(1), 0.1),
    "similarity with a negative eps": lambda t: t.nn.functional.cosine_similarity(
        t.ones(2), t.ones(2), dim=0, eps=-1.0
    ),
    "similarity of two dtypes": lambda t: t.nn.functional.cosine_similarity(
        t.ones(2, 3), t.ones(2, 3, dtype=t.float64), dim=1
    ),
    "fold": lambda t: tried(
        lambda: t.nn.Fold(output_size=(4, 5), kernel_size=(2, 3))(t.ones(1, 5, 9)),
        lambda: t.nn.Fold(output_size=(4, 5), kernel_size=(2, 3))(t.ones(1, 6, 5)),
        lambda: t.nn.Fold(output_size=(1, 1), kernel_size=(3, 4))(t.ones(1, 12, 12)),
        lambda: t.nn.Fold(output_size=(4, 5), kernel_size=(2, 3), stride=(0, 1))(t.ones(1, 6, 5)),
        lambda: t.nn.Fold(output_size=(4, 5), kernel_size=(2, 2), dilation=8)(t.ones(1, 12, 12)),
        lambda: t.nn.Fold(output_size=(4, 5), kernel_size=(2, 3))(t.ones(1, 1, 6, 5)),
    ),
    "unfold": lambda t: tried(
        lambda: t.nn.Unfold(kernel_size=(2, 3))(t.ones(1, 2, 2, 2)),
        lambda: t.nn.Unfold(kernel_size=(5, 3), padding=(1, 1))(t.ones(1, 2, 2, 2)),
        lambda: t.nn.Unfold(kernel_size=(1, 3), padding=(1, 1), dilation=(1, 2))(t.ones(1, 2, 2, 2)),
        lambda: t.nn.Unfold(kernel_size=(2, 2))(t.ones(2, 2)),
    ),
    "grid_sample without channels": lambda t: t.nn.functional.grid_sample(
        t.ones(2, 0, 3, 3, 3), t.ones(2, 2, 2, 2, 3), align_corners=False
    ),
    "grid_sample of no places": lambda t: t.nn.functional.grid_sample(
        t.ones(2, 1, 3, 3), t.ones(2, 0, 2, 2), align_corners=False
    ),
    "interpolate to a float": lambda t: tried(
        lambda: t.nn.functional.interpolate(t.ones(1, 1, 2, 2), size=3.0),
        lambda: t.nn.functional.interpolate(t.ones(1, 1, 2, 2), size=(3, 2.5)),
        lambda: t.nn.functional.interpolate(t.ones(1, 1, 2, 2), size=t.tensor(3.0)),
        lambda: t.nn.functional.interpolate(t.ones(1, 1, 2, 2), size=t.tensor(3)),
        lambda: t.nn.functional.interpolate(t.ones(1, 1, 2, 2), size=(t.tensor(3), t.tensor(4))),
    ),
    "interpolate to tensors of floats": lambda t: tried(
        lambda: t.nn.functional.interpolate(t.ones(1, 1, 2, 2), size=(t.tensor(3.0), t.tensor(4))),
    )[0][0],
    "to": lambda t: tried(
        lambda: t.nn.Linear(1, 1).to("cpu", True),
        lambda: t.nn.Linear(1, 1).to("cpu", copy=True),
        lambda: t.nn.Linear(1, 1).to(t.device("cpu"), True),
        lambda: t.nn.Linear(1, 1).to(t.long),
        lambda: t.nn.Linear(1, 1).to([]),
        lambda: t.nn.Linear(1, 1).to({}, non_blocking=True),
        lambda: t.nn.Linear(1, 1).to(t.tensor(3), non_blocking=True),
        lambda: t.nn.Linear(1, 1).to("cpu", t.tensor(3), non_blocking=True),
        lambda: str(t.nn.Linear(1, 1).to("cpu", t.float64, True).weight.dtype),
        lambda: str(t.nn.Linear(1, 1).to(t.tensor(3.0, dtype=t.float64), True).weight.dtype),
    ),
    "empty convolutions": lambda t: tried(
        lambda: t.nn.functional.conv2d(t.ones(1, 1, 1, 0), t.ones(2, 1, 1, 1)),
        lambda: t.nn.Conv2d(1, 0, 1)(t.ones(1, 1, 1, 1)),
        lambda: t.nn.Conv1d(1, 1, 1)(t.ones(1, 1, 0)),
        lambda: t.nn.functional.conv2d(t.ones(0, 2, 3, 3), t.ones(2, 2, 1, 1)),
    ),
    **{
        f"convolution of no channels, {d}d": lambda t, d=d: no_channels(t, d) for d in (1, 2, 3)
    },
    "derivatives of convolutions by another name": lambda t: [
        t.nn.functional.grad is t.nn.grad,
        t.nn.functional.grad.conv1d_input((1, 1, 3), t.ones(1, 1, 2), t.ones(1, 1, 2)),
    ],
    "an optimizer whose state has the size of a parameter without one": lambda t: tried(
        lambda: t.optim.Adagrad(t.nn.LazyLinear(3).parameters())
    )[0][0],
    "elu_ with a negative alpha": lambda t: refused_backwards(t, "elu_", -2.0),
    "leaky_relu_ with a negative slope": lambda t: refused_backwards(t, "leaky_relu_", -2.0),
    "celu_ with a negative alpha": lambda t: refused_backwards(t, "celu_", -2.0),
    "rrelu_ with negative slopes": lambda t: refused_backwards(t, "rrelu_", -3.0, -2.0),
    "leaky_relu_ with a slope": lambda t: refused_backwards(t, "leaky_relu_", 0.5),
    "batch norm with tangents": lambda t: with_tangents(t, t.nn.functional.batch_norm),
    "instance norm with tangents": lambda t: with_tangents(t, t.nn.functional.instance_norm),
    "batches counted nowhere": batches_counted_nowhere,
    **{f"converted, {flags}": lambda t, flags=flags: converted(t, *flags)
       for flags in ((False, False), (True, False), (False, True))},
    "made sparse": made_sparse,
    "skip_init": skipped,
    "places far away": far_places,
    "interpolate to what is too large": lambda t: tried(
        *(lambda f=f, m=m: t.nn.functional.interpolate(t.ones(1, 1, 16, 16), scale_factor=f, mode=m)
          for f in (-1e20, 1e20, 1e10, float("nan"), float("inf")) for m in ("nearest", "bilinear")),
        lambda: t.nn.functional.interpolate(t.ones(1, 1, 16, 16), scale_factor=1e10, mode="area"),
    ),
    "fold of windows too large": lambda t: tried(
        lambda: t.nn.functional.fold(t.ones(1, 3, 3), (3, 3), (7318349394477056, 7318349394477056)),
    ),
    "pads by their operators": lambda t: tried(
        lambda: t.ops.aten.reflection_pad1d(t.arange(6.0).reshape(1, 6), (2, 1)),
        lambda: t.ops.aten.reflection_pad1d(t.ones(3, 3, 10, 10), (2, 2)),
        lambda: t.ops.aten.replication_pad2d(t.arange(6.0).reshape(1, 2, 3), (2, 1, 0, 1)),
        lambda: t.ops.aten.replication_pad3d(t.ones(3, 3), (2, 1, 0, 1, 1, 1)),
    ),
    **{
        f"{kind}'s statistics, {d} beside {own}": lambda t, d=d, own=own, kind=kind: str(tried(
            lambda: str(getattr(t.nn, kind)(3, affine=False, track_running_stats=True, dtype=getattr(t, own))(
                t.ones(2, 3, 2, 2, dtype=getattr(t, d))).dtype)
        ))
        for kind in ("BatchNorm2d", "InstanceNorm2d")
        for d in ("float64", "float32", "float16")
        for own in ("float32", "float16", "float64")
    },
    "batch norm of nothing in another dtype": lambda t: t.nn.BatchNorm2d(3)(
        t.ones(0, 3, 2, 2, dtype=t.float64)
    ),
    "kinds of attention by an older name": lambda t: [
        t.backends.cuda.SDPBackend is t.nn.attention.SDPBackend, t.backends.cuda.SDPBackend.MATH.name
    ],
    "windows that stand nowhere": lambda t: tried(
        lambda: t.nn.functional.max_pool1d_with_indices(t.ones(1, 1, 4), 3, stride=2, dilation=2),
        lambda: t.nn.functional.max_pool1d(t.ones(1, 1, 4), 3, stride=2, dilation=2),
        lambda: t.nn.functional.max_pool1d_with_indices(t.ones(1, 1, 4), 3, return_indices=False),
    ),
    "ctc of nothing": lambda t: t.nn.functional.ctc_loss(
        t.ones(0, 0, 4), t.tensor([], dtype=t.long), t.tensor([], dtype=t.long), t.tensor([], dtype=t.long)
    ),
    "elu_ with a positive alpha": lambda t: t.nn.functional.elu_(leaf(t, -1.0, 1.0).clone(), 2.0),
    "one class, three targets": lambda t: t.nn.functional.nll_loss(t.ones(10), t.tensor([0, 1, 2])),
    **{
        f"pad of nothing, {mode}": lambda t, mode=mode: padded(t, mode)
        for mode in ("constant", "reflect", "replicate", "circular")
    },
    "rrelu bounds": lambda t: tried(
        lambda: t.nn.functional.rrelu(t.ones(2), lower=float("inf"), upper=1.0),
        lambda: t.nn.functional.rrelu(t.ones(2), lower=0.1, upper=float("inf")),
        lambda: t.nn.functional.rrelu(t.ones(2), lower=float("nan"), upper=0.3),
        lambda: t.nn.functional.rrelu(t.ones(2), lower=0.3, upper=0.1),
    ),
    "softshrink's lambda": lambda t: tried(
        lambda: t.nn.functional.softshrink(t.ones(2), -1.0),
        lambda: t.nn.functional.softshrink(t.ones(2, dtype=t.float16), 1e6),
        lambda: t.nn.functional.softshrink(t.ones(2), 1e39),
        lambda: t.nn.functional.softshrink(t.ones(2, dtype=t.float64), 1e39),
    ),
    "replication of nothing": lambda t: tried(
        lambda: t.nn.ReplicationPad1d(3)(t.ones(0, 3, 10)),
        lambda: t.nn.ReplicationPad1d(3)(t.ones(3, 0, 10)),
        lambda: t.nn.ReplicationPad2d(2)(t.ones(43, 0, 10, 10)),
        lambda: t.nn.ReplicationPad3d(2)(t.ones(3, 0, 10, 10, 10)),
        lambda: t.nn.ReflectionPad1d(2)(t.ones(0, 3, 10)),
        lambda: t.nn.ReflectionPad2d(2)(t.ones(3, 0, 10, 10)),
        lambda: t.nn.ReflectionPad1d(2)(t.ones(3, 3, 10, 10)),
    ),
    "pixel_shuffle by too much": lambda t: tried(
        lambda: t.nn.functional.pixel_shuffle(t.ones(1, 16, 2, 2), 545460846592),
        lambda: t.nn.functional.pixel_shuffle(t.ones(1, 16, 2, 2), 0),
        lambda: t.nn.functional.pixel_unshuffle(t.ones(1, 16, 2, 2), 0),
        lambda: t.nn.functional.pixel_shuffle(t.ones(1, 15, 2, 2), 2),
    ),
    "dimensions of instance norms": lambda t: [
        getattr(t.nn, f"InstanceNorm{d}d")(2)._get_no_batch_dim() for d in (1, 2, 3)
    ],
    "wrong channels": lambda t: tried(
        lambda: t.nn.InstanceNorm1d(4)(t.ones(2, 3, 5)), lambda: t.nn.InstanceNorm2d(4)(t.ones(3, 2, 2))
    ),
    **{
        f"{kind} of {d} with float32 weights": lambda t, d=d, kind=kind: statistics(t, d, kind)
        for kind in ("BatchNorm2d", "InstanceNorm2d")
        for d in ("float64", "bfloat16", "float16")
    },
    "batch norm's eps": lambda t: tried(
        lambda: t.nn.BatchNorm1d(3, eps=-1.0)(t.ones(2, 3)),
        lambda: t.nn.BatchNorm1d(3, eps=0.0)(t.ones(2, 3)),
        lambda: t.nn.BatchNorm1d(3, eps=-1.0).eval()(t.ones(2, 3)),
        lambda: t.nn.BatchNorm1d(3, eps=0.0).eval()(t.ones(2, 3)),
        lambda: t.nn.BatchNorm1d(3, eps=0.0)(t.ones(1, 3)),
    ),
    "lazy layers that are moved": lazy,
    "pieces of softmax": lambda t: [
        t._softmax_backward_data(t.eye(2), t.tensor([[0.3, 0.7], [0.5, 0.5]]), 1, t.float32),
        t._log_softmax_backward_data(t.eye(2), t.tensor([[-0.3, -0.7], [-0.5, -0.5]]), -1, t.float32),
        t._softmax(t.eye(2), 0, False),
        t._log_softmax(t.eye(2), 1, False),
    ],
    "recurrent functions": lambda t: t._VF.gru_cell(
        t.ones(1, 2), t.ones(1, 1), t.ones(3, 2), t.ones(3, 1), t.ones(3), t.ones(3)
    ),
}


def outcome(call: Callable[[Any], Any], t: Any) -> Any:
    t.manual_seed(0)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            result = numbers(call(t))
        except Exception as error:
            result = type(error).__name__, str(error)
    return result, [str(each.message) for each in told]


def close(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, (list, tuple)) and isinstance(theirs, (list, tuple)):
        return len(ours) == len(theirs) and all(map(close, ours, theirs))
    if isinstance(ours, float) and isinstance(theirs, float):
        return ours == pytest.approx(theirs, rel=1e-5, abs=1e-6)
    return bool(ours == theirs)


@pytest.mark.parametrize("name", CALLS)
def test_calls_do_the_same(name: str) -> None:
    ours, theirs = (outcome(CALLS[name], t) for t in (cotangent, torch))
    assert close(ours, theirs), f"\n{ours}\n{theirs}"


LAZY: dict[str, Callable[[Any], Any]] = {
    "inside": lambda t: t.nn.Sequential(t.nn.LazyBatchNorm1d()),
    "buffers": lambda t: t.nn.LazyBatchNorm1d(affine=False),
    "linear": lambda t: t.nn.LazyLinear(2),
}


@pytest.mark.parametrize("name", LAZY)
@pytest.mark.filterwarnings("ignore")
def test_layers_without_sizes_are_not_scripted(name: str) -> None:
    ours, theirs = (tried(lambda t=t: t.jit.script(LAZY[name](t))) for t in (cotangent, torch))
    assert ours == theirs
    assert ours[0][0] == "RuntimeError"
