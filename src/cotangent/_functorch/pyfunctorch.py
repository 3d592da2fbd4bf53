"""Running transforms as objects."""

from __future__ import annotations

from .._C._functorch import CInterpreter, peek_interpreter_stack

__all__ = ["FuncTorchInterpreter", "retrieve_current_functorch_interpreter"]

FuncTorchInterpreter = CInterpreter


def retrieve_current_functorch_interpreter() -> CInterpreter:
    """The innermost transform that runs."""
    found = peek_interpreter_stack()
    assert found is not None, "no transform is running"
    return found
