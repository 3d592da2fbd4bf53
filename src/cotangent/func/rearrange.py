"""`rearrange`: dimensions named, grouped and reordered by a pattern such as `"b (h w) c -> b c h w"`.

The notation is that of einops (Rogozhnikov, 2022, https://openreview.net/forum?id=oapKSVM2bcj).
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

from ..functions import stack
from ..ops.table import is_tensor

__all__ = ["rearrange"]

_DOTS: Final = "..."
# A group is the axes in one pair of parentheses; an axis by itself is a group of one, `1` one of none. An
# ellipsis by itself is no group: its dimensions stay apart.
Group = tuple[str, ...]
_APART: Final[Group] = (_DOTS, "")


class DimensionBindError(Exception):
    """Sizes given by name do not fit the tensor."""


class _Side(NamedTuple):
    """One side of a pattern."""

    groups: list[Group]
    dots_in_parentheses: bool

    @property
    def names(self) -> list[str]:
        return [name for group in self.groups for name in group if name]


def _tokens(text: str) -> list[str]:
    """Names, numbers, parentheses and ellipses of one side."""
    if "." in text.replace(_DOTS, "", 1):
        more = text.count(_DOTS) > 1
        raise ValueError(
            "Expression may contain dots only inside ellipsis (...)"
            + ("; only one ellipsis for tensor " if more else "")
        )
    found: list[str] = []
    word = ""
    for character in text.replace(_DOTS, " … ") + " ":
        if character.isalnum() or character == "_":
            word += character
            continue
        if word:
            found.append(word)
            word = ""
        if character in "()…":
            found.append(_DOTS if character == "…" else character)
        elif character != " ":
            raise ValueError(f"Unknown character '{character}'")
    return found


def _side(text: str) -> _Side:
    groups: list[Group] = []
    inside: list[str] | None = None
    nested = False
    seen: set[str] = set()
    for token in _tokens(text):
        if token == "(":
            if inside is not None:
                raise ValueError("Axis composition is one-level (brackets inside brackets not allowed)")
            inside = []
            continue
        if token == ")":
            if inside is None:
                raise ValueError("Brackets are not balanced")
            groups.append(tuple(inside))
            inside = None
            continue
        if token.isdecimal():
            if int(token) != 1:
                raise ValueError("rearrange only supports unnamed axes of size 1")
            if inside is None:
                groups.append(())
            continue
        if token != _DOTS:
            _check_name(token)
        if token in seen:
            raise ValueError(f"Indexing expression contains duplicate dimension '{token}'")
        seen.add(token)
        if inside is None:
            groups.append(_APART if token == _DOTS else (token,))
        else:
            nested |= token == _DOTS
            inside.append(token)
    if inside is not None:
        raise ValueError(f"Imbalanced parentheses in expression: '{text}'")
    return _Side(groups, nested)


def _check_name(name: str) -> None:
    if not name.isidentifier():
        raise ValueError(f"Invalid axis identifier: {name}\nnot a valid python identifier")
    if name[0] == "_" or name[-1] == "_":
        raise ValueError(
            f"Invalid axis identifier: {name}\naxis name should should not start or end with underscore"
        )


def _parsed(pattern: str) -> tuple[_Side, _Side]:
    parts = pattern.split("->")
    if len(parts) != 2:
        raise ValueError("Pattern must contain a single '->' separator")
    left, right = map(_side, parts)
    if _DOTS in right.names and _DOTS not in left.names:
        raise ValueError(f"Ellipsis found in right side, but not left side of a pattern {pattern}")
    if left.dots_in_parentheses:
        raise ValueError(f"Ellipsis is parenthesis in the left side is not allowed: {pattern}")
    apart = set(left.names) ^ set(right.names)
    if apart:
        raise ValueError(f"Identifiers only on one side of rearrange expression (should be on both): {apart}")
    return left, right


def _sizes(left: _Side, shape: tuple[int, ...], given: dict[str, int]) -> dict[str, tuple[int, ...]]:
    """The size of each axis; those of an ellipsis are several."""
    hidden = len(shape) - len(left.groups) + 1
    dots = _APART in left.groups
    if hidden < 0 if dots else len(shape) != len(left.groups):
        count = len(left.groups) - dots
        text = (
            f"Number of dimensions in pattern ({count}) must be less than or equal to the number of"
            " dimensions in the "
            if dots
            else (
                f"Number of dimensions in pattern ({count}) must be equal to the number of dimensions in the "
            )
        )
        raise ValueError(f"{text}tensor ({len(shape)})")
    sizes: dict[str, tuple[int, ...]] = {}
    at = 0
    for group in left.groups:
        if group == _APART:
            sizes[_DOTS] = shape[at : at + hidden]
            at += hidden
            continue
        n = shape[at]
        at += 1
        known = math.prod(given[name] for name in group if name in given)
        unknown = [name for name in group if name not in given]
        if len(unknown) > 1:
            raise DimensionBindError(
                f"cannot infer the sizes of two dimensions at once {unknown[0]} and {unknown[1]}"
            )
        if unknown:
            if not known or n % known:
                shown = tuple(given.get(name, "?") for name in group)
                raise DimensionBindError(
                    f"inferred dimension does not evenly fit into larger dimension: {n} vs {shown}"
                )
            sizes[unknown[0]] = (n // known,)
        elif known != n:
            raise DimensionBindError(
                f"Dimension sizes to do not match ({n} != {known}) when matching dimension pack {group}"
            )
        sizes.update((name, (given[name],)) for name in group if name in given)
    return sizes


def rearrange(tensor: Any, pattern: str, **axes_lengths: int) -> Any:
    """A tensor with its dimensions reordered, split and merged as a pattern says.

    Args:
        tensor: any shape; a list or tuple of equal tensors is stacked first.
        pattern: names of the dimensions, `->`, and the same names as they are wanted; parentheses merge
            dimensions (on the left: name the parts of one), `...` stands for any number of them, `1` for one
            of size one.
        axes_lengths: sizes of parts that the shape does not tell.

    Returns:
        a view where the memory allows it.

    Raises:
        ValueError: for a pattern that makes no sense, or does not fit the number of dimensions.
        TypeError: for sizes that are no integers.
        DimensionBindError: for sizes that do not fit.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.func import rearrange
        >>> rearrange(torch.zeros(2, 12, 3), "b (h w) c -> b c h w", h=4).shape
        torch.Size([2, 3, 4, 3])
    """
    if not is_tensor(tensor):
        tensor = stack(tensor)
    left, right = _parsed(pattern)
    for value in axes_lengths.values():
        if not isinstance(value, int):
            raise TypeError(f"rearrange axis lengths must be integers, got: {type(value)}")
    strange = set(axes_lengths) - set(left.names)
    if strange:
        raise ValueError(f"Identifiers not found in rearrange expression: {strange}")
    sizes = _sizes(left, tuple(tensor.shape), axes_lengths)
    # One dimension for each axis, in the order of the left side; the ellipsis has several.
    places: dict[str, list[int]] = {}
    count = 0
    for name in left.names:
        places[name] = list(range(count, count + len(sizes[name])))
        count += len(sizes[name])
    split = tensor.reshape([n for name in left.names for n in sizes[name]])
    moved = split.permute([place for name in right.names for place in places[name]])
    shape: list[int] = []
    for group in right.groups:
        if group == _APART:
            shape += sizes[_DOTS]
        else:
            shape.append(math.prod(n for name in group for n in sizes[name]))
    return moved.reshape(shape)
