"""Docstrings of generated functions: elementwise operations differ in a sentence and an example only."""

from __future__ import annotations


def of_one(what: str, name: str, given: str, shown: str) -> str:
    """Docstring of a function of one tensor.

    Args:
        what: first line.
        name: public name.
        given: elements of the example's tensor.
        shown: what the example prints.
    """
    return f"""{what}

    Args:
        input: tensor of any shape.
        out: tensor to store the result in.

    Returns:
        a tensor of the shape of `input`.

    Example:
        >>> import cotangent as torch
        >>> torch.{name}(torch.tensor([{given}]))
        {shown}
    """


def of_two(what: str, name: str, left: str, right: str, shown: str, second: str = "other") -> str:
    """Docstring of a function of two operands that broadcast; `left`, `right` are the example's arguments."""
    return f"""{what}

    Args:
        input: tensor.
        {second}: tensor (or number, where PyTorch takes one) that broadcasts with `input`.
        out: tensor to store the result in.

    Returns:
        a tensor of the broadcast shape, of the promoted dtype.

    Example:
        >>> import cotangent as torch
        >>> torch.{name}({left}, {right})
        {shown}
    """
