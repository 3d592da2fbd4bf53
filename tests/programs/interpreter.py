"""Executes a program on a namespace and writes down everything that can be observed."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from types import CodeType
from typing import Any

from .program import Kind, Program, Step, follow

Fields = dict[str, Any]
ADDRESS = re.compile(r"0x[0-9a-f]+")


@dataclass(slots=True)
class Record:
    """What was seen after one step.

    Args:
        error: exception type and full text, or None.
        grad_mode: whether gradients were being recorded.
        names: live name -> what is observable of its value.
    """

    error: str | None
    grad_mode: bool
    names: dict[str, Fields] = field(default_factory=dict)


@lru_cache(maxsize=8192)
def _compiled(text: str, mode: str) -> CodeType:
    return compile(text, "<program>", mode)


def _explain(error: BaseException) -> str:
    return f"{type(error).__name__}: {ADDRESS.sub('0x', str(error))}"


def peek(get: Callable[[], Any]) -> Any:
    """Read a field; reading may raise, and that too must agree.

    Args:
        get: reads it.

    Returns:
        The value, or a text that says what reading raises.
    """
    try:
        return get()
    except Exception as error:
        return f"raises {_explain(error)}"


def _node(tensor: Any) -> str | None:
    return None if tensor.grad_fn is None else type(tensor.grad_fn).__name__


def _edges(tensor: Any) -> tuple[tuple[str | None, int], ...]:
    if tensor.grad_fn is None:
        return ()
    return tuple((node and type(node).__name__, number) for node, number in tensor.grad_fn.next_functions)


class Machine:
    """One library running one program.

    Args:
        xp: the library: torch, or anything with its interface.
    """

    def __init__(self, xp: Any) -> None:
        self.xp = xp
        self.env: dict[str, Any] = {"torch": xp}
        self.blocks: list[Any] = []
        self.gradients: set[str] = set()

    def execute(self, step: Step) -> str | None:
        """Run one step.

        Args:
            step: the step.

        Returns:
            What it raised, or None.
        """
        try:
            if step.kind is Kind.ENTER:
                block = eval(_compiled(step.text, "eval"), self.env)
                block.__enter__()
                self.blocks.append(block)
            elif step.kind is Kind.EXIT:
                if self.blocks:
                    self.blocks.pop().__exit__(None, None, None)
            else:
                follow(step.text, self.gradients)
                exec(_compiled(step.text, "exec"), self.env)
        except Exception as error:
            return _explain(error)
        return None

    def close(self) -> None:
        """Leave every block that is still open."""
        while self.blocks:
            self.blocks.pop().__exit__(None, None, None)

    def live(self) -> dict[str, Any]:
        """The program's own variables.

        Returns:
            name -> value, in order of creation.
        """
        return {name: value for name, value in self.env.items() if name[0] in "tn" and name[1:].isdigit()}

    def observe(self, error: str | None, full: bool) -> Record:
        """Look at every live variable.

        Args:
            error: what the step raised.
            full: also read what makes a view bring its history up to date.

        Returns:
            The record.
        """
        record = Record(error, peek(lambda: self.xp.is_grad_enabled()))
        first: dict[int, str] = {}
        values = self.live()
        names = {id(value): name for name, value in reversed(values.items())}
        for name, value in values.items():
            alias = first.setdefault(id(value), name) if isinstance(value, self.xp.Tensor) else name
            if alias != name:
                record.names[name] = {"alias": alias}
            elif isinstance(value, self.xp.Tensor):
                record.names[name] = self._tensor(value, names, full)
            else:
                record.names[name] = {"value": value if isinstance(value, (bool, int, float)) else str(value)}
        return record

    def _tensor(self, tensor: Any, names: dict[int, str], full: bool) -> Fields:
        seen: Fields = {
            "dtype": peek(lambda: str(tensor.dtype)),
            "shape": peek(lambda: tuple(tensor.shape)),
            "requires_grad": peek(lambda: tensor.requires_grad),
        }
        if full:
            seen["is_leaf"] = peek(lambda: tensor.is_leaf)
            seen["grad_fn"] = peek(lambda: _node(tensor))
            seen["next_functions"] = peek(lambda: _edges(tensor))
            seen["is_inference"] = peek(lambda: tensor.is_inference())
            seen["is_contiguous"] = peek(lambda: tensor.is_contiguous())
        seen["_base"] = peek(lambda: self._base(tensor, names))
        seen["_version"] = peek(lambda: tensor._version)
        seen["value"] = peek(lambda: tensor.tolist())
        if full and (seen["is_leaf"] is True or peek(lambda: tensor.retains_grad) is True):
            seen["grad"] = peek(lambda: self._grad(tensor.grad, names))
        return seen

    def _base(self, tensor: Any, names: dict[int, str]) -> str | None:
        base = tensor._base
        if base is None:
            return None
        return names.get(id(base), f"unnamed {tuple(base.shape)}")

    def _grad(self, grad: Any, names: dict[int, str]) -> Fields | None:
        if grad is None:
            return None
        return {
            "is": names.get(id(grad)),
            "dtype": str(grad.dtype),
            "shape": tuple(grad.shape),
            "requires_grad": grad.requires_grad,
            "grad_fn": _node(grad),
            "value": grad.tolist(),
        }


@contextmanager
def session(xp: Any) -> Iterator[Machine]:
    """A fresh machine with warnings silenced and gradients on; blocks are closed at the end."""
    machine = Machine(xp)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with xp.enable_grad():
            try:
                yield machine
            finally:
                machine.close()


def run(xp: Any, program: Program) -> list[Record]:
    """Execute a program; a step that raises is written down and the program goes on.

    Args:
        xp: the library to run on.
        program: the program.

    Returns:
        One record per step.
    """
    last = len(program.steps) - 1
    with session(xp) as machine:
        return [
            machine.observe(machine.execute(step), program.watched or number == last)
            for number, step in enumerate(program.steps)
        ]


def numbers(record: Record) -> Iterator[float]:
    """Every finite magnitude in a record: values and gradients.

    Args:
        record: what was seen.

    Returns:
        Magnitudes, in no particular order.
    """
    for fields in record.names.values():
        yield from magnitudes(fields.get("value"))
        grad = fields.get("grad")
        if isinstance(grad, dict):
            yield from magnitudes(grad["value"])


def magnitudes(value: Any) -> list[float]:
    """The finite magnitudes in a number or in nested lists of numbers.

    Args:
        value: the numbers; anything else counts as none.

    Returns:
        Magnitudes in order.
    """
    if isinstance(value, list):
        return [size for item in value for size in magnitudes(item)]
    if not isinstance(value, (int, float, complex)):
        return []
    size = float(abs(value))
    return [size] if math.isfinite(size) else []
