"""What a program is made of, for people: tape, fused groups, memory, and where the time goes."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from ..kernels import runtime
from .fuse import CallUnit, LoopUnit, ProductUnit, SpecialUnit
from .ir import NUMPY, Base
from .program import Program
from .schedule import CheckUnit, NumberUnit


def describe(unit: Any) -> str:
    """A unit in a line."""
    if isinstance(unit, ProductUnit):
        a = unit.node.args[0]
        shape = "x".join(map(str, (*unit.node.out.shape, a.shape[-1])))
        behind = f" then {_names(unit.epilogue)}" if unit.epilogue else ""
        return f"product {shape}{behind}"
    if isinstance(unit, LoopUnit):
        over = f" over {list(unit.axes)}" if unit.axes else ""
        return f"loop {list(unit.shape)}{over}: {_names(unit)}"
    if isinstance(unit, SpecialUnit):
        name = unit.node.name if unit.node.name != "plan" else f"convolution ({unit.node.statics[2]})"
        return f"{name} {list(unit.node.out.shape)}"
    if isinstance(unit, CallUnit):
        return f"NumPy {unit.node.step.op.name} {[list(b.shape) for b in unit.node.outs]}"
    return "numbers in Python" if isinstance(unit, NumberUnit) else "guards"


def _names(loop: LoopUnit) -> str:
    counts: dict[str, int] = {}
    for node in loop.nodes:
        name = getattr(node, "name", None) or node.how
        counts[name] = counts.get(name, 0) + 1
    return " ".join(name if n == 1 else f"{name}*{n}" for name, n in counts.items())


def seconds(program: Program, unit: Any, repeats: int = 20) -> float:
    """How long the native steps of a unit take alone, on memory of their own: the best of some runs."""
    memory: dict[int, Any] = {}
    scratch = np.zeros(program.emitted[id(unit)].scratch + 128, np.uint8)
    start = scratch.ctypes.data + -scratch.ctypes.data % 128

    def place(base: Base) -> int:
        if base.role == "const":
            return int(base.value.ctypes.data)
        if id(base) not in memory:
            memory[id(base)] = np.zeros(max(base.nbytes, 1) + 128, np.uint8)
        return int(memory[id(base)].ctypes.data)

    steps = []
    for step, spots in program.emitted[id(unit)].steps:
        buffers = [(start if s.base is None else place(s.base)) + s.offset for s in spots]
        steps.append(runtime.Step(step.kernel, buffers, step.numbers, step.count, step.grain, step.barrier))
    if not steps:
        return 0.0
    made = runtime.Program(steps)
    best = float("inf")
    for _ in range(repeats):
        begun = time.perf_counter()
        made.run()
        best = min(best, time.perf_counter() - begun)
    return best


def table(program: Program, peak: float, bandwidth: float) -> str:
    """Fused groups with memory and time.

    Args:
        program: the program.
        peak: floating-point operations a second that the machine reaches.
        bandwidth: bytes a second.
    """
    lines = []
    total = floor = 0.0
    for stage, group in enumerate(program.schedule.stages):
        for unit in group:
            emitted = program.emitted.get(id(unit))
            if emitted is None:
                if not isinstance(unit, (NumberUnit, CheckUnit)):
                    lines.append(f"{stage:4}                            {describe(unit)}")
                continue
            spent = seconds(program, unit)
            least = emitted.flops / peak + (0.0 if emitted.flops else emitted.nbytes / bandwidth)
            total, floor = total + spent, floor + least
            lines.append(
                f"{stage:4} {spent * 1e6:10.1f} us, floor {least * 1e6:8.1f}   {describe(unit)[:100]}"
            )
    lines.append(f"     {total * 1e6:10.1f} us, floor {floor * 1e6:8.1f}   all groups, each alone")
    return "\n".join(lines)


def memory(program: Program) -> str:
    """The memory plan in bytes."""
    given = sum(b.nbytes for b in program.lowered.inputs.values() if b.kind in NUMPY)
    made = sum(
        v.base.nbytes
        for v in program.results
        if id(v.base) not in program.schedule.in_place and v.base.kind in NUMPY
    )
    placed = sum(program.placed)
    return (
        f"inputs {given} bytes, {placed} of them written in place; results {made} bytes; temporaries "
        f"{program.arena_bytes} bytes for {program.asked_bytes} asked for"
    )


def groups(program: Program) -> str:
    """Fused groups by stage; those of a stage do not wait for each other."""
    return "\n".join(
        f"{stage:4} {describe(unit)}" for stage, group in enumerate(program.schedule.stages) for unit in group
    )


def machine() -> tuple[float, float]:
    """(floating-point operations a second of a large product, bytes a second of a copy)."""
    a = np.ones((1024, 1024), np.float32)
    big, target = np.ones(1 << 24, np.float32), np.empty(1 << 24, np.float32)

    def best(f: Any) -> float:
        found = float("inf")
        for _ in range(7):
            begun = time.perf_counter()
            f()
            found = min(found, time.perf_counter() - begun)
        return found

    return 2 * 1024**3 / best(lambda: a @ a), 2 * big.nbytes / best(lambda: np.copyto(target, big))
