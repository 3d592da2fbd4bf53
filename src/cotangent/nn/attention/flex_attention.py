"""Attention with scores and masks by functions: `torch.nn.attention.flex_attention`.

Source: https://arxiv.org/abs/2412.05496. PyTorch's CPU computes no gradients of queries, keys and values and
no maxima of the scores; here both are computed, as its GPUs do. As in PyTorch without a compiler, `mask_mod`
alone says what is masked; the blocks are what kernels on GPUs leave out.
"""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple, TypedDict, get_args

from ...amp.autocast_mode import get_autocast_dtype, is_autocast_enabled
from ...autograd.modes import modes
from ...compile import compile as compiled
from ...dtypes import bool_, float32, float64, int8
from ...func import vmap
from ...functions import arange, isneginf, logsumexp, ones, where, zeros
from ..functional import pad, scaled_dot_product_attention
from ._block_mask import (
    BLOCK,
    WHOLE,
    BlockMask,
    MaskMod,
    _sliced_mask_mod_error,
    noop_mask,
    to_ordered,
    write_order,
)
from ._checks import check_heads, check_operands

__all__ = [
    "AuxOutput", "AuxRequest", "BlockMask", "FlexKernelOptions", "and_masks", "create_block_mask",
    "create_mask", "flex_attention", "noop_mask", "or_masks",
]  # fmt: skip

ScoreMod = Callable[[Any, Any, Any, Any, Any], Any]
_Backend = Literal["AUTO", "TRITON", "FLASH", "TRITON_DECODE"]

# PyTorch's switch for looking into `score_mod` with a debugger, which here is always possible.
_FLEX_ATTENTION_DISABLE_COMPILE_DEBUG = False
_DEFAULT_SPARSE_BLOCK_SIZE: Final = BLOCK
_LARGE_SPARSE_BLOCK_SIZE: Final = WHOLE
_WARNINGS_SHOWN: Final[set[str]] = set()
_UNFUSED: Final = (
    "flex_attention called without torch.compile() - this will use an unfused implementation that "
    "materializes the full scores matrix instead of generating a fused kernel.\n\nSOLUTION: Use "
    "torch.compile(flex_attention)(...)\n\nIf you want to debug your score_mod/mask_mod, you can set:\n"
    "torch.nn.attention.flex_attention._FLEX_ATTENTION_DISABLE_COMPILE_DEBUG = True\n\nThis will allow you "
    "to use print statements or breakpoints. Note: This doesn't work with the backwards pass and may produce "
    "incorrect results."
)


class FlexKernelOptions(TypedDict, total=False):
    """Options of PyTorch's kernels on GPUs; they are checked and change nothing here."""

    num_warps: int
    num_stages: int
    BLOCK_M: int
    BLOCK_N: int
    BLOCK_M1: int
    BLOCK_N1: int
    BLOCK_M2: int
    BLOCK_N2: int
    PRESCALE_QK: bool
    ROWS_GUARANTEED_SAFE: bool
    BLOCKS_ARE_CONTIGUOUS: bool
    WRITE_DQ: bool
    FORCE_USE_FLEX_ATTENTION: bool
    USE_TMA: bool
    kpack: int
    matrix_instr_nonkdim: int
    waves_per_eu: int
    BACKEND: _Backend


class AuxRequest(NamedTuple):
    """What `flex_attention` shall return beside the attention: logarithms of the denominators, maxima."""

    lse: bool = False
    max_scores: bool = False


class AuxOutput(NamedTuple):
    """What `flex_attention` returns beside the attention; None where it was not asked for."""

    lse: Any = None
    max_scores: Any = None


def _warn_once(name: str, message: str, category: type[Warning] = UserWarning) -> None:
    if name not in _WARNINGS_SHOWN and modes.tracer is None:
        _WARNINGS_SHOWN.add(name)
        warnings.warn(message, category, stacklevel=3)


def _is_score_mod(mod: Any) -> bool:
    """Whether a function takes a score and four indices, rather than four indices."""
    if hasattr(mod, "__code__"):
        count = mod.__code__.co_argcount - len(getattr(mod, "__defaults__", None) or ())
    else:
        given = inspect.signature(mod).parameters.values()
        count = sum(p.default is inspect.Parameter.empty for p in given)
    if count not in (4, 5):
        raise AssertionError(f"Expected 4 or 5 positional args, got {count}")
    return bool(count == 5)


def _everywhere(mod: Any, sizes: Any, score: tuple[Any, ...] = ()) -> Any:
    """A function of scalar indices, and a score if there is one, at every place of the scores.

    Args:
        mod: the function.
        sizes: batch, heads, queries, keys.
        score: the scores, or nothing.
    """
    for mapped in range(3, -1, -1):
        dims = tuple(0 if d == mapped else None for d in range(4))
        mod = vmap(mod, in_dims=(0,) * len(score) + dims)
    return mod(*score, *(arange(n) for n in sizes))


def or_masks(*mask_mods: MaskMod) -> MaskMod:
    """The mask that allows what any of several allows.

    Args:
        mask_mods: functions of four indices.

    Returns:
        such a function.

    Raises:
        RuntimeError: for what cannot be called.

    Example:
        >>> from cotangent.nn.attention.flex_attention import create_mask, or_masks
        >>> either = or_masks(lambda b, h, q, kv: q >= kv, lambda b, h, q, kv: kv < 1)
        >>> create_mask(either, None, None, 1, 2)
        tensor([[[[ True, False]]]])
    """
    _check_callable(mask_mods)

    def or_mask(b: Any, h: Any, q_idx: Any, kv_idx: Any) -> Any:
        result = b.new_zeros((), dtype=bool_)
        for mask in mask_mods:
            result = result | mask(b, h, q_idx, kv_idx)
        return result

    return or_mask


def and_masks(*mask_mods: MaskMod) -> MaskMod:
    """The mask that allows what all of several allow.

    Args:
        mask_mods: functions of four indices.

    Returns:
        such a function.

    Raises:
        RuntimeError: for what cannot be called.

    Example:
        >>> from cotangent.nn.attention.flex_attention import and_masks, create_mask
        >>> window = and_masks(lambda b, h, q, kv: q >= kv, lambda b, h, q, kv: q - kv < 2)
        >>> create_mask(window, None, None, 3, 3)[0, 0]
        tensor([[ True, False, False],
                [ True,  True, False],
                [False,  True,  True]])
    """
    _check_callable(mask_mods)

    def and_mask(b: Any, h: Any, q_idx: Any, kv_idx: Any) -> Any:
        result = b.new_ones((), dtype=bool_)
        for mask in mask_mods:
            result = result & mask(b, h, q_idx, kv_idx)
        return result

    return and_mask


def _check_callable(mask_mods: tuple[Any, ...]) -> None:
    if not all(map(callable, mask_mods)):
        raise RuntimeError(f"All inputs should be callable mask_mods: {mask_mods}")


def create_mask(
    mod_fn: ScoreMod | MaskMod, B: int | None, H: int | None, Q_LEN: int, KV_LEN: int, device: Any = None
) -> Any:
    """A function of indices as a mask.

    Args:
        mod_fn: function of batch, head, query and key that returns a boolean; or of a score and these, which
            masks by returning -inf.
        B: batch size; None is one.
        H: number of heads; None is one.
        Q_LEN: number of queries.
        KV_LEN: number of keys.
        device: accepted.

    Returns:
        (B, H, Q_LEN, KV_LEN), true where attention is allowed.

    Raises:
        AssertionError: for a function of another number of arguments.

    Example:
        >>> from cotangent.nn.attention.flex_attention import create_mask
        >>> create_mask(lambda b, h, q, kv: q >= kv, None, None, 2, 2)
        tensor([[[[ True, False],
                  [ True,  True]]]])
    """
    sizes = (1 if B is None else B, 1 if H is None else H, Q_LEN, KV_LEN)
    if _is_score_mod(mod_fn):
        return isneginf(_everywhere(mod_fn, sizes, (zeros(*sizes),))).logical_not()
    return _everywhere(mod_fn, sizes)


def _blocks(mask: Any, rows: int, columns: int, separate_full_blocks: bool) -> tuple[Any, Any]:
    """Which blocks of a mask are partly open, and which fully; if these are not asked for, None."""
    if mask.dtype is not bool_:
        raise AssertionError(f"mask.dtype must be torch.bool, got {mask.dtype}")
    mask = pad(mask, (0, -mask.shape[-1] % columns, 0, -mask.shape[-2] % rows))
    b, h, queries, keys = mask.shape
    open_ = mask.view(b, h, queries // rows, rows, keys // columns, columns).sum((3, 5))
    if not separate_full_blocks:
        return (open_ > 0).to(int8), None
    full = open_ == rows * columns
    return ((open_ > 0) & full.logical_not()).to(int8), full.to(int8)


def create_block_mask(
    mask_mod: MaskMod,
    B: int | None,
    H: int | None,
    Q_LEN: int,
    KV_LEN: int,
    device: Any = None,
    BLOCK_SIZE: int | tuple[int, int] = BLOCK,
    _compile: bool = False,
    separate_full_blocks: bool = True,
    compute_dq_write_order: bool = False,
    dq_kv_order: bool = True,
) -> BlockMask:
    """A function of indices as a block mask.

    Args:
        mask_mod: function of batch, head, query and key that returns a boolean: whether attention is allowed.
        B: batch size; None is one.
        H: number of heads; None is one.
        Q_LEN: number of queries.
        KV_LEN: number of keys.
        device: accepted.
        BLOCK_SIZE: queries and keys of a block.
        _compile: deprecated.
        separate_full_blocks: whether blocks in which nothing is masked are kept apart.
        compute_dq_write_order: whether to find in which order kernels on GPUs sum gradients of queries.
        dq_kv_order: whether the columns descend in that order.

    Returns:
        block mask.

    Raises:
        AssertionError: for a function of another number of arguments, or one that returns no booleans.

    Example:
        >>> from cotangent.nn.attention.flex_attention import create_block_mask
        >>> mask = create_block_mask(lambda b, h, q, kv: q >= kv, None, None, 256, 256)
        >>> mask.kv_num_blocks, mask.full_kv_num_blocks
        (tensor([[[1, 1]]], dtype=torch.int32), tensor([[[0, 1]]], dtype=torch.int32))
    """
    if _is_score_mod(mask_mod):
        raise AssertionError(f"create-block_mask requires a mask_mod function! Got {mask_mod}")
    if _compile:
        warnings.warn(
            "_compile flag on create_block_mask was originally added to work around a torch.compile "
            "limitation. That limitation has since been addressed. So, to compile create_block_mask, we "
            "suggest doing torch.compile(create_block_mask). This still works for now, but will be removed "
            "in the future.",
            DeprecationWarning,
            stacklevel=2,
        )
        again: BlockMask = compiled(create_block_mask)(
            mask_mod, B, H, Q_LEN, KV_LEN, device, BLOCK_SIZE, False, separate_full_blocks,
            compute_dq_write_order, dq_kv_order,
        )  # fmt: skip
        return again
    if not isinstance(dq_kv_order, bool):
        raise ValueError("dq_kv_order must be a bool when using create_block_mask")
    rows, columns = (BLOCK_SIZE, BLOCK_SIZE) if isinstance(BLOCK_SIZE, int) else BLOCK_SIZE
    partial, full = _blocks(create_mask(mask_mod, B, H, Q_LEN, KV_LEN), rows, columns, separate_full_blocks)
    full_count, full_indices = (None, None) if full is None else to_ordered(full)
    made = BlockMask.from_kv_blocks(
        *to_ordered(partial), full_count, full_indices, (rows, columns), mask_mod, (Q_LEN, KV_LEN)
    )
    if compute_dq_write_order:
        made.dq_write_order, made.dq_write_order_full = write_order(made, dq_kv_order)
        made.dq_kv_order_spt = dq_kv_order
    return made


def _check_options(options: Any, maxima: bool) -> None:
    options = options or {}
    if "BACKEND" in options and options.get("FORCE_USE_FLEX_ATTENTION", False):
        raise RuntimeError(
            "BACKEND cannot be combined with legacy FORCE_USE_FLEX_ATTENTION. BACKEND supersedes the legacy "
            "knob; please drop FORCE_USE_FLEX_ATTENTION and only specify the desired BACKEND."
        )
    names = get_args(_Backend)
    if options.get("BACKEND", "AUTO") not in names:
        raise ValueError(f"Invalid BACKEND value '{options['BACKEND']}'. Must be one of {names}")
    for name in ("OUTPUT_LOGSUMEXP", "OUTPUT_MAX"):
        if name in options:
            raise AssertionError(f"{name} must not be in kernel_options")
    if maxima and options.get("BACKEND") == "FLASH":
        raise NotImplementedError(
            "Returning max scores is not supported with BACKEND='FLASH'. Use return_aux=AuxRequest(lse=True) "
            "or omit max_scores."
        )


def _check(query: Any, key: Any, value: Any, block_mask: BlockMask | None, enable_gqa: bool) -> None:
    if query.is_nested or key.is_nested or value.is_nested:
        raise NotImplementedError(
            "flex_attention does not support NestedTensor inputs, including torch.compile(flex_attention) "
            "with jagged NestedTensor inputs. Convert inputs to dense tensors before calling flex_attention."
        )
    check_operands(query, key, value, mixed=True)
    if query.size(-1) != key.size(-1):
        raise ValueError(
            "Expect query and key/value to have the same embedding dimension but got "
            f"E={query.size(-1)} and E={key.size(-1)}."
        )
    if not query.dim() == key.dim() == value.dim() == 4:
        raise NotImplementedError("NYI: query, key, and value must be 4D tensors")
    check_heads(query.size(-3), key.size(-3), enable_gqa)
    batch, others = query.size(0), key.size(0)
    if batch != others:
        if block_mask is None:
            raise ValueError(
                "Expect query and key/value to have the same batch size, or non-none block_mask, but got "
                f"block_mask=None, Bq={batch}, and Bkv={others}."
            )
        blocks = block_mask.kv_num_blocks.size(0)
        if blocks != batch:
            raise ValueError(
                "Expect query and key/value to have the same batch size, or block_mask and query to have the "
                f"same batch size, but got Bq={batch}, Bkv={others}, B_block_mask={blocks}."
            )
    if block_mask is None:
        return
    if block_mask.mask_mod is _sliced_mask_mod_error:
        raise RuntimeError("Cannot use mask_mod from a sliced BlockMask")
    if tuple(block_mask.BLOCK_SIZE) != (WHOLE, WHOLE):
        _check_lengths(block_mask, query.size(-2), key.size(-2))


def _check_lengths(block_mask: BlockMask, queries: int, keys: int) -> None:
    rows, columns = block_mask.shape[-2:]
    if (rows, columns) == (queries, keys):
        return
    head = f"block_mask was created for block_mask.shape={block_mask.shape} but got q_len={queries} and "
    if queries > rows or keys > columns:
        raise ValueError(
            f"{head}kv_len={keys}. As the block mask was created for a smaller length than you're using it "
            "for, you likely need to create a new block mask."
        )
    raise ValueError(
        f"{head}kv_len={keys}. As the block mask was created for a larger length than you're using it for, "
        "you can either 1. create a new block mask with the correct length, or 2. 'adjust' the existing "
        "block mask to the correct length by calling block_mask._adjust(q_len, kv_len). This "
        "essentially 'crops' the block mask to the upper left corner, which does not work for all mask_mods!"
    )


def _scores(query: Any, key: Any, score_mod: ScoreMod | None, mask_mod: MaskMod | None, scale: float) -> Any:
    """The scores after both functions; -inf where attention is not allowed."""
    wide = float64 if query.dtype is float64 else float32
    scores = (query.to(wide) @ key.to(wide).transpose(-2, -1)) * scale
    sizes = scores.shape
    changed = scores if score_mod is None else _everywhere(score_mod, sizes, (scores,))
    if mask_mod is not None:
        changed = where(_everywhere(mask_mod, sizes), changed, -math.inf)
    return changed.to(wide)


def flex_attention(
    query: Any,
    key: Any,
    value: Any,
    score_mod: ScoreMod | None = None,
    block_mask: BlockMask | None = None,
    scale: float | None = None,
    enable_gqa: bool = False,
    return_lse: bool = False,
    kernel_options: FlexKernelOptions | None = None,
    *,
    return_aux: AuxRequest | None = None,
) -> Any:
    """Attention whose scores and mask are functions of a score and of indices.

    Both functions are written for one score and may use any tensor around them (biases, lengths of sequences,
    tables indexed by positions); gradients flow to these, too.

    Args:
        query: (B, Hq, L, E).
        key: (B, Hkv, S, E).
        value: (B, Hkv, S, F).
        score_mod: function of a score and the indices of batch, head, query and key, all 0-d tensors, that
            returns what takes the score's place.
        block_mask: what is masked; `create_block_mask` makes it.
        scale: factor of the scores, 1 / sqrt(E) by default.
        enable_gqa: whether a head of key and value serves several heads of the query.
        return_lse: deprecated: whether to return the logarithms of the denominators as well.
        kernel_options: options of kernels on GPUs, checked.
        return_aux: what to return beside the attention.

    Returns:
        (B, Hq, L, F), zeros for a query that may attend to nothing. With `return_aux` a pair of that and an
        `AuxOutput`, whose fields are (B, Hq, L): logarithms of the denominators, and largest scores.

    Raises:
        ValueError, NotImplementedError, RuntimeError: for operands that do not fit.

    Source: https://arxiv.org/abs/2412.05496

    Example:
        >>> import cotangent as torch
        >>> from cotangent.nn.attention.flex_attention import flex_attention
        >>> bias = torch.zeros(2, requires_grad=True)
        >>> q, v = torch.zeros(1, 2, 1, 4), torch.tensor([1.0, 3.0]).reshape(1, 1, 2, 1).expand(1, 2, 2, 1)
        >>> attend = torch.compile(flex_attention)
        >>> out = attend(q, torch.zeros(1, 2, 2, 4), v, lambda s, b, h, i, j: s + bias[h] * j)
        >>> out.flatten()
        tensor([2., 2.], grad_fn=<ViewBackward0>)
        >>> out.sum().backward()
        >>> bias.grad
        tensor([0.5000, 0.5000])
    """
    _check(query, key, value, block_mask, enable_gqa)
    if scale is None:
        scale = 1.0 / math.sqrt(query.size(-1))
    if return_lse:
        if return_aux is not None:
            raise ValueError(
                "Cannot specify both return_lse and return_aux. return_lse is deprecated, please use "
                "return_aux=AuxRequest(lse=True) instead."
            )
        _warn_once(
            "deprecated_return_lse",
            "return_lse is deprecated and will be removed in v2.10. Please use "
            "return_aux=AuxRequest(lse=True) instead.",
            FutureWarning,
        )
    wanted = AuxRequest(return_lse) if return_aux is None else return_aux
    _check_options(kernel_options, wanted.max_scores)
    if not _FLEX_ATTENTION_DISABLE_COMPILE_DEBUG:
        _warn_once("flex_attention_performance", _UNFUSED)
    if is_autocast_enabled("cpu"):
        low = get_autocast_dtype("cpu")
        query, key, value = query.to(low), key.to(low), value.to(low)
    mask_mod = None if block_mask is None or block_mask.mask_mod is noop_mask else block_mask.mask_mod
    out, aux = _attend(query, key, value, score_mod, mask_mod, scale, wanted)
    if return_aux is not None:
        return out, aux
    return (out, aux.lse) if return_lse else out


def _attend(
    query: Any, key: Any, value: Any, score_mod: ScoreMod | None, mask_mod: MaskMod | None, scale: float,
    wanted: AuxRequest,
) -> tuple[Any, AuxOutput]:  # fmt: skip
    group = query.size(1) // key.size(1)
    if group != 1:
        key, value = key.repeat_interleave(group, 1), value.repeat_interleave(group, 1)
    batch, others = query.size(0), key.size(0)
    if batch != others:
        if others != 1:
            raise RuntimeError(f"Bq and Bkv must broadcast. Got Bq={batch} and Bkv={others}")
        key, value = (t.expand(batch, *t.shape[1:]) for t in (key, value))
    sizes = (batch, query.size(1), query.size(2), key.size(2))
    plain = query.dtype is key.dtype is value.dtype and query.dtype in (float32, float64)
    if plain and score_mod is None and not any(wanted):
        # Nothing changes the scores: the primitive needs no memory for all of them.
        mask = None if mask_mod is None else _everywhere(mask_mod, sizes)
        return scaled_dot_product_attention(query, key, value, mask, scale=scale), AuxOutput()
    scores = _scores(query, key, score_mod, mask_mod, scale)
    # Rows that may attend to nothing give zeros, not nan, and no gradients.
    dead = (scores == -math.inf).all(-1, keepdim=True)
    filled = scores.masked_fill(dead, 0.0)
    weights = filled.softmax(-1).masked_fill(dead, 0.0)
    out = weights.to(query.dtype) @ value.to(query.dtype)
    lse = logsumexp(filled, -1).masked_fill(dead.squeeze(-1), -math.inf) if wanted.lse else None
    most = scores.detach().amax(-1) if wanted.max_scores else None
    return out, AuxOutput(lse, most)


def _create_empty_block_mask(query: Any, key: Any) -> BlockMask:
    """The block mask that masks nothing and fits any lengths."""
    one = ones(1, 1, 1).int()
    return BlockMask.from_kv_blocks(one, one.new_zeros(1, 1, 1, 1), BLOCK_SIZE=WHOLE, seq_lengths=(1, 1))
