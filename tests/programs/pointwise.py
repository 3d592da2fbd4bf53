"""Rules that draw creation, arithmetic, reductions, joins and lookups."""

from __future__ import annotations

import math

from .draw import LARGEST, SHAPES, Draw, Shape, joined

SMOOTH = (
    "neg", "exp", "sin", "tanh", "square", "sigmoid", "abs", "cos", "relu", "sqrt", "log", "reciprocal",
    "expm1", "atan", "log1p", "rsqrt", "erf", "sinh", "cosh", "tan", "asin", "logit", "exp2", "log2", "sinc",
    "positive", "nan_to_num", "frac", "angle", "log10", "erfc", "acos", "asinh", "deg2rad",
)  # fmt: skip
STEEP = ("frac", "angle")
JUMPS = ("floor", "ceil", "round", "trunc", "sign", "logical_not", "isnan", "signbit", "frac", "isfinite")
COMPLEX = ("neg", "exp", "conj", "real", "imag", "abs", "sin", "square", "reciprocal", "sgn", "tanh", "sqrt")
ACTIVATIONS = (
    "gelu({x})", "silu({x})", "softplus({x})", "leaky_relu({x}, 0.1)", "elu({x})", "logsigmoid({x})",
    "hardtanh({x})", "mish({x})", "selu({x})", "softsign({x})", "relu6({x})", "gelu({x}, approximate='tanh')",
    "tanhshrink({x})", "hardswish({x})", "hardsigmoid({x})", "celu({x}, alpha=0.5)",
    "threshold({x}, 0.1, 0.5)", "softshrink({x}, 0.4)",
)  # fmt: skip
BINARY = (
    "{x} * {y}", "{x} + {y}", "{x} - {y}", "{x} / {y}", "{x}.mul({y})", "torch.add({x}, {y})",
    "{x}.sub({y}, alpha=2)", "torch.add({x}, {y}, alpha=0.5)", "{x} ** {y}", "torch.atan2({x}, {y})",
    "torch.hypot({x}, {y})", "torch.rsub({x}, {y})", "torch.div({x}, {y})", "torch.xlogy({x}, {y})",
    "{x}.true_divide({y})", "torch.logaddexp({x}, {y})",
    "torch.nn.functional.mse_loss({x}, {y}, reduction='none')",
    "torch.nn.functional.smooth_l1_loss({x}, {y})",
)  # fmt: skip
CHOOSING = (
    "torch.maximum({x}, {y})", "torch.minimum({x}, {y})", "{x} > {y}", "{x} == {y}", "{x} <= {y}",
    "{x}.fmax({y})", "{x} // {y}", "{x} % {y}", "torch.eq({x}, {y})", "{x} != {y}",
    "torch.div({x}, {y}, rounding_mode='trunc')", "torch.fmod({x}, {y})", "torch.logical_and({x}, {y})",
    "torch.copysign({x}, {y})", "{x}.isclose({y})", "torch.heaviside({x}, {y})", "{x} < {y}",
)  # fmt: skip
WITH_NUMBER = (
    "{x} * {s}", "{x} + {s}", "{s} - {x}", "{x} / {s}", "{x} ** 2", "{s} / {x}", "{x} ** {s}", "{x} - {s}",
    "{s} * {x}", "{x}.pow(3)", "{x}.add({s}, alpha=2)", "{s} ** {x}", "{x}.clamp(-1, 1)",
    "{x}.clamp(min={s})", "{x}.clamp(max={s})", "{x}.pow(0.5)", "{x}.masked_fill({x} > 0, {s})",
    "torch.where({x} > 0, {x}, {s})", "{x}.clip(-0.6, 0.6)",
)  # fmt: skip
REDUCE = (
    "sum", "mean", "prod", "amax", "logsumexp", "var", "std", "amin", "norm", "nansum", "any", "all",
    "count_nonzero",
)  # fmt: skip
ALONG = (
    "cumsum", "softmax", "log_softmax", "cumprod", "flip", "sort", "max", "min", "argmax", "argmin", "median",
    "topk",
)  # fmt: skip
PICKY = ("amax", "amin", "max", "min", "argmax", "argmin", "any", "all", "count_nonzero")
OPEN_TIES = ("sort", "median", "topk")


def create(draw: Draw) -> str | None:
    """A tensor from fixed data."""
    shape = draw.pick(SHAPES)
    choice = draw.below(16)
    kind = "float"
    dtype = ""
    if choice >= 14:
        others = (("int", ""), ("complex", "torch.complex128"), ("bool", ""), ("int", "torch.int32"))
        kind, dtype = draw.pick(others)
    elif choice >= 9:
        dtype = "torch.float64"
    arguments = [draw.data(shape, kind)]
    if not math.prod(shape):
        kind = "float"
    if dtype:
        arguments.append(f"dtype={dtype}")
    if draw.below(3) and (kind in ("float", "complex") or draw.chance(1)):
        arguments.append("requires_grad=True")
    return draw.assign(f"torch.tensor({', '.join(arguments)})")


def create_filled(draw: Draw) -> str | None:
    """A tensor from a rule: zeros, ones, a range, one like another."""
    shape = draw.pick(SHAPES[:14])
    name = draw.name()
    forms = [f"torch.ones({list(shape)})", f"torch.zeros({list(shape)}, requires_grad=True)"]
    forms += ["torch.arange(3)"]
    forms += [f"torch.full({shape}, {draw.scalar()})", "torch.eye(2, requires_grad=True)"]
    forms += ["torch.linspace(0, 1, 3)"]
    forms += ["torch.arange(0.5, 3.5)", f"torch.full({shape}, 0.5, requires_grad=True)"]
    forms += ["torch.scalar_tensor(1.5)"]
    if name:
        forms += [f"torch.ones_like({name})", f"torch.zeros_like({name}, requires_grad=True)"]
        forms += [f"{name}.new_full({shape}, {draw.scalar()})", f"torch.full_like({name}, {draw.scalar()})"]
        forms += [f"{name}.new_zeros({list(shape)})", f"{name}.new_tensor({draw.data((2,))})"]
    return draw.assign(draw.pick(forms))


def unary(draw: Draw) -> str | None:
    """An elementwise function."""
    anything = draw.chance(2)
    name = draw.name(lambda name: anything or draw.smooth(name))
    if name is None:
        return None
    if draw.tensors[name].is_complex():
        return draw.assign(f"torch.{draw.pick(COMPLEX)}({name})")
    if draw.chance(3):
        return draw.assign("torch.nn.functional." + draw.pick(ACTIVATIONS).format(x=name))
    if draw.chance(2) and draw.exact(name):
        return draw.assign(f"{name}.{draw.pick(JUMPS)}()")
    function = draw.pick(SMOOTH)
    if function in STEEP and not draw.exact(name):
        function = "sin"
    return draw.assign(f"torch.{function}({name})" if draw.chance(5) else f"{name}.{function}()")


def binary(draw: Draw) -> str | None:
    """Two tensors."""
    name = draw.name()
    if name is None:
        return None
    if draw.chance(2) and draw.exact(name):
        other = draw.partner(name, draw.exact)
        if draw.exact(other):
            return draw.assign(draw.pick(CHOOSING).format(x=name, y=other))
    other = draw.partner(name)
    if draw.below(2):
        name, other = other, name
    form = draw.pick(BINARY[:4] if draw.chance(8) else BINARY)
    return draw.assign(form.format(x=name, y=other))


def number(draw: Draw) -> str | None:
    """A tensor and a Python number."""
    name = draw.name()
    if name is None:
        return None
    form = draw.pick(WITH_NUMBER)
    if ("cl" in form or ">" in form) and not draw.exact(name):
        form = "{x} * {s}"
    return draw.assign(form.format(x=name, s=draw.scalar()))


def ternary(draw: Draw) -> str | None:
    """Three tensors: where, lerp, addcmul, addcdiv, clamp by tensors."""
    name = draw.name()
    if name is None:
        return None
    other = draw.partner(name)
    third = draw.partner(other)
    forms = [f"torch.addcmul({name}, {other}, {third}, value=0.5)", f"torch.lerp({name}, {other}, 0.25)"]
    forms += [f"torch.lerp({name}, {other}, {third})", f"torch.addcdiv({name}, {other}, {third})"]
    if draw.exact(name):
        forms = [f"torch.where({name} > 0, {other}, {third})", f"torch.where({name} > 0, {other}, 0.5)"]
        forms += [*forms]
        if draw.exact(other):
            forms.append(f"torch.clamp({name}, min={other})")
    return draw.assign(draw.pick(forms))


def _separated(draw: Draw, name: str, function: str) -> bool:
    """Whether both libraries choose the same: exact values, and none twice where ties are open."""
    if function in OPEN_TIES:
        return draw.exact(name) and draw.distinct(name)
    return function not in PICKY or draw.exact(name)


def reduction(draw: Draw) -> str | None:
    """A reduction over all, one or several dimensions."""
    function = draw.pick(REDUCE[:2] if draw.below(2) else REDUCE)
    anything = draw.chance(2)
    name = draw.name(lambda name: (anything or draw.smooth(name)) and _separated(draw, name, function))
    if name is None:
        return None
    shape = draw.shape(name)
    choice = draw.below(8)
    if choice < 3 and function != "logsumexp":
        return draw.assign(f"{name}.{function}()")
    arguments = str(draw.dim(shape))
    if choice == 7 and len(shape) > 1 and function not in ("prod", "any", "all"):
        arguments = "(0, -1)"
    if function == "norm":
        arguments = draw.pick(("2, ", "1, ", "3, ")) + arguments
    if draw.below(3) == 2 and function != "count_nonzero":
        arguments += ", keepdim=True"
    return draw.assign(f"{name}.{function}({arguments})")


def along(draw: Draw) -> str | None:
    """Along one dimension: scans, softmax, sorting, the pairs of max and min."""
    function = draw.pick(ALONG)
    anything = draw.chance(1)
    name = draw.name(lambda name: (anything or draw.real(name)) and _separated(draw, name, function))
    if name is None:
        return None
    dim = draw.dim(draw.shape(name))
    if function in ("sort", "max", "min", "median"):
        return draw.assign(f"{name}.{function}({dim})", 2)
    if function == "topk":
        return draw.assign(f"{name}.topk(1, {dim})", 2)
    return draw.assign(f"{name}.{function}({dim})")


def product(draw: Draw) -> str | None:
    """Matrix products."""
    matrix = draw.name(lambda name: len(draw.shape(name)) > 0 and draw.smooth(name))
    if matrix is None:
        return None
    shape = draw.shape(matrix)
    dtype = draw.tensors[matrix].dtype
    forms: list[str] = []

    def add(other_shape: Shape | None, form: str) -> None:
        def fits(name: str) -> bool:
            found = draw.shape(name)
            inner = len(found) > 1 and found[-2] == shape[-1]
            matches = inner if other_shape is None else found == other_shape
            return matches and draw.tensors[name].dtype == dtype

        forms.extend(form.format(x=matrix, y=other) for other in (draw.name(fits),) if other)

    add(None, "{x} @ {y}")
    add(shape, "{x} @ {y}.mT" if len(shape) > 1 else "torch.dot({x}, {y})")
    add(shape[-1:], "{x} @ {y}")
    add(shape, "torch.matmul({x}.transpose(-1, -2), {y})" if len(shape) > 1 else "torch.outer({x}, {y})")
    if len(shape) == 2:
        add(shape[1:], "torch.mv({x}, {y})")
        add(shape[::-1], "torch.mm({x}, {y})")
        add(shape, "torch.einsum('ij,ij->i', {x}, {y})")
        add(shape[1:], "torch.nn.functional.linear({x}, {y})")
        add(shape, "torch.nn.functional.linear({x}, {y})")
        forms += [f"torch.einsum('ij->ji', {matrix})", f"torch.addmm({matrix}[:, 0], {matrix}, {matrix}.t())"]
    if len(shape) == 3:
        add(shape, "torch.bmm({x}, {y}.transpose(1, 2))")
    if not forms or draw.chance(1, 24):
        forms = [f"{matrix} @ {draw.name()}"]
    return draw.assign(draw.pick(forms))


def join(draw: Draw) -> str | None:
    """cat, stack and their relatives."""
    name = draw.name()
    if name is None:
        return None
    shape = draw.shape(name)
    if math.prod(shape) * 2 > LARGEST:
        return None
    other = draw.name(lambda other: draw.shape(other) == shape) or name
    if draw.chance(1, 24):
        other = draw.name() or name
    dim = draw.dim(shape)
    forms = [f"torch.cat([{name}, {other}], {dim})", f"torch.stack([{name}, {other}], {dim})"]
    forms += [f"{name}.flip(0)"]
    forms += [f"torch.stack(({other}, {name}))", f"torch.hstack([{name}, {other}])"]
    forms += [f"torch.vstack([{name}, {other}])"]
    forms += [f"{name}.repeat({joined([2, *[1] * (len(shape) - 1)])})", f"{name}.roll(1, {dim})"]
    forms += [f"{name}.tile(2)"]
    forms += [f"torch.nn.functional.pad({name}, (1, 0))", f"{name}.repeat_interleave(2)", f"{name}.tril()"]
    forms += [f"torch.nn.functional.pad({name}, (0, 1), value=0.5)", f"{name}.triu()"]
    return draw.assign(draw.pick(forms))


def lookup(draw: Draw) -> str | None:
    """gather, index_select, take_along_dim, scatter and other reads by index."""
    name = draw.name(lambda name: len(draw.shape(name)) > 0 and draw.shape(name)[0] > 0)
    if name is None:
        return None
    shape = draw.shape(name)
    last, rank = shape[-1] - 1, len(shape)
    if last < 0:
        return None
    row = f"torch.tensor({[draw.below(shape[0]) for _ in range(2)]})"
    places = [last + 1] if draw.chance(1, 24) else [0, last] if last else [0]
    column = "torch.tensor(" + "[" * rank + joined(places) + "]" * rank + ")"
    forms = [f"{name}.index_select(0, {row})", f"{name}[{row}]", f"{name}.gather(-1, {column})"]
    forms += [f"torch.take_along_dim({name}, {column}, {rank - 1})"]
    forms += [f"torch.gather({name}, {rank - 1}, {column})"]
    forms += [f"{name}.scatter(-1, {column}, 0.5)", f"{name}.take(torch.tensor([0, {math.prod(shape) - 1}]))"]
    dtype = draw.tensors[name].dtype
    source = draw.name(lambda other: draw.shape(other) == shape and draw.tensors[other].dtype == dtype)
    if source:
        distinct = f"torch.tensor({list(range(shape[0]))[::-1]})"
        # PyTorch differentiates scatter only where index and source have the same shape.
        whole = f"torch.arange({last + 1}).expand({joined(shape)})"
        forms += [f"{name}.scatter_add(-1, {whole} * 0, {source})"]
        forms += [f"{name}.index_add(0, {distinct}, {source})"]
        forms += [f"{name}.index_copy(0, {distinct}, {source})", f"{name}.scatter(-1, {whole}, {source})"]
        forms += [f"{name}.index_add(0, {distinct}, {source}, alpha=2)"]
    if draw.exact(name):
        forms += [f"{name}[{name} > 0]", f"torch.masked_select({name}, {name} > 0.5)", f"{name}.nonzero()"]
    return draw.assign(draw.pick(forms))
