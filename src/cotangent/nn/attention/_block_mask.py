"""Block masks: which blocks of an attention's scores have anything to compute.

A row of blocks is kept as the number of its blocks and their columns, those that count first. Facts:
PyTorch's documentation of `BlockMask`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any, Final

from ...dtypes import bool_, int32
from ...functions import arange, argsort, where
from ...tensor import Tensor

MaskMod = Callable[[Any, Any, Any, Any], Any]
BLOCK: Final = 128
# The block of the mask that stands for none.
WHOLE: Final = 1 << 30
_PAIR: Final = "full_{0}_num_blocks and full_{0}_indices must be both provided or omitted"
_TENSORS: Final = (
    "kv_num_blocks", "kv_indices", "full_kv_num_blocks", "full_kv_indices", "q_num_blocks", "q_indices",
    "full_q_num_blocks", "full_q_indices", "dq_write_order", "dq_write_order_full", "dq_kv_order",
)  # fmt: skip


def noop_mask(batch: Any, head: Any, token_q: Any, token_kv: Any) -> Any:
    """The mask that allows everything.

    Args:
        batch, head, token_q, token_kv: indices.

    Returns:
        True, as a tensor.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.nn.attention.flex_attention import noop_mask
        >>> noop_mask(*torch.arange(4))
        tensor(True)
    """
    return batch.new_ones(size=(), dtype=bool_, device=batch.device)


def _sliced_mask_mod_error(batch: Any, head: Any, token_q: Any, token_kv: Any) -> Any:
    """What stands for the mask of a part of a block mask, whose indices would mean something else."""
    raise RuntimeError(
        "Cannot use mask_mod from a sliced BlockMask. When you slice a BlockMask using [], the mask_mod "
        "attribute is reset. You must set it from the original BlockMask's mask_mod.\n\nIncorrect usage:\n"
        "  base_mask = create_block_mask(my_mask_fn, ...)\n  sliced_mask = base_mask[:, :, block_idx]\n"
        "  sliced_mask.mask_mod = apply_offset(sliced_mask.mask_mod, offset)  # WRONG!\n\nCorrect usage:\n"
        "  base_mask = create_block_mask(my_mask_fn, ...)\n  sliced_mask = base_mask[:, :, block_idx]\n"
        "  sliced_mask.mask_mod = apply_offset(base_mask.mask_mod, offset)  # Use base_mask!"
    )


def _to_dense(num_blocks: Any, indices: Any, columns: int) -> Any:
    """Ones where there are blocks, (..., rows, columns), from numbers and columns of the blocks."""
    counts = arange(indices.shape[-1], dtype=int32) < num_blocks.unsqueeze(-1)
    # What does not count goes to a column of its own, which is cut off.
    places = where(counts, indices, columns)
    dense = indices.new_zeros((*indices.shape[:-1], columns + 1), dtype=int32)
    n = indices.dim()
    rows = [arange(size).reshape(-1, *[1] * (n - 1 - d)) for d, size in enumerate(indices.shape[:-1])]
    dense[(*rows, places)] = 1
    return dense[..., :columns].contiguous()


def to_ordered(dense: Any) -> tuple[Any, Any]:
    """Numbers and columns of the blocks from ones where there are blocks.

    Args:
        dense: (..., rows, columns).

    Returns:
        (..., rows) and (..., rows, columns), both int32.
    """
    dense = dense.to(int32)
    columns = argsort(dense, dim=-1, descending=True, stable=True)
    return dense.sum(-1).to(int32), columns.to(int32).contiguous()


def _transposed(num_blocks: Any, indices: Any) -> tuple[Any, Any]:
    return to_ordered(_to_dense(num_blocks, indices, indices.shape[-1]).transpose(-2, -1))


def _cropped(num_blocks: Any, indices: Any, rows: int, columns: int) -> tuple[Any, Any]:
    indices = indices[:, :, :rows, :columns]
    num_blocks = num_blocks[:, :, :rows].clamp(max=columns)
    return (indices < num_blocks[..., None]).sum(-1).to(int32), indices


class BlockMask:
    """Which blocks of scores an attention computes, and the function that masks single scores.

    Args:
        seq_lengths: numbers of queries and keys.
        kv_num_blocks: (..., rows), how many blocks each row of blocks has.
        kv_indices: (..., rows, columns), their columns; what follows after `kv_num_blocks` has no meaning.
        full_kv_num_blocks: the same for blocks in which nothing is masked, or None.
        full_kv_indices: their columns, or None.
        q_num_blocks: how many blocks each column of blocks has, or None.
        q_indices: their rows, or None.
        full_q_num_blocks: the same for blocks in which nothing is masked, or None.
        full_q_indices: their rows, or None.
        BLOCK_SIZE: queries and keys of a block.
        mask_mod: the function of four indices that says what is allowed.
        dq_write_order: in which order gradients of queries are summed; kept for kernels on GPUs.
        dq_write_order_full: the same for blocks in which nothing is masked.
        dq_kv_order: the order of the columns behind that, as a tensor.
        dq_kv_order_spt: the same by name: whether it descends.

    Raises:
        AssertionError, RuntimeError, ValueError: for tensors that do not go together.

    Example:
        >>> from cotangent.nn.attention.flex_attention import create_block_mask
        >>> mask = create_block_mask(lambda b, h, q, kv: q >= kv, None, None, 6, 6, BLOCK_SIZE=2)
        >>> mask.shape, mask.kv_num_blocks.tolist(), mask.full_kv_num_blocks.tolist()
        ((1, 1, 6, 6), [[[1, 1, 1]]], [[[0, 1, 2]]])
        >>> mask.to_dense()[0, 0]
        tensor([[1, 0, 0],
                [1, 1, 0],
                [1, 1, 1]], dtype=torch.int32)
        >>> round(mask.sparsity(), 2)
        33.33
    """

    def __init__(
        self,
        seq_lengths: tuple[int, int],
        kv_num_blocks: Any,
        kv_indices: Any,
        full_kv_num_blocks: Any,
        full_kv_indices: Any,
        q_num_blocks: Any,
        q_indices: Any,
        full_q_num_blocks: Any,
        full_q_indices: Any,
        BLOCK_SIZE: tuple[int, int] = (BLOCK, BLOCK),
        mask_mod: MaskMod = noop_mask,
        *,
        dq_write_order: Any = None,
        dq_write_order_full: Any = None,
        dq_kv_order: Any = None,
        dq_kv_order_spt: bool | None = None,
    ) -> None:
        if kv_indices.dim() < 2:
            raise RuntimeError("BlockMask must have at least 2 dimensions")
        if kv_num_blocks is None:
            raise AssertionError("kv_num_blocks must be provided")
        for name, count, indices in (
            ("kv", full_kv_num_blocks, full_kv_indices),
            ("q", full_q_num_blocks, full_q_indices),
        ):
            if (count is None) != (indices is None):
                raise AssertionError(_PAIR.format(name))
        if dq_write_order_full is not None and dq_write_order is None:
            raise ValueError("dq_write_order_full requires dq_write_order")
        self.seq_lengths = seq_lengths
        self.kv_num_blocks, self.kv_indices = kv_num_blocks, kv_indices
        self.full_kv_num_blocks, self.full_kv_indices = full_kv_num_blocks, full_kv_indices
        self.q_num_blocks, self.q_indices = q_num_blocks, q_indices
        self.full_q_num_blocks, self.full_q_indices = full_q_num_blocks, full_q_indices
        self.dq_write_order, self.dq_write_order_full = dq_write_order, dq_write_order_full
        self.dq_kv_order, self.dq_kv_order_spt = dq_kv_order, dq_kv_order_spt
        self.BLOCK_SIZE = BLOCK_SIZE
        self.mask_mod = mask_mod

    @classmethod
    def from_kv_blocks(
        cls,
        kv_num_blocks: Any,
        kv_indices: Any,
        full_kv_num_blocks: Any = None,
        full_kv_indices: Any = None,
        BLOCK_SIZE: int | tuple[int, int] = BLOCK,
        mask_mod: MaskMod | None = None,
        seq_lengths: tuple[int, int] | None = None,
        compute_q_blocks: bool = True,
        *,
        dq_write_order: Any = None,
        dq_write_order_full: Any = None,
        dq_kv_order: Any = None,
    ) -> BlockMask:
        """A block mask from the blocks of its rows; those of its columns follow from them.

        Args:
            kv_num_blocks: (..., rows), how many blocks each row has.
            kv_indices: (..., rows, columns), their columns.
            full_kv_num_blocks: the same for blocks in which nothing is masked, or None.
            full_kv_indices: their columns, or None.
            BLOCK_SIZE: queries and keys of a block.
            mask_mod: says what is allowed; everything by default.
            seq_lengths: numbers of queries and keys; whole blocks by default.
            compute_q_blocks: whether to find the blocks of the columns.
            dq_write_order, dq_write_order_full, dq_kv_order: kept for kernels on GPUs.

        Raises:
            AssertionError, RuntimeError, ValueError: for tensors that do not go together.
        """
        if kv_indices.dim() < 2:
            raise RuntimeError("BlockMask must have at least 2 dimensions")
        if (full_kv_num_blocks is None) != (full_kv_indices is None):
            raise AssertionError(_PAIR.format("kv"))
        q_blocks = full_q_blocks = (None, None)
        if compute_q_blocks:
            q_blocks = _transposed(kv_num_blocks, kv_indices)
            if full_kv_indices is not None:
                full_q_blocks = _transposed(full_kv_num_blocks, full_kv_indices)
        size = (BLOCK_SIZE, BLOCK_SIZE) if isinstance(BLOCK_SIZE, int) else BLOCK_SIZE
        if seq_lengths is None:
            seq_lengths = (kv_indices.shape[-2] * size[0], kv_indices.shape[-1] * size[1])
        if dq_kv_order is not None and not isinstance(dq_kv_order, (bool, Tensor)):
            raise ValueError("dq_kv_order must be a bool, Tensor, or None")
        order, descends = (None, dq_kv_order) if isinstance(dq_kv_order, bool) else (dq_kv_order, None)
        return cls(
            seq_lengths, kv_num_blocks, kv_indices, full_kv_num_blocks, full_kv_indices, *q_blocks,
            *full_q_blocks, size, noop_mask if mask_mod is None else mask_mod,
            dq_write_order=dq_write_order, dq_write_order_full=dq_write_order_full,
            dq_kv_order=order, dq_kv_order_spt=descends,
        )  # fmt: skip

    def as_tuple(self, flatten: bool = True) -> tuple[Any, ...]:
        """Everything it consists of.

        Args:
            flatten: whether lengths and block sizes stand for themselves rather than in pairs.
        """
        lengths, size = tuple(self.seq_lengths), tuple(self.BLOCK_SIZE)
        if not flatten:
            lengths, size = (self.seq_lengths,), (self.BLOCK_SIZE,)  # type: ignore[assignment]
        tensors = (getattr(self, name) for name in _TENSORS)
        return (*lengths, *tensors, self.dq_kv_order_spt, *size, self.mask_mod)

    @property
    def shape(self) -> tuple[int, ...]:
        """Leading sizes, numbers of queries and keys."""
        return (*self.kv_indices.shape[:-2], *self.seq_lengths)

    def __str__(self) -> str:
        drawn = self.to_string().strip()
        return f"BlockMask(shape={self.shape}, sparsity={self.sparsity():.2f}%, \n{drawn}\n)"

    def __repr__(self) -> str:
        lines = []
        for name in _TENSORS[:8]:
            value = getattr(self, name)
            lines.append(f"{name}={None if value is None else value.shape}")
        lines += [f"BLOCK_SIZE={self.BLOCK_SIZE}", f"shape={self.shape}", f"sparsity={self.sparsity():.2f}%"]
        lines.append(f"mask_mod={getattr(self.mask_mod, '__name__', self.mask_mod)}")
        inner = ",\n    ".join(lines)
        return f"BlockMask(\n    {inner}\n)"

    def __getitem__(self, index: Any) -> BlockMask:
        """Some of the blocks: by batch, head and row of blocks. Its `mask_mod` has to be set anew.

        Args:
            index: number, slice or tensor, or a tuple of up to three; dimensions stay.

        Raises:
            NotImplementedError: if it has an order of columns of its own.

        Example:
            >>> from cotangent.nn.attention.flex_attention import create_block_mask
            >>> mask = create_block_mask(lambda b, h, q, kv: q >= kv, 2, 3, 6, 6, BLOCK_SIZE=2)
            >>> mask[0, 1:].shape
            (1, 2, 6, 6)
        """
        self._own_order("Slicing")
        index = index if isinstance(index, tuple) else (index,)
        padded = (*index, slice(None), slice(None), slice(None))[:3]
        places: list[Any] = []
        for i, n in zip(padded, self.kv_num_blocks.shape[:3], strict=True):
            if isinstance(i, int):
                start = i + n if -n <= i < 0 else i
                i = slice(start, start + 1)
            places.append(i)
        parts = [None if t is None else t[tuple(places)] for t in (getattr(self, n) for n in _TENSORS[:4])]
        return self._like(parts, _sliced_mask_mod_error, self.seq_lengths)

    def _own_order(self, what: str) -> None:
        if self.dq_kv_order is not None:
            raise NotImplementedError(
                f"{what} BlockMask with tensor dq_kv_order is not supported yet. Construct a new BlockMask "
                "with matching precomputed dq_write_order metadata."
            )

    def _like(self, blocks: list[Any], mask_mod: MaskMod, lengths: tuple[int, int]) -> BlockMask:
        """Other blocks, everything else as here."""
        count, indices, full_count, full_indices = blocks
        both_ways = self.q_indices is not None
        made = type(self).from_kv_blocks(
            count, indices, full_count, full_indices, self.BLOCK_SIZE, mask_mod, lengths, both_ways
        )
        made.dq_kv_order_spt = self.dq_kv_order_spt
        if self.dq_write_order is not None:
            made.dq_write_order, made.dq_write_order_full = write_order(made, made.dq_kv_order_spt)
        return made

    def _adjust(self, new_q_len: int, new_kv_len: int) -> BlockMask:
        """The mask cut to fewer queries and keys, from the upper left corner."""
        self._own_order("Adjusting")
        rows = -(-new_q_len // self.BLOCK_SIZE[0])
        columns = -(-new_kv_len // self.BLOCK_SIZE[1])
        blocks = [*_cropped(self.kv_num_blocks, self.kv_indices, rows, columns)]
        if self.full_kv_num_blocks is not None:
            blocks += _cropped(self.full_kv_num_blocks, self.full_kv_indices, rows, columns)
        else:
            blocks += [None, None]
        return self._like(blocks, self.mask_mod, (new_q_len, new_kv_len))

    def numel(self) -> int:
        """How many scores there are, masked or not."""
        return math.prod(self.shape)

    def sparsity(self) -> float:
        """How many percent of the scores lie in blocks that are not computed."""
        blocks = self.kv_num_blocks.sum().item()
        if self.full_kv_num_blocks is not None:
            blocks += self.full_kv_num_blocks.sum().item()
        computed = blocks * self.BLOCK_SIZE[0] * self.BLOCK_SIZE[1]
        return float(100 * (1 - computed / self.numel()))

    def to_dense(self) -> Any:
        """Ones where there are blocks: (..., rows, columns), int32."""
        dense = _to_dense(self.kv_num_blocks, self.kv_indices, self.kv_indices.shape[-1])
        if self.full_kv_num_blocks is None:
            return dense
        return dense | _to_dense(
            self.full_kv_num_blocks, self.full_kv_indices, self.full_kv_indices.shape[-1]
        )

    def to_string(self, grid_size: int | tuple[int, int] = (20, 20), limit: int = 4) -> str:
        """A picture of the blocks.

        Args:
            grid_size: into how many rows and columns it is reduced.
            limit: how many matrices are drawn.

        Example:
            >>> from cotangent.nn.attention.flex_attention import create_block_mask
            >>> mask = create_block_mask(lambda b, h, q, kv: q >= kv, 1, 1, 6, 6, BLOCK_SIZE=2)
            >>> print(mask.to_string())  # doctest: +NORMALIZE_WHITESPACE
            (0, 0)
            ██
            ████
            ██████
        """
        dense = self.to_dense()
        *lead, rows, columns = dense.shape
        most = (grid_size, grid_size) if isinstance(grid_size, int) else grid_size
        # A grid of -1 makes steps below one, so nothing is reduced.
        down, right = (max(1, (n + m - 1) // m) for n, m in zip((rows, columns), most, strict=True))
        drawn = []
        for number, at in enumerate(itertools.product(*map(range, lead))):
            if number == limit:
                drawn += [
                    "...",
                    "To print out more, set BlockMask.to_string(limit=N)",
                    "You can also index (BlockMask[batch, head]) to choose a specific batch or head",
                ]
                break
            lines = [f"{at}"]
            for r in range(0, rows, down):
                shares = (
                    dense[(*at, slice(r, r + down), slice(c, c + right))].float().mean().item()
                    for c in range(0, columns, right)
                )
                lines.append("".join("██" if s == 1 else "  " if s == 0 else "░░" for s in shares))
            drawn.append("\n".join(lines) + "\n")
        return "\n".join(drawn)

    def to(self, device: Any) -> BlockMask:
        """The same on a device.

        Args:
            device: the device.
        """
        moved: dict[str, Any] = {}
        for name in _TENSORS:
            tensor = getattr(self, name)
            moved[name] = None if tensor is None else tensor.to(device)
        return BlockMask(
            self.seq_lengths, BLOCK_SIZE=self.BLOCK_SIZE, mask_mod=self.mask_mod,
            dq_kv_order_spt=self.dq_kv_order_spt, **moved,
        )  # fmt: skip


def write_order(mask: BlockMask, descending: bool | None) -> tuple[Any, Any]:
    """For each block of a column, how many blocks of its row come before it.

    Args:
        mask: the blocks, those of its columns among them.
        descending: whether the last column comes first.

    Returns:
        for `q_indices` and for `full_q_indices` (None where there are none), of their shapes.

    Raises:
        ValueError: if the blocks of the columns are not there.
    """
    if mask.q_num_blocks is None or mask.q_indices is None:
        raise ValueError("BlockMask must have q_num_blocks and q_indices to compute dq_write_order")
    there = mask.to_dense()
    upto = there.cumsum(-1)
    before = upto - there
    rank = upto[..., -1:] - 1 - before if descending else before
    turned = rank.to(int32).transpose(-2, -1).contiguous()
    orders = [
        None if rows is None else turned.gather(-1, rows.long().clamp(0, turned.shape[-1] - 1))
        for rows in (mask.q_indices, mask.full_q_indices)
    ]
    return orders[0], orders[1]
