"""More short programs on which random testing once found differences; see found.py for how they are run."""

from __future__ import annotations

FOUND_EDGES: dict[str, tuple[str, str]] = {
    "the_first_operand_decides_the_layout": (
        "a = torch.ones(4, 3).t()\nb = torch.ones(3, 4)\nc = torch.ones(3, 1)",
        """[x.stride() for x in (a + b, b + a, a * 2 + b, torch.rsub(b, a), a > b, torch.addcmul(b, a, a),
        torch.addcmul(a, b, b), torch.lerp(a, b, b), c * a, torch.clamp(a, b, b), a.double() + b,
        torch.nn.functional.mse_loss(a, b, reduction='none'), a.masked_fill(b > 0, 0.0), torch.atan2(a, b),
        torch.nn.functional.huber_loss(a, b, reduction='none'), a.bfloat16() + b.bfloat16(), a // b,
        torch.complex(a, b), torch.where(c > 0, a, b))]""",
    ),
    "a_one_to_the_power_of_anything_is_contiguous": ("a = torch.ones(4, 3).t()", "(True**a).stride()"),
    "views_step_past_what_lies_behind_dimensions_of_one": (
        "x = torch.zeros(4, 5, 6)[:, :1, :2]\ny = torch.zeros(3, 4)[:1, :2]",
        "[x.view(s).stride() for s in ((4, 1, 2), (4, 2), (4, 2, 1), (1, 4, 1, 2))], y.view(1, 2).stride()",
    ),
    "sums_into_rows_are_contiguous": (
        "x = torch.arange(6).reshape(3, 2).t()",
        "x.scatter_add(0, torch.zeros(1, 3, dtype=torch.long), x[:1]).stride()",
    ),
    "a_saved_tensor_that_asks_for_gradients_later": (
        """
x, y = torch.ones(2, requires_grad=True), torch.tensor([2.0, 3.0])
z = x * y
y.requires_grad_()
(g,) = torch.autograd.grad(z, x, torch.ones(2), create_graph=True)
""",
        "g.requires_grad, torch.autograd.grad(g.sum(), y)[0].tolist()",
    ),
    "cumprod_of_infinities": (
        """
x = torch.tensor([float("inf"), -4.0], requires_grad=True)
x.cumprod(0).sum().backward()
y = torch.tensor([[1.75, 0.0, 3.0, 0.0, 2.0], [0.0, 2.0, 0.5, 4.0, 1.0]], requires_grad=True)
y.cumprod(1).backward(torch.tensor([[1.0, 2.0, float("nan"), 3.0, 4.0], [0.5, 1.0, -1.0, 2.0, 3.0]]))
""",
        "x.grad.tolist(), y.grad.tolist()",
    ),
    "complex_infinities_in_sums_of_gradients": (
        """
x = torch.tensor([1 + 1j, 2 + 0j], requires_grad=True)
x.backward(torch.tensor([6 + 6j, 1 + 0j]))
x.backward(torch.tensor([complex(float("inf"), 1), 1 + 0j]))
y = x * 1
given = [torch.tensor([1 + 1j, 1]), torch.tensor([complex(float("inf"), 0), 1])]
(g,) = torch.autograd.grad([y, y.clone()], x, given)
""",
        "x.grad.tolist(), g.real.tolist()",
    ),
    "what_a_rule_hands_on_stays_the_same_tensor": (
        """
x = torch.tensor([1 + 1j, 2j], requires_grad=True)
y = x - torch.tensor([1.0])
same = []
a, b = torch.autograd.grad(y, [x, y], torch.ones_like(y), create_graph=True)
same.append(a is b)
z = torch.tensor([], requires_grad=True)
for f in (lambda t: t.cumprod(0), lambda t: t.cumsum(0), lambda t: t.to(torch.float32, copy=True)):
    w = f(z)
    a, b = torch.autograd.grad(w, [z, w], torch.ones_like(w))
    same.append(a is b)
""",
        "same",
    ),
    "gradients_that_look_into_the_ones_given": (
        """
x = torch.ones(3, requires_grad=True)
s = x.sum()
given = torch.ones(())
a, b = torch.autograd.grad(s, [x, s], given, retain_graph=True)
y = x.exp()
c = torch.ones(3)
(d,) = torch.autograd.grad(y.view(3), y, c)
b.requires_grad_()
""",
        "a._base is b, b is given, d._base is c, a.requires_grad",
    ),
    "sums_over_added_dimensions_are_views": (
        """
x, z, w = (torch.ones(s, requires_grad=True) for s in ((3,), (1, 3), ()))
g = [torch.autograd.grad((t * torch.ones(2, 3)).sum(), t)[0] for t in (x, z, w)]
(x * torch.ones(2, 3)).sum().backward()
""",
        "[t._is_view() for t in g], x.grad._is_view(), x.grad.detach_().tolist()",
    ),
    "a_retained_gradient_stays_with_the_old_shape": (
        """
seen = []
for name, args in (("t_", ()), ("squeeze_", ()), ("unsqueeze_", (0,)), ("transpose_", (0, 1))):
    x = torch.ones(1, 3, requires_grad=True)
    y = x * 2
    y.retain_grad()
    getattr(y, name)(*args)
    (y * torch.arange(3.0).reshape(y.shape)).sum().backward()
    seen.append((y.grad.tolist(), x.grad.tolist()))
""",
        "seen",
    ),
    "gradients_have_the_shape_of_when_the_tensor_was_made": (
        """
x = torch.ones(2, 3, requires_grad=True)
y = x * 2
with torch.no_grad():
    y.t_()
torch.autograd.grad(y, x, torch.ones(3, 2))
""",
        "None",
    ),
    "a_gradient_of_another_shape_than_the_one_held": (
        """
x = torch.ones(2, 3, requires_grad=True)
x.sum().backward()
with torch.no_grad():
    x.t_()
x.backward(torch.ones(3, 2))
""",
        "None",
    ),
    "a_gradient_that_is_added_to_is_written": (
        "x = torch.eye(2, requires_grad=True)\nv = x.t()\ny = x * 1\nx.grad = v\ny.mean().backward()",
        "v._version, x._version, type(v.grad_fn).__name__, v.tolist()",
    ),
    "a_gradient_of_equal_numbers_is_added_to": (
        """
x = torch.tensor([[-1.0, 2.0, -1.5], [1.0, -0.5, 0.5]], requires_grad=True)
(x.grad,) = torch.autograd.grad(x.mean(1).sum(), x)
(x * torch.arange(3.0)).sum().backward()
""",
        "x.grad.tolist()",
    ),
    "views_of_inference_mode_lead_nowhere": (
        """
x = torch.tensor([1.0], requires_grad=True)
y = x.exp()
with torch.inference_mode():
    a, b = y.squeeze(0), x.view(1)
    c = torch.ones(1)
z = a * c
g = torch.autograd.grad(b.exp(), b, allow_unused=True)
""",
        "z.requires_grad, z.grad_fn.next_functions, a.is_leaf, g",
    ),
    "views_of_views_of_inference_mode": (
        """
x = torch.ones(2, requires_grad=True) * 1
with torch.inference_mode():
    y = x.view(2)
with torch.no_grad():
    z = y.view(2)
z.mul_(torch.ones(2, requires_grad=True))
""",
        "None",
    ),
    "integers_are_copied_into_without_looking_at_views": (
        """
t = torch.tensor([1.0], requires_grad=True)
a = torch.zeros(3, 2, dtype=torch.int64)
with torch.no_grad():
    v = a[1]
v.copy_(t)
b, *_ = torch.zeros(3, 2, dtype=torch.int64).unbind(0)
b.copy_(t)
""",
        "v.tolist(), v.requires_grad, b.requires_grad",
    ),
    "writes_counted_in_what_is_made_of_inference_tensors": (
        """
with torch.inference_mode():
    x = torch.tensor([[1.0, 2.0, 0.0]])
made = x.new_zeros(2), x.new_ones(2), x.new_empty(2), x.new_full((2,), 3.0)
places = x.nonzero(), *x.nonzero(as_tuple=True), torch.argwhere(x)
""",
        "[y._version for y in (*made, *places)]",
    ),
    "writes_in_inference_mode_are_not_counted": (
        """
with torch.inference_mode():
    y = torch.ones(2)
x = y.detach()
x.mul_(2)
with torch.inference_mode():
    x.mul_(2)
""",
        "x._version",
    ),
    "real_values_take_no_complex_gradient_of_a_fill": (
        """
z = torch.zeros(2, 2, dtype=torch.complex64)
t = torch.tensor(1.0, requires_grad=True)
z[0] = t
z.real.sum().backward()
""",
        "None",
    ),
    "powers_of_bools": (
        "x = torch.tensor([2.0], requires_grad=True)\n(x ** torch.tensor([True])).sum().backward()",
        "None",
    ),
    "bounds_that_are_complex": (
        """
told = []
c, r = torch.tensor([1 + 0j]), torch.tensor([1.0])
for low, high in ((c, None), (None, c), (c, r), (r, c)):
    try:
        torch.clamp(r, low, high)
    except NotImplementedError as error:
        told.append(str(error))
""",
        "told",
    ),
    "an_operation_without_derivative_is_run_even_as_an_end": (
        "x = torch.ones(2, requires_grad=True)\ny = torch.heaviside(x, x)\ny.backward(x, inputs=[y])",
        "None",
    ),
    "an_operation_without_derivative_is_run_first": (
        """
x = torch.ones(1, 3, requires_grad=True)
y = torch.nn.functional.linear(x, x)
z = x // x
n = y.norm()
y += n
p = y.prod(0).reshape(-1)
(p / z.amin(1)).backward(torch.ones(1))
""",
        "None",
    ),
    "writes_through_flat_views_of_turned_tensors": (
        """
x = torch.tensor([[0.5, -0.75], [1.0, 0.0], [2.0, -2.0]], requires_grad=True)
y = (x * -0.5)[:, [1, 0]]
y.view(-1).cumsum_(0)
y.sum(0, keepdim=True).sum().backward()
""",
        "x.grad.tolist()",
    ),
    "writes_that_read_what_they_write": (
        """
a = torch.tensor([[[1.0, -0.5], [0.5, 0.25]], [[1.25, -2.0], [3.0, 0.0]]])
a[0, :] = a[:, -2, 1]
b = torch.tensor([[1, 2], [0, 1]], dtype=torch.int32)
b.select(-1, 0).index_add_(0, torch.tensor([1, 0]), b.select(-1, 0))
c = torch.tensor([[0.25, 1.25], [-2.0, 3.0]])
c.diagonal().index_copy_(0, torch.tensor([1, 0]), c.diagonal())
d = torch.arange(8.0).reshape(2, 2, 2).permute(2, 0, 1)[-1:]
d[[0]] = d
""",
        "a.tolist(), b.tolist(), c.tolist(), d.tolist()",
    ),
    "an_expanded_tensor_cannot_be_copied_into_from_its_memory": (
        "x = torch.tensor([-2.0, 3.0])\nx.expand(2, 2).copy_(x.detach())",
        "x.tolist()",
    ),
    "a_scalar_filled_with_a_sum": (
        """
x = torch.tensor(-2.0, dtype=torch.float64, requires_grad=True)
y = x.nan_to_num()
y.fill_(x.sum())
y.mul_(-0.5).backward()
""",
        "x.grad.item()",
    ),
    "a_conjugate_cannot_be_copied_into_from_its_memory": (
        "x = torch.tensor([1 - 1j, 2j])\ntorch.conj(x).copy_(x[0])", "x.tolist()",
    ),
    "histories_of_views_are_looked_at_before_dims": (
        """
x = torch.tensor([0.75, 0.0], requires_grad=True)
a, b = x.split(1)
b.detach().exp_()
a.diagonal()
""",
        "None",
    ),
    "histories_of_views_are_looked_at_before_sizes": (
        """
x = torch.ones(2, 3)
with torch.no_grad():
    x.requires_grad_(True)
    y = x[-1:, :].mul_(2)
y @ torch.ones(2, 2)
""",
        "None",
    ),
    "a_failed_call_brings_histories_up_to_date": (
        """
x = torch.ones(1, 1)
t = torch.tensor([1.75], requires_grad=True)
x = x[None, 0].tanh_()
x.mT.sub_(t)
try:
    x.transpose(2, -1)
except IndexError:
    x.mul_(t)
""",
        "type(x.grad_fn).__name__",
    ),
    "leaves_are_refused_before_indices_are_looked_at": (
        "x = torch.ones(2, 1, 3, requires_grad=True)\nx[..., [0, 1], 1:] = 0", "None",
    ),
    "an_assignment_out_of_bounds_writes_nothing_by_a_slice": (
        """
x = torch.zeros(3, 3)
told = []
for key in ((slice(None), 5), (torch.tensor(7), slice(None)), (Ellipsis, slice(0, 1), 9)):
    try:
        x[key] = 1.0
    except IndexError as error:
        told.append(str(error))
""",
        "told, x.tolist()",
    ),
    "the_least_of_nothing": ("torch.zeros(0, dtype=torch.complex64).min(0)", "None"),
    "sums_of_bools_with_a_history": (
        """
x = torch.tensor([[False, True], [True, False]])
x[1] = torch.tensor(0.0, requires_grad=True)
seen = [x.float().requires_grad, x.any().requires_grad]
with torch.no_grad():
    seen.append(x.sum().item())
x.cumsum(0)
""",
        "seen",
    ),
    "hypot_divides_last": (
        """
x = torch.tensor([3.0], requires_grad=True)
y = torch.hypot(x, torch.tensor([4.0]))
(g,) = torch.autograd.grad(y, x, create_graph=True)
""",
        "type(g.grad_fn).__name__, g.tolist()",
    ),
}  # fmt: skip
