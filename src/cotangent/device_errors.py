"""Errors of devices, for programs that catch them. Nothing here raises them."""

from __future__ import annotations

__all__ = ["AcceleratorError", "FatalError", "OutOfMemoryError"]


class OutOfMemoryError(RuntimeError):
    """The memory of a device is used up."""

    __module__ = "torch"


class AcceleratorError(RuntimeError):
    """An accelerator has failed."""

    __module__ = "torch"


class FatalError(Exception):
    """What a program cannot go on after."""

    __module__ = "torch"
