"""Functions and methods that a short program never touches: their modules run when one of them is first used.

`import cotangent` has to stay cheap, so a family of operations that is not in everybody's way is named here
instead of in `methods.FAMILIES`, with what it offers. `torch.NAME` finds a function through the package's
`__getattr__`; on Tensor each name is a descriptor that puts the real method in its place when it is first
read.
"""

from __future__ import annotations

from typing import Any, Final

from . import lazy
from .autograd.inplace import in_place
from .dtypes import SCALAR_NAME, can_cast
from .tensor import Tensor

# Module in `ops/` -> names of functions, of methods, of methods that have an in-place twin. `name:other` says
# that the function or method is the module's function `other`, `name:Tensor` that the function is Tensor's
# method; `name!` that the twin is the function with a write for its one operation.
_FAMILIES: Final[dict[str, tuple[str, str, str]]] = {
    "discrete": (
        "unique unique_consecutive nonzero argwhere count_nonzero bincount any all",
        "unique unique_consecutive nonzero argwhere count_nonzero bincount any all",
        "",
    ),
    "einsum": ("einsum", "", ""),
    "extremes": (
        "max min amax amin aminmax argmax argmin median kthvalue",
        "max min amax amin aminmax argmax argmin median kthvalue",
        "",
    ),
    "fake_quantize": ("fake_quantize_per_tensor_affine fake_quantize_per_channel_affine", "", ""),
    "histograms": ("histc histogram histogramdd", "histc histogram", ""),
    "integrals": ("gradient trapezoid trapz cumulative_trapezoid", "", ""),
    "membership": (
        "isin unravel_index nonzero_static hash_tensor",
        "nonzero_static hash_tensor",
        "",
    ),
    "masks": (
        "masked_fill masked_select masked_scatter take put",
        "masked_fill masked_select masked_scatter take put",
        "masked_fill:masked_fill_written! masked_scatter! put!",
    ),
    "moments": (
        "std var std_mean var_mean prod logsumexp nansum nanmean",
        "std var prod logsumexp nansum nanmean",
        "",
    ),
    "ordering": (
        "sort argsort msort topk cumsum cumprod cummax cummin logcumsumexp diff",
        "sort argsort msort topk cumsum cumprod cummax cummin logcumsumexp diff",
        "cumsum:cumsum_written! cumprod:cumprod_written!",
    ),
    "renorm": ("renorm norm_except_dim", "renorm", "renorm!"),
    "rounding": (
        (
            "ceil floor trunc frac round fix:trunc ceil_:Tensor floor_:Tensor trunc_:Tensor frac_:Tensor "
            "round_:Tensor fix_:Tensor"
        ),
        "ceil floor trunc frac round fix:trunc",
        "ceil! floor! trunc! frac! round! fix:trunc!",
    ),
    "scatter_reduce": ("scatter_reduce", "scatter_reduce", "scatter_reduce!"),
    "scatters": (
        "select_scatter slice_scatter diagonal_scatter as_strided_scatter",
        "select_scatter slice_scatter diagonal_scatter as_strided_scatter",
        "",
    ),
    "search": ("searchsorted bucketize", "", ""),
    "segments": (
        "index_reduce segment_reduce _segment_reduce:segment_reduce",
        "index_reduce",
        "index_reduce",
    ),
    "spectra": ("stft istft", "stft istft", ""),
    "gamma": ("_standard_gamma_grad _dirichlet_grad", "", ""),
    "aten": (
        (
            "_addmm_activation _chunk_cat _compute_linear_combination _unsafe_masked_index "
            "_unsafe_masked_index_put_accumulate"
        ),
        "",
        "",
    ),
    "triangles": (
        "tril triu diag diag_embed diagflat trace",
        "tril triu diag diag_embed diagflat trace",
        "tril! triu!",
    ),
    "unsafe": (
        "unsafe_chunk unsafe_split unsafe_split_with_sizes",
        "unsafe_chunk unsafe_split unsafe_split_with_sizes",
        "",
    ),
    "view_copies": (
        (
            "view_copy expand_copy permute_copy transpose_copy t_copy squeeze_copy unsqueeze_copy "
            "select_copy unfold_copy as_strided_copy split_copy split_with_sizes_copy unbind_copy "
            "narrow_copy diagonal_copy slice_copy alias_copy"
        ),
        "narrow_copy",
        "",
    ),
    "vandermonde": ("vander", "", ""),
    "normalize": ("layer_norm", "", ""),
    "padding": ("constant_pad_nd", "", ""),
    "products": (
        "outer vdot inner tensordot kron cross addmv addr addbmm baddbmm ger:outer addmv_:Tensor",
        "outer vdot inner kron cross addmv addr addbmm baddbmm ger:outer",
        "addmv! addr! addbmm! baddbmm!",
    ),
    "sparse": (
        "smm sspaddmm saddmm:sspaddmm dsmm:smm hsmm:smm spmm:smm",
        (
            "coalesce is_coalesced _indices _values _nnz sparse_dim dense_dim indices values to_dense "
            "sparse_mask smm sspaddmm dsmm:smm hsmm:smm spmm:smm"
        ),
        "",
    ),
    "compressed": (
        "crow_indices_copy col_indices_copy ccol_indices_copy row_indices_copy",
        (
            "to_sparse to_sparse_coo to_sparse_csr to_sparse_csc to_sparse_bsr to_sparse_bsc crow_indices "
            "col_indices ccol_indices row_indices"
        ),
        "",
    ),
    "special": (
        ("erf erfc erfinv lgamma digamma polygamma i0 nextafter erf_:Tensor erfc_:Tensor i0_:Tensor"),
        (
            "erf erfc erfinv lgamma digamma polygamma:polygamma_method polygamma_:polygamma_in_place i0 "
            "nextafter"
        ),
        "erf! erfc! erfinv! lgamma! digamma! i0! nextafter!",
    ),
    "incomplete": ("igamma igammac", "igamma igammac", "igamma! igammac!"),
    "ranks": ("mode nanmedian quantile nanquantile", "mode nanmedian quantile nanquantile", ""),
    "normal": ("mvlgamma", "mvlgamma", "mvlgamma"),
    "chains": ("chain_matmul matrix_power", "matrix_power", ""),
    "cholesky": ("cholesky cholesky_inverse cholesky_solve", "cholesky cholesky_inverse cholesky_solve", ""),
    "covariance": ("corrcoef cov", "corrcoef cov", ""),
    "distances": ("cdist pdist", "", ""),
    "lu": ("lu lu_solve lu_unpack", "lu:lu_method lu_solve", ""),
    "matrix_exponential": ("matrix_exp", "matrix_exp", ""),
    "matrix_norms": ("frobenius_norm norm nuclear_norm", "norm", ""),
    "norms": ("dist", "dist", ""),
    "pseudoinverse": ("pinverse", "pinverse", ""),
    "qr": ("geqrf orgqr ormqr qr", "geqrf orgqr ormqr qr", ""),
    "removed": ("eig lstsq matrix_rank solve symeig", "eig lstsq solve symeig", ""),
    "singular": ("svd", "svd", ""),
    "systems": ("det inverse logdet slogdet", "det inverse logdet slogdet", ""),
    "triangular": ("triangular_solve", "triangular_solve", ""),
}
# Modules beside `ops/` -> names of functions, of methods.
# Each operation that goes through lists of tensors, and its form that writes.
_FOREACH: Final = (
    "abs acos add addcdiv addcmul asin atan ceil clamp_max clamp_min cos cosh div erf erfc exp expm1 floor "
    "frac lerp lgamma log log10 log1p log2 maximum minimum mul neg pow reciprocal round rsqrt sigmoid sign "
    "sin sinh sqrt sub tan tanh trunc"
)
_LISTS: Final = (
    *(f"_foreach_{name}{end}" for name in _FOREACH.split() for end in ("", "_")),
    *(f"_foreach_{name}" for name in ("clone", "copy_", "max", "mm", "norm", "powsum", "zero_")),
)
_BESIDE: Final = {
    "random_gamma": ("_standard_gamma _sample_dirichlet", ""),
    "windows": ("hann_window hamming_window blackman_window bartlett_window kaiser_window", ""),
    "exchange": ("asarray from_dlpack frombuffer", ""),
    "lowrank": ("lobpcg pca_lowrank svd_lowrank", ""),
    "scalars": ("sym_float sym_int sym_max sym_min sym_not sym_ite sym_sum sym_sqrt", ""),
    "precision": (
        (
            "get_float32_matmul_precision set_float32_matmul_precision get_deterministic_debug_mode "
            "set_deterministic_debug_mode set_num_interop_threads init_num_threads is_distributed"
        ),
        "",
    ),
    "uncommon": (
        (
            "batch_norm_stats batch_norm_elemt batch_norm_backward_reduce batch_norm_backward_elemt "
            "batch_norm_gather_stats batch_norm_gather_stats_with_counts has_lapack has_spectral has_mkl "
            "has_openmp set_flush_denormal sym_constrain_range "
            "sym_constrain_range_for_size "
            "sym_fresh_size cond import_ir_module import_ir_module_from_buffer parse_ir parse_schema "
            "from_file "
            "slice_inverse "
            "choose_qparams_optimized _neg_view _assert_async _debug_has_internal_overlap"
        ),
        (
            "slice_inverse record_stream "
            "chalf module_load reinforce index to_padded_tensor _neg_view storage_type"
        ),
    ),
    "sparse_sizes": (
        "hspmm native_norm resize_as_sparse_ indices_copy values_copy _sparse_broadcast_to",
        "sparse_resize_ sparse_resize_and_clear_ resize_as_sparse_ _coalesced_",
    ),
    "quantized": (
        (
            "dequantize int_repr q_per_channel_axis q_per_channel_scales q_per_channel_zero_points q_scale "
            "q_zero_point qscheme quantize_per_channel quantize_per_tensor quantize_per_tensor_dynamic "
            "per_channel_affine per_channel_affine_float_qparams per_channel_symmetric per_tensor_affine "
            "per_tensor_symmetric"
        ),
        (
            "dequantize int_repr q_per_channel_axis q_per_channel_scales q_per_channel_zero_points q_scale "
            "q_zero_point qscheme:scheme_of"
        ),
    ),
    "sharing": ("", "share_memory_ is_shared"),
    "foreach": (" ".join(_LISTS), ""),
    "elements": (
        "embedding_renorm_ fill_ index_put_ detach_copy view_as_complex_copy view_as_real_copy",
        (
            "apply_ map_ map2_ fill_diagonal_ new resize resize_as as_subclass const_data_ptr pin_memory "
            "is_distributed __nonzero__ __long__"
        ),
    ),
}
_MODULES: Final[dict[str, Any]] = {name: lazy.module(f"cotangent.ops.{name}") for name in _FAMILIES}
FUNCTIONS: Final[dict[str, tuple[Any, str]]] = {}


def function(name: str) -> Any:
    """The function `torch.NAME`, for one of FUNCTIONS."""
    return getattr(*FUNCTIONS[name])


def _copying(front: Any) -> Any:
    """The in-place form of a function made of several operations: its result is copied into the tensor."""

    def twin(self: Any, *args: Any, **kwargs: Any) -> Any:
        # The copy is what a rule may keep: the tensor itself is about to change.
        found = front(self.clone(), *args, **kwargs)
        if not can_cast(found.dtype, self.dtype):
            raise RuntimeError(
                f"result type {SCALAR_NAME[found.dtype]} can't be cast to the desired output type "
                f"{SCALAR_NAME[self.dtype]}"
            )
        return self.copy_(found)

    twin.__name__ = twin.__qualname__ = front.__name__ + "_"
    twin.__doc__ = f"In-place form of `{front.__name__}`."
    twin.__module__ = front.__module__
    return twin


class _Late:
    """Stands on Tensor for a method until somebody reads it."""

    __slots__ = ("module", "name", "source", "inplace", "single")

    def __init__(self, module: Any, name: str, inplace: bool) -> None:
        self.module = module
        self.single = name.endswith("!")
        self.name, _, source = name.rstrip("!").partition(":")
        self.source = source or self.name
        self.inplace = inplace

    def __get__(self, obj: Any, owner: type) -> Any:
        found = getattr(self.module, self.source)
        if self.inplace:
            found = in_place(found) if self.single or hasattr(found, "op") else _copying(found)
        setattr(Tensor, self.name + "_" * self.inplace, found)
        return found if obj is None else found.__get__(obj, owner)


for _family, (_functions, _methods, _inplace) in _FAMILIES.items():
    for _text in _functions.split():
        _name, _, _source = _text.partition(":")
        FUNCTIONS[_name] = (Tensor, _name) if _source == "Tensor" else (_MODULES[_family], _source or _name)
    for _text, _writes in ((_methods, False), (_inplace, True)):
        for _name in _text.split():
            _late = _Late(_MODULES[_family], _name, _writes)
            setattr(Tensor, _late.name + "_" * _writes, _late)
for _beside, (_functions, _methods) in _BESIDE.items():
    _module = lazy.module(f"cotangent.{_beside}")
    FUNCTIONS.update((_name, (_module, _name)) for _name in _functions.split())
    for _name in _methods.split():
        _late = _Late(_module, _name, False)
        setattr(Tensor, _late.name, _late)
