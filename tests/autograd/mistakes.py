"""Thirty-odd common mistakes with autograd, each with its smallest fix.

A line that the note has to name ends in `#: role expression`: the note must say that role at this line, at
the column where the expression begins, and draw carets under it. A program raises an exception, or warns,
where it is wrong; its fixed twin does neither.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mistake:
    """One broken program, its note's kind (a key of note_texts.TEXTS), and the program put right."""

    name: str
    kind: str
    broken: str
    fixed: str


_TEXT = '''
== in-place on a saved value | stale
x = torch.tensor([1.0, 2.0], requires_grad=True)
y = x.exp()  #: recorded x.exp()
y.add_(1)  #: broken y.add_(1)
y.sum().backward()
-- fixed
x = torch.tensor([1.0, 2.0], requires_grad=True)
y = x.exp()
y = y + 1
y.sum().backward()

== augmented assignment on a saved value, with Chinese names | stale
权重 = torch.tensor([1.0, 2.0], requires_grad=True)
输出 = 权重 * 3
损失 = 输出 ** 2  #: recorded 输出 ** 2
输出 += 1  #: broken 输出 += 1
损失.sum().backward()
-- fixed
权重 = torch.tensor([1.0, 2.0], requires_grad=True)
输出 = 权重 * 3
损失 = 输出 ** 2
输出 = 输出 + 1
损失.sum().backward()

== optimizer step between two backwards | stale_step
w = torch.tensor([1.0, 2.0], requires_grad=True)
optimizer = torch.optim.SGD([w], lr=0.1)
loss = (w * w).sum()  #: recorded w * w
loss.backward(retain_graph=True)
optimizer.step()  #: broken optimizer.step()
loss.backward()
-- fixed
w = torch.tensor([1.0, 2.0], requires_grad=True)
optimizer = torch.optim.SGD([w], lr=0.1)
loss = (w * w).sum()
loss.backward(retain_graph=True)
optimizer.step()
loss = (w * w).sum()
loss.backward()

== in-place on a leaf | leaf
w = torch.ones(3, requires_grad=True)
w -= 0.1  #: written w -= 0.1
-- fixed
w = torch.ones(3, requires_grad=True)
with torch.no_grad():
    w -= 0.1

== in-place on a view of a leaf | leaf_view
w = torch.ones(3, requires_grad=True)
first = w[0]  #: recorded w[0]
first.mul_(2)  #: written first.mul_(2)
-- fixed
w = torch.ones(3, requires_grad=True)
first = w[0]
with torch.no_grad():
    first.mul_(2)

== in-place on one of several views | multi_view
x = torch.ones(2, 3, requires_grad=True)
y = x * 2
a, b = y.unbind(0)  #: made y.unbind(0)
a.mul_(2)  #: written a.mul_(2)
-- fixed
x = torch.ones(2, 3, requires_grad=True)
y = x * 2
a, b = y.unbind(0)
a = a * 2

== in-place on a chunk | multi_view
x = torch.ones(4, requires_grad=True)
parts = (x * 1).chunk(2)  #: made (x * 1).chunk(2)
parts[0].zero_()  #: written parts[0].zero_()
-- fixed
x = torch.ones(4, requires_grad=True)
y = x * 1
y[:2].zero_()

== in-place on a view made under no_grad | no_grad_view
x = torch.ones(3, requires_grad=True)
y = x * 2
with torch.no_grad():  #: off torch.no_grad()
    v = y[:2]  #: made y[:2]
v.mul_(2)  #: written v.mul_(2)
-- fixed
x = torch.ones(3, requires_grad=True)
y = x * 2
v = y[:2]
v.mul_(2)

== writing what a Function returned as it got it | custom_view
class Same(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x
    @staticmethod
    def backward(ctx, g):
        return g
x = torch.ones(3, requires_grad=True)
y = Same.apply(x * 2)  #: made Same.apply(x * 2)
y.mul_(2)  #: written y.mul_(2)
-- fixed
class Same(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x
    @staticmethod
    def backward(ctx, g):
        return g
x = torch.ones(3, requires_grad=True)
y = Same.apply(x * 2).clone()
y.mul_(2)

== writing an inference tensor outside | inference_write
with torch.inference_mode():  #: off torch.inference_mode()
    x = torch.ones(3)
x.add_(1)  #: written x.add_(1)
-- fixed
with torch.inference_mode():
    x = torch.ones(3)
x = x.clone()
x.add_(1)

== an inference tensor in a recorded product | inference_saved
w = torch.ones(3, requires_grad=True)
with torch.inference_mode():  #: off torch.inference_mode()
    x = torch.ones(3)
y = w * x  #: here w * x
-- fixed
w = torch.ones(3, requires_grad=True)
with torch.no_grad():
    x = torch.ones(3)
y = w * x

== backward twice | freed
x = torch.tensor(2.0, requires_grad=True)
y = x * x  #: recorded x * x
y.backward()  #: first y.backward()
y.backward()
-- fixed
x = torch.tensor(2.0, requires_grad=True)
y = x * x
y.backward(retain_graph=True)
y.backward()

== two losses that share a part | freed
x = torch.tensor([2.0], requires_grad=True)
shared = x.exp()  #: recorded x.exp()
a, b = shared.sum(), (shared * 3).sum()
a.backward()  #: first a.backward()
b.backward()
-- fixed
x = torch.tensor([2.0], requires_grad=True)
shared = x.exp()
a, b = shared.sum(), (shared * 3).sum()
(a + b).backward()

== loss computed under no_grad | block
x = torch.ones(3, requires_grad=True)
with torch.no_grad():  #: off torch.no_grad()
    loss = (x * 2).sum()  #: computed x * 2
loss.backward()
-- fixed
x = torch.ones(3, requires_grad=True)
loss = (x * 2).sum()
loss.backward()

== grad mode left off | off
x = torch.ones(3, requires_grad=True)
torch.set_grad_enabled(False)  #: off torch.set_grad_enabled(False)
print((x * 2).sum())
loss = (x * 3).sum()  #: computed x * 3
loss.backward()
-- fixed
x = torch.ones(3, requires_grad=True)
with torch.set_grad_enabled(False):
    print((x * 2).sum())
loss = (x * 3).sum()
loss.backward()

== detach in the loss | detach
x = torch.ones(3, requires_grad=True)
y = x.detach() * 2  #: cut x.detach()
y.sum().backward()  #: here y.sum().backward()
-- fixed
x = torch.ones(3, requires_grad=True)
y = x * 2
y.sum().backward()

== .data in the loss | detach
x = torch.ones(3, requires_grad=True)
loss = (x.data ** 2).sum()  #: cut x.data
loss.backward()  #: here loss.backward()
-- fixed
x = torch.ones(3, requires_grad=True)
loss = (x ** 2).sum()
loss.backward()

== item in the loss | exit
x = torch.ones(3, requires_grad=True)
total = x.sum().item()  #: cut x.sum().item()
loss = torch.tensor(total * 2)
loss.backward()  #: here loss.backward()
-- fixed
x = torch.ones(3, requires_grad=True)
total = x.sum()
loss = total * 2
loss.backward()

== a round trip through NumPy | exit
x = torch.ones(3, requires_grad=True)
y = torch.from_numpy(x.detach().numpy() * 2)  #: cut x.detach().numpy()
y.sum().backward()  #: here y.sum().backward()
-- fixed
x = torch.ones(3, requires_grad=True)
y = x * 2
y.sum().backward()

== losses collected by torch.tensor | tensor
import warnings
warnings.simplefilter("ignore")  # PyTorch warns that history is lost
x = torch.ones(3, requires_grad=True)
losses = [x.sum(), (x * 2).sum()]
loss = torch.tensor(losses).mean()  #: cut torch.tensor(losses)
loss.backward()  #: here loss.backward()
-- fixed
x = torch.ones(3, requires_grad=True)
losses = [x.sum(), (x * 2).sum()]
loss = torch.stack(losses).mean()
loss.backward()

== argmax in the loss | no_derivative
scores = torch.tensor([[0.1, 0.9], [0.8, 0.2]], requires_grad=True)
chosen = scores.argmax(1)  #: cut scores.argmax(1)
loss = chosen.float().mean()
loss.backward()  #: here loss.backward()
-- fixed
scores = torch.tensor([[0.1, 0.9], [0.8, 0.2]], requires_grad=True)
chosen = scores.softmax(1)[:, 1]
loss = chosen.mean()
loss.backward()

== a comparison in the loss | no_derivative
x = torch.tensor([0.2, 0.7], requires_grad=True)
hits = (x > 0.5).float()  #: cut x > 0.5
hits.sum().backward()  #: here hits.sum().backward()
-- fixed
x = torch.tensor([0.2, 0.7], requires_grad=True)
hits = torch.sigmoid((x - 0.5) * 10)
hits.sum().backward()

== rounding to integers in the loss | integers
x = torch.tensor([0.2, 0.7], requires_grad=True)
whole = x.mul(10).round().long()  #: cut x.mul(10).round().long()
whole.float().sum().backward()  #: here whole.float().sum().backward()
-- fixed
x = torch.tensor([0.2, 0.7], requires_grad=True)
scaled = x.mul(10)
scaled.sum().backward()

== all parameters frozen | frozen
w = torch.ones(3, requires_grad=True)
w.requires_grad_(False)  #: cut w.requires_grad_(False)
loss = (w * 2).sum()
loss.backward()  #: here loss.backward()
-- fixed
w = torch.ones(3, requires_grad=True)
loss = (w * 2).sum()
loss.backward()

== requires_grad forgotten | plain_leaf
w = torch.tensor([1.0, 2.0])  #: made torch.tensor([1.0, 2.0])
loss = (w * w).sum()
loss.backward()  #: here loss.backward()
-- fixed
w = torch.tensor([1.0, 2.0], requires_grad=True)
loss = (w * w).sum()
loss.backward()

== an integer leaf | integer_leaf
w = torch.tensor([1, 2])  #: made torch.tensor([1, 2])
loss = (w * w).sum()
loss.backward()  #: here loss.backward()
-- fixed
w = torch.tensor([1.0, 2.0], requires_grad=True)
loss = (w * w).sum()
loss.backward()

== requires_grad on integers | integer_requires
w = torch.tensor([1, 2], requires_grad=True)  #: here torch.tensor([1, 2], requires_grad=True)
-- fixed
w = torch.tensor([1.0, 2.0], requires_grad=True)

== requires_grad switched off on a result | nonleaf_requires
x = torch.ones(3, requires_grad=True)
y = x * 2  #: recorded x * 2
y.requires_grad_(False)  #: here y.requires_grad_(False)
-- fixed
x = torch.ones(3, requires_grad=True)
y = x * 2
y = y.detach()

== the gradient of a non-leaf | nonleaf_grad
x = torch.ones(3, requires_grad=True)
y = x * 2  #: recorded x * 2
y.sum().backward()
print(y.grad)  #: here y.grad
-- fixed
x = torch.ones(3, requires_grad=True)
y = x * 2
y.retain_grad()
y.sum().backward()
print(y.grad)

== backward from many elements | scalar
x = torch.ones(3, requires_grad=True)
y = x * 2  #: recorded x * 2
y.backward()  #: here y.backward()
-- fixed
x = torch.ones(3, requires_grad=True)
y = x * 2
y.sum().backward()

== a gradient of another shape | gradient_shape
x = torch.ones(2, 3, requires_grad=True)
y = x * 2  #: recorded x * 2
y.backward(torch.ones(3))  #: here y.backward(torch.ones(3))
-- fixed
x = torch.ones(2, 3, requires_grad=True)
y = x * 2
y.backward(torch.ones(2, 3))

== an input that was not used | unused
x = torch.ones(3, requires_grad=True)
w = torch.ones(3, requires_grad=True)
loss = (x * 2).sum()  #: recorded (x * 2).sum()
torch.autograd.grad(loss, [x, w])  #: here torch.autograd.grad(loss, [x, w])
-- fixed
x = torch.ones(3, requires_grad=True)
w = torch.ones(3, requires_grad=True)
loss = (x * 2).sum()
torch.autograd.grad(loss, [x, w], allow_unused=True)

== a Function that returns None for a needed gradient | function_none
class Scale(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, s):
        ctx.save_for_backward(x, s)
        return x * s
    @staticmethod
    def backward(ctx, g):
        x, s = ctx.saved_tensors
        return g * s, None  #: returned g * s, None
x = torch.ones(3, requires_grad=True)
s = torch.tensor(2.0, requires_grad=True)
y = Scale.apply(x, s)  #: recorded Scale.apply(x, s)
torch.autograd.grad(y.sum(), [x, s])
-- fixed
class Scale(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, s):
        ctx.save_for_backward(x, s)
        return x * s
    @staticmethod
    def backward(ctx, g):
        x, s = ctx.saved_tensors
        return g * s, (g * x).sum()
x = torch.ones(3, requires_grad=True)
s = torch.tensor(2.0, requires_grad=True)
y = Scale.apply(x, s)
torch.autograd.grad(y.sum(), [x, s])

== a Function that returns too few gradients | function_count
class Scale(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, factor):
        ctx.factor = factor
        return x * factor
    @staticmethod
    def backward(ctx, g):
        return g * ctx.factor  #: returned g * ctx.factor
x = torch.ones(3, requires_grad=True)
y = Scale.apply(x, 2.0)  #: recorded Scale.apply(x, 2.0)
y.sum().backward()
-- fixed
class Scale(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, factor):
        ctx.factor = factor
        return x * factor
    @staticmethod
    def backward(ctx, g):
        return g * ctx.factor, None
x = torch.ones(3, requires_grad=True)
y = Scale.apply(x, 2.0)
y.sum().backward()

== a Function whose gradient has another shape | function_shape
class Total(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.shape = x.shape
        return x.sum(0)
    @staticmethod
    def backward(ctx, g):
        if g is None:
            return None
        return g[:2]  #: returned g[:2]
x = torch.ones(2, 3, requires_grad=True)
y = Total.apply(x)  #: recorded Total.apply(x)
y.sum().backward()
-- fixed
class Total(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.shape = x.shape
        return x.sum(0)
    @staticmethod
    def backward(ctx, g):
        if g is None:
            return None
        return g.expand(ctx.shape)
x = torch.ones(2, 3, requires_grad=True)
y = Total.apply(x)
y.sum().backward()

== a Function that saves nothing | function_unsaved
class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * x
    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors  #: here (x,)
        return 2 * g * x
x = torch.ones(3, requires_grad=True)
y = Square.apply(x)  #: recorded Square.apply(x)
y.sum().backward()
-- fixed
class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x
    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 2 * g * x
x = torch.ones(3, requires_grad=True)
y = Square.apply(x)
y.sum().backward()

== two dtypes in a product | dtypes
w = torch.ones(2, 2, requires_grad=True)
x = torch.ones(2, 2, dtype=torch.float64)
y = x @ w  #: here x @ w
-- fixed
w = torch.ones(2, 2, requires_grad=True)
x = torch.ones(2, 2, dtype=torch.float64)
y = x.to(w.dtype) @ w

== a linear layer and numbers from NumPy | dtypes
import numpy as np
layer = torch.nn.Linear(2, 1)
x = torch.from_numpy(np.ones((4, 2)))
y = layer(x)  #: here layer(x)
-- fixed
import numpy as np
layer = torch.nn.Linear(2, 1)
x = torch.from_numpy(np.ones((4, 2))).float()
y = layer(x)

== a device that is not there | device
x = torch.ones(3)
y = x.to("cuda")  #: here x.to("cuda")
-- fixed
device = "cuda" if torch.cuda.is_available() else "cpu"
x = torch.ones(3)
y = x.to(device)

== a loss that broadcasts | loss_shape
import torch.nn.functional as F
prediction = torch.ones(4, 1, requires_grad=True)
target = torch.zeros(4)
loss = F.mse_loss(prediction, target)  #: here F.mse_loss(prediction, target)
-- fixed
import torch.nn.functional as F
prediction = torch.ones(4, 1, requires_grad=True)
target = torch.zeros(4)
loss = F.mse_loss(prediction.squeeze(-1), target)

== cross_entropy with float classes | target_dtype
import torch.nn.functional as F
scores = torch.zeros(2, 3, requires_grad=True)
target = torch.tensor([0.0, 2.0])
loss = F.cross_entropy(scores, target)  #: here F.cross_entropy(scores, target)
-- fixed
import torch.nn.functional as F
scores = torch.zeros(2, 3, requires_grad=True)
target = torch.tensor([0.0, 2.0]).long()
loss = F.cross_entropy(scores, target)

== cross_entropy with a column of classes | target_shape
import torch.nn.functional as F
scores = torch.zeros(2, 3, requires_grad=True)
target = torch.tensor([[0], [2]])
loss = F.cross_entropy(scores, target)  #: here F.cross_entropy(scores, target)
-- fixed
import torch.nn.functional as F
scores = torch.zeros(2, 3, requires_grad=True)
target = torch.tensor([[0], [2]])
loss = F.cross_entropy(scores, target.squeeze(1))

== cross_entropy with another number of examples | target_shape
scores = torch.zeros(2, 3, requires_grad=True)
target = torch.tensor([0, 1, 2])
loss = torch.nn.CrossEntropyLoss()(scores, target)  #: here torch.nn.CrossEntropyLoss()(scores, target)
-- fixed
scores = torch.zeros(2, 3, requires_grad=True)
target = torch.tensor([0, 1, 2])
loss = torch.nn.CrossEntropyLoss()(scores, target[:2])

== classes numbered from one | target_range
import torch.nn.functional as F
scores = torch.zeros(2, 3, requires_grad=True)
target = torch.tensor([1, 3])
loss = F.cross_entropy(scores, target)  #: here F.cross_entropy(scores, target)
-- fixed
import torch.nn.functional as F
scores = torch.zeros(2, 3, requires_grad=True)
target = torch.tensor([1, 3])
loss = F.cross_entropy(scores, target - 1)

== numpy of a recorded tensor | numpy
x = torch.ones(3, requires_grad=True)
y = x * 2  #: recorded x * 2
y.numpy()  #: here y.numpy()
-- fixed
x = torch.ones(3, requires_grad=True)
y = x * 2
y.detach().numpy()

== retain_grad without a gradient | detach
x = torch.ones(3, requires_grad=True)
y = x.detach() + 1  #: cut x.detach()
y.retain_grad()  #: here y.retain_grad()
-- fixed
x = torch.ones(3, requires_grad=True)
y = x + 1
y.retain_grad()

== a hook without a gradient | plain_leaf
x = torch.ones(3)  #: made torch.ones(3)
x.register_hook(print)  #: here x.register_hook(print)
-- fixed
x = torch.ones(3, requires_grad=True)
x.register_hook(print)

== deepcopy of a result | deepcopy
import copy
x = torch.ones(3, requires_grad=True)
y = x * 2  #: recorded x * 2
copy.deepcopy(y)
-- fixed
import copy
x = torch.ones(3, requires_grad=True)
y = x * 2
copy.deepcopy(y.detach())

== an optimizer given a result | optimizer_nonleaf
w = torch.ones(3, requires_grad=True) * 0.01  #: recorded torch.ones(3, requires_grad=True) * 0.01
torch.optim.SGD([w], lr=0.1)  #: here torch.optim.SGD([w], lr=0.1)
-- fixed
w = (torch.ones(3) * 0.01).requires_grad_()
torch.optim.SGD([w], lr=0.1)

== torch.tensor of a tensor | copy_construct
x = torch.ones(3, requires_grad=True)
y = torch.tensor(x)  #: here torch.tensor(x)
-- fixed
x = torch.ones(3, requires_grad=True)
y = x.detach().clone()
'''


def _read() -> list[Mistake]:
    found = []
    for part in _TEXT.split("\n== ")[1:]:
        head, _, body = part.partition("\n")
        name, _, kind = head.partition(" | ")
        broken, _, fixed = body.partition("-- fixed\n")
        found.append(Mistake(name, kind, "import torch\n" + broken, "import torch\n" + fixed.strip() + "\n"))
    return found


MISTAKES = _read()
