"""Graphs of the table's operators are drawn in every form, captured and as they were recorded."""

import json
import xml.etree.ElementTree as ET

import pytest
from samples import TABLE
from samples.case import OpCase
from samples.worlds import Function, gradient_samples

import cotangent as torch

CASES = [case for case in TABLE if "float32" in case.gradient_dtypes()][::6]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_graph_of_an_operator(case: OpCase) -> None:
    for _, sample in gradient_samples(case, "float32", 1):
        function = Function(case, sample)
        tensors = function.tensors(grad=True)
        if not function.kept:
            continue
        captured = torch.graph(function, *tensors)
        recorded = torch.graph(function(*tensors))
        assert [v.title for v in captured.operations] == [v.title for v in recorded.operations]
        assert all(v.value is not None or v.dtype not in ("float32",) for v in captured.operations)
        for graph in (captured, recorded):
            assert ET.fromstring(graph.svg(fold=None)) is not None
            page = graph.html()
            start = page.index("const G=") + len("const G=")
            json.loads(page[start : page.index(";\n", start)])
            assert str(graph) and graph.dot() and graph.mermaid()
            leaves = [v for v in graph.vertices if v.kind == "leaf"]
            assert len(leaves) <= len(tensors)
