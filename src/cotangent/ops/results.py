"""Named results of operations that return several tensors, printed as PyTorch prints them."""

from __future__ import annotations

from collections import namedtuple
from typing import Any, Final

CLASSES: Final[dict[str, Any]] = {}


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

    count = len(fields)

    def make(cls: Any, *given: Any) -> Any:
        """Of all results, or (as PyTorch's are made) of one sequence of them."""
        if len(given) == count:
            return tuple.__new__(cls, given)
        if not given:
            raise TypeError("structseq() missing required argument 'sequence' (pos 1)")
        if len(given) > 1:
            raise TypeError(f"torch.return_types.{name}() takes a dict as second arg, if any")
        if not hasattr(given[0], "__iter__"):
            raise TypeError("constructor requires a sequence")
        values = tuple(given[0])
        if len(values) != count:
            raise TypeError(
                f"torch.return_types.{name}() takes a {count}-sequence ({len(values)}-sequence given)"
            )
        return tuple.__new__(cls, values)

    members = {
        "__slots__": (), "__new__": make, "__repr__": text, "__module__": "torch.return_types"
    }  # fmt: skip
    made = CLASSES[name] = type(name, (plain,), members)
    return made


frexp_result = named_result("frexp", "mantissa", "exponent")

_FIELDS: Final = {"aminmax": ("min", "max")}
# Functions whose results are values and their positions, or the extremes.
PLAIN: Final = frozenset(
    ("max", "min", "median", "nanmedian", "mode", "kthvalue", "sort", "topk", "cummax", "cummin", "aminmax")
)


def class_of(name: str) -> Any:
    """The named tuple of `torch.NAME`, (values, indices) if nothing else is known."""
    return CLASSES.get(name) or named_result(name, *_FIELDS.get(name, ("values", "indices")))


def namedtuple_of(name: str, *values: Any) -> Any:
    """The results of `torch.NAME` as its named tuple."""
    return class_of(name)(*values)
