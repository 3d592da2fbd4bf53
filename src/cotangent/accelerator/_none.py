"""The error of using an accelerator where there is none."""

from __future__ import annotations

from typing import NoReturn


def refuse() -> NoReturn:
    """Raise it."""
    raise RuntimeError("Cannot access accelerator device when none is available.")
