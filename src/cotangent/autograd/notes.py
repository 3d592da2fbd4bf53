"""Notes on errors: which line recorded the operation, which line broke it, why, and the smallest fix.

The exception's own text stays PyTorch's; what is known beyond it is added with `add_note`, in the
languages that COTANGENT_LANG names (`en`, `zh`, `both`).
"""

from __future__ import annotations

from types import CodeType
from typing import Any, Final

from ..config import settings
from .base import TensorBase
from .where import Place, place

# kind -> language -> (why, fix)
_TEXTS: Final[dict[str, dict[str, tuple[str, str]]]] = {
    "stale": {
        "en": (
            ("backward needs the value this operation saw, but it was overwritten in place before backward "
            "ran"),
            ("write out of place at the second line (y = y + 1 instead of y.add_(1)), or clone() before "
            "writing"),
        ),
        "zh": (
            "反向传播需要该运算当时的数值, 但在反向传播之前它被原地修改了",
            "在第二处改用非原地写法 (y = y + 1 而不是 y.add_(1)), 或先 clone() 再修改",
        ),
    },
    "freed": {
        "en": (
            "the first backward freed what this operation had saved",
            "pass retain_graph=True to the first backward, or run the forward pass again before the second",
        ),
        "zh": (
            "第一次反向传播已释放了该运算保存的数值",
            "第一次 backward 时传 retain_graph=True, 或在第二次之前重新做一遍前向计算",
        ),
    },
    "leaf": {
        "en": (
            ("a leaf that requires grad may not be written in place while recording: its gradient would lose "
            "its meaning"),
            "put the update under `with torch.no_grad():`, or compute a new tensor instead",
        ),
        "zh": (
            "记录开启时不能原地修改需要梯度的叶子张量: 它的梯度会失去意义",
            "把更新放进 `with torch.no_grad():`, 或改为计算一个新张量",
        ),
    },
    "nograph": {
        "en": (
            ("nothing was recorded for this tensor: no input requires grad, or recording was off when it was "
            "computed"),
            "set requires_grad=True on the inputs before the computation and keep recording on",
        ),
        "zh": (
            "这个张量没有被记录: 输入都不需要梯度, 或计算时记录是关闭的",
            "在计算之前对输入设 requires_grad=True, 并保持记录开启",
        ),
    },
    "off": {
        "en": (
            "recording was switched off at that line by set_grad_enabled(False) and is still off here",
            ("use `with torch.no_grad():` there, or call torch.set_grad_enabled(True) before computing the "
            "loss"),
        ),
        "zh": (
            "该行的 set_grad_enabled(False) 关闭了记录, 到这里仍然是关闭的",
            "那里改用 `with torch.no_grad():`, 或在计算损失之前调用 torch.set_grad_enabled(True)",
        ),
    },
    "scalar": {
        "en": (
            "only a scalar has one gradient without saying which combination of its elements is meant",
            "reduce first (loss.sum() or loss.mean()), or pass backward(gradient=...) of the tensor's shape",
        ),
        "zh": (
            "只有标量才有确定的梯度; 对多元素张量需要说明各元素的权重",
            "先归约 (loss.sum() 或 loss.mean()), 或传入同形状的 backward(gradient=...)",
        ),
    },
    "rule": {
        "en": ("the error arose in the backward of the operation recorded there", ""),
        "zh": ("错误发生在该处所记录运算的反向传播中", ""),
    },
}
_LABELS: Final = {
    "en": {
        "recorded": "recorded at",
        "broken": "overwritten at",
        "off": "switched off at",
        "why": "why",
        "fix": "fix",
    },
    "zh": {"recorded": "记录于", "broken": "被修改于", "off": "关闭于", "why": "原因", "fix": "改法"},
}


def annotate(error: BaseException, kind: str, **spots: tuple[CodeType, int] | None) -> None:
    """Add the note of one kind to an exception, with the source lines that are known.

    Args:
        error: the exception.
        kind: which explanation (a key of the table above).
        spots: (code object, instruction offset) by role: `recorded`, `broken`, `off`.
    """
    known = {role: place(*spot) for role, spot in spots.items() if spot is not None and spot[0] is not None}
    for language in settings.languages():
        why, fix = _TEXTS[kind][language]
        labels = _LABELS[language]
        lines = [_spot(labels[role], where) for role, where in known.items()]
        lines.append(f"  {labels['why']}: {why}")
        if fix:
            lines.append(f"  {labels['fix']}: {fix}")
        error.add_note("\n".join(lines))


def _spot(label: str, where: Place) -> str:
    """A source line with carets under the expression, as tracebacks show it."""
    head = f"  {label} {where.file}:{where.line}"
    if where.column is not None:
        head += f":{where.column + 1}"
    text = where.text.strip()
    if not text:
        return head
    out = f"{head}\n    {text}"
    if where.column is not None and where.end_column is not None:
        indent = where.column - (len(where.text) - len(where.text.lstrip()))
        out += "\n    " + " " * max(indent, 0) + "^" * max(where.end_column - where.column, 1)
    return out


def recorded_at(node: Any) -> tuple[CodeType, int] | None:
    """Where a node was recorded."""
    code = getattr(node, "code", None)
    return None if code is None else (code, node.lasti)


def written_at(t: TensorBase, version: int) -> tuple[CodeType, int] | None:
    """Where the memory of `t` was first written after it had `version`, if that is still known."""
    cell = t._vc
    if cell is None or len(cell) < 3:
        return None
    for number, code, lasti in list.__getitem__(cell, 2):
        if number > version:
            return code, lasti
    return None
