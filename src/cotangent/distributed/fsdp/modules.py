"""What a wrapper finds in its module: what is its own, what stays as it is, what has no memory yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ...autograd.modes import no_grad
from ...nn.modules.module import Module
from ...nn.parameter import Parameter

__all__ = ["give_memory", "ignored_in", "modules_of"]


def modules_of(top: Module, ignored: set[Module]) -> list[Module]:
    """The modules that belong to a wrapper: not those of inner ones."""
    found: list[Module] = []
    waiting = [top]
    while waiting:
        module = waiting.pop()
        if module in found or module in ignored or (module is not top and "_fsdp_state" in vars(module)):
            continue
        found.append(module)
        waiting.extend(reversed(list(module.children())))
    return found


def ignored_in(
    module: Module, modules: Iterable[Module] | None, states: Iterable[Any] | None
) -> tuple[set[Module], set[Any]]:
    """The modules and parameters that stay as they are."""
    if modules is not None and states is not None:
        raise ValueError(
            "Cannot pass both ignored_modules and ignored_states at the same time. Please just pass"
            " ignored_states."
        )
    given = list(modules or ()) + list(states or ())
    kind = Module if modules is not None or any(isinstance(each, Module) for each in given) else Parameter
    if not all(isinstance(each, kind) for each in given):
        types = sorted({type(each) for each in given}, key=repr)
        if modules is not None:
            raise ValueError(f"ignored_modules expects nn.Module list elements but got types {types}")
        raise ValueError(
            f"ignored_states expects all nn.Parameter or all nn.Module list elements but got types {types}"
        )
    tops = [each for each in given if isinstance(each, Module)]
    if any("_fsdp_state" in vars(each) for each in tops):
        raise ValueError("`ignored_modules` should not include FSDP modules")
    below = {m for each in tops for m in each.modules()}
    parameters = {p for each in tops for p in each.parameters()} | {p for p in given if p not in tops}
    for inner in module.modules():  # wrappers below say it of theirs
        below |= vars(inner).get("_ignored_modules", set())
        parameters |= vars(inner).get("_ignored_params", set())
    return below, parameters


def give_memory(module: Module, ignored: set[Module], fill: Callable[[Module], None] | None) -> None:
    """Let modules that are on the meta device have memory and values."""
    if fill is not None and not callable(fill):
        raise ValueError(f"Expected {fill} to be callable but got {type(fill)}")
    for each in modules_of(module, ignored):
        own = [*each.parameters(recurse=False), *each.buffers(recurse=False)]
        if not any(t.device.type == "meta" for t in own):
            continue
        if fill is not None:
            fill(each)
        else:
            each.to_empty(device="cpu", recurse=False)
            with no_grad():
                each.reset_parameters()
