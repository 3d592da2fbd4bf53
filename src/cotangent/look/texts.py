"""The sentences of the doctor: kind of finding -> language -> (what is wrong, the smallest fix)."""

from __future__ import annotations

from typing import Final

__all__ = ["LABELS", "TEXTS"]

LABELS: Final = {
    "en": {
        "none": "cotangent.doctor: nothing found in {runs} runs of the step",
        "one": "cotangent.doctor: 1 finding in {runs} runs of the step",
        "some": "cotangent.doctor: {count} findings in {runs} runs of the step",
        "fix": "fix",
    },
    "zh": {
        "none": "cotangent.doctor: 运行训练步 {runs} 次, 没有发现问题",
        "one": "cotangent.doctor: 运行训练步 {runs} 次, 发现 1 个问题",
        "some": "cotangent.doctor: 运行训练步 {runs} 次, 发现 {count} 个问题",
        "fix": "改法",
    },
}

TEXTS: Final[dict[str, dict[str, tuple[str, str]]]] = {
    "unused": {
        "en": (
            "{names}: no gradient, because the loss does not depend on it ({how})",
            "use it in forward, or remove it; if it is meant to rest, set requires_grad_(False)",
        ),
        "zh": (
            "{names}: 没有梯度, 因为损失与它无关 ({how})",
            "在 forward 中使用它, 或删除它; 若有意不训练, 设 requires_grad_(False)",
        ),
    },
    "detached": {
        "en": (
            "{names}: no gradient, because {what} at this line cuts the values off the graph",
            "keep the tensor itself: {instead}",
        ),
        "zh": (
            "{names}: 没有梯度, 因为该行的 {what} 把数值从计算图中切断了",
            "保留张量本身: {instead}",
        ),
    },
    "no-grad": {
        "en": (
            (
                "{names}: no gradient, because recording is off at this line (no_grad, inference_mode or "
                "set_grad_enabled(False))"
            ),
            "compute what the loss needs outside of that block",
        ),
        "zh": (
            (
                "{names}: 没有梯度, 因为执行该行时记录是关闭的 (no_grad, "
                "inference_mode 或 set_grad_enabled(False))"
            ),
            "把损失所需的计算移到该块之外",
        ),
    },
    "not-differentiable": {
        "en": (
            (
                "{names}: no gradient, because {what} at this line has no derivative: its result carries "
                "no history"
            ),
            "use a differentiable form there (softmax for argmax, sigmoid for a comparison, a float dtype)",
        ),
        "zh": (
            "{names}: 没有梯度, 因为该行的 {what} 不可导, 结果没有历史",
            "改用可导的形式 (argmax 用 softmax, 比较用 sigmoid, 整数用浮点)",
        ),
    },
    "zero-gradient": {
        "en": (
            "every gradient is exactly zero in all runs: nothing is learned ({what})",
            "look for round, sign, floor or a saturated activation between the parameters and the loss",
        ),
        "zh": (
            "所有运行中梯度都恰好为零: 什么也学不到 ({what})",
            "检查参数与损失之间是否有 round, sign, floor 或饱和的激活函数",
        ),
    },
    "hidden": {
        "en": (
            "{names}: in a plain {container}, so parameters(), to() and state_dict() do not see it",
            "wrap it: self.{attribute} = nn.{wrapper}(...)",
        ),
        "zh": (
            "{names}: 放在普通的 {container} 里, parameters(), to() 和 state_dict() 都看不到",
            "包起来: self.{attribute} = nn.{wrapper}(...)",
        ),
    },
    "not-in-optimizer": {
        "en": (
            "{names}: gets a gradient, but no optimizer has it, so it never changes",
            (
                "pass it to the optimizer, or freeze it with requires_grad_(False), which also saves its "
                "backward"
            ),
        ),
        "zh": (
            "{names}: 有梯度, 但不在任何优化器里, 因此永远不变",
            "把它交给优化器, 或用 requires_grad_(False) 冻结 (还能省下它的反向计算)",
        ),
    },
    "stale-optimizer": {
        "en": (
            (
                "{names}: the optimizer holds {count} tensor(s) that no model has any more, and lacks "
                "these: the model was changed after the optimizer was made"
            ),
            "make the optimizer after the model has its final layers",
        ),
        "zh": (
            (
                "{names}: 优化器持有 {count} 个已不属于任何模型的张量, 却缺少这些参数: "
                "创建优化器之后模型被改动了"
            ),
            "在模型的层都确定之后再创建优化器",
        ),
    },
    "broadcast": {
        "en": (
            (
                "the loss compares shapes {first} and {second}: broadcasting makes {result}, every "
                "prediction against every target"
            ),
            "give both one shape: prediction.squeeze(-1), or target.unsqueeze(-1)",
        ),
        "zh": (
            "损失比较的形状是 {first} 和 {second}: 广播成 {result}, 每个预测都与所有目标相比",
            "让两者形状相同: prediction.squeeze(-1) 或 target.unsqueeze(-1)",
        ),
    },
    "double-softmax": {
        "en": (
            "{loss} takes logits and applies {inside} itself, but its input went through {earlier} before",
            "give {loss} the values from before {earlier}",
        ),
        "zh": (
            "{loss} 的输入应是 logits, 它自己会做 {inside}, 但输入之前已经过 {earlier}",
            "把 {earlier} 之前的数值交给 {loss}",
        ),
    },
    "nll-input": {
        "en": (
            "nll_loss takes log-probabilities, but its input {what}",
            "use cross_entropy on the logits, or log_softmax before nll_loss",
        ),
        "zh": (
            "nll_loss 的输入应是对数概率, 但这里{what}",
            "对 logits 用 cross_entropy, 或在 nll_loss 之前用 log_softmax",
        ),
    },
    "label-range": {
        "en": (
            "{loss}: labels run from {low} to {high}, but there are the classes 0 to {last}",
            "{advice}",
        ),
        "zh": (
            "{loss}: 标签范围是 {low} 到 {high}, 而类别是 0 到 {last}",
            "{advice_zh}",
        ),
    },
    "target-range": {
        "en": (
            "{loss}: targets run from {low} to {high}, outside of 0 to 1",
            "scale the targets to probabilities, 0 to 1",
        ),
        "zh": (
            "{loss}: 目标范围是 {low} 到 {high}, 超出了 0 到 1",
            "把目标缩放成 0 到 1 的概率",
        ),
    },
    "index-range": {
        "en": (
            "embedding: indices run from {low} to {high}, but the table has the rows 0 to {last}",
            "give the embedding {needed} rows, or map the indices into its range",
        ),
        "zh": (
            "embedding: 下标范围是 {low} 到 {high}, 而表只有第 0 到 {last} 行",
            "把 embedding 增加到 {needed} 行, 或把下标映射到范围内",
        ),
    },
    "zero-grad-missing": {
        "en": (
            "gradients of the step before are still there when backward adds the new ones: {names}",
            "call optimizer.zero_grad() (or set p.grad = None) between the step and the next backward",
        ),
        "zh": (
            "反向传播累加新梯度时, 上一步的梯度还在: {names}",
            "在更新与下一次 backward 之间调用 optimizer.zero_grad() (或设 p.grad = None)",
        ),
    },
    "zero-grad-misplaced": {
        "en": (
            "gradients are thrown away here after backward has computed them, before the optimizer used them",
            "move zero_grad() before backward(), or after optimizer.step()",
        ),
        "zh": (
            "backward 刚算出的梯度在这里被清掉了, 优化器还没有用到",
            "把 zero_grad() 移到 backward() 之前, 或 optimizer.step() 之后",
        ),
    },
    "step-before-backward": {
        "en": (
            "the optimizer steps before backward has computed any gradient",
            "the order is zero_grad, forward, backward, step",
        ),
        "zh": (
            "优化器在 backward 算出梯度之前就更新了",
            "顺序应是 zero_grad, 前向, backward, step",
        ),
    },
    "step-missing": {
        "en": (
            "backward runs, but the optimizer never steps in {runs} runs",
            "call optimizer.step() after backward()",
        ),
        "zh": (
            "运行了 backward, 但 {runs} 次运行中优化器从未更新",
            "在 backward() 之后调用 optimizer.step()",
        ),
    },
    "backward-missing": {
        "en": (
            "the model is called, but no backward runs, so there are no gradients to step with",
            "call loss.backward() before optimizer.step()",
        ),
        "zh": (
            "模型被调用了, 但没有运行 backward, 因此没有梯度可用于更新",
            "在 optimizer.step() 之前调用 loss.backward()",
        ),
    },
    "graph-kept": {
        "en": (
            "the graphs of earlier steps stay alive, held by {names}: memory grows with every step",
            "add loss.item() (or loss.detach()) instead of the loss",
        ),
        "zh": (
            "以前各步的计算图一直活着, 被 {names} 持有: 每一步内存都在增长",
            "累加 loss.item() (或 loss.detach()), 不要累加 loss 本身",
        ),
    },
    "graph-reused": {
        "en": (
            (
                "backward goes through the graph of the run before, which was freed: a tensor carried "
                "from one step to the next still has its history"
            ),
            "detach() what is carried over (hidden = hidden.detach())",
        ),
        "zh": (
            "backward 走进了上一次运行的计算图, 而它已被释放: 有张量带着历史从上一步传到了下一步",
            "对传递的张量做 detach() (hidden = hidden.detach())",
        ),
    },
    "data-write": {
        "en": (
            (
                "a write through .data changes values that backward will use, unseen: the gradients are "
                "silently wrong"
            ),
            (
                "compute a new tensor, or write under torch.no_grad() without .data, so that the write "
                "is counted"
            ),
        ),
        "zh": (
            "通过 .data 的写入悄悄改变了反向传播要用的数值: 梯度会无声地出错",
            "改为计算新张量, 或在 torch.no_grad() 下不经 .data 写入, 使写入被计数",
        ),
    },
    "in-place": {
        "en": (
            "backward failed: {text}",
            "write out of place (y = y + 1 instead of y += 1), or clone() before writing",
        ),
        "zh": (
            "反向传播失败: {text}",
            "改用非原地写法 (y = y + 1 而不是 y += 1), 或先 clone() 再写",
        ),
    },
    "eval-mode": {
        "en": (
            (
                "{names}: trained in eval mode, so dropout does nothing and batch norm does not learn "
                "its statistics"
            ),
            "call model.train() before the training step (and after each evaluation)",
        ),
        "zh": (
            "{names}: 在 eval 模式下训练, dropout 不起作用, batch norm 也不更新统计量",
            "在训练步之前 (以及每次评估之后) 调用 model.train()",
        ),
    },
    "train-mode": {
        "en": (
            (
                "{names}: evaluated in training mode, so dropout is random and batch norm learns from "
                "these examples"
            ),
            "call model.eval() before the evaluation and model.train() after it",
        ),
        "zh": (
            "{names}: 在训练模式下做评估, dropout 仍随机, batch norm 会从这些样本更新统计量",
            "评估前调用 model.eval(), 之后调用 model.train()",
        ),
    },
    "dead-relu": {
        "en": (
            (
                "{dead} of {units} units of this ReLU give zero for all {examples} examples: no gradient "
                "passes them"
            ),
            "lower the learning rate or the bias, use He initialisation, or LeakyReLU",
        ),
        "zh": (
            "这个 ReLU 的 {units} 个单元中有 {dead} 个对全部 {examples} 个样本输出零: 梯度无法通过",
            "降低学习率或偏置, 使用 He 初始化, 或改用 LeakyReLU",
        ),
    },
    "vanishing": {
        "en": (
            "gradients vanish: {names} has a largest gradient of {first:.1e}, {last_name} of {last:.1e}",
            "use ReLU-like activations, normalisation or residual connections, and a matching initialisation",
        ),
        "zh": (
            "梯度消失: {names} 的最大梯度是 {first:.1e}, 而 {last_name} 是 {last:.1e}",
            "使用 ReLU 类激活, 归一化或残差连接, 以及合适的初始化",
        ),
    },
    "exploding": {
        "en": (
            "values explode: {what} of {names} grows to {size:.1e}, {ratio:.0e} times that of {other}",
            "use a smaller initialisation (Xavier or He), normalisation, or clip_grad_norm_",
        ),
        "zh": (
            "数值爆炸: {names} 的{what_zh}达到 {size:.1e}, 是 {other} 的 {ratio:.0e} 倍",
            "使用更小的初始化 (Xavier 或 He), 归一化, 或 clip_grad_norm_",
        ),
    },
    "not-finite": {
        "en": (
            "the loss is {value}; {what} at this line was the first to give nan or inf",
            "torch.autograd.explain_nan(loss) names the element and the reason",
        ),
        "zh": (
            "损失是 {value}; 该行的 {what} 最先得出 nan 或 inf",
            "torch.autograd.explain_nan(loss) 会指出元素和原因",
        ),
    },
    "no-graph": {
        "en": (
            (
                "backward failed: the loss has no history, since nothing it was computed from requires a "
                "gradient"
            ),
            "compute the loss from the model's parameters, with recording on",
        ),
        "zh": (
            "反向传播失败: 损失没有历史, 因为计算它的张量都不需要梯度",
            "在记录开启时由模型的参数计算损失",
        ),
    },
    "error": {
        "en": ("the step failed: {text}", "see the message; the step has to run before it can be judged"),
        "zh": ("训练步失败: {text}", "见错误信息; 训练步能运行之后才能判断其他问题"),
    },
}
