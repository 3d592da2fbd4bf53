"""`cotangent.source`: files that stand alone and give the same bits, and derivations in LaTeX."""

import ast
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from running import RunPython
from written_functions import CASES

import cotangent as torch
from cotangent import nn, tree
from cotangent.kernels.sized import by_numpy
from cotangent.standalone.syntax import Probe

F = nn.functional

RUNNER = """\
import importlib, os, sys
import numpy as np
sys.path.insert(0, os.getcwd())
names = NAMES
for name in names:
    module = importlib.import_module(name)
    with np.load(f"{name}.npz") as given:
        arguments = [given[f"arr_{k}"] for k in range(len(given.files))]
    function = next(f for key, f in vars(module).items() if key.endswith("_and_gradient"))
    plain = getattr(module, function.__name__.removesuffix("_and_gradient"))
    before = [a.tobytes() for a in arguments]
    value, gradients = function(*arguments)
    assert plain(*arguments).tobytes() == value.tobytes(), name
    assert [a.tobytes() for a in arguments] == before, name
    np.savez(f"{name}_out.npz", value, *gradients)
loaded = {m.split(".")[0] for m in sys.modules}
assert not loaded & {"cotangent", "torch", "scipy", "llvmlite", "ml_dtypes"}, loaded
print("ran", len(names))
"""


def eager(function: Any, args: tuple[Any, ...]) -> tuple[Any, list[Any]]:
    """(value, gradients) by an ordinary `backward()`."""
    leaves = [t for t in tree.flatten(args)[0] if isinstance(t, torch.Tensor)]
    if not any(t.requires_grad for t in leaves):
        for t in leaves:
            t.requires_grad_(t.is_floating_point())
    value = function(*args)
    value.backward()
    return value.detach().numpy(), [t.grad for t in leaves if t.requires_grad]


def modules_of(function: Any) -> list[Any]:
    """The modules a function sees."""
    if isinstance(function, nn.Module):
        return [function]
    cells = getattr(function, "__closure__", None) or ()
    return [c.cell_contents for c in cells if isinstance(c.cell_contents, nn.Module)]


def test_more_than_thirty_functions_give_the_same_bits_alone(run_python: RunPython, tmp_path: Path) -> None:
    expected: dict[str, tuple[Any, list[Any]]] = {}
    for name, make in CASES.items():
        torch.manual_seed(1)
        function, args = make()
        text = torch.source(function, *args)
        assert {n.name for n in ast.parse(text).body if isinstance(n, ast.FunctionDef)}
        imported = re.findall(r"^(?:import|from) (\w+)", text, re.MULTILINE)
        assert set(imported) <= {"numpy", "math", "itertools"}, name
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
        signature = re.search(r"_and_gradient\(([^)]*)\):", text)
        assert signature
        taken = [part.strip() for part in signature[1].split(",") if part.strip()]
        arrays = [t.detach().numpy() for t in tree.flatten(args)[0] if isinstance(t, torch.Tensor)]
        outside = {}
        for module in modules_of(function):
            for key, value in [*module.named_parameters(), *module.named_buffers()]:
                key = key.replace(".", "_")
                outside[f"x{key}" if key[0].isdigit() else key] = value
        rest = [outside[key] for key in taken[len(arrays) :]]
        np.savez(tmp_path / f"{name}.npz", *arrays, *[t.detach().numpy() for t in rest])
        with by_numpy():
            value, gradients = eager(function, args)
        gradients += [t.grad for t in rest if t.requires_grad]
        expected[name] = value, gradients
    assert len(expected) > 50
    (tmp_path / "runner.py").write_text(RUNNER.replace("NAMES", repr(list(expected))))
    result = run_python("-I", "runner.py")
    assert result.stdout == f"ran {len(expected)}\n", result.stderr
    for name, (value, gradients) in expected.items():
        with np.load(tmp_path / f"{name}_out.npz") as found:
            assert found["arr_0"].tobytes() == value.tobytes(), name
            assert len(found.files) == 1 + len(gradients), name
            for k, g in enumerate(gradients):
                ours = found[f"arr_{k + 1}"]
                theirs = np.zeros_like(ours) if g is None else g.numpy()
                assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape), name
                assert ours.tobytes() == theirs.tobytes(), (name, k)


def test_a_file_is_as_a_person_would_write_it() -> None:
    def f(x: Any, w: Any, b: Any, y: Any) -> Any:
        h = torch.tanh(x @ w + b)
        return ((h - y) ** 2).mean()

    torch.manual_seed(0)
    shapes: tuple[tuple[int, ...], ...] = ((4, 3), (3, 2), (2,), (4, 2))
    text = torch.source(f, *[torch.randn(*shape) for shape in shapes])
    assert "h = torch.tanh(x @ w + b)" in text  # the user's line, as a comment
    assert "    h = np.tanh(x.dot(w) + b)\n" in text
    assert "d_w = x.T.dot(d)" in text and "d_x = d.dot(w.T)" in text
    assert "def f(x, w, b, y):" in text and "def f_and_gradient(x, w, b, y):" in text
    assert "float16" not in text and "cotangent" not in text and "is_half" not in text


def test_the_file_runs_as_a_program(run_python: RunPython, tmp_path: Path) -> None:
    text = torch.source(lambda x: x.sin() * x, torch.tensor(0.5))
    (tmp_path / "program.py").write_text(text)
    result = run_python("-I", "program.py")
    expected = np.float32(0.5) * np.sin(np.float32(0.5)), np.cos(np.float32(0.5)) * np.float32(0.5)
    assert result.stdout.split() == [str(expected[0]), str(expected[1] + np.sin(np.float32(0.5)))]


def test_gradients_are_written_for_what_requires_them() -> None:
    x, w = torch.ones(3), torch.ones(3, requires_grad=True)
    text = torch.source(lambda x, w: (x * w).sum(), x, w)
    assert "gradients by w." in text and "d_x" not in text.replace("# backward: d_x", "")


def test_a_zero_gradient() -> None:
    text = torch.source(lambda x, y: (x * 2.0).sum(), torch.ones(2), torch.ones(3))
    assert "np.zeros((3,), np.float32)" in text


def test_writing_leaves_modules_and_random_numbers_alone() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))
    before = {k: v.clone() for k, v in model.state_dict().items()}
    state = torch.get_rng_state()
    torch.source(lambda x: model(x).square().mean(), torch.randn(5, 3))
    after = torch.get_rng_state()
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    del state, after


def data_dependent(x: Any) -> Any:
    return x * 2 if x.sum() > 0 else x.sum() * 3


UNSUPPORTED = {
    "erf": (lambda x: torch.erf(x).sum(), "erf", "scipy"),
    "gelu": (lambda x: F.gelu(x).sum(), "gelu", "scipy"),
    "digamma": (lambda x: torch.digamma(x).sum(), "digamma", ""),
    "cholesky": (lambda x: torch.linalg.cholesky(x.outer(x) + torch.eye(3)).sum(), "cholesky", ""),
    "dropout": (lambda x: F.dropout(x, 0.5).sum(), "random numbers are drawn", ""),
    "numbers": (lambda x: x.sum() * x.tolist()[0], "reads the numbers", ""),
    "branch": (data_dependent, "reads the numbers", ""),
    "half": (lambda x: x.half().exp().sum(), "16-bit", ""),
}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_what_has_no_numpy_form_is_named_with_its_line(name: str) -> None:
    function, what, why = UNSUPPORTED[name]
    line = function.__code__.co_firstlineno + (name == "branch")
    with pytest.raises(NotImplementedError) as caught:
        torch.source(function, torch.tensor([0.5, 1.0, 2.0]))
    message = str(caught.value)
    assert what in message and why in message
    assert f"test_source.py:{line}" in message


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (lambda x: x * 2, "one tensor of one element"),
        (lambda x: 3.0, "one tensor of one element"),
        (lambda x: x.detach().sum(), "does not depend"),
    ],
)
def test_other_refusals(function: Any, text: str) -> None:
    with pytest.raises(TypeError, match=text):
        torch.source(function, torch.ones(3))


def test_a_probe_tells_nothing_of_elements() -> None:
    probe = Probe(np.ones((2, 3), np.float32))
    assert (probe.shape, probe.ndim, probe.size, len(probe)) == ((2, 3), 2, 6, 2)
    for ask in (
        lambda: probe == 1, lambda: probe > 0, lambda: bool(probe), lambda: probe[0], lambda: np.exp(probe),
        lambda: np.asarray(probe), lambda: list(probe), lambda: probe + 1,
    ):  # fmt: skip
        with pytest.raises(TypeError):
            ask()


# -- LaTeX ---------------------------------------------------------------------------------------------


def neuron(x: Any, w: Any, b: Any) -> Any:
    n = x * w + b
    o = torch.tanh(n)
    return o


def test_the_derivation_of_a_neuron() -> None:
    found = torch.source(neuron, torch.tensor(2.0), torch.tensor(-3.0), torch.tensor(6.5), latex=True)
    assert found == (
        r"""\begin{align*}
\mathrm{neuron}(x, w, b) &= o \\
n &= x \, w + b = 0.5 \\
o &= \tanh\left(n\right) \approx 0.4621 \\[1ex]
\frac{\partial o}{\partial n} &= 1 - o^{2} \approx 0.7864 \\
\frac{\partial o}{\partial x} &= \frac{\partial o}{\partial n} \, w \approx -2.359 \\
\frac{\partial o}{\partial w} &= \frac{\partial o}{\partial n} \, x \approx 1.573 \\
\frac{\partial o}{\partial b} &= \frac{\partial o}{\partial n} \approx 0.7864
\end{align*}
"""
    )


DERIVED = {
    "cross_entropy": (
        lambda w, y: -(y * torch.log(torch.sigmoid(w)) + (1 - y) * torch.log(1 - torch.sigmoid(w))),
        2,
    ),
    "powers": (lambda x, y: x**3 + 2.0 * x**0.5 - y**-2 + torch.sqrt(x * y), 2),
    "fractions": (lambda a, b: (a + b) / (a - 2 * b) / 3, 2),
    "waves": (lambda t, omega: torch.exp(-t) * torch.cos(omega * t) + torch.sin(t) ** 2, 2),
    "signs": (lambda x: torch.abs(x) - -x, 1),
    "rational": (lambda x: 1 / (1 + torch.exp(-x)), 1),
    "nested": (lambda x: torch.tanh(torch.sin(torch.exp(x)) + torch.log(x)), 1),
    "constant": (lambda x, y: x * 3, 2),
    "identity": (lambda x, y: x + y, 2),
}


@pytest.mark.parametrize("name", DERIVED)
def test_derivations_are_good_latex(name: str) -> None:
    mathtext = pytest.importorskip("matplotlib.mathtext")
    function, count = DERIVED[name]
    text = torch.source(function, *[torch.tensor(0.5 + k) for k in range(count)], latex=True)
    lines = text.splitlines()
    assert lines[0] == r"\begin{align*}" and lines[-1] == r"\end{align*}"
    parser = mathtext.MathTextParser("path")
    for line in lines[1:-1]:
        left, right = re.sub(r" \\\\(\[1ex\])?$", "", line).split(" &= ")
        parser.parse(f"${left} = {right}$")
    assert text.count(r"\frac{\partial f}{\partial") >= count


def test_derivations_are_of_scalars_and_usual_functions() -> None:
    with pytest.raises(TypeError, match="x is an array"):
        torch.source(lambda x: x.sum(), torch.ones(3), latex=True)
    with pytest.raises(NotImplementedError, match=r"mish.*has no usual form in LaTeX"):
        torch.source(lambda x: F.mish(x), torch.tensor(1.0), latex=True)


AFTER_SELECTIVE = """\
from functools import partial
import cotangent as torch
from cotangent.utils.checkpoint import checkpoint, create_selective_checkpoint_contexts

def masked(x):
    return torch.where((x > 0) & (x < 2), x.sin(), x * 0.5).sum()

x = torch.linspace(-1.0, 3.0, 5, dtype=torch.float64)
before = torch.source(masked, x)
keep = partial(create_selective_checkpoint_contexts, [torch.ops.aten.sin.default])
w = torch.ones(2, requires_grad=True)
checkpoint(lambda w: w.sin().sum(), w, use_reentrant=False, context_fn=keep).backward()
assert torch.source(masked, x) == before
"""


def test_selective_checkpointing_does_not_hide_the_kernels(run_python: RunPython) -> None:
    result = run_python("-W", "error", "-c", AFTER_SELECTIVE)
    assert result.returncode == 0, result.stderr
