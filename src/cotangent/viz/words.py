"""The few words on pictures and pages, in English and Chinese."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ..config import settings

WORDS: Final[dict[str, tuple[str, str]]] = {
    "nodes": ("nodes", "个节点"),
    "operations": ("operations", "个运算"),
    "parameters": ("parameters", "个参数"),
    "value": ("value", "数值"),
    "gradient": ("gradient", "梯度"),
    "local": ("local derivative", "局部导数"),
    "graph": ("Computation graph", "计算图"),
    "search": ("search: name, operation, module, line", "搜索: 名称、运算、模块、源码行"),
    "open": ("unfold all", "全部展开"),
    "close": ("fold all", "全部折叠"),
    "fit": ("fit", "适应窗口"),
    "theme": ("light / dark", "浅色 / 深色"),
    "play": ("play backward", "播放反向传播"),
    "pause": ("pause", "暂停"),
    "back": ("step back", "后退一步"),
    "forward": ("step", "前进一步"),
    "start": ("to the start", "回到开始"),
    "operation": ("operation", "运算"),
    "leaf": ("leaf", "叶子张量"),
    "parameter": ("parameter", "参数"),
    "constant": ("no gradient", "无梯度"),
    "result": ("result", "结果"),
    "module": ("module", "模块"),
    "shape": ("shape", "形状"),
    "dtype": ("dtype", "数据类型"),
    "node": ("grad_fn", "grad_fn"),
    "kept": ("kept for backward", "为反向传播保留"),
    "line": ("recorded at", "记录于"),
    "rule": ("derivative rule", "求导规则"),
    "settings": ("settings", "参数设置"),
    "inputs": ("reads", "输入"),
    "outputs": ("read by", "被使用"),
    "step": ("step", "步骤"),
    "of": ("of", "/"),
    "hint": (
        "Click a node for its details, a module to unfold or fold it. Wheel: zoom; drag: move; space: play.",
        "点击节点查看详情, 点击模块展开或折叠。滚轮缩放, 拖动平移, 空格播放。",
    ),
    "freed": (
        (
            "Some saved values had been freed by an earlier backward: gradients end there. Draw before "
            "backward, or pass retain_graph=True."
        ),
        (
            "部分保存的数值已被先前的反向传播释放, 梯度到此为止。请在 backward 之前绘图, "
            "或传 retain_graph=True。"
        ),
    ),
    "found": ("found", "个匹配"),
    "norm": ("norm", "范数"),
    "mean": ("mean", "均值"),
    "range": ("range", "范围"),
    "steps": ("backward steps", "反向步骤"),
    "empty": ("nothing selected", "未选中"),
}


def speaker(lang: str | None) -> Callable[[str], str]:
    """From keys of WORDS to words in a language: "en", "zh", or by default what COTANGENT_LANG says."""
    chosen = lang or settings.languages()[0]
    if chosen not in ("en", "zh"):
        raise ValueError(f"lang must be 'en' or 'zh', got {lang!r}")
    column = 1 if chosen == "zh" else 0
    return lambda key: WORDS[key][column]
