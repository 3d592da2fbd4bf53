"""Programs about modules for images and their functions: forms, first values, running statistics, errors."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

from told import Say, collector

PROGRAMS, program = collector()


@program
def forms_and_first_values(torch: Any, say: Say) -> None:
    nn = torch.nn
    for make in (
        lambda: nn.Conv1d(2, 4, 3),
        lambda: nn.Conv1d(2, 4, 4, padding="same", bias=False),
        lambda: nn.Conv2d(4, 6, (2, 3), 2, 1, (1, 2), 2, padding_mode="reflect"),
        lambda: nn.Conv3d(1, 2, 2, padding=(0, 1, 0)),
        lambda: nn.ConvTranspose1d(2, 4, 3, 2, 1, 1),
        lambda: nn.ConvTranspose2d(4, 6, 3, 2, output_padding=1, groups=2),
        lambda: nn.ConvTranspose3d(1, 2, 2, dilation=2, bias=False),
        lambda: nn.BatchNorm1d(3),
        lambda: nn.BatchNorm2d(2, momentum=None, affine=False),
        lambda: nn.BatchNorm3d(2, track_running_stats=False, bias=False),
        lambda: nn.SyncBatchNorm(2),
        lambda: nn.InstanceNorm1d(2),
        lambda: nn.InstanceNorm2d(2, affine=True, track_running_stats=True),
        lambda: nn.GroupNorm(2, 4),
        lambda: nn.GroupNorm(2, 4, affine=False),
        lambda: nn.LocalResponseNorm(3),
        lambda: nn.CrossMapLRN2d(3),
        lambda: nn.Upsample(scale_factor=(2, 3), mode="bilinear"),
        lambda: nn.UpsamplingNearest2d(5),
        lambda: nn.Fold((3, 4), 2),
        lambda: nn.Unfold((2, 1), stride=2),
        lambda: nn.PixelShuffle(2),
        lambda: nn.ZeroPad2d((1, 2, 0, 1)),
        lambda: nn.ConstantPad1d(2, 0.5),
        lambda: nn.CircularPad3d(1),
        lambda: nn.MaxPool2d((2, 1), ceil_mode=True),
        lambda: nn.MaxUnpool2d(2),
        lambda: nn.AvgPool1d(2),
        lambda: nn.AvgPool3d(2, divisor_override=3),
        lambda: nn.LPPool2d(2, 3),
        lambda: nn.FractionalMaxPool2d(2, output_ratio=0.5),
        lambda: nn.AdaptiveAvgPool2d((None, 2)),
        lambda: nn.AdaptiveMaxPool1d(2, True),
        lambda: nn.ChannelShuffle(2),
    ):
        torch.manual_seed(7)
        module = make()
        say(module, list(module.state_dict()), module.state_dict()._metadata[""])
        say.numbers(*module.parameters(), *[b for b in module.buffers() if b is not None])


@program
def running_statistics(torch: Any, say: Say) -> None:
    torch.manual_seed(1)
    x = torch.randn(4, 2, 3) * 2 + 1
    for momentum in (0.1, None, 1.0):
        norm = torch.nn.BatchNorm1d(2, momentum=momentum)
        for k in range(3):
            norm(x + k)
        say.numbers(norm.running_mean, norm.running_var, norm.num_batches_tracked, norm.eval()(x))
        norm.reset_running_stats()
        say.numbers(norm.running_mean, norm.running_var, norm.num_batches_tracked)
    instance = torch.nn.InstanceNorm1d(2, affine=True, track_running_stats=True)
    instance(x)
    say.numbers(instance.running_mean, instance.running_var, instance.eval()(x), instance(x[0]))
    plain = torch.nn.BatchNorm1d(2, track_running_stats=False).eval()
    say.numbers(plain(x))
    fixed = torch.nn.BatchNorm1d(2).requires_grad_(False).eval()
    say(fixed(x).requires_grad, type(torch.nn.BatchNorm1d(2)(x).grad_fn).__name__)


@program
def files_of_early_versions(torch: Any, say: Say) -> None:
    norm = torch.nn.BatchNorm1d(2)
    state = norm.state_dict()
    del state["num_batches_tracked"]
    say.failure(lambda: norm.load_state_dict(dict(state)))
    state._metadata[""]["version"] = 1
    say(norm.load_state_dict(state))
    old = torch.nn.InstanceNorm1d(2, track_running_stats=True).state_dict()
    old._metadata.clear()
    say.failure(lambda: torch.nn.InstanceNorm1d(2).load_state_dict(old))


@program
def lazy_modules(torch: Any, say: Say) -> None:
    nn = torch.nn
    for make, shape in (
        (lambda: nn.LazyLinear(3), (2, 5)),
        (lambda: nn.LazyConv1d(4, 3), (2, 2, 5)),
        (lambda: nn.LazyConv2d(4, 3, padding=1, bias=False), (2, 5, 5)),
        (lambda: nn.LazyConv3d(4, 2, groups=2), (1, 2, 3, 3, 3)),
        (lambda: nn.LazyConvTranspose1d(4, 3), (2, 2, 5)),
        (lambda: nn.LazyConvTranspose2d(4, 3, 2), (2, 2, 5, 5)),
        (lambda: nn.LazyConvTranspose3d(4, 2), (1, 2, 3, 3, 3)),
        (lambda: nn.LazyBatchNorm1d(), (2, 3)),
        (lambda: nn.LazyBatchNorm2d(affine=False), (2, 3, 2, 2)),
        (lambda: nn.LazyBatchNorm3d(momentum=None), (2, 3, 1, 2, 2)),
        (lambda: nn.LazyInstanceNorm1d(), (2, 3, 4)),
        (lambda: nn.LazyInstanceNorm2d(), (2, 3, 2, 2)),
        (lambda: nn.LazyInstanceNorm3d(), (2, 3, 1, 2, 2)),
    ):
        torch.manual_seed(3)
        module = make()
        say(module, module.has_uninitialized_params(), list(module.state_dict()))
        say(module(torch.ones(shape)).shape, module, type(module).__name__)
        say.numbers(*module.parameters())


@program
def tensors_without_a_size(torch: Any, say: Say) -> None:
    nn = torch.nn
    lazy = nn.LazyLinear(3)
    say(lazy.weight, lazy.state_dict(), list(lazy.parameters()), lazy.weight.requires_grad, lazy.weight.dtype)
    say(isinstance(lazy.weight, nn.Parameter), nn.parameter.is_lazy(lazy.weight), lazy.weight.size())
    for call in (
        lambda: lazy.weight.shape,
        lambda: lazy.weight + 1,
        lambda: lazy.weight.numel(),
        lambda: lazy.weight.view(-1),
        lambda: nn.init.ones_(lazy.weight),
        lambda: lazy.requires_grad_(False),
        lambda: lazy.weight.share_memory_(),
        lambda: nn.LazyConv2d(2, 2)(torch.zeros(3)),
        lambda: nn.LazyConv2d(4, 2, groups=2)(torch.zeros(1, 3, 4, 4)),
    ):
        say.failure(call)
    eager = nn.Linear(5, 3)
    say.failure(lambda: eager.load_state_dict(lazy.state_dict()))
    say(lazy.double().weight.dtype, lazy.float().weight.dtype)
    say(copy.deepcopy(lazy), pickle.loads(pickle.dumps(lazy)).weight)
    say(lazy.load_state_dict(eager.state_dict()), type(lazy).__name__, lazy.weight.shape)
    say(lazy(torch.zeros(2, 5)).shape, type(lazy).__name__)
    buffer = nn.UninitializedBuffer()
    say(buffer, isinstance(buffer, nn.Buffer))
    buffer.materialize((2,), dtype=torch.float64)
    say(type(buffer).__name__, buffer.shape, buffer.dtype)

    class Own(nn.modules.lazy.LazyModuleMixin, nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.UninitializedParameter()

        def forward(self, x: Any) -> Any:
            return x

    say.failure(lambda: Own()(torch.zeros(1)))


@program
def modules_that_refuse(torch: Any, say: Say) -> None:
    nn = torch.nn
    x = torch.zeros(1, 2, 4, 4)
    calls: tuple[Callable[[], Any], ...] = (
        lambda: nn.Conv2d(3, 4, 2, groups=2),
        lambda: nn.Conv2d(4, 3, 2, groups=2),
        lambda: nn.Conv2d(4, 4, 2, groups=0),
        lambda: nn.Conv2d(4, 4, 2, 2, padding="same"),
        lambda: nn.ConvTranspose2d(4, 4, 2, padding_mode="reflect"),
        lambda: nn.ConvTranspose2d(2, 4, 2)(x, output_size=(9, 9)),
        lambda: nn.ConvTranspose2d(2, 4, 2)(x, output_size=(1, 2, 3)),
        lambda: nn.Conv2d(2, 4, 2)(x.double()),
        lambda: nn.Conv2d(3, 4, 2)(x),
        lambda: nn.BatchNorm1d(2)(x),
        lambda: nn.BatchNorm2d(2)(x[0]),
        lambda: nn.BatchNorm2d(3)(x),
        lambda: nn.BatchNorm1d(2)(torch.zeros(1, 2)),
        lambda: nn.SyncBatchNorm(2)(torch.zeros(2)),
        lambda: nn.InstanceNorm2d(3, affine=True)(x),
        lambda: nn.InstanceNorm1d(2)(x),
        lambda: nn.GroupNorm(3, 4),
        lambda: nn.CrossMapLRN2d(2)(x[0]),
        lambda: nn.FractionalMaxPool2d(2),
        lambda: nn.FractionalMaxPool2d(2, 2, 0.5),
        lambda: nn.FractionalMaxPool3d(2, output_ratio=1.5),
        lambda: nn.CircularPad1d(1)(x),
        lambda: nn.ReflectionPad2d(4)(x),
        lambda: nn.MaxUnpool2d(2)(x, x.long(), output_size=(20, 20)),
        lambda: nn.Upsample(scale_factor=2, mode="linear")(x),
        lambda: nn.Fold(4, 2)(x[0]),
    )
    for call in calls:
        say.failure(call)


@program
def functions_that_refuse(torch: Any, say: Say) -> None:
    f = torch.nn.functional
    x, w = torch.zeros(1, 2, 5, 5), torch.zeros(3, 2, 2, 2)
    calls: tuple[Callable[[], Any], ...] = (
        lambda: f.conv2d(x, w, stride=0),
        lambda: f.conv2d(x, w, padding=-1),
        lambda: f.conv2d(x, w, padding="much"),
        lambda: f.conv2d(x, w, torch.zeros(4)),
        lambda: f.conv2d(x, w, stride=1.5),
        lambda: f.conv2d(x, torch.zeros(3, 2, 6, 6)),
        lambda: f.conv2d(x[0, 0], w),
        lambda: f.conv_transpose2d(x, w),
        lambda: f.conv_transpose2d(x, w.transpose(0, 1), output_padding=1),
        lambda: f.max_pool2d(x, 2, padding=2),
        lambda: f.max_pool2d(x, 6),
        lambda: f.max_pool2d(x, (1, 2, 3)),
        lambda: f.max_pool1d(x, 2),
        lambda: f.avg_pool2d(x, 2, divisor_override=0),
        lambda: f.adaptive_avg_pool2d(x, (1, 2, 3)),
        lambda: f.adaptive_max_pool1d(x, 2),
        lambda: f.fractional_max_pool2d(x, 2),
        lambda: f.max_unpool2d(x, x.long() + 99, 2),
        lambda: f.batch_norm(x, None, None),
        lambda: f.batch_norm(x, torch.zeros(3), torch.ones(2)),
        lambda: f.instance_norm(x[..., :1, :1]),
        lambda: f.group_norm(x, 3),
        lambda: f.local_response_norm(x[0, 0], 2),
        lambda: f.interpolate(x),
        lambda: f.interpolate(x, 2, 2.0),
        lambda: f.interpolate(x, (2, 2, 2)),
        lambda: f.interpolate(x, 2, mode="linear"),
        lambda: f.interpolate(x, 2, align_corners=True),
        lambda: f.interpolate(x, 0),
        lambda: f.grid_sample(x, torch.zeros(1, 2, 2, 3), align_corners=False),
        lambda: f.grid_sample(x, torch.zeros(1, 2, 2, 2), "cubic"),
        lambda: f.affine_grid(torch.zeros(1, 2, 2), (1, 1, 2, 2), False),
        lambda: f.unfold(x, 6),
        lambda: f.unfold(x.long(), 2),
        lambda: f.fold(x[0], (4, 4), 2),
        lambda: f.pixel_shuffle(x, 2),
        lambda: f.pixel_unshuffle(x, 2),
        lambda: f.channel_shuffle(x, 3),
    )
    for call in calls:
        say.failure(call)


@program
def numbers_drawn(torch: Any, say: Say) -> None:
    torch.manual_seed(5)
    x = torch.arange(162.0).sin().reshape(1, 2, 9, 9)
    say.numbers(*torch.nn.functional.fractional_max_pool2d(x, 2, output_size=3, return_indices=True))
    for train in (True, None, False):
        say.numbers(*torch.native_dropout(x[0], 0.4, train))
    say.numbers(torch.native_dropout(x[0], 1.0, True)[0], torch.feature_dropout(x, 0.5, True))
    say.numbers(torch.nn.FractionalMaxPool3d(2, output_size=1)(x.reshape(1, 2, 3, 9, 3)))


@program
def per_example_gradients(torch: Any, say: Say) -> None:
    net = torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 2), torch.nn.GroupNorm(1, 2), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
        torch.nn.Flatten(), torch.nn.Linear(2, 2),
    )  # fmt: skip
    with torch.no_grad():
        for k, parameter in enumerate(net.parameters()):
            parameter.copy_(torch.arange(float(parameter.numel())).add(k).sin().reshape(parameter.shape))
    parameters = {name: p.detach() for name, p in net.named_parameters()}
    x = torch.arange(27.0).cos().reshape(3, 1, 3, 3)

    def loss(values: Any, one: Any) -> Any:
        return torch.func.functional_call(net, values, (one[None],)).pow(2).sum()

    found = torch.func.vmap(torch.func.grad(loss), (None, 0))(parameters, x)
    say.numbers(*found.values())
