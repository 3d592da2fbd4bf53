"""`import torch` means cotangent: the import hook behind `python -m cotangent script.py`.

Once `install()` has run, `torch` and every `torch.*` module resolve to the cotangent module of the same path
(the same module objects, not copies), for the running script and for every library that it imports, whether
PyTorch is installed or not. `torch.__version__` names the PyTorch whose behaviour this is. Processes that
multiprocessing starts from there inherit the hook.
"""

import builtins
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from opcode import opmap
from types import ModuleType
from typing import Any

import cotangent
from cotangent import lazy, version
from cotangent.torch_version import PYTORCH

overriding = lazy.module("cotangent.overriding")

__all__ = ["install"]

_TORCH = "torch"
_HOME = __name__.rpartition(".")[0]
_IMPORT_FROM = opmap["IMPORT_FROM"]
_PROCESS_STARTERS = frozenset(
    f"multiprocessing.popen_{method}" for method in ("spawn_posix", "spawn_win32", "forkserver")
)

difflib = lazy.module("difflib")


def _torch_name(home_name: str) -> str:
    """The name under `torch` of a cotangent module: cotangent.nn -> torch.nn."""
    return _TORCH + home_name[len(_HOME) :]


def _home_name(name: str) -> str | None:
    """The name of the cotangent module for one of `torch`, or of `functorch`, which PyTorch brings along."""
    first, _, rest = name.partition(".")
    if first == _TORCH:
        return f"{_HOME}.{rest}" if rest else _HOME
    return f"{_HOME}.{name}" if first == "functorch" else None


def _nearest(name: str, known: Iterable[str]) -> str | None:
    """The public name in `known` that `name` most likely stands for, letter case aside."""
    folded = {k.lower(): k for k in known if not k.startswith("_")}
    match: list[str] = difflib.get_close_matches(name.lower(), folded, n=1)
    return folded[match[0]] if match else None


def _missing(symptom: str, namespace: str, name: str, known: Iterable[str]) -> str:
    """The text for a name that PyTorch may have and cotangent has not."""
    nearest = _nearest(name, known)
    hint = "" if nearest is None else f" The nearest name it has is {namespace}.{nearest}."
    return f"{symptom}: cotangent does not have it yet.{hint}"


def _names(module: ModuleType) -> set[str]:
    """What a module has: its own names, and those that its class computes when they are first asked for."""
    return {*vars(module), *vars(type(module))}


def _explaining_getattr(module: ModuleType, public: str) -> Callable[[str], object]:
    """Make the `__getattr__` of the module known as `public`: it says what is missing and what is near."""
    own: Callable[[str], object] | None = module.__dict__.get("__getattr__")

    def __getattr__(name: str) -> object:
        if own is not None:
            try:
                return own(name)
            except AttributeError:
                pass
        symptom = f"module {public!r} has no attribute {name!r}"
        if name.startswith("__"):  # the import system and `inspect` probe for these all the time
            raise AttributeError(symptom, name=name, obj=module)
        # `from torch import x` turns an AttributeError into an ImportError with a text of its own. The only
        # way to have ours in its place is to raise the ImportError here, when that instruction is asking.
        asking = sys._getframe(1)
        if asking.f_code.co_code[asking.f_lasti] == _IMPORT_FROM:
            symptom = f"cannot import name {name!r} from {public!r}"
            raise ImportError(_missing(symptom, public, name, _names(module)), name=public)
        # obj=None: the interpreter would add a "Did you mean" of its own to the printed error.
        raise AttributeError(_missing(symptom, public, name, _names(module)), name=name, obj=None)

    return __getattr__


def _mirror() -> None:
    """Register every cotangent module that is loaded under its torch name.

    This has to happen for whole packages at once. `torch.autograd.gradcheck` is a module and, as an attribute
    of its package, a function: the package rebinds the name after importing the module. The import system
    binds a submodule in its package whenever it loads one, which would undo that; what it finds registered,
    it leaves alone.
    """
    for home_name, module in list(sys.modules.items()):
        if _is_ours(home_name):
            public = _torch_name(home_name)
            sys.modules[public] = module
            if getattr(module.__dict__.get("__getattr__"), "__module__", None) != __name__:
                module.__dict__["__getattr__"] = _explaining_getattr(module, public)


class _Alias(MetaPathFinder, Loader):
    """Finder and loader of `torch` and all its submodules."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        home_name = _home_name(fullname)
        if home_name is None:
            if fullname in _PROCESS_STARTERS:  # not at `install()`: multiprocessing takes 10 ms to import
                _inherit_in_new_processes()
            return None
        home = importlib.util.find_spec(home_name)
        if home is None:
            # A question (`importlib.util.find_spec`) is answered with None; only an import is an error.
            caller = sys._getframe(1).f_back
            if caller is not None and caller.f_code.co_name == "_find_and_load_unlocked":
                package, _, name = fullname.rpartition(".")
                text = _missing(f"No module named {fullname!r}", package, name, _submodules(package))
                raise ModuleNotFoundError(text, name=fullname)
            return None
        is_package = home.submodule_search_locations is not None
        return ModuleSpec(fullname, self, origin=home.origin, is_package=is_package)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        home_name = _home_name(spec.name)
        assert home_name is not None
        module = importlib.import_module(home_name)
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The import system has just put the alias's spec on the module. It still is the cotangent module and
        # gets its own spec back: `importlib.reload` goes by it.
        spec = module.__spec__
        assert spec is not None
        module.__spec__ = spec.loader_state
        _mirror()


def _submodules(package: str) -> list[str]:
    """Names of the loaded submodules of the torch package `package`."""
    prefix = package + "."
    return [name.removeprefix(prefix) for name in sys.modules if name.startswith(prefix)]


class _InstallOnUnpickling:
    """Stands in the data that a new process is started with; reading the data there runs `install()`."""

    def __reduce__(self) -> tuple[Callable[[], None], tuple[()]]:
        return install, ()


def _inherit_in_new_processes() -> None:
    """Make processes started by multiprocessing's "spawn" and "forkserver" methods install the hook first."""
    spawn = importlib.import_module("multiprocessing.spawn")
    prepare: Callable[[str], dict[str, object]] = spawn.get_preparation_data
    if getattr(prepare, "__module__", None) == __name__:
        return

    def get_preparation_data(name: str) -> dict[str, object]:
        data = prepare(name)
        data["cotangent"] = _InstallOnUnpickling()
        if name == "ignore":
            # The fork server asks. It gets its data as text, so the hook cannot come along: the script is not
            # imported in the server, then, but in each child.
            data.pop("init_main_from_path", None)
        return data

    spawn.get_preparation_data = get_preparation_data  # type: ignore[attr-defined]


def _is_ours(name: str) -> bool:
    """Whether a module of that name is cotangent's."""
    return name == _HOME or name.startswith(_HOME + ".")


def _notice_overrides() -> None:
    """Have functions ask who takes them over as soon as a class with `__torch_function__` is defined.

    Subclasses of Tensor tell of themselves; of other classes that define it nobody else would know.
    """
    build = builtins.__build_class__

    def __build_class__(body: Any, name: str, /, *bases: Any, **keywords: Any) -> Any:
        if "__torch_function__" in body.__code__.co_names and not _is_ours(body.__module__):
            overriding.activate()
        return build(body, name, *bases, **keywords)

    builtins.__build_class__ = __build_class__


def install() -> None:
    """Make `import torch` and every `torch.*` import resolve to cotangent from now on. Idempotent.

    Raises:
        RuntimeError: if PyTorch itself has been imported in this process already.

    Example:
        >>> import subprocess, sys
        >>> code = "from cotangent.torch_alias import install; install(); import torch; print(torch.__name__)"
        >>> subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
        'torch\\n'
    """
    if any(isinstance(finder, _Alias) for finder in sys.meta_path):
        return
    if _TORCH in sys.modules:
        raise RuntimeError("PyTorch is imported already: install the alias before the first `import torch`")
    sys.meta_path.insert(0, _Alias())
    # Programs compare it with versions of PyTorch, to find out what they may call.
    cotangent.__version__ = PYTORCH
    cotangent.__name__ = _TORCH  # libraries ask for it when they look names of the form "torch.x" up
    version.__version__ = str(PYTORCH)
    _notice_overrides()
    if "multiprocessing.spawn" in sys.modules:
        _inherit_in_new_processes()
