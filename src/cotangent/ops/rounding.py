"""Rounding to whole numbers and to decimals."""

from __future__ import annotations

from typing import Any

from ..dtypes import BOOL, COMPLEX, INTEGRAL
from ..kernels import elementwise as k
from .copies import zeros_like
from .describe import of_one
from .refusals import exact_out, refuse, refuse_with
from .table import deliver, elementwise


def _rounding(name: str, kernel: Any, what: str, given: str, shown: str) -> Any:
    no_complex = NotImplementedError(f"{name} is not supported for complex inputs")
    return elementwise(
        f"{name}(input)",
        kernel,
        check=refuse_with(no_complex, COMPLEX, refuse(f"{name}_vml_cpu", BOOL)),
        out_check=exact_out,
        input=lambda g: zeros_like(g),
        doc=of_one(what, name, given, shown),
    )


ceil = _rounding("ceil", k.ceil, "Each element rounded up.", "-1.5, 1.5", "tensor([-1.,  2.])")
floor = _rounding("floor", k.floor, "Each element rounded down.", "-1.5, 1.5", "tensor([-2.,  1.])")
trunc = _rounding("trunc", k.trunc, "Each element rounded towards zero.", "-1.5, 1.5", "tensor([-1.,  1.])")
frac = elementwise(
    "frac(input)",
    k.frac,
    check=refuse("frac_cpu", BOOL, INTEGRAL, COMPLEX),
    out_check=exact_out,
    input=lambda g: g,
    doc=of_one("What truncation takes away.", "frac", "-1.5, 1.5", "tensor([-0.5000,  0.5000])"),
)
round_whole = elementwise(
    "round_whole(input)",
    k.rint,
    node="RoundBackward0",
    public="round",
    check=refuse("round_vml_cpu", BOOL, COMPLEX),
    input=lambda g: zeros_like(g),
)
round_decimals = elementwise(
    "round_decimals(input | decimals)",
    k.round_to,
    node="RoundBackward1",
    public="round",
    check=refuse("round_cpu", BOOL, INTEGRAL, COMPLEX),
    input=lambda g: zeros_like(g),
)


def round(input: Any, *, decimals: int = 0, out: Any = None) -> Any:
    """Each element rounded to the nearest number of so many decimals, half to even.

    Args:
        input: tensor of any shape.
        decimals: how many; negative for tens, hundreds, ...
        out: tensor to store the result in.

    Returns:
        a tensor of the shape of `input`.

    Raises:
        NotImplementedError: for dtypes that cannot be rounded.

    Example:
        >>> import cotangent as torch
        >>> torch.round(torch.tensor([0.5, 1.5, 2.7])), torch.round(torch.tensor([3.14159]), decimals=2)
        (tensor([0., 2., 3.]), tensor([3.1400]))
    """
    value = round_whole(input) if decimals == 0 else round_decimals(input, decimals)
    exact_out(value, out)
    return deliver("round", value, out)
