"""An unpickler that runs nothing: the pickles of tensors, containers and numbers, and what users allow.

Python's unpickler calls whatever a pickle names. This one refuses every name that is not on the list
(`allowed.py`) before anything is imported, calls nothing but what is on it, and sets state only on
containers of known classes.
"""

from __future__ import annotations

import pickle
import pickletools
from collections import Counter, OrderedDict
from typing import Any, ClassVar, Final

from .allowed import BLOCKED, added, allowed

_OPCODES: Final = {
    getattr(pickle, name)[0]
    for name in (
        "PROTO", "FRAME", "STOP", "MARK", "POP", "POP_MARK", "DUP", "NONE", "NEWTRUE", "NEWFALSE", "INT",
        "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING",
        "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8", "UNICODE", "BINUNICODE",
        "SHORT_BINUNICODE", "BINUNICODE8", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_LIST",
        "LIST", "APPEND", "APPENDS", "EMPTY_DICT", "DICT", "SETITEM", "SETITEMS", "EMPTY_SET", "ADDITEMS",
        "FROZENSET", "GET", "BINGET", "LONG_BINGET", "PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE", "GLOBAL",
        "STACK_GLOBAL", "REDUCE", "NEWOBJ", "BUILD", "BINPERSID",
    )
}  # fmt: skip
_PYTHON_2: Final = {"__builtin__": "builtins", "copy_reg": "copyreg"}


class Refused(pickle.UnpicklingError):
    """The pickle names or does something that is not allowed; re-running it unrestricted may succeed."""


class Blocked(Refused):
    """The pickle names something that is never allowed."""


def _refuse(code: int) -> Any:
    def refuse(self: Any) -> None:
        raise Refused(f"Unsupported operand {code}")

    return refuse


class RestrictedUnpickler(pickle._Unpickler):
    """Reads pickles that hold data only.

    Args:
        file: open for reading.
        encoding: how Python 2's strings are read.
    """

    dispatch: ClassVar[Any] = {
        code: pickle._Unpickler.dispatch.get(code) if code in _OPCODES else _refuse(code)
        for code in range(256)
        if code in _OPCODES or code in pickle._Unpickler.dispatch
    }

    def __init__(self, file: Any, encoding: str = "utf-8") -> None:
        super().__init__(file, encoding=encoding)
        self._names = allowed()
        self._added = added()
        self._callable = {id(value) for value in self._names.values()}

    def find_class(self, module: str, name: str) -> Any:
        """What the pickle names, if it is on the list."""
        full = f"{module}.{name}"
        if module.partition(".")[0] in BLOCKED:
            raise Blocked(f"Trying to load unsupported GLOBAL {full} whose module {module} is blocked.")
        found = self._names.get(full, self._names.get(f"{_PYTHON_2.get(module, module)}.{name}"))
        if found is None:
            raise Refused(
                f"Unsupported global: GLOBAL {full} was not an allowed global by default. Please use"
                f" `torch.serialization.add_safe_globals([{full}])` or the"
                f" `torch.serialization.safe_globals([{full}])` context manager to allowlist this global if"
                " you trust this class/function."
            )
        return found

    def _check_callable(self, func: Any, what: str) -> None:
        if id(func) not in self._callable or not callable(func):
            raise Refused(f"Trying to call {what} for unrecognized function {func!r}")

    def load_reduce(self) -> None:
        """Call an allowed function."""
        args, func = self.stack[-1], self.stack[-2]  # type: ignore[attr-defined]
        self._check_callable(func, "reduce")
        if not isinstance(args, tuple):
            raise Refused(f"the arguments of {func!r} must be a tuple, not {type(args).__name__}")
        if func is bytearray and args and isinstance(args[0], int):
            raise Refused("bytearray of a number of bytes: only of their values")
        self.stack[-2:] = [func(*args)]  # type: ignore[attr-defined]

    def load_newobj(self) -> None:
        """Make an object of an allowed class."""
        args, kind = self.stack[-1], self.stack[-2]  # type: ignore[attr-defined]
        self._check_callable(kind, "new object")
        if not isinstance(kind, type) or not isinstance(args, tuple):
            raise Refused(f"Trying to create new object for unrecognized class {kind!r}")
        self.stack[-2:] = [kind.__new__(kind, *args)]  # type: ignore[attr-defined]

    def load_build(self) -> None:
        """Set the state of a container or of an object of a class that the user allowed."""
        state, made = self.stack.pop(), self.stack[-1]  # type: ignore[attr-defined]
        if type(made) is OrderedDict and isinstance(state, dict):
            made.__dict__.update(state)
        elif any(type(made) is kind for kind in self._added):
            if hasattr(made, "__setstate__"):
                made.__setstate__(state)
            elif isinstance(state, tuple) and len(state) == 2:
                made.__dict__.update(state[0] or {})
                for name, value in (state[1] or {}).items():
                    setattr(made, name, value)
            else:
                made.__dict__.update(state)
        else:
            raise Refused(
                "Can only build Tensor, Parameter, OrderedDict or types allowlisted via"
                f" `add_safe_globals`, but got {type(made)}"
            )

    def _container(self, made: Any, *kinds: type) -> Any:
        if type(made) not in kinds and not any(type(made) is kind for kind in self._added):
            raise Refused(f"items can only be put into {kinds[0].__name__}, but got {type(made)}")
        return made

    def load_append(self) -> None:
        """Append one item to a list."""
        value = self.stack.pop()  # type: ignore[attr-defined]
        self._container(self.stack[-1], list).append(value)  # type: ignore[attr-defined]

    def load_appends(self) -> None:
        """Append items to a list."""
        items = self.pop_mark()  # type: ignore[attr-defined]
        self._container(self.stack[-1], list).extend(items)  # type: ignore[attr-defined]

    def load_setitem(self) -> None:
        """Put one item into a dictionary."""
        value, key = self.stack.pop(), self.stack.pop()  # type: ignore[attr-defined]
        self._container(self.stack[-1], dict, OrderedDict, Counter)[key] = value  # type: ignore[attr-defined]

    def load_setitems(self) -> None:
        """Put items into a dictionary."""
        items = self.pop_mark()  # type: ignore[attr-defined]
        made = self._container(self.stack[-1], dict, OrderedDict, Counter)  # type: ignore[attr-defined]
        for at in range(0, len(items), 2):
            made[items[at]] = items[at + 1]

    def load_additems(self) -> None:
        """Put items into a set."""
        items = self.pop_mark()  # type: ignore[attr-defined]
        self._container(self.stack[-1], set).update(items)  # type: ignore[attr-defined]

    for _code, _method in (
        (pickle.REDUCE, load_reduce), (pickle.NEWOBJ, load_newobj), (pickle.BUILD, load_build),
        (pickle.APPEND, load_append), (pickle.APPENDS, load_appends), (pickle.SETITEM, load_setitem),
        (pickle.SETITEMS, load_setitems), (pickle.ADDITEMS, load_additems),
    ):  # fmt: skip
        dispatch[_code[0]] = _method
    del _code, _method


def names_in(data: bytes) -> list[str]:
    """The dotted names that a pickle asks for, without reading it.

    Args:
        data: the pickle.

    Returns:
        each name once, in order.
    """
    found: list[str] = []
    strings: list[str] = []
    memo: dict[int, str] = {}
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name == "GLOBAL":
            found.append(str(argument).replace(" ", "."))
        elif opcode.name == "STACK_GLOBAL" and len(strings) > 1:
            found.append(".".join(strings[-2:]))
        elif opcode.name in ("BINGET", "LONG_BINGET", "GET") and argument in memo:
            strings.append(memo[argument])
        elif opcode.name in ("BINPUT", "LONG_BINPUT", "PUT") and strings:
            memo.setdefault(int(str(argument)), strings[-1])
        elif opcode.name == "MEMOIZE" and strings:
            memo.setdefault(len(memo), strings[-1])
        elif isinstance(argument, str):
            strings.append(argument)
    return list(dict.fromkeys(found))
