from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from latmodel.errors import MeasurementError
from latmodel.runtimes.torch_compile import TorchCompile
from tests.latmodel.runtimes.small import SMALL, random_timer

COUNTS = range(1, 13)  # more than torch's limit of 8 recompilations


@pytest.fixture
def timer(monkeypatch: pytest.MonkeyPatch) -> Iterator[TorchCompile]:
    """As users' but for the kernels, which torch's own stand for: seconds less for each."""
    monkeypatch.setattr(TorchCompile, "backend", "eager")
    torch.compiler.reset()
    made = random_timer("torch-compile", device="cpu")
    assert isinstance(made, TorchCompile)
    yield made
    torch.compiler.reset()


@pytest.fixture
def graphs(timer: TorchCompile, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every graph that is compiled, in turn."""
    compiled: list[Any] = []

    def backend(graph: Any, _inputs: object) -> Any:
        compiled.append(graph)
        return graph.forward

    monkeypatch.setattr(type(timer), "backend", staticmethod(backend))
    return compiled


def test_each_count_is_compiled_once_however_many_there_are(
    timer: TorchCompile, graphs: list[Any]
) -> None:
    """No sample of a later round meets a compilation, or code for any count."""
    for count in COUNTS:
        timer.blocks_ns(count, repeats=2)
    assert len(graphs) == len(COUNTS)
    for count in COUNTS:
        timer.blocks_ns(count, repeats=2)
    assert len(graphs) == len(COUNTS)


def test_shapes_are_static_whatever_was_compiled_before(
    timer: TorchCompile, graphs: list[Any]
) -> None:
    """The same count at another batch is no reason to compile for any batch."""
    for batch in (2, 3):
        other: Any = random_timer("torch-compile", batch=batch, device="cpu")
        other.cut_ns(5, repeats=1)
    timer.cut_ns(5, repeats=1)
    found = [[n for n in g.graph.nodes if n.op == "placeholder"] for g in graphs]
    shapes = [[getattr(n.meta["example_value"], "shape", ("any",)) for n in ns] for ns in found]
    assert [graph[0][0] for graph in shapes] == [2, 3, 1]
    sizes = [size for graph in shapes for shape in graph for size in shape]
    assert {type(size) for size in sizes} == {int}


@pytest.mark.skipif(
    not hasattr(torch.compiler, "nested_compile_region"), reason="torch is older than 2.8"
)
def test_blocks_share_one_compiled_block(timer: TorchCompile, graphs: list[Any]) -> None:
    timer.blocks_ns(5, repeats=1)
    (graph,) = graphs
    calls = [n for n in graph.graph.nodes if n.op == "call_function"]
    regions = [n for n in calls if n.target is torch.ops.higher_order.invoke_subgraph]
    assert len(regions) == SMALL["depth"]
    assert len({n.args[1] for n in regions}) == 1


def test_each_count_has_a_code_object_of_its_own(timer: TorchCompile) -> None:
    """Else a call would check the guards of other counts before its own."""
    from latmodel.runtimes.torch_compile import _with_own_code  # noqa: PLC0415

    module = timer._parts.blocks(5).module
    one, other = (_with_own_code(module, name) for name in ("blocks_5", "blocks_6"))
    assert one.__code__ is not other.__code__
    (x,) = timer._parts.blocks(5).inputs
    assert torch.equal(one(x), module(x))


def test_a_part_that_does_not_compile_is_told_with_what_it_needs(
    timer: TorchCompile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def backend(_graph: object, _inputs: object) -> Any:
        raise RuntimeError("no compiler found")

    monkeypatch.setattr(type(timer), "backend", staticmethod(backend))
    with pytest.raises(MeasurementError) as caught:
        timer.mlps_ns(5, repeats=1)
    said = str(caught.value)
    assert said.startswith("torch compile cannot run mlps of deit_tiny_patch16_224 at 5 tokens")
    assert "no compiler found" in said
    assert said.endswith(
        "; torch.compile needs a C++ compiler for a CPU and triton for CUDA; try the runtime "
        "torch-eager"
    )


def test_the_environment_names_the_runtime(timer: TorchCompile) -> None:
    found = timer.environment()
    assert (found.runtime, found.runtime_version) == ("torch compile", torch.__version__)
