import random, torch, torch.fx as fx, operator
from torch.fx import symbolic_trace, replace_pattern, subgraph_rewriter
from torch.fx.passes.split_module import split_module
U = [torch.relu, torch.sin, torch.neg]; B = [torch.add, operator.mul, operator.sub]
def make(rng, ninp, n):
    plan = []
    for k in range(n):
        c = rng.random()
        if c < .45: plan.append(("u", rng.randrange(3), rng.randrange(ninp + k)))
        elif c < .8: plan.append(("b", rng.randrange(3), rng.randrange(ninp + k), rng.randrange(ninp + k)))
        elif c < .9: plan.append(("m", rng.choice(["cos", "tanh"]), rng.randrange(ninp + k)))
        else: plan.append(("c", rng.randrange(3), rng.randrange(ninp + k), rng.choice([1, 2, 0.5])))
    outs = [ninp + n - 1] + ([ninp + rng.randrange(n)] if rng.random() < .3 else [])
    def run(vals):
        vals = list(vals)
        for p in plan:
            if p[0] == "u": vals.append(U[p[1]](vals[p[2]]))
            elif p[0] == "b": vals.append(B[p[1]](vals[p[2]], vals[p[3]]))
            elif p[0] == "m": vals.append(getattr(vals[p[2]], p[1])())
            else: vals.append(B[p[1]](vals[p[2]], p[3]))
        return vals[outs[0]] if len(outs) == 1 else tuple(vals[o] for o in outs)
    if ninp == 1: return lambda a: run([a])
    if ninp == 2: return lambda a, b: run([a, b])
    return lambda a, b, c: run([a, b, c])
for s in range(60):
    rng = random.Random(s)
    f = make(rng, 2, rng.randrange(4, 14)); npat = rng.choice([1, 2]); pn = rng.randrange(1, 4)
    p = make(rng, npat, pn); r = make(rng, npat, rng.randrange(1, 3))
    gm = symbolic_trace(f)
    if rng.random() < .5: gm.graph.eliminate_dead_code(); gm.recompile()
    pg = symbolic_trace(p); pg.graph.eliminate_dead_code()
    try:
        ms = replace_pattern(gm, pg if rng.random() < .8 else p, r)
        print(s, len(ms), [(m.anchor, {str(k): str(v) for k, v in m.nodes_map.items()}) for m in ms]); print(gm.code)
        gm.graph.lint(); print(gm(torch.tensor(.3), torch.tensor(.7)))
    except Exception as e: print(s, type(e).__name__, str(e)[:200])
    g2 = symbolic_trace(f); k = rng.choice([2, 3]); assign = {}
    cut = 0
    for n in g2.graph.nodes:
        if rng.random() < .3: cut = min(cut + 1, k)
        assign[n.name] = cut if rng.random() < .9 else rng.randrange(k)
    try: sp = split_module(g2, g2, lambda n: assign[n.name]); print(sp.code, [c.code for _, c in sp.named_children()])
    except Exception as e: print(s, type(e).__name__, str(e)[:200])
    try:
        r3 = subgraph_rewriter.replace_pattern_with_filters(symbolic_trace(f), pg, r, [lambda m, g, q: len(m.nodes_map) > 2], ignore_literals=True); print([(x.anchor, x.replacements) for x in r3])
    except Exception as e: print(s, type(e).__name__, str(e)[:200])
