import torch
from torch.fx.experimental.proxy_tensor import make_fx
def f(x, w):
    y = torch.relu(x @ w.t()) + 1
    y = y * torch.tensor(2.0) + torch.ones(4)
    a, b = y.chunk(2, 1)
    s, i = torch.max(a, 1)
    return {"s": s.sin(), "b": [b.sum(), 3]}
print(make_fx(f)(torch.ones(2,3), torch.ones(4,3)).code)
def g(x):
    y = x.tanh().sin().sum()
    return torch.autograd.grad(y, x)
gm = make_fx(g)(torch.ones(3, requires_grad=True)); print(gm.code); print(gm.graph)
def h(x):
    a = torch.zeros(3); a.add_(x); a[0].mul_(2); return a.clone().unsqueeze(0).expand(2, 3), x.shape[0]
print(make_fx(h)(torch.ones(3)).code)
c = torch.arange(3.)
print(make_fx(lambda x: x + c)(torch.ones(3)).code)
print(make_fx(lambda x: torch.vmap(torch.sin)(x))(torch.ones(3)).code)
lin = torch.nn.Linear(3, 2)
gm = make_fx(lambda x: lin(x))(torch.ones(1,3)); print(gm.code, gm)
def bad(x):
    if x.sum() > 0: return x
    return -x
for mode in ("real",):
    try: print(make_fx(bad, tracing_mode=mode)(torch.ones(3)).code)
    except Exception as e: print(type(e).__name__, str(e)[:300])
print(make_fx(lambda x: (x.item() * 2) if False else x*2)(torch.ones(1)).code)
print(make_fx(lambda *a, k=2: a[0]+a[1]*k)(torch.ones(1), torch.ones(1)).code)
print(make_fx(lambda d: d["a"]+d["b"][0])({"a": torch.ones(1), "b": [torch.ones(1), 2]}).code)
print(make_fx(lambda x: torch.rand(3) + torch.randn_like(x))(torch.ones(3)).code)
from torch.fx.experimental.proxy_tensor import get_proxy_mode
def pm(x): print(get_proxy_mode() is None); return x*1
print(make_fx(pm)(torch.ones(2)).code)
gm = make_fx(lambda x: torch.relu(x) + 1)(torch.ones(2)); print([ (n.name, n.op, n.target, sorted(k for k in n.meta)) for n in gm.graph.nodes]); print(gm(torch.tensor([-1.,2.])))
gm.print_readable()
import torch
from torch.fx.experimental.proxy_tensor import make_fx
def g(x):
    y = torch.relu(x).tanh().softmax(0).sum()
    return torch.autograd.grad(y, x)
gm = make_fx(g)(torch.ones(3, requires_grad=True)); print(gm.code)
try: make_fx(lambda x: x.item())(torch.ones(1))
except Exception as e: print(str(e))
try: make_fx(lambda x: x if x.sum()>0 else -x)(torch.ones(1))
except Exception as e: print(str(e))
print(make_fx(lambda x: x * torch.tensor(3.0).item())(torch.ones(1)).code)
print(make_fx(lambda x: x.detach() * 2)(torch.ones(1)).code)
print(make_fx(lambda x: (x, 3, None, torch.ones(1)))(torch.ones(1)).code)
