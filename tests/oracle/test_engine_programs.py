"""Short programs at the edges of the engine, run by both libraries: each ends by evaluating what it shows."""

from __future__ import annotations

import pytest
from programs.found import outcome

import cotangent

oracle = pytest.importorskip("torch")

_TOLD = """
def told(t):
    base = None if t._base is None else tuple(t._base.shape)
    return base, t._version, t.requires_grad, t.grad_fn and type(t.grad_fn).__name__, t.stride()
"""
_INFERENCE = _TOLD + """
with torch.inference_mode():
    x = torch.tensor([3.0, -1.0], requires_grad={0})
    u = torch.tensor([[3.0, -1.0], [1.0, 2.0]], requires_grad={0})
"""
_FROM_INFERENCE = (
    "x.repeat(2)", "u.tile((1, 2))", "torch.stack([x, x])", "torch.stack([u, u], 1)",
    "torch.stack([u, u], 2)",
    "torch.roll(u, 1)", "torch.roll(u, 1, 0)", "torch.nn.functional.pad(u, (1, 1))", "torch.diag_embed(x)",
    "torch.nn.functional.pad(u, (-1, 0))", "torch.nn.functional.mse_loss(u, u)",
    "torch.nn.functional.smooth_l1_loss(u, u, reduction='sum')",
)  # fmt: skip


@pytest.mark.parametrize("grad", ["True", "False"])
@pytest.mark.parametrize("shown", _FROM_INFERENCE)
def test_results_of_tensors_of_inference_mode(shown: str, grad: str) -> None:
    source = _INFERENCE.replace("{0}", grad)
    shown = f"told({shown})"
    assert outcome(cotangent, source, shown) == outcome(oracle, source, shown)


_PAIR = """
a = torch.tensor([1.0, 2.5, -3.0], dtype=torch.{0}, requires_grad={2})
b = torch.tensor([1.5, 0.0, 2.0], dtype=torch.{1}, requires_grad={3})
y = torch.nn.functional.{4}(a, b, reduction='{5}')
y.sum().backward()
"""


@pytest.mark.parametrize("loss", ["mse_loss", "smooth_l1_loss", "huber_loss"])
@pytest.mark.parametrize("reduction", ["none", "mean"])
def test_losses_of_two_dtypes(loss: str, reduction: str) -> None:
    dtypes = ("float32", "float64", "int64")
    for one in dtypes:
        for other in dtypes:
            wanted = (str(d != "int64") for d in (one, other))
            source = _PAIR.format(one, other, *wanted, loss, reduction)
            edges = "[n and n.name() for n, _ in y.grad_fn.next_functions]"
            shown = f"y.tolist(), y.dtype, a.grad, b.grad, {edges}"
            assert outcome(cotangent, source, shown).replace("cotangent", "torch") == outcome(
                oracle, source, shown
            ), source


_WRITTEN = """
a, b = torch.full({0}, 1.5, requires_grad=True) * 1, torch.full({1}, 2.0, requires_grad={2}) * 1
y = a @ b
with torch.no_grad():
    {3}.add_(1)
y.sum().backward()
"""


@pytest.mark.parametrize("written", ["a", "b"])
@pytest.mark.parametrize("other", ["True", "False"])
@pytest.mark.parametrize("one", ["(2, 3, 4)", "(2, 1, 3, 4)", "(3, 4)"])
def test_factors_written_before_backward(one: str, other: str, written: str) -> None:
    for two in ("(4, 5)", "(4,)", "(2, 4, 5)"):
        source = _WRITTEN.format(one, two, other, written)
        assert outcome(cotangent, source, "None") == outcome(oracle, source, "None"), source


PROGRAMS = {
    "a gradient made of a tensor of inference mode": (
        """
with torch.inference_mode():
    x = torch.tensor([3.0], requires_grad=True)
x.backward(x, create_graph=True)
""",
        "x.grad.requires_grad, x.grad.is_inference(), x.grad._version, type(x.grad.grad_fn).__name__",
    ),
    "other memory for a tensor of inference mode": (
        "with torch.inference_mode():\n    x = torch.ones(3)\nx.data = torch.ones(4)",
        "x.is_inference(), x.shape, x._version",
    ),
    "memory of inference mode for another tensor": (
        """
x = torch.ones(2, 2)
with torch.inference_mode():
    y = x.flatten()
    y.add_(3)
    x.data = x.data.clone()
    y.add_(3)
""",
        "x._version, y._version, x.is_inference(), y.is_inference()",
    ),
    "strides of products of columns and rows": (
        "a = torch.ones(3, 1, 2).transpose(-1, -2)\nb = torch.ones(2, 3, 1).permute(1, 2, 0)",
        "(a @ b).stride(), torch.bmm(a, b).stride()",
    ),
    "empty complex numbers": (
        "t = torch.zeros(2, 0, 2)",
        "torch.view_as_complex(t).shape, torch.view_as_complex(torch.zeros(0, 2)).shape",
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name: str) -> None:
    assert outcome(cotangent, *PROGRAMS[name]) == outcome(oracle, *PROGRAMS[name])


@pytest.mark.parametrize("shape", ["()", "(0,)", "(1,)", "(2, 1)", "(3,)"])
@pytest.mark.parametrize("options", ["", "correction=0", "correction=3", "dim=-1, correction=2"])
@pytest.mark.parametrize("function", ["var", "std"])
def test_derivatives_of_variances_without_freedom(function: str, options: str, shape: str) -> None:
    source = f"x = torch.ones({shape}).requires_grad_()\ny = x.{function}({options})\n"
    source += "(g,) = torch.autograd.grad(y.sum(), x, create_graph=True)"
    shown = "g.tolist(), g.requires_grad"
    assert outcome(cotangent, source, shown) == outcome(oracle, source, shown)


STRETCHED = ("t.expand(2, 3, 2)", "t.t().expand(2, 2, 3)", "t[:, None].expand(3, 4, 2)")


@pytest.mark.parametrize("text", STRETCHED)
def test_copies_of_stretched_memory(text: str) -> None:
    source = f"t = torch.ones(3, 2, dtype=torch.float64)\nt = {text}"
    shown = "[f.stride() for f in (t.float(), t.to(torch.int64), t.clone(), t.bool(), t.contiguous())]"
    assert outcome(cotangent, source, shown) == outcome(oracle, source, shown)


LAYOUTS = (
    "torch.ones(2, 3, 4).permute(2, 0, 1)", "torch.ones(3, 2).expand(2, 3, 2)",
    "torch.ones(2, 3, 4).transpose(1, 2)", "torch.ones(2, 3, 4).permute(2, 1, 0)",
)  # fmt: skip
REDUCED = (
    "sum", "mean", "prod", "nansum", "nanmean", "all", "any", "amax", "amin", "max", "min", "argmax",
    "argmin", "aminmax", "var", "std", "norm", "logsumexp", "median", "nanmedian", "mode", "count_nonzero",
)  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", REDUCED)
def test_what_is_left_of_dimensions_lies_in_their_order(name: str, layout: str) -> None:
    source = f"""
t = {layout}
made = [t.{name}(dim=d) for d in range(3)]
made = [y if isinstance(y, torch.Tensor) else y[0] for y in made]
"""
    shown = "[y.stride() for y in made]"
    assert outcome(cotangent, source, shown) == outcome(oracle, source, shown)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("call", ["t.cummax(1)[0]", "t.flip(1)", "t.renorm(2, 0, 1.0)", "torch.rot90(t)"])
def test_layouts_of_results(call: str, layout: str) -> None:
    source = f"t = {layout}"
    assert outcome(cotangent, source, f"({call}).stride()") == outcome(oracle, source, f"({call}).stride()")


def test_layer_norm_of_a_turned_tensor() -> None:
    source = "t = torch.ones(2, 3, 4).transpose(0, 1)"
    shown = "torch.nn.functional.layer_norm(t, (4,)).stride()"
    assert outcome(cotangent, source, shown) == outcome(oracle, source, shown)


ROOTS = (
    "grad(a, z, a)", "grad(c, z, c)", "grad(d, z, d)", "grad(x, z, x)", "grad([a, c], z, [a, c])",
    "grad([d, e], z, [d, e])", "grad(a, a, a)", "grad(d, e, d)", "grad([a, d], [d, e], [a, d])",
    "grad((a * 2).sum(), c)", "backward(a, inputs=[z])", "backward(x, inputs=[z])", "backward(d, inputs=[c])",
    "backward(a, inputs=[a])",
)  # fmt: skip


@pytest.mark.parametrize("call", ROOTS)
def test_hooks_of_a_root_that_leads_to_no_wanted_input(call: str) -> None:
    source = f"""
x = torch.tensor([[-1.0, 2.0], [-1.5, 1.0]], requires_grad=True)
z = torch.ones(2, requires_grad=True)
a, _ = x.topk(1, -1)
c = x * 3
d, e = x.split(1)
seen = []
for name, t in dict(a=a, c=c, d=d, x=x).items():
    t.register_hook(lambda g, name=name: seen.append((name, g.tolist())))
for t in (a, c, d):
    t.retain_grad()

def grad(roots, inputs, given):
    return torch.autograd.grad(roots, inputs, given, allow_unused=True)

def backward(root, inputs):
    root.backward(root, inputs=inputs)

made = {call}
"""
    shown = "made, seen, [t.grad for t in (a, c, d, z)], x.is_leaf and x.grad"
    assert outcome(cotangent, source, shown) == outcome(oracle, source, shown)


@pytest.mark.parametrize("shape", ["(2, 3)", "(2, 1, 3)", "(2, 2, 3)", "(2, 0, 3)", "(3,)", "(1,)"])
@pytest.mark.parametrize("other", ["(1,)", "(3,)", "(1, 1)", "(3, 1)", "(2, 1, 1)", "(2, 3, 1)", "(1, 3, 2)"])
def test_products_that_do_not_fit(shape: str, other: str) -> None:
    source = f"a, b = torch.ones{shape}, torch.ones{other}"
    shown = "(a @ b).shape"
    assert outcome(cotangent, source, shown) == outcome(oracle, source, shown)


@pytest.mark.parametrize("one", ["float32", "float64", "int64"])
@pytest.mark.parametrize("other", ["float32", "float64", "int64"])
def test_writes_into_sparse_tensors_keep_their_dtype(one: str, other: str) -> None:
    source = f"""
s = torch.tensor([1, 2, 0]).to(torch.{one}).to_sparse()
u = torch.tensor([0, 1, 3]).to(torch.{other}).to_sparse()
"""
    for call in ("s.add_(u)", "s.sub_(u)", "s.mul_(u)"):
        shown = f"[({call}).dtype, s.to_dense().tolist()]"
        found = outcome(cotangent, source, shown).replace("cotangent", "torch")
        assert found == outcome(oracle, source, shown)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("call", ["torch.cat([x, a])", "torch.stack([a, x])", "torch.cat([x, 1.0])"])
def test_what_is_joined_is_tensors(call: str) -> None:
    source = "import numpy as np\nx, a = torch.ones(2), np.ones(2)"
    assert outcome(cotangent, source, call) == outcome(oracle, source, call)
