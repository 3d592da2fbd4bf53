"""Modules as functions of their parameters."""

from ..func.stateless import functional_call, stack_module_state

__all__ = ["functional_call", "stack_module_state"]
