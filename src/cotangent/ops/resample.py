"""Resizing of the last dimensions: interpolation of every kind, and means of evenly spread windows.

All are one linear map with different coefficients (`kernels/resample.py`), so they share their transpose.
"""

from __future__ import annotations

from typing import Any, Final

from ..kernels import resample as k
from ..kernels.layout import like_image, rows
from .batching import leading
from .table import linear

resize_plain: Any = linear(
    "resize_plain(input | spec)",
    k.resize,
    node="UpsampleBackwardBackward0",
    public="upsample",
    batch=leading,
    input=lambda g, spec: resize_back(g, spec),
)
resize_back: Any = linear(
    "resize_back(g | spec)",
    k.resize_back,
    node="UpsampleBackwardBackward0",
    public="upsample_backward",
    batch=leading,
    g=lambda c, spec: resize_plain(c, spec),
)
resize_bytes: Any = linear(
    "resize_bytes(input | spec)", like_image(k.resize_bytes), public="upsample", batch=leading
)


def _resizing(public: str, node: str, laid: Any = like_image) -> Any:
    return linear(
        f"{public}_of(input | spec)",
        laid(k.resize),
        node=node,
        public=public,
        batch=leading,
        input=lambda g, spec: resize_back(g, spec),
    )


# By mode and number of dimensions.
RESIZE: Final[dict[tuple[str, int], Any]] = {
    ("area", 2): _resizing("adaptive_avg_pool2d", "AdaptiveAvgPool2DBackward0"),
    ("area", 3): _resizing("adaptive_avg_pool3d", "AdaptiveAvgPool3DBackward0", rows),
    ("linear", 1): _resizing("upsample_linear1d", "UpsampleLinear1DBackward0"),
    ("bilinear", 2): _resizing("upsample_bilinear2d", "UpsampleBilinear2DBackward0"),
    ("bicubic", 2): _resizing("upsample_bicubic2d", "UpsampleBicubic2DBackward0"),
    ("trilinear", 3): _resizing("upsample_trilinear3d", "UpsampleTrilinear3DBackward0"),
    ("bilinear-aa", 2): _resizing("_upsample_bilinear2d_aa", "UpsampleBilinear2DAaBackward0"),
    ("bicubic-aa", 2): _resizing("_upsample_bicubic2d_aa", "UpsampleBicubic2DAaBackward0"),
    **{
        ("nearest", d): _resizing(f"upsample_nearest{d}d", f"UpsampleNearest{d}DBackward0") for d in (1, 2, 3)
    },
    **{
        ("nearest-exact", d): _resizing(
            f"_upsample_nearest_exact{d}d", f"UpsampleNearestExact{d}DBackward0"
        )
        for d in (1, 2, 3)
    },
}
