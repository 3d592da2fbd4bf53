"""The transformer and its parts: https://arxiv.org/abs/1706.03762."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable
from typing import Any

from ...functions import full, triu
from .. import functional as F
from ..init import xavier_uniform_
from . import _fast_path
from .activation import GELU, ReLU
from .attention import MultiheadAttention
from .container import ModuleList
from .dropout import Dropout
from .linear import Linear
from .module import Module
from .normalization import LayerNorm

__all__ = [
    "Transformer",
    "TransformerDecoder",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
]

Activation = str | Callable[[Any], Any]


def _generate_square_subsequent_mask(sz: int, device: Any = None, dtype: Any = None) -> Any:
    return triu(full((sz, sz), -math.inf, dtype=dtype, device=device), 1)


def _get_seq_len(src: Any, batch_first: bool) -> int:
    if src.is_nested:  # no mask is compared with that of one length
        return 0
    return int(src.size(1 if batch_first and src.dim() == 3 else 0))


def _detect_is_causal_mask(mask: Any, told: bool | None, size: int) -> bool:
    """Whether a mask is the causal one: as told, or found by comparison if nobody said."""
    if told is None and mask is not None:
        causal = _generate_square_subsequent_mask(size, dtype=mask.dtype)
        return mask.size() == causal.size() and bool((mask == causal).all())
    return told is True


def _get_clones(module: Module, N: int) -> ModuleList:
    return ModuleList([copy.deepcopy(module) for _ in range(N)])


def _get_activation_fn(activation: Activation) -> Callable[[Any], Any]:
    if not isinstance(activation, str):
        return activation
    if activation not in ("relu", "gelu"):
        raise RuntimeError(f"activation should be relu/gelu, not {activation}")
    chosen: Callable[[Any], Any] = getattr(F, activation)
    return chosen


def _masks(padding: Any, mask: Any, prefix: str, dtype: Any) -> tuple[Any, Any]:
    """Both masks as numbers to add."""
    kind = F._none_or_dtype(mask)
    name = f"{prefix}mask"
    padding = F._canonical_mask(padding, "src_key_padding_mask", kind, name, dtype)
    return padding, F._canonical_mask(mask, name, None, "", dtype, False)


class TransformerEncoderLayer(Module):
    """Self-attention, then two linear layers, each added to what went in and normalised.

    Args:
        d_model: features.
        nhead: heads.
        dim_feedforward: features between the two linear layers.
        dropout: probability of dropout.
        activation: between the two linear layers: a function, "relu" or "gelu".
        layer_norm_eps: eps of the normalisations.
        batch_first: whether operands are (batch, length, features), not (length, batch, features).
        norm_first: whether each part is normalised before, not after.
        bias: whether linear layers and normalisations have biases.
        device: device of the parameters.
        dtype: dtype of the parameters.

    Raises:
        RuntimeError: for another name of an activation.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.TransformerEncoderLayer(8, 2)(torch.zeros(5, 3, 8)).shape
        torch.Size([5, 3, 8])
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        kept = {"bias": bias, "device": device, "dtype": dtype}
        self.self_attn = MultiheadAttention(d_model, nhead, dropout=dropout, batch_first=batch_first, **kept)
        self.linear1 = Linear(d_model, dim_feedforward, **kept)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, **kept)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, eps=layer_norm_eps, **kept)
        self.norm2 = LayerNorm(d_model, eps=layer_norm_eps, **kept)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        activation = _get_activation_fn(activation)
        self.activation_relu_or_gelu = 0
        for number, (function, kind) in enumerate(((F.relu, ReLU), (F.gelu, GELU)), 1):
            if activation is function or isinstance(activation, kind):
                self.activation_relu_or_gelu = number
        self.activation: Any = activation

    def forward(
        self, src: Any, src_mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool = False
    ) -> Any:
        padding, mask = _masks(src_key_padding_mask, src_mask, "src_", src.dtype)
        if self.norm_first:
            x = src + self._sa_block(self.norm1(src), mask, padding, is_causal)
            x = x + self._ff_block(self.norm2(x))
        else:
            x = self.norm1(src + self._sa_block(src, mask, padding, is_causal))
            x = self.norm2(x + self._ff_block(x))
        if (padding is not None or mask is not None) and _fast_path.of_layer(self, src):
            x = _fast_path.without_keys(x, self.self_attn, padding, mask)
        return x

    def _sa_block(self, x: Any, attn_mask: Any, key_padding_mask: Any, is_causal: bool = False) -> Any:
        return self.dropout1(_attended(self.self_attn, x, x, attn_mask, key_padding_mask, is_causal))

    def _ff_block(self, x: Any) -> Any:
        return self.dropout2(self.linear2(self.dropout(self.activation(self.linear1(x)))))


class TransformerDecoderLayer(Module):
    """Self-attention, attention to the encoder's output, then two linear layers.

    Args:
        d_model: features.
        nhead: heads.
        dim_feedforward: features between the two linear layers.
        dropout: probability of dropout.
        activation: between the two linear layers: a function, "relu" or "gelu".
        layer_norm_eps: eps of the normalisations.
        batch_first: whether operands are (batch, length, features), not (length, batch, features).
        norm_first: whether each part is normalised before, not after.
        bias: whether linear layers and normalisations have biases.
        device: device of the parameters.
        dtype: dtype of the parameters.

    Raises:
        RuntimeError: for another name of an activation.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.TransformerDecoderLayer(8, 2)(torch.zeros(4, 3, 8), torch.zeros(5, 3, 8)).shape
        torch.Size([4, 3, 8])
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        kept = {"bias": bias, "device": device, "dtype": dtype}
        self.self_attn = MultiheadAttention(d_model, nhead, dropout=dropout, batch_first=batch_first, **kept)
        self.multihead_attn = MultiheadAttention(
            d_model, nhead, dropout=dropout, batch_first=batch_first, **kept
        )
        self.linear1 = Linear(d_model, dim_feedforward, **kept)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, **kept)
        self.norm_first = norm_first
        for number in (1, 2, 3):
            setattr(self, f"norm{number}", LayerNorm(d_model, eps=layer_norm_eps, **kept))
        for number in (1, 2, 3):
            setattr(self, f"dropout{number}", Dropout(dropout))
        self.activation: Any = _get_activation_fn(activation)

    def forward(
        self,
        tgt: Any,
        memory: Any,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Any:
        own = (tgt_mask, tgt_key_padding_mask, tgt_is_causal)
        other = (memory, memory_mask, memory_key_padding_mask, memory_is_causal)
        if self.norm_first:
            x = tgt + self._sa_block(self.norm1(tgt), *own)
            x = x + self._mha_block(self.norm2(x), *other)
            return x + self._ff_block(self.norm3(x))
        x = self.norm1(tgt + self._sa_block(tgt, *own))
        x = self.norm2(x + self._mha_block(x, *other))
        return self.norm3(x + self._ff_block(x))

    def _sa_block(self, x: Any, attn_mask: Any, key_padding_mask: Any, is_causal: bool = False) -> Any:
        return self.dropout1(_attended(self.self_attn, x, x, attn_mask, key_padding_mask, is_causal))

    def _mha_block(
        self, x: Any, mem: Any, attn_mask: Any, key_padding_mask: Any, is_causal: bool = False
    ) -> Any:
        return self.dropout2(_attended(self.multihead_attn, x, mem, attn_mask, key_padding_mask, is_causal))

    def _ff_block(self, x: Any) -> Any:
        return self.dropout3(self.linear2(self.dropout(self.activation(self.linear1(x)))))


def _attended(attention: Any, x: Any, memory: Any, mask: Any, padding: Any, is_causal: bool) -> Any:
    found, _ = attention(
        x,
        memory,
        memory,
        attn_mask=mask,
        key_padding_mask=padding,
        need_weights=False,
        is_causal=is_causal,
    )
    return found


def _why_not_nested(layer: Any) -> str:
    """Why PyTorch would not leave padding out for layers like this one; "" if it would."""
    name = "encoder_layer"
    if not isinstance(layer, TransformerEncoderLayer):
        return f"{name} was not TransformerEncoderLayer"
    attention = layer.self_attn
    reasons = (
        (layer.norm_first, ".norm_first was True"),
        (
            not attention.batch_first,
            ".self_attn.batch_first was not True(use batch_first for better inference performance)",
        ),
        (not attention._qkv_same_embed_dim, ".self_attn._qkv_same_embed_dim was not True"),
        (attention.in_proj_bias is None, ".self_attn was passed bias=False"),
        (not layer.activation_relu_or_gelu, ".activation_relu_or_gelu was not True"),
        (layer.norm1.eps != layer.norm2.eps, f".norm1.eps was not equal to {name}.norm2.eps"),
        (attention.num_heads % 2 == 1, ".self_attn.num_heads is odd"),
    )
    return next((name + reason for holds, reason in reasons if holds), "")


class TransformerEncoder(Module):
    """Several encoder layers.

    Args:
        encoder_layer: what each layer is a copy of.
        num_layers: how many.
        norm: normalisation of the output, or None.
        enable_nested_tensor: whether PyTorch may leave padding out of the computation in evaluation; here it
            is computed, and zeroed where PyTorch would zero it.
        mask_check: whether that depends on the padding being at the end.

    Example:
        >>> import cotangent as torch
        >>> layer = torch.nn.TransformerEncoderLayer(8, 2, batch_first=True)
        >>> torch.nn.TransformerEncoder(layer, 2)(torch.zeros(3, 5, 8)).shape
        torch.Size([3, 5, 8])
    """

    def __init__(
        self,
        encoder_layer: Any,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__()
        self.layers = _get_clones(encoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm
        self.enable_nested_tensor = enable_nested_tensor
        self.use_nested_tensor = enable_nested_tensor
        self.mask_check = mask_check
        reason = _why_not_nested(encoder_layer)
        if enable_nested_tensor and reason:
            warnings.warn(
                f"enable_nested_tensor is True, but self.use_nested_tensor is False because {reason}",
                stacklevel=2,
            )
            self.use_nested_tensor = False

    def forward(
        self, src: Any, mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool | None = None
    ) -> Any:
        padding, mask = _masks(src_key_padding_mask, mask, "", src.dtype)
        first: Any = self.layers[0]
        is_causal = _detect_is_causal_mask(mask, is_causal, _get_seq_len(src, first.self_attn.batch_first))
        output = src
        for layer in self.layers:
            output = layer(output, src_mask=mask, is_causal=is_causal, src_key_padding_mask=padding)
        if mask is None and padding is not None and self._leaves_padding_out(src, padding):
            output = output.masked_fill((padding != 0).unsqueeze(-1), 0.0)
        return output if self.norm is None else self.norm(output)

    def _leaves_padding_out(self, src: Any, padding: Any) -> bool:
        """Whether PyTorch would take its path for nested tensors, whose padding comes back as zeros."""
        if not self.use_nested_tensor or self.layers[0].training or src.dim() != 3:
            return False
        if not _fast_path.allowed((src, *self.layers.parameters())):
            return False
        there = (padding == 0).int()
        return not self.mask_check or bool((there.diff(dim=1) <= 0).all())


class TransformerDecoder(Module):
    """Several decoder layers.

    Args:
        decoder_layer: what each layer is a copy of.
        num_layers: how many.
        norm: normalisation of the output, or None.

    Example:
        >>> import cotangent as torch
        >>> layer = torch.nn.TransformerDecoderLayer(8, 2)
        >>> torch.nn.TransformerDecoder(layer, 2)(torch.zeros(4, 3, 8), torch.zeros(5, 3, 8)).shape
        torch.Size([4, 3, 8])
    """

    def __init__(self, decoder_layer: Any, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self.layers = _get_clones(decoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm

    def forward(
        self,
        tgt: Any,
        memory: Any,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Any:
        first: Any = self.layers[0]
        causal = _detect_is_causal_mask(
            tgt_mask, tgt_is_causal, _get_seq_len(tgt, first.self_attn.batch_first)
        )
        output = tgt
        for layer in self.layers:
            output = layer(
                output,
                memory,
                tgt_mask=tgt_mask,
                memory_mask=memory_mask,
                tgt_key_padding_mask=tgt_key_padding_mask,
                memory_key_padding_mask=memory_key_padding_mask,
                tgt_is_causal=causal,
                memory_is_causal=memory_is_causal,
            )
        return output if self.norm is None else self.norm(output)


class Transformer(Module):
    """An encoder and a decoder.

    Args:
        d_model: features.
        nhead: heads.
        num_encoder_layers: layers of the encoder.
        num_decoder_layers: layers of the decoder.
        dim_feedforward: features between the two linear layers of a layer.
        dropout: probability of dropout.
        activation: between these two: a function, "relu" or "gelu".
        custom_encoder: encoder to use instead.
        custom_decoder: decoder to use instead.
        layer_norm_eps: eps of the normalisations.
        batch_first: whether operands are (batch, length, features), not (length, batch, features).
        norm_first: whether each part is normalised before, not after.
        bias: whether linear layers and normalisations have biases.
        device: device of the parameters.
        dtype: dtype of the parameters.

    Example:
        >>> import cotangent as torch
        >>> net = torch.nn.Transformer(8, 2, 1, 1, 16, batch_first=True)
        >>> net(torch.zeros(3, 5, 8), torch.zeros(3, 4, 8)).shape
        torch.Size([3, 4, 8])
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        custom_encoder: Any = None,
        custom_decoder: Any = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        kept = {"bias": bias, "device": device, "dtype": dtype}
        layer = (
            d_model,
            nhead,
            dim_feedforward,
            dropout,
            activation,
            layer_norm_eps,
            batch_first,
            norm_first,
        )
        if custom_encoder is None:
            encoder_layer = TransformerEncoderLayer(*layer, **kept)
            norm = LayerNorm(d_model, eps=layer_norm_eps, **kept)
            custom_encoder = TransformerEncoder(encoder_layer, num_encoder_layers, norm)
        self.encoder = custom_encoder
        if custom_decoder is None:
            decoder_layer = TransformerDecoderLayer(*layer, **kept)
            norm = LayerNorm(d_model, eps=layer_norm_eps, **kept)
            custom_decoder = TransformerDecoder(decoder_layer, num_decoder_layers, norm)
        self.decoder = custom_decoder
        self._reset_parameters()
        self.d_model = d_model
        self.nhead = nhead
        self.batch_first = batch_first

    def forward(
        self,
        src: Any,
        tgt: Any,
        src_mask: Any = None,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        src_key_padding_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Any:
        at = 0 if self.batch_first else 1
        if src.dim() == 3 and src.size(at) != tgt.size(at):
            raise RuntimeError("the batch number of src and tgt must be equal")
        if src.size(-1) != self.d_model or tgt.size(-1) != self.d_model:
            raise RuntimeError("the feature number of src and tgt must be equal to d_model")
        memory = self.encoder(
            src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal
        )
        return self.decoder(
            tgt,
            memory,
            tgt_mask=tgt_mask,
            memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask,
            tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: Any = None, dtype: Any = None) -> Any:
        """The causal mask: -inf above the diagonal, zeros elsewhere.

        Args:
            sz: rows and columns.
            device: device of the mask.
            dtype: dtype of the mask.

        Returns:
            (sz, sz).
        """
        return _generate_square_subsequent_mask(sz, device, dtype)

    def _reset_parameters(self) -> None:
        for parameter in self.parameters():
            if parameter.dim() > 1:
                xavier_uniform_(parameter)
