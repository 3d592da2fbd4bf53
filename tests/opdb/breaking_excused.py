"""Pairs of operator and change that may differ, each with its reason."""

from __future__ import annotations

from typing import Final

_LAPACK: Final = "what LAPACK makes of nan depends on the library"
_MKL: Final = "PyTorch's library refuses transforms of no elements, or spreads nan in its own order"
_CHECKS: Final = "both refuse it, PyTorch with a text about another of its arguments"
_ENTRY: Final = "an entry of PyTorch's dispatcher, which checks nothing; programs call the public function"
_OVERLAPS: Final = "PyTorch writes into a copy whose elements overlap as those of the input do"
_ORDER: Final = "infinities meet in another order of sums"
_TINY: Final = "SciPy's function is infinite (or PyTorch's is nan) at subnormal numbers"
_NAN: Final = "PyTorch's kernel overlooks a nan, or makes one of infinity"
_UNFILLED: Final = "PyTorch returns memory that it has not written"
_LEAST: Final = "the smallest integer has no absolute value"
_WRONG: Final = "PyTorch's own result does not agree with its definition"
_SEGMENTS: Final = "what PyTorch checks depends on what it reads beyond the data"
_TYPE: Final = "no type of NumPy's"
_EVERY: Final = (
    "turned", "channels last", "spaced", "overlapping", "flipped", "0-d", "size one", "no rows", "no columns",
    "large", "extreme", "nan and inf",
)  # fmt: skip


def _all(reason: str, *changes: str) -> dict[str, str]:
    return dict.fromkeys(changes or _EVERY, reason)


EXCUSED: Final[dict[str, dict[str, str]]] = {
    # -- transforms, and what stands on them
    **{
        f"fft.{name}": _all(_MKL, "no rows", "no columns", "nan and inf")
        for name in (
            "fft", "fft2", "hfft", "hfft2", "hfftn", "rfft2", "ifft", "ifft2", "ihfft2", "irfft", "irfft2",
            "irfftn",
        )
    },
    **{f"fft.{name}": _all(_MKL, "no rows", "nan and inf") for name in ("fftn", "rfftn", "ifftn", "ihfftn")},
    **{f"fft.{name}": _all(_MKL, "no rows", "no columns") for name in ("rfft", "ihfft")},
    "stft": _all(_MKL, "no rows"),
    # -- linear algebra
    **{
        name: _all(_LAPACK, "nan and inf")
        for name in (
            "geqrf", "cholesky_inverse", "lu", "ormqr", "qr",
            "linalg.det", "linalg.cholesky_ex", "linalg.eigvals", "linalg.householder_product",
            "linalg.ldl_factor_ex", "linalg.qr", "linalg.slogdet", "linalg.lu_factor", "linalg.lu_factor_ex",
            "linalg.lu", "linalg.inv", "linalg.inv_ex",
        )
    },
    "linalg.lstsq": _all(_LAPACK, "nan and inf") | {"no rows": "residuals of no matrices"},
    "linalg.lstsq:grad_oriented": _all(_LAPACK, "nan and inf") | {"no rows": "residuals of no matrices"},
    "cholesky_solve": {"overlapping": "the matrix is singular but for rounding"},
    "linalg.tensorinv": {"overlapping": "the matrix is singular but for rounding"},
    "linalg.tensorsolve": {"overlapping": "the matrix is singular but for rounding"},
    "addmv": {"no columns": "PyTorch returns the number it was given without making a vector of it"},
    "addbmm": {"no rows": "PyTorch multiplies the integer by a fraction although nothing is added"},
    # -- memory that overlaps
    "diagonal_scatter": _all(_OVERLAPS, "overlapping"),
    "select_scatter": _all(_OVERLAPS, "overlapping"),
    "slice_scatter": _all(_OVERLAPS, "overlapping"),
    "as_strided_scatter": dict.fromkeys(
        ("turned", "channels last", "spaced", "overlapping", "flipped", "0-d", "size one"),
        "PyTorch's gradient is no derivative: it passes on what was overwritten",
    ),
    "nn.functional.embedding": _all(_OVERLAPS, "overlapping") | _all(_CHECKS, "0-d", "no rows"),
    "nn.functional.embedding_bag": _all(_OVERLAPS, "overlapping") | _all(_NAN, "nan and inf"),
    "multinomial": {"overlapping": "PyTorch draws once for each place in memory"},
    "kron": {"overlapping": "PyTorch's view of its result has no such strides"},
    "nn.functional.scaled_dot_product_attention": _all(_WRONG, "overlapping")
    | _all("sums in another order than PyTorch's, in float32", "flipped")
    | _all(_CHECKS, "no rows", "no columns")
    | _all(_NAN, "nan and inf"),
    # -- norms
    "native_group_norm": _all(
        _ENTRY, "turned", "spaced", "overlapping", "0-d", "size one", "no rows", "no columns", "nan and inf"
    ),
    "native_batch_norm": _all(_ENTRY, "0-d", "size one", "no rows", "no columns", "nan and inf"),
    "nn.functional.batch_norm": _all(_CHECKS, "no rows", "no columns") | _all(_ORDER, "nan and inf"),
    "nn.functional.instance_norm": _all(_CHECKS, "no rows", "no columns") | _all(_ORDER, "nan and inf"),
    # -- indices
    "_unsafe_masked_index": {"0-d": "more indices than dimensions, which a 0-d mask leaves unread here"},
    "_unsafe_masked_index_put_accumulate": _all(_CHECKS, "0-d"),
    "index_select": {"size one": "PyTorch tells of an index out of bounds in each layout differently"},
    "searchsorted": _all(_CHECKS, "0-d") | _all(_NAN, "nan and inf"),
    "repeat_interleave": _all(_CHECKS, "0-d")
    | _all("PyTorch takes an output_size that is not that of the output", "no rows"),
    "unique": {"nan and inf": "rows with nan have no order"},
    "mode": {"nan and inf": "PyTorch counts nans that sorting has put side by side as one value"},
    "to_sparse": _all(_CHECKS, "0-d"),
    "_chunk_cat": {"0-d": "PyTorch's kernel ends the process"},
    "nn.functional.pdist": {"no rows": "PyTorch's kernel ends the process"},
    "nn.functional.ctc_loss": _all(_CHECKS, "0-d"),
    # -- pooling, padding, images
    "nn.functional.adaptive_avg_pool2d": _all(_ORDER, "nan and inf"),
    "nn.functional.interpolate:area": _all(_ORDER, "nan and inf"),
    "nn.functional.bilinear": _all(_ORDER, "nan and inf"),
    "nn.functional.pad:circular": {"size one": "nothing is left to go round"},
    "nn.functional.pad:replicate_negative": {"size one": "PyTorch checks the size of what it has cut away"},
    "nn.functional.fractional_max_pool2d": _all(_CHECKS, "0-d", "size one", "no columns"),
    "nn.functional.max_pool3d": {"channels last": "PyTorch has no kernel for this layout of integers"},
    **{
        f"nn.functional.max_unpool{d}d{variant}": _all(_CHECKS, "0-d")
        for d in (1, 2, 3)
        for variant in ("", ":grad")
    },
    "_upsample_bilinear2d_aa": _all(_ENTRY, "0-d", "size one", "no columns"),
    "nn.functional.grid_sample": {"nan and inf": "PyTorch's kernel takes a position that is nan for outside"},
    "grid_sampler_3d": {"nan and inf": "PyTorch's kernel takes a position that is nan for outside"},
    # -- losses
    "nn.functional.multi_margin_loss": _all(_UNFILLED, "no rows") | _all(_NAN, "nan and inf"),
    "nn.functional.multilabel_margin_loss": _all(_UNFILLED, "no rows") | _all(_NAN, "nan and inf"),
    "nn.functional.soft_margin_loss": {"size one": "PyTorch's sum has no room for what it broadcasts"},
    "nn.functional.multi_head_attention_forward": _all(_CHECKS, "no rows"),
    "_softmax_backward_data": _all(_ENTRY, "size one"),
    # -- numbers at the edge
    "fmod": {"extreme": "PyTorch's vectorized quotient overflows"},
    "remainder": {"extreme": "PyTorch's vectorized quotient overflows"},
    "__rmod__": {"extreme": "PyTorch's vectorized quotient overflows"},
    "lcm": _all(_LEAST, "extreme"),
    "gcd": _all(_LEAST, "extreme"),
    "nansum": {"extreme": "the largest numbers cancel in another order of sums"},
    "nanmean": {"extreme": "the largest numbers cancel in another order of sums"},
    "var": {"size one": "no degrees of freedom"},
    "var_mean": {"size one": "no degrees of freedom"},
    "cummax": {"no rows": "of nothing there is no gradient", "no columns": "of nothing there is no gradient"},
    "cummin": {"no rows": "of nothing there is no gradient", "no columns": "of nothing there is no gradient"},
    "cumulative_trapezoid": {"no columns": "of nothing there is no gradient"},
    "trapz": {"no columns": "of nothing there is no gradient"} | _all(_ORDER, "nan and inf"),
    "trapezoid": {"no columns": "of nothing there is no gradient"} | _all(_ORDER, "nan and inf"),
    "gradient": _all(_CHECKS, "no columns"),
    "cdist": _all(_NAN, "nan and inf"),
    "einsum": {"size one": "PyTorch sums over a dimension of one, which makes int64 of uint8"},
    "lgamma": _all(_TINY, "extreme"),
    **{f"mvlgamma:mvlgamma_p_{p}": _all(_TINY, "extreme") for p in (1, 3, 5)},
    "special.scaled_modified_bessel_k0": _all(_TINY, "extreme"),
    "special.scaled_modified_bessel_k1": _all(_TINY, "extreme"),
    "special.modified_bessel_k1": _all(_TINY, "extreme"),
    "special.airy_ai": _all(_TINY, "extreme"),
    "igamma": _all(_TINY, "extreme") | _all(_NAN, "nan and inf"),
    "igammac": _all(_NAN, "nan and inf"),
    "nn.functional.gelu": _all(_NAN, "nan and inf"),
    **{f"polygamma:polygamma_n_{n}": _all(_NAN, "nan and inf") for n in range(5)},
    "special.polygamma:special_polygamma_n_0": _all(_NAN, "nan and inf"),
    "special.zeta": _all(_NAN, "nan and inf"),
    # -- what NumPy does not have
    "chalf": _all(_TYPE),
    "resize_": _all(_UNFILLED, "0-d", "size one", "no rows", "no columns"),
    "resize_as_": _all(_UNFILLED, "size one"),
    "_segment_reduce:lengths": _all(_SEGMENTS, "size one", "no rows", "no columns"),
    "_segment_reduce:offsets": _all(_SEGMENTS, "overlapping", "flipped", "size one", "no rows"),
}
