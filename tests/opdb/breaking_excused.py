"""Pairs of operator and change that may differ, each with its reason."""

from __future__ import annotations

from typing import Final

EXCUSED: Final[dict[str, dict[str, str]]] = {}
