"""Compares every module of PyTorch's `module_db` with ours, on PyTorch's own inputs.

For each input both libraries build the module from the same seed, print it, run it forward and backward, and
train it for ten steps; `differences` says in words where they part.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import ml_dtypes
import numpy as np
import torch
from torch.testing._internal.common_modules import ModuleInfo, ModuleInput, module_db

import cotangent

STEPS = 10
# (relative, absolute), of outputs and gradients and of what ten steps make of them.
LIMITS = {"float64": (1e-7, 1e-9), "float32": (2e-4, 2e-5), "float16": (2e-2, 2e-3)}

# "nn.Name" or "nn.Name[description of an input]" -> why it may differ.
EXCUSED: dict[str, str] = {}


@dataclass
class Case:
    """One input of one module."""

    info: ModuleInfo
    position: int
    training: bool
    dtype: str

    @property
    def name(self) -> str:
        """Such as `nn.Linear`."""
        return str(self.info.name)

    def input(self) -> ModuleInput:
        """PyTorch's input."""
        return inputs(self.info, self.training, self.dtype)[self.position]


@dataclass
class Run:
    """What one library makes of an input; `error` ends it."""

    error: str = ""
    printed: str = ""
    start: dict[str, Any] = field(default_factory=dict)
    outputs: list[Any] = field(default_factory=list)
    input_gradients: list[Any] = field(default_factory=list)
    gradients: dict[str, Any] = field(default_factory=dict)
    end: dict[str, Any] = field(default_factory=dict)


@functools.lru_cache(2)
def inputs(info: ModuleInfo, training: bool, dtype: str) -> list[ModuleInput]:
    """PyTorch's inputs of a module, drawn from a fixed seed; nobody may change them."""
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = info.module_inputs_func(
            info, device="cpu", dtype=getattr(torch, dtype), requires_grad=True, training=training
        )
    return list(found)


def dtypes(info: ModuleInfo) -> list[str]:
    """Those of the two real dtypes that the module knows."""
    known = {str(d).removeprefix("torch.") for d in info.supported_dtypes("cpu")}
    return [d for d in ("float64", "float32") if d in known]


def cases(info: ModuleInfo, dtype: str) -> Iterator[Case]:
    """All cases of a module: in evaluation too where that differs."""
    for training in (True, False) if info.train_and_eval_differ else (True,):
        for position in range(len(inputs(info, training, dtype))):
            yield Case(info, position, training, dtype)


def known(case: ModuleInfo) -> bool:
    """Whether we have a module of that name."""
    return hasattr(cotangent.nn, case.name.rpartition(".")[2])


def array(value: Any) -> np.ndarray[Any, Any]:
    """The values of a tensor of either library."""
    value = value.detach()
    if "bfloat16" in str(value.dtype):
        return np.asarray(value.float().numpy()).astype(ml_dtypes.bfloat16)
    return np.array(value.resolve_conj().numpy())


def carried(value: Any, xp: Any) -> Any:
    """An argument of PyTorch's as one of `xp`'s; the tensors are new in either case."""
    if isinstance(value, torch.nn.Module):
        return copy.deepcopy(value) if xp is torch else _layer(value)
    if isinstance(value, torch.Tensor):
        made = value.detach().clone() if xp is torch else xp.from_numpy(array(value))
        return made.requires_grad_(value.requires_grad)
    if xp is torch:
        return _nest(value, xp)
    if isinstance(value, torch.dtype):
        return getattr(xp, str(value).removeprefix("torch."))
    if isinstance(value, torch.device):
        return str(value)
    if isinstance(value, torch.nn.LinearCrossEntropyOptions):
        return xp.nn.LinearCrossEntropyOptions(**carried(dataclasses.asdict(value), xp))
    if callable(value) and hasattr(torch.nn.functional, getattr(value, "__name__", "")):
        return getattr(xp.nn.functional, value.__name__)
    return _nest(value, xp)


def _nest(value: Any, xp: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return type(value)(carried(item, xp) for item in value)
    if isinstance(value, dict):
        return {key: carried(item, xp) for key, item in value.items()}
    return value


def _layer(layer: torch.nn.Module) -> Any:
    """Our form of the one kind of module that is an argument of others."""
    assert isinstance(layer, torch.nn.TransformerEncoderLayer)
    made = cotangent.nn.TransformerEncoderLayer(
        layer.linear1.in_features,
        layer.self_attn.num_heads,
        layer.linear1.out_features,
        layer.dropout.p,
        carried(layer.activation, cotangent),
        layer.norm1.eps,
        layer.self_attn.batch_first,
        layer.norm_first,
        layer.linear1.bias is not None,
        dtype=carried(layer.linear1.weight.dtype, cotangent),
    )
    made.load_state_dict({key: carried(value, cotangent) for key, value in layer.state_dict().items()})
    return made


def tensors(value: Any) -> Iterator[Any]:
    """The tensors in a nest of tuples, lists and dicts."""
    if isinstance(value, (torch.Tensor, cotangent.Tensor)):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from tensors(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from tensors(item)


def _loss(xp: Any, outputs: list[Any]) -> Any:
    """A sum of all outputs, each element with a weight of its own."""
    total = None
    for output in outputs:
        if output.requires_grad:
            weights = np.cos(np.arange(output.numel())).reshape(tuple(output.shape))
            term = (output * xp.from_numpy(weights).to(output.dtype)).sum().abs()
            total = term if total is None else total + term
    return total


def _state(module: Any) -> dict[str, Any]:
    return {key: array(value) for key, value in module.state_dict().items()}


def run(xp: Any, case: Case) -> Run:
    """What `xp` makes of a case."""
    given, result = case.input(), Run()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # on busy machines PyTorch's threads wait for each other for most of the time
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _run(xp, case, given, result)
    except (AttributeError, AssertionError, NotImplementedError) as error:
        result.error = f"{type(error).__name__}: {error}"
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        result.error = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    finally:
        torch.set_num_threads(threads)
    return result


def _run(xp: Any, case: Case, given: ModuleInput, result: Run) -> None:
    built, called = given.constructor_input, given.forward_input
    xp.manual_seed(1)
    module = getattr(xp.nn, case.name.rpartition(".")[2])(
        *carried(built.args, xp), **carried(built.kwargs, xp)
    )
    module = module.to(getattr(xp, case.dtype)).train(case.training)
    result.printed = repr(module)
    if not case.info.is_lazy:
        result.start = _state(module)
    if called is None:
        return
    args, kwargs = carried(called.args, xp), carried(called.kwargs, xp)
    xp.manual_seed(2)
    found = module(*args, **kwargs)
    if case.info.is_lazy:
        result.start = _state(module)
    outputs = list(tensors(found))
    result.outputs = [array(output) for output in outputs]
    loss = _loss(xp, outputs)
    if loss is None:
        return
    loss.backward()
    result.input_gradients = [
        None if t.grad is None else array(t.grad) for t in tensors([args, kwargs]) if t.requires_grad
    ]
    result.gradients = {
        key: None if p.grad is None else array(p.grad) for key, p in module.named_parameters()
    }
    if result.gradients:
        optimizer = xp.optim.SGD(module.parameters(), lr=0.01, momentum=0.5)
        args, kwargs = detached(args), detached(kwargs)
        for _ in range(STEPS):
            optimizer.zero_grad()
            loss = _loss(xp, list(tensors(module(*args, **kwargs))))
            if loss is None:
                break
            loss.backward()
            optimizer.step()
    result.end = _state(module)


def detached(value: Any) -> Any:
    """The same arguments without a wish for gradients."""
    if isinstance(value, (torch.Tensor, cotangent.Tensor)):
        return value.detach()
    if isinstance(value, (list, tuple)):
        return type(value)(detached(item) for item in value)
    if isinstance(value, dict):
        return {key: detached(item) for key, item in value.items()}
    return value


def _apart(ours: Any, theirs: Any, limits: tuple[float, float]) -> str:
    """How two arrays differ, "" if they do not."""
    if ours is None or theirs is None:
        return (
            ""
            if ours is theirs
            else f"{'none' if ours is None else 'one'} where PyTorch has "
            + ("none" if theirs is None else "one")
        )
    if ours.dtype != theirs.dtype or ours.shape != theirs.shape:
        return f"{ours.dtype} {ours.shape}, PyTorch {theirs.dtype} {theirs.shape}"
    if ours.dtype.kind not in "fc":
        return "" if (ours == theirs).all() else "other integers"
    one, other = (a.astype(np.complex128 if a.dtype.kind == "c" else np.float64) for a in (ours, theirs))
    if np.allclose(one, other, *limits, equal_nan=True):
        return ""
    return f"apart by {np.nanmax(np.abs(one - other)):.3g}"


def differences(case: Case) -> list[str]:
    """Where ours parts from PyTorch's, in words; nothing if nowhere."""
    ours, theirs = run(cotangent, case), run(torch, case)
    if ours.error or theirs.error:
        if ours.error == theirs.error:
            return []
        return [f"{ours.error or 'no error'}, PyTorch {theirs.error or 'none'}"]
    found = []
    limits = LIMITS[case.dtype]
    if ours.printed != theirs.printed:
        found.append(f"printed as {ours.printed!r}, PyTorch {theirs.printed!r}")
    if list(ours.start) != list(theirs.start):
        return [*found, f"state {list(ours.start)}, PyTorch {list(theirs.start)}"]
    if len(ours.outputs) != len(theirs.outputs):
        return [*found, f"{len(ours.outputs)} outputs, PyTorch {len(theirs.outputs)}"]
    if len(ours.input_gradients) != len(theirs.input_gradients):
        return [*found, "a gradient of other inputs"]
    pairs: list[tuple[str, Any, Any, tuple[float, float]]] = []
    pairs += [(f"first {k}", ours.start[k], theirs.start[k], (1e-6, 1e-7)) for k in ours.start]
    for what in ("outputs", "input_gradients"):
        both = zip(getattr(ours, what), getattr(theirs, what), strict=True)
        pairs += [(f"{what}[{i}]", one, other, limits) for i, (one, other) in enumerate(both)]
    pairs += [(f"gradient of {k}", g, theirs.gradients.get(k), limits) for k, g in ours.gradients.items()]
    pairs += [(f"{k} after training", v, theirs.end.get(k), limits) for k, v in ours.end.items()]
    found += [f"{what}: {text}" for what, a, b, limit in pairs if (text := _apart(a, b, limit))]
    return found


def failures(
    info: ModuleInfo, dtype: str, tell: Callable[[str], None] | None = None, most: int | None = None
) -> tuple[int, int, int]:
    """(cases that agree, excused, that differ) of a module; each that differs is told.

    Args:
        info: the module.
        dtype: dtype of parameters and inputs.
        tell: called with a line for each case that differs.
        most: how many cases to look at, evenly spaced among all; None for all.
    """
    agree = excused = differ = 0
    listed = list(cases(info, dtype))
    step = 1 if most is None else -(-len(listed) // most)
    for case in listed[::step]:
        label = f"{case.name}[{case.position} {case.input().desc}{'' if case.training else ' eval'}]"
        if case.name in EXCUSED or label in EXCUSED:
            excused += 1
            continue
        found = differences(case)
        agree += not found
        differ += bool(found)
        if found and tell is not None:
            tell(f"{label} {dtype}: " + "; ".join(found))
    return agree, excused, differ


MODULES: list[ModuleInfo] = list(module_db)
