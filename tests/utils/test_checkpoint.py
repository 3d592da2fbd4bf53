"""torch.utils.checkpoint: the same gradients with less kept; a block that computes otherwise is an error."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

import cotangent as torch
from cotangent.utils import checkpoint as module
from cotangent.utils.checkpoint import (
    CheckpointError,
    CheckpointPolicy,
    checkpoint,
    checkpoint_sequential,
    create_selective_checkpoint_contexts,
)

BOTH = pytest.mark.parametrize("reentrant", [True, False])


def count_kept(run: Callable[[], Any]) -> int:
    """How many distinct tensors the operations of a run keep for backward."""
    kept: set[int] = set()
    with torch.autograd.graph.saved_tensors_hooks(lambda t: (kept.add(t.data_ptr()), t)[1], lambda t: t):
        run()
    return len(kept)


@BOTH
def test_gradients_are_those_of_the_block(reentrant: bool) -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Dropout(0.5), torch.nn.Linear(8, 2)
    )
    x = torch.randn(3, 4, requires_grad=True)
    state = torch.get_rng_state()
    model(x).square().sum().backward()
    wanted = [t.grad.clone() for t in (x, *model.parameters())]
    after = torch.rand(2)
    for t in (x, *model.parameters()):
        t.grad = None
    torch.set_rng_state(state)
    loss = checkpoint(model, x, use_reentrant=reentrant).square().sum()
    assert torch.equal(torch.rand(2), after)  # one forward has drawn its numbers
    middle = torch.get_rng_state()
    loss.backward()
    assert torch.equal(torch.get_rng_state(), middle)  # running again leaves the generator as it was
    for t, g in zip((x, *model.parameters()), wanted):
        assert torch.equal(t.grad, g)


@BOTH
def test_inputs_and_outputs_of_all_kinds(reentrant: bool) -> None:
    x, y = torch.ones(2, requires_grad=True), torch.full((2,), 3.0)

    def block(x: Any, n: int, y: Any, none: None) -> Any:
        return x * y * n, None if reentrant else y, x.detach()

    first, _, constant = checkpoint(block, x, 5, y, None, use_reentrant=reentrant)
    (first.sum() + constant.sum()).backward()
    assert x.grad.tolist() == [15.0, 15.0]


def test_what_a_block_saves_is_not_kept() -> None:
    weight = torch.randn(5, 5, requires_grad=True)
    held: list[Any] = []

    def block(x: Any) -> Any:
        for _ in range(6):
            x = torch.sin(x @ weight)
            held.append(x._base if x._base is not None else x)
        return x

    x = torch.randn(2, 5, requires_grad=True)
    out = checkpoint(block, x, use_reentrant=False)
    import gc
    import weakref

    references = [weakref.ref(t._data) for t in held[:-1]]
    held.clear()
    gc.collect()
    assert all(reference() is None for reference in references)
    out.sum().backward()
    assert x.grad is not None
    assert count_kept(lambda: block(x)) > 6


def test_keyword_arguments_and_nesting() -> None:
    calls = []

    def inner(x: Any) -> Any:
        calls.append("inner")
        return x.sin().cos()

    def outer(x: Any, *, scale: float) -> Any:
        calls.append("outer")
        return checkpoint(inner, x.exp(), use_reentrant=False).tan() * scale

    x = torch.tensor([0.3, 0.7], requires_grad=True)
    (wanted,) = torch.autograd.grad((x.exp().sin().cos().tan() * 2.0).sum(), x)
    calls.clear()
    out = checkpoint(outer, x, scale=2.0, use_reentrant=False)
    assert calls == ["outer", "inner"]
    (found,) = torch.autograd.grad(out.sum(), x)
    assert torch.equal(found, wanted)
    assert calls == ["outer", "inner", "outer", "inner", "inner"]


def test_higher_order_and_repeated_backward() -> None:
    x = torch.tensor([0.3, 0.7], dtype=torch.float64, requires_grad=True)

    def block(x: Any) -> Any:
        return x.sin() * x.exp()

    def forget(x: Any) -> Any:
        return checkpoint(block, x, use_reentrant=False)

    assert torch.autograd.gradcheck(forget, (x,)) and torch.autograd.gradgradcheck(forget, (x,))
    out = forget(x).sum()
    (first,) = torch.autograd.grad(out, x, retain_graph=True)
    (second,) = torch.autograd.grad(out, x)
    assert torch.equal(first, second)
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        torch.autograd.grad(out, x)


def test_each_run_of_backward_computes_again() -> None:
    """Nothing of one run is left for the next, in which a parameter may have moved."""
    calls = [0]

    def block(x: Any) -> Any:
        calls[0] += 1
        return x.sin(), x.cos()

    x = torch.ones(2, requires_grad=True)
    one, two = checkpoint(block, x, use_reentrant=False)
    one.sum().backward(retain_graph=True)
    two.sum().backward(retain_graph=True)
    assert calls == [3]


def test_early_stop() -> None:
    reached = []

    def block(x: Any) -> Any:
        x = x.sin().cos()
        reached.append(1)
        return x

    x = torch.ones(2, requires_grad=True)
    checkpoint(block, x, use_reentrant=False).sum().backward()
    assert len(reached) == 1
    checkpoint(block, x, use_reentrant=False, early_stop=False).sum().backward()
    assert len(reached) == 3
    with module.set_checkpoint_early_stop(False):
        out = checkpoint(block, x, use_reentrant=False).sum()
    out.backward()
    assert len(reached) == 5


def changing(first: Callable[[Any], Any], second: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A block that computes otherwise when it runs again."""
    blocks = iter([first, second])
    return lambda x: next(blocks)(x)


def test_a_block_that_computes_otherwise_is_an_error() -> None:
    x = torch.ones(3, requires_grad=True)
    out = checkpoint(changing(lambda x: x.sin(), lambda x: x[:2].sin()), x, use_reentrant=False)
    with pytest.raises(CheckpointError) as caught:
        out.sum().backward()
    assert str(caught.value).startswith(
        "torch.utils.checkpoint: Recomputed values for the following tensors have different metadata than"
        " during the forward pass.\ntensor at position 0:\nsaved metadata: {'shape': torch.Size([3]),"
        " 'dtype': torch.float32, 'device': device(type='cpu')}\nrecomputed metadata: {'shape':"
        " torch.Size([2]), 'dtype': torch.float32, 'device': device(type='cpu')}\n.\n\nTip: To see a more"
        " detailed error message"
    )
    out = checkpoint(changing(lambda x: x.sin().cos(), lambda x: x.sin()), x, use_reentrant=False, debug=True)
    with pytest.raises(CheckpointError, match="A different number of tensors was saved") as caught:
        out.sum().backward()
    assert (
        "Number of tensors saved during forward: 2\nNumber of tensors saved during recomputation: 1."
        in str(caught.value)
    )
    assert str(caught.value).count("test_checkpoint.py:") == 3
    out = checkpoint(
        changing(lambda x: x.sin(), lambda x: (x + 1).sin()),
        x,
        use_reentrant=False,
        determinism_check="none",
    )
    out.sum().backward()
    assert x.grad.tolist() == torch.full((3,), 2.0).cos().tolist()


def test_context_fn_surrounds_both_runs() -> None:
    seen = []

    class Context:
        def __init__(self, name: str) -> None:
            self.name = name

        def __enter__(self) -> None:
            seen.append(self.name)

        def __exit__(self, *_: object) -> None:
            seen.append("/" + self.name)

    x = torch.ones(1, requires_grad=True)
    out = checkpoint(
        lambda x: x.sin(), x, use_reentrant=False, context_fn=lambda: (Context("first"), Context("second"))
    )
    assert seen == ["first", "/first"]
    out.backward()
    assert seen == ["first", "/first", "second", "/second"]


def test_refusals() -> None:
    x = torch.ones(3, requires_grad=True)
    with pytest.warns(
        UserWarning, match=r"torch.utils.checkpoint: the use_reentrant parameter should be passed"
    ):
        checkpoint(torch.sin, x)
    with pytest.warns(UserWarning, match="None of the inputs have requires_grad=True"):
        checkpoint(torch.sin, torch.ones(3), use_reentrant=True)
    with pytest.raises(ValueError, match="Unexpected keyword arguments: foo"):
        checkpoint(torch.sin, x, use_reentrant=True, foo=1)
    with pytest.raises(ValueError, match="only supported when use_reentrant=False"):
        checkpoint(torch.sin, x, use_reentrant=True, debug=True)
    with pytest.raises(
        ValueError, match=r"determinism_check should be one of \['default', 'none'\], but got foo"
    ):
        checkpoint(torch.sin, x, use_reentrant=False, determinism_check="foo")
    out = checkpoint(torch.sin, x, use_reentrant=True).sum()
    with pytest.raises(RuntimeError, match=r"incompatible with .grad\(\) or passing an `inputs` parameter"):
        torch.autograd.grad(out, x, retain_graph=True)
    with pytest.raises(RuntimeError, match=r"incompatible with .grad\(\) or passing an `inputs` parameter"):
        out.backward(inputs=[x])
    with pytest.raises(RuntimeError, match="none of output has requires_grad=True"):
        checkpoint(lambda x: x.detach(), x, use_reentrant=True).sum().backward()


@BOTH
@pytest.mark.parametrize("segments", [1, 2, 3])
def test_sequential(segments: int, reentrant: bool) -> None:
    model = torch.nn.Sequential(*(torch.nn.Linear(3, 3) for _ in range(5)))
    x = torch.ones(2, 3, requires_grad=True)
    (wanted,) = torch.autograd.grad(model(x).sum(), x)
    checkpoint_sequential(model, segments, x, use_reentrant=reentrant).sum().backward()
    assert torch.equal(x.grad, wanted)
    checkpoint_sequential(list(model), segments, x, use_reentrant=reentrant)


def test_a_policy_keeps_results() -> None:
    """Kept products are not computed again; gradients are the same."""
    asked: list[tuple[bool, str]] = []
    products: list[int] = []

    def policy(context: Any, op: Any, *args: Any) -> Any:
        asked.append((context.is_recompute, str(op)))
        keep = op == torch.ops.aten.mm.default
        return module.CheckpointPolicy.MUST_SAVE if keep else module.CheckpointPolicy.PREFER_RECOMPUTE

    w = torch.randn(3, 3, requires_grad=True)
    x = torch.randn(1, 3, requires_grad=True)

    def block(x: Any) -> Any:
        y = x @ w
        products.append(y.data_ptr())
        return (y.sin() @ w).exp().sum()

    wanted = torch.autograd.grad(block(x), (x, w))
    for chosen in (
        policy,
        [torch.ops.aten.mm.default],
        lambda context, op, *args: True,
        lambda *args: False,
    ):
        found = torch.autograd.grad(
            checkpoint(
                block,
                x,
                use_reentrant=False,
                context_fn=lambda chosen=chosen: module.create_selective_checkpoint_contexts(chosen),
            ),
            (x, w),
        )
        assert all(torch.equal(a, b) for a, b in zip(found, wanted))
    assert [name for _, name in asked][:3] == ["aten.mm.default", "aten.sin.default", "aten.mm.default"]
    assert not any(again for again, _ in asked)


def test_what_is_kept_is_not_computed_again() -> None:
    """The second run gets what the first one kept even where the operands have changed since."""
    w = torch.ones(2, 2, requires_grad=True)
    scale = [1.0]

    def block(x: Any) -> Any:
        return ((x * scale[0]) @ w).sin().sum()

    def gradient(kept: list[Any]) -> list[Any]:
        scale[0] = 1.0
        x = torch.ones(1, 2)
        out = checkpoint(
            block,
            x,
            use_reentrant=False,
            context_fn=lambda: module.create_selective_checkpoint_contexts(kept),
        )
        scale[0] = 3.0
        found: list[Any] = torch.autograd.grad(out, w)[0].flatten().tolist()
        return found

    import math

    assert gradient([torch.ops.aten.mm.default]) == pytest.approx([3.0 * math.cos(2.0)] * 4)
    assert gradient([]) == pytest.approx([3.0 * math.cos(6.0)] * 4)


def test_policies_that_are_none() -> None:
    with pytest.raises(TypeError, match="policy_fn_or_list must be either a function or a list of ops"):
        module.create_selective_checkpoint_contexts(3)
    with pytest.raises(ValueError, match="Expected op in `op_list` to be an OpOverload but got: 3 of type"):
        module.create_selective_checkpoint_contexts([3])
    with pytest.raises(AttributeError, match="'aten' object has no attribute 'no_such_thing'"):
        _ = torch.ops.aten.no_such_thing


def test_a_policy_is_asked_about_operators_that_programs_define() -> None:
    calls = []

    @torch.library.custom_op("kept_operators::wave", mutates_args=())
    def wave(x: torch.Tensor, times: int = 1) -> tuple[torch.Tensor, int]:
        calls.append(times)
        return x.sin() * times, times

    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(inputs[0])
        ctx.times = inputs[1]

    def backward(ctx: Any, g: Any, _: Any) -> Any:
        return g * ctx.saved_tensors[0].cos() * ctx.times, None

    wave.register_autograd(backward, setup_context=setup_context)
    operator = torch.ops.kept_operators.wave.default
    assert isinstance(operator, type(torch.ops.aten.mm.default))

    def block(x: torch.Tensor) -> torch.Tensor:
        return (torch.ops.kept_operators.wave(x, 2)[0] * x.exp()).sin()

    asked = []

    def policy(context: Any, op: Any, *args: Any, **kwargs: Any) -> CheckpointPolicy:
        asked.append((str(op), [a.shape if isinstance(a, torch.Tensor) else a for a in args]))
        return CheckpointPolicy.PREFER_RECOMPUTE

    for choice, expected in (([operator], 1), (policy, 2)):
        calls.clear()
        x = torch.linspace(0.1, 1.0, 3, requires_grad=True)
        contexts = partial(create_selective_checkpoint_contexts, choice)
        (kept,) = torch.autograd.grad(
            checkpoint(block, x, use_reentrant=False, context_fn=contexts).sum(), x
        )
        assert len(calls) == expected
        assert torch.equal(kept, torch.autograd.grad(block(x).sum(), x)[0])
    assert ("kept_operators.wave.default", [(3,), 2]) in asked
    assert not any("aten.mul" in op and args == [(3,), 2] for op, args in asked)  # inside of it
