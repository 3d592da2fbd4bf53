"""Short programs on which random testing once found cotangent and PyTorch to differ.

Each ends by evaluating SHOWN: what it evaluates to, or the error on the way, is recorded from PyTorch by
tools/record_programs_found.py in tests/data/programs_found.json.
"""

from __future__ import annotations

import warnings
from typing import Any

FOUND: dict[str, tuple[str, str]] = {
    "real_to_a_complex_power": (
        """
x = torch.tensor([0.5, 0.75], dtype=torch.float64, requires_grad=True)
(x ** (1 + 1j)).backward(torch.tensor([0.5 + 0.25j, 1j], dtype=torch.complex128))
""",
        "[round(v, 9) for v in x.grad.tolist()]",
    ),
    "complex_gradient_of_a_real_operand_of_where": (
        """
x = torch.tensor(1.75, requires_grad=True)
y = torch.where(x > 0, x, torch.tensor([1j, 2j]))
y.backward(torch.ones_like(y))
""",
        "None",
    ),
    "complex_number_beside_a_real_operand_of_where": (
        """
x = torch.tensor([1.75, -1.0], requires_grad=True)
y = torch.where(x > 0, x, 1j) * torch.where(x > 0, 2j, x)
y.backward(torch.tensor([1j, 2.0 + 1j]))
node = torch.where(x > 0, x, 1j).grad_fn.next_functions[0][0]
""",
        "y.tolist(), x.grad.tolist(), type(node).__name__, torch.where(x > 0, torch.tensor(3), 1j).dtype",
    ),
    "exponents_that_backward_reads_have_no_history": (
        """
with torch.inference_mode():
    pass
x = torch.tensor([0.75, -6.0], dtype=torch.float64, requires_grad=True)
(g,) = torch.autograd.grad((torch.frexp(x).mantissa ** 2).sum(), x, create_graph=True)
(second,) = torch.autograd.grad(g.sum(), x)
""",
        "g.tolist(), second.tolist()",
    ),
    "integers_with_a_history": (
        "x = torch.tensor([1, 2])\nx[0] = torch.tensor(1.75, requires_grad=True)\ny = x - x",
        "None",
    ),
    "floats_of_integers_with_a_history": (
        "x = torch.tensor([1, 2])\nx[0] = torch.tensor(1.75, requires_grad=True)\ny = x * 0.5",
        "y.tolist(), type(y.grad_fn).__name__",
    ),
    "a_view_whose_history_was_never_made_is_a_leaf_to_writes": (
        """
x = torch.tensor([0.5])
y = x[None]
x.mul_(torch.ones(1, requires_grad=True))
y.fill_(2)
""",
        "None",
    ),
    "product_along_the_dimension_of_a_scalar": (
        "x = torch.tensor(0.25, requires_grad=True)",
        "type(x.prod(0).grad_fn).__name__, type(x.prod().grad_fn).__name__",
    ),
    "values_added_in_turn_to_an_expanded_tensor": (
        """
x = torch.tensor([1.0, 0.5])
y = x.expand(2, 2)
y.index_put_((torch.tensor([1, 0]),), y.clone(), accumulate=True)
""",
        "x.tolist()",
    ),
    "values_read_while_they_are_written": (
        """
x = torch.tensor([[0.75, -2.0], [-0.25, 3.0]])
y = x.diagonal()
y.index_put_((torch.tensor([1, 0]),), y.data)
""",
        "x.tolist()",
    ),
    "lost_history_before_sizes": (
        """
x, y = (torch.ones(2, requires_grad=True) * 2).unbind(0)
with torch.no_grad():
    x.mul_(2)
torch.stack([y, torch.ones(2)])
""",
        "None",
    ),
    "inference_before_sizes": (
        """
with torch.inference_mode():
    x = torch.ones(3).mean()
torch.dot(x, torch.ones(2, 3, requires_grad=True))
""",
        "None",
    ),
    "directions_of_infinite_numbers": (
        "x = torch.tensor([complex(float('inf'), 1), 0j, 3 - 4j])",
        "str(torch.sgn(x).tolist())",
    ),
    "memory_order_of_results": (
        """
x = torch.arange(24.0).view(2, 3, 4).transpose(0, 2)
made = x.sort(0)[0], x.sum(1), x.cumsum(0), x.softmax(1), x.roll(1, 0), x.tril(), x.cos()
""",
        "[t.stride() for t in made]",
    ),
    "places_in_a_key_with_none": ("x = torch.ones(3, 2)\nx[None, 0, 5]", "None"),
    "bool_operand_of_atan2": (
        """
x = torch.tensor([1.0, 2.0], requires_grad=True)
torch.atan2(torch.tensor([True, False]), x).sum().backward()
""",
        "None",
    ),
    "write_to_an_inference_tensor_outside_arrives_before_the_error": (
        """
with torch.inference_mode():
    t = torch.ones(3) * 2
try:
    t.neg_()
except RuntimeError as error:
    text = str(error)
""",
        "t.tolist(), text",
    ),
    "index_copy_into_an_inference_tensor_outside": (
        """
with torch.inference_mode():
    t = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).cos()
before = t.tolist()
try:
    t.index_copy_(0, torch.tensor([1, 0]), t.clone())
except RuntimeError:
    pass
""",
        "t.tolist() == before[::-1]",
    ),
    "gradient_after_create_graph_is_added_to_each_element": (
        """
x = torch.tensor([0.25, -0.5, 0.0], dtype=torch.float64, requires_grad=True)
y = x.asin()
x.sum().backward(create_graph=True)
y.sum().backward()
""",
        "[round(v, 9) for v in x.grad.tolist()], x.grad.requires_grad",
    ),
    "a_run_for_a_non_leaf_frees_its_node": (
        """
x = torch.tensor([-1.0, 1.5], requires_grad=True)
y = x.sin()
z = y.to(torch.float32, copy=True)
y.sum().backward(inputs=[y])
z.mean().backward()
""",
        "None",
    ),
    "operand_in_the_memory_written": ("x = torch.ones(3)\nx.unsqueeze(0).div_(x)", "None"),
    "copy_in_the_memory_written": ("x = torch.ones(3)\nx.unsqueeze(0).copy_(x.detach())", "None"),
    "values_in_the_memory_indexed": ("x = torch.ones(3)\nx[torch.tensor([0, 1, 2])] = x", "None"),
    "fill_through_an_expanded_tensor": ("x = torch.ones(3)\nx.expand(2, 3).fill_(4)", "x.tolist()"),
    "add_through_an_expanded_tensor": ("x = torch.ones(3)\nx.expand(2, 3).data.add_(4)", "None"),
    "masked_fill_through_an_expanded_tensor": (
        """
x = torch.ones(3)
x.expand(2, 3).masked_fill_(torch.tensor([[True, False, False], [False, True, False]]), 5)
""",
        "x.tolist()",
    ),
    "zeros_for_unused_inputs_require_grad_with_create_graph": (
        """
a = torch.ones(2, requires_grad=True)
b = torch.ones(3, requires_grad=True)
ga, gb = torch.autograd.grad(a.sum(), [a, b], create_graph=True, materialize_grads=True)
""",
        "gb.requires_grad, gb.tolist()",
    ),
    "shape_changes_in_place_in_inference_mode": (
        "with torch.inference_mode():\n    x = (torch.ones(2, 3) * 2)[1].unsqueeze_(0)",
        "tuple(x.shape), x.is_inference()",
    ),
    "other_views_after_a_shape_change_in_place": (
        """
x = torch.ones(3, requires_grad=True) * 2
y = x.squeeze()
x.unsqueeze(0).squeeze_()
""",
        "type(y.grad_fn).__name__, type(x.grad_fn).__name__",
    ),
    "views_after_a_write_through_a_detached_tensor": (
        """
x = torch.ones(3, requires_grad=True) * 2
y = x.view(3)
x.detach().exp_()
""",
        "type(y.grad_fn).__name__",
    ),
    "views_written_before_their_base_required_grad": (
        """
x = torch.ones(2, 3)
y = x.view(6).mul_(2)
x.requires_grad = True
y.sum().backward()
""",
        "type(y.grad_fn).__name__, x.grad.tolist()",
    ),
    "operand_saved_before_the_write_to_its_memory": (
        """
x = torch.ones(3, requires_grad=True).exp()
x.view(3).mul_(x)
x.sum().backward()
""",
        "None",
    ),
    "operand_written_by_its_own_operation": (
        "x = torch.ones(3, requires_grad=True).tan()\nx.addcmul_(x, x)\nx.mean().backward()",
        "None",
    ),
    "retained_gradient_moves_to_the_new_history": (
        """
x = torch.ones(3, requires_grad=True) * 1
x.retain_grad()
x.mul_(3)
x.sum().backward()
""",
        "x.grad.tolist()",
    ),
    "no_accumulation_into_what_no_longer_requires_grad": (
        """
x = torch.ones(3, requires_grad=True)
y = x * 2
x.requires_grad = False
y.sum().backward()
""",
        "x.grad",
    ),
    "leaf_moved_into_the_graph": (
        """
x = torch.ones(3, requires_grad=True)
y = x * 2
x.requires_grad = False
x.mul_(torch.ones(3, requires_grad=True))
y.sum().backward()
""",
        "None",
    ),
    "gradients_of_one_array_are_one_tensor": (
        """
x = torch.ones(3, requires_grad=True)
y = x + 1
g = torch.ones(3)
grads = torch.autograd.grad(y, [x, y], g)
""",
        "grads[0] is g, grads[1] is g",
    ),
    "gradients_of_inference_mode": (
        """
x = torch.ones(3, requires_grad=True)
y = x.exp().sum()
with torch.inference_mode():
    g = torch.autograd.grad(y, x)[0]
""",
        "g.is_inference(), g.requires_grad",
    ),
    "recording_asked_for_in_inference_mode": (
        """
x = torch.ones(3, requires_grad=True)
with torch.inference_mode(), torch.enable_grad():
    enabled, y = torch.is_grad_enabled(), x * 2
""",
        "enabled, y.requires_grad",
    ),
    "whole_slices_make_no_view": (
        """
x = torch.ones(2, requires_grad=True) * 2
x[0:2] = 0.5
y = torch.ones(2, requires_grad=True)[..., :2]
""",
        "type(x.grad_fn).__name__, type(y.grad_fn).__name__",
    ),
    "a_number_for_a_0d_tensor_is_copied": (
        "x = torch.ones((), requires_grad=True) * 2\nx[...] = 0",
        "type(x.grad_fn).__name__",
    ),
    "integer_key_of_a_0d_tensor": ("torch.ones(())[7]", "None"),
    "slice_key_of_a_0d_tensor": ("torch.ones(())[:1]", "None"),
    "index_put_of_another_dtype": (
        "x = torch.ones(3)\nx[[0, 1]] = torch.ones(2, dtype=torch.float64)",
        "None",
    ),
    "bool_takes_no_gradient": (
        "x = torch.tensor([True])\nx[0] = torch.ones((), requires_grad=True)",
        "x.requires_grad",
    ),
    "negation_of_a_diagonal": (
        """
x = torch.arange(6.0).reshape(2, 3)
x.diagonal(1).neg_()
y = torch.arange(9.0).reshape(3, 3)
y.diagonal().neg_()
""",
        "x.tolist(), y.tolist()",
    ),
    "sigmoid_of_a_diagonal": (
        "y = torch.tensor([[-1.0, 1.5, 0.25], [2.0, -0.75, 1.25]])\ny.diagonal().sigmoid_()",
        "[[round(v, 5) for v in row] for row in y.tolist()]",
    ),
    "gradients_of_overwritten_elements_are_zero_even_of_nan": (
        """
x = torch.ones(3, requires_grad=True)
y = x * 1
y[:] = 2
y.backward(torch.tensor([0.0, float("nan"), 1.0]))
""",
        "x.grad.tolist()",
    ),
    "gradient_of_std_of_equal_elements": (
        "x = torch.zeros(3, requires_grad=True)\nx.std().backward()",
        "x.grad.tolist()",
    ),
    "gradient_of_atan2_at_the_origin": (
        "x = torch.zeros(2, requires_grad=True)\ntorch.atan2(x, x).sum().backward()",
        "x.grad.tolist()",
    ),
    "writes_to_the_result_of_cumprod": (
        "x = torch.tensor([1.0, 2.0], requires_grad=True)\ny = x.cumprod(0)\ny.mul_(2)\ny.sum().backward()",
        "None",
    ),
    "leaves_get_what_arrived_before_an_error": (
        """
x = torch.ones(2, requires_grad=True)
y = torch.ones(2, requires_grad=True)
z = x.exp()
w = z + y
z.mul_(2)
try:
    w.sum().backward()
except RuntimeError:
    pass
""",
        "x.grad, y.grad.tolist()",
    ),
    "hooks_of_a_captured_tensor_inside_the_run": (
        """
x = torch.ones(2, requires_grad=True)
y = x.exp()
y.register_hook(lambda g: g * 2)
g = torch.autograd.grad(y.sum(), [x, y])
""",
        "[round(v, 4) for v in g[0].tolist()], g[1].tolist()",
    ),
    "vector_times_matrix": (
        "x = torch.ones(2, requires_grad=True)\ny = x @ torch.ones(2, 3)",
        "type(y.grad_fn).__name__, y._version, y._base",
    ),
    "matrix_times_batch": (
        "x = torch.ones(3, 2, requires_grad=True)\ny = x @ torch.ones(4, 2, 3)",
        "type(y.grad_fn).__name__, tuple(y.shape)",
    ),
    "operands_of_a_batched_product_are_watched": (
        "x = torch.ones(2, 3, 3, requires_grad=True) * 2\ny = x @ x.mT\nx.mul_(2)\ny.sum().backward()",
        "None",
    ),
    "sizes_in_the_order_of_the_subtraction": ("torch.rsub(torch.ones(2), torch.ones(3))", "None"),
    "conjugates_are_views": (
        """
x = torch.tensor([1 + 2j, 3 - 1j], requires_grad=True)
y = x.conj()
""",
        "y.is_conj(), y._base is x, y[0].is_conj(), y.imag.is_neg(), (y * 1).is_conj(), y.clone().is_conj()",
    ),
    "writes_through_a_conjugate": (
        """
x = torch.tensor([1 + 2j, 3 - 1j])
x.conj().mul_(2j)
x.conj().imag.add_(1)
""",
        "x.tolist(), x._version",
    ),
    "gradient_after_a_write_through_the_imaginary_part_of_a_conjugate": (
        """
x = torch.tensor([1 + 2j, 3 - 1j], requires_grad=True)
z = x * 1
w = z.conj().imag
w.mul_(3)
z.imag.sum().backward()
""",
        "x.grad.tolist(), type(w.grad_fn).__name__",
    ),
    "real_view_of_a_conjugate": ("torch.view_as_real(torch.tensor([1 + 2j]).conj())", "None"),
    "places_beyond_the_end_go_around": (
        "x = torch.take_along_dim(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[5], [-3]]), 1)",
        "x.tolist()",
    ),
    "copies_of_inference_tensors_outside": (
        """
with torch.inference_mode():
    t = torch.tensor([1.0, 2.0], requires_grad=True)
y = t.clone()
""",
        "y._version, y.requires_grad, type(y.grad_fn).__name__, (t * t).requires_grad",
    ),
    "means_of_inference_tensors_outside": (
        "with torch.inference_mode():\n    t = torch.tensor([1.0, 2.0], requires_grad=True)\nt.mean()",
        "None",
    ),
    "data_of_an_inference_tensor": (
        "with torch.inference_mode():\n    t = torch.ones(2) * 2\nd = t.data\nd.t_()",
        "d._version, d.is_inference(), d.tolist()",
    ),
    "hooks_of_outputs_that_got_no_cotangent": (
        """
x = torch.ones(2, requires_grad=True)
a, b = x.chunk(2)
seen = []
a.register_hook(seen.append)
b.sum().backward()
""",
        "seen",
    ),
    "retained_gradients_beside_the_wanted_one": (
        """
x = torch.ones(3, requires_grad=True)
a, b, c = x.split(1)
a.retain_grad()
(a * b).backward(inputs=[c])
""",
        "a.grad.tolist(), c.grad",
    ),
    "input_of_gather_is_kept": (
        """
x = torch.ones(2, requires_grad=True) * 2
y = x.gather(0, torch.tensor([1]))
x.mul_(2)
y.sum().backward()
""",
        "None",
    ),
    "results_are_kept_for_whichever_gradient": (
        """
x = torch.ones(2, requires_grad=True)
y = torch.copysign(torch.tensor([1.0, 2.0]), x)
y.sum().backward()
y.sum().backward()
""",
        "None",
    ),
    "a_write_through_a_view_runs_once": (
        """
x = torch.zeros(2)
x[0] += torch.ones((), requires_grad=True)
x.sum().backward()
x.sum().backward()
""",
        "None",
    ),
    "histories_come_before_the_write": (
        """
x = torch.ones(2, 3, requires_grad=True) * 2
a, b = x.chunk(2)
x.mul_(2)
t = torch.ones(1, 3)
try:
    t.sub_(b)
except RuntimeError:
    pass
""",
        "t._version, t.tolist()",
    ),
    "may_it_be_written_comes_before_does_it_fit": (
        "x = torch.ones(3, requires_grad=True)\nx.movedim(0, 0).tril_()",
        "None",
    ),
    "numbers_that_require_grad_written_into_integers": (
        "x = torch.zeros(2, 2, dtype=torch.int64)\nx[0] = torch.tensor(1.5, requires_grad=True)",
        "x.requires_grad, type(x.grad_fn).__name__, x.tolist()",
    ),
    "gradients_that_pass_through_views_share_memory": (
        """
x = torch.ones(2, 2, requires_grad=True)
y = x.view(4)
y.backward(y)
x.grad.mul_(3)
""",
        "x._version, x.tolist()",
    ),
    "gradients_of_sums_are_views": (
        """
x = torch.ones(2, requires_grad=True)
g = torch.autograd.grad(x.sum(), x)[0]
g.detach_()
""",
        "None",
    ),
    "overlapping_writes_go_element_by_element": (
        "x = torch.tensor([1.0, 2.0, 3.0])\nx.unfold(0, 2, 1).unsqueeze(1).mul_(2)",
        "x.tolist()",
    ),
    "copies_onto_the_same_elements": (
        "x = torch.ones(2)\ny = x.expand(2, 2)\ny[0:2] = x\nz = torch.ones(1)\nz[::2, None] = z",
        "None",
    ),
    "complex_powers_of_zero": ("x = 0 ** torch.tensor([0.5 - 0.75j, -0.75 + 1j])", "x.tolist()"),
    "strides_of_new_dimensions": (
        "x = torch.ones(4, 3)[::2, :2]",
        "x.unsqueeze(0).stride(), x.unsqueeze(2).stride(), x[0].expand(1, 2).stride()",
    ),
    "leaves_among_views_of_what_was_written": (
        """
x = torch.ones(2, 3, dtype=torch.float64)
y = x.diagonal()
y.requires_grad = True
z = y.flip(0)
x[torch.tensor([0, 1]), 0] *= y
z.sum().backward()
""",
        "None",
    ),
    "memory_of_inference_mode_counts_alone": (
        """
x = torch.ones(2, requires_grad=True) * 1
with torch.inference_mode():
    x.data = x.data.clone()
    x.data.cumsum_(0)
""",
        "x._version, x.tolist()",
    ),
    "sums_of_one_product_have_no_negative_zero": (
        "x = 1 / torch.bmm(torch.zeros(1, 2, 1), -torch.ones(1, 1, 2))",
        "x.tolist()",
    ),
    "flags_and_cotangents_of_stale_views": (
        """
x = torch.ones(3, 2, requires_grad=True) * 1
y, z = x.split(1, 1)
with torch.no_grad():
    y.exp_()
found = []
for call in (lambda: z.requires_grad_(False), lambda: z.backward(torch.ones(2, 2))):
    try:
        call()
    except RuntimeError as error:
        found.append(str(error))
""",
        "found",
    ),
    "roots_that_are_stale_views": (
        """
x = torch.ones(3, 2, requires_grad=True) * 1
with torch.no_grad():
    y = x.narrow(1, 1, 1).exp_()
    y.backward(gradient=None)
""",
        "None",
    ),
    "numpy_without_recording": (
        "x = torch.ones(2, requires_grad=True)\nwith torch.no_grad():\n    a = x.numpy()",
        "a.tolist()",
    ),
}


def outcome(torch: Any, source: str, shown: str) -> str:
    """What a program shows at its end, or the error it stops with.

    Args:
        torch: the library.
        source: statements.
        shown: the expression to evaluate at the end.
    """
    scope: dict[str, Any] = {"torch": torch}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            exec(source, scope)
            return repr(eval(shown, scope))
        except Exception as error:
            return f"{type(error).__name__}: {error}"
