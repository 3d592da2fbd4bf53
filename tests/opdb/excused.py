"""The operators of PyTorch's table that may differ for now, each with its reason; one a line.

`tools/check_op_db.py --prune` takes those off that agree by now.
"""

from __future__ import annotations

from typing import Final

EXCUSED: Final[dict[str, str]] = {
    "view_as_complex": "float16 gives complex32, a type NumPy does not have",
    "complex": "float16 gives complex32, a type NumPy does not have",
    "matrix_exp": "PyTorch's own results are nan in 16 bits, even of small matrices",
    "as_strided_scatter": "PyTorch's gradient is no derivative: it passes on what was overwritten",
    "native_batch_norm": "bfloat16 of PyTorch takes sums and variances in other roundings",
    "_batch_norm_with_update": "an entry of PyTorch's dispatcher; native_batch_norm is the one for programs",
    "nn.functional.conv_transpose1d": "float16 of PyTorch rounds after every tap",
    "nn.functional.conv_transpose2d": "float16 of PyTorch rounds after every tap",
    "nn.functional.conv_transpose3d": "float16 of PyTorch rounds after every tap",
    "nn.functional.instance_norm": "bfloat16 of PyTorch takes sums and variances in other roundings",
    "torch._scaled_mm_v2": "private, for 8-bit floats, which NumPy does not have",
    "torch._scaled_mm": "private, for 8-bit floats, which NumPy does not have",
    "chalf": "complex32, a type NumPy does not have",
    "nn.functional.multi_head_attention_forward": "with dropout, PyTorch draws the mask in another order",
}

# Those whose wrong calls do not all raise PyTorch's exception with PyTorch's text.
EXCUSED_ERRORS: Final[dict[str, str]] = {
    "__radd__": "another text or type",
    "__rmul__": "another text or type",
    "__rand__": "another text or type",
    "__ror__": "another text or type",
    "__rxor__": "another text or type",
    "gather": "another text or type",
}
