"""torch.utils.flop_counter and module_tracker; the numbers are those that PyTorch counts."""

from typing import Any

import pytest

import cotangent as torch
from cotangent.nn import functional as F
from cotangent.utils.flop_counter import FlopCounterMode, flop_registry, register_flop_formula
from cotangent.utils.module_tracker import ModuleTracker


def counted(counter: FlopCounterMode) -> dict[str, dict[str, int]]:
    return {m: {str(op): n for op, n in c.items()} for m, c in counter.get_flop_counts().items()}


def layers() -> torch.nn.Sequential:
    inner = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.Linear(8, 2))
    return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), inner)


@pytest.mark.parametrize("create_graph", [False, True])
def test_modules_forward_and_backward(create_graph: bool) -> None:
    net = layers()
    with FlopCounterMode(display=False) as counter:
        loss = net(torch.ones(3, 4)).sum()
        torch.autograd.grad(loss, list(net.parameters()), create_graph=create_graph)
    assert counted(counter) == {
        "Global": {"aten.addmm": 672, "aten.mm": 1152},
        "Sequential": {"aten.addmm": 672, "aten.mm": 1152},
        "Sequential.0": {"aten.addmm": 192, "aten.mm": 192},
        "Sequential.2": {"aten.addmm": 480, "aten.mm": 960},
        "Sequential.2.0": {"aten.addmm": 384, "aten.mm": 768},
        "Sequential.2.1": {"aten.addmm": 96, "aten.mm": 192},
    }
    assert counter.get_total_flops() == 1824


def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    net = layers()
    with FlopCounterMode(depth=1) as counter:
        net(torch.ones(3, 4, requires_grad=True)).sum().backward()
    rows = [
        "Module           FLOP    % Total",
        "-------------  ------  ---------",
        "Sequential       2016    100.00%",
        " - aten.addmm     672     33.33%",
        " - aten.mm       1344     66.67%",
    ]
    assert capsys.readouterr().out.splitlines() == rows
    assert counter.get_table(2).splitlines()[4].split() == ["-", "aten.mm", "1344", "66.67%"]
    with FlopCounterMode(display=False) as nothing:
        torch.ones(2).exp()
    assert nothing.get_table().splitlines()[2].split() == ["Global", "0", "0%"]


def test_what_is_outside_of_modules_is_global() -> None:
    net = torch.nn.Linear(100, 100)
    with FlopCounterMode(display=False) as counter:
        torch.ones(100, 100) @ net(torch.ones(100, 100))
    lines = counter.get_table().splitlines()[2:]
    assert [line.split()[-2] for line in lines] == ["4000.000K", *["2000.000K"] * 4]
    assert lines[0].startswith("Global") and lines[3].startswith(" Linear")


@pytest.mark.parametrize(
    ("call", "numbers"),
    [
        (lambda a: (a @ torch.ones(4, 5)).sum().backward(), {"aten.mm": 480}),
        (lambda a: torch.einsum("bij,bkj->bik", a, a).sum().backward(), {"aten.bmm": 432}),
        (lambda a: torch.baddbmm(torch.zeros(2, 3, 3), a, a.transpose(1, 2)), {"aten.baddbmm": 144}),
        (
            lambda a: F.linear(a, torch.ones(6, 4), torch.ones(6)).sum().backward(),
            {"aten.addmm": 288, "aten.mm": 288},
        ),
        (
            lambda a: F.conv1d(a, torch.ones(2, 3, 2)).sum().backward(),
            {"aten.convolution": 144, "aten.convolution_backward": 144},
        ),
        (
            lambda a: F.conv_transpose1d(a, torch.ones(3, 2, 2)).sum().backward(),
            {"aten.convolution": 192, "aten.convolution_backward": 192},
        ),
        (lambda a: torch.mv(a[0], torch.ones(4)), {}),
        (lambda a: F.scaled_dot_product_attention(a, a, a), {}),
    ],
)
def test_calls(call: Any, numbers: dict[str, int]) -> None:
    with FlopCounterMode(display=False) as counter:
        call(torch.ones(2, 3, 4, requires_grad=True))
    assert counted(counter).get("Global", {}) == numbers


def test_convolutions_with_groups() -> None:
    x = torch.ones(2, 4, 8, 8, requires_grad=True)
    layer = torch.nn.Conv2d(4, 6, 3, padding=1, groups=2)
    with FlopCounterMode(display=False) as counter:
        layer(x).sum().backward()
    assert counted(counter)["Conv2d"] == {"aten.convolution": 27648, "aten.convolution_backward": 82944}


def test_formulas_of_ones_own() -> None:
    aten = torch.ops.aten
    with FlopCounterMode(display=False, custom_mapping={aten.relu: lambda s, out_shape=None: s.numel()}) as c:
        torch.ones(3, 2).relu()
    assert counted(c) == {"Global": {"aten.relu": 6}}
    assert aten.relu not in flop_registry
    x = torch.ones(3, 2)
    with FlopCounterMode(display=False, custom_mapping={aten.add: lambda *_, out_shape: 5}) as c:
        x + x
        1 + x.add(x)
        with pytest.raises(TypeError):
            x + "no"
    assert counted(c) == {"Global": {"aten.add": 15}}

    register_flop_formula(aten.sigmoid, get_raw=True)(lambda x, out_val=None: 4 * out_val.numel())
    try:
        with FlopCounterMode(display=False) as c:
            torch.ones(5).sigmoid()
        assert c.get_total_flops() == 20
        with pytest.raises(RuntimeError, match=r"duplicate registrations for aten\.sigmoid"):
            register_flop_formula([aten.sigmoid])(lambda *_: 0)
    finally:
        del flop_registry[aten.sigmoid]
    with pytest.raises(ValueError, match="expected each target to be OpOverloadPacket"):
        register_flop_formula(torch.exp)(lambda *_: 0)
    with pytest.warns(UserWarning, match="mods argument is not needed anymore"):
        FlopCounterMode(torch.nn.ReLU())


def test_modules_that_run() -> None:
    seen: list[tuple[bool, list[str]]] = []

    class Watched(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append((tracker.is_bw, sorted(tracker.parents)))
            y = x * 2
            y.register_hook(lambda g: seen.append((tracker.is_bw, sorted(tracker.parents))))
            return y * 3

    net = torch.nn.Sequential(torch.nn.Linear(4, 4), Watched())
    with ModuleTracker() as tracker:
        net(torch.ones(1, 4, requires_grad=True)).sum().backward()
    names = ["Global", "Sequential", "Sequential.1"]
    assert seen == [(False, names), (True, names)]
    assert tracker.parents == {"Global"} and not tracker.is_bw
