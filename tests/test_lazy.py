"""cotangent.lazy: modules that are imported when they are first used."""

import sys
import types
from pathlib import Path

import pytest
from running import RunPython

from cotangent import lazy


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a package that no one has imported."""
    name = "a_library_for_test_lazy"
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").touch()
    (tmp_path / name / "part.py").write_text(
        "answer = 42\nloads = [0]\nloads[0] += 1\n"
        "def __getattr__(name):\n"
        "    if name == 'made': return 'on demand'\n"
        "    raise AttributeError(f'no {name} here')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    for loaded in (name, f"{name}.part"):
        monkeypatch.delitem(sys.modules, loaded, raising=False)
    return name


def test_nothing_is_imported_before_the_first_use(library: str) -> None:
    part = lazy.module(f"{library}.part")
    assert isinstance(part, types.ModuleType)
    assert library not in sys.modules
    assert part.answer == 42
    assert part.loads is sys.modules[f"{library}.part"].loads
    assert part.loads == [1]


def test_a_used_module_is_a_plain_module(library: str) -> None:
    """What makes its attributes as cheap as those of any module: the interpreter's own type, no hook."""
    part = lazy.module(f"{library}.part")
    assert part.answer == 42
    assert type(part) is types.ModuleType
    assert vars(part) == vars(sys.modules[f"{library}.part"])
    assert part.made == "on demand"
    with pytest.raises(AttributeError, match="no thing here"):
        part.thing  # noqa: B018


def test_a_missing_name_or_module(library: str) -> None:
    with pytest.raises(AttributeError, match="no first here"):
        lazy.module(f"{library}.part").first  # noqa: B018
    with pytest.raises(ModuleNotFoundError, match=f"No module named '{library}.other'"):
        lazy.module(f"{library}.other").anything  # noqa: B018


def test_a_look_for_a_wrapped_function_loads_nothing(library: str) -> None:
    """inspect.unwrap asks it of any value; what an optional library lacks must not stop doctest or pydoc."""
    for name in ("part", "other"):
        assert not hasattr(lazy.module(f"{library}.{name}"), "__wrapped__")
    assert library not in sys.modules


def test_a_module_that_fails_may_be_tried_again(library: str, tmp_path: Path) -> None:
    broken = tmp_path / library / "broken.py"
    broken.write_text("raise OSError('not now')\n")
    module = lazy.module(f"{library}.broken")
    with pytest.raises(OSError, match="not now"):
        module.value  # noqa: B018
    broken.write_text("value = 'now it works'\n")
    assert module.value == "now it works"


def test_threads_that_ask_at_once(tmp_path: Path, run_python: RunPython) -> None:
    (tmp_path / "slow.py").write_text("import time\nprint('loading')\ntime.sleep(0.2)\nvalue = 7\n")
    (tmp_path / "program.py").write_text("""\
from concurrent.futures import ThreadPoolExecutor
from cotangent import lazy
slow = lazy.module('slow')
with ThreadPoolExecutor(8) as pool:
    print(list(pool.map(lambda _: slow.value, range(8))))
""")
    assert run_python("program.py").stdout == f"loading\n{[7] * 8}\n"


def test_in_place_forms_that_are_made_after_autocast_write(tmp_path: Path, run_python: RunPython) -> None:
    (tmp_path / "program.py").write_text(
        "import cotangent as torch\n"
        "with torch.autocast('cpu'):\n    torch.ones(2, 2) @ torch.ones(2, 2)\n"
        "x = torch.zeros(2, 2)\n"
        "print(x.addbmm_(torch.ones(1, 2, 2), torch.ones(1, 2, 2)) is x, x.tolist())\n"
    )
    assert run_python("program.py").stdout == "True [[2.0, 2.0], [2.0, 2.0]]\n"


@pytest.mark.parametrize(
    "first",
    [
        "autograd.forward_ad.dual_level", "autograd.functional.jacobian", "autograd.gradcheck", "func.vmap",
        "nn.functional.embedding", "distributions.Normal", "overrides.TorchFunctionMode", "linalg.svd",
        "utils.checkpoint.checkpoint", "doctor", "sparse.mm",
    ],
)  # fmt: skip
def test_anything_may_be_what_a_program_asks_for_first(first: str, run_python: RunPython) -> None:
    done = run_python("-c", f"import cotangent as torch; print(callable(torch.{first}))")
    assert done.stdout == "True\n", done.stderr
