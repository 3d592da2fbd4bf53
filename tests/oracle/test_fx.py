"""`torch.fx`: the same programs under PyTorch and here print the same graphs, code, results and errors."""

import re
import subprocess
import sys

import pytest
from running import PROJECT

PROGRAMS = PROJECT / "tests" / "data" / "fx_programs"


def printed(name: str, *under: str) -> list[str]:
    command = [sys.executable, "-W", "ignore", *under, str(PROGRAMS / f"{name}.py")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, check=False)
    assert done.returncode == 0, done.stderr
    return re.sub(" at 0x[0-9a-f]+", "", done.stdout).splitlines()


@pytest.mark.parametrize("name", sorted(path.stem for path in PROGRAMS.glob("*.py")))
def test_programs_print_the_same(name: str) -> None:
    theirs = printed(name)
    ours = printed(name, "-m", "cotangent")
    assert ours == theirs
    assert len(theirs) > 20  # none of the programs is short


PASSES = """
import torch
from torch.fx import Graph, GraphModule, symbolic_trace
from torch.fx.passes.infra.pass_base import PassBase, PassResult
from torch.fx.passes.infra.pass_manager import PassManager, pass_result_wrapper
from torch.fx.passes.infra.pass_manager import this_before_that_pass_constraint
from torch.fx.passes.tools_common import get_node_target, legalize_graph, stable_topological_sort
from torch.fx.passes.utils.common import compare_graphs, lift_subgraph_as_module

def program(x):
    unused = x - 1
    torch._assert(x.shape[0] > 1, "too short")
    return torch.ops.aten.add.Tensor(torch.relu(x), x)

class Clean(PassBase):
    def call(self, gm):
        return PassResult(gm, gm.graph.eliminate_dead_code())

@pass_result_wrapper
def to_sigmoid(gm):
    for node in gm.graph.find_nodes(op="call_function", target=torch.relu):
        node.target = torch.sigmoid

gm = symbolic_trace(program)
print(gm.code)
manager = PassManager([to_sigmoid, Clean()], steps=3, run_checks_after_each_pass=True)
manager.add_checks(lambda module: module.graph.lint())
done = manager(gm)
print(done.modified, done.graph_module.code)
manager = PassManager([to_sigmoid, len], [this_before_that_pass_constraint(len, to_sigmoid)])
for call in (manager.validate_constraints, manager.solve_constraints, lambda: PassManager([len])(gm)):
    try:
        print(call(), [p.__name__ for p in manager.passes])
    except Exception as error:
        print(type(error).__name__, str(error).split(" at 0x")[0])
last = gm.graph.output_node().prev
gm.graph.find_nodes(op="placeholder")[0].prepend(last)
for sort in (legalize_graph, stable_topological_sort):
    print(sort(gm).code)
print([get_node_target({}, node) for node in gm.graph.nodes if node.op == "call_function"])
print(compare_graphs(gm.graph, symbolic_trace(program).graph), compare_graphs(gm.graph, gm.graph))
net = symbolic_trace(torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU()))
part, names = lift_subgraph_as_module(net, net.graph, "part")
print(part, names)
class Strict(torch.fx.Tracer):
    check_mutable_operations = True
try:
    Strict().trace(lambda x: torch.sigmoid(x, out=x))
except RuntimeError as error:
    print(str(error)[:50])
"""


def test_passes_print_the_same() -> None:
    found = []
    for start in ("", "from cotangent.torch_alias import install; install()\n"):
        command = [sys.executable, "-W", "ignore", "-c", start + PASSES]
        done = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, check=False)
        assert done.returncode == 0, done.stderr
        found.append(done.stdout.splitlines())
    assert found[1] == found[0]
