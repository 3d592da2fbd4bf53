"""The warning of the old names."""

from __future__ import annotations

import warnings


def tell_deprecated(name: str) -> None:
    """Warn, in the name of the caller's caller, that there is a new name.

    Args:
        name: the name.
    """
    warnings.warn(
        f"`torch.cpu.amp.{name}(args...)` is deprecated. Please use `torch.amp.{name}('cpu', args...)`"
        " instead.",
        FutureWarning,
        stacklevel=3,
    )
