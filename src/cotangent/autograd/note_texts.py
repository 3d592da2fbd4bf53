"""The sentences of the notes on errors: per kind and language the cause, and the smallest fix.

`{name}` in a sentence is filled in by the caller of `annotate`. An empty fix means there is nothing to add.
"""

from __future__ import annotations

from typing import Final

# kind -> language -> (why, fix)
TEXTS: Final[dict[str, dict[str, tuple[str, str]]]] = {
    # -- in-place writes ---------------------------------------------------------------------------
    "stale": {
        "en": (
            ("backward needs the value this operation saw, but it was overwritten in place before "
            "backward ran"),
            ("write out of place at the second line (y = y + 1 instead of y.add_(1)), or clone() before "
            "writing"),
        ),
        "zh": (
            "反向传播需要该运算当时的数值, 但在反向传播之前它被原地修改了",
            "在第二处改用非原地写法 (y = y + 1 而不是 y.add_(1)), 或先 clone() 再修改",
        ),
    },
    "stale_step": {
        "en": (
            ("optimizer.step() wrote the parameters in place, and this backward needs the values from "
            "before it"),
            ("call step() only after every backward of this forward pass, or run the forward pass again "
            "after it"),
        ),
        "zh": (
            "optimizer.step() 原地更新了参数, 而这次反向传播需要更新之前的数值",
            "等同一次前向计算的所有 backward 都完成后再调用 step(), 或在 step() 之后重新做前向计算",
        ),
    },
    "leaf": {
        "en": (
            ("a leaf that requires grad may not be written in place while recording: its gradient would "
            "lose its meaning"),
            "put the update under `with torch.no_grad():`, or compute a new tensor instead",
        ),
        "zh": (
            "记录开启时不能原地修改需要梯度的叶子张量: 它的梯度会失去意义",
            "把更新放进 `with torch.no_grad():`, 或改为计算一个新张量",
        ),
    },
    "leaf_view": {
        "en": (
            ("the tensor written is a view into the memory of a leaf that requires grad, so the write "
            "would change the leaf itself"),
            "put the write under `with torch.no_grad():`, or write into a copy (x.clone())",
        ),
        "zh": (
            "被写的张量是某个需要梯度的叶子张量的视图, 写它就等于改了那个叶子",
            "把写操作放进 `with torch.no_grad():`, 或写到副本里 (x.clone())",
        ),
    },
    "multi_view": {
        "en": (
            ("the function at the first line returns several views of one memory at once, and no history "
            "can be kept for a write through one of them"),
            "write out of place (a = a * 2), or take the view by indexing (x[0]) instead",
        ),
        "zh": (
            "第一处的函数一次返回同一块内存的多个视图, 经由其中一个写入的历史无法记录",
            "改用非原地写法 (a = a * 2), 或改用下标取视图 (x[0])",
        ),
    },
    "no_grad_view": {
        "en": (
            ("the view was made while recording was off and is written while it is on: whether the write "
            "should be recorded is ambiguous"),
            "make the view and write it both inside the block, or both outside of it",
        ),
        "zh": (
            "视图是在记录关闭时创建的, 却在记录开启时被写入: 这次写入该不该被记录说不清",
            "把创建视图和写入都放在块内, 或都放在块外",
        ),
    },
    "custom_view": {
        "en": (
            ("the tensor is an input that a custom Function returned as it is (or a view made inside): a "
            "write would bypass the Function's backward"),
            "clone() the Function's output before writing it",
        ),
        "zh": (
            "该张量是自定义 Function 原样返回的输入 (或其内部创建的视图): 原地写会绕过它的 backward",
            "写之前先对 Function 的输出做 clone()",
        ),
    },
    # -- inference mode ----------------------------------------------------------------------------
    "inference_write": {
        "en": (
            ("the tensor was made in inference mode, where versions are not counted, so it may not be "
            "written outside"),
            "clone() it first, or use torch.no_grad() instead of torch.inference_mode()",
        ),
        "zh": (
            "该张量创建于推理模式, 那里不记版本号, 所以在外面不能原地修改它",
            "先 clone(), 或用 torch.no_grad() 代替 torch.inference_mode()",
        ),
    },
    "inference_saved": {
        "en": (
            ("a tensor made in inference mode takes part in a recorded operation that would have to keep "
            "it for backward"),
            "clone() it outside the block, or use torch.no_grad() instead of torch.inference_mode()",
        ),
        "zh": (
            "推理模式下创建的张量参与了被记录的运算, 而该运算要为反向传播保存它",
            "在块外先 clone(), 或用 torch.no_grad() 代替 torch.inference_mode()",
        ),
    },
    # -- backward ----------------------------------------------------------------------------------
    "freed": {
        "en": (
            "an earlier backward freed what this operation had saved",
            ("pass retain_graph=True to the earlier backward, or run the forward pass again before the "
            "second"),
        ),
        "zh": (
            "前一次反向传播已释放了该运算保存的数值",
            "给前一次 backward 传 retain_graph=True, 或在第二次之前重新做一遍前向计算",
        ),
    },
    "scalar": {
        "en": (
            "only a scalar has one gradient without saying which combination of its elements is meant",
            ("reduce first (loss.sum() or loss.mean()), or pass backward(gradient=...) of the tensor's "
            "shape"),
        ),
        "zh": (
            "只有标量才有确定的梯度; 对多元素张量需要说明各元素的权重",
            "先归约 (loss.sum() 或 loss.mean()), 或传入同形状的 backward(gradient=...)",
        ),
    },
    "gradient_shape": {
        "en": (
            ("the gradient given to backward says for every element of the output how much it counts, so "
            "it must have the output's shape {want}; it has {have}"),
            "pass a gradient of shape {want}, such as torch.ones_like(output)",
        ),
        "zh": (
            "传给 backward 的 gradient 是输出每个元素的权重, 形状必须是 {want}, 现在是 {have}",
            "传入形状为 {want} 的 gradient, 例如 torch.ones_like(output)",
        ),
    },
    "unused": {
        "en": (
            "the graph that was recorded at the first line does not lead to input number {index}",
            ("compute the output from that very tensor (no detach(), no copy), or pass allow_unused=True "
            "to get None"),
        ),
        "zh": (
            "第一处所记录的计算图里没有第 {index} 个输入",
            "输出要由这个张量本身算出 (不经 detach() 或复制); 若确实无关, 传 allow_unused=True 得到 None",
        ),
    },
    "function_none": {
        "en": (
            ("input number {index} was used, but the backward of {name} returns None for it, so no "
            "gradient reaches it"),
            "return the gradient of that input from backward instead of None",
        ),
        "zh": (
            "第 {index} 个输入确实用到了, 但 {name} 的 backward 对它返回了 None, 梯度传不到它",
            "在 backward 里返回该输入的梯度, 而不是 None",
        ),
    },
    "nonleaf_grad": {
        "en": (
            "the tensor was computed at that line, and backward keeps gradients only of leaves",
            "call retain_grad() on it before backward, or read the .grad of the leaf it was computed from",
        ),
        "zh": (
            "该张量是在那一处算出来的, 而反向传播只保留叶子张量的梯度",
            "在 backward 之前对它调用 retain_grad(), 或改读它所依赖的叶子的 .grad",
        ),
    },
    # -- why a tensor requires no gradient ------------------------------------------------------------
    "off": {
        "en": (
            "grad mode was switched off at that line by {by} and is still off here",
            ("use `with torch.no_grad():` there, or call torch.set_grad_enabled(True) before computing "
            "the loss"),
        ),
        "zh": (
            "该行的 {by} 关闭了梯度记录, 到这里仍然是关闭的",
            "那里改用 `with torch.no_grad():`, 或在计算损失之前调用 torch.set_grad_enabled(True)",
        ),
    },
    "block": {
        "en": (
            "the tensor comes from a computation that was not recorded: {by} had switched grad mode off",
            "move the computation out of the block or function that {by} covers",
        ),
        "zh": (
            "该张量来自一次没有被记录的计算: {by} 关闭了梯度记录",
            "把这步计算移出 {by} 所覆盖的代码块或函数",
        ),
    },
    "detach": {
        "en": (
            "{by} gives the same values without history, so no gradient flows further back than that line",
            "leave {by} out where the gradient has to pass",
        ),
        "zh": (
            "{by} 给出的是没有历史的同一份数值, 梯度到这一行就断了",
            "在需要梯度通过的地方去掉 {by}",
        ),
    },
    "frozen": {
        "en": (
            ("requires_grad was set to False at that line, and nothing else this tensor depends on "
            "requires grad"),
            "set requires_grad back to True, or leave a part of the model trainable",
        ),
        "zh": (
            "requires_grad 在该行被设为 False, 而它所依赖的其他张量也都不需要梯度",
            "把 requires_grad 改回 True, 或让模型的一部分保持可训练",
        ),
    },
    "tensor": {
        "en": (
            "torch.tensor(...) copies numbers into a new leaf; the history of the tensors inside is lost",
            "use torch.stack([...]) or torch.cat([...]), or the tensor itself",
        ),
        "zh": (
            "torch.tensor(...) 把数值复制成新的叶子张量, 里面张量的历史都丢了",
            "改用 torch.stack([...]) 或 torch.cat([...]), 或直接用原张量",
        ),
    },
    "integers": {
        "en": (
            "the result of that conversion is a tensor of integers, and those carry no gradient",
            "stay with a floating-point dtype where the gradient has to pass",
        ),
        "zh": (
            "该处转换的结果是整数张量, 整数不带梯度",
            "在需要梯度通过的地方保持浮点类型",
        ),
    },
    "no_derivative": {
        "en": (
            ("{by} at that line gives positions or truth values, which do not change gradually, so it "
            "has no derivative"),
            "compute the loss from the values themselves (a softmax or sigmoid instead of {by})",
        ),
        "zh": (
            "该行的 {by} 给出的是位置或真假值, 它们不连续变化, 没有导数",
            "用数值本身来计算损失 (用 softmax 或 sigmoid 代替 {by})",
        ),
    },
    "exit": {
        "en": (
            "{by} at that line takes the value out of the graph; what is computed from it has no history",
            "keep the tensor itself in the computation; use {by} for printing only",
        ),
        "zh": (
            "该行的 {by} 把数值取出了计算图, 由它算出的东西没有历史",
            "计算中保留张量本身, 只在打印时用 {by}",
        ),
    },
    "plain_leaf": {
        "en": (
            ("the tensor made at that line does not require grad, and neither does anything else in the "
            "computation"),
            "pass requires_grad=True there",
        ),
        "zh": (
            "该行创建的张量不需要梯度, 计算中的其他张量也都不需要",
            "在那里传 requires_grad=True",
        ),
    },
    "integer_leaf": {
        "en": (
            "the tensor made at that line holds integers, and only floating-point tensors can require grad",
            "make it floating point and require grad: torch.tensor([1.0, 2.0], requires_grad=True)",
        ),
        "zh": (
            "该行创建的是整数张量, 只有浮点张量才能要求梯度",
            "改成浮点并要求梯度: torch.tensor([1.0, 2.0], requires_grad=True)",
        ),
    },
    "nograph": {
        "en": (
            "nothing was recorded for this tensor: no input of its computation requires grad",
            "set requires_grad=True on the inputs before the computation",
        ),
        "zh": (
            "这个张量没有被记录: 它的计算中没有任何输入需要梯度",
            "在计算之前对输入设 requires_grad=True",
        ),
    },
    "integer_requires": {
        "en": (
            ("a gradient says how a result changes with small steps of the value, and {dtype} has no "
            "small steps"),
            "use a floating-point dtype: dtype=torch.float32, or 1.0 instead of 1",
        ),
        "zh": (
            "梯度描述数值微小变化的影响, 而 {dtype} 没有微小变化",
            "使用浮点类型: dtype=torch.float32, 或写 1.0 而不是 1",
        ),
    },
    "nonleaf_requires": {
        "en": (
            ("the tensor was computed at the first line from tensors that require grad, so it requires "
            "grad by itself"),
            "use detach() to get it without history, or change the leaf it was computed from",
        ),
        "zh": (
            "该张量是在第一处由需要梯度的张量算出的, 它必然需要梯度",
            "用 detach() 得到没有历史的张量, 或改动它所依赖的叶子",
        ),
    },
    # -- leaving the graph -----------------------------------------------------------------------------
    "numpy": {
        "en": (
            "NumPy arrays have no history, so the gradient would be lost without notice",
            ("call detach().numpy() if the values are all you need; stay with tensor operations where "
            "gradients pass"),
        ),
        "zh": (
            "NumPy 数组没有历史, 梯度会不知不觉地丢失",
            "只需要数值就用 detach().numpy(); 需要梯度的地方继续用张量运算",
        ),
    },
    "deepcopy": {
        "en": (
            "the tensor was computed at the first line; a copy of it would need a copy of its whole graph",
            "copy detach().clone(), or keep a non-leaf out of the object that is copied",
        ),
        "zh": (
            "该张量是在第一处算出来的, 复制它就要复制它的整个计算图",
            "复制 detach().clone(), 或不要把非叶子张量放进被复制的对象",
        ),
    },
    "copy_construct": {
        "en": (
            ("torch.tensor() copies the values of a tensor into a new leaf, and no gradient flows back "
            "to the original"),
            "use x.clone() to keep the history, x.detach().clone() to drop it",
        ),
        "zh": (
            "torch.tensor() 把张量的数值复制成新的叶子, 梯度不会流回原张量",
            "要保留历史用 x.clone(), 不要历史用 x.detach().clone()",
        ),
    },
    "optimizer_nonleaf": {
        "en": (
            "the optimizer was given the result of a computation; backward would leave no gradient in it",
            "give it the leaf: x = (...).detach().requires_grad_(), or nn.Parameter(...)",
        ),
        "zh": (
            "交给优化器的是一个计算结果, 反向传播不会在它上面留下梯度",
            "应交叶子张量: x = (...).detach().requires_grad_(), 或 nn.Parameter(...)",
        ),
    },
    # -- custom Functions ------------------------------------------------------------------------------
    "function_count": {
        "en": (
            ("forward of {name} takes {want} argument(s) besides ctx, so backward has to return as many "
            "gradients; it returned {have}"),
            "return one value per argument of forward, None for those without a gradient",
        ),
        "zh": (
            ("{name} 的 forward 除 ctx 外有 {want} 个参数, backward 就要返回同样多个梯度, 现在返回了 "
            "{have} 个"),
            "对 forward 的每个参数各返回一个值, 没有梯度的返回 None",
        ),
    },
    "function_shape": {
        "en": (
            ("the gradient of argument number {index} must have that argument's shape {want}; backward "
            "of {name} returned {have}"),
            "make the shapes agree: often a sum over the broadcast dimension, or a transpose, is missing",
        ),
        "zh": (
            "第 {index} 个参数的梯度形状必须是 {want}; {name} 的 backward 返回了 {have}",
            "让形状一致: 常见的是漏了对广播维度求和, 或漏了转置",
        ),
    },
    "function_unsaved": {
        "en": (
            "backward unpacks ctx.saved_tensors, but forward saved nothing",
            "call ctx.save_for_backward(...) in forward with the tensors that backward reads",
        ),
        "zh": (
            "backward 要从 ctx.saved_tensors 取值, 但 forward 没有保存任何张量",
            "在 forward 里用 ctx.save_for_backward(...) 保存 backward 要用的张量",
        ),
    },
    "rule": {
        "en": (
            "the error arose in the backward of the operation recorded there",
            "",
        ),
        "zh": (
            "错误发生在该处所记录运算的反向传播中",
            "",
        ),
    },
    # -- arguments of operations ------------------------------------------------------------------------
    "dtypes": {
        "en": (
            ("the operands of a product must have one dtype, and these have {a} and {b}: nothing is "
            "converted here"),
            "convert one of them, such as b.to(a.dtype); arrays from NumPy are often float64",
        ),
        "zh": (
            "乘积的两个操作数类型必须相同, 这里是 {a} 和 {b}, 不会自动转换",
            "转换其中一个, 例如 b.to(a.dtype); 来自 NumPy 的数组往往是 float64",
        ),
    },
    "device": {
        "en": (
            "tensors and models have to be on one device, and this installation computes on the CPU only",
            'choose once: device = "cuda" if torch.cuda.is_available() else "cpu", and use it everywhere',
        ),
        "zh": (
            "张量和模型必须在同一设备上, 而当前安装只能在 CPU 上计算",
            '统一选择: device = "cuda" if torch.cuda.is_available() else "cpu", 处处使用它',
        ),
    },
    "loss_shape": {
        "en": (
            ("input has shape {input} and target {target}: broadcasting pairs every prediction with "
            "every target instead of its own"),
            "give both one shape, such as input.squeeze(-1) or target.unsqueeze(-1)",
        ),
        "zh": (
            "input 形状 {input}, target 形状 {target}: 广播会把每个预测和每个目标两两配对, 而不是一一对应",
            "让两者形状一致, 例如 input.squeeze(-1) 或 target.unsqueeze(-1)",
        ),
    },
    "target_dtype": {
        "en": (
            "classes are given as whole numbers (int64), and the target has dtype {dtype}",
            "target.long() for classes; for class probabilities a float target of the input's shape",
        ),
        "zh": (
            "类别要用整数 (int64) 给出, 而 target 的类型是 {dtype}",
            "类别用 target.long(); 若是类别概率, target 应为与 input 同形状的浮点张量",
        ),
    },
    "target_shape": {
        "en": (
            ("for an input of shape {input} the target holds one class per example, shape {want}; it has "
            "{have}"),
            "reshape the target, such as target.squeeze(1), or argmax(1) of a one-hot target",
        ),
        "zh": (
            "input 形状为 {input} 时, target 每个样本一个类别, 形状应为 {want}, 现在是 {have}",
            "调整 target 的形状, 例如 target.squeeze(1), 对 one-hot 目标用 argmax(1)",
        ),
    },
    "target_range": {
        "en": (
            "there are {classes} classes, numbered 0 to {last}, and a target says {found}",
            ("number the classes from 0 (target - 1 if they start at 1), or give the last layer more "
            "outputs"),
        ),
        "zh": (
            "共有 {classes} 个类别, 编号 0 到 {last}, 而 target 里出现了 {found}",
            "类别从 0 编号 (从 1 开始的用 target - 1), 或增加最后一层的输出个数",
        ),
    },
}

LABELS: Final = {
    "en": {
        "recorded": "recorded at",
        "broken": "overwritten at",
        "written": "written at",
        "off": "switched off at",
        "cut": "cut off at",
        "computed": "computed at",
        "made": "made at",
        "first": "freed by backward at",
        "returned": "backward returns at",
        "here": "asked for at",
        "why": "why",
        "fix": "fix",
    },
    "zh": {
        "recorded": "记录于",
        "broken": "被修改于",
        "written": "写入于",
        "off": "关闭于",
        "cut": "断开于",
        "computed": "计算于",
        "made": "创建于",
        "first": "被释放于",
        "returned": "backward 返回于",
        "here": "出错于",
        "why": "原因",
        "fix": "改法",
    },
}
