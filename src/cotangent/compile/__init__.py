"""Tracing a function into a tape (and, later, machine code)."""

from .api import trace
from .tape import Tape

__all__ = ["Tape", "trace"]
