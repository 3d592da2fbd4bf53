"""Pairs of operator and change that may differ, each with its reason."""

from __future__ import annotations

from typing import Final

_LAPACK: Final = "what LAPACK makes of nan depends on the library"
_MKL: Final = "PyTorch's library refuses transforms of no elements, or spreads nan in its own order"
_CHECKS: Final = "both refuse it, PyTorch with a text about another of its arguments"

EXCUSED: Final[dict[str, dict[str, str]]] = {
    "geqrf": {"nan and inf": _LAPACK},
    "linalg.lstsq": {"nan and inf": _LAPACK},
    "fft.fft2": {"no rows": _MKL},
    "fft.ihfft": {"no columns": _MKL},
    "fft.ifft": {"nan and inf": _MKL},
    "fft.irfft": {"nan and inf": _MKL},
    "native_group_norm": {"turned": "PyTorch's kernel takes contiguous tensors only"},
    "native_batch_norm": {"nan and inf": "infinities less an infinite mean, in another order"},
    "_unsafe_masked_index": {"0-d": "more indices than dimensions, which a 0-d mask leaves unread here"},
    "index_put": {"no rows": _CHECKS},
    "searchsorted": {"0-d": _CHECKS},
    "nn.functional.interpolate:nearest": {"0-d": _CHECKS},
    "_segment_reduce:offsets": {"no rows": "PyTorch takes segments of no rows"},
    "unique_consecutive": {"no columns": "PyTorch refuses two dimensions of no elements"},
    "grid_sampler_3d": {"nan and inf": "PyTorch's kernel takes a position that is nan for outside"},
    "lgamma": {"extreme": "SciPy's function is infinite at subnormal numbers"},
    "special.scaled_modified_bessel_k1": {"extreme": "PyTorch's is nan at subnormal numbers"},
}
