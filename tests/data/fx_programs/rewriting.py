import copy, operator, time, torch, torch.fx as fx
import torch.nn as nn
import torch.nn.functional as F
from typing import Any, Dict, Iterable, Tuple, Type
def show(f):
    try: print(f())
    except Exception as e: print(type(e).__name__, str(e))
torch.manual_seed(1)
# batch norm folded by hand
class Wrapped(nn.Module):
    def __init__(self, mod): super().__init__(); self.mod = mod
    def forward(self, x): return self.mod(x)
class CB(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 1, 1); self.bn1 = nn.BatchNorm2d(1); self.conv2 = nn.Conv2d(1, 1, 1)
        self.nested = nn.Sequential(nn.BatchNorm2d(1), nn.Conv2d(1, 1, 1)); self.wrapped = Wrapped(nn.BatchNorm2d(1))
    def forward(self, x): return self.wrapped(self.nested(self.conv2(self.bn1(self.conv1(x)))))
model = CB(); model(torch.rand(4, 1, 5, 5)); model.eval()
def parent(t): *p, n = t.rsplit('.', 1); return (p[0] if p else ''), n
def fold(model):
    model = copy.deepcopy(model); m = fx.symbolic_trace(model); mods = dict(m.named_modules())
    for node in m.graph.nodes:
        if node.op != 'call_module': continue
        if type(mods[node.target]) is nn.BatchNorm2d and node.args[0].op == 'call_module' and type(mods[node.args[0].target]) is nn.Conv2d:
            if len(node.args[0].users) > 1: continue
            conv, bn = mods[node.args[0].target], mods[node.target]
            f = torch.nn.utils.fusion.fuse_conv_bn_eval(conv, bn)
            p, n = parent(node.args[0].target); setattr(mods[p], n, f)
            node.replace_all_uses_with(node.args[0]); m.graph.erase_node(node)
    m.graph.lint(); m.recompile(); return m
folded = fold(model); print(folded.code); x = torch.rand(2, 1, 4, 4)
print(torch.allclose(folded(x), model(x), atol=1e-5))
class Prof(fx.Interpreter):
    def __init__(self, mod): gm = fx.symbolic_trace(mod); super().__init__(gm); self.total = []; self.times = {}
    def run(self, *a): t = time.time(); r = super().run(*a); self.total.append(time.time() - t); return r
    def run_node(self, n): t = time.time(); r = super().run_node(n); self.times.setdefault(n, []).append(time.time() - t); return r
p = Prof(model); p.run(x); p.run(x); print([(n.op, n.name, len(t)) for n, t in p.times.items()], len(p.total))
# direct changes
def f(x, y): return torch.add(x, y)
gm = fx.symbolic_trace(f)
for n in gm.graph.nodes:
    if n.op == 'call_function' and n.target == torch.add: n.target = torch.mul
gm.graph.lint(); gm.recompile(); print(gm.code, gm(torch.tensor(2.), torch.tensor(3.)))
for n in gm.graph.nodes:
    if n.target in (operator.mul, torch.mul, 'mul'):
        with gm.graph.inserting_after(n): new = gm.graph.call_function(torch.bitwise_and, n.args, n.kwargs); n.replace_all_uses_with(new)
        gm.graph.erase_node(n)
gm.recompile(); print(gm.code, gm.graph)
# decomposition by proxies
def relu_d(x): return (x > 0) * x
rules = {F.relu: relu_d, torch.tanh: lambda x: (torch.exp(x) - torch.exp(-x)) / (torch.exp(x) + torch.exp(-x))}
def decompose(model):
    g0 = fx.Tracer().trace(model); g = fx.Graph(); env = {}; tracer = fx.proxy.GraphAppendingTracer(g)
    for node in g0.nodes:
        if node.op == 'call_function' and node.target in rules:
            args = [fx.Proxy(env[a.name], tracer) if isinstance(a, fx.Node) else a for a in node.args]
            env[node.name] = rules[node.target](*args).node
        else:
            env[node.name] = g.node_copy(node, lambda x: env[x.name])
    return fx.GraphModule(model, g)
class A(nn.Module):
    def __init__(self): super().__init__(); self.l = nn.Linear(3, 3)
    def forward(self, x): return F.relu(torch.tanh(self.l(x)), inplace=False)
a = A(); d = decompose(a); print(d.code); xx = torch.rand(2, 3, requires_grad=True)
print(torch.allclose(d(xx), a(xx), atol=1e-6)); print(torch.allclose(torch.autograd.grad(d(xx).sum(), xx)[0], torch.autograd.grad(a(xx).sum(), xx)[0], atol=1e-5))
# invert by names
inv = {torch.sin: torch.arcsin, torch.exp: torch.log}
def invert(model):
    g0 = fx.symbolic_trace(model).graph; g = fx.Graph(); env = {}
    out = next(iter(reversed(g0.nodes))); env[out.args[0].name] = g.placeholder('out')
    for n in reversed(g0.nodes):
        if n.op == 'call_function' and n.target in inv: env[n.args[0].name] = g.call_function(inv[n.target], (env[n.name],))
    g.output(env[[n for n in g0.nodes if n.op == 'placeholder'][0].name]); return fx.GraphModule(nn.Module(), g)
iv = invert(lambda x: torch.exp(torch.sin(x))); print(iv(torch.exp(torch.sin(torch.tensor(0.3)))))
# replacing an op by a module, adding a module, named inputs
gm = fx.symbolic_trace(a); gm.add_submodule("extra.drop", nn.Dropout(0.1))
with gm.graph.inserting_before(gm.graph.output_node()):
    o = gm.graph.output_node(); nn_ = gm.graph.call_module("extra.drop", (o.args[0],)); o.args = (nn_,)
gm.recompile(); print(gm.code, gm)
# custom tracers and dynamic flow
class TT(fx.Tracer):
    def is_leaf_module(self, m, n): return n == "l"
    def create_node(self, kind, target, *r, **k): print("node", kind, target if isinstance(target, str) else target.__name__); return super().create_node(kind, target, *r, **k)
    def to_bool(self, obj): return True
    def iter(self, obj): return iter([obj[0], obj[1]])
    def keys(self, obj): return ["k"]
class Flow(nn.Module):
    def __init__(self, flag): super().__init__(); self.flag = flag; self.l = nn.Linear(2, 2)
    def forward(self, x, **kw):
        if self.flag: x = self.l(x)
        if x.sum() > 0: x = x.relu()
        for r in x: x = x + r
        return dict(**x)
show(lambda: TT().trace(Flow(True))); show(lambda: fx.symbolic_trace(Flow(False)))
class Mut(nn.Module):
    def forward(self, x, l): l.append(x); x.add_(1); x[0] = 2; return x.view(-1, *x.shape[1:])
show(lambda: fx.symbolic_trace(Mut()))
class Two(nn.Module):
    def __init__(self): super().__init__(); self.a = nn.Linear(2, 2); self.b = self.a; self.reg = nn.ModuleList([nn.ReLU(), nn.Tanh()]); self.pl = nn.ParameterList([nn.Parameter(torch.ones(2))]); self.d = nn.ModuleDict({"x": nn.Sigmoid()}); self.t = torch.ones(2); self.consts = {"a": torch.zeros(2)}
    def forward(self, x): return self.d["x"](self.reg[1](self.reg[0](self.b(self.a(x))))) * self.pl[0] + self.t + self.consts["a"] + torch.eye(2)
g2 = fx.symbolic_trace(Two()); print(g2.code, g2, sorted(n for n, _ in g2.named_buffers()), sorted(n for n, _ in g2.named_parameters())); print(sorted(g2.state_dict()))
class RNN(nn.Module):
    def __init__(self): super().__init__(); self.r = nn.LSTM(3, 4, batch_first=True); self.e = nn.Embedding(5, 3); self.n = nn.LayerNorm(4); self.at = nn.MultiheadAttention(4, 2, batch_first=True)
    def forward(self, i): y, (h, c) = self.r(self.e(i)); y = self.n(y); y, w = self.at(y, y, y, need_weights=True); return y.mean(1), h[-1], w
r = RNN(); gr = fx.symbolic_trace(r); print(gr.code); i = torch.tensor([[1, 2, 3]]); print([torch.allclose(u, v) for u, v in zip(gr(i), r(i))])
show(lambda: fx.symbolic_trace(lambda x: torch.stack([x, x * 2]).permute(1, 0).contiguous().masked_fill(x > 0, float("-inf")).to(torch.float64).type(torch.int64).unsqueeze(0).expand(2, -1, -1)).code)
show(lambda: fx.symbolic_trace(lambda x: torch.where(x > 0, x, torch.tensor(0.)) + torch.full_like(x, 2) + torch.zeros_like(x, dtype=torch.float64, device=torch.device("cpu")) + torch.clamp(x, min=0) + torch.addmm(x, x, x, beta=2)).code)
show(lambda: fx.symbolic_trace(lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True) + F.layer_norm(q, (3,)) + F.interpolate(q, scale_factor=2) + F.one_hot(k) + F.embedding(k, v) + F.conv1d(q, k, stride=2) + F.mse_loss(q, k) + F.normalize(q) + F.cosine_similarity(q, k) + F.log_softmax(q, 1) + F.elu(q) + F.leaky_relu(q, 0.1) + F.hardtanh(q) + F.softplus(q) + F.glu(q) + F.silu(q) + F.mish(q) + F.batch_norm(q, k, v, training=True) + F.group_norm(q, 2) + F.avg_pool2d(q, 2) + F.max_pool1d(q, 2, return_indices=False) + F.unfold(q, 2) + F.nll_loss(q, k) + F.binary_cross_entropy_with_logits(q, k) + F.logsigmoid(q) + F.threshold(q, 0.1, 20) + F.relu(q, inplace=True) + F.relu_(q) + F.pixel_shuffle(q, 2) + F.gumbel_softmax(q) + F.linear(q, k, v) + F.bilinear(q, k, v) + F.prelu(q, k) + F.upsample(q, 2)).code)
show(lambda: fx.symbolic_trace(lambda x: torch.linalg.inv(x) + torch.fft.fft(x) + torch.norm(x) + torch.norm(x, dim=1, keepdim=True) + torch.unique(x) + torch.meshgrid(x, x, indexing="ij")[0] + torch.tensordot(x, x) + torch.cdist(x, x) + torch.atleast_2d(x) + torch.block_diag(x, x) + torch.broadcast_tensors(x, x)[0] + torch.stft(x, 4, return_complex=True) + torch.cartesian_prod(x, x) + torch.svd(x)[0] + torch.linalg.svd(x).S).code)
show(lambda: fx.symbolic_trace(lambda x: torch.ones(2) + x + (torch.ones(2) * x) + torch.ones(2) @ x + (torch.ones(2) - x) + torch.ones(2) ** x + (torch.ones(2) > x) + torch.ones(3)[x] + torch.ones(2).reshape(x, -1)).code)
show(lambda: fx.symbolic_trace(lambda x: torch.nn.utils.parametrizations.weight_norm(nn.Linear(2, 2))(x)).code)
show(lambda: fx.symbolic_trace(nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.ReLU(), nn.Linear(3, 1)))))
