"""Named results of operations that return several tensors, printed as PyTorch prints them."""

from __future__ import annotations

from collections import namedtuple
from typing import Any, Final


def named_result(name: str, *fields: str) -> Any:
    """The class `torch.return_types.NAME`: a named tuple with PyTorch's printed form.

    Args:
        name: the function whose results it names.
        fields: names of the results, in order.
    """
    plain = namedtuple(name, fields)  # type: ignore[misc]

    def text(self: Any) -> str:
        inner = ",\n".join(f"{field}={value!r}" for field, value in zip(fields, self, strict=True))
        return f"torch.return_types.{name}(\n{inner})"

    return type(name, (plain,), {"__slots__": (), "__repr__": text, "__module__": "torch.return_types"})


frexp_result = named_result("frexp", "mantissa", "exponent")

_FIELDS: Final = {"aminmax": ("min", "max")}
_classes: Final[dict[str, Any]] = {}


def namedtuple_of(name: str, *values: Any) -> Any:
    """The results of `torch.NAME` as its named tuple, (values, indices) if nothing else is known."""
    made = _classes.get(name)
    if made is None:
        made = _classes[name] = named_result(name, *_FIELDS.get(name, ("values", "indices")))
    return made(*values)
