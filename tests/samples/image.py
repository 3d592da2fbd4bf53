"""Normalisation over examples and channels, resizing, reading at places, sliding blocks, padding."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .case import ALL, COMPLEX, FLOATS, NUMBERS, REAL, Const, Make, OpCase, S, Sample, V

F = "nn.functional."
HALVES = {"float16": (1e-2, 1e-2), "bfloat16": (6e-2, 6e-2), "float32": (2e-5, 1e-5)}


def _no_running(make: Make) -> Iterator[Sample]:
    yield S(make(3, 2, 2), None, None, make(2), make(2), True)
    yield S(make(4, 3), None, None, training=True, eps=1e-3)
    yield S(make(2, 2, 2, 2), None, None, make(2), None, True)
    yield V(make(3, 2, 5, 4), None, None, make(2), make(2), True)


def _evaluated(make: Make) -> Iterator[Sample]:
    mean, variance = Const(make(2)), Const(make(2, low=0.5, high=2))
    yield S(make(3, 2, 2), mean, variance, make(2), make(2))
    yield S(make(4, 2), mean, variance, eps=1e-3)


def _trained(xp: Any, x: Any, mean: Any, variance: Any, momentum: float) -> Any:
    """Batch norm with running statistics, which it returns, too."""
    mean, variance = mean.clone(), variance.clone()
    return xp.nn.functional.batch_norm(x, mean, variance, None, None, True, momentum), mean, variance


def _running(make: Make) -> Iterator[Sample]:
    yield S(make(3, 2, 2), Const(make(2)), Const(make(2, low=0.5, high=2)), 0.3)
    yield S(make(4, 2), Const(make(2)), Const(make(2, low=0.5, high=2)), 1.0)


def _instance(make: Make) -> Iterator[Sample]:
    yield S(make(2, 2, 3), weight=make(2), bias=make(2))
    yield S(make(1, 2, 3, 2))
    yield S(make(2, 2, 2), Const(make(2)), Const(make(2, low=0.5, high=2)), use_input_stats=False)


def _group(make: Make) -> Iterator[Sample]:
    yield S(make(2, 4, 2), 2, make(4), make(4))
    yield S(make(3, 4), 2, make(4), eps=0.1)
    yield S(make(1, 2, 2, 3), 1)
    yield V(make(2, 6, 5, 4), 3, make(6), make(6), 1e-2)


def _native_group(make: Make) -> Iterator[Sample]:
    yield S(make(2, 4, 2), make(4), make(4), 2, 4, 2, 2, 1e-3)


def _native_layer(make: Make) -> Iterator[Sample]:
    yield S(make(3, 4), (4,), make(4), make(4), 1e-3)


def _native_batch(make: Make) -> Iterator[Sample]:
    yield S(make(3, 2, 2), make(2), make(2), None, None, True, 0.1, 1e-3)


def _local(make: Make) -> Iterator[Sample]:
    yield S(make(2, 3, 4), 2)
    yield S(make(1, 4, 2, 2), 3, 1.0, 0.5, 2.0)


def _interpolate(make: Make) -> Iterator[Sample]:
    yield S(make(1, 2, 4), 6)
    yield S(make(1, 2, 4), scale_factor=1.7, mode="linear")
    yield S(make(1, 2, 4), 7, mode="linear", align_corners=True)
    yield S(make(1, 1, 4, 3), scale_factor=(1.5, 0.7), mode="nearest-exact")
    yield S(make(1, 1, 4, 3), (3, 5), mode="bilinear")
    yield S(make(1, 1, 4, 3), scale_factor=1.3, mode="bilinear", recompute_scale_factor=True)
    yield S(make(1, 1, 4, 3), (5, 6), mode="bicubic", align_corners=True)
    yield S(make(1, 1, 4, 3), scale_factor=0.6, mode="bicubic")
    yield S(make(1, 1, 2, 3, 2), (3, 2, 4), mode="trilinear")
    yield S(make(1, 1, 2, 3, 2), 3, mode="nearest")
    yield S(make(1, 1, 4, 3), (2, 2), mode="area")
    yield V(make(2, 3, 9, 8), scale_factor=2.3, mode="bicubic")
    yield V(make(2, 3, 9, 8), scale_factor=0.3, mode="bilinear")


def _antialiased(make: Make) -> Iterator[Sample]:
    yield S(make(1, 1, 6, 5), (3, 2), mode="bilinear", antialias=True)
    yield S(make(1, 1, 6, 5), (2, 3), mode="bicubic", antialias=True, align_corners=True)
    yield S(make(1, 1, 4, 3), (6, 5), mode="bilinear", antialias=True)
    yield V(make(2, 3, 13, 17), (5, 7), mode="bicubic", antialias=True)


def _places(make: Make, *shape: int) -> Any:
    """Places that stay away from the borders of elements and images, where slopes jump."""
    spots = np.array([-1.37, -0.83, -0.41, -0.17, 0.13, 0.37, 0.71, 0.87, 1.23])
    picked = spots[make.rng.randint(0, len(spots), shape)] + make.rng.uniform(-0.02, 0.02, shape)
    return picked.astype(make(1).dtype)


def _grid(*padding: str) -> Any:
    def samples(make: Make) -> Iterator[Sample]:
        for mode in ("bilinear", "nearest", "bicubic"):
            for pad in padding:
                align = mode == "bilinear"
                yield S(make(1, 2, 3, 2), _places(make, 1, 2, 2, 2), mode, pad, align_corners=align)
        for pad in padding:
            yield S(make(1, 1, 2, 3, 2), _places(make, 1, 1, 1, 2, 3), "bilinear", pad, align_corners=False)
        yield V(make(2, 3, 7, 6), _places(make, 2, 5, 4, 2), "bilinear", padding[0], True)

    return samples


def _affine(make: Make) -> Iterator[Sample]:
    yield S(make(2, 2, 3), (2, 1, 2, 3), align_corners=False)
    yield S(make(1, 3, 4), (1, 1, 2, 1, 3), align_corners=False)
    yield S(make(1, 2, 3), (1, 1, 3, 2), align_corners=True)


def _unfold(make: Make) -> Iterator[Sample]:
    yield S(make(1, 2, 3, 4), 2)
    yield S(make(1, 4, 4), (2, 1), (1, 2), 1, (2, 1))
    yield V(make(0, 2, 3, 4), 2)


def _fold(make: Make) -> Iterator[Sample]:
    yield S(make(1, 4, 4), (3, 3), 2)
    yield S(make(4, 6), (3, 4), 2, stride=(1, 1))
    yield S(make(1, 2, 12), (4, 4), (2, 1))


def _shuffle(make: Make) -> Iterator[Sample]:
    yield S(make(1, 4, 2, 3), 2)
    yield S(make(4, 1, 2), 1)
    yield S(make(2, 1, 8, 1, 1), 2)


def _unshuffle(make: Make) -> Iterator[Sample]:
    yield S(make(1, 1, 4, 2), 2)
    yield S(make(2, 2, 4), 2)


def _channels(make: Make) -> Iterator[Sample]:
    yield S(make(2, 4, 3), 2)
    yield S(make(1, 6, 2, 1), 3)


def _circular(make: Make) -> Iterator[Sample]:
    yield S(make(1, 2, 4), (2, 1), "circular")
    yield S(make(1, 1, 3, 4), (-1, 1, 2, -1), "circular")


def _dropped(make: Make) -> Iterator[Sample]:
    yield S(make(3, 4), 0.0, False)
    yield S(make(4, 3, layout="t"), 0.5, False)


def _batch_norm(xp: Any, *args: Any, **options: Any) -> Any:
    return xp.nn.functional.batch_norm(*args, **options)


def _interpolated(xp: Any, *args: Any, **options: Any) -> Any:
    return xp.nn.functional.interpolate(*args, **options)


CASES = [
    OpCase("batch_norm training", _no_running, FLOATS, _batch_norm,
           tolerance=HALVES),
    OpCase("batch_norm evaluation", _evaluated, FLOATS,
           _batch_norm, tolerance=HALVES),
    # PyTorch refuses batches that go into one running value, a tape writes to what is outside.
    OpCase("batch_norm running", _running, REAL, _trained, tolerance=HALVES, vmap=False, trace=False),
    OpCase(F + "instance_norm", _instance, REAL, tolerance=HALVES),
    OpCase(F + "group_norm", _group, FLOATS, tolerance=HALVES),
    OpCase("native_group_norm", _native_group, REAL, tolerance=HALVES),
    OpCase("native_layer_norm", _native_layer, REAL, tolerance=HALVES),
    OpCase("native_batch_norm", _native_batch, REAL, tolerance=HALVES),
    OpCase("native_dropout", _dropped, FLOATS),
    OpCase(F + "local_response_norm", _local, REAL, tolerance=HALVES),
    OpCase(F + "interpolate", _interpolate, FLOATS, tolerance=HALVES, grad_fn=True),
    OpCase("interpolate antialias", _antialiased, REAL, _interpolated,
           tolerance=HALVES),
    OpCase(F + "grid_sample", _grid("zeros", "border", "reflection"), REAL, tolerance=HALVES),
    OpCase(F + "affine_grid", _affine, REAL, tolerance=HALVES),
    OpCase(F + "unfold", _unfold, (*FLOATS, *COMPLEX, "bool")),
    OpCase(F + "fold", _fold, (*FLOATS, *COMPLEX)),
    OpCase(F + "pixel_shuffle", _shuffle, ALL),
    OpCase(F + "pixel_unshuffle", _unshuffle, ALL),
    OpCase(F + "channel_shuffle", _channels, ALL),
    OpCase("pad circular", _circular, NUMBERS, lambda xp, *a: xp.nn.functional.pad(*a), grad_fn=False),
]  # fmt: skip
