"""Programs about optimizers: their numbers, groups, state, hooks and complaints."""

from __future__ import annotations

import copy
import importlib
import pickle
from typing import Any

from told import Say, collector

PROGRAMS, program = collector()


def steps(
    torch: Any, say: Say, make: Any, count: int = 4, dtype: Any = None, tell_state: bool = True
) -> None:
    """Some steps on a small problem, with what becomes of parameters and state."""
    a = torch.linspace(-1, 1, 6, dtype=dtype).reshape(2, 3).requires_grad_()
    b = torch.full((3,), 0.5, dtype=dtype, requires_grad=True)
    unused = torch.ones(1, dtype=dtype, requires_grad=True)
    optimizer = make([a, b, unused])
    for step in range(count):
        optimizer.zero_grad()
        ((a * b - 0.3 * step) ** 2).sum().backward()
        optimizer.step()
    say.numbers(a, b, unused)
    say(a.grad is not None, sorted(optimizer.param_groups[0]))
    if tell_state:
        for key, state in optimizer.state_dict()["state"].items():
            for name, value in state.items():
                say(key, name, None if value is None else (value.dtype, value.tolist()))


@program
def sgd_numbers(torch: Any, say: Say) -> None:
    for options in (
        {"lr": 0.1},
        {"lr": 0.1, "momentum": 0.9},
        {"lr": 0.1, "momentum": 0.9, "dampening": 0.3},
        {"lr": 0.1, "momentum": 0.9, "nesterov": True},
        {"lr": 0.1, "weight_decay": 0.2},
        {"lr": 0.1, "momentum": 0.5, "weight_decay": 0.2, "nesterov": True},
        {"lr": 0.05, "maximize": True},
        {"lr": 0.05, "maximize": True, "momentum": 0.5, "weight_decay": 0.1, "nesterov": True},
        {"lr": 0.1, "momentum": 0.5, "foreach": True},
        {"lr": 0.1, "momentum": 0.5, "fused": True},
        {"lr": torch.tensor(0.1)},
        {},
    ):
        say(sorted(options))
        steps(torch, say, lambda params, options=options: torch.optim.SGD(params, **options))
    steps(torch, say, lambda params: torch.optim.SGD(params, 0.1, 0.9), dtype=torch.float64)


@program
def adam_numbers(torch: Any, say: Say) -> None:
    for kind in (torch.optim.Adam, torch.optim.AdamW):
        for options in (
            {},
            {"lr": 0.1},
            {"lr": 0.1, "betas": (0.5, 0.7)},
            {"lr": 0.1, "betas": (0.2, 0.0), "eps": 0.1},
            {"lr": 0.1, "weight_decay": 0.3},
            {"lr": 0.1, "amsgrad": True},
            {"lr": 0.1, "maximize": True, "weight_decay": 0.1, "amsgrad": True},
            {"lr": 0.1, "foreach": True},
            {"lr": 0.1, "fused": True},
            {"lr": torch.tensor(0.1)},
        ):
            say(kind.__name__, sorted(options))
            steps(torch, say, lambda params, kind=kind, options=options: kind(params, **options))
        steps(torch, say, lambda params, kind=kind: kind(params, 0.1), dtype=torch.float64)
        steps(torch, say, lambda params, kind=kind: kind(params, 0.1), count=30)


@program
def other_numbers(torch: Any, say: Say) -> None:
    optim = torch.optim
    for kind, variants in (
        (
            optim.Adagrad,
            (
                {},
                {"lr_decay": 0.1, "initial_accumulator_value": 0.5},
                {"weight_decay": 0.2, "maximize": True},
            ),
        ),
        (
            optim.RMSprop,
            (
                {},
                {"momentum": 0.8},
                {"centered": True, "weight_decay": 0.1},
                {"momentum": 0.5, "centered": True, "maximize": True},
            ),
        ),
        (optim.Adadelta, ({}, {"rho": 0.5, "weight_decay": 0.1}, {"maximize": True})),
        (optim.Adamax, ({}, {"betas": (0.5, 0.7), "weight_decay": 0.1}, {"maximize": True})),
        (
            optim.NAdam,
            (
                {},
                {"weight_decay": 0.1},
                {"weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True},
            ),
        ),
        (
            optim.RAdam,
            (
                {},
                {"weight_decay": 0.1},
                {"weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True},
            ),
        ),
        (optim.Rprop, ({}, {"etas": (0.3, 1.5), "step_sizes": (0.01, 0.2)}, {"maximize": True})),
        (
            optim.ASGD,
            ({}, {"t0": 2.0, "lambd": 0.1, "weight_decay": 0.1}, {"t0": 0.0, "alpha": 0.5, "maximize": True}),
        ),
    ):
        for options in variants:
            say(kind.__name__, sorted(options))
            steps(
                torch,
                say,
                lambda params, kind=kind, options=options: kind(params, lr=0.1, **options),
                count=7,
            )
        steps(torch, say, kind)
        w = torch.complex(torch.linspace(0.5, 1, 3), torch.linspace(1, 0.5, 3)).requires_grad_()
        optimizer = kind([w])
        say(optimizer)
        for _ in range(3):
            optimizer.zero_grad()
            (w.abs() ** 2).sum().backward()
            optimizer.step()
        say(torch.view_as_real(w.detach()).tolist())
        other = kind([w])
        other.load_state_dict(optimizer.state_dict())
        optimizer.step()
        other.step()
        say(torch.view_as_real(w.detach()).tolist())


@program
def large_and_odd_tensors(torch: Any, say: Say) -> None:
    """Sizes beyond one block, views that are not contiguous, 0-d and empty tensors, complex ones."""
    for kind, options in (
        (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1}),
        (torch.optim.Adam, {"lr": 0.1, "weight_decay": 0.1, "amsgrad": True}),
    ):
        big = torch.linspace(-1, 1, 40000, requires_grad=True)
        turned = torch.linspace(-1, 1, 40000).reshape(100, 400).t().requires_grad_()
        scalar = torch.tensor(0.5, requires_grad=True)
        empty = torch.zeros(0, 3, requires_grad=True)
        wave = torch.complex(torch.linspace(0, 1, 4), torch.linspace(1, 0, 4)).requires_grad_()
        params = [big, turned, scalar, empty, wave]
        optimizer = kind(params, **options)
        for _ in range(3):
            optimizer.zero_grad()
            loss = (big**2).sum() + (turned**3).sum() + scalar**2 + empty.sum() + (wave.abs() ** 2).sum()
            loss.backward()
            optimizer.step()
        say.numbers(big[::4000], turned[::40, 7], scalar, empty)
        say(turned.stride(), torch.view_as_real(wave.detach()).tolist())
        say(float(big.detach().abs().sum()), float(turned.detach().abs().sum()))


@program
def low_precision(torch: Any, say: Say) -> None:
    for dtype in (torch.bfloat16, torch.float16):
        for kind in (torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW):
            w = torch.tensor([1.0, -2.0], dtype=dtype, requires_grad=True)
            optimizer = kind([w], lr=0.25)
            w.grad = torch.tensor([1.0, 4.0], dtype=dtype)
            optimizer.step()
            say(kind.__name__, w, w.dtype)


@program
def groups(torch: Any, say: Say) -> None:
    a, b, c = (torch.full((2,), float(i), requires_grad=True) for i in range(3))
    optimizer = torch.optim.SGD([{"params": a, "lr": 1.0}, {"params": [b], "momentum": 0.5}], lr=0.1)
    say(optimizer)
    optimizer.add_param_group({"params": c, "weight_decay": 0.5})
    for p in (a, b, c):
        p.grad = torch.ones(2)
    optimizer.step()
    optimizer.step()
    say(a, b, c, optimizer.defaults)
    say(torch.optim.Adam([a]), torch.optim.AdamW([a, b], fused=True))
    named = torch.optim.SGD([("a", a), ("b", b)])
    say(named.param_groups[0]["param_names"], named.state_dict())
    grown = a * 2
    kept = a * 2
    kept.retain_grad()
    for call in (
        lambda: torch.optim.SGD(a),
        lambda: torch.optim.SGD([]),
        lambda: torch.optim.SGD({a, b}),
        lambda: torch.optim.SGD([{"params": {a, b}}]),
        lambda: torch.optim.SGD([3]),
        lambda: torch.optim.SGD([[a]]),
        lambda: torch.optim.SGD([grown]),
        lambda: len(torch.optim.SGD([kept]).param_groups),
        lambda: torch.optim.SGD([{"lr": 3}]),
        lambda: torch.optim.SGD([("a", a), b]),
        lambda: named.add_param_group({"params": [c]}),
        lambda: optimizer.add_param_group({"params": [("c", torch.ones(1, requires_grad=True))]}),
        lambda: optimizer.add_param_group({"params": [a]}),
        lambda: optimizer.add_param_group([a]),
        lambda: len(torch.optim.SGD([a, a]).param_groups[0]["params"]),
        lambda: torch.optim.Optimizer([a], {}).step(),
        lambda: torch.optim.Optimizer(
            [{"params": [a]}], {"lr": importlib.import_module(torch.__name__ + ".optim.optimizer").required}
        ),
    ):
        say.failure(call)


@program
def option_errors(torch: Any, say: Say) -> None:
    w = [torch.ones(2, requires_grad=True)]
    sgd, adam, adamw = torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW
    for call in (
        lambda: sgd(w, lr=-1),
        lambda: sgd(w, momentum=-1),
        lambda: sgd(w, weight_decay=-1),
        lambda: sgd(w, nesterov=True),
        lambda: sgd(w, nesterov=True, momentum=0.9, dampening=0.1),
        lambda: sgd(w, lr=torch.ones(2)),
        lambda: sgd(w, fused=True, foreach=True),
        lambda: sgd(w, fused=True, differentiable=True),
        lambda: adam(w, lr=-1),
        lambda: adam(w, eps=-1),
        lambda: adam(w, betas=(1.0, 0.9)),
        lambda: adam(w, betas=(0.9, -0.1)),
        lambda: adam(w, betas=(0, 0.9)),
        lambda: adam(w, betas=(0.5, torch.tensor(0.9))),
        lambda: adam(w, betas=(torch.tensor(0.5), torch.tensor(0.9)), foreach=True),
        lambda: adam(w, weight_decay=-1),
        lambda: adam(w, lr=torch.tensor(0.1), foreach=True),
        lambda: adam(w, lr=torch.ones(2)),
        lambda: adamw(w, fused=True, foreach=True),
        lambda: adamw(w, fused=True, differentiable=True),
        lambda: adamw(w, lr=float("nan")),
        lambda: sgd(w, 0.1, 0, 0, 0, False, True),
        lambda: sgd(w, unknown=1),
        lambda: torch.optim.Adagrad(w, lr_decay=-1),
        lambda: torch.optim.Adagrad(w, initial_accumulator_value=-1),
        lambda: torch.optim.Adagrad(w, fused=True, foreach=True),
        lambda: torch.optim.RMSprop(w, alpha=-1),
        lambda: torch.optim.RMSprop(w, momentum=-1),
        lambda: torch.optim.Adadelta(w, rho=2),
        lambda: torch.optim.Adamax(w, betas=(1.0, 0.5)),
        lambda: torch.optim.NAdam(w, momentum_decay=-1),
        lambda: torch.optim.RAdam(w, eps=-1),
        lambda: torch.optim.Rprop(w, etas=(1.5, 1.2)),
        lambda: torch.optim.ASGD(w, weight_decay=-1),
        lambda: torch.optim.ASGD(w, lr=torch.ones(2)),
    ):
        say.failure(call)


@program
def saving(torch: Any, say: Say) -> None:
    def trained(kind: Any, **options: Any) -> tuple[Any, Any]:
        w = torch.tensor([1.0, 2.0], requires_grad=True)
        optimizer = kind([w], **options)
        for _ in range(2):
            w.grad = w.detach() * 0.5
            optimizer.step()
        return w, optimizer

    for kind, options in (
        (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9}),
        (torch.optim.Adam, {"lr": 0.1, "amsgrad": True}),
        (torch.optim.AdamW, {"lr": 0.1}),
    ):
        w, optimizer = trained(kind, **options)
        state = optimizer.state_dict()
        say(state)
        fresh = w.detach().clone().requires_grad_()
        other = kind([fresh], lr=9.0)
        other.load_state_dict(copy.deepcopy(state))
        for p, o in ((w, optimizer), (fresh, other)):
            p.grad = torch.ones(2)
            o.step()
        say(
            torch.equal(w, fresh),
            other.param_groups[0]["lr"],
            other.state[fresh].keys() == optimizer.state[w].keys(),
        )
        double = w.detach().double().requires_grad_()
        wide = kind([double], lr=9.0)
        wide.load_state_dict(optimizer.state_dict())
        say([(k, v.dtype) for k, v in wide.state[double].items()])
        revived = pickle.loads(pickle.dumps(optimizer))
        say(revived)
        revived.param_groups[0]["params"][0].grad = torch.ones(2)
        revived.step()
        say(revived.param_groups[0]["params"][0])
        twin = copy.deepcopy(optimizer)
        say(twin.state_dict())
    w, optimizer = trained(torch.optim.SGD, lr=0.1)
    more = [torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)]
    say.failure(lambda: torch.optim.SGD(more).load_state_dict(optimizer.state_dict()))
    two = torch.optim.SGD([{"params": [p]} for p in more])
    say.failure(lambda: two.load_state_dict(optimizer.state_dict()))
    old = torch.optim.Adam([w]).state_dict()
    old["state"] = {0: {"step": 3, "exp_avg": torch.zeros(2), "exp_avg_sq": torch.zeros(2)}}
    for key in (
        "amsgrad",
        "maximize",
        "foreach",
        "capturable",
        "differentiable",
        "fused",
        "decoupled_weight_decay",
    ):
        del old["param_groups"][0][key]
    loaded = torch.optim.Adam([w])
    loaded.load_state_dict(old)
    say(loaded.state[w]["step"], loaded)
    w.grad = torch.ones(2)
    loaded.step()
    say(loaded.state[w]["step"], w)


@program
def hooks(torch: Any, say: Say) -> None:
    w = torch.ones(1, requires_grad=True)
    w.grad = torch.ones(1)
    optimizer = torch.optim.SGD([w], lr=0.5)
    where = importlib.import_module(torch.__name__ + ".optim.optimizer")
    before = optimizer.register_step_pre_hook(
        lambda o, args, kwargs: say("before", len(args), sorted(kwargs), w)
    )
    optimizer.register_step_post_hook(lambda o, args, kwargs: say("after", len(args), sorted(kwargs), w))
    with (
        where.register_optimizer_step_pre_hook(lambda o, args, kwargs: say("before all")),
        where.register_optimizer_step_post_hook(lambda o, args, kwargs: say("after all")),
    ):
        optimizer.step()
    before.remove()
    optimizer.step()
    say(optimizer.step(closure=lambda: 5))
    with optimizer.register_step_pre_hook(lambda o, args, kwargs: (args, {"closure": lambda: 7})):
        say(optimizer.step())
    optimizer.register_state_dict_pre_hook(lambda o: say("saving"))
    optimizer.register_state_dict_post_hook(lambda o, state: say("saved", sorted(state)))
    optimizer.register_state_dict_post_hook(lambda o, state: {**state, "more": 1}, prepend=True)
    state = optimizer.state_dict()
    say(sorted(state))
    optimizer.register_load_state_dict_pre_hook(lambda o, state: say("loading", sorted(state)))
    optimizer.register_load_state_dict_pre_hook(lambda o, state: {**state, "seen": 1}, prepend=True)
    optimizer.register_load_state_dict_post_hook(lambda o: say("loaded", o.param_groups[0]["lr"]))
    optimizer.load_state_dict(state)

    class Mine(torch.optim.Optimizer):
        def step(self, closure: Any = None) -> str:
            return "mine"

    mine = Mine([w], {"lr": 1.0})
    mine.register_step_post_hook(lambda o, args, kwargs: say("after mine"))
    say(mine.step(), mine)


@program
def closures(torch: Any, say: Say) -> None:
    for kind in (torch.optim.SGD, torch.optim.Adam):
        w = torch.tensor([2.0], requires_grad=True)
        optimizer = kind([w], lr=0.1)

        def closure(w: Any = w, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            loss = (w * w).sum()
            say(torch.is_grad_enabled())
            loss.backward()
            return loss

        say(optimizer.step(closure), w)
        with torch.no_grad():
            say(optimizer.step(closure), w)
        say(torch.is_grad_enabled())


@program
def zeroing(torch: Any, say: Say) -> None:
    w = torch.ones(2, requires_grad=True)
    optimizer = torch.optim.SGD([w, torch.ones(1, requires_grad=True)], lr=0.1)
    w.grad = torch.ones(2)
    kept = w.grad
    optimizer.zero_grad(set_to_none=False)
    say(w.grad, w.grad is kept)
    w.grad = torch.ones(2, requires_grad=True) * 2
    say(w.grad.requires_grad)
    optimizer.zero_grad(set_to_none=False)
    say(w.grad, w.grad.requires_grad)
    optimizer.zero_grad()
    say(w.grad)


@program
def versions_and_graphs(torch: Any, say: Say) -> None:
    w = torch.ones(2, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1)
    out = (w * w).sum()
    w.grad = torch.ones(2)
    before = w._version
    optimizer.step()
    say(w._version > before, w.grad._version, w.is_leaf, w.requires_grad)
    say.failure(lambda: out.backward())


@program
def differentiable_steps(torch: Any, say: Say) -> None:
    for kind, options in (
        (torch.optim.SGD, {"momentum": 0.5, "weight_decay": 0.1, "nesterov": True}),
        (torch.optim.SGD, {}),
        (torch.optim.Adam, {"amsgrad": True, "weight_decay": 0.1}),
        (torch.optim.AdamW, {}),
    ):
        source = torch.tensor([1.0, -2.0], requires_grad=True)
        w = source.clone()
        optimizer = kind([w], lr=0.1, differentiable=True, **options)
        # PyTorch cannot go back through several steps of amsgrad.
        for _ in range(1 if "amsgrad" in options else 3):
            w.grad = (source * w.detach().clone()) ** 2 + 1
            optimizer.step()
        w.sum().backward()
        say(kind.__name__, w.requires_grad)
        say.numbers(w, source.grad)
    leaf = torch.ones(1, requires_grad=True)
    leaf.grad = torch.ones(1)
    say.failure(lambda: torch.optim.SGD([leaf], lr=0.1, differentiable=True).step())


@program
def quasi_newton(torch: Any, say: Say) -> None:
    target = torch.linspace(-1, 1, 6, dtype=torch.float64).reshape(2, 3)
    for options in (
        {},
        {"lr": 0.3, "max_iter": 6},
        {"line_search_fn": "strong_wolfe"},
        {"line_search_fn": "strong_wolfe", "max_iter": 3, "history_size": 2},
        {"line_search_fn": "strong_wolfe", "lr": 20.0, "max_iter": 4},
        {"line_search_fn": "strong_wolfe", "lr": 0.001, "max_iter": 5, "max_eval": 9},
        {"lr": 0.1, "history_size": 3, "max_eval": 4},
    ):
        a = torch.full((2, 3), 0.5, dtype=torch.float64, requires_grad=True)
        b = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
        unused = torch.ones(2, dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.LBFGS([a, b, unused], **options)

        def closure(a: Any = a, b: Any = b, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            loss = ((a * a * b - target) ** 2).sum() + (1 - b) ** 4
            loss.backward()
            return loss.detach()

        say(sorted(options))
        for _ in range(3):
            say(float(optimizer.step(closure)))
        say.numbers(a, b)
        state = optimizer.state[a]
        say(sorted(set(state) - {"al"}), state["func_evals"], state["n_iter"], len(state["old_dirs"]))
    saved = optimizer.state_dict()
    other = torch.optim.LBFGS([a, b, unused])
    other.load_state_dict(saved)
    say(other.state[a]["n_iter"], float(other.step(closure)))
    say(other)
    wave = torch.complex(torch.linspace(0.5, 1, 3), torch.linspace(1, 0.5, 3)).requires_grad_()
    optimizer = torch.optim.LBFGS([wave], max_iter=3)

    def wave_closure() -> Any:
        optimizer.zero_grad()
        loss = ((wave - 1) * (wave - 1).conj()).real.sum()
        loss.backward()
        return loss.detach()

    say(float(optimizer.step(wave_closure)))
    say(torch.view_as_real(wave.detach()).tolist())
    for call in (
        lambda: torch.optim.LBFGS([{"params": [a]}, {"params": [b]}]),
        lambda: torch.optim.LBFGS([a], lr=-1),
        lambda: torch.optim.LBFGS([a], line_search_fn="other").step(closure),
        lambda: torch.optim.LBFGS([a]).step(),
    ):
        say.failure(call)
