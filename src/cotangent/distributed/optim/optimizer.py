"""DistributedOptimizer: parameters that live on several workers, stepped where they are."""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Iterator
from typing import Any, Final

from ...autograd.modes import enable_grad
from ..autograd import engine
from ..rpc import agent as agents
from ..rpc.recording import current
from ..rpc.rref import RRef, remote_value

__all__ = ["DistributedOptimizer"]


class _Locks:
    """A lock for each parameter, as long as it lives."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._locks: dict[int, Any] = {}

    def of(self, parameter: Any) -> Any:
        key = id(parameter)
        with self._guard:
            if key not in self._locks:
                self._locks[key] = threading.Lock()
                weakref.finalize(parameter, self._locks.pop, key, None)
            return self._locks[key]

    @contextlib.contextmanager
    def held(self, parameters: list[Any]) -> Iterator[None]:
        """For a block: nobody else steps these; all take the locks in one order."""
        with contextlib.ExitStack() as stack:
            for parameter in sorted(parameters, key=id):
                stack.enter_context(self.of(parameter))
            yield


_locks: Final = _Locks()


class _LocalOptimizer:
    """The share of one worker."""

    def __init__(self, optim_cls: Any, local_params_rref: list[RRef], *args: Any, **kwargs: Any) -> None:
        self.parameters = [rref.local_value() for rref in local_params_rref]
        with enable_grad():
            self.optim = optim_cls(self.parameters, *args, **kwargs)

    def step(self, autograd_ctx_id: int) -> None:
        """Step with the gradients of a context; several contexts may step at once."""
        gradients = engine.get_gradients(autograd_ctx_id)
        with _locks.held(self.parameters):
            before = [p.grad for p in self.parameters]
            try:
                for p in self.parameters:
                    p.grad = gradients.get(p)
                self.optim.step()
            finally:
                for p, g in zip(self.parameters, before, strict=True):
                    p.grad = g


def _step(optimizer: RRef, autograd_ctx_id: int) -> None:
    optimizer.local_value().step(autograd_ctx_id)


class DistributedOptimizer:
    """An optimizer for parameters on several workers, given by references.

    Args:
        optimizer_class: the optimizer that each worker makes for its own parameters.
        params_rref: references to the parameters.
        args, kwargs: further arguments of `optimizer_class`.

    Raises:
        Exception: what making one of the optimizers raised.
    """

    def __init__(self, optimizer_class: Any, params_rref: list[RRef], *args: Any, **kwargs: Any) -> None:
        per_worker: dict[agents.WorkerInfo, list[RRef]] = {}
        for rref in params_rref:
            per_worker.setdefault(rref.owner(), []).append(rref)
        self.remote_optimizers = [
            remote_value(worker, _LocalOptimizer, (optimizer_class, rrefs, *args), kwargs, None)
            for worker, rrefs in per_worker.items()
        ]
        for rref in self.remote_optimizers:
            rref.ready()

    def step(self, context_id: int) -> None:
        """Step all parameters with the gradients of a context.

        Args:
            context_id: the context, after its backward.

        Raises:
            Exception: what one of the optimizers raised; all have been asked before.
        """
        agent = agents.here()
        context = current()
        calls = [
            agent.call(o.owner().id, _step, (o, context_id), None, None, context)
            for o in self.remote_optimizers
        ]
        errors = []
        for call in calls:
            try:
                call.wait()
            except Exception as error:
                errors.append(error)
        if errors:
            raise errors[0]
