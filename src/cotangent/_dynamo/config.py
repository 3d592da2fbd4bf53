"""Settings of PyTorch's compiler: kept for programs that set them; `torch.compile` does not ask.

It does what the default says: an error while compiling is raised.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

suppress_errors: bool = False


@contextmanager
def patch(changes: Any = None, value: Any = None, **named: Any) -> Iterator[None]:
    """Other values of settings for a block, or for the function that this decorates.

    Args:
        changes: a dictionary of names and values, or the name of one.
        value: its value.
        named: names and values.

    Example:
        >>> import cotangent as torch
        >>> with torch._dynamo.config.patch(suppress_errors=True):
        ...     print(torch._dynamo.config.suppress_errors)
        True
    """
    wanted = {changes: value} if isinstance(changes, str) else {**(changes or {}), **named}
    before = {name: globals()[name] for name in wanted if name in globals()}
    globals().update(wanted)
    try:
        yield
    finally:
        for name in wanted:
            globals().pop(name)
        globals().update(before)
