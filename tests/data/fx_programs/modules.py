import copy, io, pickle, torch, torch.fx as fx
import torch.nn as nn, torch.nn.functional as F
torch.manual_seed(0)
def show(f):
    try: print(f())
    except Exception as e: print(type(e).__name__, str(e)[:300])
class Net(nn.Module):
    def __init__(self):
        super().__init__(); self.a = nn.Linear(4, 8); self.bn = nn.BatchNorm1d(8); self.b = nn.Linear(8, 3); self.scale = nn.Parameter(torch.ones(1)); self.register_buffer("shift", torch.zeros(3))
    def forward(self, x, y=None):
        out = self.b(F.leaky_relu(self.bn(self.a(x)))) * self.scale + self.shift
        return out
net = Net(); gm = fx.symbolic_trace(net, concrete_args={"y": False})
print(gm.code)
x, t = torch.randn(16, 4), torch.randint(0, 3, (16,))
opt = torch.optim.SGD(gm.parameters(), lr=0.1, momentum=0.9)
for _ in range(5):
    opt.zero_grad(); loss = F.cross_entropy(gm(x, False), t); loss.backward(); opt.step(); print(f"{loss.item():.4f}")
print([n for n, _ in gm.named_parameters()], [n for n, _ in gm.named_buffers()], sorted(gm.state_dict()))
print(torch.equal(gm.a.weight, net.a.weight), gm.training, gm.eval().training, net.a.training)
b = io.BytesIO(); torch.save(gm, b); b.seek(0); back = torch.load(b, weights_only=False); print(back.code == gm.code, torch.equal(back(x, False), gm(x, False)), type(back).__name__, back.training)
show(lambda: gm(x, 3))
show(lambda: gm())
h = []
g2 = fx.symbolic_trace(nn.Sequential(nn.Linear(2, 2), nn.ReLU())); g2.get_submodule("0").register_forward_hook(lambda m, i, o: h.append(tuple(o.shape))); g2.register_forward_hook(lambda m, i, o: h.append("all")); g2(torch.ones(3, 2)); print(h)
print(g2.graph.owning_module is g2, copy.deepcopy(g2).graph.owning_module is g2, g2.graph.nodes, len(list(g2.graph.nodes))) if False else None
p = dict(g2.named_parameters()); print(torch.func.functional_call(g2, {k: torch.ones_like(v) for k, v in p.items()}, (torch.ones(1, 2),)))
print(torch.func.vmap(fx.symbolic_trace(lambda v: torch.relu(v) * v.sum()))(torch.arange(4.).reshape(2, 2)))
print(torch.func.jacrev(fx.symbolic_trace(lambda v: torch.sin(v)))(torch.zeros(2)))
class Custom(fx.GraphModule):
    def __init__(self, root, graph, name="Custom"): super().__init__(root, graph, name); self.tag = "t"
c = Custom(net, fx.Tracer().trace(net)); print(type(c).__name__, type(c).__mro__[1].__name__, c.tag, isinstance(c, fx.GraphModule)); print(type(copy.deepcopy(c)).__mro__[1].__name__)
calls = []
g3 = fx.symbolic_trace(lambda q: torch.relu(q) + 1)
g3._register_create_node_hook(lambda n: calls.append(("new", n.name))); g3._register_erase_node_hook(lambda n: calls.append(("gone", n.name))); g3._register_replace_node_hook(lambda old, new, user: calls.append((old.name, new, user.name)))
r = g3.graph.find_nodes(op="call_function", target=torch.relu)[0]
with g3.graph.inserting_after(r): s = g3.graph.call_function(torch.sigmoid, r.args)
r.replace_all_uses_with(s); g3.graph.erase_node(r); s.name = "renamed"; print(calls)
with g3._set_replace_hook(lambda old, new, user: calls.append("hook")): s.users
show(lambda: g3._register_create_node_hook(3))
n1 = g3.graph.output_node(); show(lambda: n1.args[0].replace_all_uses_with(s, propagate_meta=True)); s.meta["a"] = 1; show(lambda: n1.args[0].replace_all_uses_with(s, propagate_meta=True))
m = fx.symbolic_trace(lambda x: {"a": x, "b": [x, (x, None)], "c": slice(0, 2)}); print(m.code, m(torch.ones(1)))
show(lambda: fx.node.map_arg([1], 3)); print(fx.node.map_aggregate({"a": (1, [2, slice(1, 2)])}, lambda v: v if v is None else v + 1))
it = fx.immutable_collections.immutable_list([1, 2]); print(hash(it) == hash((1, 2)), pickle.loads(pickle.dumps(it)), type(it + [3]).__name__, copy.copy(it)); d = fx.immutable_collections.immutable_dict(a=1); show(lambda: d.__setitem__("b", 1)); print({**d, "z": 2}, pickle.loads(pickle.dumps(d)))
import torch.utils._pytree as pt; print(pt.tree_leaves(it), pt.tree_leaves({"k": d}))
from torch.fx.passes.graph_drawer import FxGraphDrawer
class Loop(nn.Module):
    def __init__(self): super().__init__(); self.ls = nn.ModuleList([nn.Linear(2, 2) for _ in range(3)])
    def forward(self, x, *rest, flag=True, **kw):
        for l in self.ls: x = l(x)
        if flag: x = x + rest[0]
        assert isinstance(x, fx.Proxy) or True
        return x, kw.get("k")
show(lambda: fx.symbolic_trace(Loop(), concrete_args={"flag": True}).code)
show(lambda: fx.symbolic_trace(Loop()).code)
def outer(x): return inner(x) + inner(x)
def inner(x): y = x * 2; return y.relu_()
print(fx.symbolic_trace(outer).code)
def typed(x: torch.Tensor, n: int = 3) -> "torch.Tensor": return x * n
g5 = fx.symbolic_trace(typed); print(g5.code); print(g5(torch.ones(1)), g5(torch.ones(1), 5), g5(n=2, x=torch.ones(1)))
with fx.traceback.preserve_node_meta():
    gg = fx.symbolic_trace(lambda x: x + 1); print([sorted(set(n.meta) - {"seq_nr"}) for n in gg.graph.nodes])
    class T(fx.Transformer): pass
    for n in gg.graph.nodes: n.meta["custom"] = {"k": n.name}
    tt = T(gg).transform(); print([n.meta.get("custom") for n in tt.graph.nodes], [str(n.meta.get("from_node", ""))[:30] for n in tt.graph.nodes])
    with fx.traceback.annotate({"z": 1}): print(fx.traceback.get_current_meta())
print(fx.symbolic_trace(Net()).graph.find_nodes(op="get_attr"), [[(k, p, c.__name__) for k, (p, c) in n.meta["nn_module_stack"].items()] for n in fx.symbolic_trace(nn.Sequential(Net())).graph.nodes if "nn_module_stack" in n.meta][:2])
