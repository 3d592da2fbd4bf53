"""Programs about schedules of learning rates."""

from __future__ import annotations

import warnings
from typing import Any

from told import Say, collector

PROGRAMS, program = collector()


def sgd(torch: Any, **options: Any) -> Any:
    params = [{"params": [torch.zeros(1, requires_grad=True)], "lr": lr} for lr in (1.0, 0.5)]
    return torch.optim.SGD(params, **{"lr": 0.1, "momentum": 0.9, **options})


def every_schedule(torch: Any) -> dict[str, Any]:
    s = torch.optim.lr_scheduler
    return {
        "lambda": lambda o: s.LambdaLR(o, lambda step: 0.9**step),
        "lambdas": lambda o: s.LambdaLR(o, [lambda step: 0.9**step, lambda step: 1 / (1 + step)]),
        "multiplicative": lambda o: s.MultiplicativeLR(o, lambda step: 0.95),
        "step": lambda o: s.StepLR(o, 3, gamma=0.2),
        "multistep": lambda o: s.MultiStepLR(o, [2, 5, 5, 7], gamma=0.5),
        "constant": lambda o: s.ConstantLR(o, factor=0.25, total_iters=4),
        "linear": lambda o: s.LinearLR(o, start_factor=0.2, end_factor=0.9, total_iters=5),
        "exponential": lambda o: s.ExponentialLR(o, 0.8),
        "polynomial": lambda o: s.PolynomialLR(o, total_iters=6, power=2.0),
        "cosine": lambda o: s.CosineAnnealingLR(o, T_max=4, eta_min=0.1),
        "restarts": lambda o: s.CosineAnnealingWarmRestarts(o, T_0=2, T_mult=2, eta_min=0.05),
        "restarts evenly": lambda o: s.CosineAnnealingWarmRestarts(o, T_0=3),
        "cyclic": lambda o: s.CyclicLR(o, 0.1, 1.0, step_size_up=3, step_size_down=2),
        "cyclic halved": lambda o: s.CyclicLR(
            o, [0.1, 0.2], [1.0, 2.0], 2, mode="triangular2", cycle_momentum=False
        ),
        "cyclic range": lambda o: s.CyclicLR(o, 0.1, 1.0, step_size_up=2, mode="exp_range", gamma=0.9),
        "cyclic own": lambda o: s.CyclicLR(o, 0.1, 1.0, 2, scale_fn=lambda x: 1 / x, scale_mode="cycle"),
        "one cycle": lambda o: s.OneCycleLR(o, max_lr=1.0, total_steps=14),
        "one cycle linear": lambda o: s.OneCycleLR(
            o, [1.0, 2.0], epochs=2, steps_per_epoch=7, anneal_strategy="linear"
        ),
        "one cycle three": lambda o: s.OneCycleLR(
            o, 1.0, total_steps=14, three_phase=True, cycle_momentum=False
        ),
        "sequential": lambda o: s.SequentialLR(
            o, [s.LinearLR(o, 0.1, total_iters=3), s.CosineAnnealingLR(o, 5), s.ExponentialLR(o, 0.5)], [3, 8]
        ),
        "chained": lambda o: s.ChainedScheduler([s.LinearLR(o, 0.5, total_iters=4), s.ExponentialLR(o, 0.9)]),
    }


def ran(torch: Any, schedule: Any, optimizer: Any, count: int) -> list[Any]:
    rates = [schedule.get_last_lr()]
    for _ in range(count):
        optimizer.step()
        schedule.step()
        rates.append(schedule.get_last_lr())
        rates.append([group["momentum"] for group in optimizer.param_groups])
    return rates


@program
def learning_rates(torch: Any, say: Say) -> None:
    for name, make in every_schedule(torch).items():
        optimizer = sgd(torch)
        schedule = make(optimizer)
        say(name, ran(torch, schedule, optimizer, 13))
        say(sorted(optimizer.param_groups[0]))


@program
def states(torch: Any, say: Say) -> None:
    """Saved in the middle and loaded into a new one, a schedule goes on alike."""
    for name, make in every_schedule(torch).items():
        optimizer = sgd(torch)
        schedule = make(optimizer)
        ran(torch, schedule, optimizer, 5)
        saved = schedule.state_dict()
        say(name, sorted(key for key in saved if key != "_scale_fn_ref"))
        other = sgd(torch)
        again = make(other)
        again.load_state_dict(saved)
        other.load_state_dict(optimizer.state_dict())
        say(
            ran(torch, again, other, 4) == ran(torch, schedule, optimizer, 4),
            again.last_epoch if name != "chained" else "",
        )


@program
def with_adam(torch: Any, say: Say) -> None:
    s = torch.optim.lr_scheduler
    for make in (
        lambda o: s.CyclicLR(o, 0.1, 1.0, step_size_up=2),
        lambda o: s.OneCycleLR(o, 1.0, total_steps=6),
    ):
        optimizer = torch.optim.Adam([torch.zeros(1, requires_grad=True)], lr=0.1)
        schedule = make(optimizer)
        for _ in range(5):
            optimizer.step()
            schedule.step()
            say(schedule.get_last_lr(), optimizer.param_groups[0]["betas"])
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=torch.tensor(1.0))
    schedule = s.StepLR(optimizer, 1, 0.5)
    held = optimizer.param_groups[0]["lr"]
    optimizer.step()
    schedule.step()
    say(held, schedule.get_last_lr(), schedule.base_lrs)


@program
def plateau(torch: Any, say: Say) -> None:
    s = torch.optim.lr_scheduler
    values = [1.0, 0.9, 0.9, 0.9, 0.95, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.7]
    for options in (
        {"patience": 1},
        {"patience": 1, "mode": "max", "factor": 0.5},
        {"patience": 0, "threshold": 0.05, "threshold_mode": "abs", "cooldown": 2},
        {"patience": 0, "mode": "max", "threshold_mode": "abs", "min_lr": [0.3, 0.01]},
        {"patience": 0, "min_lr": 0.2, "eps": 0.1},
    ):
        optimizer = sgd(torch)
        schedule = s.ReduceLROnPlateau(optimizer, **options)
        rates = []
        for value in values:
            schedule.step(value)
            rates.append(schedule.get_last_lr())
        say(options, rates, schedule.best, schedule.num_bad_epochs, sorted(schedule.state_dict()))
        other = s.ReduceLROnPlateau(sgd(torch))
        other.load_state_dict(schedule.state_dict())
        say(other.patience, other.best, other.mode)
    optimizer = sgd(torch)
    schedule = s.ReduceLROnPlateau(optimizer, min_lr=[0.1, 0.1], patience=0)
    optimizer.add_param_group({"params": [torch.zeros(1, requires_grad=True)]})
    schedule.step(1.0)
    say.failure(lambda: schedule.step(torch.tensor(1.0)))
    schedule = s.ReduceLROnPlateau(sgd(torch))
    schedule.step(1.0, epoch=3)
    say(schedule.last_epoch)
    for call in (
        lambda: s.ReduceLROnPlateau(optimizer, factor=1.0),
        lambda: s.ReduceLROnPlateau(3),
        lambda: s.ReduceLROnPlateau(optimizer, min_lr=[1.0]),
        lambda: s.ReduceLROnPlateau(optimizer, mode="other"),
        lambda: s.ReduceLROnPlateau(optimizer, threshold_mode="other"),
    ):
        say.failure(call)


@program
def complaints(torch: Any, say: Say) -> None:
    s = torch.optim.lr_scheduler
    o, p = sgd(torch), sgd(torch)
    plain = torch.optim.Optimizer([torch.zeros(1, requires_grad=True)], {"lr": 0.1})
    for call in (
        lambda: s.StepLR(3, 1),
        lambda: s.StepLR(o, 1, last_epoch=2),
        lambda: s.LambdaLR(o, [abs]),
        lambda: s.MultiplicativeLR(o, [abs]),
        lambda: s.MultiplicativeLR(o, 3),
        lambda: s.ConstantLR(o, factor=2.0),
        lambda: s.LinearLR(o, start_factor=0),
        lambda: s.LinearLR(o, end_factor=2),
        lambda: s.CosineAnnealingWarmRestarts(o, 0),
        lambda: s.CosineAnnealingWarmRestarts(o, 1, 0),
        lambda: s.CosineAnnealingWarmRestarts(o, 1, eta_min="x"),
        lambda: s.CosineAnnealingWarmRestarts(o, 1).step(-1),
        lambda: s.CyclicLR(o, 0.1, 1.0, mode="other"),
        lambda: s.CyclicLR(o, [0.1], 1.0),
        lambda: s.CyclicLR(plain, 0.1, 1.0),
        lambda: s.CyclicLR(3, 0.1, 1.0),
        lambda: s.OneCycleLR(o, 1.0),
        lambda: s.OneCycleLR(o, 1.0, total_steps=0),
        lambda: s.OneCycleLR(o, 1.0, epochs=0, steps_per_epoch=1),
        lambda: s.OneCycleLR(o, 1.0, epochs=1, steps_per_epoch=-1),
        lambda: s.OneCycleLR(o, 1.0, total_steps=5, pct_start=2.0),
        lambda: s.OneCycleLR(o, 1.0, total_steps=5, anneal_strategy="other"),
        lambda: s.OneCycleLR(plain, 1.0, total_steps=5),
        lambda: s.SequentialLR(o, [], []),
        lambda: s.SequentialLR(o, [s.StepLR(o, 1)], [1]),
        lambda: s.SequentialLR(o, [3, 4], [1]),
        lambda: s.SequentialLR(o, [s.StepLR(o, 1), s.ReduceLROnPlateau(o)], [1]),
        lambda: s.SequentialLR(o, [s.StepLR(p, 1)], []),
        lambda: s.ChainedScheduler([]),
        lambda: s.ChainedScheduler([s.StepLR(o, 1), s.StepLR(p, 1)]),
        lambda: s.ChainedScheduler([s.ReduceLROnPlateau(o)]),
        lambda: s.LRScheduler(o),
    ):
        say.failure(call)
    finished = s.OneCycleLR(sgd(torch), 1.0, total_steps=2)
    finished.optimizer.step()
    finished.step()
    finished.step()
    say.failure(finished.step)


@program
def order_of_steps(torch: Any, say: Say) -> None:
    s = torch.optim.lr_scheduler
    early = s.StepLR(sgd(torch), 1)
    early.step()
    early.step()
    changed = sgd(torch)
    schedule = s.StepLR(changed, 1)
    changed.step = lambda: None
    schedule.step()
    asked = s.ExponentialLR(sgd(torch), 0.5)
    say(asked.get_lr())


@program
def closed_forms(torch: Any, say: Say) -> None:
    for name, make in every_schedule(torch).items():
        if name in ("sequential", "chained"):
            continue
        optimizer = sgd(torch)
        schedule = make(optimizer)
        optimizer.step()
        rates = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for epoch in (5, 2, 9):
                schedule.step(epoch)
                rates.append(schedule.get_last_lr())
        say(name, rates)
    optimizer = sgd(torch)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 2)
    optimizer.step()
    schedule.step(4)
    restarts = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 4, 2)
    restarts.step(6.5)
    say(restarts.get_last_lr(), restarts.last_epoch)


@program
def resumed(torch: Any, say: Say) -> None:
    s = torch.optim.lr_scheduler
    for make in (
        lambda o, last: s.StepLR(o, 2, 0.5, last_epoch=last),
        lambda o, last: s.ExponentialLR(o, 0.5, last_epoch=last),
        lambda o, last: s.CosineAnnealingLR(o, 8, last_epoch=last),
        lambda o, last: s.LambdaLR(o, lambda step: 0.5**step, last_epoch=last),
    ):
        optimizer = sgd(torch)
        schedule = make(optimizer, -1)
        ran(torch, schedule, optimizer, 3)
        again = make(optimizer, schedule.last_epoch)
        say(again.get_last_lr(), ran(torch, again, optimizer, 2))
