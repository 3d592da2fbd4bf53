"""A custom Function that saves an input which it also returns."""

from __future__ import annotations

from typing import Any


def refuse_saved(ctx: Any, inputs: Any, outputs: Any) -> None:
    """Raise PyTorch's error if the context saves an input that is an output as well, and was not written.

    In a `setup_context` nothing says which of the two is meant: the output has the Function in its history.
    """
    dirty = set(map(id, ctx.dirty_tensors or ()))
    both = set(map(id, inputs)) & set(map(id, outputs)) - dirty
    saved = (*(ctx.to_save or ()), *(ctx.saved_for_forward or ()))
    if any(t is not None and id(t) in both for t in saved):
        raise RuntimeError(
            "An input that has been returned as-is as output is being saved for backward. This is not "
            "supported if you override setup_context. You should return and save a view of the input "
            "instead, e.g. with x.view_as(x) or setup ctx inside the forward function itself."
        )
