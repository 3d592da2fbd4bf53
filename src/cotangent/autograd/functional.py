"""torch.autograd.functional: products with Jacobians and Hessians of functions, and these matrices in "
"whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from ..factories import eye, zeros_like
from ..func.batched import BatchLevel
from ..ops.join import stack
from .api import grad
from .base import TensorBase
from .forward_ad import dual_level, make_dual, unpack_dual
from .modes import enable_grad, grad_enabled, set_grad_enabled

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

_STRICT: Final = " This is not allowed in strict mode."
_NEEDS_GRADIENT: Final = {
    "outputs": (
        "Output {} of the user-provided function does not require gradients. The outputs must be computed "
        "in a differentiable manner from the input when running in strict mode."
    ),
    "grad_inputs": (
        "The gradient with respect to input {} is independent of the inputs of the user-provided function."
        + _STRICT
    ),
    "jacobian": (
        "While computing the hessian, found that the jacobian of the user-provided function with respect to "
        "input {} is "
        "independent of the input. This is not allowed in strict mode. You should ensure that your function "
        "is twice "
        "differentiable and that the jacobian depends on the inputs (this would be violated by a linear "
        "function for "
        "example)."
    ),
    "hessian": (
        "The hessian of the user-provided function with respect to input {} is independent of the input. "
        "This is not "
        "allowed in strict mode. You should ensure that your function is thrice differentiable and that the "
        "hessian "
        "depends on the inputs."
    ),
}
_INDEPENDENT: Final = {
    "back": "The output of the user-provided function is independent of input {}." + _STRICT,
    "back_trick": (
        "The gradient with respect to the input is independent of entry {} in the grad_outputs when using "
        "the double "
        "backward trick to compute forward mode gradients." + _STRICT
    ),
    "double_back": "The jacobian of the user-provided function is independent of input {}." + _STRICT,
    "double_back_trick": (
        "The hessian of the user-provided function is independent of entry {} in the grad_jacobian. This is "
        "not allowed "
        "in strict mode as it prevents from using the double backward trick to replace forward mode AD."
    ),
}


def _tensors(value: Any, argument: str, function: str) -> tuple[bool, tuple[Any, ...]]:
    """(whether a tuple was given, the tuple), or PyTorch's error for what is no tensor."""
    many = isinstance(value, tuple)
    given: tuple[Any, ...] = value if many else (value,)
    for i, item in enumerate(given):
        if not isinstance(item, TensorBase):
            which = f"value at index {i}" if many else f"given {argument}"
            raise TypeError(
                f"The {argument} given to {function} must be either a Tensor or a tuple of Tensors but the "
                f"{which} has type {type(item)}."
            )
    return many, given


def _results(value: Any, function: str) -> tuple[bool, tuple[Any, ...]]:
    return _tensors(value, "outputs of the user-provided function", function)


def _fresh(inputs: Sequence[Any], create_graph: bool, requires: bool = True) -> tuple[Any, ...]:
    """New tensors for the inputs, told apart from those that the function may have captured."""
    return tuple(
        t.view_as(t) if create_graph and t.requires_grad else t.detach().requires_grad_(requires)
        for t in inputs
    )


def _settled(value: Any, create_graph: bool) -> Any:
    """Results without history, unless that was asked for."""
    if isinstance(value, tuple):
        return tuple(_settled(v, create_graph) for v in value)
    return value if create_graph else value.detach()


def _one_or_many(many: bool, value: tuple[Any, ...]) -> Any:
    return value if many else value[0]


def _require(values: Sequence[Any], kind: str) -> None:
    """Strict mode: every one of the values must depend on the inputs."""
    for i, value in enumerate(values):
        if value is None:
            raise RuntimeError(_INDEPENDENT["back"].format(i))
        if not value.requires_grad:
            raise RuntimeError(_NEEDS_GRADIENT[kind].format(i))


def _gradients(
    outputs: Sequence[Any], inputs: tuple[Any, ...], seeds: Sequence[Any] | None = None, **options: Any
) -> tuple[Any, ...]:
    """`grad` over the outputs that require gradients; None where nothing arrives."""
    given = (None,) * len(outputs) if seeds is None else seeds
    live = [(o, g) for o, g in zip(outputs, given, strict=True) if o is not None and o.requires_grad]
    if not live:
        return (None,) * len(inputs)
    return grad([o for o, _ in live], inputs, [g for _, g in live], allow_unused=True, **options)


def _filled(
    grads: Sequence[Any], like: Sequence[Any], strict: bool, create_graph: bool, stage: str
) -> tuple[Any, ...]:
    """Zeros for missing gradients; in strict mode an error."""
    out = []
    for i, (g, t) in enumerate(zip(grads, like, strict=True)):
        if g is None:
            if strict:
                raise RuntimeError(_INDEPENDENT[stage].format(i))
            g = zeros_like(t)
        elif strict and create_graph and not g.requires_grad:
            what = "hessian" if "double" in stage else "jacobian"
            raise RuntimeError(_not_of_input(what, i))
        out.append(g)
    return tuple(out)


def _not_of_input(what: str, i: int) -> str:
    return (
        f"The {what} of the user-provided function is independent of input {i}. This is not allowed in "
        "strict mode when create_graph=True."
    )


def _vector(
    v: Any, function: str, like: Sequence[Any], many: bool, create_graph: bool, whose: str
) -> tuple[Any, ...] | None:
    """The vector(s) to multiply by, checked against `like`; None, where it may be left out."""
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise RuntimeError(
                f"The vector v can only be None if {whose} a single Tensor with a single element."
            )
        return None
    _, given = _tensors(v, "v", function)
    given = _fresh(given, create_graph, requires=False)
    if len(given) != len(like):
        if many:
            raise RuntimeError(f"v is a tuple of invalid length: should be {len(like)} but got {len(given)}.")
        raise RuntimeError("The given v should contain a single Tensor.")
    for i, (one, other) in enumerate(zip(given, like, strict=True)):
        if one.shape != other.shape:
            which = f"Entry {i} in v" if many else "v"
            raise RuntimeError(f"{which} has invalid size: should be {other.shape} but got {one.shape}.")
    return given


_OF_INPUT: Final = "the input to the user-provided function is"
_OF_OUTPUT: Final = "the user-provided function returns"


def vjp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> Any:
    """The outputs of `func` and the product of the vector `v` with its Jacobian.

    Args:
        func: function of tensors, returning a tensor or a tuple of tensors.
        inputs: tensor or tuple of tensors.
        v: vector(s) of the shape of the outputs; may be left out for a single number.
        create_graph: make the results differentiable.
        strict: raise where an output does not depend on an input, instead of returning zeros.

    Returns:
        `(outputs, v J)`, the product in the form of `inputs`.

    Raises:
        RuntimeError: if `v` does not fit, or in strict mode.

    Example:
        >>> import cotangent as torch
        >>> torch.autograd.functional.vjp(lambda x: x**2, torch.tensor([1.0, 2.0]), torch.tensor([1.0, 1.0]))
        (tensor([1., 4.]), tensor([2., 4.]))
    """
    with enable_grad():
        many, ins = _tensors(inputs, "inputs", "vjp")
        ins = _fresh(ins, create_graph)
        several, outputs = _results(func(*ins), "vjp")
        if strict:
            _require(outputs, "outputs")
        seeds = _vector(v, "vjp", outputs, several, create_graph, _OF_OUTPUT)
    with set_grad_enabled(create_graph or grad_enabled()):
        found = _gradients(outputs, ins, seeds, create_graph=create_graph)
        product = _filled(found, ins, strict, create_graph, "back")
    return (
        _one_or_many(several, _settled(outputs, create_graph)),
        _one_or_many(many, _settled(product, create_graph)),
    )


def jvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> Any:
    """The outputs of `func` and the product of its Jacobian with the vector `v`, by two backward passes.

    Args:
        func: function of tensors, returning a tensor or a tuple of tensors.
        inputs: tensor or tuple of tensors.
        v: vector(s) of the shape of the inputs; may be left out for a single number.
        create_graph: make the results differentiable.
        strict: raise where an output does not depend on an input, instead of returning zeros.

    Returns:
        `(outputs, J v)`, the product in the form of the outputs.

    Raises:
        RuntimeError: if `v` does not fit, or in strict mode.

    Example:
        >>> import cotangent as torch
        >>> torch.autograd.functional.jvp(lambda x: x**2, torch.tensor([1.0, 2.0]), torch.tensor([1.0, 1.0]))
        (tensor([1., 4.]), tensor([2., 4.]))
    """
    with enable_grad():
        many, ins = _tensors(inputs, "inputs", "jvp")
        ins = _fresh(ins, create_graph)
        vectors = _vector(v, "jvp", ins, many, create_graph, _OF_INPUT)
        several, outputs = _results(func(*ins), "jvp")
        if strict:
            _require(outputs, "outputs")
        # The pullback is linear in its cotangents, so these may have any value.
        seeds = tuple(zeros_like(o).requires_grad_() for o in outputs)
        pulled = _gradients(outputs, ins, seeds, create_graph=True)
        if strict:
            _require(pulled, "grad_inputs")
    with set_grad_enabled(create_graph or grad_enabled()):
        found = _gradients(pulled, seeds, vectors, create_graph=create_graph)
        product = _filled(found, outputs, strict, create_graph, "back_trick")
    return (
        _one_or_many(several, _settled(outputs, create_graph)),
        _one_or_many(several, _settled(product, create_graph)),
    )


def jacobian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """The Jacobian of `func`.

    Args:
        func: function of tensors, returning a tensor or a tuple of tensors.
        inputs: tensor or tuple of tensors.
        create_graph: make the result differentiable.
        strict: raise where an output does not depend on an input, instead of returning zeros.
        vectorize: run all passes as one batch (vmap).
        strategy: "reverse-mode" (a pass per element of the output) or "forward-mode" (... of the input).

    Returns:
        a tensor of shape `output.shape + input.shape`; tuples of them for several outputs or inputs.

    Raises:
        RuntimeError: in strict mode.

    Example:
        >>> import cotangent as torch
        >>> torch.autograd.functional.jacobian(torch.sin, torch.zeros(2))
        tensor([[1., 0.],
                [0., 1.]])
    """
    if strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError(
            'Expected strategy to be either "forward-mode" or "reverse-mode". Hint: If your function has '
            'more outputs than '
            'inputs, "forward-mode" tends to be more performant. Otherwise, prefer to use "reverse-mode".'
        )
    if strategy == "forward-mode":
        if create_graph:
            raise NotImplementedError(
                'torch.autograd.functional.jacobian: `create_graph=True` and `strategy="forward-mode"` are '
                'not supported '
                'together (yet). Please either set `create_graph=False` or `strategy="reverse-mode"`.'
            )
        return _forward_jacobian(func, inputs, strict, vectorize)
    with enable_grad():
        many, ins = _tensors(inputs, "inputs", "jacobian")
        ins = _fresh(ins, create_graph)
        several, outputs = _results(func(*ins), "jacobian")
        if strict:
            _require(outputs, "outputs")
        if vectorize:
            if strict:
                raise RuntimeError(
                    "torch.autograd.functional.jacobian: `strict=True` and `vectorized=True` are not "
                    "supported together. Please either set `strict=False` or `vectorize=False`."
                )
            rows = [_batched_rows(o, ins, create_graph) for o in outputs]
        else:
            rows = [_rows(o, i, ins, create_graph, strict) for i, o in enumerate(outputs)]
        matrices = tuple(
            tuple(
                _block(row, o, t) for row, t in zip(columns, ins, strict=True)
            )
            for columns, o in zip(rows, outputs, strict=True)
        )
    settled = _settled(matrices, create_graph)
    return _one_or_many(several, tuple(_one_or_many(many, row) for row in settled))


def _block(rows: Any, output: Any, x: Any) -> Any:
    return rows.reshape(tuple(output.shape) + tuple(x.shape))


def _rows(output: Any, number: int, inputs: tuple[Any, ...], create_graph: bool, strict: bool) -> list[Any]:
    """Per input the gradients of all elements of one output, stacked."""
    columns: list[list[Any]] = [[] for _ in inputs]
    flat = output.reshape(-1)
    for j in range(output.numel()):
        found = _gradients((flat[j],), inputs, retain_graph=True, create_graph=create_graph)
        for i, (column, g, t) in enumerate(zip(columns, found, inputs, strict=True)):
            if g is None:
                if strict:
                    raise RuntimeError(
                        f"Output {number} of the user-provided function is independent of input {i}."
                        + _STRICT
                    )
                g = zeros_like(t)
            elif strict and create_graph and not g.requires_grad:
                raise RuntimeError(_not_of_input("jacobian", number))
            column.append(g)
    return [stack(c) for c in columns]


def _batched_rows(output: Any, inputs: tuple[Any, ...], create_graph: bool) -> list[Any]:
    """The same by one backward over a batch of cotangents."""
    n = output.numel()
    found: tuple[Any, ...] = (None,) * len(inputs)
    if n and output.requires_grad:
        basis = eye(n, dtype=output.dtype).reshape((n, *output.shape))
        found = _gradients(
            (output,), inputs, (basis,), create_graph=create_graph, retain_graph=True, is_grads_batched=True
        )
    return [t.new_zeros((n, *t.shape)) if g is None else g for g, t in zip(found, inputs, strict=True)]


def _forward_jacobian(func: Callable[..., Any], inputs: Any, strict: bool, vectorize: bool) -> Any:
    if strict:
        raise RuntimeError(
            'torch.autograd.functional.jacobian: `strict=True` and `strategy="forward-mode"` are not '
            'supported together '
            '(yet). Please either set `strict=False` or `strategy="reverse-mode"`.'
        )
    many, ins = _tensors(inputs, "inputs", "jacobian")
    if not vectorize:
        raise NotImplementedError(
            "Computing Jacobian using forward-AD or forward-over-reverse Hessian isonly implemented for "
            "`vectorize=True`."
        )
    sizes = [x.numel() for x in ins]
    basis = eye(sum(sizes), dtype=ins[0].dtype).split(sizes, dim=1)
    with dual_level(), BatchLevel(sum(sizes)) as level:
        tangents = [level.batch(b.to(x.dtype), 0).view(x.shape) for b, x in zip(basis, ins, strict=True)]
        given = [make_dual(x, t) for x, t in zip(ins, tangents, strict=True)]
        several, outputs = _results(func(*given), "jacobian")
        pairs = [unpack_dual(o) for o in outputs]
        columns = [level.whole(zeros_like(p) if t is None else t) for p, t in pairs]
        shapes = [tuple(o.shape) for o in outputs]
    matrices = tuple(
        tuple(
            part.movedim(0, -1).reshape(shape + tuple(x.shape))
            for part, x in zip(c.split(sizes, dim=0), ins, strict=True)
        )
        for c, shape in zip(columns, shapes, strict=True)
    )
    return _one_or_many(several, tuple(_one_or_many(many, row) for row in matrices))


def _scalar_of(func: Callable[..., Any], function: str) -> Callable[..., Any]:
    """`func`, with the check that it returns one number."""

    def checked(*inputs: Any) -> Any:
        several, outputs = _results(func(*inputs), function)
        if several:
            raise RuntimeError(f"The function given to {function} should return a single Tensor")
        if outputs[0].numel() != 1:
            raise RuntimeError(
                f"The Tensor returned by the function given to {function} should contain a single element"
            )
        return outputs[0].squeeze()

    return checked


def hessian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """The Hessian of a scalar function: the Jacobian of its gradient.

    Args:
        func: function of tensors, returning a tensor with a single element.
        inputs: tensor or tuple of tensors.
        create_graph: make the result differentiable.
        strict: raise where the gradient does not depend on an input, instead of returning zeros.
        vectorize: run all passes as one batch (vmap).
        outer_jacobian_strategy: "reverse-mode" or "forward-mode" (forward over reverse).

    Returns:
        a tensor of shape `input.shape + input.shape`; a tuple of tuples of them for several inputs.

    Raises:
        RuntimeError: if the function is not scalar, or in strict mode.

    Example:
        >>> import cotangent as torch
        >>> torch.autograd.functional.hessian(lambda x: (x**3).sum(), torch.tensor([1.0, 2.0]))
        tensor([[ 6.,  0.],
                [ 0., 12.]])
    """
    many, ins = _tensors(inputs, "inputs", "hessian")
    if outer_jacobian_strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError('Expected strategy to be either "forward-mode" or "reverse-mode".')
    scalar = _scalar_of(func, "hessian")

    def checked(*given: Any) -> Any:
        out = scalar(*given)
        if strict:
            _require((out,), "outputs")
        return out

    def gradient(*given: Any) -> tuple[Any, ...]:
        if outer_jacobian_strategy == "forward-mode":
            given = tuple(t.requires_grad_() for t in given)
        found: tuple[Any, ...] = jacobian(checked, given, create_graph=True)
        if strict:
            _require(found, "jacobian")
        return found

    blocks = jacobian(
        gradient, ins, create_graph=create_graph, strict=strict, vectorize=vectorize,
        strategy=outer_jacobian_strategy,
    )  # fmt: skip
    return _one_or_many(many, tuple(_one_or_many(many, row) for row in blocks))


def vhp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> Any:
    """The value of a scalar function and the product of the vector `v` with its Hessian.

    Args:
        func: function of tensors, returning a tensor with a single element.
        inputs: tensor or tuple of tensors.
        v: vector(s) of the shape of the inputs; may be left out for a single number.
        create_graph: make the results differentiable.
        strict: raise where the gradient does not depend on an input, instead of returning zeros.

    Returns:
        `(value, v H)`, the product in the form of `inputs`.

    Raises:
        RuntimeError: if the function is not scalar, `v` does not fit, or in strict mode.

    Example:
        >>> import cotangent as torch
        >>> torch.autograd.functional.vhp(lambda x: (x**3).sum(), torch.tensor([1.0, 2.0]), torch.ones(2))
        (tensor(9.), tensor([ 6., 12.]))
    """
    with enable_grad():
        many, ins, vectors, value, slopes = _slopes("vhp", func, inputs, v, create_graph, strict)
    with set_grad_enabled(create_graph or grad_enabled()):
        found = _gradients(slopes, ins, vectors, create_graph=create_graph)
        product = _filled(found, ins, strict, create_graph, "double_back")
    return _settled(value, create_graph), _one_or_many(many, _settled(product, create_graph))


def hvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> Any:
    """The value of a scalar function and the product of its Hessian with the vector `v`.

    Args:
        func: function of tensors, returning a tensor with a single element.
        inputs: tensor or tuple of tensors.
        v: vector(s) of the shape of the inputs; may be left out for a single number.
        create_graph: make the results differentiable.
        strict: raise where the gradient does not depend on an input, instead of returning zeros.

    Returns:
        `(value, H v)`, the product in the form of `inputs`.

    Raises:
        RuntimeError: if the function is not scalar, `v` does not fit, or in strict mode.

    Example:
        >>> import cotangent as torch
        >>> torch.autograd.functional.hvp(lambda x: (x**3).sum(), torch.tensor([1.0, 2.0]), torch.ones(2))
        (tensor(9.), tensor([ 6., 12.]))
    """
    with enable_grad():
        many, ins, vectors, value, slopes = _slopes("hvp", func, inputs, v, create_graph, strict)
        seeds = tuple(zeros_like(t).requires_grad_() for t in ins)
        pulled = _gradients(slopes, ins, seeds, create_graph=True)
        if strict:
            _require(slopes, "jacobian")
            _require(pulled, "hessian")
    with set_grad_enabled(create_graph or grad_enabled()):
        found = _gradients(pulled, seeds, vectors, create_graph=create_graph)
        product = _filled(found, ins, strict, create_graph, "double_back_trick")
    return _settled(value, create_graph), _one_or_many(many, _settled(product, create_graph))


def _slopes(
    function: str, func: Callable[..., Any], inputs: Any, v: Any, create_graph: bool, strict: bool
) -> tuple[bool, tuple[Any, ...], tuple[Any, ...] | None, Any, tuple[Any, ...]]:
    """(whether inputs are a tuple, inputs, vectors, value, gradient) for products with a Hessian."""
    many, ins = _tensors(inputs, "inputs", function)
    ins = _fresh(ins, create_graph)
    vectors = _vector(v, function, ins, many, create_graph, _OF_INPUT)
    several, outputs = _results(func(*ins), function)
    if strict:
        _require(outputs, "outputs")
    if several:
        raise RuntimeError(f"The function given to {function} should return a single Tensor")
    if outputs[0].numel() != 1:
        raise RuntimeError(
            f"The Tensor returned by the function given to {function} should contain a single element"
        )
    slopes = _gradients(outputs, ins, create_graph=True)
    if strict:
        _require(slopes, "jacobian")
    return many, ins, vectors, outputs[0], slopes
