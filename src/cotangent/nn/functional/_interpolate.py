"""Images made larger or smaller."""

from __future__ import annotations

import math
import warnings
from typing import Any, Final, NoReturn

from ...dtypes import FLOATING, uint8
from ...ops.refusals import unsupported
from ...ops.resample import RESIZE, resize_bytes
from ...ops.table import is_tensor
from ._adaptive import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d

__all__ = ["interpolate", "upsample", "upsample_bilinear", "upsample_nearest"]

_RANK: Final = {"linear": 3, "bilinear": 4, "bicubic": 4, "trilinear": 5}
_AREA: Final = {1: adaptive_avg_pool1d, 2: adaptive_avg_pool2d, 3: adaptive_avg_pool3d}
_KIND: Final = {"bilinear": "linear", "trilinear": "linear", "bicubic": "cubic"}
_SIZE_NAMES: Final = {1: ("W",), 2: ("H", "W"), 3: ("D", "H", "W")}


def _is_real(size: Any) -> bool:
    """Whether a size is a tensor that holds no integer."""
    return is_tensor(size) and size.dtype.category >= FLOATING


def _check_size(size: Any, mode: str, spatial: int, antialias: bool) -> None:
    """Refuse one size for all dimensions that is no integer, as PyTorch does when it calls its kernel."""
    tensor = is_tensor(size)
    if not (isinstance(size, float) or _is_real(size)):
        return
    plain = mode.startswith("nearest")
    names = [f"scales_{d.lower()}" for d in _SIZE_NAMES[spatial]] if spatial > 1 else ["scales"]
    kernel = mode.replace("-", "_") + f"{spatial}d" + ("_aa" if antialias else "")
    flag, given = ("", "") if plain else (" bool align_corners,", " bool,")
    kinds = ", ".join(["Tensor" if tensor else "float"] * spatial)
    scales = ", ".join(f"float {name} = None" for name in names)
    raise TypeError(
        f"{'_' if antialias or mode == 'nearest-exact' else ''}upsample_{kernel}() received an invalid "
        f"combination of arguments - got (Tensor, list,{given} NoneType), but expected one of:\n * (Tensor "
        f"input, tuple of ints output_size,{flag} tuple of floats scale_factors)\n      didn't match because "
        f"some of the arguments have invalid types: (Tensor, !list of [{kinds}]!,{given} !NoneType!)\n * "
        f"(Tensor input, tuple of ints output_size,{flag} {scales}, *, Tensor out = None)\n"
    )


def _goal(
    input: Any, size: Any, scale_factor: Any, recompute: Any
) -> tuple[tuple[int, ...], tuple[float | None, ...]]:
    """(sizes asked for, scale factors that positions are computed with)."""
    have = tuple(input.shape[2:])
    spatial = len(have)
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    if size is not None:
        if isinstance(size, (list, tuple)):
            if len(size) != spatial:
                raise ValueError(
                    "Input and output must have the same number of spatial dimensions, but got input with "
                    f"spatial dimensions of {list(have)} and output size of {size}. Please provide input "
                    "tensor in (N, C, d1, d2, ...,dK) format and output size in (o1, o2, ...,oK) format."
                )
            if not all(hasattr(n, "__index__") and not _is_real(n) for n in size):
                raise TypeError(
                    "expected size to be one of int or Tuple[int] or Tuple[int, int] or Tuple[int, int, "
                    f"int], but got size with types {[type(n) for n in size]}"
                )
            wanted = tuple(int(n) for n in size)
        else:
            wanted = (size,) * spatial
        if recompute:
            raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
        return wanted, (None,) * spatial
    if scale_factor is None:
        raise ValueError("either size or scale_factor should be defined")
    if isinstance(scale_factor, (list, tuple)):
        if len(scale_factor) != spatial:
            raise ValueError(
                "Input and scale_factor must have the same number of spatial dimensions, but got input with "
                f"spatial dimensions of {list(have)} and scale_factor of shape {scale_factor}. Please "
                "provide input tensor in (N, C, d1, d2, ...,dK) format and scale_factor in (s1, s2, ...,sK) "
                "format."
            )
        factors = tuple(float(f) for f in scale_factor)
    else:
        factors = (float(scale_factor),) * spatial
    wanted = tuple(_whole(n * f) for n, f in zip(have, factors, strict=True))
    return wanted, (None,) * spatial if recompute else factors


def _whole(size: float) -> int:
    """A size rounded down.

    Raises:
        RuntimeError: if it is no size that a machine could count.
    """
    if not abs(size) < 1 << 63:
        raise RuntimeError("value cannot be converted to type int64_t without overflow")
    return math.floor(size)


def _refuse_mode(input: Any, mode: str) -> NoReturn:
    raise NotImplementedError(
        f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {input.ndim}D) for the modes: nearest "
        f"| linear | bilinear | bicubic | trilinear | lanczos | area | nearest-exact (got {mode})"
    )


def _check_sizes(input: Any, wanted: tuple[int, ...]) -> None:
    spatial = len(wanted)
    have = tuple(input.shape[2:])
    if min(have) < 1 or min(wanted) < 1:
        names = _SIZE_NAMES[spatial]
        shown = [
            ", ".join(f"{name}: {n}" for name, n in zip(names, sizes, strict=True))
            for sizes in (have, wanted)
        ]
        raise RuntimeError(
            "Input and output sizes should be greater than 0, but got input "
            f"({shown[0]}) output ({shown[1]})"
        )
    sizes = [*input.shape[:2], *map(int, wanted)]
    if math.prod(sizes) * input.dtype.itemsize >= 1 << 63:
        raise RuntimeError(f"Storage size calculation overflowed with sizes={sizes}")
    if not input.shape[1]:
        raise RuntimeError(
            f"Non-empty {spatial + 2}D data tensor expected but got a tensor with sizes {list(input.shape)}"
        )


def _check_dtype(input: Any, mode: str, spatial: int, antialias: bool) -> None:
    d = input.dtype
    if antialias and d.itemsize == 2 and d.category == FLOATING:
        raise unsupported("compute_index_ranges_weights", d)
    if d.category == FLOATING or (d is uint8 and mode not in ("linear", "trilinear")):
        return
    name = mode.replace("-", "_") + (f"{spatial}d" if mode.startswith("nearest") else "")
    raise unsupported(
        f"upsample_{name}{'2d' if mode == 'bilinear' else ''}_channels_last"
        if spatial == 2 and mode != "bicubic"
        else f"upsample_{name}",
        d,
    )


def interpolate(
    input: Any,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Any:
    """Images of another size.

    Args:
        input: (N, C, L), (N, C, H, W) or (N, C, D, H, W).
        size: sizes wanted, one number or one for each spatial dimension.
        scale_factor: or by how much to grow, likewise.
        mode: "nearest", "nearest-exact", "linear" (3-d input), "bilinear", "bicubic" (4-d), "trilinear" (5-d)
            or "area".
        align_corners: whether the centres of corner elements, not their outer corners, stay where they are.
        recompute_scale_factor: whether positions follow from the sizes rather than from `scale_factor`.
        antialias: whether to widen the filter when making smaller.

    Returns:
        a tensor of the wanted size.

    Raises:
        ValueError: for arguments that exclude each other.
        NotImplementedError: for a mode that the input's rank does not have.

    Source: https://doi.org/10.1109/TASSP.1981.1163711 for cubic convolution.

    Example:
        >>> import cotangent as torch
        >>> F = torch.nn.functional
        >>> F.interpolate(torch.tensor([[[1.0, 3.0]]]), scale_factor=2, mode="linear")
        tensor([[[1.0000, 1.5000, 2.5000, 3.0000]]])
    """
    if mode in ("nearest", "area", "nearest-exact"):
        if align_corners is not None:
            raise ValueError(
                "align_corners option can only be set with the interpolating modes: linear | bilinear | "
                "bicubic | trilinear"
            )
    elif align_corners is None:
        align_corners = False
    rank = input.ndim
    spatial = rank - 2
    if spatial < 1 and not isinstance(size or scale_factor, (tuple, list)):
        _refuse_mode(input, mode)
    if size is not None and mode != "area":
        _check_size(size, mode, spatial, antialias)
    wanted, factors = _goal(input, size, scale_factor, recompute_scale_factor)
    if antialias and not (mode in ("bilinear", "bicubic", "lanczos") and rank == 4):
        raise ValueError(
            "Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and requires a 4-D "
            "tensor as input"
        )
    if spatial > 3 or mode not in ("nearest", "nearest-exact", "area", *_RANK):
        _refuse_mode(input, mode)
    if mode == "area":
        if math.prod((*input.shape[:2], *wanted)) >= 1 << 63 and min(wanted) > 0:
            raise RuntimeError("numel: integer multiplication overflow")
        return _AREA[spatial](input, wanted if spatial > 1 else wanted[0])
    if mode in _RANK and rank != _RANK[mode]:
        if mode == "bicubic":
            _refuse_mode(input, mode)
        raise NotImplementedError(f"Got {rank}D input, but {mode} mode needs {_RANK[mode]}D input")
    _check_sizes(input, wanted)
    _check_dtype(input, mode, spatial, antialias)
    kind = _KIND.get(mode, mode) + ("-aa" if antialias else "")
    spec = tuple(
        (kind, int(n), int(o), bool(align_corners), f)
        for n, o, f in zip(input.shape[2:], wanted, factors, strict=True)
    )
    if input.dtype is uint8:
        return resize_bytes(input, spec)
    return RESIZE[mode + ("-aa" if antialias else ""), spatial](input, spec)


def _deprecated(name: str) -> None:
    warnings.warn(
        f"`nn.functional.{name}` is deprecated. Use `nn.functional.interpolate` instead.", stacklevel=3
    )


def upsample(
    input: Any, size: Any = None, scale_factor: Any = None, mode: str = "nearest",
    align_corners: bool | None = None,
) -> Any:  # fmt: skip
    """`interpolate` under its former name.

    Args:
        input: (N, C, ...).
        size: sizes wanted.
        scale_factor: or by how much to grow.
        mode: as for `interpolate`.
        align_corners: as for `interpolate`.
    """
    _deprecated("upsample")
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Any, size: Any = None, scale_factor: Any = None) -> Any:
    """`interpolate` in mode "nearest", under a former name.

    Args:
        input: (N, C, ...).
        size: sizes wanted.
        scale_factor: or by how much to grow.
    """
    _deprecated("upsample_nearest")
    return interpolate(input, size, scale_factor, mode="nearest")


def upsample_bilinear(input: Any, size: Any = None, scale_factor: Any = None) -> Any:
    """`interpolate` in mode "bilinear" with aligned corners, under a former name.

    Args:
        input: (N, C, H, W).
        size: sizes wanted.
        scale_factor: or by how much to grow.
    """
    _deprecated("upsample_bilinear")
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)
