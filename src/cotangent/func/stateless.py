"""Calling a module as a function of its parameters: what gradients and vmap over parameters need."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..functions import stack
from ..tensor import Tensor

__all__ = ["functional_call", "stack_module_state"]

_ABSENT: Any = object()


def functional_call(
    module: Any,
    parameter_and_buffer_dicts: dict[str, Tensor] | Sequence[dict[str, Tensor]],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Call a module with other tensors in place of its parameters and buffers.

    Args:
        module: the module; it is as before afterwards.
        parameter_and_buffer_dicts: tensors by dotted name, or several such dictionaries.
        args: the arguments of the call, a tuple, or one that is none.
        kwargs: the keyword arguments of the call.
        tie_weights: whether a tensor given for one name of a shared parameter counts for all its names.
        strict: whether missing and unexpected names are errors.

    Returns:
        What the module returns.

    Raises:
        RuntimeError: if `strict` is set and names do not fit.
        ValueError: if a name is in several dictionaries, or names of a shared parameter are given different
            tensors.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.func import functional_call
        >>> net = torch.nn.Linear(2, 1)
        >>> given = {"weight": torch.tensor([[1.0, 2.0]]), "bias": torch.tensor([3.0])}
        >>> functional_call(net, given, torch.tensor([1.0, 1.0]))
        tensor([6.])
    """
    given = _merged(parameter_and_buffer_dicts)
    if args is None:
        args = ()
    elif not isinstance(args, tuple):
        args = (args,)
    with _replaced(module, given, tie_weights, strict):
        return module(*args, **(kwargs or {}))


def _merged(dicts: Any) -> dict[str, Tensor]:
    if isinstance(dicts, dict):
        return dicts
    if not isinstance(dicts, Sequence):
        raise ValueError(
            "Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, but got "
            f"{type(dicts)}"
        )
    if not all(isinstance(d, dict) for d in dicts):
        raise ValueError("Expected all elements of parameter_and_buffer_dicts to be dictionaries")
    counts: dict[str, int] = {}
    for name in (name for d in dicts for name in d):
        counts[name] = counts.get(name, 0) + 1
    repeated = [name for name, count in counts.items() if count > 1]
    if repeated:
        raise ValueError(
            f"{repeated} appeared in multiple dictionaries; behavior of functional call is ambiguous"
        )
    return {name: tensor for d in dicts for name, tensor in d.items()}


@contextmanager
def _replaced(module: Any, given: dict[str, Tensor], tie_weights: bool, strict: bool) -> Iterator[None]:
    """The module with other tensors; afterwards `given` has what the call left in their places."""
    own: list[tuple[str, Any]] = []
    if tie_weights or strict:  # all names, of which a module that contains itself has endlessly many
        own += module.named_parameters(remove_duplicate=False)
        own += module.named_buffers(remove_duplicate=False)
    tensors = _tied(own, given) if tie_weights else given
    if strict:
        _check_names(module, {name for name, _ in own}, set(tensors))
    before: dict[str, Any] = {}
    try:
        for name, tensor in tensors.items():
            before[name] = _swap(module, name, tensor)
        yield
    finally:
        after = {name: _swap(module, name, tensor) for name, tensor in before.items()}
        given.update({name: after[name] for name in given if name in after})


def _tied(own: list[tuple[str, Any]], given: dict[str, Tensor]) -> dict[str, Tensor]:
    """The given tensors, also under the other names of those they replace."""
    names_of: dict[int, list[str]] = {}
    for name, tensor in own:
        names_of.setdefault(id(tensor), []).append(name)
    complete = dict(given)
    for names in names_of.values():
        chosen = [given[name] for name in names if name in given]
        if len(names) == 1 or not chosen:
            continue
        if any(tensor is not chosen[0] for tensor in chosen):
            raise ValueError(
                f"functional_call got multiple values for keys {sorted(names)}, which are tied. "
                "Consider using tie_weights=False"
            )
        complete.update(dict.fromkeys(names, chosen[0]))
    return complete


def _check_names(module: Any, known: set[str], names: set[str]) -> None:
    complaints = [
        f"{what} key(s): {', '.join(map(repr, sorted(keys)))}."
        for what, keys in (("Unexpected", names - known), ("Missing", known - names))
        if keys
    ]
    if complaints:
        listed = "\n\t".join(complaints)
        raise RuntimeError(f"Error(s) in reparametrizing for {module._get_name()}:\n\t{listed}")


def _swap(module: Any, path: str, tensor: Any) -> Any:
    """Put a tensor at a path; give back what was there."""
    prefix, _, name = path.rpartition(".")
    owner = module
    for step in prefix.split(".") if prefix else ():
        owner = owner._step(step)
        if not hasattr(owner, "_parameters"):  # modules are floors above: known by what they have
            raise TypeError(f"submodule `{prefix}`: {owner} is not an instance of torch.nn.Module")
    if tensor is not _ABSENT and tensor is not None and not isinstance(tensor, Tensor):
        raise TypeError(f"{tensor} is not an instance of torch.Tensor")
    # Straight into the tables: a parameter may be replaced by a tensor that is none.
    for table in (owner._parameters, owner._buffers):
        if name in table:
            old: Any = table[name]
            if tensor is _ABSENT:
                del table[name]
            else:
                table[name] = tensor
            return old
    old = getattr(owner, name, _ABSENT)
    if old is not _ABSENT and old is not None and not isinstance(old, Tensor):
        raise TypeError(f"attribute `{name}`: {old} is not an instance of torch.Tensor")
    if tensor is _ABSENT:
        delattr(owner, name)
    else:
        setattr(owner, name, tensor)
    return old


def stack_module_state(models: Sequence[Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parameters and buffers of several equal modules, stacked along a new first dimension.

    With `vmap` over them, `functional_call` runs all modules at once.

    Args:
        models: the modules.

    Returns:
        Parameters by name, and buffers by name; new leaves.

    Raises:
        RuntimeError: if there is no module, or they differ in class, mode or `requires_grad`.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.func import stack_module_state
        >>> params, buffers = stack_module_state([torch.nn.Linear(2, 3) for _ in range(4)])
        >>> params["weight"].shape
        torch.Size([4, 3, 2])
    """
    if len(models) == 0:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if len({bool(model.training) for model in models}) > 1:
        raise RuntimeError("stack_module_state: Expected all models to have the same training/eval mode.")
    if len({type(model) for model in models}) > 1:
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")
    parameters = [dict(model.named_parameters()) for model in models]
    buffers = [dict(model.named_buffers()) for model in models]
    return _stacked(parameters), _stacked(buffers)


def _stacked(members: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {name: _stacked_leaf([own[name] for own in members], name) for name in members[0]}


def _stacked_leaf(tensors: list[Tensor], name: str) -> Any:
    wanted = {tensor.requires_grad for tensor in tensors}
    if len(wanted) > 1:
        raise RuntimeError(f"Expected {name} from each model to have the same .requires_grad")
    stacked = stack(tensors)
    return stacked.detach().requires_grad_() if wanted == {True} else stacked
