import torch, torch.fx, operator, copy, pickle, math, warnings
import torch.nn.functional as F
from torch.fx import symbolic_trace, Tracer, Graph, GraphModule, Proxy, Node, Interpreter, Transformer, wrap
from torch import nn
def show(f):
    try: print(f())
    except Exception as e: print(type(e).__name__, str(e))
@wrap
def leaf(x, k): return x * k
wrap('len')
class P(nn.Module):
    def __init__(self):
        super().__init__()
        self.param = nn.Parameter(torch.arange(12.).reshape(3,4)); self.linear = nn.Linear(4,5)
    def forward(self, x):
        return torch.topk(torch.sum(self.linear(x + self.linear.weight).relu(), dim=-1), 3)
m = P(); gm = symbolic_trace(m); print(gm.code); print(gm.graph); print(gm); print(repr(gm))
def f(x, y=3, *args, z=torch.float32, **kw):
    a, b = x
    return leaf(a, y) + len(b) + args[0] + kw["q"] + math.sqrt(y) + torch.zeros(2, dtype=z) + float("inf") + x[1:, ..., None]
g = symbolic_trace(f); print(g.code); print(g.graph)
show(lambda: symbolic_trace(lambda x: x if x > 0 else -x))
show(lambda: symbolic_trace(lambda x: [a for a in x]))
show(lambda: symbolic_trace(lambda x: torch.cat(*x)))
show(lambda: symbolic_trace(lambda x: range(x)))
show(lambda: symbolic_trace(lambda x: int(x)))
show(lambda: symbolic_trace(lambda x: dict(**x)))
show(lambda: symbolic_trace(lambda x: torch.zeros(x.shape)))
show(lambda: symbolic_trace(lambda x: 3 in x))
show(lambda: symbolic_trace(lambda x: torch.relu(nn.Parameter(torch.ones(1))*x)))
show(lambda: symbolic_trace(nn.Linear(2,3)).code)
show(lambda: symbolic_trace(lambda x, y: {"a": [x, (y, 1)], "b": slice(x, None)}).code)
show(lambda: symbolic_trace(lambda x: x.foo.bar(1).baz).code)
show(lambda: symbolic_trace(lambda x: (x+1, 1+x, x-1, 1-x, x*2, 2*x, x/2, 2/x, x//2, 2//x, x%2, 2%x, x**2, 2**x, x@x, x<<1, 1<<x, x>>1, 1>>x, x&1, 1&x, x|1, 1|x, x^1, 1^x, -x, +x, ~x, abs(x), x<1, x<=1, x==1, x!=1, x>1, x>=1, x[0], round)).code)
def inpl(x):
    y = x.clone()
    y += 1
    y *= x
    y[0] = 3
    return y
show(lambda: symbolic_trace(inpl).code)
# concrete args
def h(a, b):
    if b == True: return a
    return a*2
show(lambda: symbolic_trace(h, concrete_args={'b': False}).code)
def h2(x):
    out = 0
    for v in x.values(): out = out + v
    return out
q = symbolic_trace(h2, concrete_args={'x': {'a': torch.fx.PH, 'b': torch.fx.PH}})
print(q.code); print(q({'a': 1, 'b': 2}))
show(lambda: symbolic_trace(h, concrete_args={'b': None}).code)
show(lambda: symbolic_trace(h, concrete_args=(torch.fx.PH,)).code)
show(lambda: q({'a': 1}))
# graph manip
g = Graph()
x = g.placeholder('x'); y = g.placeholder('y', type_expr=torch.Tensor, default_value=None)
n = g.call_function(torch.add, (x, y), {'alpha': 2}); s = g.call_method('sum', (n,)); w = g.get_attr('lin.weight'); l = g.call_module('lin', (n,))
o = g.output([s, {'k': l}, w], type_expr=int)
print(g); g.lint()
print(n.users, n.all_input_nodes, n.next, n.prev, n.args, n.kwargs, sorted([l, n, s]), n < s)
print(o.format_node(), x.format_node(), w.format_node(), y.format_node())
gm = GraphModule({'lin': nn.Linear(3,3)} | {'lin.weight': nn.Parameter(torch.ones(3,3))}, g)
print(gm.code)
show(lambda: g.erase_node(n)); show(lambda: Graph().erase_node(n))
show(lambda: g.create_node('bad', 'x')); show(lambda: g.create_node('call_function', 'x')); pass
show(lambda: n.args.append(1)); show(lambda: o.args[0].append(1)); show(lambda: n.kwargs.update(a=1))
with g.inserting_after(n): r = g.call_function(torch.relu, (n,))
n.replace_all_uses_with(r, delete_user_cb=lambda u: u is not r)
print(g); gm.recompile(); print(gm.code)
s.append(r) ; show(lambda: g.lint())
n.append(r); g.lint()
g2 = copy.deepcopy(g); print(g2)
r2 = g.find_nodes(op='call_function', target=torch.relu); print(r2)
with g.inserting_before(o): d = g.call_function(torch.neg, (s,)); e = g.call_function(operator.setitem, (s, 0, 1)); e2 = g.call_function(torch.rand, (2,))
print(g.eliminate_dead_code()); print(g)
show(lambda: g.inserting_before(next(iter(g2.nodes))))
show(lambda: GraphModule({}, g)); show(lambda: GraphModule(3, g))
n.update_arg(1, 5); n.update_kwarg('alpha', 3); n.insert_arg(1, x) ; print(n.format_node())
n._rename('plus'); print(g)
print([ (a.op, str(a.target)) for a in reversed(g.nodes) if a.op != 'call_function'], len(g.nodes))
p = Proxy(x); print(p, p.foo, repr(p.shape)); show(lambda: bool(p)); show(lambda: len(p)); show(lambda: iter(p))
class Named(Tracer):
    def is_leaf_module(self, m, q): return False
class R(nn.Module):
    def __init__(self): super().__init__(); self.r = nn.ReLU(); self.d = nn.Dropout(0.3); self.c = nn.Conv2d(1,2,3); self.bn = nn.BatchNorm2d(2); self.ln = nn.LayerNorm(3); self.gelu = nn.GELU(); self.sm = nn.Softmax(-1); self.p = nn.MaxPool2d(2); self.up = nn.Upsample(scale_factor=2)
    def forward(self, x): return self.up(self.p(self.sm(self.gelu(self.ln(self.bn(self.c(self.d(self.r(x)))))))))
print(symbolic_trace(R())); show(lambda: Named().trace(nn.Sequential(nn.Linear(2,3), nn.ReLU(), nn.Softmax(-1), nn.Conv2d(1,1,1), nn.Dropout(), nn.MaxPool2d(2), nn.AvgPool2d(2), nn.Embedding(2,3), nn.CrossEntropyLoss(), nn.Flatten())[:7]))
for mm in (nn.Softmax(-1), nn.Dropout(0.2), nn.MaxPool2d(2), nn.AvgPool2d(2), nn.Embedding(2,3), nn.Flatten(), nn.LayerNorm(3), nn.GELU(), nn.Hardtanh(), nn.LeakyReLU(), nn.Sigmoid(), nn.Tanh(), nn.SiLU(), nn.GroupNorm(1,2), nn.AdaptiveAvgPool2d(1), nn.Upsample(scale_factor=2), nn.Conv1d(1,2,3), nn.LogSoftmax(-1), nn.Identity(), nn.PixelShuffle(2), nn.ELU(), nn.PReLU(), nn.Softplus(), nn.BatchNorm1d(2).eval(), nn.CrossEntropyLoss(), nn.MSELoss(), nn.ConvTranspose2d(1,1,2)): show(lambda: Named().trace(mm))
t2 = Tracer(param_shapes_constant=True)
class PS(nn.Module):
    def __init__(self): super().__init__(); self.p = nn.Parameter(torch.ones(2,3))
    def forward(self, x):
        if self.p.shape[0] == 2: return x.view(self.p.size()) + self.p.dim()
        return x
print(t2.trace(PS()))
show(lambda: symbolic_trace(PS()).code)
gm = symbolic_trace(m)
gg = pickle.loads(pickle.dumps(gm)); print(gg.code, gg.graph)
gc = copy.deepcopy(gm); print(gc.code == gm.code, type(gc).__name__); print(copy.copy(gm).code)
class Sub(Interpreter):
    def run_node(self, n):
        v = super().run_node(n); print(n, type(v).__name__); return v
xx = torch.ones(5, 4)
print(Sub(gm).run(xx).values.shape)
show(lambda: Interpreter(gm).run())
show(lambda: Interpreter(gm).run(torch.ones(2)))
show(lambda: Interpreter(symbolic_trace(lambda d: d["k"])).run({}))
show(lambda: Interpreter(gm).boxed_run([1,2]))
