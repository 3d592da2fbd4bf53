"""Programs about modules: registration, attributes, printed forms, saving and loading, results."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict
from typing import Any

from told import Say, collector

PROGRAMS, program = collector()


def small_net(torch: Any) -> Any:
    return torch.nn.Sequential(
        OrderedDict(
            [
                ("first", torch.nn.Linear(3, 4)),
                ("act", torch.nn.ReLU()),
                ("inner", torch.nn.Sequential(torch.nn.Linear(4, 2), torch.nn.Tanh())),
            ]
        )
    )


@program
def parameters(torch: Any, say: Say) -> None:
    data = torch.tensor([1.0, 2.0])
    p = torch.nn.Parameter(data)
    say(p, repr(p), type(p).__name__, p.requires_grad, p.is_leaf, isinstance(p, torch.Tensor))
    data.add_(1)
    say(p, p._version, p + 1, p.data, p.detach())
    say(torch.nn.Parameter(), torch.nn.Parameter(torch.zeros(1), requires_grad=False))
    say(torch.nn.Parameter(torch.tensor([1, 2]), requires_grad=False))
    say.failure(lambda: torch.nn.Parameter(torch.tensor([1, 2])))
    source = torch.ones(2, requires_grad=True) * 2
    q = torch.nn.Parameter(source)
    say(q, q.is_leaf, q.grad_fn)
    (q * q).sum().backward()
    say(q.grad)
    p.note = "kept"
    p.grad = torch.ones(2)
    for other in (copy.copy(p), copy.deepcopy(p), pickle.loads(pickle.dumps(p))):
        say(type(other).__name__, other, other.grad, getattr(other, "note", None), other is p)
        say(other.data_ptr() == p.data_ptr(), other.requires_grad)
    b = torch.nn.Buffer(torch.ones(2))
    say(b, type(b).__name__, isinstance(b, torch.nn.Buffer), isinstance(b, torch.nn.Parameter), b.persistent)
    say(isinstance(p, torch.nn.Buffer), isinstance(torch.ones(1), torch.nn.Parameter), b + 1)


@program
def registration(torch: Any, say: Say) -> None:
    m = torch.nn.Module()
    m.register_buffer("counted", torch.zeros(2))
    m.register_buffer("hidden", torch.ones(1), persistent=False)
    m.register_buffer("empty", None)
    m.register_parameter("weight", torch.nn.Parameter(torch.ones(1)))
    m.register_parameter("nothing", None)
    m.add_module("child", torch.nn.ReLU())
    m.register_module("other", None)
    m.plain = 3
    m.kept = torch.nn.Buffer(torch.ones(3), persistent=False)
    say(sorted(m._buffers), sorted(m._parameters), sorted(m._modules), sorted(m._non_persistent_buffers_set))
    say(m.state_dict())
    say(list(m.__dict__))
    for name, value in [
        ("counted", torch.ones(2)),
        ("weight", None),
        ("hidden", None),
        ("empty", torch.ones(1)),
    ]:
        setattr(m, name, value)
    m.weight = torch.nn.Parameter(torch.zeros(2))
    m.counted = torch.nn.Parameter(torch.zeros(1))
    say(list(m.state_dict()), sorted(m._buffers), sorted(m._parameters))
    m.weight = None
    say.failure(lambda: setattr(m, "weight", torch.zeros(1)))
    say.failure(lambda: setattr(m, "weight", 3))
    say.failure(lambda: setattr(m, "child", 3))
    say.failure(lambda: setattr(m, "child", torch.zeros(1)))
    say.failure(lambda: setattr(m, "empty", 3))
    m.child = None
    m.child = torch.nn.Tanh()
    m.plain = torch.nn.Parameter(torch.zeros(1))
    say("plain" in m.__dict__, "plain" in m._parameters)
    del m.plain, m.child, m.empty
    say.failure(lambda: m.plain)
    say.failure(lambda: delattr(m, "plain"))
    names = dir(m)
    say([name in names for name in ("hidden", "counted", "weight", "kept", "training", "forward", "plain")])
    say(names == sorted(names), [name for name in dir(torch.nn.Sequential(m)) if name[0].isdigit()])


@program
def registration_errors(torch: Any, say: Say) -> None:
    m = torch.nn.Linear(1, 1)
    grown = torch.ones(1, requires_grad=True) * 2
    leafless = torch.nn.Parameter(torch.ones(1))
    for call in (
        lambda: m.register_buffer("x", 3),
        lambda: m.register_buffer(3, torch.zeros(1)),
        lambda: m.register_buffer("a.b", torch.zeros(1)),
        lambda: m.register_buffer("", torch.zeros(1)),
        lambda: m.register_buffer("weight", torch.zeros(1)),
        lambda: m.register_parameter("x", torch.zeros(1)),
        lambda: m.register_parameter("x", 3),
        lambda: m.register_parameter(3, leafless),
        lambda: m.register_parameter("a.b", leafless),
        lambda: m.register_parameter("", leafless),
        lambda: m.register_parameter("forward", leafless),
        lambda: m.add_module("x", 3),
        lambda: m.add_module("x", torch.zeros(1)),
        lambda: m.add_module(3, torch.nn.ReLU()),
        lambda: m.add_module("a.b", torch.nn.ReLU()),
        lambda: m.add_module("", torch.nn.ReLU()),
        lambda: m.add_module("weight", torch.nn.ReLU()),
        lambda: torch.nn.Sequential(3),
        lambda: torch.nn.Sequential(torch.nn.ReLU)(grown),
        lambda: torch.nn.ModuleList(3),
        lambda: torch.nn.Module(3),
        lambda: torch.nn.Module(x=3),
        lambda: torch.nn.Module()(3),
        lambda: torch.nn.Module().absent,
        lambda: m.train(1),
        lambda: m.get_extra_state(),
        lambda: m.set_extra_state(1),
    ):
        say.failure(call)

    class Early(torch.nn.Module):
        def __init__(self, value: Any) -> None:
            self.member = value

    for value in (torch.nn.Parameter(torch.zeros(1)), torch.nn.ReLU(), torch.nn.Buffer(torch.zeros(1)), 3):
        say.failure(lambda value=value: Early(value).member)  # type: ignore[misc]

    class Cooperating(torch.nn.Module):
        call_super_init = True

    class Mixed:
        def __init__(self, size: int) -> None:
            self.size = size

    class Both(Cooperating, Mixed):
        pass

    say(Both(5).size, Both(size=6).size)


@program
def finding(torch: Any, say: Say) -> None:
    net = small_net(torch)
    net.register_buffer("seen", torch.zeros(1))
    shared = torch.nn.Linear(1, 1)
    net.twice = torch.nn.ModuleList([shared, shared])
    say(net.get_submodule(""), net.get_submodule("inner.0"), net.get_submodule("twice.1") is shared)
    say(net.get_parameter("inner.0.bias").shape, net.get_buffer("seen"))
    for target in ("absent", "inner.absent", "first.weight", "inner.0.weight.x"):
        say.failure(lambda target=target: net.get_submodule(target))  # type: ignore[misc]
    for target in ("absent", "inner.0.absent", "seen", "inner"):
        say.failure(lambda target=target: net.get_parameter(target))  # type: ignore[misc]
    for target in ("absent", "first.weight", "inner.seen"):
        say.failure(lambda target=target: net.get_buffer(target))  # type: ignore[misc]
    net.set_submodule("inner.1", torch.nn.ReLU())
    net.set_submodule("inner.new", torch.nn.ReLU())
    say(net)
    say.failure(lambda: net.set_submodule("", torch.nn.ReLU()))
    say.failure(lambda: net.set_submodule("inner.1", 3))
    say.failure(lambda: net.set_submodule("inner.other", torch.nn.ReLU(), strict=True))
    say.failure(lambda: net.set_submodule("first.weight", torch.nn.ReLU()))
    say([n for n, _ in net.named_parameters()])
    say([n for n, _ in net.named_parameters(remove_duplicate=False)])
    say([n for n, _ in net.named_parameters(prefix="x", recurse=False)], len(list(net.parameters())))
    say([n for n, _ in net.named_parameters("net")])
    say([n for n, _ in net.named_buffers()], [n for n, _ in net.named_buffers("p")], len(list(net.buffers())))
    say([n for n, _ in net.named_modules()], len(list(net.modules())), len(list(net.modules(False))))
    say([n for n, _ in net.named_modules(prefix="p", remove_duplicate=False)])
    say([n for n, _ in net.named_children()], len(list(net.children())), len(list(net.twice.children())))


@program
def saving(torch: Any, say: Say) -> None:
    net = small_net(torch)
    state = net.state_dict()
    say(type(state).__name__, list(state), state._metadata)
    say(state["first.weight"].requires_grad, state["first.weight"].data_ptr() == net.first.weight.data_ptr())
    say(net.state_dict(keep_vars=True)["first.bias"] is net.first.bias, list(net.state_dict(prefix="p.")))
    filled: dict[str, Any] = {}
    say(net.state_dict(destination=filled) is filled, len(filled))
    other = small_net(torch)
    say(repr(other.load_state_dict(state)), torch.equal(other.first.weight, net.first.weight))
    say(other.first.weight is net.first.weight, other.first.weight._version)
    broken = dict(state)
    del broken["first.weight"]
    broken["inner.0.extra"] = torch.zeros(1)
    broken["more"] = torch.zeros(1)
    broken["inner.0.weight"] = torch.zeros(3)
    broken["first.bias"] = "text"
    say.failure(lambda: other.load_state_dict(broken))
    del broken["inner.0.weight"], broken["first.bias"]
    result = other.load_state_dict(broken, strict=False)
    say(result, result.missing_keys, result.unexpected_keys, len(result))
    say.failure(lambda: other.load_state_dict(broken))
    say.failure(lambda: other.load_state_dict([1]))
    say.failure(lambda: torch.nn.Linear(2, 2).load_state_dict({}))
    new = {k: torch.ones_like(v, dtype=torch.float64) for k, v in state.items()}
    before = other.first.weight
    other.load_state_dict(new)
    say(other.first.weight.dtype, other.first.weight is before)
    other.first.weight.requires_grad_(False)
    other.load_state_dict(new, assign=True)
    say(other.first.weight.dtype, type(other.first.weight).__name__, other.first.weight.requires_grad)
    say(other.first.bias.requires_grad, other.first.weight.data_ptr() == new["first.weight"].data_ptr())
    say(net.state_dict({}, "a."))


@program
def saving_scalars_and_extra(torch: Any, say: Say) -> None:
    class Counter(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.total = torch.nn.Parameter(torch.tensor(1.0))
            self.names = ["a"]

        def get_extra_state(self) -> Any:
            return {"names": self.names}

        def set_extra_state(self, state: Any) -> None:
            self.names = state["names"]

    one, other = Counter(), Counter()
    one.names = ["b", "c"]
    state = one.state_dict()
    say(list(state), state["_extra_state"])
    state["total"] = torch.tensor([5.0])
    say(other.load_state_dict(state), other.names, other.total)
    say.failure(lambda: other.load_state_dict({"total": torch.tensor(1.0)}))
    say.failure(lambda: torch.nn.ReLU().load_state_dict({"_extra_state": 1}))
    nested = torch.nn.Sequential(Counter(), Counter())
    say(list(nested.state_dict()), nested.load_state_dict(nested.state_dict()))
    say.failure(lambda: nested.load_state_dict({"0.total": torch.tensor(1.0)}))


@program
def casting(torch: Any, say: Say) -> None:
    net = small_net(torch)
    net.register_buffer("count", torch.tensor([3]))
    net.register_buffer("mean", torch.tensor([0.5]))
    weight = net.first.weight
    weight.grad = torch.ones(4, 3)
    grad = weight.grad
    say(net.double() is net, net.first.weight is weight, weight.dtype, weight.grad.dtype, net.mean.dtype)
    say(weight.grad is grad, grad.dtype, net.count.dtype, weight.requires_grad, weight.is_leaf)
    for cast in ("half", "bfloat16", "float"):
        getattr(net, cast)()
        say(cast, weight.dtype, weight.grad.dtype, net.count.dtype, net.mean)
    net.to(torch.float64)
    say(weight.dtype, net.count.dtype)
    net.to("cpu", torch.float32)
    say(weight.dtype)
    net.to(torch.zeros(1, dtype=torch.float16))
    say(weight.dtype)
    net.to(dtype=torch.float32).cpu()
    net.type(torch.float64)
    say(weight.dtype, net.count.dtype)
    say.failure(lambda: net.to(torch.int32))
    say.failure(lambda: net.to(torch.bool))
    net.requires_grad_(False)
    say([p.requires_grad for p in net.parameters()])
    net.requires_grad_()
    say(net.training, net.eval().training, net.inner.training, net.train().inner[0].training)
    net.float()
    net(torch.ones(2, 3)).sum().backward()
    say([p.grad is None for p in net.parameters()])
    net.zero_grad(set_to_none=False)
    say([float(p.grad.abs().sum()) for p in net.parameters()])
    net.zero_grad()
    say([p.grad is None for p in net.parameters()])
    seen: list[str] = []
    say(net.apply(lambda m: seen.append(type(m).__name__)) is net, seen)


@program
def copying(torch: Any, say: Say) -> None:
    net = small_net(torch)
    net.register_buffer("mean", torch.tensor([0.5]))
    net.tag = {"x": [1]}
    x = torch.ones(1, 3)
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        say(type(other).__name__, torch.equal(other(x), net(x)), other.first.weight is net.first.weight)
        say(list(other.state_dict()) == list(net.state_dict()), other.tag, other.tag is net.tag)
        other.first.weight.data.zero_()
        say(bool(net.first.weight.any()))
    shallow = copy.copy(net)
    say(shallow.first is net.first, shallow._modules is net._modules)
    tied = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))
    tied[1].weight = tied[0].weight
    say(copy.deepcopy(tied)[0].weight is copy.deepcopy(tied)[1].weight)
    twin = copy.deepcopy(tied)
    say(twin[0].weight is twin[1].weight, len(list(twin.parameters())))


@program
def containers(torch: Any, say: Say) -> None:
    nn = torch.nn
    s = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 1))
    say(len(s), s[0], s[-1], s[1:], s[:1], type(s[0:2]).__name__)
    s[1] = nn.Tanh()
    del s[0]
    say(s, list(s._modules))
    say(
        s.append(nn.Sigmoid()) is s,
        s.insert(0, nn.Identity()) is s,
        s.insert(-1, nn.GELU()),
        s.extend([nn.ELU()]),
    )
    say(s.pop(0), s.pop(-1), s)
    say(s + nn.Sequential(nn.ReLU()), nn.Sequential(nn.ReLU()) * 2, 2 * nn.Sequential(nn.ReLU()))
    s += nn.Sequential(nn.ReLU(), nn.Tanh())
    s *= 2
    say(s, len(s), s[0] is s[6], list(s._modules))
    del s[1:]
    say(s)
    for call in (
        lambda: s[5],
        lambda: s[-2],
        lambda: s["0"],
        lambda: s + 3,
        lambda: s.__iadd__(3),
        lambda: s * 1.5,
        lambda: s * 0,
        lambda: s.insert(9, nn.ReLU()),
        lambda: s.insert(0, 3),
        lambda: s.append(3),
    ):
        say.failure(call)
    items = nn.ModuleList([nn.Linear(1, 1), nn.Linear(1, 1), nn.ReLU()])
    say(items, len(items), items[0], items[1:], [type(m).__name__ for m in items], nn.ModuleList())
    items.append(nn.Tanh())
    items.insert(1, nn.Sigmoid())
    items += [nn.ReLU(), nn.ReLU()]
    items[0] = nn.Identity()
    del items[2]
    say(items, items + [nn.GELU()], items.pop(-1), list(items._modules))
    say.failure(lambda: items(1))
    say.failure(lambda: items[9])
    say.failure(lambda: items.extend(3))
    say(nn.ModuleList([s, s, nn.Sequential(nn.ReLU(), nn.Linear(2, 2)), nn.ReLU()]))
    names = nn.ModuleDict({"b": nn.ReLU(), "a": nn.Linear(1, 1)})
    names["c"] = nn.Tanh()
    names.update([("d", nn.ELU()), ["e", nn.GELU()]])
    names.update(nn.ModuleDict({"f": nn.SiLU()}))
    say(names, len(names), list(names), "a" in names, names["a"], names.pop("b"), list(names.keys()))
    del names["c"]
    say([k for k, _ in names.items()], [type(v).__name__ for v in names.values()])
    for call in (
        lambda: names["zz"],
        lambda: names.update(3),
        lambda: names.update([3]),
        lambda: names.update([(1, 2, 3)]),
        lambda: names.update([("training", nn.ReLU())]),
        lambda: nn.ModuleDict({"x.y": nn.ReLU()}),
        lambda: nn.ModuleDict({"keys": nn.ReLU()}),
    ):
        say.failure(call)
    names.clear()
    say(names)


@program
def parameter_containers(torch: Any, say: Say) -> None:
    nn = torch.nn
    p = nn.ParameterList([nn.Parameter(torch.ones(1)), torch.zeros(2, 3), 5, "text"])
    say(p, len(p), p[1], p[-1], [type(v).__name__ for v in p], len(list(p.parameters())))
    p.append(torch.zeros(()))
    p += [torch.ones(4)]
    p[2] = torch.ones(2)
    say(p[1:3], len(p), list(p.state_dict()), nn.ParameterList())
    for call in (lambda: p.extend(3), lambda: p.extend(torch.zeros(2)), lambda: p[10], lambda: p(1)):
        say.failure(call)
    say([name for name in dir(p) if name[0].isdigit()])
    d = nn.ParameterDict({"b": torch.zeros(1), "a": nn.Parameter(torch.ones(2)), "n": 3})
    d["z"] = torch.ones(1, 2)
    say(d, len(d), list(d), list(reversed(d)), "a" in d, d["a"], list(d.state_dict()), d.get("zz", 7))
    say(d.setdefault("q"), d.setdefault("a") is d["a"], d.pop("q"), d.popitem(), list(d.keys()))
    say([k for k, _ in d.items()], [type(v).__name__ for v in d.values()], d.copy())
    both = d | nn.ParameterDict({"m": torch.zeros(1)})
    d |= nn.ParameterDict({"k": torch.zeros(1)})
    say(list(both), list(d), list(d.fromkeys(["u", "v"], torch.zeros(1))))
    d.update([("i", torch.zeros(1)), ["j", 1]])
    del d["i"]
    say(list(d))
    for call in (
        lambda: d[3],
        lambda: d["zz"],
        lambda: d.update(3),
        lambda: d.update([3]),
        lambda: d.update([(1, 2, 3)]),
        lambda: nn.ParameterDict({3: 4}),
        lambda: d(1),
    ):
        say.failure(call)
    d.clear()
    say(d, len(d))


def every_module(torch: Any) -> list[Any]:
    nn = torch.nn
    return [
        nn.Identity(3, x=1),
        nn.Linear(2, 3),
        nn.Linear(2, 3, bias=False),
        nn.Linear(2, 3, dtype=torch.float64),
        nn.Bilinear(2, 3, 4),
        nn.Bilinear(2, 3, 4, bias=False),
        nn.Flatten(),
        nn.Unflatten(1, (2, 3)),
        nn.Embedding(4, 2),
        nn.Embedding(4, 2, padding_idx=-1, max_norm=2.0, norm_type=1.0, scale_grad_by_freq=True),
        nn.Embedding(4, 2, sparse=True),
        nn.LayerNorm(3),
        nn.LayerNorm([2, 3], eps=1e-3, bias=False),
        nn.LayerNorm((3,), elementwise_affine=False),
        nn.RMSNorm(3),
        nn.RMSNorm([2, 3], eps=1e-3, elementwise_affine=False),
        nn.Dropout(),
        nn.Dropout(0.3, inplace=True),
        nn.Dropout1d(0.1),
        nn.Dropout2d(0.1),
        nn.Dropout3d(0.1),
        nn.AlphaDropout(0.1),
        nn.FeatureAlphaDropout(0.1),
        nn.Threshold(0.1, 20),
        nn.Threshold(0.1, 20, True),
        nn.ReLU(),
        nn.ReLU(inplace=True),
        nn.RReLU(),
        nn.RReLU(0.1, 0.2, True),
        nn.Hardtanh(),
        nn.Hardtanh(-2, 2.5, inplace=True),
        nn.ReLU6(),
        nn.ReLU6(True),
        nn.Sigmoid(),
        nn.Hardsigmoid(),
        nn.Hardsigmoid(True),
        nn.Tanh(),
        nn.SiLU(),
        nn.SiLU(True),
        nn.Mish(),
        nn.Mish(True),
        nn.Hardswish(),
        nn.Hardswish(True),
        nn.ELU(),
        nn.ELU(0.5, True),
        nn.CELU(),
        nn.CELU(0.5, True),
        nn.SELU(),
        nn.SELU(True),
        nn.GLU(),
        nn.GLU(0),
        nn.GELU(),
        nn.GELU("tanh"),
        nn.Hardshrink(),
        nn.LeakyReLU(),
        nn.LeakyReLU(0.2, True),
        nn.LogSigmoid(),
        nn.Softplus(),
        nn.Softplus(2, 10),
        nn.Softshrink(),
        nn.PReLU(),
        nn.PReLU(3, init=0.5),
        nn.Softsign(),
        nn.Tanhshrink(),
        nn.Softmin(1),
        nn.Softmax(),
        nn.Softmax(dim=-1),
        nn.Softmax2d(),
        nn.LogSoftmax(0),
        nn.L1Loss(),
        nn.MSELoss(reduction="sum"),
        nn.SmoothL1Loss(beta=0.5),
        nn.HuberLoss(delta=2.0),
        nn.NLLLoss(torch.ones(2)),
        nn.CrossEntropyLoss(label_smoothing=0.1),
        nn.BCELoss(),
        nn.BCEWithLogitsLoss(pos_weight=torch.ones(2)),
        nn.KLDivLoss(log_target=True),
        nn.PoissonNLLLoss(),
        nn.GaussianNLLLoss(),
        nn.SoftMarginLoss(),
        nn.MultiLabelMarginLoss(),
        nn.MultiLabelSoftMarginLoss(),
        nn.MultiMarginLoss(),
        nn.HingeEmbeddingLoss(),
        nn.CosineEmbeddingLoss(),
        nn.MarginRankingLoss(),
        nn.TripletMarginLoss(),
        nn.TripletMarginWithDistanceLoss(),
        nn.PairwiseDistance(),
        nn.CosineSimilarity(),
    ]


@program
def printed_forms(torch: Any, say: Say) -> None:
    for module in every_module(torch):
        say(module, "|", list(module.state_dict()))
    say(torch.nn.Sequential(*every_module(torch)[:20]))
    say(small_net(torch))

    class Described(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = torch.nn.Linear(1, 1)
            self.nothing = None
            self.register_module("none", None)

        def extra_repr(self) -> str:
            return "first line\nsecond line"

    say(Described(), torch.nn.Module())


@program
def attributes(torch: Any, say: Say) -> None:
    """What modules keep besides members; it is pickled, and read by programs."""
    for module in every_module(torch):
        own = {k: v for k, v in sorted(vars(module).items()) if not k.startswith("_") and k != "training"}
        say(type(module).__name__, own)


@program
def constructor_errors(torch: Any, say: Say) -> None:
    nn = torch.nn
    for call in (
        lambda: nn.Dropout(1.5),
        lambda: nn.Dropout(-0.1),
        lambda: nn.Unflatten(1, 3),
        lambda: nn.Unflatten(1, (2, 1.5)),
        lambda: nn.Embedding(4, 2, padding_idx=4),
        lambda: nn.Embedding(4, 2, padding_idx=-5),
        lambda: nn.Embedding(4, 2, _weight=torch.zeros(2, 2)),
        lambda: nn.Embedding.from_pretrained(torch.zeros(2)),
        lambda: nn.Hardtanh(1, 0),
        lambda: nn.HuberLoss(delta="x"),
        lambda: nn.MultiMarginLoss(p=3),
        lambda: nn.MultiMarginLoss(weight=torch.zeros(1, 1)),
        lambda: nn.TripletMarginLoss(margin=0),
        lambda: nn.TripletMarginWithDistanceLoss(margin=-1),
        lambda: nn.Softmax2d()(torch.zeros(2)),
        lambda: nn.Bilinear(0, 1, 1),
        lambda: nn.Linear(2, 2)(torch.zeros(3)),
        lambda: nn.Hardtanh(min_value=-2, max_value=2),
        lambda: nn.L1Loss(size_average=False).reduction,
        lambda: nn.L1Loss(reduce=False).reduction,
        lambda: nn.L1Loss(True, True).reduction,
        lambda: nn.NLLLoss2d(),
        lambda: nn.Container(a=nn.ReLU()),
        lambda: nn.L1Loss(reduction="none!")(torch.zeros(1), torch.zeros(1)),
        lambda: nn.Linear(0, 3),
    ):
        say.failure(call)


def run(torch: Any, say: Say, module: Any, *inputs: Any) -> None:
    """The output of a module, and the gradients of its inputs and parameters."""
    leaves = [i.clone().requires_grad_(i.is_floating_point()) if hasattr(i, "clone") else i for i in inputs]
    # Modules that work in place must not write into a leaf.
    out = module(*(i * 1.0 if getattr(i, "requires_grad", False) else i for i in leaves))
    (out * out * out).sum().backward()
    say(type(module).__name__, out.requires_grad)
    say.numbers(out, *(i.grad for i in leaves if getattr(i, "requires_grad", False) and i.grad is not None))
    say.numbers(*(p.grad for p in module.parameters()))


@program
def activations(torch: Any, say: Say) -> None:
    nn = torch.nn
    x = torch.linspace(-4, 4, 12).reshape(2, 6) + 0.05
    for module in (
        nn.Threshold(0.1, 20),
        nn.ReLU(),
        nn.ReLU(True),
        nn.RReLU().eval(),
        nn.Hardtanh(),
        nn.ReLU6(),
        nn.Sigmoid(),
        nn.Hardsigmoid(),
        nn.Tanh(),
        nn.SiLU(),
        nn.Mish(),
        nn.Hardswish(),
        nn.ELU(),
        nn.ELU(0.5, True),
        nn.CELU(0.5),
        nn.SELU(),
        nn.GLU(),
        nn.GELU(),
        nn.GELU("tanh"),
        nn.Hardshrink(),
        nn.LeakyReLU(),
        nn.LeakyReLU(0.2, True),
        nn.LogSigmoid(),
        nn.Softplus(),
        nn.Softplus(2, 3),
        nn.Softshrink(),
        nn.PReLU(),
        nn.PReLU(6),
        nn.Softsign(),
        nn.Tanhshrink(),
        nn.Softmin(1),
        nn.Softmax(1),
        nn.Softmax(0),
        nn.LogSoftmax(1),
    ):
        run(torch, say, module, x)
    run(torch, say, nn.Softmax2d(), torch.linspace(-1, 1, 12).reshape(3, 2, 2))
    say(nn.Softmax()(torch.zeros(2)), nn.LogSoftmax()(torch.zeros(2, 2)), nn.Softmin()(torch.zeros(1, 2)))


@program
def layers(torch: Any, say: Say) -> None:
    nn = torch.nn
    x = torch.linspace(-1, 1, 12).reshape(4, 3)
    for module in (
        nn.Linear(3, 2),
        nn.Linear(3, 2, bias=False),
        nn.LayerNorm(3),
        nn.LayerNorm(3, elementwise_affine=False),
        nn.LayerNorm([4, 3], bias=False),
        nn.RMSNorm(3),
        nn.RMSNorm(3, eps=0.1),
        nn.Identity(),
        nn.Flatten(0),
        nn.Unflatten(1, (3, 1)),
        nn.Dropout(0.5).eval(),
        nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)),
    ):
        run(torch, say, module, x)
    run(torch, say, nn.Bilinear(3, 2, 2), x, x[:, :2])
    run(torch, say, nn.PairwiseDistance(), x, x.flip(0))
    run(torch, say, nn.CosineSimilarity(), x, x.flip(0))
    index = torch.tensor([[0, 3, 1], [3, 3, 2]])
    run(torch, say, nn.Embedding(4, 2), index)
    run(torch, say, nn.Embedding(4, 2, padding_idx=3), index)
    run(torch, say, nn.Embedding(4, 2, scale_grad_by_freq=True), index)
    bounded = nn.Embedding(4, 2, max_norm=0.5)
    run(torch, say, bounded, index)
    say.numbers(bounded.weight)
    fixed = nn.Embedding.from_pretrained(torch.eye(3))
    say(fixed, fixed.weight.requires_grad, fixed(torch.tensor([2, 0])))


@program
def dropout_numbers(torch: Any, say: Say) -> None:
    x = torch.ones(4, 8)
    for module in (
        torch.nn.Dropout(0.5),
        torch.nn.Dropout(0.2),
        torch.nn.Dropout(0.0),
        torch.nn.Dropout(1.0),
    ):
        torch.manual_seed(3)
        say.numbers(module(x))


@program
def losses(torch: Any, say: Say) -> None:
    nn = torch.nn
    x = torch.linspace(-2, 2, 12).reshape(4, 3)
    y = torch.linspace(1, -1, 12).reshape(4, 3)
    prob, other = torch.sigmoid(x), torch.sigmoid(y)
    classes = torch.tensor([0, 2, 1, 2])
    logs = torch.log_softmax(x, 1)
    weight = torch.tensor([0.5, 1.0, 2.0])
    for reduction in ("mean", "sum", "none"):
        for module, a, b in (
            (nn.L1Loss(reduction=reduction), x, y),
            (nn.MSELoss(reduction=reduction), x, y),
            (nn.SmoothL1Loss(reduction=reduction, beta=0.7), x, y),
            (nn.HuberLoss(reduction=reduction, delta=0.7), x, y),
            (nn.NLLLoss(reduction=reduction), logs, classes),
            (nn.NLLLoss(weight, ignore_index=1, reduction=reduction), logs, classes),
            (nn.CrossEntropyLoss(reduction=reduction), x, classes),
            (nn.CrossEntropyLoss(weight, ignore_index=0, reduction=reduction), x, classes),
            (nn.CrossEntropyLoss(label_smoothing=0.1, reduction=reduction), x, classes),
            (nn.BCELoss(reduction=reduction), prob, other),
            (nn.BCELoss(weight, reduction=reduction), prob, other),
            (nn.BCEWithLogitsLoss(reduction=reduction), x, other),
            (nn.BCEWithLogitsLoss(pos_weight=weight, reduction=reduction), x, other),
            (nn.KLDivLoss(reduction=reduction), logs, other),
            (nn.KLDivLoss(reduction=reduction, log_target=True), logs, torch.log_softmax(y, 1)),
        ):
            leaf = a.clone().requires_grad_()
            out = module(leaf, b)
            out.sum().backward()
            say(type(module).__name__, reduction)
            say.numbers(out, leaf.grad)
    smooth = torch.softmax(y, 1)
    say.numbers(nn.CrossEntropyLoss()(x, smooth), nn.CrossEntropyLoss(weight)(x, smooth))
    say.numbers(nn.KLDivLoss(reduction="batchmean")(logs, smooth))


@program
def margin_losses(torch: Any, say: Say) -> None:
    nn = torch.nn
    x = torch.linspace(-2, 2, 12).reshape(4, 3)
    y = torch.linspace(1, -1, 12).reshape(4, 3)
    signs = torch.tensor([1.0, -1.0, 1.0, -1.0])
    counts = torch.arange(12.0).reshape(4, 3)
    for reduction in ("mean", "sum", "none"):
        for module, inputs in (
            (nn.PoissonNLLLoss(reduction=reduction), (x, counts)),
            (nn.PoissonNLLLoss(log_input=False, full=True, reduction=reduction), (x.exp(), counts)),
            (nn.GaussianNLLLoss(reduction=reduction), (x, y, x.exp())),
            (nn.GaussianNLLLoss(full=True, reduction=reduction), (x, y, x.exp())),
            (nn.SoftMarginLoss(reduction=reduction), (x[:, 0], signs)),
            (nn.MultiLabelSoftMarginLoss(reduction=reduction), (x, (y > 0).float())),
            (nn.HingeEmbeddingLoss(reduction=reduction), (x[:, 0], signs)),
            (nn.CosineEmbeddingLoss(margin=0.1, reduction=reduction), (x, y, signs)),
            (nn.MarginRankingLoss(margin=0.1, reduction=reduction), (x[:, 0], y[:, 0], signs)),
            (nn.TripletMarginLoss(reduction=reduction), (x, y, x.flip(0))),
            (nn.TripletMarginLoss(swap=True, p=1.0, reduction=reduction), (x, y, x.flip(0))),
            (nn.TripletMarginWithDistanceLoss(reduction=reduction), (x, y, x.flip(0))),
        ):
            leaf = inputs[0].clone().requires_grad_()
            out = module(leaf, *inputs[1:])
            out.sum().backward()
            say(type(module).__name__, reduction)
            say.numbers(out, leaf.grad)


@program
def label_margin_losses(torch: Any, say: Say) -> None:
    nn = torch.nn
    x = torch.linspace(-2, 2, 12).reshape(4, 3)
    classes = torch.tensor([0, 2, 1, 2])
    labels = torch.tensor([[0, -1, 1], [2, 0, -1], [-1, 0, 1], [0, 1, 2]])
    weight = torch.tensor([0.5, 1.0, 2.0])
    for reduction in ("mean", "sum", "none"):
        for module, target in (
            (nn.MultiMarginLoss(reduction=reduction), classes),
            (nn.MultiMarginLoss(p=2, margin=0.5, weight=weight, reduction=reduction), classes),
            (nn.MultiLabelMarginLoss(reduction=reduction), labels),
        ):
            leaf = x.clone().requires_grad_()
            out = module(leaf, target)
            out.sum().backward()
            say(type(module).__name__, reduction)
            say.numbers(out, leaf.grad)


@program
def clipping(torch: Any, say: Say) -> None:
    utils = torch.nn.utils

    def fresh() -> list[Any]:
        made = [torch.zeros(2, requires_grad=True), torch.zeros(2, 2, requires_grad=True), torch.zeros(1)]
        made[0].grad = torch.tensor([3.0, -4.0])
        made[1].grad = torch.tensor([[1.0, 2.0], [-2.0, 0.0]])
        return made

    for norm_type in (2.0, 1.0, float("inf"), 0.5, 2):
        params = fresh()
        total = utils.clip_grad_norm_(params, 2.0, norm_type)
        say.numbers(total, *(p.grad for p in params[:2]))
    params = fresh()
    say(utils.clip_grad_norm_(iter(params), 100.0), params[0].grad, utils.clip_grad_norm_(params[0], 1.0))
    utils.clip_grad_value_(params, 0.5)
    say(params[0].grad, params[1].grad)
    say(utils.clip_grad_norm_([], 1.0), utils.clip_grad_norm_((p for p in []), 1.0))
    say(utils.get_total_norm([torch.tensor([3.0]), torch.tensor([4.0])]), utils.get_total_norm([]))
    params[0].grad[0] = float("nan")
    say.failure(lambda: utils.clip_grad_norm_(params, 1.0, error_if_nonfinite=True))
    say(utils.clip_grad_norm_(params, 1.0), params[1].grad)
    params = fresh()
    utils.clip_grads_with_norm_(params, 1.0, torch.tensor(10.0))
    say(params[0].grad)
    say(utils.clip_grad_norm(params, 1.0))


@program
def vectors(torch: Any, say: Say) -> None:
    utils = torch.nn.utils
    net = torch.nn.Linear(2, 2)
    vector = utils.parameters_to_vector(net.parameters())
    say.numbers(vector)
    say(vector.grad_fn is not None, vector.shape)
    new = torch.arange(6.0)
    utils.vector_to_parameters(new, net.parameters())
    say(net.weight, net.bias)
    new[0] = 9.0
    say(net.weight[0, 0].item(), net.weight.requires_grad, net.weight.is_leaf)
    say.failure(lambda: utils.vector_to_parameters([1.0], net.parameters()))


@program
def training(torch: Any, say: Say) -> None:
    """A small network trained for some steps, as any program does it."""
    net = torch.nn.Sequential(
        torch.nn.Linear(4, 16), torch.nn.LayerNorm(16), torch.nn.GELU(), torch.nn.Linear(16, 3)
    )
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.05)
    loss_fn = torch.nn.CrossEntropyLoss()
    x = torch.randn(20, 4)
    y = torch.randint(0, 3, (20,))
    for _ in range(10):
        optimizer.zero_grad()
        loss = loss_fn(net(x), y)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        say(loss.item())
    say.numbers(*net.parameters())


@program
def calls_with_other_parameters(torch: Any, say: Say) -> None:
    call = torch.nn.utils.stateless.functional_call
    net = small_net(torch)
    net.register_buffer("count", torch.zeros(1))
    x = torch.ones(2, 3)
    ones = {name: torch.ones_like(p) for name, p in net.named_parameters()}
    say.numbers(call(net, ones, x), net.first.weight)
    say(net.first.weight.requires_grad, type(net.first.weight).__name__)
    leaf = {"first.weight": torch.ones(4, 3, requires_grad=True)}
    call(net, leaf, (x,)).sum().backward()
    say.numbers(leaf["first.weight"].grad, call(net, {}, (x,)))

    class Counting(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("n", torch.zeros(1))
            self.first = torch.nn.Linear(1, 1)
            self.second = torch.nn.Linear(1, 1)
            self.second.weight = self.first.weight
            self.plain = torch.zeros(1)

        def forward(self, x: Any, extra: float = 0.0) -> Any:
            self.n = self.n + 1
            return self.second(self.first(x)) + extra + self.plain

    m = Counting()
    given = {"n": torch.tensor([5.0]), "first.weight": torch.tensor([[2.0]]), "plain": torch.ones(1)}
    zero = {"first.bias": torch.zeros(1), "second.bias": torch.zeros(1)}
    say(call(m, {**given, **zero}, torch.ones(1), {"extra": 0.5}), m.n, m.plain)
    counted = {**given, **zero}
    call(m, counted, torch.ones(1))
    say(counted["n"], m.n)
    say(call(m, {**given, **zero}, torch.ones(1), tie_weights=False).shape)
    for function in (
        lambda: call(
            m, {"first.weight": torch.ones(1, 1), "second.weight": torch.zeros(1, 1)}, torch.ones(1)
        ),
        lambda: call(m, {"n": torch.ones(1)}, torch.ones(1), strict=True),
        lambda: call(m, {"other": torch.ones(1)}, torch.ones(1), strict=True),
        lambda: call(m, {"n": 3}, torch.ones(1)),
        lambda: call(m, {"absent.n": torch.ones(1)}, torch.ones(1)),
    ):
        say.failure(function)
    say(m.n, m.first.weight is m.second.weight)
