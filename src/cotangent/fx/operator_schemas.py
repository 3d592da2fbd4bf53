"""`torch.fx.operator_schemas`: the arguments of calls in the order of signatures."""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple

from ._names import is_from_torch, short_name

__all__ = ["ArgsKwargsPair", "check_for_mutable_operation", "normalize_function", "normalize_module"]


class ArgsKwargsPair(NamedTuple):
    """The arguments of a call."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]


def _arranged(
    called: Any, args: tuple[Any, ...], kwargs: dict[str, Any], only_kwargs: bool
) -> ArgsKwargsPair | None:
    try:
        signature = inspect.signature(called)
        bound = signature.bind(*args, **kwargs)
    except (TypeError, ValueError):
        return None
    kinds = [p.kind for p in signature.parameters.values()]
    if inspect.Parameter.VAR_POSITIONAL in kinds or inspect.Parameter.VAR_KEYWORD in kinds:
        return None
    bound.apply_defaults()
    named = dict(bound.arguments)
    if only_kwargs:
        return ArgsKwargsPair((), named)
    given = list(named)[: len(args)]
    return ArgsKwargsPair(tuple(named.pop(name) for name in given), named)


def check_for_mutable_operation(target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Refuse calls of PyTorch's functions that write to an operand.

    Args:
        target: the function.
        args: its arguments.
        kwargs: its keyword arguments.

    Raises:
        RuntimeError: for functions whose names end with an underscore, and for calls with `out`.
    """
    if not is_from_torch(target):
        return
    name = short_name(target)
    written = f"{name}.out" if kwargs.get("out") is not None else name
    if written != name or (name.endswith("_") and not name.endswith("__")):
        raise RuntimeError(
            f"Tried to trace mutable operation aten::{written}. FX only supports functional code, so "
            f"operations "
            "that mutate operands in-place (e.g. via `out` arguments) are not supported"
        )


def normalize_function(
    target: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any] | None = None,
    arg_types: tuple[Any, ...] | None = None,
    kwarg_types: dict[str, Any] | None = None,
    normalize_to_only_use_kwargs: bool = False,
) -> ArgsKwargsPair | None:
    """The arguments of a call of a function with the defaults of its signature.

    Args:
        target: the function.
        args: its positional arguments.
        kwargs: the others.
        arg_types: types of `args`; a function has one signature here, so they are not needed.
        kwarg_types: types of `kwargs`; not needed.
        normalize_to_only_use_kwargs: whether all become keyword arguments.

    Returns:
        The pair, or None where the call does not fit, or takes any number of arguments.

    Example:
        >>> from cotangent.fx.operator_schemas import normalize_function
        >>> def scaled(x, by=2): return x * by
        >>> normalize_function(scaled, (1,), normalize_to_only_use_kwargs=True)
        ArgsKwargsPair(args=(), kwargs={'x': 1, 'by': 2})
    """
    return _arranged(target, args, kwargs or {}, normalize_to_only_use_kwargs)


def normalize_module(
    root: Any,
    target: str,
    args: tuple[Any, ...],
    kwargs: dict[str, Any] | None = None,
    normalize_to_only_use_kwargs: bool = False,
) -> ArgsKwargsPair | None:
    """The arguments of a call of a submodule with the defaults of its `forward`.

    Args:
        root: the module it is in.
        target: its name there.
        args: its positional arguments.
        kwargs: the others.
        normalize_to_only_use_kwargs: whether all become keyword arguments.

    Returns:
        The pair, or None where the call does not fit.

    Raises:
        RuntimeError: if there is no such submodule.
    """
    try:
        module = root.get_submodule(target)
    except AttributeError as error:
        raise RuntimeError(
            f"Tried to normalize arguments for module target {target} but root did not have that target!"
        ) from error
    return _arranged(module.forward, args, kwargs or {}, normalize_to_only_use_kwargs)
