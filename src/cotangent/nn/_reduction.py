"""The ways a loss is reduced, and the older pair of flags that used to choose among them."""

from __future__ import annotations

import warnings


def get_enum(reduction: str) -> int:
    """The number of a reduction.

    Args:
        reduction: "none", "mean" or "sum".

    Returns:
        0, 1 or 2.

    Raises:
        ValueError: for any other word.

    Example:
        >>> from cotangent.nn._reduction import get_enum
        >>> get_enum("sum")
        2
    """
    if reduction == "elementwise_mean":
        warnings.warn(
            "reduction='elementwise_mean' is deprecated. Please use reduction='mean' instead.", stacklevel=2
        )
        return 1
    try:
        return ("none", "mean", "sum").index(reduction)
    except ValueError:
        raise ValueError(f"{reduction} is not a valid value for reduction") from None


def legacy_get_string(size_average: bool | None, reduce: bool | None, emit_warning: bool = True) -> str:
    """The reduction that the two older flags mean; an unset flag counts as true.

    Args:
        size_average: whether to average rather than sum.
        reduce: whether to reduce at all.
        emit_warning: whether to say what to write instead.

    Returns:
        "none", "mean" or "sum".

    Example:
        >>> from cotangent.nn._reduction import legacy_get_string
        >>> legacy_get_string(False, None, emit_warning=False)
        'sum'
    """
    if reduce is not None and not reduce:
        chosen = "none"
    elif size_average is not None and not size_average:
        chosen = "sum"
    else:
        chosen = "mean"
    if emit_warning:
        warnings.warn(
            f"size_average and reduce args will be deprecated, please use reduction='{chosen}' instead.",
            stacklevel=2,
        )
    return chosen


def legacy_get_enum(size_average: bool | None, reduce: bool | None, emit_warning: bool = True) -> int:
    """The number of the reduction that the two older flags mean.

    Args:
        size_average, reduce, emit_warning: as for `legacy_get_string`.

    Returns:
        0, 1 or 2.

    Example:
        >>> from cotangent.nn._reduction import legacy_get_enum
        >>> legacy_get_enum(False, None, emit_warning=False)
        2
    """
    return get_enum(legacy_get_string(size_average, reduce, emit_warning))
