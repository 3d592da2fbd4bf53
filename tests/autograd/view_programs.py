"""Programs about views, writes in place, versions, and what they do to the graph."""

from __future__ import annotations

from typing import Any

from told import Say, collector

PROGRAMS, program = collector()


@program
def versions(torch: Any, say: Say) -> None:
    a = torch.zeros(4)
    v = a.view(2, 2)
    d = a.detach()
    say(a._version, v._version, d._version)
    a.add_(1)
    say(a._version, v._version, d._version)
    v[0] = 5
    say(a._version, a, v._base is a, d._is_view(), v._is_view())
    d.mul_(2)
    say(a._version, a)
    a.data.add_(1)
    say(a._version, a)
    w = a.data
    w.zero_()
    say(a._version, w._version, a)


@program
def stale_values(torch: Any, say: Say) -> None:
    a = torch.tensor([1.0, 2.0], requires_grad=True)
    b = a * 2
    c = b * b
    b.add_(1)
    say.failure(lambda: c.sum().backward())
    b = a.exp()
    b[0] = 3.0
    say.failure(lambda: b.sum().backward())
    w = torch.ones(2)
    d = a * w
    w.mul_(2)
    say.failure(lambda: d.sum().backward())
    w = torch.ones(2)
    e = a + w
    w.mul_(2)
    e.sum().backward()
    say(a.grad)
    f = a * 3
    f.add_(1)
    f.sum().backward()
    say(a.grad)


@program
def writes_to_leaves(torch: Any, say: Say) -> None:
    a = torch.ones(2, requires_grad=True)
    say.failure(lambda: a.add_(1))
    say.failure(lambda: a.__setitem__(0, 1.0))
    say.failure(lambda: a.view(2).mul_(2))
    say.failure(lambda: a[0:1].zero_())
    with torch.no_grad():
        a.add_(1)
        a[0] = 7
        a.view(2).mul_(2)
    say(a, a._version, a.is_leaf)
    a.data.fill_(3)
    say(a)
    b = torch.zeros(2)
    b.add_(a)
    say(b.requires_grad, type(b.grad_fn).__name__)
    b.sum().backward()
    say(a.grad)


@program
def rebased_histories(torch: Any, say: Say) -> None:
    a = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    b = a * 2
    v = b[1:]
    v.mul_(10)
    say(b, v, type(b.grad_fn).__name__, type(v.grad_fn).__name__)
    b.sum().backward()
    say(a.grad)
    a.grad = None
    b = a * 2
    v = b.view(3)
    b.mul_(5)
    say(type(b.grad_fn).__name__, type(v.grad_fn).__name__, v)
    v.sum().backward()
    say(a.grad)
    x = torch.zeros(3)
    y = x[0:2]
    y.copy_(a[1:])
    say(x, x.requires_grad, y.requires_grad, type(x.grad_fn).__name__)
    a.grad = None
    (x * torch.tensor([1.0, 10.0, 100.0])).sum().backward()
    say(a.grad)
    a.grad = None
    z = torch.zeros(2, 3)
    z[0] = a
    z[1] = a * 2
    z[:, 1] = 0
    (z * z).sum().backward()
    say(z, a.grad)


@program
def views_of_views(torch: Any, say: Say) -> None:
    a = torch.arange(12.0).requires_grad_()
    b = a * 1
    v = b.view(3, 4).t()[1:3].unsqueeze(0)
    say(v.shape, v._base is b, v.stride()[1:], v.storage_offset())
    v.mul_(2)
    say(b)
    (b * b).sum().backward()
    say(a.grad)
    c = a.detach().clone()
    w = c.diagonal(0) if c.dim() > 1 else c.view(3, 4).diagonal()
    w.zero_()
    say(c)


@program
def views_made_without_recording(torch: Any, say: Say) -> None:
    a = torch.ones(3, requires_grad=True)
    b = a * 1
    with torch.no_grad():
        v = b[:2]
        w = a[:2]
    say(v.requires_grad, v.grad_fn, w.requires_grad, w.is_leaf)
    say.failure(lambda: v.add_(1))
    say.failure(lambda: w.add_(1))
    with torch.no_grad():
        v.add_(1)
    say(b, b._version)
    parts = b.unbind(0)
    say.failure(lambda: parts[0].add_(1))
    halves = b.split(1)
    say.failure(lambda: halves[0].mul_(2))


@program
def overlapping_writes(torch: Any, say: Say) -> None:
    a = torch.zeros(3)
    say.failure(lambda: a.expand(2, 3).add_(1))
    b = torch.arange(4.0)
    say.failure(lambda: b[1:].copy_(b[:-1]))
    say(b)
    b.add_(b)
    say(b)


@program
def masked_writes(torch: Any, say: Say) -> None:
    a = torch.tensor([1.0, -2.0, 3.0], requires_grad=True)
    b = a * 1
    b[b < 0] = 0
    say(b, type(b.grad_fn).__name__)
    b.sum().backward()
    say(a.grad)
    a.grad = None
    b = a * 1
    b.masked_fill_(b > 2, 9.0)
    b.index_fill_(0, torch.tensor([0]), 4.0)
    b.sum().backward()
    say(b, a.grad)
    a.grad = None
    values = torch.tensor([10.0, 20.0], requires_grad=True)
    b = torch.zeros(3)
    b[torch.tensor([0, 2])] = values
    (b * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
    say(b, values.grad)
    b = torch.zeros(3)
    b.index_add_(0, torch.tensor([1, 1]), values)
    say(b, type(b.grad_fn).__name__)
    b.scatter_(0, torch.tensor([2]), values[:1])
    say(b)


@program
def detach_and_data(torch: Any, say: Say) -> None:
    a = torch.ones(2, requires_grad=True)
    b = a * 2
    d = b.detach()
    d.zero_()
    say(b)
    c = b * b
    b.detach().add_(1)
    say.failure(lambda: c.sum().backward())
    e = a * 2
    f = e * e
    e.data.add_(1)
    f.sum().backward()
    say(a.grad)
    g = a * 2
    g.detach_()
    say(g.requires_grad, g.is_leaf, g.grad_fn)
    say.failure(lambda: (a * 2).view(2).detach_())
    a.data = torch.tensor([5.0, 6.0])
    say(a, a.is_leaf)
