import torch, torch.fx, operator, copy, sys, os, tempfile, warnings
import torch.nn.functional as F
from torch import nn
from torch.fx import symbolic_trace, replace_pattern, Transformer, Interpreter, subgraph_rewriter
from torch.fx.passes.shape_prop import ShapeProp
from torch.fx.passes.split_module import split_module
from torch.fx.experimental.optimization import fuse, remove_dropout
def show(f):
    try: print(f())
    except Exception as e: print(type(e).__name__, str(e))
torch.manual_seed(0)
class Basic(nn.Module):
    def __init__(self, i, o, s=1):
        super().__init__()
        self.conv1 = nn.Conv2d(i, o, 3, s, 1, bias=False); self.bn1 = nn.BatchNorm2d(o); self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(o, o, 3, 1, 1, bias=False); self.bn2 = nn.BatchNorm2d(o)
        self.downsample = nn.Sequential(nn.Conv2d(i, o, 1, s, bias=False), nn.BatchNorm2d(o)) if s != 1 or i != o else None
    def forward(self, x):
        identity = x
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.downsample is not None: identity = self.downsample(x)
        out += identity
        return self.relu(out)
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3); self.layers = nn.Sequential(Basic(8, 8), Basic(8, 16, 2)); self.drop = nn.Dropout(0.5); self.fc = nn.Linear(16, 10)
    def forward(self, x):
        x = self.layers(F.relu(self.stem(x)))
        return self.fc(self.drop(torch.flatten(F.adaptive_avg_pool2d(x, (1, 1)), 1)))
net = Net()
x = torch.rand(2, 3, 12, 12)
net(x)
net.eval()
gm = symbolic_trace(net); print(gm.code); print(gm.graph); print(gm)
print(torch.allclose(gm(x), net(x)))
net.zero_grad(); gm(x).sum().backward(); print([None if p.grad is None else round(float(p.grad.abs().sum()), 3) for p in net.parameters()])
fused = fuse(net); print(fused.code); print(torch.allclose(fused(x), net(x), atol=1e-4)); print(remove_dropout(net).code); print(fused)
sp = ShapeProp(gm); sp.propagate(x)
for n in gm.graph.nodes: print(n.name, n.meta['tensor_meta'].dtype, n.meta['tensor_meta'].shape, n.meta['tensor_meta'].stride, n.meta['tensor_meta'].memory_format, n.meta['tensor_meta'].requires_grad, n.meta["type"].__name__)
gm.print_readable(); gm.print_readable(include_stride=True, include_device=True, expanded_def=True); print(repr(gm.print_readable(False, colored=True))[:300])
class M(nn.Module):
    def forward(self, x, w1, w2):
        m1 = torch.cat([w1, w2]).sum(); m2 = torch.cat([w1, w2]).sum()
        return x + torch.max(m1) + torch.max(m2)
t = symbolic_trace(M())
ms = replace_pattern(t, lambda w1, w2: torch.cat([w1, w2]), lambda w1, w2: torch.stack([w1, w2]))
print(len(ms), ms); print(t.code); t.graph.lint()
def pat(x, y): return torch.neg(x) + torch.relu(y)
def rep(x, y): return torch.relu(x)
t = symbolic_trace(lambda a, b: (torch.neg(a) + torch.relu(b)) * (torch.neg(b) + torch.relu(a)) + torch.neg(a)); print(replace_pattern(t, pat, rep)); print(t.code)
t = symbolic_trace(lambda a: torch.relu(torch.relu(torch.relu(a)))); print(replace_pattern(t, lambda x: torch.relu(torch.relu(x)), lambda x: x.relu())); print(t.code)
t = symbolic_trace(lambda a: (a + 1) * (a + 2)); print(replace_pattern(t, lambda x: x + 1, lambda x: x - 1)); print(t.code)
t = symbolic_trace(lambda a: (a + 1) * (a + 2)); r = subgraph_rewriter.replace_pattern_with_filters(t, lambda x: x + 1, lambda x: x - 1, ignore_literals=True); print(r); print(t.code)
class Rep(nn.Module):
    def __init__(self): super().__init__(); self.lin = nn.Linear(3, 3)
    def forward(self, x): return self.lin(x)
t = symbolic_trace(lambda a: torch.sigmoid(a)); replace_pattern(t, lambda x: torch.sigmoid(x), symbolic_trace(Rep())); print(t.code, t)
show(lambda: replace_pattern(t, lambda x, y: torch.sigmoid(x), rep))
show(lambda: replace_pattern(symbolic_trace(lambda a: torch.sigmoid(a)), lambda x: torch.sigmoid(x), rep))
class SM(nn.Module):
    def __init__(self): super().__init__(); self.param = nn.Parameter(torch.rand(3, 4)); self.linear = nn.Linear(4, 5)
    def forward(self, x, y):
        z = self.linear(x + self.param).clamp(min=0.0, max=1.0); w = self.linear(y).clamp(min=0.0, max=1.0)
        return z + w
sm = SM(); gm = symbolic_trace(sm)
for kw in ({}, {'keep_original_order': True}, {'keep_original_node_name': True}, {'keep_original_input_name': False}, {'partition_affix': 'pp', 'tuple_return': True}):
    c = [0]
    def cb(node):
        p = c[0] % 3; c[0] += 1; return p
    if 'keep_original_order' in kw: cb = lambda n: {'add': 0, 'linear': 0, 'clamp': 1, 'linear_1': 1, 'clamp_1': 1, 'add_1': 2}[n.name]
    q = {}
    sp = None
    try: sp = split_module(gm, sm, cb, q, **kw)
    except Exception as e: print(type(e).__name__, e); continue
    print(sp); print(q); print(sorted(sp.meta['partition_names']))
    for n, ch in sp.named_children(): print(n, ch.code)
    xx, yy = torch.rand(3, 4), torch.rand(3, 4); print(torch.equal(sp(xx, yy), sm(xx, yy)))
show(lambda: split_module(gm, sm, lambda n: 0 if n.name in ('add', 'add_1') else 1))
class Neg(Transformer):
    def call_function(self, target, args, kwargs):
        if target is torch.sigmoid: return torch.neg(*args, **kwargs)
        return super().call_function(target, args, kwargs)
    def call_method(self, target, args, kwargs):
        if target == 'neg': s, *r = args; return s.sigmoid(*r, **kwargs)
        return super().call_method(target, args, kwargs)
t = symbolic_trace(lambda x, y=2: torch.sigmoid(x).neg() + y); tt = Neg(t).transform(); print(tt.code, tt.graph, tt(torch.ones(1)))
with tempfile.TemporaryDirectory() as d:
    here = os.getcwd(); os.chdir(d); sys.path.insert(0, d)
    gm = symbolic_trace(sm); gm.to_folder("folder", "Mod"); print(open("folder/module.py").read())
    import folder
    print(torch.equal(folder.Mod()(xx, yy), sm(xx, yy))); os.chdir(here)
gm = symbolic_trace(net)
print(gm.add_submodule("a.b.c", nn.ReLU()), gm.a.b.c, gm.delete_submodule("a.b.c"), gm.delete_submodule("zz"), gm.delete_submodule("fc.weight"))
gm.delete_all_unused_submodules(); print([n for n, _ in gm.named_modules()])
with warnings.catch_warnings(record=True) as w:
    warnings.simplefilter("always"); gm.graph.get_attr("nothing.x"); gm.graph.get_attr("fc.weight"); print([str(i.message) for i in w])
show(lambda: gm.graph.call_module("nothing"))
show(lambda: gm.graph.lint())
with gm.graph.on_generate_code(lambda cur: lambda body: ["print('hi')\n", *body]): gm.recompile(); print(gm.code[:60])
try:
    symbolic_trace(lambda x: x.foo())(torch.ones(1))
except Exception as e: print(type(e), e)
from torch.fx.passes.graph_drawer import FxGraphDrawer
print(FxGraphDrawer(t, "t").get_dot_graph().to_string())
g3 = symbolic_trace(net); ShapeProp(g3).propagate(x); print(FxGraphDrawer(g3, "net").get_dot_graph().to_string())
g2 = symbolic_trace(lambda x: (torch.relu(x) @ x.T).sum(0)); ShapeProp(g2).propagate(torch.ones(2, 3)); print(FxGraphDrawer(g2, "t").get_dot_graph().to_string())
class ST(torch.fx.Tracer): record_stack_traces = True
g = ST().trace(net); print([n.stack_trace.splitlines()[:2] if n.stack_trace else None for n in g.nodes])
class TA(torch.fx.Tracer): trace_asserts = True
torch.fx.wrap('abs')
class Pair(metaclass=torch.fx.ProxyableClassMeta):
    def __init__(self, l, r): self.l, self.r = l, r
    def add(self, o): return Pair(self.l + o.l, self.r + o.r)
def use(x: Pair, y: torch.Tensor): return x.add(Pair(y, y))
show(lambda: symbolic_trace(use).code)
from typing import List, Optional, Dict, Tuple
def ann(x: torch.Tensor, y: List[torch.Tensor], z: Optional[int] = None, k: Tuple[int, str] = (1, 'a'), d: Dict[str, torch.Tensor] = None, u: 'int | None' = None, l: list[int] = None) -> torch.Tensor: return x + y[0]
show(lambda: symbolic_trace(ann).code); show(lambda: symbolic_trace(ann).graph)

many = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Dropout(), nn.AvgPool2d(2), nn.BatchNorm1d(2), nn.ELU(), nn.Embedding(2, 3), nn.Flatten(), nn.GELU(), nn.LSTM(2, 2), nn.GroupNorm(1, 2), nn.Hardtanh(), nn.LayerNorm(3), nn.LeakyReLU(), nn.MaxPool2d(2), nn.PReLU(), nn.PixelShuffle(2), nn.Softplus(), nn.Softmax(1), nn.Upsample(scale_factor=2), nn.Unfold(2), nn.ZeroPad2d(1), nn.ConvTranspose2d(1, 1, 2), nn.CrossEntropyLoss(), nn.Tanh(), nn.InstanceNorm2d(2), nn.ReLU6(), nn.Linear(2, 2))
for layer in many: print(FxGraphDrawer(symbolic_trace(nn.Sequential(layer)), "layer", ignore_parameters_and_buffers=True).get_dot_graph().to_string())
