"""Padding: constant, reflect, replicate, circular."""

from __future__ import annotations

from typing import Any, Final

from .. import dtypes
from ..errors import bad_argument
from ..kernels import rearrange as k
from ..kernels.layout import like_image
from .arguments import as_number, integers, rank
from .table import general, linear


def _batch_pad(op: Any, size: int, tensors: Any, dims: Any, statics: Any) -> Any:
    """The batch dimension comes to the front and is not padded."""
    t, (widths, rest) = tensors[0], statics
    if dims[0]:
        t = t.movedim(dims[0], 0)
    return op.entry(t, ((0, 0), *widths), rest), 0


def _batch_border(op: Any, size: int, tensors: Any, dims: Any, statics: Any) -> Any:
    """The same for the operations that have no further argument."""
    t = tensors[0].movedim(dims[0], 0) if dims[0] else tensors[0]
    return op.entry(t, ((0, 0), *statics[0])), 0


pad_constant_by: Any = general(
    "pad_constant_by(input | widths, value)",
    like_image(k.pad_constant),
    node="ConstantPadNdBackward0",
    public="constant_pad_nd",
    batch=_batch_pad,
    jvp=lambda tangents, args, out: pad_constant_by(tangents[0], args[1], 0),
    input=lambda g, widths: pad_constant_by(g, tuple([(-low, -high) for low, high in widths]), 0),
)
pad_border: Any = linear(
    "pad_border(input | widths, border)",
    k.pad_border,
    node="CopySlices",
    public="pad",
    batch=_batch_pad,
    input=lambda g, widths, border: pad_border_backward(g, widths, border),
)
pad_border_backward: Any = linear(
    "pad_border_backward(g | widths, border)",
    k.pad_border_backward,
    batch=_batch_pad,
    g=lambda g, widths, border: pad_border(g, widths, border),
)


def _reflecting(dims: int) -> Any:
    return linear(
        f"reflection_pad{dims}d(input | widths)",
        like_image(lambda a, widths: k.pad_border(a, widths, "reflect")),
        node=f"ReflectionPad{dims}DBackward0",
        batch=_batch_border,
        input=lambda g, input, widths: pad_border_backward(g, widths, "reflect"),
    )


def _replicating(dims: int) -> Any:
    return linear(
        f"replication_pad{dims}d(input | widths)",
        like_image(lambda a, widths: k.pad_border(a, widths, "replicate")),
        node=f"ReplicationPad{dims}DBackward0",
        batch=_batch_border,
        input=lambda g, input, widths: pad_border_backward(g, widths, "replicate"),
    )


_BORDER: Final = {
    "reflect": ("reflection_pad", {n: _reflecting(n) for n in (1, 2, 3)}),
    "replicate": ("replication_pad", {n: _replicating(n) for n in (1, 2, 3)}),
}


def _widths(shape: tuple[int, ...], pad: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """(before, after) for every dimension, from PyTorch's list that begins with the last one."""
    pairs = [(pad[i], pad[i + 1]) for i in range(0, len(pad), 2)]
    return ((0, 0),) * (len(shape) - len(pairs)) + tuple(reversed(pairs))


def constant_pad_nd(input: Any, pad: Any, value: Any = 0) -> Any:
    """A number put around a tensor.

    Args:
        input: tensor.
        pad: how many elements before and after, from the last dimension on; negative ones cut off.
        value: the number.

    Raises:
        RuntimeError: if there are more pairs than dimensions, or more is cut off than there is.

    Example:
        >>> import cotangent as torch
        >>> torch.constant_pad_nd(torch.tensor([1, 2]), (1, 2), 9)
        tensor([9, 1, 2, 9, 9])
    """
    n = rank("constant_pad_nd", input)
    amounts = integers("constant_pad_nd", "pad", (pad,), 2)
    if len(amounts) % 2:
        raise RuntimeError(f"Length of pad must be even but instead it equals {len(amounts)}")
    return _constant(input, amounts, value, n)


def _constant(input: Any, amounts: tuple[int, ...], value: Any, n: int) -> Any:
    shape = tuple(input._data.shape)
    if len(amounts) > 2 * n:
        raise RuntimeError(
            "Padding length should be less than or equal to two times the input dimension but got padding "
            f"length {len(amounts)} and input of dimension {n}"
        )
    widths = _widths(shape, amounts)
    for size, (low, high) in zip(shape, widths, strict=True):
        if size + min(low, 0) + min(high, 0) < 0:
            raise RuntimeError("narrow(): length must be non-negative.")
    d = input.dtype
    if d.category < dtypes.FLOATING:
        value = bool(value) if d is dtypes.bool_ else int(value)
    return pad_constant_by(input, widths, value)


def pad(input: Any, pad: Any, mode: str = "constant", value: float | None = None) -> Any:
    """Elements put around a tensor: a number, or the tensor itself continued beyond its borders.

    Args:
        input: tensor.
        pad: how many elements before and after, from the last dimension on; negative ones cut off.
        mode: "constant", "reflect", "replicate" or "circular"; all but the first for the last one to three
            dimensions, behind one or two others.
        value: the number, for mode "constant".

    Raises:
        RuntimeError: if `pad` does not fit the tensor.
        NotImplementedError: for other modes or numbers of dimensions.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.pad(torch.tensor([[1.0, 2.0]]), (1, 1), mode="replicate")
        tensor([[1., 1., 2., 2.]])
    """
    n = rank("pad", input)
    if isinstance(pad, int):
        bad_argument("pad", "pad", 2, "tuple of ints", pad)
    amounts = integers("pad", "pad", (pad,), 2)
    value = as_number("pad", "value", 4, value, "float")
    if isinstance(value, complex):
        bad_argument("pad", "value", 4, "float", value)
    if len(amounts) % 2:
        raise RuntimeError("Padding length must be divisible by 2")
    if len(amounts) > 2 * n:
        raise RuntimeError(
            "Padding length should be less than or equal to two times the input dimension but got padding "
            f"length {len(amounts)} and input of dimension {n}"
        )
    if mode == "constant":
        return _constant(input, amounts, 0 if value is None else value, n)
    if value is not None and value != 0:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    if mode not in ("reflect", "replicate", "circular"):
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    count = len(amounts) // 2
    if not 1 <= count <= 3 or n not in (count + 1, count + 2):
        raise NotImplementedError(
            f"Padding size {len(amounts)} is not supported for {n}D input tensor.\nSupported combinations "
            "for "
            "non-constant padding:\n  - 2D or 3D input: padding size = 2 (pads last dimension)\n  - 3D or 4D "
            "input: padding size = 4 (pads last 2 dimensions)\n  - 4D or 5D input: padding size = 6 (pads "
            "last 3 dimensions)"
        )
    return _bordered(input, amounts, mode, n)


def _check_filled(shape: tuple[int, ...], count: int, n: int) -> None:
    """Refuse tensors without elements, unless it is the batch that is empty."""
    if 0 in (shape if n == count + 1 else shape[1:]):
        raise RuntimeError(
            f"Expected {count + 1}D or {count + 2}D (batch mode) tensor with possibly 0 batch size and other "
            f"non-zero dimensions for input, but got: {list(shape)}"
        )


def _bordered(input: Any, amounts: tuple[int, ...], mode: str, n: int) -> Any:
    shape = tuple(input._data.shape)
    widths = _widths(shape, amounts)
    if mode == "circular":
        for size, (low, high) in zip(shape, widths, strict=True):
            if low > size or high > size:
                raise RuntimeError("Padding value causes wrapping around more than once.")
            if size + low + high < 0:
                raise RuntimeError("Negative padding value is resulting in an empty dimension")
        return pad_border(input, widths, mode)
    name, family = _BORDER[mode]
    count = len(amounts) // 2
    if input.dtype is dtypes.bool_:
        raise NotImplementedError(f"\"{name}{count}d\" not implemented for 'Bool'")
    _check_filled(shape, count, n)
    if mode == "reflect":
        for i in range(count):
            low, high = amounts[2 * i : 2 * i + 2]
            d = n - 1 - i
            if low >= shape[d] or high >= shape[d]:
                raise RuntimeError(
                    f"Argument #{4 + 2 * i}: Padding size should be less than the corresponding input "
                    f"dimension, but got: padding ({low}, {high}) at dimension {d} of input {list(shape)}"
                )
    return family[count](input, widths)
