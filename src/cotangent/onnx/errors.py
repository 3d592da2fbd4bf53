"""What can go wrong when a module is exported."""

from __future__ import annotations

__all__ = ["OnnxExporterError", "UnsupportedOperatorError"]


class OnnxExporterError(RuntimeError):
    """The module cannot be exported."""


class UnsupportedOperatorError(OnnxExporterError):
    """An operation has no translation; the text names it and the line that calls it."""
