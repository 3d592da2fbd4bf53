"""When a module's parameters are gathered and given back: the hooks of `fully_shard`.

    before forward      gather; start the gathering of the module that came next the last time
    after forward       give back (`reshard_after_forward`)
    before its backward gather again; start the gathering of the module that comes next, in reverse order
    gradients are in    start their reduction, give back
    backward ends       wait for reductions; what took no part is dealt with in the order of forward

All ranks run the same modules in the same order, so their gatherings and reductions meet.
"""

from __future__ import annotations

import threading
from typing import Any, Final

from ... import tree
from ...autograd.modes import grad_enabled, modes
from ...autograd.running import ExecutionEngine
from ...tensor import Tensor
from .params import ParamGroup

__all__ = ["State"]


class _Thread(threading.local):
    root: State | None = None  # whose forward this thread is in


_thread: Final = _Thread()


class State:
    """What `fully_shard` keeps of a module.

    Args:
        module: the module.
        group: its parameters, if it has some that no inner `fully_shard` has.
        reshard_after_forward: whether to give them back between forward and backward; None: unless it is the
            outermost.
        policy: of mixed precision.
    """

    def __init__(
        self, module: Any, group: ParamGroup | None, reshard_after_forward: bool | None, policy: Any
    ) -> None:
        self.module = module
        self.group = group
        self.reshard_after_forward = reshard_after_forward
        self.reshard_after_backward = True
        self.policy = policy
        self.root: State | None = None
        self.inner: list[State] = []  # of the outermost: all others
        self.order: list[State] = []  # of the outermost: in which forward came to modules
        self.before: list[State] = []  # the same, the last time
        self.in_backward = False
        self.took_part = False  # of the outermost: a backward through it is under way
        self.ahead: dict[str, list[State]] = {"forward": [], "backward": []}  # what the user wants prefetched
        module.register_forward_pre_hook(self._before_forward, prepend=True, with_kwargs=True)
        module.register_forward_hook(self._after_forward)
        module.register_state_dict_pre_hook(lambda *_: self.reshard())
        module._register_load_state_dict_pre_hook(lambda *_: self.reshard())
        self.hooked = False

    # -- forward --

    def _become_root(self) -> None:
        self.root = self
        for module in self.module.modules():
            state = getattr(module, "_fsdp_state", None)
            if state is not None and state is not self:
                if state.root is state:
                    raise RuntimeError(
                        "fully_shard: an inner module has run its forward by itself before the outermost one"
                    )
                state.root = self
                self.inner.append(state)
        for state in self.inner:
            if state.reshard_after_forward is None:
                state.reshard_after_forward = True
        if self.reshard_after_forward is None:
            self.reshard_after_forward = False

    def _before_forward(self, module: Any, args: Any, kwargs: Any) -> Any:
        if self.root is None and _thread.root is None:
            self._become_root()
        root = self.root
        if root is None:
            raise RuntimeError("fully_shard: the module was put into another one after its first forward")
        outermost = root is self and _thread.root is None
        if outermost:
            _thread.root = self
            if not modes.task:  # no recomputation inside backward
                if self.took_part:  # the last one has failed
                    self._end_of_backward()
                self.before, self.order = self.order, []
        if self.group is not None:
            self.group.unshard()
            self._add_hooks()
        if not self.in_backward:
            root.order.append(self)
            place = len(root.order)
            known = root.before
            if self.ahead["forward"]:
                _start(self.ahead["forward"])
            elif len(known) > place and known[place - 1] is self:
                _start(known[place : place + 1])
        cast = self.policy.param_dtype
        if cast is not None and self.policy.cast_forward_inputs:
            args, kwargs = tree.tree_map(lambda t: _cast(t, cast), (args, kwargs))
        return args, kwargs

    def _add_hooks(self) -> None:
        """Hear of gradients."""
        if self.hooked or self.group is None:
            return
        self.hooked = True
        for number, p in enumerate(self.group.params):
            if p.sharded._req:
                p.whole.register_post_accumulate_grad_hook(lambda _, n=number: self._gradient_came(n))

    def _after_forward(self, module: Any, args: Any, output: Any) -> Any:
        root = self.root
        assert root is not None
        recorded = grad_enabled()
        if _thread.root is self:
            _thread.root = None
            for state in self.inner:  # gathered ahead and not used
                if state.group is not None and state.group.gathering is not None:
                    state.group.reshard()
        if self.group is not None and not self.in_backward and (self.reshard_after_forward or not recorded):
            self.group.reshard()
        if recorded:
            for t in tree.flatten(output)[0]:
                if isinstance(t, Tensor) and t.requires_grad:
                    t.register_hook(self._before_backward)
        if self.policy.output_dtype is not None:
            return tree.tree_map(lambda t: _cast(t, self.policy.output_dtype), output)
        return output

    # -- backward --

    def _before_backward(self, gradient: Any) -> None:
        root = self.root
        assert root is not None
        if self.in_backward:
            return
        self.in_backward = True
        if not root.took_part:
            ExecutionEngine().queue_callback(root._end_of_backward)
        root.took_part = True
        if self.group is not None:
            self.group.unshard()
        if self.ahead["backward"]:
            _start(self.ahead["backward"])
        elif self in root.order:
            place = root.order.index(self)
            _start(root.order[max(0, place - 1) : place])

    def _gradient_came(self, number: int) -> None:
        group = self.group
        assert group is not None
        group.arrived.add(number)
        if group.complete():
            self._after_backward()

    def _after_backward(self) -> None:
        """The gradients of this module are in."""
        root, group = self.root, self.group
        assert root is not None and group is not None
        # One reduction at a time: whole gradients do not pile up.
        for state in root.everyone():
            if state.group is not None and state is not self:
                state.group.finish_reducing()
        group.finish_reducing()
        group.start_reducing()
        # Frozen parameters tell nobody when they are done with.
        if self.reshard_after_backward and not group.frozen:
            group.reshard()

    def everyone(self) -> list[State]:
        """The outermost and all inner ones."""
        return [*self.inner, self]

    def _end_of_backward(self) -> None:
        """Of the outermost: backward is over."""
        self.took_part = False
        states = list(dict.fromkeys([*reversed(self.order), *self.everyone()]))
        for state in states:
            group = state.group
            state.in_backward = False
            if group is None:
                continue
            if group.arrived:
                group.finish_reducing()
                group.start_reducing()
            if state.reshard_after_backward:
                group.reshard()
        for state in states:
            if state.group is not None:
                state.group.finish_reducing()

    def reshard(self) -> None:
        """Give whole parameters back."""
        if self.group is not None:
            self.group.reshard()


def _start(states: list[State]) -> None:
    for state in states:
        if state.group is not None:
            state.group.start_gathering()


def _cast(t: Any, dtype: Any) -> Any:
    if isinstance(t, Tensor) and t.is_floating_point() and t.dtype is not dtype:
        return t.to(dtype)
    return t
