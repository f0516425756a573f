from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import timm
import torch

from latmodel import extras
from latmodel.errors import MeasurementError, MissingExtraError, ProfileError
from optimizer.errors import ExportError, VerificationError
from optimizer.exporting import export, export_model
from optimizer.optimizing import optimize
from optimizer.parity import ALLOWED, check_graph, check_parity
from optimizer.plan import Plan
from optimizer.pruning import apply
from optimizer.pruning.exportable import exportable
from optimizer.pruning.planned import apply_plan
from optimizer.pruning.steadying import steady_images
from optimizer.pruning.twinning import twin
from tests.optimizer.devices import staircase_profile
from tests.optimizer.pruning.tiny import losing, tiny


@pytest.fixture(scope="module", autouse=True)
def needs() -> None:
    for package in ("onnx", "onnxscript", "onnxruntime", "openvino"):
        pytest.importorskip(package, reason="needs pip install 'token-budget[test]'")


@pytest.fixture(scope="module")
def plan() -> Plan:
    return optimize("test_vit", budget_ms=18, profile=staircase_profile())


def test_a_plan_is_written_compared_and_timed(plan: Plan, tmp_path: Path) -> None:
    """The caller's model stays as it is, and nothing but the file is left."""
    torch.manual_seed(0)
    model = timm.create_model("test_vit").eval()
    images = torch.randn(1, 3, 160, 160)
    before = model(images)
    rounds: list[int] = []
    steps: list[str] = []
    path = tmp_path / "model.onnx"
    found = export(
        plan,
        path,
        model=model,
        rounds=2,
        on_step=steps.append,
        on_round=lambda: rounds.append(1),
    )
    assert [item.name for item in tmp_path.iterdir()] == ["model.onnx"]
    assert torch.equal(model(images), before)
    assert (len(rounds), steps[-1]) == (4, "timing in onnxruntime")
    assert [parity.runtime for parity in found.parities] == ["onnxruntime", "openvino"]
    assert all(0 < parity.error < ALLOWED == parity.allowed for parity in found.parities)
    values = found.to_dict()
    assert values["executed"] == list(plan.schedule.tokens)
    assert (values["path"], values["dtype"], values["any_batch"]) == (str(path), "fp32", False)
    assert found.timing.pruned_ns
    assert len(found.timing.pruned_ns) == len(found.timing.dense_ns) == 2


def test_what_is_written_is_what_the_plan_says(plan: Plan, tmp_path: Path) -> None:
    """Merging with proportional attention, which answers otherwise than merging alone."""
    import onnxruntime  # noqa: PLC0415 (optional)

    torch.manual_seed(0)
    model = timm.create_model("test_vit").eval()
    asked = replace(plan, dropped="merge", proportional=True)
    export(asked, tmp_path / "it.onnx", model=model, runtime="onnxruntime", rounds=2)
    pruned = apply_plan(twin(model), asked)
    images = steady_images(pruned, (1, 3, 160, 160)).images
    session = onnxruntime.InferenceSession(tmp_path / "it.onnx")
    (found,) = session.run(None, {session.get_inputs()[0].name: images.numpy()})
    with torch.no_grad():
        wanted, alone = (
            pruned(images),
            apply(twin(model), plan.schedule, dropped="merge")(images),
        )
    torch.testing.assert_close(torch.from_numpy(found), wanted, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(wanted, alone, rtol=1e-4, atol=1e-5)


def test_a_half_precision_plan_gives_a_half_precision_file(plan: Plan, tmp_path: Path) -> None:
    """Compared in fp32, written and timed in fp16; 10 is FLOAT16 in ONNX's TensorProto."""
    import onnx  # noqa: PLC0415 (optional)

    path = tmp_path / "model.onnx"
    found = export(replace(plan, dtype="fp16"), path, runtime="onnxruntime", rounds=2)
    assert found.dtype == "fp16"
    graph = onnx.load(path).graph
    assert [e.type.tensor_type.elem_type for e in (*graph.input, *graph.output)] == [10, 10]


def test_another_models_file_is_refused(tmp_path: Path) -> None:
    """The comparison finds weights that differ, and says by how much."""
    one, other = (apply(m, losing(m, 4, 5)) for m in (tiny(depth=2), tiny(depth=2, seed=1)))
    path = tmp_path / "it.onnx"
    export_model(other, path, runtime="onnxruntime")
    steady = steady_images(one, (1, 3, 32, 32))
    with pytest.raises(ExportError, match=r"answers otherwise than eager: .* allowed is 1e-05"):
        check_parity(one, path, "onnxruntime", steady=steady, batches=(1,))


@pytest.mark.parametrize("batch", [0, -1])
def test_a_file_of_no_image_is_refused(tmp_path: Path, batch: int) -> None:
    with pytest.raises(ExportError) as refused:
        export_model(tiny(depth=2), tmp_path / "it.onnx", batch=batch)
    assert str(refused.value) == f"batch is {batch}: must be 1 or more"


def test_a_head_of_zeros_is_no_difference(tmp_path: Path) -> None:
    """As timm leaves one that is to be trained; any other answer is refused."""
    model, path = tiny(depth=2), tmp_path / "it.onnx"
    apply(model, losing(model, 4, 5))
    other = copy.deepcopy(model)
    for values in model.head.parameters():
        torch.nn.init.zeros_(values)
    (parity,) = export_model(model, path, runtime="onnxruntime")
    assert parity.error == 0.0
    export_model(other, path, runtime="onnxruntime")
    steady = steady_images(model, (1, 3, 32, 32))
    with pytest.raises(ExportError, match="answers otherwise than eager: inf apart"):
        check_parity(model, path, "onnxruntime", steady=steady, batches=(1,))


def test_what_openvino_confuses_is_named_and_not_written(tmp_path: Path) -> None:
    """As many tokens as heads; the file that stood there stays."""
    model = tiny(depth=2)
    apply(model, losing(model, 14, 0), "cls", "drop")
    path = tmp_path / "it.onnx"
    path.write_text("before")
    with pytest.raises(ExportError) as refused:
        export_model(model, path)
    said = str(refused.value)
    assert said.startswith("openvino ")
    assert said.endswith(
        "block 1 sees 3 tokens and has as many heads, which OpenVINO 2026.4 takes for one "
        "another: plan for another count than 3, or give the runtime onnxruntime"
    )
    assert [(item.name, item.read_text()) for item in tmp_path.iterdir()] == [
        ("it.onnx", "before")
    ]
    (parity,) = export_model(model, path, runtime="onnxruntime")
    assert parity.error < ALLOWED


def test_answers_that_are_no_numbers_are_no_parity(tmp_path: Path) -> None:
    model = tiny(depth=1)
    with torch.no_grad():
        model.head.bias.fill_(torch.nan)
    with pytest.raises(ExportError, match="inf apart"):
        export_model(model, tmp_path / "it.onnx", runtime="onnxruntime")
    assert not list(tmp_path.iterdir())


def test_open_sizes_and_adding_scatters_are_found(tmp_path: Path) -> None:
    """In graphs made by hand, since no cut model has any."""
    from onnx import TensorProto, helper, save  # noqa: PLC0415 (optional)

    def write(name: str, size: str | int, reduction: str) -> Path:
        x, i = (
            helper.make_tensor_value_info(n, t, [size, 3])
            for n, t in (("x", TensorProto.FLOAT), ("i", TensorProto.INT64))
        )
        y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [size, 3])
        node = helper.make_node(
            "ScatterElements", ["x", "i", "x"], ["y"], name="n", reduction=reduction
        )
        save(helper.make_model(helper.make_graph([node], "g", [x, i], [y])), tmp_path / name)
        return tmp_path / name

    check_graph(write("fine", 2, "none"), any_batch=False)
    check_graph(write("batch", "batch", "none"), any_batch=True)
    with pytest.raises(ExportError) as refused:
        check_graph(write("open", "n", "none"), any_batch=False)
    assert str(refused.value) == (
        "the graph holds sizes that are not fixed (n), allowed is none: this is a defect, "
        "please report it with the schedule file"
    )
    with pytest.raises(ExportError) as refused:
        check_graph(write("adds", 2, "add"), any_batch=False)
    assert str(refused.value) == (
        "the graph holds ScatterElements (n) with reduction add, which some runtimes lack: "
        "this is a defect, please report it with the schedule file"
    )


def test_what_cannot_be_done_is_said_first(plan: Plan, tmp_path: Path) -> None:
    path = tmp_path / "it.onnx"
    with pytest.raises(VerificationError) as one_round:
        export(plan, path, rounds=1)
    assert str(one_round.value) == "rounds is 1: must be 2 or more"
    with pytest.raises(MeasurementError) as unknown:
        export(plan, path, runtime="tensorrt")
    assert str(unknown.value) == "runtime is 'tensorrt': must be one of onnxruntime, openvino"
    with pytest.raises(MeasurementError) as half:
        export(replace(plan, dtype="bf16"), path, runtime="onnxruntime")
    assert str(half.value) == (
        "dtype is 'bf16': onnxruntime has no bf16 kernels for these models; allowed are fp32 "
        "and fp16, or bf16 in openvino"
    )
    with pytest.raises(ProfileError) as nowhere:
        export(plan, tmp_path / "none" / "it.onnx")
    assert str(nowhere.value) == (
        f"{tmp_path}/none/it.onnx: cannot write: there is no folder {tmp_path}/none"
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("missing", "runtime", "what", "extra"),
    [
        ("onnxscript", None, "writing ONNX files", "onnx"),
        ("openvino", "openvino", "openvino", "openvino"),
    ],
)
def test_a_missing_package_is_named_with_its_extra(
    plan: Plan,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    missing: str,
    runtime: str | None,
    what: str,
    extra: str,
) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == missing else True)
    with pytest.raises(MissingExtraError) as caught:
        export(plan, tmp_path / "it.onnx", runtime=runtime)
    assert str(caught.value) == (
        f"{what} needs {missing}, which this Python lacks: pip install 'token-budget[{extra}]'"
    )


def test_a_twin_with_settled_positions_leaves_the_table_alone() -> None:
    """The table of a model that resamples it stays the model's own."""
    model: Any = timm.create_model(
        "naflexvit_base_patch16_gap", depth=1, embed_dim=48, num_heads=3
    )
    table = model.embeds.pos_embed
    other: Any = exportable(twin(model), torch.zeros(1, 3, 64, 64))
    assert other.embeds.pos_embed.shape == (1, 4, 4, 48)
    assert model.embeds.pos_embed is table
