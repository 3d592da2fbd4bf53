"""`torch.ops.NAMESPACE`: operators that programs define. `library/` enters them here."""

from __future__ import annotations

from typing import Any, Final

NAMESPACES: Final[dict[str, Namespace]] = {}


class Namespace:
    """The operators of one namespace, as attributes.

    Args:
        name: of the namespace.
    """

    def __init__(self, name: str) -> None:
        self.__name__ = f"torch.ops.{name}"
        self._name = name

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"'_OpNamespace' '{self._name}' object has no attribute '{name}'")

    def __repr__(self) -> str:
        return f"<module '{self.__name__}' from 'torch.ops'>"


def namespace(name: str) -> Namespace:
    """The namespace of that name, made when it is first asked for."""
    return NAMESPACES.setdefault(name, Namespace(name))
