"""Rules that draw views, in-place writes, copies, grad modes and calls into autograd."""

from __future__ import annotations

import math
from typing import Any

from .draw import LARGEST, Draw, Shape, gradient, joined
from .interpreter import peek
from .program import EXIT, Kind, Step

INPLACE = (
    "mul_({s})", "add_({s})", "zero_()", "fill_({s})", "sub_({s})", "neg_()", "div_(2)", "exp_()", "tanh_()",
    "relu_()", "sigmoid_()", "clamp_(-1, 1)", "square_()", "pow_(2)", "sqrt_()", "abs_()", "sin_()",
    "add_({s}, alpha=2)", "t_()", "unsqueeze_(0)", "squeeze_()", "transpose_(0, -1)", "cos_()",
    "clamp_min_(0.3)", "reciprocal_()", "floor_()", "tril_()", "squeeze_(0)", "cumsum_(0)",
    "log_()", "copysign_(-1)", "swapaxes_(0, -1)", "sign_()",
)  # fmt: skip
JUMPING = ("floor_", "sign_", "clamp", "copysign_")
INPLACE_TENSOR = (
    "mul_({y})", "add_({y})", "copy_({y})", "sub_({y})", "div_({y})", "add_({y}, alpha=0.5)",
    "lerp_({y}, 0.5)", "addcmul_({y}, {y})", "fill_({y}.sum())", "sub_({y}, alpha=2)", "copy_({y}.detach())",
    "addcdiv_({y}, {y}.detach() + 3)",
)  # fmt: skip
AUGMENTED = ("+=", "*=", "-=", "/=")
MODES = (
    "torch.no_grad()", "torch.enable_grad()", "torch.no_grad()", "torch.set_grad_enabled(False)",
    "torch.set_grad_enabled(True)", "torch.inference_mode()", "torch.inference_mode(False)",
)  # fmt: skip
HOOKS = ("lambda g: g * 2", "lambda g: -g", "lambda g: None", "lambda g: g + 1", "lambda g: g.clamp(max=0.5)")
POST_HOOKS = ("lambda p: p.grad.mul_(0.5)", "lambda p: None", "lambda p: setattr(p, 'grad', None)")


def index(draw: Draw, shape: Shape, distinct: bool) -> str:
    """The text of an index for a shape, seldom out of bounds; distinct places for writing."""
    if draw.chance(1, 32):
        return draw.pick(("0", "7", "0, 0, 0, 0", "'a'", "1.5", "None"))
    if not shape:
        return draw.pick(("...", "None", "()"))
    parts: list[str] = []
    for size in shape[: 1 + draw.below(len(shape))]:
        choice = draw.below(12)
        if choice < 4 and size:
            place = draw.below(size)
            parts.append(str(place if draw.below(2) else place - size))
        elif choice < 10 or not size:
            parts.append(draw.pick((":", ":1", "1:", "::2", "-1:", ":-1", "0:2")))
        elif "[" not in "".join(parts):
            places = list(range(size))[:: -1 if draw.below(2) else 1][:2]
            lists = [f"{places}", f"torch.tensor({places})"]
            parts.append(draw.pick(lists if distinct else [*lists, "[0, 0]"]))
        else:
            parts.append(":")
    extra = draw.below(12)
    if extra == 11:
        parts.insert(draw.below(len(parts) + 1), "None")
    elif extra == 10:
        parts = ["...", *parts]
    return ", ".join(parts)


def _views(draw: Draw, shape: Shape) -> list[str]:
    """Suffixes that make a view of a tensor of this shape."""
    rank, size = len(shape), math.prod(shape)
    dim = draw.dim(shape)
    length = shape[dim] if -rank <= dim < rank else 1
    flats = ["-1"] if size else [str(size)]
    if size % 2 == 0 and size:
        flats += [f"2, {size // 2}", f"{size // 2}, 2"]
    target = draw.pick([*flats, f"1, {size}", joined(shape[::-1]) or "1"])
    start = draw.below(max(length, 1))
    forms = [f".view({target})", f"[{index(draw, shape, False)}]", f"[{index(draw, shape, True)}]"]
    forms += [f".reshape({target})"]
    forms += [f".unsqueeze({dim})", ".squeeze()", f".squeeze({dim})"]
    forms += [f".narrow({dim}, {start}, {length - start})"]
    forms += [f".select({dim}, {start})", f".transpose({dim}, -1)", ".flatten()", ".view_as({self})"]
    forms += [".detach()", f".movedim({dim}, 0)"]
    if rank < 3 and size * 2 <= LARGEST:
        forms.append(f".expand({joined([2, *shape])})")
    if rank == 2:
        forms += [".t()", ".T", ".diagonal()", ".diagonal(1)", ".mT", ".permute(1, 0)"]
    if rank == 3:
        forms += [".permute(2, 0, 1)", ".swapaxes(0, 2)", ".diagonal(0, 1, 2)"]
    if rank == 1 and length > 2:
        forms += [".unfold(0, 2, 1)", ".as_strided((2,), (1,))"]
    return forms


def view(draw: Draw) -> str | None:
    """One view, or two in a chain."""
    name = draw.name()
    if name is None:
        return None
    text = draw.pick(_views(draw, draw.shape(name)))
    return draw.assign(name + text.replace("{self}", name))


def views(draw: Draw) -> str | None:
    """Several views from one call."""
    name = draw.name(lambda name: len(draw.shape(name)) > 0 and 0 < draw.shape(name)[0] < 4)
    if name is None:
        return None
    count = draw.shape(name)[0]
    if draw.tensors[name].is_complex() and draw.below(2):
        return draw.assign(f"torch.view_as_real({name})")
    if count == 1 or draw.below(2):
        return draw.assign(draw.pick((f"{name}.unbind(0)", f"{name}.split(1)")), count) if count > 1 else None
    return draw.assign(draw.pick((f"{name}.chunk(2)", f"{name}.split({(count + 1) // 2})")), 2)


def _target(draw: Draw) -> tuple[str, Shape] | None:
    """Something to write to: a tensor, or a view of one made on the way."""
    anything = draw.chance(1)
    name = draw.name(lambda n: draw.writable(n, anything) and (anything or draw.smooth(n)))
    if name is None:
        return None
    shape = draw.shape(name)
    choice = draw.below(8)
    if choice < 4:
        return name, shape
    if choice == 4:
        return f"{name}.data", shape
    copies = (".flatten", ".reshape", ".view_as", ".unfold")
    suffix = draw.pick([form for form in _views(draw, shape) if not form.startswith(copies)])
    changed = _shape_after(draw, shape, suffix)
    return None if changed is None or "tensor(" in suffix else (name + suffix, changed)


def _shape_after(draw: Draw, shape: Shape, suffix: str) -> Shape | None:
    """The shape a view would have, found on a stand-in: touching the real tensor could change its history."""
    xp = draw.machine.xp
    try:
        with xp.no_grad():
            result: Any = eval("stand_in" + suffix, {"torch": xp, "stand_in": xp.zeros(shape)})
    except (RuntimeError, IndexError, TypeError, ValueError):
        return None
    return tuple(result.shape)


def write(draw: Draw) -> str | None:
    """An in-place operation with a number or nothing."""
    found = _target(draw)
    if found is None:
        return None
    text, _ = found
    call = draw.pick(INPLACE[:8] if draw.below(2) else INPLACE).format(s=draw.scalar())
    if call.startswith(JUMPING) and not draw.exact(text.split(".")[0].split("[")[0]):
        call = "mul_(0.5)"
    return f"{text}.{call}" if draw.below(4) else draw.assign(f"{text}.{call}")


def write_tensor(draw: Draw) -> str | None:
    """An in-place operation with a second tensor."""
    found = _target(draw)
    if found is None:
        return None
    text, shape = found
    other = draw.like(shape) if not draw.chance(1, 24) else draw.name()
    if other is None:
        return None
    simple = text.isidentifier()
    if draw.below(4) == 3 and simple:
        return f"{text} {draw.pick(AUGMENTED)} {other}"
    call = draw.pick(INPLACE_TENSOR).format(y=other)
    return f"{text}.{call}" if draw.below(4) else draw.assign(f"{text}.{call}")


def assign_index(draw: Draw) -> str | None:
    """Assignment to an index, augmented or not."""
    frozen = draw.chance(1)
    name = draw.name(lambda n: draw.writable(n, frozen) and math.prod(draw.shape(n)) > 0)
    if name is None:
        return None
    shape = draw.shape(name)
    if draw.chance(2) and draw.exact(name):
        return f"{name}[{name} > {draw.scalar()}] = {draw.scalar()}"
    place = index(draw, shape, True)
    value = draw.scalar()
    changed = _shape_after(draw, shape, f"[{place}]")
    if changed is not None and draw.below(2):
        value = draw.like(changed) or value
    sign = draw.pick(("=", "=", "=", "+=", "*="))
    return f"{name}[{place}] {sign} {value}"


def write_index(draw: Draw) -> str | None:
    """In-place by index: masked_fill_, index_add_, scatter_ and their relatives."""
    frozen = draw.chance(1)
    name = draw.name(lambda n: 0 not in draw.shape(n) != () and draw.writable(n, frozen))
    if name is None:
        return None
    shape = draw.shape(name)
    rank = len(shape)
    order = f"torch.tensor({list(range(shape[0]))[::-1]})"
    column = "torch.tensor(" + "[" * rank + "0" + "]" * rank + ")"
    forms = [f"{name}.index_fill_(0, torch.tensor([0]), {draw.scalar()})"]
    forms += [f"{name}.scatter_(0, {column}, 0.5)"]
    if draw.exact(name):
        forms += [f"{name}.masked_fill_({name} > 0, {draw.scalar()})"]
    dtype = draw.tensors[name].dtype
    same = draw.name(lambda n: n != name and draw.shape(n) == shape and draw.tensors[n].dtype == dtype)
    source = same if same and draw.below(8) < 7 else f"{name}.clone()"
    if draw.below(2):
        forms = [f"{name}.index_add_(0, {order}, {source})", f"{name}.index_copy_(0, {order}, {source})"]
        whole = f"torch.arange({shape[-1]}).expand({joined(shape)})"
        forms += [f"{name}.scatter_(-1, {whole}, {source})"]
        forms += [f"{name}.scatter_add_(-1, {whole} * 0, {source})"]
        forms += [f"{name}.index_put_(({order},), {source})"]
        forms += [f"{name}.index_put_(({order},), {source}, accumulate=True)"]
    return draw.pick(forms)


def copy(draw: Draw) -> str | None:
    """clone, detach, .data, conversions, and handing one tensor's data to another."""
    name = draw.name()
    if name is None:
        return None
    other = draw.name(lambda other: draw.shape(other) == draw.shape(name)) or name
    forms = [f"{name}.clone()", f"{name}.detach()", f"{name}.data", f"{name}.detach().clone()"]
    forms += [f"{name}.contiguous()"]
    forms += [f"{name}.double()", f"{name}.to(torch.float32)", f"{name}.type_as({other})", f"{name}.float()"]
    forms += [name]
    forms += [f"{name}.clone().requires_grad_()", f"{name}.detach().requires_grad_()", f"torch.clone({name})"]
    forms += [f"{name}.to(torch.float64, copy=True)", f"{name}.expand_as({other})"]
    forms += [f"torch.ones_like({name}) * {name}"]
    if draw.exact(name):
        forms += [f"{name}.long()", f"{name}.bool()", f"{name}.to({other})"]
    if draw.below(5) < 4:
        return draw.assign(draw.pick(forms))
    number = f"n{draw.fresh()} = {name}.item()"
    return draw.pick([number, f"{name}.detach_()", f"{name}.data = {other}.data.clone()"])


def leaf(draw: Draw) -> str | None:
    """requires_grad_, retain_grad, hooks, and work on .grad."""
    anything = draw.chance(1)
    name = draw.name(lambda name: anything or draw.smooth(name))
    if name is None:
        return None
    tensor = draw.tensors[name]
    if draw.below(2):
        graded = draw.name(lambda name: gradient(draw.tensors[name]) is not None)
        if graded:
            forms = [f"{graded}.grad.zero_()", f"{graded}.grad = None", draw.assign(f"{graded}.grad")]
            forms += [draw.assign(f"{graded}.grad.clone()"), f"{graded}.grad.mul_(0.5)"]
            forms += [f"{graded}.grad = {name}"]
            forms += [f"{graded}.data.sub_({graded}.grad, alpha=0.5)", f"{graded}.grad.add_(1)"]
            return draw.pick(forms)
    if tensor.requires_grad and draw.below(4):
        forms = [f"{name}.retain_grad()", _hook(draw, name, draw.pick(HOOKS))]
        if peek(lambda: tensor.is_leaf) is True or draw.chance(1):
            forms += [f"{name}.register_post_accumulate_grad_hook({draw.pick(POST_HOOKS)})"]
        handles = [handle for handle in draw.machine.env if handle[0] == "h"]
        forms += [f"{draw.pick(handles)}.remove()"] if handles else []
        return draw.pick(forms)
    flag = draw.pick(("", "True", "False"))
    assigned = f"{name}.requires_grad = {flag or True}"
    return draw.pick([f"{name}.requires_grad_({flag})", assigned])


def _hook(draw: Draw, name: str, hook: str) -> str:
    """A hook. PyTorch 2.13 crashes where a view's history is out of date: reading it first helps."""
    first = f"{name}.grad_fn and " if peek(lambda: draw.tensors[name]._base) is not None else ""
    return f"h{draw.fresh()} = {first}{name}.register_hook({hook})"


def _options(draw: Draw, graph: bool = True) -> str:
    parts = []
    if draw.below(2):
        parts.append("retain_graph=True")
    if graph and draw.below(5) == 4:
        parts.append("create_graph=True")
    return "".join(f", {part}" for part in parts)


def _graded(draw: Draw) -> str | None:
    anything = draw.chance(1, 24)
    return draw.name(lambda name: anything or draw.tensors[name].requires_grad)


def backward(draw: Draw) -> str | None:
    """backward, from a scalar or with a gradient, for all leaves or some."""
    name = _graded(draw)
    if name is None:
        return None
    shape = draw.shape(name)
    options = _options(draw)
    if draw.below(5) == 4:
        inputs = draw.name(lambda name: draw.tensors[name].requires_grad)
        options += f", inputs=[{inputs}]"
    if draw.below(2) and not draw.tensors[name].is_complex():
        return f"{name}.{draw.pick(('sum', 'sum', 'mean'))}().backward({options[2:]})"
    if math.prod(shape) == 1 and len(shape) == 0:
        return f"{name}.backward({options[2:]})"
    same = draw.name(lambda other: draw.shape(other) == shape)
    odd = "torch.tensor([1.0, 2.0])" if draw.chance(2) else "None"
    gradient = draw.pick((f"torch.ones_like({name})", same, f"torch.full_like({name}, 0.5)", same, odd))
    return f"{name}.backward({'gradient=' if draw.below(2) else ''}{gradient}{options})"


def grad(draw: Draw) -> str | None:
    """autograd.grad, often for a second derivative."""
    output = _graded(draw)
    if output is None:
        return None
    first = draw.name(lambda name: draw.tensors[name].requires_grad) or output
    second = draw.name(lambda name: draw.tensors[name].requires_grad and name != first)
    options = ", create_graph=True" if draw.below(2) else _options(draw, False)
    if draw.below(3):
        options += ", allow_unused=True"
    elif draw.below(4) == 3:
        options += ", materialize_grads=True"
    shape = draw.shape(output)
    text = output if not shape else f"{output}.sum()"
    if shape and draw.below(3) == 2:
        text, options = output, f", torch.ones_like({output}){options}"
    if second and draw.below(2):
        return draw.assign(f"torch.autograd.grad({text}, [{first}, {second}]{options})", 2)
    return draw.assign(f"torch.autograd.grad({text}, {first}{options})[0]")


def penalty(draw: Draw) -> str | None:
    """A whole double backward in one step."""
    name = draw.name(lambda name: draw.tensors[name].requires_grad and draw.real(name))
    if name is None or not draw.machine.xp.is_grad_enabled():
        return None
    functions = ("{x} ** 3", "{x}.sin() * {x}", "{x}.exp()", "{x}.sigmoid()", "{x}.tanh()", "{x}.square()")
    text = draw.pick(functions).format(x=name)
    inner = f"torch.autograd.grad(({text}).sum(), {name}, create_graph=True)[0]"
    return draw.pick((f"{inner}.pow(2).sum().backward()", draw.assign(inner)))


def mode(draw: Draw) -> Step:
    """Open a block, or close the innermost one."""
    if draw.machine.blocks and (len(draw.machine.blocks) > 2 or draw.below(3) < 2):
        return EXIT
    return Step(draw.pick(MODES), Kind.ENTER, "mode")


def wrong(draw: Draw) -> str | None:
    """What must not work."""
    name = draw.name(lambda name: not draw.internal(name))
    if name is None:
        return None
    other = draw.name() or name
    shape = draw.shape(name)
    forms = [
        f"{name} + {other}", f"{name}.view(7)", f"{name}.sum(9)", f"{name} @ {other}",
        f"{name}.transpose(0, 5)", f"{name}.reshape(-1, -1)", f"torch.cat([{name}, {other}], 1)",
        f"torch.stack([{name}, {other}])", f"{name}.expand(5)", f"{name}.add_({other})",
        f"{name}.copy_({other})", f"{name}.unsqueeze(9)", f"{name}[9]", f"{name}.select(0, 9)",
        f"{name}.narrow(0, 0, 9)", f"{name}.permute(0, 0)", f"{name}.item()", f"bool({name})",
        f"{name}.requires_grad_()", f"{name}.retain_grad()", f"{name}.backward()",
        f"torch.autograd.grad({name}, {other})", f"torch.mm({name}, {other})", f"torch.dot({name}, {other})",
        f"{name}.squeeze(7)", f"{name}.softmax(5)", f"{name}.numpy()", f"float({name})", f"len({name})",
        f"{name}.t()", f"{name}.gather(0, {other})", f"{name}.backward({other})",
        f"torch.where({name}, {other}, {name})", f"{name}.index_select(0, {other})",
        f"{name}.masked_fill({other}, 1)", f"{name}.view({joined([-2, *shape])})",
        _hook(draw, name, "lambda g: g"), f"{name}.chunk(0)", f"{name}.split(-1)", f"{name}.unbind(4)",
        f"{name}.diagonal()", f"{name}.flip(4)", f"{name}.mul_(1.5)", f"{name}.add(1, alpha=1.5)",
        f"{name}.data = 3", f"{name}.grad = {other}", f"{name}.mean()",
    ]  # fmt: skip
    return draw.pick(forms)
