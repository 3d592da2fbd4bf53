"""Programs about the modes: recording on and off, inference, decorators, generators."""

from __future__ import annotations

from typing import Any

from told import Say, collector

PROGRAMS, program = collector()


@program
def switching(torch: Any, say: Say) -> None:
    a = torch.ones(2, requires_grad=True)
    say(torch.is_grad_enabled())
    with torch.no_grad():
        b = a * 2
        say(torch.is_grad_enabled(), b.requires_grad, b.is_leaf)
        with torch.enable_grad():
            say((a * 2).requires_grad)
        say(torch.is_grad_enabled())
        say(torch.ones(1, requires_grad=True).requires_grad)
    with torch.set_grad_enabled(False):
        say((a * 2).requires_grad)
    torch.set_grad_enabled(False)
    say((a * 2).requires_grad)
    torch.set_grad_enabled(True)
    say((a * 2).requires_grad)
    say.failure(lambda: torch.set_grad_enabled(1))
    try:
        with torch.no_grad():
            raise KeyError("out")
    except KeyError:
        say(torch.is_grad_enabled())


@program
def decorators(torch: Any, say: Say) -> None:
    a = torch.ones(1, requires_grad=True)

    @torch.no_grad()
    def off() -> bool:
        return (a * 2).requires_grad

    @torch.no_grad
    def off_too() -> bool:
        return (a * 2).requires_grad

    @torch.enable_grad()
    def on() -> bool:
        return (a * 2).requires_grad

    @torch.set_grad_enabled(False)
    def switched() -> bool:
        return (a * 2).requires_grad

    @torch.inference_mode()
    def inference() -> bool:
        return (a * 2).is_inference()

    say(off(), off_too(), on(), switched(), inference(), torch.is_grad_enabled(), off.__name__)

    @torch.no_grad()
    def numbers() -> Any:
        got = yield torch.is_grad_enabled()
        yield got, torch.is_grad_enabled()

    steps = numbers()
    say(next(steps), torch.is_grad_enabled(), steps.send("sent"), torch.is_grad_enabled())
    with torch.no_grad():
        say(on())


@program
def inference(torch: Any, say: Say) -> None:
    a = torch.ones(2, requires_grad=True)
    with torch.inference_mode():
        b = torch.ones(2)
        c = a * 2
        say(b.is_inference(), c.is_inference(), c.requires_grad, torch.is_inference_mode_enabled())
        b.add_(1)
        with torch.inference_mode(False):
            say(torch.is_inference_mode_enabled(), (a * 2).requires_grad)
    say.failure(lambda: a * b)
    say((a + b).requires_grad)
    say.failure(lambda: b._version)
    say.failure(lambda: b.requires_grad_())
    say.failure(lambda: b.add_(1))
    say((a * b.clone()).requires_grad)
    say(b.view(2).is_inference())


@program
def backward_under_modes(torch: Any, say: Say) -> None:
    a = torch.tensor(2.0, requires_grad=True)
    b = a * a
    with torch.no_grad():
        b.backward()
    say(a.grad)
    seen: list[bool] = []
    c = a * a
    c.register_hook(lambda g: seen.append(torch.is_grad_enabled()))
    c.backward(retain_graph=True)
    torch.autograd.grad(c, a, create_graph=True)
    say(seen)
