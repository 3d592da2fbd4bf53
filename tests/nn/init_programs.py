"""Programs about first values: the same seed gives the same numbers."""

from __future__ import annotations

from typing import Any

from told import Say, collector

PROGRAMS, program = collector()


@program
def filling(torch: Any, say: Say) -> None:
    init = torch.nn.init
    for fill in (
        lambda t: init.uniform_(t),
        lambda t: init.uniform_(t, -2, 3),
        lambda t: init.normal_(t),
        lambda t: init.normal_(t, 1.0, 0.1),
        lambda t: init.trunc_normal_(t),
        lambda t: init.trunc_normal_(t, 0.0, 2.0, -1.0, 3.0),
        lambda t: init.trunc_normal_(t, 0.0, 1.0, 1.0, 2.0),
        lambda t: init.trunc_normal_(t, std=0.02),
        lambda t: init.constant_(t, 0.3),
        lambda t: init.ones_(t),
        lambda t: init.zeros_(t),
        lambda t: init.xavier_uniform_(t),
        lambda t: init.xavier_uniform_(t, gain=2.0),
        lambda t: init.xavier_normal_(t),
        lambda t: init.kaiming_uniform_(t),
        lambda t: init.kaiming_uniform_(t, a=1, mode="fan_out"),
        lambda t: init.kaiming_normal_(t),
        lambda t: init.kaiming_normal_(t, mode="FAN_OUT", nonlinearity="relu"),
        lambda t: init.orthogonal_(t),
        lambda t: init.orthogonal_(t, gain=2.0),
    ):
        for shape in ((4, 6), (6, 4), (2, 3, 3)):
            for dtype in (torch.float32, torch.float64):
                tensor = torch.zeros(shape, dtype=dtype)
                torch.manual_seed(1)
                say(fill(tensor) is tensor)
                say.numbers(tensor)
    say(torch.rand(2))


@program
def special_matrices(torch: Any, say: Say) -> None:
    init = torch.nn.init
    say(init.eye_(torch.ones(2, 4)), init.eye_(torch.ones(4, 2)), init.eye_(torch.ones(3, 3)))
    say(init.dirac_(torch.ones(2, 2, 3)), init.dirac_(torch.ones(4, 2, 3), 2))
    say(init.dirac_(torch.ones(1, 2, 3, 3)), init.dirac_(torch.ones(1, 1, 1, 2, 3)))
    torch.manual_seed(0)
    say.numbers(init.sparse_(torch.ones(5, 4), 0.3), init.sparse_(torch.ones(6, 2), 0.5, std=1.0))
    leaf = torch.zeros(3, 3, requires_grad=True)
    for fill in (
        init.eye_,
        init.orthogonal_,
        init.xavier_normal_,
        init.uniform_,
        init.trunc_normal_,
        init.zeros_,
    ):
        say(fill(leaf) is leaf, leaf.requires_grad, leaf.is_leaf, leaf.grad_fn)


@program
def generators(torch: Any, say: Say) -> None:
    init = torch.nn.init
    for fill in (
        init.uniform_,
        init.normal_,
        init.trunc_normal_,
        init.xavier_uniform_,
        init.xavier_normal_,
        init.kaiming_uniform_,
        init.kaiming_normal_,
        init.orthogonal_,
    ):
        generator = torch.Generator().manual_seed(7)
        say.numbers(fill(torch.zeros(3, 5), generator=generator))


@program
def gains(torch: Any, say: Say) -> None:
    init = torch.nn.init
    for name in ("linear", "conv2d", "conv_transpose3d", "sigmoid", "tanh", "relu", "leaky_relu", "selu"):
        say(name, init.calculate_gain(name))
    say(init.calculate_gain("leaky_relu", 0.2), init.calculate_gain("leaky_relu", 2))
    for call in (
        lambda: init.calculate_gain("gelu"),
        lambda: init.calculate_gain("leaky_relu", True),
        lambda: init.calculate_gain("leaky_relu", "x"),
        lambda: init.eye_(torch.zeros(2)),
        lambda: init.dirac_(torch.zeros(2, 2)),
        lambda: init.dirac_(torch.zeros(3, 2, 2), 2),
        lambda: init.xavier_uniform_(torch.zeros(2)),
        lambda: init.kaiming_normal_(torch.zeros(2)),
        lambda: init.kaiming_normal_(torch.zeros(2, 2), mode="fan"),
        lambda: init.orthogonal_(torch.zeros(2)),
        lambda: init.sparse_(torch.zeros(2), 0.1),
        lambda: init.kaiming_uniform_(torch.zeros(0, 2)),
        lambda: init.kaiming_normal_(torch.zeros(2, 0)),
        lambda: init.trunc_normal_(torch.zeros(2), mean=9.0, a=8.0, b=9.5).max() <= 9.5,
        lambda: init.trunc_normal_(torch.zeros(2), mean=-9.0, a=-1.0).min() >= -1,
        lambda: init.uniform(torch.zeros(1, 1)).shape,
        lambda: init.xavier_normal(torch.zeros(1, 1)).shape,
        lambda: init.constant(torch.zeros(1), 2.0),
        lambda: (init.constant.__name__, init.kaiming_uniform.__name__),
    ):
        say.failure(call)


@program
def first_values_of_modules(torch: Any, say: Say) -> None:
    nn = torch.nn
    for make in (
        lambda: nn.Linear(3, 2),
        lambda: nn.Linear(5, 7, dtype=torch.float64),
        lambda: nn.Linear(20, 30),
        lambda: nn.Linear(2, 2, bias=False),
        lambda: nn.Bilinear(2, 3, 4),
        lambda: nn.Embedding(5, 3),
        lambda: nn.Embedding(5, 4, padding_idx=2),
        lambda: nn.LayerNorm(3),
        lambda: nn.RMSNorm(3),
        lambda: nn.PReLU(2),
        lambda: nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3)),
    ):
        torch.manual_seed(42)
        module = make()
        say(type(module).__name__, [name for name, _ in module.named_parameters()])
        say.numbers(*module.parameters())
