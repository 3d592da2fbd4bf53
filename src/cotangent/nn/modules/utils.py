"""Numbers for each dimension, and names of saved parameters: `torch.nn.modules.utils`."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

from ._tuples import each

__all__ = ["consume_prefix_in_state_dict_if_present"]


def _ntuple(n: int, name: str = "parse") -> Callable[[Any], tuple[Any, ...]]:
    """A function that makes a tuple of n numbers of one number; sequences stay as they are."""

    def parse(x: Any) -> tuple[Any, ...]:
        return each(x, n)

    parse.__name__ = name
    return parse


_single = _ntuple(1, "_single")
_pair = _ntuple(2, "_pair")
_triple = _ntuple(3, "_triple")
_quadruple = _ntuple(4, "_quadruple")


def _reverse_repeat_tuple(t: Iterable[Any], n: int) -> tuple[Any, ...]:
    """The elements from the last to the first, each n times."""
    return tuple(x for x in reversed(tuple(t)) for _ in range(n))


def _list_with_default(out_size: list[Any], defaults: list[int]) -> list[int]:
    """Sizes, those that are None taken from the end of `defaults`."""
    if isinstance(out_size, int | tuple):
        return out_size
    if len(defaults) <= len(out_size):
        raise ValueError(f"Input dimension should be at least {len(out_size) + 1}")
    return [d if v is None else v for v, d in zip(out_size, defaults[-len(out_size) :])]


def consume_prefix_in_state_dict_if_present(state_dict: dict[str, Any], prefix: str) -> None:
    """Take a prefix off the names in a state dict, in place.

    Args:
        state_dict: what `Module.state_dict` gave, possibly of a wrapped module.
        prefix: such as "module."; names without it stay as they are.

    Example:
        >>> import cotangent as torch
        >>> state = {"module.weight": 1, "bias": 2}
        >>> torch.nn.modules.utils.consume_prefix_in_state_dict_if_present(state, "module.")
        >>> state
        {'bias': 2, 'weight': 1}
    """
    for key in list(state_dict):
        if key.startswith(prefix):
            state_dict[key[len(prefix) :]] = state_dict.pop(key)
    metadata: OrderedDict[str, Any] | None = getattr(state_dict, "_metadata", None)
    for key in list(metadata or ()):
        # The metadata also has the module itself, named by the prefix without its dot.
        if key and (key == prefix.rstrip(".") or key.startswith(prefix)):
            assert metadata is not None
            metadata[key[len(prefix) :]] = metadata.pop(key)
