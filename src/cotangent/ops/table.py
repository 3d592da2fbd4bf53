"""The table of operations: one `Primitive` per declaration, and the functions that declare them.

A declaration names the parameters once, gives the kernel (a function over NumPy arrays) and, per
differentiable parameter, its pullback rule: `rule(g, ...)` returns the cotangent of that parameter.
The *names of the rule's parameters* say what the recorded node keeps:

    g           cotangent of the output (for several outputs: a tuple, `None` where none arrived)
    NAME        the parameter NAME of the op, tensor or static
    out         the output (several outputs: `out0`, `out1`, ...)
    NAME_shape  the shape of the tensor parameter NAME;  NAME_dtype its NumPy dtype
    NAME_turned whether the matrix NAME lies in memory column by column (False where that is not known)
    needs       a tuple of booleans: which tensor parameters need a cotangent

Rules run in two worlds. On NumPy arrays (an ordinary backward) the names of operations inside the
rule resolve to their kernels; on Tensors (`create_graph`, vmap, jvp, tracing) to the operations
themselves. Rules are therefore written with operators and with the operations of this table only.

Signatures read `"gather(input, index | dim)"`: tensors before the bar, static values after it,
`name?` an optional tensor, `name[]` a list of tensors, `name=1` a default.
"""

from __future__ import annotations

from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any, Final

import numpy as np

from .. import lazy

forms: Any = lazy.module("cotangent.kernels.forms")

Rule = Callable[..., Any]

# What an elementwise op makes of its inputs' common dtype.
SAME, FLOAT, BOOL_RESULT, REAL, COMPLEX = "same", "float", "bool", "real", "complex"


# Local variables of generated entries (elementwise ones have more), and the fields and methods of nodes.
_LOCALS: Final = frozenset(("c", "f", "n", "r", "t", "vc", "mode", "token"))
_FIELDS: Final = frozenset(
    ("step", "edges", "seq", "code", "lasti", "hooks", "fit", "meta", "lengths", "level", "name", "apply",
     "release",
     "saved", "op", "nout", "general", "outputs", "span")
)  # fmt: skip
_ELEMENTWISE_LOCALS: Final = _LOCALS | {"dt", "k"}


class Primitive:
    """One row of the table. What a declaration does not say is as the class has it."""

    node_name = ""
    result = SAME
    nout = 1
    is_view = False
    multi_view = False
    nondiff_outputs: frozenset[int] = frozenset()
    tangent: Callable[..., Any] | None = None
    batch: Callable[..., Any] | str | None = None
    infer: Callable[..., Any] | None = None
    check: Callable[..., None] | None = None
    fixed: frozenset[str] = frozenset()
    weighs: frozenset[str] = frozenset()
    strict: frozenset[str] = frozenset()
    analytic = True
    real_is_same = False
    takes_real_part = True
    complex_form: Any = None
    guard: Callable[..., None] | None = None
    reverse = False
    keeps_scalar: str | None = None
    number: str = ""
    signatures: tuple[str, ...] = ()
    out_check: Callable[..., None] | None = None
    cast_error: Callable[..., Exception] | None = None
    writer: Callable[..., Any] | None = None
    store: Callable[..., Any] | None = None
    sparse_form: Callable[..., Any] | None = None
    operator: Callable[..., Any] | None = None
    misfit: str | None = None
    lens: Callable[..., Any] | None = None
    old_order: str = ""
    rounds_in_float = True
    node_class: Any = None
    general_class: Any = None
    saved: tuple[str, ...] = ()
    entry: Callable[..., Any]

    def __init__(self, signature: str, kernel: Callable[..., Any], kind: str, rules: dict[str, Rule]) -> None:
        name, _, rest = signature.partition("(")
        tensors, _, statics = rest.rstrip(")").partition("|")
        self.name = self.public = name.strip()
        self.kind = kind
        names = [part.strip() for part in tensors.split(",") if part.strip()]
        self.tensors: tuple[str, ...] = tuple([part.rstrip("?[]") for part in names])
        self.lists: frozenset[str] = frozenset([part[:-2] for part in names if part.endswith("[]")])
        self.optional: frozenset[str] = frozenset([part[:-1] for part in names if part.endswith("?")])
        pairs = [part.strip().partition("=") for part in statics.split(",") if part.strip()]
        self.statics: tuple[str, ...] = tuple([key.strip() for key, _, _ in pairs])
        self.defaults: dict[str, str] = {key.strip(): value.strip() for key, equal, value in pairs if equal}
        self.kernel = kernel
        self.rules = rules
        self.fast: Any = None if self.statics else kernel
        self.raw_rules: dict[str, Rule] = {}
        taken = (_ELEMENTWISE_LOCALS if kind == "elementwise" else _LOCALS).intersection(self.parameters)
        for rule in rules.values():
            taken |= _FIELDS.intersection(rule.__code__.co_varnames[1 : rule.__code__.co_argcount])
        if taken:
            raise TypeError(
                f"{self.name}: {sorted(taken)} cannot name parameters, generated code uses these names"
            )
        unknown = rules.keys() - self.tensors
        if unknown:
            raise TypeError(f"{self.name}: rules for {sorted(unknown)}, which are not tensor parameters")

    def __repr__(self) -> str:
        return f"<op {self.name}({', '.join(self.tensors)} | {', '.join(self.statics)})>"

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of all parameters, tensors first."""
        return self.tensors + self.statics

    def rule_arguments(self, parameter: str) -> tuple[str, ...]:
        """What the rule of `parameter` reads besides the cotangent."""
        code = self.rules[parameter].__code__
        return code.co_varnames[1 : code.co_argcount]


TABLE: Final[dict[str, Primitive]] = {}


class _Emitter:
    """What the floor above does for the table; entered there (autograd), so that no import points up.

    emit      writes the code of an entry function
    emit_writer  that of an in-place form
    deliver   stores a result in the tensor given as `out=`
    constant  wraps an array as a tensor without history
    is_tensor tells a Tensor from anything else
    unrecorded  tells whether a write of what requires no gradient leaves all histories as they are
    wrote       counts such a write
    writable    refuses what may not be written in place
    refuse_history  refuses tensors of which an operation could not be recorded
    vjp         `torch.func.vjp`
    is_traced   tells a Tensor that is traced and not differentiated any further
    written_inside  counts the writes inside of what is made of a tensor of inference mode
    package     the package itself, with all that programs may call
    """

    emit: Callable[[Primitive], None]
    emit_writer: Callable[[Primitive], None]
    deliver: Callable[[str, Any, Any], Any]
    constant: Callable[[Any], Any]
    is_tensor: Callable[[Any], bool]
    unrecorded: Callable[[Any], bool]
    wrote: Callable[[Any], None]
    writable: Callable[[Any], None]
    refuse_history: Callable[[Primitive, tuple[Any, ...], int], None]
    vjp: Callable[..., Any]
    is_traced: Callable[[Any], bool]
    written_inside: Callable[[Any, Any, int], Any]
    package: Any


emitter: Final = _Emitter()


def deliver(function: str, value: Any, out: Any, *operands: Any) -> Any:
    """`value`, or `out` after `value` has been stored in it, for operations that take `out=`.

    Args:
        function: name for messages.
        value: the result, or a tuple of results.
        out: None, or where to store it.
        operands: those that PyTorch reads while it writes; `out` may be one of them, but not overlap them.
    """
    return value if out is None else emitter.deliver(function, value, out, *operands)


def constant(array: Any) -> Any:
    """`array` as a tensor without history."""
    return emitter.constant(array)


def pulled_back(function: Callable[..., Any], tensors: list[Any], g: Any) -> list[Any]:
    """The cotangents of `tensors` for the cotangent `g` of `function(tensors)`, in the world of Tensors.

    For the rules of primitives that do the work of many operations: on arrays such a rule calls a kernel, and
    on Tensors it hands this the same computation as a chain of operations, so that every order follows.

    Args:
        function: takes a list of tensors and returns a tensor, or a tuple of them.
        tensors: what to differentiate by; None stays None.
        g: a tensor, or a tuple of tensors and None.
    """
    given = [t for t in tensors if t is not None]

    def filled(*values: Any) -> Any:
        supply = iter(values)
        return function([None if t is None else next(supply) for t in tensors])

    outputs, pull = emitter.vjp(filled, *given)
    if isinstance(outputs, tuple):
        pairs = zip(g, outputs, strict=False)
        g = tuple(TABLE["zeros_like"].entry(o) if c is None else c for c, o in pairs)
    found = iter(pull(g))
    return [None if t is None else next(found) for t in tensors]


def is_tensor(obj: Any) -> bool:
    """Whether `obj` is a Tensor.

    Example:
        >>> import cotangent as torch
        >>> torch.is_tensor(torch.ones(1)), torch.is_tensor([1.0])
        (True, False)
    """
    return emitter.is_tensor(obj)


def _first_call(*args: Any, **kwargs: Any) -> Any:
    _emitter.emit(_op)  # type: ignore[name-defined] # noqa: F821
    return _entry(*args, **kwargs)  # type: ignore[name-defined] # noqa: F821


def _first_operator(*args: Any, **kwargs: Any) -> Any:
    _emitter.emit(_op)  # type: ignore[name-defined] # noqa: F821
    return _op.operator(*args, **kwargs)  # type: ignore[name-defined] # noqa: F821


def _first_write(*args: Any, **kwargs: Any) -> Any:
    _emitter.emit_writer(_op)  # type: ignore[name-defined] # noqa: F821
    return _op.writer(*args, **kwargs)  # type: ignore[name-defined] # noqa: F821


_FIRST_CALL: Final[CodeType] = _first_call.__code__
_FIRST_OPERATOR: Final[CodeType] = _first_operator.__code__
_FIRST_WRITE: Final[CodeType] = _first_write.__code__


def writer_of(op: Primitive) -> Any:
    """The in-place form of an elementwise op, or of one with `store`, generated on its first call."""
    if op.writer is None:
        op.writer = FunctionType(_FIRST_WRITE, op.entry.__globals__, op.public + "_")
        op.writer.__module__ = "torch"
        op.writer.__qualname__ = op.writer.__name__
        op.writer.__doc__ = f"In-place form of `{op.public}`."
    return op.writer


def operator_of(entry: Any) -> Any:
    """The form of an elementwise op's entry that Python's operators call.

    It returns NotImplemented for operands that are neither tensors nor numbers, as operators must.
    Its code, too, is generated on the first call.
    """
    op: Primitive = entry.op
    if op.operator is None:
        op.operator = FunctionType(_FIRST_OPERATOR, entry.__globals__, op.name)
        op.operator.__module__ = "torch"
        op.operator.__doc__ = entry.__doc__
    return op.operator


def declare(
    op: Primitive,
    *,
    node: str | None = None,
    public: str | None = None,
    result: str = SAME,
    nout: int = 1,
    nondiff_outputs: tuple[int, ...] = (),
    view: bool = False,
    multi_view: bool = False,
    jvp: Callable[..., Any] | None = None,
    batch: Callable[..., Any] | str | None = None,
    infer: Callable[..., Any] | None = None,
    store: Callable[..., None] | None = None,
    misfit: str | None = None,
    lens: Callable[..., Any] | None = None,
    doc: str | None = None,
) -> Any:
    """Enter `op` in the table and return its entry function.

    The entry is a real function from the start, so that anybody may keep a reference to it; its code
    is generated on the first call (autograd.emit), because generating all of them would make
    importing slow.

    Args:
        op: the record to fill.
        node: class name of the recorded node; by default from the op's name, as PyTorch names it.
        public: the name messages use (`sum` for `sum_dim`).
        result: dtype rule of an elementwise op.
        nout: number of outputs; 0 when it is known only at run time (a tuple is returned).
        nondiff_outputs: positions of outputs that carry no gradient (indices).
        view: whether the output shares the first tensor's memory.
        multi_view: whether the views come several at once (PyTorch forbids writing through these).
        jvp: `jvp(tangents, args, outputs)`; by default derived from the kind.
        batch: batching rule; by default derived from the kind.
        infer: `infer(*args)` giving shapes and dtypes without data; by default the kernel is probed.
        store: the kernel of the in-place form: `store(*arrays, *statics)` writes into the first array.
        misfit: text of the error where the result of an in-place form has another shape than the tensor; may
            name {have}, {wanted} and {ndim}.
        lens: what the entry does to the array in place of the kernel: for views that put their work off.
        doc: docstring of the entry.
    """
    op.misfit = misfit
    op.lens = lens
    op.public = public or op.name
    op.node_name = node or "".join(p.capitalize() for p in op.public.strip("_").split("_")) + "Backward0"
    op.result = result
    op.nout = nout
    op.nondiff_outputs = frozenset(nondiff_outputs)
    op.is_view = view or multi_view
    op.multi_view = multi_view
    op.tangent = jvp
    op.batch = batch
    op.infer = infer
    op.store = store
    if op.name in TABLE:
        raise TypeError(f"operation {op.name} is declared twice")
    TABLE[op.name] = op
    namespace: dict[str, Any] = {"__name__": "cotangent.ops", "_op": op, "_emitter": emitter}
    entry = FunctionType(_FIRST_CALL, namespace, op.name)
    namespace["_entry"] = entry
    entry.__doc__ = doc
    entry.__module__ = "torch"
    entry.__qualname__ = op.public
    entry.op = op  # type: ignore[attr-defined]
    op.entry = entry
    return entry


def elementwise(
    signature: str,
    kernel: Callable[..., Any],
    *,
    result: str = SAME,
    wide: bool = True,
    fast: Any = None,
    fixed: tuple[str, ...] = (),
    weighs: tuple[str, ...] = (),
    strict: tuple[str, ...] = (),
    analytic: bool = True,
    real_is_same: bool = False,
    takes_real_part: bool = True,
    complex_form: Any = None,
    check: Callable[..., None] | None = None,
    guard: Callable[..., None] | None = None,
    reverse: bool = False,
    keeps_scalar: str | None = None,
    number: str = "",
    signatures: tuple[str, ...] = (),
    out_check: Callable[..., None] | None = None,
    cast_error: Callable[..., Exception] | None = None,
    old_order: str = "",
    **rules: Any,
) -> Any:
    """Declare an op that acts element by element, with broadcasting and dtype promotion.

    The kernel must take `out=` as ufuncs do. A rule must be linear in `g` and is written as the
    derivative of a holomorphic function, `g * f'(x)`: it serves as the jvp as it stands, and for
    complex inputs its pullback is conj(rule(conj(g))).

    Args:
        signature: see the module's docstring.
        kernel: ufunc or function over arrays.
        result: SAME, FLOAT (integers become the default float), BOOL_RESULT or REAL.
        wide: whether 16-bit floats are computed in float32 and rounded once (False: exact selection ops).
        fast: called as `fast(*arrays, *statics without default, out=...)` when the other statics have their
            defaults (the kernel itself if there are no statics; False: there is no such form).
        fixed: tensor parameters that broadcast but take no part in promotion (conditions).
        weighs: statics that are numbers and take part in promotion (an exponent, bounds).
        strict: tensor parameters that may not be Python numbers.
        analytic: whether the rules are derivatives of holomorphic functions; if not, they are pullbacks in
            PyTorch's convention as they stand, and complex inputs need `jvp`.
        real_is_same: whether real tensors are returned as they are (conj).
        takes_real_part: whether a real input's gradient is the real part of a complex one; if not, that is
            refused (PyTorch's formula hands it on whole, and its engine does not take it).
        complex_form: for ops of one tensor, the op that takes over for complex ones (abs).
        check: `check(op, dtype)` raises for computation dtypes PyTorch refuses.
        guard: `guard(tensors)` raises for combinations of operands PyTorch refuses; not called where all are
            of one floating-point dtype.
        reverse: whether `fast` takes its arrays in reverse order.
        keeps_scalar: the parameter that is not rounded to a 16-bit dtype first when it is a number or 0-d.
        number: the parameter that is a number in PyTorch's overload: no edge leads there unless it is a
            tensor here.
        signatures: PyTorch's overloads, as its errors for arguments that fit none of them list them.
        out_check: `out_check(result, out, first tensor)` raises for `out=` tensors PyTorch refuses.
        cast_error: `cast_error(result dtype, dtype of the tensor written)` makes the error of an in-place
            form.
        old_order: the static that PyTorch's deprecated overload takes before the last tensor.
        **rules: pullback per parameter, and any option of `declare`.
    """
    options = {key: rules.pop(key) for key in _OPTIONS & rules.keys()}
    op = Primitive(signature, kernel, "elementwise", rules)
    op.rounds_in_float = wide
    op.fast = op.fast if fast is None else fast or None
    op.fixed = frozenset(fixed)
    op.weighs = frozenset(weighs)
    op.strict = frozenset(strict)
    op.analytic = analytic
    op.real_is_same = real_is_same
    op.takes_real_part = takes_real_part
    op.complex_form = complex_form
    op.guard = guard
    op.reverse = reverse
    op.keeps_scalar = keeps_scalar
    op.number = number
    op.signatures = signatures
    op.out_check = out_check
    op.cast_error = cast_error
    op.old_order = old_order
    op.check = check
    return declare(op, result=result, **options)


def linear(signature: str, kernel: Callable[..., Any], **rules: Any) -> Any:
    """Declare an op that is linear in all its differentiable tensors together; its jvp is itself."""
    options = {key: rules.pop(key) for key in _OPTIONS & rules.keys()}
    return declare(Primitive(signature, kernel, "linear", rules), **options)


def bilinear(signature: str, kernel: Callable[..., Any], **rules: Any) -> Any:
    """Declare an op that is linear in each differentiable tensor separately (products)."""
    options = {key: rules.pop(key) for key in _OPTIONS & rules.keys()}
    return declare(Primitive(signature, kernel, "bilinear", rules), **options)


def general(signature: str, kernel: Callable[..., Any], **rules: Any) -> Any:
    """Declare any other op; its jvp, if not given, comes from differentiating its pullback."""
    options = {key: rules.pop(key) for key in _OPTIONS & rules.keys()}
    return declare(Primitive(signature, kernel, "general", rules), **options)


_OPTIONS: Final = frozenset(
    (
        "node",
        "public",
        "nout",
        "nondiff_outputs",
        "view",
        "multi_view",
        "jvp",
        "batch",
        "infer",
        "store",
        "misfit",
        "lens",
        "doc",
    )
)


def kernel_of(value: Any) -> Any:
    """The kernel behind an entry function; anything else is returned as it is."""
    op = getattr(value, "op", None)
    return op.kernel if isinstance(op, Primitive) else value


def _form_of(value: Any) -> Any:
    """The kernel behind an entry function as a formula over symbols, if it is one."""
    kernel = kernel_of(value)
    return value if kernel is value else forms.form_of(kernel) or kernel


def on_symbols(rule: Rule) -> Rule:
    """`rule` with the operations it names replaced by their formulas (see kernels.forms)."""
    return on_arrays(rule, None, _form_of)


def on_arrays(
    rule: Rule, known: dict[Rule, Rule] | None = None, value_of: Callable[[Any], Any] = kernel_of
) -> Rule:
    """`rule` with the operations it names replaced by their kernels, also in the helpers it calls."""
    known = {} if known is None else known
    while hasattr(rule, "__wrapped__"):  # code of others in front of a public function
        rule = rule.__wrapped__
    if rule in known:
        return known[rule]
    names: set[str] = set()
    pending = [rule.__code__]
    while pending:
        code = pending.pop()
        names.update(code.co_names)
        pending.extend(const for const in code.co_consts if isinstance(const, CodeType))
    scope = rule.__globals__
    raw: dict[str, Any] = {"__name__": scope["__name__"], "__builtins__": scope["__builtins__"]}
    made = FunctionType(rule.__code__, raw, rule.__name__, rule.__defaults__, rule.__closure__)
    made.__kwdefaults__ = rule.__kwdefaults__
    known[rule] = made
    for name in names & scope.keys():
        value = value_of(scope[name])
        if (
            value is scope[name]
            and isinstance(value, FunctionType)
            and value.__module__.startswith(__package__)
        ):
            value = on_arrays(value, known, value_of)
        raw[name] = value
    return made


def has_layout(value: object) -> bool:
    """Whether `value` lies in memory in some order: an array, or a traced one."""
    return isinstance(value, np.ndarray) or hasattr(value, "is_memory")


def blank(shape: Any, like: Any) -> Any:
    """What an `infer` returns: an array of `shape` and of the dtype of an array or traced one, not filled."""
    return np.empty(shape, getattr(like, "np_dtype", None) or like.dtype)


def as_first(*operands: Any) -> Any:
    """The `infer` of operations whose result is like their first operand."""
    return blank(operands[0].shape, operands[0])


def as_first_lies(*operands: Any) -> Any:
    """`as_first` where the result's memory is in the order of the operand's."""
    first = operands[0]
    return np.empty_like(first.probe() if hasattr(first, "probe") else first)


def traced(tensor: Any) -> bool:
    """Whether a Tensor is traced, and what is computed from it not differentiated besides."""
    return emitter.is_traced(tensor)


def traced_pullback(entry: Any, g: Any, tensors: list[Any], *rest: Any) -> list[Any] | None:
    """The cotangents of `tensors` by one operation on the tape, where they are traced and nothing more.

    A rule that does on arrays what `pulled_back` does on Tensors would be traced as the long chain. Under
    `compile` the kernel serves as well, unless the pullback is differentiated in its turn.

    Args:
        entry: `name(g[], tensors[], kept[] | which, ...)`, an operation without rules that returns the
            cotangents of the tensors that need one; `which` says which of the outputs have a cotangent.
        g: cotangents of the outputs, None where none arrived.
        tensors: what to differentiate by.
        *rest: what the kernel kept, further statics, and `needs`.

    Returns:
        None where the tensors are not just traced.
    """
    if not traced(tensors[0]):
        return None
    kept, *statics, needs = rest
    which = tuple(c is not None for c in g)
    found = iter(entry([c for c in g if c is not None], tensors, kept, which, *statics, needs))
    return [next(found) if need else None for need in needs]


def with_gaps(g: Any, which: tuple[bool, ...]) -> tuple[Any, ...]:
    """The cotangents that `traced_pullback` handed to the kernel, None again where none arrived."""
    given = iter(g)
    return tuple(next(given) if there else None for there in which)


def needed(found: Any, needs: tuple[bool, ...]) -> tuple[Any, ...]:
    """What of a pullback's result was asked for."""
    return tuple(c for c, need in zip(found, needs, strict=True) if need)


def is_array(value: object) -> bool:
    """Whether `value` is a NumPy array (the first world), not a Tensor."""
    return isinstance(value, np.ndarray)
