"""Sparse tensors: the same program on cotangent and on PyTorch."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.sparse

import cotangent

PLACES = [[0, 1, 1, 0, 2], [2, 0, 2, 2, 1]]


def matrix(xp: Any, *, requires_grad: bool = False, coalesced: bool = False, dtype: str = "float64") -> Any:
    """A 3 x 4 matrix, one place twice."""
    made = xp.sparse_coo_tensor(
        PLACES,
        xp.tensor([3.0, 4.0, 5.0, 1.0, -2.0], dtype=getattr(xp, dtype)),
        (3, 4),
        check_invariants=True,
    )
    made = made.coalesce() if coalesced else made
    return made.detach().requires_grad_(requires_grad)


def dense(xp: Any, *shape: int, requires_grad: bool = False) -> Any:
    count = 1
    for n in shape:
        count *= n
    return (
        (xp.arange(float(count), dtype=xp.float64) * 0.37).cos().reshape(shape).requires_grad_(requires_grad)
    )


def rounded(t: Any, digits: int) -> list[Any]:
    """The numbers of a tensor to so many digits."""
    return [f"{v:.{digits}g}" if isinstance(v, float) else v for v in t.flatten().tolist()]


def outcome(run: Callable[[Any], Any], xp: Any) -> list[Any]:
    """What a program gives, as text and nested lists; or its error."""

    def seen(value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return [seen(each) for each in value]
        if not hasattr(value, "is_sparse"):
            return value
        if value.is_sparse:
            ordered = value.coalesce()
            return ["sparse", list(value.shape), ordered.indices().tolist(), seen(ordered.values())]
        return ["dense", list(value.shape), rounded(value, 9)]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return [seen(run(xp))]
        except Exception as error:
            return [type(error).__name__, str(error)[:60]]


def gradients(run: Callable[..., Any], *makers: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The gradients of a run's squared result for its operands."""

    def program(xp: Any) -> Any:
        operands = [make(xp) for make in makers]
        out = run(xp, *operands)
        out = out.to_dense() if out.is_sparse else out
        (out * out).sum().backward()
        return [t.grad for t in operands]

    return program


def a(xp: Any) -> Any:
    return matrix(xp, requires_grad=True, coalesced=True)


def b(xp: Any) -> Any:
    return dense(xp, 4, 2, requires_grad=True)


def met(xp: Any, spread: bool, again: bool) -> Any:
    """The gradient of an embedding looked up twice, at once or one after the other."""
    weight = xp.ones(8, 2, requires_grad=True)
    g = xp.ones(()).expand(3, 2) if spread else xp.arange(6.0).reshape(3, 2)
    rows = [xp.tensor([7, 1, 3]), xp.tensor([1, 2, 7])]
    looked = [xp.nn.functional.embedding(row, weight, sparse=True) for row in (*rows, rows[0])]
    if again:
        for each in (looked[0], looked[2], looked[1]):
            each.backward(g)
    else:
        (looked[0] + looked[1]).backward(g)
    return weight.grad


def from_values(run: Callable[..., Any]) -> Callable[[Any], Any]:
    """The gradient for the values that a sparse tensor is made of."""

    def program(xp: Any) -> Any:
        v = dense(xp, 5, requires_grad=True)
        s = xp.sparse_coo_tensor(PLACES, v, (3, 4), check_invariants=True)
        run(xp, s).backward()
        return v.grad

    return program


PROGRAMS: dict[str, Callable[[Any], Any]] = {
    "made": matrix,
    "hybrid": lambda xp: xp.sparse_coo_tensor([[0, 2]], xp.ones(2, 3), (4, 3)).to_dense(),
    "no size": lambda xp: xp.sparse_coo_tensor([[0, 4]], [1.0, 2.0]),
    "only size": lambda xp: xp.sparse_coo_tensor(size=(2, 3)),
    "facts": lambda xp: [f(matrix(xp)) for f in (
        lambda s: s.is_coalesced(), lambda s: s._nnz(), lambda s: s.sparse_dim(), lambda s: s.dense_dim(),
        lambda s: s.numel(), lambda s: s.is_contiguous(), lambda s: str(s.layout), lambda s: len(s),
        lambda s: s.coalesce().is_coalesced(), lambda s: s._indices(), lambda s: s._values(),
    )],
    "dense": lambda xp: matrix(xp).to_dense(),
    "to_sparse": lambda xp: [dense(xp, 2, 3).relu().to_sparse(), xp.eye(3).to_sparse(1)],
    "mask": lambda xp: dense(xp, 3, 4).sparse_mask(matrix(xp, coalesced=True)),
    "arithmetic": lambda xp: [
        matrix(xp) + matrix(xp), matrix(xp) - matrix(xp), matrix(xp) * 2,
        2 * matrix(xp), matrix(xp) / 2, -matrix(xp),
        dense(xp, 3, 4) + matrix(xp), matrix(xp) * matrix(xp, coalesced=True), matrix(xp) * dense(xp, 3, 4),
        matrix(xp, coalesced=True) + matrix(xp, coalesced=True).t().coalesce().t(),
    ],
    "functions": lambda xp: [getattr(xp, f)(matrix(xp))
                             for f in ("sin", "tanh", "relu", "abs", "sqrt", "sign")],
    "power": lambda xp: matrix(xp).pow(2),
    "sums": lambda xp: [
        matrix(xp).sum(), xp.sparse.sum(matrix(xp)), xp.sparse.sum(matrix(xp), 0),
        xp.sparse.sum(matrix(xp), (0, 1)),
        xp.sparse.sum(xp.sparse_coo_tensor([[0, 2, 2]], dense(xp, 3, 2), (4, 2)), 1),
        xp.sparse.sum(xp.sparse_coo_tensor([[0, 2, 2]], dense(xp, 3, 2), (4, 2)), 0),
    ],
    "gradients that meet": lambda xp: [
        [grad._indices(), grad._values(), grad.is_coalesced()]
        for spread in (False, True)
        for grad in (met(xp, spread, again=False), met(xp, spread, again=True))
    ],
    "norm": lambda xp: matrix(xp).norm(),
    "places": lambda xp: [
        matrix(xp).t(), matrix(xp).transpose(0, 1), matrix(xp)[1], matrix(xp)[0, 2], matrix(xp).unsqueeze(0),
        matrix(xp).index_select(0, xp.tensor([2, 0, 2])), xp.cat([matrix(xp), matrix(xp)]), list(matrix(xp)),
        matrix(xp).permute(1, 0),
    ],
    "products": lambda xp: [
        matrix(xp) @ dense(xp, 4, 2), matrix(xp) @ dense(xp, 4), dense(xp, 2, 3) @ matrix(xp),
        xp.sparse.mm(matrix(xp), dense(xp, 4, 2)), xp.sparse.mm(matrix(xp), matrix(xp).t()),
        xp.sparse.addmm(dense(xp, 3, 2), matrix(xp), dense(xp, 4, 2), beta=0.5, alpha=2.0),
        xp.addmm(dense(xp, 3, 2), matrix(xp), dense(xp, 4, 2)), xp.spmm(matrix(xp), dense(xp, 4, 2)),
        xp.smm(matrix(xp), dense(xp, 4, 2)).to_dense(),
    ],
    "copies": lambda xp: [matrix(xp).clone(), matrix(xp).float().dtype.itemsize, matrix(xp).clone().zero_()],
    "softmax": lambda xp: [xp.sparse.softmax(matrix(xp), 1), xp.sparse.log_softmax(matrix(xp), 0)],
    "spdiags": lambda xp: xp.sparse.spdiags(dense(xp, 2, 4), xp.tensor([0, -1]), (4, 4)),
    "gradient of sparse @ dense": gradients(lambda xp, a, b: a @ b, a, b),
    "gradient of sparse.mm": gradients(lambda xp, a, b: xp.sparse.mm(a, b), a, b),
    "gradient of sparse @ sparse": gradients(
        lambda xp, a, c: xp.sparse.mm(a, c), a, lambda xp: a(xp).detach().t().coalesce().requires_grad_()
    ),
    "gradient of to_dense": gradients(lambda xp, a: a.to_dense() * dense(xp, 3, 4), a),
    "gradient of scaled": gradients(lambda xp, a: (a * 3 + a) / 2, a),
    "gradient of t": gradients(lambda xp, a: xp.sparse.mm(a.t(), dense(xp, 3, 2)), a),
    "gradient of softmax": gradients(lambda xp, a: xp.sparse.softmax(a, 1), a),
    "gradient of sum": gradients(lambda xp, a: xp.sparse.sum(a, 0), a),
    "gradient of to_sparse": gradients(
        lambda xp, x: x.to_sparse() * 2, lambda xp: dense(xp, 3, 4, requires_grad=True)
    ),
    "gradient of values": from_values(lambda xp, s: (s.to_dense() ** 2).sum()),
    "gradient of coalesced values": from_values(lambda xp, s: (s.coalesce().values() ** 3).sum()),
    "gradient through a product": from_values(lambda xp, s: (s @ dense(xp, 4, 2)).square().sum()),
    "gradient of all": from_values(lambda xp, s: xp.sparse.sum(s)),
    "dims": lambda xp: xp.sparse_coo_tensor([[0, 1]], [1.0, 2.0], (3, 3)),
    "counts": lambda xp: xp.sparse_coo_tensor([[0, 1]], [1.0], (3,)),
    "uncoalesced indices": lambda xp: matrix(xp).indices(),
    "uncoalesced values": lambda xp: matrix(xp).values(),
    "sparse + dense": lambda xp: matrix(xp) + dense(xp, 3, 4),
    "sparse + 1": lambda xp: matrix(xp) + 1,
    "no sparse form": lambda xp: matrix(xp).exp(),
    "numpy": lambda xp: matrix(xp).numpy(),
    "not sparse": lambda xp: dense(xp, 3).coalesce(),
    "sizes": lambda xp: dense(xp, 3, 3).sparse_mask(matrix(xp, coalesced=True)),
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name: str) -> None:
    assert outcome(PROGRAMS[name], cotangent) == outcome(PROGRAMS[name], torch)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "bool", "complex64"])
def test_printed_form(dtype: str) -> None:
    def texts(xp: Any) -> list[str]:
        kind = getattr(xp, dtype)
        made = [
            xp.sparse_coo_tensor(
                PLACES, xp.tensor([1, 0, 1, 1, 0], dtype=kind), (3, 4), check_invariants=True
            ),
            xp.sparse_coo_tensor([[0, 2]], xp.ones(2, 2, dtype=kind), (3, 2), check_invariants=True),
            xp.sparse_coo_tensor(xp.zeros(2, 0), xp.ones(0, dtype=kind), (3, 4), check_invariants=True),
        ]
        if dtype.startswith("float"):
            made.append(made[0].clone().requires_grad_())
            made.append(made[-1].coalesce())
        return [repr(t) for t in made]

    assert texts(cotangent) == texts(torch)


@pytest.mark.parametrize("padding", [None, 1])
@pytest.mark.parametrize("mode", ["sum", "mean"])
def test_sparse_gradients_of_bags(padding: int | None, mode: str) -> None:
    def run(xp: Any) -> list[Any]:
        xp.manual_seed(0)
        table = xp.nn.EmbeddingBag(6, 3, mode=mode, sparse=True, padding_idx=padding)
        indices, offsets = xp.tensor([1, 3, 1, 2, 5]), xp.tensor([0, 2, 2])
        (table(indices, offsets) ** 2).sum().backward()
        g = table.weight.grad
        found = [g.layout is xp.sparse_coo, g._indices().tolist(), rounded(g.to_dense(), 5)]
        table(xp.tensor([[0, 4]])).sum().backward()
        return [*found, rounded(table.weight.grad.to_dense(), 5)]

    assert run(cotangent) == run(torch)


@pytest.mark.parametrize("padding", [None, 1])
def test_sparse_gradients_of_an_embedding(padding: int | None) -> None:
    def run(xp: Any) -> list[Any]:
        xp.manual_seed(0)
        table = xp.nn.Embedding(6, 3, sparse=True, padding_idx=padding)
        found = []
        for indices in ([[1, 3], [1, 2]], [[5, 5], [0, 1]]):
            (table(xp.tensor(indices)) ** 2).sum().backward()
            g = table.weight.grad
            found.append((g._nnz(), g.is_coalesced(), g._indices().tolist(), rounded(g.to_dense(), 5)))
        (table.weight.sum() + table(xp.tensor([4])).sum()).backward()
        return [*found, table.weight.grad.is_sparse, rounded(table.weight.grad, 5)]

    assert run(cotangent) == run(torch)


OPTIMIZERS: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.5, "maximize": True}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.1}),
    ("Adagrad", {"lr": 0.1}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "maximize": True, "initial_accumulator_value": 0.5}),
    ("Adagrad", {"lr": 0.1, "weight_decay": 0.1}),
    ("SparseAdam", {}),
    ("SparseAdam", {"lr": 0.1, "betas": (0.5, 0.6), "eps": 0.1, "maximize": True}),
    ("Adam", {}),
    ("AdamW", {}),
    ("RMSprop", {}),
    ("LBFGS", {}),
]


@pytest.mark.parametrize(("name", "options"), OPTIMIZERS)
def test_optimizers_on_sparse_gradients(name: str, options: dict[str, Any]) -> None:
    def run(xp: Any) -> Any:
        p = xp.nn.Parameter(dense(xp, 5, 2).float())
        optimizer = getattr(xp.optim, name)([p], **options)
        for step in range(4):
            g = xp.sparse_coo_tensor(
                [[1, 3, 1 + step]], dense(xp, 3, 2).float() + step, (5, 2), check_invariants=True
            )

            def closure(g: Any = g) -> Any:
                p.grad = g
                return (p * p).sum()

            try:
                optimizer.step(closure)
            except RuntimeError as error:
                return str(error)
        return rounded(p.detach(), 5)

    assert run(cotangent) == run(torch)


def test_refusals_of_sparse_adam() -> None:
    for options in ({"lr": 0}, {"eps": 0}, {"betas": (1, 0.1)}, {"betas": (0.1, 1.1)}):
        texts = []
        for xp in (cotangent, torch):
            with pytest.raises(ValueError, match="Invalid") as caught:
                xp.optim.SparseAdam([xp.nn.Parameter(xp.ones(2))], **options)
            texts.append(str(caught.value))
        assert texts[0] == texts[1]
    p = cotangent.nn.Parameter(cotangent.ones(2))
    p.grad = cotangent.ones(2)
    with pytest.raises(
        RuntimeError, match="SparseAdam does not support dense gradients, please consider Adam instead"
    ):
        cotangent.optim.SparseAdam([p]).step()


CALLS = """
t.asin(t.eye(2).to_sparse()*0.5, out=t.zeros(2,2).to_sparse())
t.neg(t.eye(2).to_sparse(), out=t.eye(2).to_sparse())
t.eye(3).to_sparse().index_select(0, t.tensor([-1, 0]))
t.eye(3).to_sparse().index_select(1, t.tensor([-3]))
t.eye(3).to_sparse().index_select(0, t.tensor([3]))
t.eye(3).to_sparse().index_select(0, t.tensor([-4]))
t.eye(3).to_sparse() * t.tensor(2.).to_sparse()
t.tensor(2.).to_sparse() * t.eye(3).to_sparse()
t.sparse_coo_tensor([[0,1]],t.ones(2,2),(3,2)) * t.tensor(2.).to_sparse()
t.eye(2).to_sparse().resize_as_(t.eye(3).to_sparse()).shape
t.sparse_coo_tensor([[0,1]],t.ones(2,2),(3,2)).sum(0)
t.sparse_coo_tensor([[0,1]],t.ones(2,2),(3,2)).sum(1)
t.sparse_coo_tensor([[0,1]],t.ones(2,2),(3,2)).sum(0,keepdim=True)
t.sparse_coo_tensor([[0,1]],t.ones(2,2),(3,2)).sum((0,1))
t.sparse_coo_tensor([[0,1]],t.ones(2,2),(3,2)).sum((0,1),keepdim=True)
t.sparse_coo_tensor([[0,1],[0,1]],[1.,4.],(3,3)).sum((0,1),keepdim=True)
t.sparse_coo_tensor([[0,1],[0,0]],[1.,4.],(3,3)).sum(0)
t.sparse_coo_tensor([[0,1]],[1.,4.],(3,)).sum(0)
t.sparse_coo_tensor([[0,1],[0,1]],[1,4],(3,3)).sum(0)
t.sparse_coo_tensor([[0,1],[0,1]],[1,4],(3,3)).sum(-1)
(lambda x: (x.sum(0).sum().backward(), x.grad))(t.eye(2).to_sparse().requires_grad_())
t.sparse_coo_tensor([[0,1]],[1.,4.],(3,)).floor_divide(t.ones(3))
t.sparse_coo_tensor([[0,1]],[5.,4.],(3,)).floor_divide(t.tensor(2.))
t.sparse_coo_tensor([[0,1]],[5,4],(3,))//2
t.sparse_coo_tensor([[0,0]],[5,4],(1,)).item()
t.sparse_coo_tensor([[0,0]],[5,4],(3,)).item()
t.sparse.log_softmax(t.sparse_coo_tensor([[0,1]],t.ones(2,2),(3,2)),1)
t.bmm(t.eye(2).expand(3,2,2).to_sparse(), t.ones(3,2,2))
t.bmm(t.ones(3,2,2), t.eye(2).expand(3,2,2).to_sparse())
t.stack([t.eye(2).to_sparse(), t.ones(2,2).to_sparse()], 2)
t.stack([t.eye(2).to_sparse(), t.ones(2,2)], 2)
t.sparse_coo_tensor([[0,1],[0,1]],[1.,4.],(3,3)).narrow_copy(1,1,2)
t.sparse_coo_tensor([[0,1]],t.ones(2,2),(3,2)).narrow_copy(1,1,1)
t.sparse_coo_tensor([[0,1],[0,1]],[1.+1j,4.],(3,3)).norm()
t.eye(3).to_sparse() + t.eye(2).to_sparse()
t.ones(3,4) + t.eye(3).to_sparse()
t.eye(3).to_sparse() / t.ones(3)
t.eye(2).to_sparse()._coalesced_(False).is_coalesced()
bool(t.sparse_coo_tensor([[0]], [0.0], (1,)))
t.cat([t.sparse_coo_tensor([[0, n]], t.ones(2, n), (3, n)) for n in (2, 1)], 1)
t.sparse_coo_tensor([[0, 1], [0, 1]], [1.0, 4.0], (3, 3)).sum(1, keepdim=True)
""".strip().splitlines()


def told(call: str, t: Any) -> str:
    try:
        return repr(eval(call, {"t": t}))
    except Exception as error:
        return f"{type(error).__name__}: {error}"


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")
@pytest.mark.parametrize("call", CALLS)
def test_calls_of_a_line(call: str) -> None:
    """Sums that stay sparse, stacks, parts, quotients, batches of products, and what is refused."""
    assert told(call, cotangent) == told(call, torch)


def _with_gradient(t: Any) -> Any:
    class WithGradient(t.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(ctx: Any, x: Any, g: Any) -> Any:
            ctx.g = g
            return x * 1.0

        @staticmethod
        def backward(ctx: Any, _: Any) -> Any:
            return ctx.g, None

    return WithGradient.apply


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
@pytest.mark.parametrize("order", ["sd", "ds", "ss", "sds", "dss", "ssd"])
def test_sparse_and_dense_gradients_add_up_in_any_order(order: str, dtype: str) -> None:
    found = []
    for t in (cotangent, torch):
        d = getattr(t, dtype)
        given = {"s": t.eye(3, dtype=d).to_sparse(), "d": t.ones(3, 3, dtype=d)}
        apply, tensors = _with_gradient(t), [given[kind] for kind in order]
        once, twice = (t.zeros(3, 3, dtype=d, requires_grad=True) for _ in range(2))
        sum(apply(once, g) for g in tensors).sum().abs().backward()
        for g in tensors:
            apply(twice, g).sum().abs().backward()
        (whole,) = t.autograd.grad(sum(apply(once, g) for g in tensors).sum().abs(), once)
        found.append([(str(g.layout), g.to_dense().tolist()) for g in (once.grad, twice.grad, whole)])
    assert found[0] == found[1]
